package console

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// slowly is a body whose sender takes long: meanwhile something happens.
type slowly struct {
	io.Reader
	meanwhile func()
}

func (s *slowly) Read(p []byte) (int, error) {
	if s.meanwhile != nil {
		s.meanwhile()
		s.meanwhile = nil
	}
	return s.Reader.Read(p)
}

// losses are how an administrator stops being one.
var losses = map[string]func(w *world){
	"signed out": func(w *world) {
		w.write("acme", func(tx *store.Tx) error {
			if _, err := tx.EndSessions("mem_acme_admin", "", "ended_by_operator", false); err != nil {
				return err
			}
			return tx.Record(audit.Event{Type: audit.SessionsEnded})
		})
	},
	"given a lower role": func(w *world) {
		lowest := w.setup().Roles[len(w.setup().Roles)-1].ID
		w.write("acme", func(tx *store.Tx) error {
			m, err := tx.Member("mem_acme_admin")
			if err != nil {
				return err
			}
			m.Role, m.ManualRole = lowest, lowest
			tx.UpdateMember(m)
			return tx.Record(audit.Event{Type: audit.MemberRoleChanged})
		})
	},
}

func TestWhoLosesTheRoleWhileAFormIsUnderWay_ChangesNothing(t *testing.T) {
	for name, lose := range losses {
		t.Run(name, func(t *testing.T) {
			each(t, "default", func(t *testing.T, w *world) {
				created, err := w.settings.CreateConnection(t.Context(), "acme", "Okta", "okta", audit.Party{Kind: "operator"})
				w.must(err)
				b := w.as("admin@acme.test")
				at, err := url.Parse(w.server.URL)
				w.must(err)
				// send sends a form whose end comes after meanwhile.
				send := func(path string, meanwhile func(), pairs ...string) {
					form := url.Values{}
					for i := 0; i+1 < len(pairs); i += 2 {
						form.Set(pairs[i], pairs[i+1])
					}
					r := httptest.NewRequest("POST", w.server.URL+"/console/acme"+path, &slowly{strings.NewReader(form.Encode()), meanwhile})
					r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
					for _, c := range b.client.Jar.Cookies(at) {
						r.AddCookie(c)
					}
					n, rec := len(w.events()), httptest.NewRecorder()
					w.server.Config.Handler.ServeHTTP(rec, r)
					if to := rec.Header().Get("Location"); rec.Code != http.StatusForbidden && !strings.HasPrefix(to, "/signin") {
						t.Errorf("%s: %d to %q", path, rec.Code, to)
					}
					if got := w.events()[n:]; len(got) != 1 { // the loss
						t.Errorf("%s: %d events", path, len(got))
					}
				}
				send("/sso/connections", func() { lose(w) }, "provider", "okta")
				w.write("acme", func(tx *store.Tx) error {
					m, err := tx.Member("mem_acme_admin")
					if err != nil {
						return err
					}
					admin, _ := w.role("Admin")
					m.Role, m.ManualRole = admin.ID, admin.ID
					tx.UpdateMember(m)
					return tx.Record(audit.Event{Type: audit.MemberRoleChanged})
				})
				b = w.as("admin@acme.test")
				// The address of the metadata is somebody's who answers late.
				const address = "https://idp.test/metadata"
				w.fetched[address] = idp("https://idp.test").Metadata()
				w.fetching = func() { lose(w) }
				send("/sso/connections/"+created.ID+"/metadata", nil, "url", address)
			})
		})
	}
}
