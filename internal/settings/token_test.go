package settings

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
)

func (s *Service) mustRotate(t *testing.T) Issued {
	t.Helper()
	issued, err := s.RotateToken(context.Background(), "acme", "okta", TokenOptions{Name: "Okta SCIM"}, operator)
	if err != nil {
		t.Fatal(err)
	}
	return issued
}

func (s *Service) lives(t *testing.T, token string) (bool, string) {
	t.Helper()
	h, err := s.DB.System().TokenByHash(context.Background(), keys.HashToken(token), s.DB.Now())
	if err != nil {
		t.Fatal(err)
	}
	return h.RevokedAt.IsZero(), h.Why
}

func TestRotateToken_KillsTheOneBefore(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		r := s.mustApply(t, acme, ApplyOptions{})
		first := s.mustRotate(t)
		if !strings.HasPrefix(first.Token, "gscim_") || first.BaseURL != "https://scim.test/scim/v2" || first.Workspace != "acme" || first.Directory != r.Directories[0].ID {
			t.Errorf("%+v", first)
		}
		second := s.mustRotate(t)
		if lives, why := s.lives(t, first.Token); lives || why != "replaced" {
			t.Errorf("the replaced token lives: %v %q", lives, why)
		}
		if lives, _ := s.lives(t, second.Token); !lives {
			t.Error("the new token does not live")
		}
		list, err := s.ListTokens(context.Background(), "acme", "okta")
		if err != nil || len(list) != 2 || list[1].Hint != second.Token[len(second.Token)-4:] || list[1].Name != "Okta SCIM" {
			t.Errorf("%+v %v", list, err)
		}
		for _, e := range s.log(t) {
			if strings.Contains(string(e.Payload), second.Token) || slices.ContainsFunc(e.Changes, func(c audit.Change) bool { return strings.Contains(c.To, second.Token) }) {
				t.Errorf("an event holds the token: %+v", e)
			}
		}
		if err := s.RevokeToken(context.Background(), "acme", "okta", "tok_other", operator); !errs.Is(err, errs.KindNotFound) {
			t.Errorf("%v", err)
		}
		if err := s.RevokeToken(context.Background(), "acme", "okta", list[1].ID, operator); err != nil {
			t.Fatal(err)
		}
		if lives, why := s.lives(t, second.Token); lives || why != "revoked" {
			t.Errorf("the revoked token lives: %v %q", lives, why)
		}
	})
}

func TestRotateToken_IsRefusedWherePolicySaysSo(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, acme, ApplyOptions{})
		cases := []struct{ file, code string }{
			{"policy: {scim_requires_sso: yes, scim_allowed: no}", "scim_not_allowed"},
			{"policy: {scim_allowed: yes}\nconnections: [{name: okta, status: disabled}]", "sso_not_verified"},
		}
		for _, c := range cases {
			s.mustApply(t, "workspace: acme\n"+c.file+"\n", ApplyOptions{})
			_, err := s.RotateToken(context.Background(), "acme", "okta", TokenOptions{}, operator)
			if errs.CodeOf(err) != c.code || !errs.Is(err, errs.KindForbidden) {
				t.Errorf("got %v, want %s", err, c.code)
			}
			log := s.log(t)
			if last := log[len(log)-1]; last.Type != audit.TokenRotated || last.Outcome != audit.Refused || last.Reason != c.code {
				t.Errorf("the refusal left %+v", last)
			}
		}
		s.mustApply(t, "workspace: acme\nconnections: [{name: okta, status: active}]\n", ApplyOptions{})
		s.mustRotate(t)
		// Where policy does not ask for it, SCIM comes without single sign-on (F23 of the seeds).
		s.mustApply(t, "workspace: acme\nconnections: [{name: okta, status: disabled}]\npolicy: {scim_requires_sso: no}\n", ApplyOptions{})
		s.mustRotate(t)
	})
}

func TestRotateToken_AtOnceLeavesOneLiveToken(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, acme, ApplyOptions{})
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if _, err := s.RotateToken(context.Background(), "acme", "okta", TokenOptions{}, operator); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		list, err := s.ListTokens(context.Background(), "acme", "okta")
		live := slices.DeleteFunc(slices.Clone(list), func(v TokenView) bool { return v.RevokedAt != nil })
		if err != nil || len(list) != 8 || len(live) != 1 {
			t.Errorf("%d tokens, %d live: %v", len(list), len(live), err)
		}
	})
}

func TestTokens_OfWhatIsNotThereAreNotFound(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, acme, ApplyOptions{})
		s.mustApply(t, "workspace: neighbour\n", ApplyOptions{})
		dir := s.mustConfig(t, "acme").Directories[0].ID
		for _, c := range [][2]string{{"nobody", "okta"}, {"acme", "entra"}, {"neighbour", "okta"}, {"neighbour", dir}} {
			if _, err := s.RotateToken(context.Background(), c[0], c[1], TokenOptions{}, operator); !errs.Is(err, errs.KindNotFound) {
				t.Errorf("%v: %v", c, err)
			}
			if _, err := s.ListTokens(context.Background(), c[0], c[1]); !errs.Is(err, errs.KindNotFound) {
				t.Errorf("%v: %v", c, err)
			}
		}
		if con, err := s.Connection(context.Background(), "acme", "OKTA"); err != nil || con.Name != "okta" {
			t.Errorf("%+v %v", con, err)
		}
		if _, err := s.Connection(context.Background(), "neighbour", "okta"); !errs.Is(err, errs.KindNotFound) {
			t.Errorf("%v", err)
		}
	})
}

func TestRotateTokenOnce_MakesOneTokenForOneForm(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, acme, ApplyOptions{})
		ctx := t.Context()
		newest := func() string {
			setup, err := s.ConnectionSetup(ctx, "acme")
			if err != nil {
				t.Fatal(err)
			}
			return setup.Directories[0].NewestToken()
		}
		dir := s.mustConfig(t, "acme").Directories[0].ID
		if newest() != "" {
			t.Fatal("there is a token already")
		}
		if _, err := s.RotateTokenOnce(ctx, "acme", dir, "", TokenOptions{}, operator); err != nil {
			t.Fatal(err)
		}
		first := newest()
		events := s.events(t)
		for _, last := range []string{"", "tok_other"} {
			if _, err := s.RotateTokenOnce(ctx, "acme", dir, last, TokenOptions{}, operator); errs.CodeOf(err) != "token_already_made" {
				t.Errorf("a form that saw %q: %v", last, err)
			}
		}
		// Neither does a dead token make the first form good again.
		if s.events(t) != events || newest() != first {
			t.Error("a refused form left something")
		}
		if err := s.RevokeToken(ctx, "acme", dir, "", operator); err != nil {
			t.Fatal(err)
		}
		if _, err := s.RotateTokenOnce(ctx, "acme", dir, "", TokenOptions{}, operator); errs.CodeOf(err) != "token_already_made" {
			t.Errorf("the first form after the token's end: %v", err)
		}
		if _, err := s.RotateTokenOnce(ctx, "acme", dir, first, TokenOptions{}, operator); err != nil || newest() == first {
			t.Errorf("a fresh form: %v", err)
		}
	})
}
