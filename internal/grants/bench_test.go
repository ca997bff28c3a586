package grants

import (
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// BenchmarkRoundTrip is what a sign-in to an application costs here: client, code, redemption with a signed ID
// token, and the claims behind the access token.
func BenchmarkRoundTrip(b *testing.B) {
	for name, driver := range map[string]func(testing.TB) store.Driver{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b, driver(b))
			w.must(w.Keys.Tend(bg))
			live, p := w.annIn(), newProof()
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := roundTrip(w, live, p); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

func roundTrip(w *world, live *store.LiveSession, p proof) error {
	client, err := w.DB.System().Client(bg, "app_one")
	if err != nil {
		return err
	}
	code, err := w.Authorize(bg, live, client, AuthorizeRequest{RedirectURI: callback, Scope: everything, Nonce: "n", Challenge: p.challenge})
	if err != nil {
		return err
	}
	given, err := w.Redeem(bg, client, code, callback, p.verifier)
	if err != nil {
		return err
	}
	h, err := w.Access(bg, given.Access)
	if err != nil {
		return err
	}
	_, err = w.UserInfo(bg, h)
	return err
}

// BenchmarkAccess is the check of an access token alone.
func BenchmarkAccess(b *testing.B) {
	for name, driver := range map[string]func(testing.TB) store.Driver{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b, driver(b))
			given := w.given(w.annIn())
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := w.Access(bg, given.Access); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
