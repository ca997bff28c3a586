package settings

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

const samlHead = "workspace: acme\nconnections:\n- {name: okta, provider: okta, protocol: saml, metadata_file: okta.xml, "

// keyOf returns the private key of a connection's key at a place, opened.
func (s *Service) keyOf(t *testing.T, at int) string {
	t.Helper()
	c := s.connection(t, "okta")
	master, err := s.Master(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	der, err := master.Open(directory.SPKeyPurpose(c.ID), c.SAML.Keys[at].Private)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := master.Open(directory.SPKeyPurpose("con_other"), c.SAML.Keys[at].Private); err == nil {
		t.Error("the sealed key opens in another connection's place")
	}
	return string(der)
}

// sealingToo keeps the files of acme.
func (s *Service) sealingToo(t *testing.T) {
	t.Helper()
	read, env := s.ReadFile, s.Getenv
	s.sealing(t)
	s.ReadFile, s.Getenv = read, env
}

func TestSAMLOptions_AreAppliedExportedAndAppliedAgainWithoutAChange(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.sealingToo(t)
		day := s.DB.Now().UTC().AddDate(0, 1, 0).Format(time.DateOnly)
		text := samlHead + "status: active, sign_requests: yes, encryption: on, sha1_until: " + day + ", single_logout: yes, artifact: yes, force_authn: true, authn_contexts: ['urn:mfa', 'urn:other']}\n"
		if r := s.mustApply(t, text, ApplyOptions{DryRun: true}); len(r.Changes) == 0 {
			t.Error("a dry run tells nothing")
		}
		result := s.mustApply(t, text, ApplyOptions{})
		side := s.connection(t, "okta").SAML
		if !side.SignRequests || !side.SingleLogout || !side.Artifact || side.Encryption != "on" || side.SHA1Until != day || !side.ForceAuthn || !slices.Equal(side.AuthnContexts, []string{"urn:mfa", "urn:other"}) || len(side.Keys) != 1 || !side.Keys[0].Signs {
			t.Fatalf("%+v", side)
		}
		secret := s.keyOf(t, 0)
		events := s.events(t)
		exported, err := s.Export(context.Background(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		for _, again := range []string{text, strings.Replace(text, "sign_requests: yes, encryption: on, ", "", 1), strings.Replace(text, "single_logout: yes, artifact: yes, ", "", 1), string(exported)} {
			if r := s.mustApply(t, again, ApplyOptions{}); len(r.Changes) != 0 {
				t.Errorf("applied again: %v", r.Changes)
			}
		}
		if s.events(t) != events {
			t.Error("something was recorded")
		}
		shown, err := json.Marshal(result)
		if err != nil {
			t.Fatal(err)
		}
		log, err := json.Marshal(s.log(t))
		if err != nil {
			t.Fatal(err)
		}
		for where, text := range map[string]string{"the export": string(exported), "the answer": string(shown), "the events": string(log)} {
			if strings.Contains(text, side.Keys[0].Private) || strings.Contains(text, secret) || strings.Contains(text, "PRIVATE") {
				t.Errorf("a private key is in %s: %s", where, text)
			}
		}
		// What was rotated elsewhere is no drift, and the file takes no key away.
		if _, err := s.RotateSPKey(context.Background(), "acme", "okta", operator); err != nil {
			t.Fatal(err)
		}
		if r := s.mustApply(t, text, ApplyOptions{}); len(r.Changes) != 0 || len(s.connection(t, "okta").SAML.Keys) != 2 {
			t.Errorf("after a rotation: %v", r.Changes)
		}
		if _, err := s.SetSAMLOptions(context.Background(), "acme", "okta", SAMLOptions{Encryption: "off", SHA1Until: day, SingleLogout: true, Artifact: true}, operator); err != nil {
			t.Fatal(err)
		}
		s.wantRefusal(t, text, ApplyOptions{}, errs.KindConflict, "connections.okta.encryption: last applied on, now (none), file on", "sign_requests")
		off := s.mustApply(t, samlHead+"sign_requests: no, encryption: off, single_logout: no, artifact: no, sha1_until: none, force_authn: no, authn_contexts: []}\n", ApplyOptions{Force: true})
		if side := s.connection(t, "okta").SAML; len(off.Changes) == 0 || side.SHA1Until != "" || side.Encrypts() || len(side.Keys) != 2 {
			t.Errorf("%v: %+v", off.Changes, side)
		}
		if _, err := s.RotateSPKey(context.Background(), "acme", "okta", operator); err != nil {
			t.Fatal(err)
		}
		s.mustApply(t, "workspace: acme\nconnections: []\n", ApplyOptions{Prune: true}) // with its keys, whichever they are
	})
}

func TestSAMLOptions_TheirMistakesAreNamed(t *testing.T) {
	s := service(storetest.Open(t, storetest.SQLite(t), nil))
	s.sealingToo(t)
	s.mustApply(t, "workspace: acme\n", ApplyOptions{})
	for rest, want := range map[string]string{
		"encryption: perhaps}":          "line 3: connections[0].encryption: expected one of off, on, cbc, received",
		"sign_requests: 7}":             "line 3: connections[0].sign_requests: expected yes or no",
		"sha1_until: soon}":             "line 3: connections[0].sha1_until: expected a day such as",
		"sha1_until: 2026-02-30}":       "line 3: connections[0].sha1_until: expected a day such as",
		"sha1_until: 2999-01-01}":       "line 3: connections[0].sha1_until: expected a day within a year",
		"authn_contexts: ['two uris']}": "line 3: connections[0].authn_contexts: expected the URIs",
	} {
		f, err := ParseFile([]byte(samlHead+rest+"\n"), "/etc/acme")
		if err == nil {
			_, err = s.Apply(context.Background(), f, ApplyOptions{Actor: operator})
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", rest, err)
		}
	}
	s.wantRefusal(t, "workspace: acme\nconnections:\n- {name: o, provider: generic, protocol: oidc, encryption: on}\n", ApplyOptions{}, errs.KindInvalid, "connections[0].encryption: expected only with protocol: saml")
	r := s.mustApply(t, samlHead+"encryption: cbc}\n", ApplyOptions{})
	if !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "only if the response as a whole is signed") }) {
		t.Errorf("AES-CBC comes without a word: %v", r.Notes)
	}
}

func TestSAMLOptions_OfTheConsoleAreCheckedAndSeen(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.sealingToo(t)
		s.mustApply(t, acme, ApplyOptions{})
		ctx := context.Background()
		set := func(to SAMLOptions, actor audit.Party) (ConnectionView, error) {
			return s.SetSAMLOptions(ctx, "acme", "okta", to, actor)
		}
		for code, to := range map[string]SAMLOptions{
			"encryption_unknown":     {Encryption: "maybe"},
			"cbc_not_understood":     {Encryption: "cbc"},
			"sha1_until_invalid":     {Encryption: "off", SHA1Until: "2999-01-01"},
			"authn_contexts_invalid": {Encryption: "off", AuthnContexts: []string{"a b"}},
			"changed_meanwhile":      {Encryption: "off", Seen: "something else"},
		} {
			if _, err := set(to, operator); errs.CodeOf(err) != code {
				t.Errorf("%+v: %v, want %s", to, err, code)
			}
		}
		admin := audit.Party{Kind: "member", ID: s.addMember(t, "admin@acme.test", "Admin", true)}
		v, err := set(SAMLOptions{SignRequests: true, Encryption: "on"}, admin)
		if err != nil || len(v.SAML.Keys) != 1 || v.Unconfirmed || !strings.Contains(v.SAML.Keys[0].PEM, "BEGIN CERTIFICATE") {
			t.Fatalf("%+v %v", v, err)
		}
		// What makes an answer count that did not count waits for an owner.
		if v, err = set(SAMLOptions{SignRequests: true, Encryption: "cbc", CBCUnderstood: true}, admin); err != nil || !v.Unconfirmed {
			t.Errorf("AES-CBC by an administrator: %+v %v", v, err)
		}
		if _, err := s.ConfirmConnection(ctx, "acme", "okta", v.Word, operator); err != nil {
			t.Error(err)
		}
		if _, err := s.SetSAMLOptions(ctx, "acme", "entra", SAMLOptions{Encryption: "off"}, operator); errs.CodeOf(err) != "not_saml" {
			t.Errorf("an OIDC connection: %v", err)
		}
		s.Master = nil
		if _, err := s.RotateSPKey(ctx, "acme", "okta", operator); err == nil {
			t.Error("a key was kept that nothing seals")
		}
	})
}

func TestSPKeys_AreRotatedInStepsThatLeaveNoGap(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.sealingToo(t)
		ctx := context.Background()
		s.mustApply(t, samlHead+"status: active, sign_requests: yes, encryption: on}\n", ApplyOptions{})
		v, err := s.Connection(ctx, "acme", "okta")
		if err != nil {
			t.Fatal(err)
		}
		first := v.SAML.Keys[0].Fingerprint
		if _, err := s.RemoveSPKey(ctx, "acme", "okta", first, operator); errs.CodeOf(err) != "key_in_use" {
			t.Errorf("the only key: %v", err)
		}
		if v, err = s.RotateSPKey(ctx, "acme", "okta", operator); err != nil || len(v.SAML.Keys) != 2 || v.SAML.Keys[0].Signs || !v.SAML.Keys[1].Signs || v.SAML.Keys[1].Fingerprint != first {
			t.Fatalf("published: %+v %v", v.SAML, err)
		}
		second := v.SAML.Keys[0].Fingerprint
		if s.keyOf(t, 0) == s.keyOf(t, 1) {
			t.Error("both are one key")
		}
		if _, err := s.RemoveSPKey(ctx, "acme", "okta", first, operator); errs.CodeOf(err) != "key_in_use" {
			t.Errorf("the key that signs: %v", err)
		}
		if v, err = s.UseSPKey(ctx, "acme", "okta", second, operator); err != nil || !v.SAML.Keys[0].Signs || v.SAML.Keys[1].Signs {
			t.Fatalf("in use: %+v %v", v.SAML, err)
		}
		if v, err = s.RemoveSPKey(ctx, "acme", "okta", first, operator); err != nil || len(v.SAML.Keys) != 1 || v.SAML.Keys[0].Fingerprint != second {
			t.Fatalf("removed: %+v %v", v.SAML, err)
		}
		for _, again := range []func() error{
			func() error { _, err := s.RemoveSPKey(ctx, "acme", "okta", first, operator); return err },
			func() error { _, err := s.UseSPKey(ctx, "acme", "okta", first, operator); return err },
		} {
			if err := again(); errs.CodeOf(err) != "key_unknown" {
				t.Errorf("a key that is gone: %v", err)
			}
		}
		for range maxSPKeys - 1 {
			if _, err := s.RotateSPKey(ctx, "acme", "okta", operator); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.RotateSPKey(ctx, "acme", "okta", operator); errs.CodeOf(err) != "too_many" {
			t.Errorf("one more: %v", err)
		}
		told := 0
		for _, e := range s.log(t) {
			for _, c := range e.Changes {
				if c.Field == "connections.okta.keys" && strings.Contains(c.To, "sha256:") {
					told++
				}
			}
		}
		if told < 4 {
			t.Errorf("the log tells of %d changes of keys", told)
		}
	})
}
