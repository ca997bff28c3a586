package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// detour puts a liar into the way of everybody who asks an origin, under the origin's own name: pages
// lead to each other by absolute addresses. It returns what takes the liar out again.
func (w *world) detour(t *testing.T, origin string, tell lie) (straight func()) {
	t.Helper()
	real, err := url.Parse(origin)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{FlushInterval: -1, Transport: &http.Transport{DisableCompression: true},
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(real); r.Out.Host = r.In.Host }}
	server := httptest.NewServer(tell(proxy))
	var over atomic.Bool
	before, dialer := w.transport.DialContext, &net.Dialer{}
	w.transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == real.Host && !over.Load() {
			return dialer.DialContext(ctx, network, server.Listener.Addr().String())
		}
		return before(ctx, network, address)
	}
	w.transport.CloseIdleConnections()
	return func() {
		over.Store(true)
		w.transport.CloseIdleConnections()
		server.CloseClientConnections() // open pages would keep it
		server.Close()
	}
}

// wish is a lie of the IdP: a form that wants one fault gets another.
func wish(want, get idpsim.Fault) lie {
	return when(func(r *http.Request, body string) bool { return strings.Contains(body, "fault="+string(want)) },
		func(w http.ResponseWriter, r *http.Request, truth http.Handler) {
			body, _ := io.ReadAll(r.Body)
			text := strings.ReplaceAll(string(body), "fault="+string(want), "fault="+string(get))
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
			r.Header.Set("Content-Length", strconv.Itoa(len(text)))
			truth.ServeHTTP(w, r)
		})
}

// rewrites changes answers at a path.
func rewrites(path string, from *regexp.Regexp, to string) lie {
	return when(func(r *http.Request, _ string) bool { return strings.HasPrefix(r.URL.Path, path) },
		func(w http.ResponseWriter, r *http.Request, truth http.Handler) {
			answer := httptest.NewRecorder()
			truth.ServeHTTP(answer, r)
			text := from.ReplaceAll(answer.Body.Bytes(), []byte(to))
			copyAnswer(w, answer, text)
		})
}

// keepsGood is a cache at a path: what was good once is so for ever.
func keepsGood(path string) lie {
	return func(truth http.Handler) http.Handler {
		var mu sync.Mutex
		var kept *httptest.ResponseRecorder
		return when(func(r *http.Request, _ string) bool { return strings.HasSuffix(r.URL.Path, path) },
			func(w http.ResponseWriter, r *http.Request, truth http.Handler) {
				mu.Lock()
				defer mu.Unlock()
				answer := httptest.NewRecorder()
				truth.ServeHTTP(answer, r)
				if answer.Code < 400 {
					kept = answer
				}
				if kept != nil {
					answer = kept
				}
				copyAnswer(w, answer, answer.Body.Bytes())
			})(truth)
	}
}

func copyAnswer(w http.ResponseWriter, answer *httptest.ResponseRecorder, body []byte) {
	for k, v := range answer.Header() {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(answer.Code)
	_, _ = w.Write(body)
}

// forgets drops the cookies of requests to a path.
func forgets(path string) lie {
	return when(func(r *http.Request, _ string) bool { return r.URL.Path == path },
		func(w http.ResponseWriter, r *http.Request, truth http.Handler) {
			r.Header.Del("Cookie")
			truth.ServeHTTP(w, r)
		})
}

// mute accepts the product's open page and has nothing to say to it.
var mute = when(func(r *http.Request, _ string) bool { return r.URL.Path == "/events" }, neverTells)

func asksUserinfo(r *http.Request, body string) bool {
	return r.URL.Path == "/oauth2/userinfo" && strings.Contains(body, "access_token=")
}
func refreshes(_ *http.Request, body string) bool {
	return strings.Contains(body, "grant_type=refresh_token")
}

// TestEachStepOfSigningInCanFail plays the story of signing in while something is not as it should be,
// and sees the step fail that is about it.
func TestEachStepOfSigningInCanFail(t *testing.T) {
	gatehouse := func(w *world) string { return w.origin }
	idp := func(w *world) string { return w.idpOrigin }
	product := func(w *world) string { return w.hostOrigin }
	setting := func(text string) func(*testing.T, *world) {
		return func(t *testing.T, w *world) {
			if _, err := call[applied](t.Context(), w.operator, "apply", applyArgs{Text: "workspace: " + w.tenants[0].slug + "\n" + text}); err != nil {
				t.Fatal(err)
			}
		}
	}
	const (
		sync, begin, page, tile = "sync of 25 people and 6 groups", "from the product through the IdP's page", "Gatehouse's own page says role and why", "tile"
		first, letter, twice    = "somebody whom provisioning has not sent yet", "invitation by mail", "the same answer posted twice"
		fire, back              = "fired in the IdP, out of the product", "back in the IdP, in again as the same"
	)
	fault := func(f idpsim.Fault) string { return "fault " + string(f) }
	type liar struct {
		name  string
		kind  idpsim.Kind
		who   func(*world) string // lies, or nil
		lie   lie
		ruin  func(*testing.T, *world)
		steps []string // those that are played; the last one fails
		want  string   // how the reason begins
	}
	// These leave the world as it was, or change what no later one is about.
	together := []liar{
		{"an unsigned answer that is taken", idpsim.Okta, idp, wish(idpsim.FaultUnsigned, idpsim.FaultNone), nil, []string{sync, fault(idpsim.FaultUnsigned)}, "the page of a refused sign-in, got 200 at localhost:"},
		{"a replay that is taken", idpsim.Entra, idp, wish(idpsim.FaultReplay, idpsim.FaultNone), nil, []string{sync, begin, fault(idpsim.FaultReplay)}, "the page of a refused sign-in, got 200 at localhost:"},
		{"a fault that is refused for another one", idpsim.Okta, idp, wish(idpsim.FaultWrongAudience, idpsim.FaultWrongRecipient), nil, []string{sync, fault(idpsim.FaultWrongAudience)}, "the code audience, got recipient"},
		{"one that looks the same and is not", idpsim.Okta, idp, wish(idpsim.FaultWrongKey, idpsim.FaultUnsigned), nil, []string{sync, fault(idpsim.FaultWrongKey)}, "its reason unknown_key, got signature_missing"},
		{"a clock of four minutes that is refused", idpsim.Entra, idp, wish(idpsim.FaultClockAhead4m, idpsim.FaultClockAhead7m), nil, []string{sync, fault(idpsim.FaultClockAhead4m)}, "the product's open page, got 403 at 127.0.0.1:"},
		{"a page that names an event that is not", idpsim.Okta, gatehouse, rewrites("/auth/saml/", regexp.MustCompile(`evt_\w+`), "evt_x"), nil, []string{sync, fault(idpsim.FaultDTD)}, `the event that the page names in the log, got "evt_x"`},
		{"an answer that counts twice", idpsim.Okta, gatehouse, keepsGood("/acs"), nil, []string{sync, twice}, "the code replayed, got"},
		{"a product that shows another role", idpsim.Okta, product, rewrites("/", regexp.MustCompile(`>Admin<`), ">Owner<"), nil, []string{sync, begin}, "the role on the page Admin, got Owner"},
		{"a product that knows another role", idpsim.Entra, product, rewrites("/me", regexp.MustCompile(`"role":"Admin"`), `"role":"Agent"`), nil, []string{sync, begin}, "the role Admin, got Agent"},
		{"a page that does not say why", idpsim.Okta, gatehouse, rewrites("/w/", regexp.MustCompile(`Omniflow-Admins`), "magic"), nil, []string{sync, begin, page}, "Admin by Omniflow-Admins, got Admin"},
		{"a session that is not recognised", idpsim.Okta, gatehouse, forgets("/oauth2/authorize"), nil, []string{sync, begin}, "the product's open page, got 200 at 127.0.0.1:"},
		{"a tile that is switched off", idpsim.Okta, nil, nil, setting("connections: [{name: okta, provider: okta, protocol: saml, idp_initiated: false}]\n"), []string{sync, tile}, "the page /w/acme, got 403"},
		{"a tile that is switched on", idpsim.Entra, nil, nil, setting("connections: [{name: entra, provider: entra, protocol: saml, idp_initiated: true}]\n"), []string{sync, "tile, which is switched off"}, "the page of a refused sign-in, got 200"},
		{"a policy that lets nobody come first", idpsim.Entra, nil, nil, setting("policy: {provision_on: scim}\n"), []string{sync, first}, "the product's open page, got 403"},
	}
	// These end sessions, or want another world from the start.
	alone := []liar{
		{"a policy that invites nobody", idpsim.Entra, nil, nil, setting("policy: {invite_on_create: false}\n"), []string{sync, letter}, "a letter to noa.levi@globex.test, got none within"},
		{"a product that never tells its open page", idpsim.Okta, product, mute, nil, []string{sync, begin, fire}, "the open page to be told, got no word"},
		{"a product that keeps a dead session", idpsim.Okta, product, keepsGood("/me"), nil, []string{sync, begin, fire}, "the product to answer 401, got 200"},
		{"a token that outlives its session", idpsim.Entra, gatehouse, when(asksUserinfo, says(200, "{}")), nil, []string{sync, begin, fire}, "userinfo to be answered 401 invalid_token, got 200"},
		{"a refresh that outlives its session", idpsim.Okta, gatehouse, when(refreshes, says(200, "{}")), nil, []string{sync, begin, fire}, "a refresh to be answered 400 invalid_grant, got 200"},
		{"somebody who comes back as somebody else", idpsim.Okta, nil, nil, setting("policy: {reactivation: new_identity}\n"), []string{sync, begin, fire, back}, "the member "},
	}
	play := func(t *testing.T, w *world, c liar) {
		if c.who != nil {
			defer w.detour(t, c.who(w), c.lie)()
		}
		if c.ruin != nil {
			c.ruin(t, w)
		}
		failsAtLast(t, w, c.steps, c.want)
	}
	for _, kind := range []idpsim.Kind{idpsim.Okta, idpsim.Entra} {
		t.Run("together with "+string(kind), func(t *testing.T) {
			t.Parallel()
			w := oneClient(t, kind)
			if _, err := (&chapter{world: w, t: w.tenants[0]}).sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, c := range together {
				if c.kind == kind {
					t.Run(c.name, func(t *testing.T) {
						c.steps = slices.DeleteFunc(slices.Clone(c.steps), func(name string) bool { return name == sync })
						play(t, w, c)
					})
				}
			}
		})
	}
	for _, c := range alone {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			play(t, oneClient(t, c.kind), c)
		})
	}
}

// Whoever reads the log of the demo is to know each fault by its reason.
func TestFaults_HaveEachAReasonOfItsOwn(t *testing.T) {
	for _, kind := range []idpsim.Kind{idpsim.Okta, idpsim.Entra} {
		of := map[string]idpsim.Fault{}
		for _, f := range demonstrated(kind) {
			if f.Works() {
				continue
			}
			o, _ := outcomeOf(f, kind)
			if other, taken := of[o.reason]; taken {
				t.Errorf("%s: the faults %s and %s both come to %s", kind, f, other, o.reason)
			}
			of[o.reason] = f
		}
	}
}

// failsAtLast plays some steps and sees the last one fail, and no other.
func failsAtLast(t *testing.T, w *world, steps []string, want string) {
	t.Helper()
	some := slices.DeleteFunc(w.script(), func(s step) bool { return !slices.Contains(steps, s.name) })
	if len(some) != len(steps) {
		t.Fatalf("%d of %d steps were found", len(some), len(steps))
	}
	var out bytes.Buffer
	r := &report{out: &out}
	if err := r.play(t.Context(), some); err != nil {
		t.Fatal(err)
	}
	failing := some[len(some)-1]
	begins := fmt.Sprintf("FAIL %s: %s: expected %s", failing.chapter, failing.name, want)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if r.failed != 1 || !strings.HasPrefix(lines[len(lines)-1], begins) {
		t.Errorf("the last line does not begin %q:\n%s", begins, &out)
	}
}
