package settings

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// plan shows what a source would change at acme's connection okta.
func (s *Service) plan(t *testing.T, from Source) MetadataPlan {
	t.Helper()
	p, err := s.PlanMetadata(context.Background(), "acme", "okta", from)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// whats are the subjects of a plan's lines.
func whats(p MetadataPlan) string {
	var out []string
	for _, line := range p.Changes {
		out = append(out, line.What)
	}
	return strings.Join(out, ", ")
}

func (s *Service) applyPlan(p MetadataPlan, by string) error {
	_, err := s.ApplyMetadata(context.Background(), "acme", "okta", Source{XML: p.XML, URL: p.URL, Signer: p.Signer}, p.Word, audit.Party{Kind: "operator", Name: by})
	return err
}

func TestImport_ShowsWhatChangesAndCarriesOutExactlyThat(t *testing.T) {
	eachAt(t, func(t *testing.T, s *Service, pass func(time.Duration)) {
		p := s.watched(t)
		if plan := s.plan(t, Source{XML: idpWith(0).Metadata()}); len(plan.Changes) != 0 {
			t.Errorf("the same metadata changes %s", whats(plan))
		}
		moved := idpWith(1)
		moved.SSO = "https://okta.test/new"
		events := s.events(t)
		plan := s.plan(t, Source{XML: moved.Metadata()})
		if whats(plan) != "sign-in addresses, key added" || !plan.Unverified || plan.OtherIdP {
			t.Fatalf("%s: %+v", whats(plan), plan)
		}
		for _, part := range []string{print(1), "RSA 2048", "valid 2020-01-01 to 2049-12-31"} {
			if !strings.Contains(plan.Changes[1].To, part) {
				t.Errorf("%q does not say %s", plan.Changes[1].To, part)
			}
		}
		if s.events(t) != events {
			t.Error("a plan leaves something behind")
		}

		// Of two administrators who saw the same, one is told.
		var both sync.WaitGroup
		said := make([]error, 2)
		for i := range said {
			both.Go(func() { said[i] = s.applyPlan(plan, fmt.Sprint(i)) })
		}
		both.Wait()
		if (said[0] == nil) == (said[1] == nil) || errs.CodeOf(errors.Join(said...)) != "changed_meanwhile" {
			t.Fatalf("%v and %v", said[0], said[1])
		}
		s.wantStates(t, "0 active; 1 staged")
		if s.connection(t, "okta").Verified() {
			t.Error("another place is verified")
		}

		// What a URL answers by then is not what was shown.
		p.set(idpWith(0, 2))
		plan = s.plan(t, Source{URL: publishedAt})
		p.set(idpWith(0, 2, 3))
		if _, err := s.ApplyMetadata(context.Background(), "acme", "okta", Source{URL: publishedAt}, plan.Word, operator); errs.CodeOf(err) != "changed_meanwhile" {
			t.Errorf("metadata that changed since is answered %v", err)
		}
		if err := s.applyPlan(plan, "root"); err != nil {
			t.Fatal(err)
		}
		if side := s.connection(t, "okta").SAML; !side.Believes(print(2)) || side.Believes(print(3)) {
			t.Error("something else was applied than was shown")
		}
	})
}

func TestImport_TakesFieldsAndManyIdPsOfOneDocument(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, "workspace: acme\nconnections:\n- {name: okta, provider: generic, protocol: saml}\n", ApplyOptions{})
		pem := keyRing[0]().Certificate.PEM()
		good := Fields{EntityID: " https://idp.test/ ", SSO: "https://idp.test/sso", Binding: "post", Certificates: pem + "\n" + keyRing[1]().Certificate.PEM()}
		for name, change := range map[string]func(*Fields){
			"entity ID":           func(f *Fields) { f.EntityID = " " },
			"address":             func(f *Fields) { f.SSO = "" },
			"signing certificate": func(f *Fields) { f.Certificates = "" },
			"neither PEM":         func(f *Fields) { f.Certificates = "%%%" },
			"not https":           func(f *Fields) { f.SSO = "http://idp.test/sso" },
			"javascript":          func(f *Fields) { f.SSO = "javascript:alert(1)" },
			"redirect or post":    func(f *Fields) { f.Binding = "soap" },
		} {
			f := good
			change(&f)
			_, err := s.PlanMetadata(context.Background(), "acme", "okta", Source{Fields: &f})
			if errs.CodeOf(err) != "metadata_invalid" || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: %v", name, err)
			}
		}
		plan := s.plan(t, Source{Fields: &good})
		if whats(plan) != "entity ID, sign-in addresses, key added, key added" || plan.Changes[1].To != "post https://idp.test/sso" {
			t.Fatalf("%+v", plan.Changes)
		}
		if err := s.applyPlan(plan, "root"); err != nil {
			t.Fatal(err)
		}
		wrap := func(parts ...*samltest.IdP) []byte {
			text := `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata">`
			for _, idp := range parts {
				doc := string(idp.Metadata())
				text += doc[strings.Index(doc, "<md:Entity"):]
			}
			return []byte(text + `</md:EntitiesDescriptor>`)
		}
		many := wrap(samltest.NewIdP("https://a.test/", keyRing[0]()), samltest.NewIdP("https://b.test/", keyRing[1]()))
		_, err := s.PlanMetadata(context.Background(), "acme", "okta", Source{XML: many})
		if errs.CodeOf(err) != "metadata_invalid" || !strings.Contains(err.Error(), `"https://a.test/", "https://b.test/"`) {
			t.Errorf("two IdPs are answered %v", err)
		}
		if _, err = s.PlanMetadata(context.Background(), "acme", "okta", Source{XML: many, EntityID: "https://c.test/"}); err == nil || !strings.Contains(err.Error(), `expected "https://c.test/"`) {
			t.Errorf("a third is answered %v", err)
		}
		if plan := s.plan(t, Source{XML: many, EntityID: "https://b.test/"}); plan.EntityID != "https://b.test/" || !plan.OtherIdP {
			t.Errorf("%+v", plan)
		}
		if _, err := s.PlanMetadata(context.Background(), "acme", "okta", Source{XML: make([]byte, MaxMetadataBytes+1)}); err == nil || !strings.Contains(err.Error(), "at most") {
			t.Errorf("a large document is answered %v", err)
		}
	})
}

func TestImport_AnApplyFileTakesAllOfItExportsItAndIsAppliedAgainWithoutAChange(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		read := s.ReadFile
		s.ReadFile = func(name string) ([]byte, error) {
			if name == "/etc/acme/idp.pem" {
				return []byte(keyRing[0]().Certificate.PEM()), nil
			}
			return read(name)
		}
		const head = "workspace: acme\nconnections:\n- name: okta\n  provider: generic\n  protocol: saml\n  status: active\n"
		fields := head + "  idp: {entity_id: 'https://idp.test/', sso_url: 'https://idp.test/sso', certificate_file: idp.pem}\n  metadata_url: https://idp.test/metadata\n" +
			"  metadata_signer: |\n    " + strings.ReplaceAll(strings.TrimSpace(keyRing[1]().Certificate.PEM()), "\n", "\n    ") + "\n"
		s.mustApply(t, fields, ApplyOptions{})
		side := s.connection(t, "okta").SAML
		k, _ := side.IdPKey(print(0))
		if side.EntityID != "https://idp.test/" || side.MetadataURL != "https://idp.test/metadata" || directory.KeyPrint(side.MetadataSigner) != print(1) || k.Source != directory.FromField {
			t.Fatalf("%+v", side)
		}
		exported, err := s.Export(context.Background(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		for _, again := range []string{fields, string(exported)} {
			if r := s.mustApply(t, again, ApplyOptions{}); len(r.Changes) != 0 {
				t.Errorf("applied again: %v\n%s", r.Changes, again)
			}
		}
		if r := s.mustApply(t, head+"  metadata_url: none\n", ApplyOptions{}); len(r.Changes) != 2 || s.connection(t, "okta").SAML.MetadataURL != "" {
			t.Errorf("without an address: %v", r.Changes)
		}
		s.wantRefusal(t, head+"  metadata_url: https://user:word@idp.test/\n", ApplyOptions{}, errs.KindInvalid, "without user and password")
	})
}

func TestApply_AFileOfBeforeARotationIsNoDriftAndTakesNoOldKeyBack(t *testing.T) {
	eachAt(t, func(t *testing.T, s *Service, pass func(time.Duration)) {
		text := strings.Replace(acme, "metadata_file: okta.xml", "metadata_file: nine.xml, metadata_url: "+publishedAt, 1)
		read := s.ReadFile
		s.ReadFile = func(name string) ([]byte, error) {
			if name == "/etc/acme/nine.xml" {
				return idpWith(0).Metadata(), nil
			}
			return read(name)
		}
		p := &publisher{}
		p.set(idpWith(0))
		s.Metadata = p.get
		s.mustApply(t, text, ApplyOptions{})
		again := func(when string) {
			t.Helper()
			if r := s.mustApply(t, text, ApplyOptions{}); len(r.Changes) != 0 {
				t.Errorf("%s: %v", when, r.Changes)
			}
		}
		s.signs(t, 0)
		again("signed")
		p.set(idpWith(0, 1))
		pass(aDay)
		s.refreshDue(t)
		again("staged")
		s.wantStates(t, "0 active; 1 staged")
		s.signs(t, 1)
		again("promoted")
		p.set(idpWith(1))
		pass(aDay)
		s.refreshDue(t)
		pass(keepRetired)
		if err := s.TendKeys(context.Background()); err != nil {
			t.Fatal(err)
		}
		again("removed")
		s.wantStates(t, "1 active")
		// By hand it can be had again.
		if err := s.applyPlan(s.plan(t, Source{XML: idpWith(0, 1).Metadata()}), "root"); err != nil {
			t.Fatal(err)
		}
		s.wantStates(t, "0 staged; 1 active")
	})
}

func TestIdPKeys_AnAdministratorPromotesKeepsAndDropsByHand(t *testing.T) {
	eachAt(t, func(t *testing.T, s *Service, pass func(time.Duration)) {
		s.watched(t)
		ctx := context.Background()
		if _, err := s.DropIdPKey(ctx, "acme", "okta", print(0), operator); errs.CodeOf(err) != "key_in_use" {
			t.Errorf("the only key: %v", err)
		}
		if err := s.applyPlan(s.plan(t, Source{XML: idpWith(0, 1, 2).Metadata()}), "root"); err != nil {
			t.Fatal(err)
		}
		for name, word := range map[string]string{"": "key_unknown", "0123456": "key_unknown", print(3): "key_unknown"} {
			if _, err := s.PromoteIdPKey(ctx, "acme", "okta", name, operator); errs.CodeOf(err) != word {
				t.Errorf("%q: %v", name, err)
			}
		}
		if _, err := s.PromoteIdPKey(ctx, "acme", "okta", strings.ToUpper(print(1)[:12]), operator); err != nil {
			t.Fatal(err)
		}
		s.wantStates(t, "0 retiring; 1 active; 2 staged")
		if !s.connection(t, "okta").Verified() {
			t.Error("a promotion by hand takes the proof away")
		}
		if _, err := s.KeepIdPKey(ctx, "acme", "okta", "sha256:"+print(0), true, operator); err != nil {
			t.Fatal(err)
		}
		pass(400 * 24 * time.Hour)
		if err := s.TendKeys(ctx); err != nil {
			t.Fatal(err)
		}
		s.wantStates(t, "0 retiring, kept; 1 active; 2 staged")
		if _, err := s.DropIdPKey(ctx, "acme", "okta", print(2), operator); err != nil || !s.connection(t, "okta").Verified() {
			t.Fatalf("%v", err)
		}
		if _, err := s.DropIdPKey(ctx, "acme", "okta", print(0), operator); err != nil {
			t.Fatal(err)
		}
		s.wantStates(t, "1 active")
		if s.connection(t, "okta").Verified() {
			t.Error("no key that has signed is left, and the connection is verified")
		}
	})
}

func TestVerified_EnforcementDoesNotLoseItsProofByAClick(t *testing.T) {
	eachAt(t, func(t *testing.T, s *Service, pass func(time.Duration)) {
		s.watched(t)
		ctx := context.Background()
		s.mustApply(t, strings.Replace(strings.Replace(acme, "metadata_file: okta.xml, status: active", "idp_initiated: yes", 1), "{require_sso: none}", "{require_sso: all}", 1), ApplyOptions{})
		moved := idpWith(0)
		moved.SSO = "https://okta.test/new"
		for name, text := range map[string][]byte{"another place": moved.Metadata(), "another IdP": samltest.NewIdP("https://x.test/", keyRing[2]()).Metadata()} {
			if err := s.applyPlan(s.plan(t, Source{XML: text}), "root"); errs.CodeOf(err) != "would_lock_out" {
				t.Errorf("%s: %v", name, err)
			}
		}
		// A rotation goes through.
		if err := s.applyPlan(s.plan(t, Source{XML: idpWith(1).Metadata()}), "root"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.DropIdPKey(ctx, "acme", "okta", print(0), operator); errs.CodeOf(err) != "would_lock_out" {
			t.Errorf("the only key that has signed: %v", err)
		}
		s.signs(t, 1)
		if _, err := s.DropIdPKey(ctx, "acme", "okta", print(0), operator); err != nil {
			t.Error(err)
		}
	})
}
