package settings

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// eachAt is each with a clock that stands still until pass is called.
func eachAt(t *testing.T, fn func(t *testing.T, s *Service, pass func(time.Duration))) {
	begin := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	for name, driver := range map[string]func(testing.TB) store.Driver{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var passed atomic.Int64
			db := storetest.Open(t, driver(t), func() time.Time { return begin.Add(time.Duration(passed.Load())) })
			fn(t, service(db), func(d time.Duration) { passed.Add(int64(d)) })
		})
	}
}

func TestRotateToken_WithAnOverlapLetsTheOneBeforeWorkForThatLong(t *testing.T) {
	eachAt(t, func(t *testing.T, s *Service, pass func(time.Duration)) {
		s.mustApply(t, acme, ApplyOptions{})
		first := s.mustRotate(t)
		pass(time.Minute)
		replaced := s.DB.Now()
		second, err := s.RotateToken(t.Context(), "acme", "okta", TokenOptions{Overlap: 24 * time.Hour}, operator)
		if err != nil || second.ReplacedUntil == nil || !second.ReplacedUntil.Equal(replaced.Add(24*time.Hour)) {
			t.Fatalf("%+v %v", second, err)
		}
		pass(24*time.Hour - time.Second)
		for _, token := range []Issued{first, second} {
			if lives, why := s.lives(t, token.Token); !lives {
				t.Errorf("a token in the overlap is dead: %s", why)
			}
		}
		pass(time.Second)
		if lives, why := s.lives(t, first.Token); lives || why != "replaced" {
			t.Errorf("the replaced token after the overlap: %v %q", lives, why)
		}
		if lives, _ := s.lives(t, second.Token); !lives {
			t.Error("the new token does not live")
		}
		list, err := s.ListTokens(t.Context(), "acme", "okta")
		if err != nil || len(list) != 2 || list[0].ReplacedAt == nil || !list[0].ReplacedAt.Equal(replaced) || !list[0].RevokedAt.Equal(replaced.Add(24*time.Hour)) {
			t.Errorf("%+v %v", list, err)
		}
		if list[1].CreatedBy != operator.Name || list[1].ExpiresAt != nil {
			t.Errorf("%+v", list[1])
		}
		log := slices.DeleteFunc(s.log(t), func(e audit.Event) bool { return e.Type != audit.TokenRotated })
		if e := log[len(log)-1]; e.Type != audit.TokenRotated || len(e.Changes) != 2 || e.Changes[1].Field != "replaced_until" {
			t.Errorf("%+v", e)
		}
	})
}

func TestRotateToken_WithoutAnOverlapEndsThoseInOneAsWell(t *testing.T) {
	eachAt(t, func(t *testing.T, s *Service, pass func(time.Duration)) {
		s.mustApply(t, acme, ApplyOptions{})
		var tokens []Issued
		for range maxLiveTokens {
			issued, err := s.RotateToken(t.Context(), "acme", "okta", TokenOptions{Overlap: MaxOverlap}, operator)
			if err != nil {
				t.Fatal(err)
			}
			tokens = append(tokens, issued)
		}
		if _, err := s.RotateToken(t.Context(), "acme", "okta", TokenOptions{Overlap: time.Hour}, operator); errs.CodeOf(err) != "too_many_tokens" {
			t.Errorf("one living token more: %v", err)
		}
		if lives, _ := s.lives(t, tokens[0].Token); !lives {
			t.Error("the refused rotation ended a token")
		}
		s.mustRotate(t)
		for i, token := range tokens {
			if lives, why := s.lives(t, token.Token); lives || why != "replaced" {
				t.Errorf("token %d: %v %q", i, lives, why)
			}
		}
	})
}

func TestToken_WithALifetimeEndsByItself(t *testing.T) {
	eachAt(t, func(t *testing.T, s *Service, pass func(time.Duration)) {
		s.mustApply(t, acme, ApplyOptions{})
		issued, err := s.RotateToken(t.Context(), "acme", "okta", TokenOptions{Lifetime: 90 * 24 * time.Hour}, operator)
		if err != nil || issued.ExpiresAt == nil || !issued.ExpiresAt.Equal(s.DB.Now().Add(90*24*time.Hour)) {
			t.Fatalf("%+v %v", issued, err)
		}
		// An overlap gives nobody a longer life than it had.
		pass(90*24*time.Hour - time.Minute)
		second, err := s.RotateToken(t.Context(), "acme", "okta", TokenOptions{Overlap: time.Hour}, operator)
		if err != nil || !second.ReplacedUntil.Equal(*issued.ExpiresAt) {
			t.Fatalf("%+v %v", second, err)
		}
		pass(time.Minute)
		if lives, _ := s.lives(t, issued.Token); lives {
			t.Error("it lives on")
		}
		if err := s.RevokeToken(t.Context(), "acme", "okta", issued.ID, operator); !errs.Is(err, errs.KindNotFound) {
			t.Errorf("revoking what has ended: %v", err)
		}
		third, err := s.RotateToken(t.Context(), "acme", "okta", TokenOptions{Lifetime: time.Hour}, operator)
		if err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		if lives, why := s.lives(t, third.Token); lives || why != "expired" {
			t.Errorf("%v %q", lives, why)
		}
	})
}

func TestRotateToken_RefusesWhatIsOutOfBounds(t *testing.T) {
	eachAt(t, func(t *testing.T, s *Service, _ func(time.Duration)) {
		s.mustApply(t, acme, ApplyOptions{})
		first := s.mustRotate(t)
		events := s.events(t)
		for code, list := range map[string][]TokenOptions{
			"overlap_invalid":  {{Overlap: MaxOverlap + 1}, {Overlap: -1}},
			"lifetime_invalid": {{Lifetime: MinLifetime - 1}, {Lifetime: MaxLifetime + 1}, {Lifetime: -time.Hour}},
			"name_invalid":     {{Name: strings.Repeat("x", 101)}, {Name: "a\nb"}, {Name: "\xff"}},
		} {
			for _, o := range list {
				if _, err := s.RotateToken(t.Context(), "acme", "okta", o, operator); errs.CodeOf(err) != code || !errs.Is(err, errs.KindInvalid) {
					t.Errorf("%+v: %v", o, err)
				}
			}
		}
		if lives, _ := s.lives(t, first.Token); !lives || s.events(t) != events {
			t.Error("what was refused left something")
		}
	})
}

func TestListTokens_NeverHoldsTheSecret(t *testing.T) {
	eachAt(t, func(t *testing.T, s *Service, _ func(time.Duration)) {
		s.mustApply(t, acme, ApplyOptions{})
		issued := s.mustRotate(t)
		list, err := s.ListTokens(t.Context(), "acme", "okta")
		if err != nil || len(list) != 1 || slices.Contains([]string{list[0].ID, list[0].Name, list[0].Hint}, issued.Token) || list[0].ID != issued.ID {
			t.Errorf("%+v %v", list, err)
		}
	})
}
