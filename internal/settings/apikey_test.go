package settings

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

func TestTendAPIKeys_WarnsTheOwnerOnceBeforeTheEnd(t *testing.T) {
	t.Parallel()
	eachAt(t, func(t *testing.T, s *Service, pass func(time.Duration)) {
		const day = 24 * time.Hour
		s.Mail = true
		s.mustApply(t, "workspace: acme\nowners: [{email: root@acme.test}]\n", ApplyOptions{})
		for name, life := range map[string]time.Duration{"long": 90 * day, "short": 20 * day} {
			if _, err := s.CreateAPIKey(t.Context(), "acme", provision.Who("root@acme.test"), KeyOptions{Name: name, Scopes: []string{"members"}, Lifetime: life}, operator); err != nil {
				t.Fatal(err)
			}
		}
		want := func(when string, wanted ...string) {
			t.Helper()
			for range 2 {
				if err := s.TendAPIKeys(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			var told []string
			for _, e := range s.log(t) {
				if e.Type == audit.APIKeyExpiring {
					told = append(told, e.Subject.Name+" "+e.Reason)
				}
			}
			letters := 0
			s.in(t, func(tx *store.Tx) error {
				list, err := tx.Letters("", 100)
				for _, l := range list {
					if strings.Contains(l.Body, "An API key of yours ends soon") {
						letters++
					}
				}
				return err
			})
			if !slices.Equal(told, wanted) || letters != len(wanted) {
				t.Errorf("%s: told %v, %d letters, want %v", when, told, letters, wanted)
			}
		}
		want("at once")
		pass(10 * day)
		want("ten days before the end of a short one")
		pass(66 * day)
		want("two weeks before", "long 14")
		pass(13 * day)
		want("a day before", "long 14")
		pass(2 * day)
		want("afterwards", "long 14")
	})
}
