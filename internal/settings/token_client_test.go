package settings

import (
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

func (s *Service) mustAddSecret(t *testing.T, o TokenOptions) IssuedSecret {
	t.Helper()
	issued, err := s.AddClientSecret(t.Context(), "acme", "okta", o, operator)
	if err != nil {
		t.Fatal(err)
	}
	return issued
}

// opens reports whether a secret works.
func (s *Service) opens(t *testing.T, secret string) bool {
	t.Helper()
	h, err := s.DB.System().HolderBySecret(t.Context(), keys.HashToken(secret), s.DB.Now())
	return err == nil && h.RevokedAt.IsZero()
}

func TestClientSecrets_WorkBesideEachOtherUntilTheyAreRevoked(t *testing.T) {
	eachAt(t, func(t *testing.T, s *Service, pass func(time.Duration)) {
		s.mustApply(t, acme, ApplyOptions{})
		dir := s.mustConfig(t, "acme").Directories[0].ID
		first := s.mustAddSecret(t, TokenOptions{Name: "first"})
		if first.ClientID != dir || first.TokenURL != "https://scim.test/scim/oauth2/token" || !strings.HasPrefix(first.ClientSecret, ClientSecretPrefix) || first.Workspace != "acme" {
			t.Errorf("%+v", first)
		}
		pass(time.Second)
		second := s.mustAddSecret(t, TokenOptions{Lifetime: time.Hour})
		if !s.opens(t, first.ClientSecret) || !s.opens(t, second.ClientSecret) {
			t.Error("they do not work beside each other")
		}
		list, err := s.ListClientSecrets(t.Context(), "acme", "okta")
		if err != nil || len(list) != 2 || list[0].Name != "first" || list[0].CreatedBy != operator.Name || list[0].Hint != keys.Hint(first.ClientSecret) || list[1].ExpiresAt == nil {
			t.Errorf("%+v %v", list, err)
		}
		if err := s.RevokeClientSecret(t.Context(), "acme", "okta", first.ID, operator); err != nil || s.opens(t, first.ClientSecret) || !s.opens(t, second.ClientSecret) {
			t.Errorf("revoke: %v", err)
		}
		if err := s.RevokeClientSecret(t.Context(), "acme", "okta", first.ID, operator); !errs.Is(err, errs.KindNotFound) {
			t.Errorf("revoked twice: %v", err)
		}
		pass(time.Hour)
		if s.opens(t, second.ClientSecret) {
			t.Error("it outlives its end")
		}
		count := map[audit.Type]int{}
		for _, e := range s.log(t) {
			count[e.Type]++
		}
		if count[audit.ClientSecretMade] != 2 || count[audit.ClientSecretRevoked] != 1 {
			t.Errorf("events %v", count)
		}
	})
}

func TestClientSecrets_AreBoundedAndRefusedAsTokensAre(t *testing.T) {
	eachAt(t, func(t *testing.T, s *Service, _ func(time.Duration)) {
		s.mustApply(t, acme, ApplyOptions{})
		s.mustApply(t, "workspace: neighbour\n", ApplyOptions{})
		var last IssuedSecret
		for range maxLiveSecrets {
			last = s.mustAddSecret(t, TokenOptions{})
		}
		for code, try := range map[string]func() error{
			"too_many_secrets": func() error {
				_, err := s.AddClientSecret(t.Context(), "acme", "okta", TokenOptions{}, operator)
				return err
			},
			"overlap_invalid": func() error {
				_, err := s.AddClientSecret(t.Context(), "acme", "okta", TokenOptions{Overlap: time.Hour}, operator)
				return err
			},
			"lifetime_invalid": func() error {
				_, err := s.AddClientSecret(t.Context(), "acme", "okta", TokenOptions{Lifetime: 1}, operator)
				return err
			},
			"directory_unknown": func() error { return s.RevokeClientSecret(t.Context(), "neighbour", last.ClientID, last.ID, operator) },
			"workspace_unknown": func() error { _, err := s.ListClientSecrets(t.Context(), "nobody", "okta"); return err },
			"secret_unknown":    func() error { return s.RevokeClientSecret(t.Context(), "acme", "okta", "", operator) },
		} {
			if err := try(); errs.CodeOf(err) != code {
				t.Errorf("want %s, got %v", code, err)
			}
		}
		if !s.opens(t, last.ClientSecret) {
			t.Error("what was refused ended a secret")
		}
		s.mustApply(t, "workspace: acme\npolicy: {scim_allowed: no}\n", ApplyOptions{})
		if _, err := s.AddClientSecret(t.Context(), "acme", "okta", TokenOptions{}, operator); errs.CodeOf(err) != "scim_not_allowed" {
			t.Errorf("%v", err)
		}
		// With the directory goes its client.
		s.mustApply(t, "workspace: acme\nrole_mappings: []\ndirectories: []\n", ApplyOptions{Prune: true})
		if s.opens(t, last.ClientSecret) {
			t.Error("a secret outlives its directory")
		}
	})
}

func TestTrustIssuer_TakesHTTPSIssuersAndListsThem(t *testing.T) {
	eachAt(t, func(t *testing.T, s *Service, _ func(time.Duration)) {
		s.mustApply(t, acme, ApplyOptions{})
		good := store.Trust{Issuer: "https://issuer.test/tenant", Subject: "job", JWKSURI: "https://issuer.test/keys"}
		view, err := s.TrustIssuer(t.Context(), "acme", "okta", good, TokenOptions{Name: "pipeline"}, operator)
		if err != nil || view.Issuer != good.Issuer || view.Subject != "job" || view.Hint != "" || view.CreatedAt.IsZero() {
			t.Fatalf("%+v %v", view, err)
		}
		list, err := s.ListClientSecrets(t.Context(), "acme", "okta")
		if err != nil || len(list) != 1 || list[0] != view {
			t.Errorf("%+v %v", list, err)
		}
		events := s.events(t)
		for _, wrong := range []store.Trust{
			{Issuer: "http://issuer.test", Subject: "job"}, {Issuer: "", Subject: "job"}, {Issuer: "https://", Subject: "job"}, {Issuer: "issuer", Subject: "job"},
			{Issuer: "https://u:p@issuer.test", Subject: "job"}, {Issuer: "https://issuer.test?x=y", Subject: "job"}, {Issuer: good.Issuer},
			{Issuer: good.Issuer, Subject: "a\nb"}, {Issuer: good.Issuer, Subject: strings.Repeat("x", 501)},
			{Issuer: good.Issuer, Subject: "job", JWKSURI: "file:///etc/passwd"}, {Issuer: "https://issuer.test/" + strings.Repeat("x", 500), Subject: "job"},
		} {
			if _, err := s.TrustIssuer(t.Context(), "acme", "okta", wrong, TokenOptions{}, operator); errs.CodeOf(err) != "trust_invalid" {
				t.Errorf("%+v: %v", wrong, err)
			}
		}
		if s.events(t) != events {
			t.Error("what was refused left an event")
		}
		if err := s.RevokeClientSecret(t.Context(), "acme", "okta", view.ID, operator); err != nil {
			t.Error(err)
		}
	})
}
