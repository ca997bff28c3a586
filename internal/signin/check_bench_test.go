package signin

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// BenchmarkCheck is GET /auth/session without the network, by a session through a connection whose metadata is as
// long as metadata is, or by one that came by password.
func BenchmarkCheck(b *testing.B) {
	for name, method := range map[string]directory.Method{"saml": directory.MethodSAML, "password": directory.MethodPassword} {
		b.Run(name, func(b *testing.B) {
			onBoth(b, func(b *testing.B, driver store.Driver) {
				s, h := benched(b, driver)
				token := session.TokenPrefix + strings.Repeat("a", 43)
				if err := s.DB.Write(context.Background(), acme, func(tx *store.Tx) error {
					one := session.Session{ID: "ses_bench", Workspace: acme, Member: bob, Method: method, CreatedAt: tx.Now(), LastUsedAt: tx.Now(), ExpiresAt: tx.Now().Add(time.Hour), AuthenticatedAt: tx.Now(), UserAgent: strings.Repeat("x", 120)}
					if method == directory.MethodSAML {
						one.Connection = okta
					}
					tx.InsertSession(&one, keys.HashToken(token))
					return tx.Record(audit.Event{Type: audit.SessionEnded})
				}); err != nil {
					b.Fatal(err)
				}
				r := httptest.NewRequest("GET", "/auth/session", nil)
				r.Header.Set("Cookie", "gatehouse_session="+token)
				b.ReportAllocs()
				for b.Loop() {
					w := httptest.NewRecorder()
					if h.ServeHTTP(w, r); w.Code != 200 {
						b.Fatal(w.Code, w.Body)
					}
				}
			})
		})
	}
}
