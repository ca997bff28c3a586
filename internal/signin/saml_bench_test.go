package signin

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
	"github.com/gatehouse-id/gatehouse/internal/web"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// benched is acme, connected, behind a handler.
func benched(b *testing.B, driver store.Driver) (*Service, http.Handler) {
	b.Helper()
	db := storetest.Open(b, driver, nil)
	s := &Service{DB: db, Passwords: keys.NewPasswords(0), PublicURL: "http://gatehouse.test"}
	for _, fn := range []func(*store.Tx) error{furnishAcme, func(tx *store.Tx) error {
		tx.SaveConnection(directory.Connection{ID: okta, Name: "Okta", Provider: "okta", Protocol: directory.ProtocolSAML,
			Status: directory.ConnectionActive, VerifiedAt: tx.Now(), SAML: sideOf(oktaIdP())}, false)
		tx.SaveDirectory(directory.Directory{ID: "dir_okta", Name: "Okta", Connection: okta, Status: directory.DirectoryEnabled, Mode: directory.ModeLenient}, false)
		return tx.Record(audit.Event{Type: audit.ConnectionChanged})
	}} {
		if err := db.Write(context.Background(), acme, fn); err != nil {
			b.Fatal(err)
		}
	}
	door, err := NewDoor(s)
	if err != nil {
		b.Fatal(err)
	}
	mux := http.NewServeMux()
	door.Mount(mux)
	web.Assets{}.Mount(mux)
	return s, mux
}

func post(h http.Handler, form url.Values, cookie *http.Cookie) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/auth/saml/"+okta+"/acs", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if cookie != nil {
		r.AddCookie(cookie)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func onBoth(b *testing.B, fn func(b *testing.B, driver store.Driver)) {
	b.Run("sqlite", func(b *testing.B) { fn(b, storetest.SQLite(b)) })
	b.Run("postgres", func(b *testing.B) { fn(b, storetest.Postgres(b)) })
}

// BenchmarkACS is a signed answer of 9 KB that is posted, to the session: form, signature, one
// transaction with member, replay, session and event. -cpu 1 gives sign-ins per core.
func BenchmarkACS(b *testing.B) {
	onBoth(b, func(b *testing.B, driver store.Driver) {
		s, h := benched(b, driver)
		secret, _ := keys.NewToken(browserPrefix)
		cookie := &http.Cookie{Name: s.browserCookieName(), Value: secret}
		forms := make([]url.Values, b.N)
		for i := range forms {
			// A client of its own each time: the limit of one is not what is measured.
			begun, err := s.BeginSAML(context.Background(), okta, "", secret, false, Client{Bucket: keys.UUID()})
			if err != nil {
				b.Fatal(err)
			}
			u, _ := url.Parse(begun.URL)
			q := u.Query()
			r := oktaIdP().Response(ServiceProvider(s.PublicURL, directory.Connection{ID: okta}), benchRequest(b, begun.URL), time.Now())
			about(r, "bob@acme.test", "Bob", "Builder")
			r.Assertion.Attributes[3].Values = manyGroups
			forms[i] = url.Values{"SAMLResponse": {sign(r)}, "RelayState": {q.Get("RelayState")}}
		}
		b.SetBytes(int64(len(forms[0].Get("SAMLResponse"))))
		b.ReportAllocs()
		used := cpu(b)
		b.ResetTimer()
		for _, form := range forms {
			if w := post(h, form, cookie); w.Code != http.StatusSeeOther {
				b.Fatalf("%d %s", w.Code, w.Body)
			}
		}
		b.ReportMetric(float64((cpu(b)-used).Microseconds())/float64(b.N), "cpu-µs/op")
	})
}

// cpu is the processor time that this process has used; on a busy machine it says more than the clock.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

var manyGroups = strings.Fields(strings.Repeat("Some-Group-Of-The-Company-With-A-Name ", 40))

func benchRequest(b *testing.B, address string) string {
	b.Helper()
	q, err := parseRequest(address)
	if err != nil {
		b.Fatal(err)
	}
	return q.id
}

// BenchmarkGarbage is what a post costs that nobody signed: what is not XML, and a whole answer of
// another key. Past the events of a client it is counted and summed up.
func BenchmarkGarbage(b *testing.B) {
	onBoth(b, func(b *testing.B, driver store.Driver) {
		s, h := benched(b, driver)
		forged := oktaIdP().Response(ServiceProvider(s.PublicURL, directory.Connection{ID: okta}), "", time.Now())
		forged.Signing.Key = otherKey()
		for name, response := range map[string]string{"not XML": strings.Repeat("AAAA", 2500), "another key": samltest.Encode(oktaIdP().Sign(forged))} {
			b.Run(name, func(b *testing.B) {
				b.ReportAllocs()
				used := cpu(b)
				for b.Loop() {
					if w := post(h, url.Values{"SAMLResponse": {response}}, nil); w.Code != http.StatusForbidden {
						b.Fatalf("%d", w.Code)
					}
				}
				b.ReportMetric(float64((cpu(b)-used).Microseconds())/float64(b.N), "cpu-µs/op")
			})
		}
	})
}
