package settings

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/guide"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// ends is the absolute end of a session of acme by the hash of its token.
func (s *Service) ends(t *testing.T, hash string) time.Time {
	t.Helper()
	live, err := s.DB.SessionByToken(context.Background(), hash, s.DB.Now())
	if err != nil {
		t.Fatal(err)
	}
	return live.ExpiresAt
}

func (s *Service) outlasts(t *testing.T, hash string, life time.Duration) bool {
	t.Helper()
	return s.ends(t, hash).Sub(s.DB.Now()) > life
}

func TestDomains_LeadToOneConnectionAndAreShownExportedAndToldBeforeTheyAreSet(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, acme, ApplyOptions{})
		const file = "workspace: acme\nconnections:\n- {name: okta, domains: [Acme.test, a.acme.test]}\n- {name: entra, domains: [other.test]}\n"
		dry := s.mustApply(t, file, ApplyOptions{DryRun: true})
		for _, want := range []string{"connections.okta.domains: (none) -> a.acme.test, acme.test", "connections.entra.domains: (none) -> other.test"} {
			if !slices.Contains(dry.Changes, want) {
				t.Errorf("a dry run does not say %q: %v", want, dry.Changes)
			}
		}
		if c := s.connection(t, "okta"); c.Domains != nil {
			t.Errorf("a dry run set %v", c.Domains)
		}
		r := s.mustApply(t, file, ApplyOptions{})
		if c := s.connection(t, "okta"); !slices.Equal(c.Domains, []string{"a.acme.test", "acme.test"}) {
			t.Errorf("%v", c.Domains)
		}
		if all := strings.Join(r.Notes, "\n"); !strings.Contains(all, "connections.entra.domains: other.test is not among the workspace's domains") || strings.Contains(all, " acme.test is not among") {
			t.Errorf("%v", r.Notes)
		}
		again := s.mustApply(t, file, ApplyOptions{})
		if len(again.Changes) != 0 {
			t.Errorf("applied again: %v", again.Changes)
		}
		text, err := s.Export(context.Background(), "acme")
		if err != nil || !strings.Contains(string(text), "domains: [a.acme.test, acme.test]") {
			t.Errorf("%v %s", err, text)
		}
		if back := s.mustApply(t, string(text), ApplyOptions{}); len(back.Changes) != 0 {
			t.Errorf("the export applied: %v", back.Changes)
		}
		// They move from one to the other in one file, and go by an empty list.
		s.mustApply(t, "workspace: acme\nconnections:\n- {name: okta, domains: []}\n- {name: entra, domains: [acme.test]}\n", ApplyOptions{})
		if okta, entra := s.connection(t, "okta"), s.connection(t, "entra"); okta.Domains != nil || !slices.Equal(entra.Domains, []string{"acme.test"}) {
			t.Errorf("%v %v", okta.Domains, entra.Domains)
		}
		s.wantRefusal(t, "workspace: acme\nconnections:\n- {name: okta, domains: [ACME.test]}\n", ApplyOptions{}, errs.KindInvalid,
			"line 3: connections[0].domains: acme.test is both ", `"okta"`, `"entra"`, "a domain leads to one connection")
		s.wantRefusal(t, "workspace: acme\nconnections:\n- {name: fresh, provider: okta, protocol: saml, domains: [x.test]}\n- {name: okta, domains: [x.test]}\n", ApplyOptions{}, errs.KindInvalid, "connections[1].domains: x.test is both")
		if _, err := ParseFile([]byte("workspace: acme\nconnections:\n- {name: okta, domains: [no domain, '*.acme.test', '']}\n"), ""); err == nil || strings.Count(err.Error(), "connections[0].domains") < 2 {
			t.Errorf("%v", err)
		}
	})
}

func TestDomains_OfAnAdministratorAreCheckedAndOnRecord(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		ctx := context.Background()
		s.mustApply(t, acme, ApplyOptions{})
		if got := s.did(t, func() error {
			_, err := s.SetConnectionDomains(ctx, "acme", "okta", []string{" ACME.test", "", "acme.test"}, administrator)
			return err
		}); !slices.Equal(got, []string{"connection.changed"}) {
			t.Errorf("%v", got)
		}
		for _, c := range []struct {
			connection string
			domains    []string
			code       string
		}{
			{"entra", []string{"acme.test"}, "domain_claimed"}, {"entra", []string{"<script>"}, "domains_invalid"}, {"entra", []string{"acme"}, "domains_invalid"},
			{"entra", strings.Fields(manyDomains(maxConnectionDomains + 1)), "domains_invalid"}, {"nobody", nil, "connection_unknown"},
		} {
			if _, err := s.SetConnectionDomains(ctx, "acme", c.connection, c.domains, administrator); errs.CodeOf(err) != c.code {
				t.Errorf("%s %.40v: %v, want %s", c.connection, c.domains, err, c.code)
			}
		}
		if _, err := s.SetConnectionDomains(ctx, "acme", "entra", []string{"acme.test"}, administrator); !strings.Contains(err.Error(), `"okta"`) {
			t.Errorf("the refusal does not name the connection that has it: %v", err)
		}
		// Another workspace's connection is unknown here, and its domains are no matter of ours.
		s.mustApply(t, "workspace: beta\nconnections:\n- {name: theirs, provider: okta, protocol: saml, domains: [acme.test]}\n", ApplyOptions{})
		_, cfg, err := s.Workspace(ctx, "beta")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.SetConnectionDomains(ctx, "acme", cfg.Connections[0].ID, nil, administrator); errs.CodeOf(err) != "connection_unknown" {
			t.Errorf("%v", err)
		}
	})
}

func manyDomains(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("d" + strings.Repeat("x", i%50) + string(rune('a'+i%26)) + strings.Repeat("y", i/50) + ".test ")
	}
	return b.String()
}

// activeTwo is acme with a second active connection.
const activeTwo = "workspace: acme\nconnections: [{name: second, provider: entra, protocol: saml, metadata_file: okta.xml, status: active}]\n"

func TestDisabling_EndsTheSessionsOrLetsThemRunByChoice(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		ctx := context.Background()
		s.mustApply(t, acme, ApplyOptions{})
		s.mustApply(t, activeTwo, ApplyOptions{})
		id := s.connection(t, "okta").ID
		disable := func(keep bool) []string {
			return s.did(t, func() error { _, err := s.DisableConnection(ctx, "acme", "okta", keep, administrator); return err })
		}
		hash := s.signIn(t, "ann", id)
		if got := disable(true); !slices.Equal(got, []string{"connection.changed"}) || !s.signedIn(hash) {
			t.Errorf("let run: %v, the session lives %v", got, s.signedIn(hash))
		}
		if v, err := s.Connection(ctx, "acme", "okta"); err != nil || v.OpenSessions != "keep" || v.Status != directory.ConnectionDisabled {
			t.Errorf("%v %+v", err, v)
		}
		if got := disable(true); len(got) != 0 {
			t.Errorf("the same once more is on record: %v", got)
		}
		text, err := s.Export(ctx, "acme")
		if err != nil || !strings.Contains(string(text), "open_sessions: keep") {
			t.Errorf("%v %s", err, text)
		}
		// Switched on again it revives nothing and ends nothing.
		if _, err := s.ActivateConnection(ctx, "acme", "okta", administrator); err != nil || !s.signedIn(hash) {
			t.Errorf("%v, the session lives %v", err, s.signedIn(hash))
		}
		disable(true)
		if got := disable(false); !slices.Equal(got, []string{"session.all_ended", "connection.changed"}) || s.signedIn(hash) {
			t.Errorf("ended later: %v, the session lives %v", got, s.signedIn(hash))
		}
		disable(true) // too late for those that have ended
		if s.signedIn(hash) {
			t.Error("a choice that came later revived a session")
		}
		// Another IdP behind it ends them whatever was chosen, and so does its removal.
		if _, err := s.ActivateConnection(ctx, "acme", "okta", administrator); err != nil {
			t.Fatal(err)
		}
		hash = s.signIn(t, "bob", id)
		disable(true)
		if _, _, err := s.ImportMetadata(ctx, "acme", "okta", Source{XML: entraIdP.Metadata()}, administrator); err != nil || s.signedIn(hash) {
			t.Errorf("%v, a session of the IdP before lives %v", err, s.signedIn(hash))
		}
		if _, err := s.DisableConnection(ctx, "acme", "entra", false, administrator); errs.CodeOf(err) != "connection_draft" {
			t.Errorf("a draft: %v", err)
		}
	})
}

func TestDisabling_ByAFileSaysWhatBecomesOfOpenSessions(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, acme, ApplyOptions{})
		s.mustApply(t, activeTwo, ApplyOptions{})
		okta, second := s.signIn(t, "ann", s.connection(t, "okta").ID), s.signIn(t, "bob", s.connection(t, "second").ID)
		const keep = "workspace: acme\nconnections: [{name: okta, status: disabled, open_sessions: keep}]\n"
		if dry := s.mustApply(t, keep, ApplyOptions{DryRun: true}); !slices.Contains(dry.Changes, "connections.okta.open_sessions: (none) -> keep") || !s.signedIn(okta) {
			t.Errorf("%v", dry.Changes)
		}
		s.mustApply(t, keep, ApplyOptions{})
		s.mustApply(t, "workspace: acme\nconnections: [{name: okta, status: disabled}]\n", ApplyOptions{}) // an absent key keeps what is there
		s.mustApply(t, "workspace: acme\nconnections: [{name: second, status: disabled}]\n", ApplyOptions{})
		if !s.signedIn(okta) || s.signedIn(second) {
			t.Errorf("the one that was let run lives %v, the other %v", s.signedIn(okta), s.signedIn(second))
		}
		s.wantRefusal(t, "workspace: acme\nconnections: [{name: okta, status: active, open_sessions: keep}]\n", ApplyOptions{}, errs.KindInvalid, "open_sessions: expected only with status: disabled, received it with active")
		s.wantRefusal(t, "workspace: acme\nconnections: [{name: entra, open_sessions: end}]\n", ApplyOptions{}, errs.KindInvalid, "expected only with status: disabled, received it with draft")
		if _, err := ParseFile([]byte("workspace: acme\nconnections: [{name: okta, open_sessions: forever}]\n"), ""); err == nil || !strings.Contains(err.Error(), "open_sessions: expected one of end, keep") {
			t.Errorf("%v", err)
		}
		// Pruning ends them, whatever was chosen.
		s.mustApply(t, "workspace: acme\ndirectories: [{name: okta, connection: ''}]\nconnections: [{name: entra}, {name: second}]\n", ApplyOptions{Prune: true})
		if s.signedIn(okta) {
			t.Error("a session outlived its connection")
		}
	})
}

func TestDisabling_TwiceAtOnceEndsAndRecordsOnce(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		ctx := context.Background()
		s.mustApply(t, acme, ApplyOptions{})
		hash := s.signIn(t, "ann", s.connection(t, "okta").ID)
		before := len(s.log(t))
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if _, err := s.DisableConnection(ctx, "acme", "okta", false, administrator); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		var types []audit.Type
		for _, e := range s.log(t)[before:] {
			types = append(types, e.Type)
		}
		if !slices.Equal(types, []audit.Type{audit.SessionsEnded, audit.ConnectionChanged}) || s.signedIn(hash) {
			t.Errorf("%v, the session lives %v", types, s.signedIn(hash))
		}
	})
}

func TestLeavers_AreNoticedOnlyWithADirectoryThatProvisionsAndItsEndShortensSessions(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		ctx := context.Background()
		s.mustApply(t, acme, ApplyOptions{})
		con := s.connection(t, "okta")
		view := func(name string) ConnectionView {
			v, err := s.Connection(ctx, "acme", name)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		if v := view("okta"); v.LeaversNoticed || !strings.Contains(v.Leavers(), "no credential") {
			t.Errorf("before there is a credential: %q", v.Leavers())
		}
		heard := func() {
			t.Helper()
			if _, err := s.RotateToken(ctx, "acme", "okta", TokenOptions{}, administrator); err != nil {
				t.Fatal(err)
			}
		}
		heard()
		if v := view("okta"); !v.LeaversNoticed || v.Leavers() != "" {
			t.Errorf("%+v", v)
		}
		if v := view("entra"); v.LeaversNoticed || !strings.Contains(v.Leavers(), "Leavers are not noticed") || !strings.Contains(v.Leavers(), "12 hours") {
			t.Errorf("%q", v.Leavers())
		}
		n := 0
		long := func() string {
			n++
			hash := s.signIn(t, fmt.Sprintf("ann%d", n), con.ID)
			id := s.member(t, fmt.Sprintf("ann%d@acme.test", n)).ID
			s.write(t, func(tx *store.Tx) error {
				tx.InsertSession(&session.Session{ID: fmt.Sprintf("ses_long%d", n), Member: id, Method: directory.MethodSAML, Connection: con.ID, ExpiresAt: tx.Now().Add(session.Absolute)}, "long "+hash)
				return nil
			})
			return "long " + hash
		}
		for _, step := range []struct {
			name string
			off  func() error
		}{
			{"unheard", func() error { return s.RevokeToken(ctx, "acme", "okta", "", administrator) }},
			{"paused", func() error { _, err := s.PauseDirectory(ctx, "acme", "okta", administrator); return err }},
			{"moved away", func() error {
				_, err := s.tryApply(t, "workspace: acme\ndirectories: [{name: okta, connection: ''}]\n", ApplyOptions{Force: true})
				return err
			}},
			{"pruned", func() error {
				_, err := s.tryApply(t, "workspace: acme\nrole_mappings: []\ndirectories: []\n", ApplyOptions{Force: true, Prune: true})
				return err
			}},
		} {
			hash, events := long(), len(s.log(t))
			if !s.outlasts(t, hash, session.Unnoticed) {
				t.Fatalf("%s: the session of the test is too short", step.name)
			}
			if err := step.off(); err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(s.log(t)[events:], func(e audit.Event) bool {
				return e.Type == audit.SessionsShortened && e.Connection == con.ID && e.Reason == "leavers_not_noticed"
			}) {
				t.Errorf("%s: it is not on record", step.name)
			}
			if s.outlasts(t, hash, session.Unnoticed) || view("okta").LeaversNoticed {
				t.Errorf("%s: the session may live until %s", step.name, s.ends(t, hash))
			}
			// Coming back lengthens nothing that was shortened.
			s.mustApply(t, "workspace: acme\ndirectories: [{name: okta, connection: okta, status: enabled}]\n", ApplyOptions{Force: true})
			heard()
			if s.outlasts(t, hash, session.Unnoticed) || !view("okta").LeaversNoticed {
				t.Errorf("%s and back: the session may live until %s", step.name, s.ends(t, hash))
			}
		}
		// A second directory that provisions keeps them noticed.
		s.mustApply(t, "workspace: acme\ndirectories: [{name: other, connection: okta}]\n", ApplyOptions{Force: true})
		hash := long()
		if got := s.did(t, func() error { _, err := s.PauseDirectory(ctx, "acme", "okta", administrator); return err }); slices.Contains(got, "session.all_shortened") || !s.outlasts(t, hash, session.Unnoticed) {
			t.Errorf("%v", got)
		}
	})
}

func TestGenericProviders_OfferNeitherSCIMNorTheOtherProtocol(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		ctx := context.Background()
		s.mustApply(t, acme, ApplyOptions{})
		s.mustApply(t, "workspace: acme\nconnections: [{name: gsaml, provider: generic, protocol: saml}, {name: goidc, provider: generic, protocol: oidc}]\n", ApplyOptions{})
		for name, row := range map[string]string{"gsaml": "generic SAML 2.0", "goidc": "generic OpenID Connect"} {
			s.wantRefusal(t, "workspace: acme\ndirectories: [{name: d, connection: "+name+"}]\n", ApplyOptions{}, errs.KindInvalid, "directories.d.connection: "+row+" offers no SCIM")
			if _, err := s.CreateDirectory(ctx, "acme", "d", name, administrator); errs.CodeOf(err) != "scim_not_offered" || !strings.Contains(err.Error(), row) {
				t.Errorf("%v", err)
			}
			if _, err := s.Guide(ctx, "acme", name, true); errs.CodeOf(err) != "not_offered" {
				t.Errorf("%v", err)
			}
		}
		s.wantRefusal(t, "workspace: acme\nconnections: [{name: gsaml, protocol: oidc}]\n", ApplyOptions{}, errs.KindInvalid, "generic SAML 2.0 offers saml alone")
		s.wantRefusal(t, "workspace: acme\nconnections: [{name: goidc, protocol: saml}]\n", ApplyOptions{}, errs.KindInvalid, "generic OpenID Connect offers oidc alone")
		s.wantRefusal(t, "workspace: acme\nconnections: [{name: okta, provider: generic}]\n", ApplyOptions{}, errs.KindInvalid, "directories.okta.connection: generic SAML 2.0 offers no SCIM")
		if _, err := s.CreateDirectory(ctx, "acme", "alone", "", administrator); err != nil {
			t.Errorf("a directory without a connection: %v", err)
		}
		// What stands there from before is left, so that an export can be applied.
		_, cfg, err := s.Workspace(ctx, "acme")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.DB.Write(ctx, cfg.Workspace.ID, func(tx *store.Tx) error {
			d, _ := findDirectory(cfg, "alone")
			c, _ := findConnection(cfg, "gsaml")
			d.Connection = c.ID
			tx.SaveDirectory(d, false)
			return tx.Record(audit.Event{Type: audit.SettingsChanged})
		}); err != nil {
			t.Fatal(err)
		}
		text, err := s.Export(ctx, "acme")
		if err != nil {
			t.Fatal(err)
		}
		if r := s.mustApply(t, string(text), ApplyOptions{Force: true}); len(r.Changes) != 0 || !strings.Contains(strings.Join(r.Notes, "\n"), "offers no SCIM") {
			t.Errorf("%v %v", r.Changes, r.Notes)
		}
	})
}

func TestGuide_OfEveryConnectionHasItsOwnValues(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		ctx := context.Background()
		s.mustApply(t, "workspace: acme\n", ApplyOptions{})
		for _, g := range guide.All() {
			if g.Protocol == guide.SCIM {
				continue
			}
			provider, _, _ := strings.Cut(g.IdP, "-")
			v, err := s.CreateConnectionOf(ctx, "acme", g.ID(), provider, directory.Protocol(g.Protocol), administrator)
			if err != nil {
				t.Fatal(err)
			}
			text := v.Guide.Markdown()
			for _, own := range map[string][]string{guide.SAML: {v.ACSURL, v.EntityID}, guide.OIDC: {v.CallbackURL}}[g.Protocol] {
				if own == "" || !strings.Contains(text, "`"+own+"`") {
					t.Errorf("%s has no %q", g.ID(), own)
				}
			}
			if v.Guide.ID() != g.ID() || strings.ContainsAny(text, "{}") || strings.Contains(text, "CONNECTION") {
				t.Errorf("%s: %s", g.ID(), text)
			}
			scim, err := s.Guide(ctx, "acme", g.ID(), true)
			if offered := directory.OffersSCIM(provider); offered != (err == nil) || offered && !strings.Contains(scim.Markdown(), "https://scim.test/scim/v2") {
				t.Errorf("%s: %v", g.ID(), err)
			}
		}
	})
}
