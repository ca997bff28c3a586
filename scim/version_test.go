package scim_test

import (
	"testing"

	"github.com/gatehouse-id/gatehouse/scim"
)

// tagged checks the ETag header, and that a body says the same in meta.version.
func (r reply) tagged(t testing.TB, status int, version string) reply {
	t.Helper()
	r.want(t, status)
	if got := r.Header().Get("ETag"); got != version {
		t.Errorf("ETag %s, want %s", got, version)
	}
	if meta, _ := r.doc["meta"].(map[string]any); r.doc != nil && meta["version"] != version {
		t.Errorf("meta is %v, want version %s", meta, version)
	}
	return r
}

func TestVersions_AreInTheHeaderAndInMeta(t *testing.T) {
	t.Parallel()
	s := newServer(offering(scim.Offers{ETag: true}))
	s.do(t, "POST", "/Users", userHead+`"userName":"ann"}`).tagged(t, 201, `W/"1"`)
	s.do(t, "GET", "/Users/id-1", "").tagged(t, 200, `W/"1"`)
	s.do(t, "PUT", "/Users/id-1", userHead+`"userName":"ann","title":"T"}`).tagged(t, 200, `W/"2"`)
	title := patchHead + `[{"op":"replace","path":"title","value":"U"}]}`
	s.do(t, "PATCH", "/Users/id-1", title).tagged(t, 200, `W/"3"`)
	s.do(t, "PATCH", "/Users/id-1", title).tagged(t, 200, `W/"3"`)
	s.group(t, "Eng")
	s.do(t, "PATCH", "/Groups/id-2", patchHead+`[{"op":"replace","path":"displayName","value":"Ops"}]}`).tagged(t, 204, `W/"2"`)
	if r := s.do(t, "GET", "/Users/id-1?attributes=userName", "").want(t, 200); r.Header().Get("ETag") != `W/"3"` || r.doc["meta"] != nil {
		t.Errorf("a part of a resource: %s", r.Body)
	}
	if r := s.do(t, "GET", "/Users", "").want(t, 200); r.Header().Get("ETag") != "" {
		t.Error("a list has an ETag")
	}
}

func TestVersions_SaveAReaderWhatItKnows(t *testing.T) {
	t.Parallel()
	s := newServer(offering(scim.Offers{ETag: true}))
	s.user(t, "ann", "")
	for tag, status := range map[string]int{
		`W/"1"`: 304, `"1"`: 304, `*`: 304, `W/"0", W/"1"`: 304, `W/"2"`: 200, `1`: 200, ``: 200,
	} {
		for _, method := range []string{"GET", "HEAD"} {
			r := s.do(t, method, "/Users/id-1", "", "If-None-Match", tag).want(t, status)
			if r.Header().Get("ETag") != `W/"1"` || (status == 304) != (r.Body.Len() == 0) {
				t.Errorf("%s %s: %v %s", method, tag, r.Header(), r.Body)
			}
		}
	}
	s.do(t, "GET", "/Users/none", "", "If-None-Match", "*").want(t, 404)
	for _, params := range []string{"attributes=userName", "excludedAttributes=meta", "attributes=meta.location"} {
		if s.do(t, "GET", "/Users/id-1?"+params, "", "If-None-Match", "*").want(t, 304); !s.m.wanted.Wants("meta") {
			t.Errorf("%s: the backend was not asked for the version", params)
		}
		r := s.do(t, "GET", "/Users/id-1?"+params, "", "If-None-Match", `"2"`).want(t, 200)
		if s.do(t, "GET", "/Users/id-1?"+params, "").Body.String() != r.Body.String() {
			t.Errorf("%s: shows %s", params, r.Body)
		}
	}
	s.do(t, "GET", "/Users/id-1", "", "If-Match", `W/"9"`).want(t, 412)
}

func TestVersions_StopAChangeOfWhatHasMoved(t *testing.T) {
	t.Parallel()
	s := newServer(offering(scim.Offers{ETag: true}))
	s.user(t, "ann", "")
	put := func(headers ...string) reply {
		return s.do(t, "PUT", "/Users/id-1", userHead+`"userName":"ann","title":"put"}`, headers...)
	}
	patch := func(headers ...string) reply {
		return s.do(t, "PATCH", "/Users/id-1", patchHead+`[{"op":"replace","path":"title","value":"patch"}]}`, headers...)
	}
	remove := func(headers ...string) reply { return s.do(t, "DELETE", "/Users/id-1", "", headers...) }
	for name, f := range map[string]func(...string) reply{"PUT": put, "PATCH": patch, "DELETE": remove} {
		for _, headers := range [][]string{{"If-Match", `W/"9"`}, {"If-Match", `"9", W/"8"`}, {"If-None-Match", "*"}, {"If-None-Match", `"1"`}} {
			if r := f(headers...).want(t, 412, ""); r.doc["detail"] == "" {
				t.Errorf("%s %v: %s", name, headers, r.Body)
			}
		}
	}
	s.do(t, "GET", "/Users/id-1", "").tagged(t, 200, `W/"1"`)
	put("If-Match", `W/"1"`).tagged(t, 200, `W/"2"`)
	patch("If-Match", `"0", "2"`).tagged(t, 200, `W/"3"`)
	patch("If-None-Match", `"1"`).tagged(t, 200, `W/"3"`)
	s.do(t, "DELETE", "/Users/none", "", "If-Match", "*").want(t, 404)
	remove("If-Match", "*").want(t, 204)
}

func TestConditional_TellsWhetherAVersionMatters(t *testing.T) {
	t.Parallel()
	for _, offered := range []bool{true, false} {
		s := newServer(offering(scim.Offers{ETag: offered}))
		for _, name := range []string{"If-Match", "If-None-Match", "X-Other"} {
			s.do(t, "DELETE", "/Users/none", "", name, `"1"`).want(t, 404)
			if want := offered && name != "X-Other"; s.m.conditional != want {
				t.Errorf("versions offered %v, %s: %v", offered, name, s.m.conditional)
			}
		}
	}
}

func TestVersions_DoNotExistWhereTheyAreNotOffered(t *testing.T) {
	t.Parallel()
	s := newServer()
	s.user(t, "ann", "")
	r := s.do(t, "GET", "/Users/id-1", "", "If-None-Match", "*", "If-Match", `"9"`).want(t, 200)
	if r.Header().Get("ETag") != "" || r.doc["meta"].(map[string]any)["version"] != nil {
		t.Errorf("%v %s", r.Header(), r.Body)
	}
	s.do(t, "DELETE", "/Users/id-1", "", "If-Match", `"9"`).want(t, 204)
}
