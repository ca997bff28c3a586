package acceptance

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// metadataPage serves a company's SAML metadata as its IdP publishes it now, and counts who asks. While down is true
// nobody is there.
type metadataPage struct {
	address string
	asked   atomic.Int64
	down    atomic.Bool
	endless atomic.Bool
}

func (c *company) publish() *metadataPage {
	c.w.t.Helper()
	p := &metadataPage{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.asked.Add(1)
		for block := make([]byte, 1<<20); p.endless.Load(); {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
		text, err := c.idp.SAMLMetadata()
		if err != nil || p.down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(text)
	}))
	c.w.t.Cleanup(server.Close)
	p.address = server.URL + "/metadata"
	return p
}

// shownMetadata is what connection metadata prints.
type shownMetadata struct {
	Plan *struct {
		Word    string
		Changes []struct{ What, From, To string }
	}
	Applied    bool
	Connection struct {
		VerifiedAt string `json:"verified_at"`
		IdP        struct {
			Certificates []struct{ Fingerprint, State string }
		}
	}
	Metadata struct {
		URL      string
		Failures int
		Error    string
		Proposal *struct{ Word string }
	}
}

func (c *company) metadata(verb string, more ...string) (k shownMetadata) {
	c.w.t.Helper()
	c.w.gatehouse(&k, append([]string{"connection", "metadata", verb, c.slug, "idp"}, more...)...)
	return k
}

// wantKeys compares where the keys stand: "active staged", the one that signs now first.
func (c *company) wantKeys(want ...string) {
	c.w.t.Helper()
	state, err := c.idp.SAML()
	c.w.must(err)
	var got []string
	for _, k := range c.metadata("show").Connection.IdP.Certificates {
		if k.Fingerprint == state.Fingerprint {
			got = append([]string{k.State}, got...)
		} else {
			got = append(got, k.State)
		}
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		c.w.t.Errorf("the keys are %v, want %v", got, want)
	}
}

// imports reads metadata from a source, looks at the differences and carries them out.
func (c *company) imports(source ...string) {
	c.w.t.Helper()
	shown := c.metadata("import", source...)
	if shown.Plan == nil || len(shown.Plan.Changes) == 0 || shown.Applied {
		c.w.t.Fatalf("nothing is shown: %+v", shown)
	}
	if done := c.metadata("import", append(source, "--plan", shown.Plan.Word)...); !done.Applied {
		c.w.t.Fatalf("it was not carried out: %+v", done)
	}
}

// An IdP replaces its signing key, with and without notice, and people go on signing in where Gatehouse knows where the
// metadata is published; where it does not, the refusal names the certificate (F36 and acceptance case SA12).
func TestStory_an_IdP_replaces_its_key(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		for _, kind := range []idpsim.Kind{idpsim.Okta, idpsim.Entra} {
			t.Run(string(kind)+" with notice", func(t *testing.T) {
				t.Parallel()
				w := w.within(t)
				c := w.company("notice-"+string(kind), kind, form{preset: "omniflow", more: seededRoles})
				c.connect()
				c.seed()
				ann := c.who("ann.lee")
				at := c.publish()
				c.imports("--url", at.address)
				c.enter(ann)
				c.wantKeys("active")
				w.must(c.idp.RotateSAMLKey(idpsim.RotateAnnounce))
				c.metadata("refresh")
				c.wantKeys("active", "staged")
				c.enter(ann)
				w.must(c.idp.RotateSAMLKey(idpsim.RotateSwitch))
				c.enter(ann)
				c.wantKeys("active", "retiring")
				asked := at.asked.Load()
				w.must(c.idp.RotateSAMLKey(idpsim.RotateWithdraw))
				c.enter(ann)
				if at.asked.Load() != asked {
					t.Error("a key that is known has the metadata looked at")
				}
				for _, typ := range []string{"connection.idp_key.staged", "connection.idp_key.promoted"} {
					w.wantEvent(c.slug, typ, "")
				}
				if c.metadata("show").Connection.VerifiedAt == "" {
					t.Error("the connection is not verified any more")
				}
			})
			t.Run(string(kind)+" with no notice", func(t *testing.T) {
				t.Parallel()
				w := w.within(t)
				c := w.company("sudden-"+string(kind), kind, form{preset: "omniflow", more: seededRoles})
				c.connect()
				c.seed()
				ann := c.who("ann.lee")
				at := c.publish()
				c.imports("--url", at.address)
				c.enter(ann)
				// The address does not answer for a while: nobody notices.
				at.down.Store(true)
				for range 3 {
					if k := c.metadata("refresh"); k.Metadata.Failures == 0 || k.Metadata.Error == "" {
						t.Errorf("an outage is not told: %+v", k.Metadata)
					}
				}
				c.enter(ann)
				w.wantEvent(c.slug, "connection.metadata.unavailable", "unreachable")
				at.down.Store(false)
				at.endless.Store(true)
				if k := c.metadata("refresh"); !strings.Contains(k.Metadata.Error, "at most 5242880 bytes") {
					t.Errorf("an answer without end is told as %+v", k.Metadata)
				}
				at.endless.Store(false)
				w.must(c.idp.RotateSAMLKey(idpsim.RotateReplace))
				c.enter(ann)
				c.wantKeys("active", "retiring")
				w.wantEvent(c.slug, "connection.metadata.available", "")
			})
			t.Run(string(kind)+" where the metadata was brought", func(t *testing.T) {
				t.Parallel()
				w := w.within(t)
				c := w.company("brought-"+string(kind), kind, form{preset: "omniflow", more: seededRoles})
				c.connect()
				c.seed()
				ann := c.who("ann.lee")
				c.enter(ann)
				w.must(c.idp.RotateSAMLKey(idpsim.RotateReplace))
				b := w.newBrowser()
				e := c.refused(b, c.signsIn(b, c.login(), ann), "saml_refused", "unknown_key")
				state, err := c.idp.SAML()
				w.must(err)
				for _, part := range []string{state.Fingerprint, "import the metadata again"} {
					if !strings.Contains(string(e.Payload), part) {
						t.Errorf("the event does not say %q: %s", part, e.Payload)
					}
				}
				text, err := c.idp.SAMLMetadata()
				w.must(err)
				file := filepath.Join(t.TempDir(), "idp.xml")
				w.must(os.WriteFile(file, text, 0o600))
				c.imports("--file", file)
				c.enter(ann)
				c.wantKeys("active", "retiring")
			})
		}
	}, "--allow-private-networks") // the IdP's metadata and the product are on this machine
}
