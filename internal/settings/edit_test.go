package settings

import (
	"context"
	"crypto/elliptic"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

func hashOf(token string) string { return keys.HashToken(token) }

// administrator acts as something that is no member: whose role allows what has tests of its own.
var administrator = audit.Party{Kind: "api_key", ID: "key_1", Name: "root@acme.test"}

// did runs one act of an administrator and returns the types of its events.
func (s *Service) did(t *testing.T, act func() error) []string {
	t.Helper()
	n := s.events(t)
	if err := act(); err != nil {
		t.Fatal(err)
	}
	var types []string
	for _, e := range s.log(t)[n:] {
		types = append(types, string(e.Type))
		if e.Actor != administrator && e.Actor.Kind != "system" {
			t.Errorf("%s by %+v", e.Type, e.Actor)
		}
	}
	return types
}

func TestSetup_GoesFromNothingToSigningInAndProvisioning(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		ctx := context.Background()
		s.mustApply(t, "workspace: acme\npreset: omnivoo\nowners: [{email: root@acme.test}]\n", ApplyOptions{})
		step := func(name string, want []string, act func() error) {
			t.Helper()
			if got := s.did(t, act); !slices.Equal(got, want) {
				t.Errorf("%s: events %v, want %v", name, got, want)
			}
			if strings.HasPrefix(name, "rotate") || strings.HasPrefix(name, "create") || strings.HasPrefix(name, "add") {
				return
			}
			if again := s.did(t, act); len(again) != 0 {
				t.Errorf("%s again: events %v", name, again)
			}
		}
		var con ConnectionView
		step("create connection", []string{"connection.created"}, func() (err error) {
			con, err = s.CreateConnection(ctx, "acme", "okta", "okta", administrator)
			return err
		})
		if con.MetadataURL != "https://gate.test/auth/saml/"+con.ID+"/metadata" || con.IdP != nil || con.Status != "draft" || !*con.IdPInitiated {
			t.Errorf("%+v", con)
		}
		if _, err := s.ActivateConnection(ctx, "acme", "okta", administrator); errs.CodeOf(err) != "connection_incomplete" {
			t.Errorf("activated without metadata: %v", err)
		}
		step("import", []string{"connection.changed"}, func() (err error) {
			con, _, err = s.ImportMetadata(ctx, "acme", con.ID, Source{XML: oktaIdP.Metadata()}, administrator)
			return err
		})
		if con.IdP == nil || con.IdP.EntityID != oktaIdP.EntityID || con.IdP.Certificates[0].Fingerprint != oktaIdP.Keys[0].Certificate.Fingerprint() ||
			con.IdP.Certificates[0].NotAfter.IsZero() || con.IdP.SSO[0].Binding != "post" || con.Status != "draft" {
			t.Errorf("%+v", con.IdP)
		}
		step("activate", []string{"connection.changed"}, func() (err error) {
			con, err = s.ActivateConnection(ctx, "acme", "okta", administrator)
			return err
		})
		if con.Verified() || s.connection(t, "okta").Verified() {
			t.Error("an administrator's activation counts as proof")
		}
		step("create directory", []string{"directory.created"}, func() error {
			_, err := s.CreateDirectory(ctx, "acme", "okta", con.ID, administrator)
			return err
		})
		setup, err := s.ConnectionSetup(ctx, "acme")
		if err != nil || len(setup.Directories) != 1 || setup.Directories[0].ConnectionName != "okta" || !strings.Contains(setup.Directories[0].TokenRefused, "verified SSO connection") {
			t.Fatalf("%v %+v", err, setup)
		}
		prove := func() error {
			id := setup.Workspace.ID
			return s.DB.Write(ctx, id, func(tx *store.Tx) error {
				cfg, err := tx.Config()
				if err != nil {
					return err
				}
				return ConnectionProven(tx, cfg, con.ID)
			})
		}
		step("prove", []string{"connection.verified"}, prove)
		if c := s.connection(t, "okta"); !c.Verified() || c.SAML.EntityID != oktaIdP.EntityID {
			t.Errorf("%+v", c)
		}
		step("rotate", []string{"scim_token.rotated"}, func() error {
			_, err := s.RotateToken(ctx, "acme", "okta", TokenOptions{}, administrator)
			return err
		})
		step("add mapping", []string{"settings.changed"}, func() error {
			_, err := s.AddRoleMapping(ctx, "acme", NewMapping{Match: "Admins", Role: "admin", Connection: "okta"}, administrator)
			return err
		})
		step("attributes", []string{"connection.changed"}, func() (err error) {
			con, err = s.SetAttributes(ctx, "acme", "okta", directory.Attributes{Email: " mail ", Groups: "memberOf"}, administrator)
			return err
		})
		if con.Attributes.Email != "mail" || con.Attributes.FirstName != "" {
			t.Errorf("%+v", con.Attributes)
		}
		step("disable directory", []string{"directory.paused"}, func() error {
			_, err := s.PauseDirectory(ctx, "acme", "okta", administrator)
			return err
		})
		step("enable directory", []string{"directory.enabled"}, func() error {
			_, err := s.EnableDirectory(ctx, "acme", "okta", "", administrator)
			return err
		})
		setup, err = s.ConnectionSetup(ctx, "acme")
		if err != nil {
			t.Fatal(err)
		}
		token, live := setup.Directories[0].LiveToken()
		if m := setup.RoleMappings; len(m) != 1 || m[0].Role != "Admin" || m[0].Connection != "okta" || m[0].Group != "Admins" || !live || token.Hint == "" ||
			setup.Directories[0].TokenRefused != "" || setup.Directories[0].BaseURL != "https://scim.test/scim/v2" || !setup.Roles[0].Owner {
			t.Errorf("%+v", setup)
		}
		// The same group of another source is another group.
		for _, dir := range []string{"", "okta"} {
			other, err := s.AddRoleMapping(ctx, "acme", NewMapping{Match: "Admins", Role: "Member", Directory: dir}, administrator)
			if err != nil || other.Directory != dir || other.Connection != "" {
				t.Errorf("%v %+v", err, other)
			}
		}
		if got := s.did(t, func() error { return s.RemoveRoleMapping(ctx, "acme", setup.RoleMappings[0].ID, administrator) }); !slices.Equal(got, []string{"settings.changed"}) {
			t.Errorf("remove mapping: events %v", got)
		}
		if err := s.RemoveRoleMapping(ctx, "acme", setup.RoleMappings[0].ID, administrator); !errs.Is(err, errs.KindNotFound) {
			t.Errorf("removed twice: %v", err)
		}
		// What was set up by hand is exported and applied like anything else.
		out, err := s.Export(ctx, "acme")
		if err != nil {
			t.Fatal(err)
		}
		// All that it changes is that the operator's word confirms what an administrator set up.
		if r := s.mustApply(t, string(out), ApplyOptions{Prune: true}); !slices.Equal(r.Changes, []string{"connections.okta.unconfirmed: yes -> (none)"}) {
			t.Errorf("changes %v", r.Changes)
		}
		if r := s.mustApply(t, string(out), ApplyOptions{Prune: true}); len(r.Changes) > 0 {
			t.Errorf("changes %v", r.Changes)
		}
	})
}

func TestConnection_WhatAnAdministratorMayNotDoIsNamed(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		ctx := context.Background()
		s.mustApply(t, acme, ApplyOptions{})
		s.mustApply(t, "workspace: neighbour\nconnections: [{name: theirs, provider: okta, protocol: saml}]\ndirectories: [{name: theirs}]\n", ApplyOptions{})
		foreign := s.mustConfig(t, "neighbour")
		events := s.events(t)
		second := func(_ any, err error) error { return err }
		cases := []struct {
			name, code string
			err        error
		}{
			{"a name that is taken", "name_taken", second(s.CreateConnection(ctx, "acme", "OKTA", "okta", administrator))},
			{"a name with a dot", "name_invalid", second(s.CreateConnection(ctx, "acme", "a.b", "okta", administrator))},
			{"a provider that nobody knows", "provider_unknown", second(s.CreateConnection(ctx, "acme", "x", "octa", administrator))},
			{"a workspace that nobody knows", "workspace_unknown", second(s.CreateConnection(ctx, "acm", "x", "okta", administrator))},
			{"renaming to another's name", "name_taken", second(s.RenameConnection(ctx, "acme", "okta", "Entra", administrator))},
			{"activating OIDC", "connection_incomplete", second(s.ActivateConnection(ctx, "acme", "entra", administrator))},
			{"the SAML tile of OIDC", "not_saml", second(s.SetIdPInitiated(ctx, "acme", "entra", TileSignsIn, administrator))},
			{"attributes with a line break", "text_invalid", second(s.SetAttributes(ctx, "acme", "okta", directory.Attributes{Email: "a\nb"}, administrator))},
			{"deleting what a directory names", "connection_in_use", s.DeleteConnection(ctx, "acme", "okta", administrator)},
			{"a directory's name twice", "name_taken", second(s.CreateDirectory(ctx, "acme", "Okta", "", administrator))},
			{"mapping the owner role", "owner_role", second(s.AddRoleMapping(ctx, "acme", NewMapping{Match: "g", Role: "Owner"}, administrator))},
			{"mapping to no role", "role_unknown", second(s.AddRoleMapping(ctx, "acme", NewMapping{Match: "g", Role: "Boss"}, administrator))},
			{"mapping nothing", "group_missing", second(s.AddRoleMapping(ctx, "acme", NewMapping{Match: " ", Role: "Admin"}, administrator))},
			{"mapping twice", "mapping_taken", second(s.AddRoleMapping(ctx, "acme", NewMapping{Match: "everybody", Role: "Admin"}, administrator))},
			{"mapping from two sources", "two_sources", second(s.AddRoleMapping(ctx, "acme", NewMapping{Match: "g", Role: "Admin", Directory: "okta", Connection: "okta"}, administrator))},
			{"the neighbour's connection", "connection_unknown", s.DeleteConnection(ctx, "acme", foreign.Connections[0].ID, administrator)},
			{"the neighbour's connection for a directory", "connection_unknown", second(s.CreateDirectory(ctx, "acme", "x", foreign.Connections[0].ID, administrator))},
			{"the neighbour's directory", "directory_unknown", second(s.PauseDirectory(ctx, "acme", foreign.Directories[0].ID, administrator))},
			{"the neighbour's connection for a mapping", "connection_unknown", second(s.AddRoleMapping(ctx, "acme", NewMapping{Match: "g", Role: "Admin", Connection: foreign.Connections[0].ID}, administrator))},
		}
		for _, c := range cases {
			if errs.CodeOf(c.err) != c.code {
				t.Errorf("%s: %v (%s), want %s", c.name, c.err, errs.CodeOf(c.err), c.code)
			}
		}
		_, _, err := s.ImportMetadata(ctx, "acme", "okta", Source{XML: []byte("<html/>")}, administrator)
		if errs.CodeOf(err) != "metadata_invalid" || !strings.Contains(err.Error(), "This is not SAML metadata") {
			t.Errorf("%v", err)
		}
		s.Metadata = func(context.Context, string) ([]byte, error) { return nil, errors.New("nobody is there") }
		for url, want := range map[string]string{"http://idp.test": "expected https", "https://idp.test": "nobody is there", "file:///etc/passwd": "expected an https URL"} {
			if _, _, err := s.ImportMetadata(ctx, "acme", "okta", Source{URL: url}, administrator); !errs.Is(err, errs.KindInvalid) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", url, err)
			}
		}
		if s.events(t) != events {
			t.Error("a refusal changed something")
		}
	})
}

func TestConnection_EnforcementHoldsItAgainstAnAdministrator(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		ctx := context.Background()
		s.mustApply(t, strings.Replace(acme, "require_sso: none", "require_sso: all", 1), ApplyOptions{})
		s.mustApply(t, "workspace: acme\ndirectories: [{name: okta, connection: ''}]\n", ApplyOptions{})
		hash := s.signIn(t, "ann", s.connection(t, "okta").ID)
		_, disable := s.DisableConnection(ctx, "acme", "okta", false, administrator)
		_, _, replace := s.ImportMetadata(ctx, "acme", "okta", Source{XML: entraIdP.Metadata()}, administrator)
		for _, err := range []error{disable, replace, s.DeleteConnection(ctx, "acme", "okta", administrator)} {
			if errs.CodeOf(err) != "would_lock_out" {
				t.Errorf("%v", err)
			}
		}
		if !s.signedIn(hash) {
			t.Error("a refused act ended sessions")
		}
		s.mustApply(t, "workspace: acme\nenforcement: {require_sso: none}\n", ApplyOptions{})
		if got := s.did(t, func() error { _, err := s.DisableConnection(ctx, "acme", "okta", false, administrator); return err }); !slices.Equal(got, []string{"session.all_ended", "connection.changed"}) {
			t.Errorf("events %v", got)
		}
		c, err := s.ActivateConnection(ctx, "acme", "okta", administrator)
		if err != nil || !c.Verified() || s.signedIn(hash) {
			t.Errorf("activated again: %v, verified %v, its old session lives %v", err, c.Verified(), s.signedIn(hash))
		}
		if got := s.did(t, func() error {
			_, err := s.RenameConnection(ctx, "acme", "okta", "Okta main", administrator)
			return err
		}); !slices.Equal(got, []string{"connection.changed"}) {
			t.Errorf("events %v", got)
		}
		if renamed := s.connection(t, "Okta main"); renamed.ID != c.ID || !renamed.Verified() || renamed.SAML.EntityID != oktaIdP.EntityID {
			t.Errorf("%+v", renamed)
		}
		if err := s.DeleteConnection(ctx, "acme", c.ID, administrator); err != nil {
			t.Error(err)
		}
	})
}

func TestConnectionProven_ProvesOnlyWhatIsActiveAndUnproven(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		ctx := context.Background()
		s.mustApply(t, acme, ApplyOptions{})
		v, err := s.CreateConnection(ctx, "acme", "second", "entra", administrator)
		if err != nil {
			t.Fatal(err)
		}
		before, events := s.connection(t, "okta").VerifiedAt, s.events(t)
		stale := s.mustConfig(t, "acme") // the second connection is a draft in it
		id := stale.Workspace.ID
		prove := func(connection string, cfg *directory.Config) {
			t.Helper()
			if err := s.DB.Write(ctx, id, func(tx *store.Tx) error { return ConnectionProven(tx, cfg, connection) }); err != nil {
				t.Fatal(err)
			}
		}
		for _, connection := range []string{s.connection(t, "okta").ID, v.ID, "con_unknown"} {
			prove(connection, stale)
		}
		if s.events(t) != events || !s.connection(t, "okta").VerifiedAt.Equal(before) || !s.connection(t, "second").VerifiedAt.IsZero() {
			t.Error("something was proven that is proven, a draft or unknown")
		}
		if _, _, err := s.ImportMetadata(ctx, "acme", v.ID, Source{XML: entraIdP.Metadata()}, administrator); err != nil {
			t.Fatal(err)
		}
		if _, err := s.ActivateConnection(ctx, "acme", v.ID, administrator); err != nil {
			t.Fatal(err)
		}
		active := s.mustConfig(t, "acme")
		if _, err := s.DisableConnection(ctx, "acme", v.ID, false, administrator); err != nil {
			t.Fatal(err)
		}
		prove(v.ID, active) // read before it was switched off
		if c := s.connection(t, "second"); c.Status != directory.ConnectionDisabled || !c.VerifiedAt.IsZero() {
			t.Errorf("an old configuration was written back: %+v", c)
		}
	})
}

func TestConnectionProven_ByManySignInsAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		ctx := context.Background()
		s.mustApply(t, "workspace: acme\nconnections: [{name: okta, provider: okta, protocol: saml, metadata_file: okta.xml}]\n", ApplyOptions{})
		if _, err := s.ActivateConnection(ctx, "acme", "okta", administrator); err != nil {
			t.Fatal(err)
		}
		cfg := s.mustConfig(t, "acme")
		const people = 8
		done := make(chan error, people)
		for i := range people {
			id := s.addMember(t, fmt.Sprintf("p%d@acme.test", i), "Admin", true)
			go func() {
				done <- s.DB.Write(ctx, cfg.Workspace.ID, func(tx *store.Tx) error {
					if err := tx.LockPeople([]string{id}, false); err != nil {
						return err
					}
					return ConnectionProven(tx, cfg, cfg.Connections[0].ID)
				})
			}()
		}
		for range people {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if !s.connection(t, "okta").Verified() {
			t.Error("not verified")
		}
	})
}

func TestTestConnection_TellsWhatIsInTheWayAndWhichCertificatesEnd(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		ctx := context.Background()
		now := s.DB.Now()
		s.mustApply(t, acme, ApplyOptions{})
		if c, err := s.TestConnection(ctx, "acme", "okta"); err != nil || !c.OK || len(c.Findings) != 0 {
			t.Errorf("%v %+v", err, c)
		}
		key := samltest.NewECKey(elliptic.P256())
		idp := samltest.NewIdP(entraIdP.EntityID, samltest.Certify(key.Signer, now.Add(-time.Hour), now.Add(24*time.Hour)), samltest.Certify(samltest.NewECKey(elliptic.P256()).Signer, now.Add(-48*time.Hour), now.Add(-24*time.Hour)))
		if _, err := s.CreateConnection(ctx, "acme", "second", "entra", administrator); err != nil {
			t.Fatal(err)
		}
		if c, err := s.TestConnection(ctx, "acme", "second"); err != nil || c.OK || len(c.Findings) != 2 {
			t.Errorf("%v %+v", err, c)
		}
		_, remarks, err := s.ImportMetadata(ctx, "acme", "second", Source{XML: idp.Metadata()}, administrator)
		if err != nil || len(remarks) != 2 {
			t.Errorf("%v %v", err, remarks)
		}
		if _, err := s.ActivateConnection(ctx, "acme", "second", administrator); err != nil {
			t.Fatal(err)
		}
		c, err := s.TestConnection(ctx, "acme", "second")
		all := strings.Join(c.Findings, "\n")
		if err != nil || !c.OK || !strings.Contains(all, "nobody has signed in through it yet") || !strings.Contains(all, "expires on") || !strings.Contains(all, "expired on") {
			t.Errorf("%v %v", err, c.Findings)
		}
		if _, err := s.TestConnection(ctx, "acme", "octa"); !errs.Is(err, errs.KindNotFound) || !strings.Contains(err.Error(), `did you mean "okta"`) {
			t.Errorf("%v", err)
		}
	})
}

func TestConnection_ThatAnAdministratorChangedWaitsForAnOwner(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		ctx := context.Background()
		s.mustApply(t, "workspace: acme\npreset: omnivoo\nowners: [{email: root@acme.test}]\n", ApplyOptions{})
		id, _, err := s.Workspace(ctx, "acme")
		if err != nil {
			t.Fatal(err)
		}
		var owner audit.Party
		if err := s.DB.Read(ctx, id, func(tx *store.Tx) error {
			m, err := tx.MemberByEmail("root@acme.test")
			if err == nil {
				owner = audit.Party{Kind: "member", ID: m.ID, Name: m.Email}
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		con, err := s.CreateConnection(ctx, "acme", "okta", "okta", administrator)
		if err != nil {
			t.Fatal(err)
		}
		idp := samltest.NewIdP("https://idp.test/a", samltest.NewECKey(elliptic.P256()))
		another := samltest.NewIdP("https://idp.test/a", samltest.NewECKey(elliptic.P256()))
		want := func(what string, unconfirmed bool, v ConnectionView, err error) {
			t.Helper()
			if err != nil || v.Unconfirmed != unconfirmed {
				t.Errorf("%s: unconfirmed %v, %v", what, v.Unconfirmed, err)
			}
		}
		v, _, err := s.ImportMetadata(ctx, "acme", con.ID, Source{XML: idp.Metadata()}, administrator)
		want("an administrator's metadata", true, v, err)
		if _, err := s.ConfirmConnection(ctx, "acme", con.ID, v.Word, administrator); errs.CodeOf(err) != "not_an_owner" {
			t.Errorf("confirmed by an administrator: %v", err)
		}
		v, err = s.SetAttributes(ctx, "acme", con.ID, directory.Attributes{Email: "mail"}, owner)
		want("an owner's change beside it", true, v, err)
		before := v
		if v, _, err = s.ImportMetadata(ctx, "acme", con.ID, Source{XML: another.Metadata()}, administrator); err != nil {
			t.Fatal(err)
		}
		if _, err := s.ConfirmConnection(ctx, "acme", con.ID, before.Word, owner); errs.CodeOf(err) != "changed_meanwhile" {
			t.Errorf("an owner's word on what is there no more: %v", err)
		}
		v, err = s.ConfirmConnection(ctx, "acme", con.ID, v.Word, owner)
		want("an owner's word", false, v, err)
		v, err = s.SetIdPInitiated(ctx, "acme", con.ID, TileRefused, administrator)
		want("the tile", false, v, err)
		v, err = s.ActivateConnection(ctx, "acme", con.ID, administrator)
		want("an administrator's activation", false, v, err)
		v, err = s.SetAttributes(ctx, "acme", con.ID, directory.Attributes{Email: "sneaky"}, administrator)
		want("an administrator's attributes", true, v, err)
		v, err = s.ConfirmConnection(ctx, "acme", con.ID, v.Word, owner)
		want("an owner's word again", false, v, err)
		// The same entity ID with a key of the administrator's own.
		other := samltest.NewIdP("https://idp.test/a", samltest.NewECKey(elliptic.P256()))
		v, _, err = s.ImportMetadata(ctx, "acme", con.ID, Source{XML: other.Metadata()}, administrator)
		want("an administrator's key", true, v, err)
	})
}
