package settings

import (
	"context"
	"crypto/elliptic"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// entraIdP is another IdP than oktaIdP.
var entraIdP = samltest.NewIdP("https://sts.windows.net/tenant/")

// inline writes metadata as the block of an apply file, eight columns deep.
func inline(idp *samltest.IdP) string {
	text := strings.ReplaceAll(string(idp.Metadata()), "><", ">\n<")
	return "|\n        " + strings.ReplaceAll(text, "\n", "\n        ") + "\n"
}

func (s *Service) connection(t *testing.T, name string) directory.Connection {
	t.Helper()
	c, ok := findConnection(s.mustConfig(t, "acme"), name)
	if !ok {
		t.Fatalf("there is no connection %s", name)
	}
	return c
}

// signIn opens a session of ann through a connection and returns the hash that finds it.
func (s *Service) signIn(t *testing.T, name, connection string) string {
	t.Helper()
	id := s.addMember(t, name+"@acme.test", "Admin", true)
	s.write(t, func(tx *store.Tx) error {
		tx.InsertSession(&session.Session{ID: "ses_" + name, Member: id, Method: directory.MethodSAML, Connection: connection, ExpiresAt: tx.Now().Add(time.Hour)}, "hash "+name)
		return nil
	})
	return "hash " + name
}

func (s *Service) signedIn(hash string) bool {
	_, err := s.DB.SessionByToken(context.Background(), hash, s.DB.Now())
	return err == nil
}

func TestConnection_TakesMetadataFromAFileAURLOrTheApplyFileItself(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		fetched := 0
		s.Metadata = func(_ context.Context, url string) ([]byte, error) {
			fetched++
			if url != "https://okta.test/metadata" {
				return nil, errors.New("nobody is there")
			}
			return oktaIdP.Metadata(), nil
		}
		const head = "workspace: acme\nconnections:\n- name: okta\n  provider: okta\n  protocol: saml\n"
		s.mustApply(t, head+"  metadata_file: okta.xml\n  status: active\n", ApplyOptions{})
		want := s.connection(t, "okta").SAML
		if want.EntityID != oktaIdP.EntityID || len(want.SSO) != 2 || len(want.Certificates) != 1 || !want.IdPInitiated || want.Attributes.FirstName != "firstName" {
			t.Fatalf("%+v", want)
		}
		if r := s.mustApply(t, head+"  metadata_url: https://okta.test/metadata\n", ApplyOptions{}); !slices.Equal(r.Changes, []string{"connections.okta.metadata_url: (none) -> https://okta.test/metadata"}) {
			t.Errorf("an address: changes %v", r.Changes)
		}
		events := s.events(t)
		for _, source := range []string{"metadata_file: /etc/acme/okta.xml", "metadata_url: https://okta.test/metadata", "metadata: " + inline(oktaIdP)} {
			if r := s.mustApply(t, head+"  "+source+"\n", ApplyOptions{}); len(r.Changes) > 0 || len(r.Notes) != 1 { // of the owner who is missing
				t.Errorf("%.30s: changes %v notes %v", source, r.Changes, r.Notes)
			}
		}
		if s.events(t) != events || fetched != 2 {
			t.Errorf("the same metadata was recorded, or fetched %d times", fetched)
		}
		s.wantRefusal(t, head+"  metadata_url: https://other.test/metadata\n", ApplyOptions{}, errs.KindInvalid,
			"line 3: connections[0].metadata_url: https://other.test/metadata: nobody is there")
		s.wantRefusal(t, head+"  metadata_url: http://okta.test/metadata\n", ApplyOptions{}, errs.KindInvalid, "expected https, received http")
		s.wantRefusal(t, head+"  metadata_url: okta.test\n", ApplyOptions{}, errs.KindInvalid, "expected an https URL, received \"okta.test\"")
		// A mistake elsewhere is told before anybody is called.
		s.wantRefusal(t, head+"  metadata_url: https://okta.test/metadata\nowners: [{email: x@acme.test, password_env: UNSET}]\n", ApplyOptions{}, errs.KindInvalid, "UNSET is empty")
		if fetched != 3 {
			t.Errorf("fetched %d times", fetched)
		}
		s.AllowPrivate = true
		s.wantRefusal(t, head+"  metadata_url: http://okta.test/metadata\n", ApplyOptions{}, errs.KindInvalid, "nobody is there")
	})
}

func TestConnection_ItsMistakesAreNamed(t *testing.T) {
	t.Parallel()
	const head = "workspace: a\nconnections:\n- {name: c, provider: okta, protocol: saml, "
	for text, want := range map[string]string{
		head + "metadata_file: x, metadata: y}":                                           "line 3: connections[0]: expected one of metadata, metadata_file, idp, received 2",
		head + "idp: {entity_id: x, sso_url: y}}":                                         "line 3: connections[0].idp: expected certificate or certificate_file, found neither",
		head + "idp: {sso_url: y, certificate: z}}":                                       "line 3: connections[0].idp.entity_id: expected text, found none",
		head + "metadata: {a: b}}":                                                        "line 3: connections[0].metadata: expected the IdP's metadata as XML, received keys and values",
		head + "attributes: {mail: x}}":                                                   "line 3: connections[0].attributes.mail: unknown key",
		head + "attributes: {email: 7}}":                                                  "line 3: connections[0].attributes.email: expected text, received \"7\"",
		head + "idp_initiated: perhaps}":                                                  "line 3: connections[0].idp_initiated: expected one of yes, true, no, false, convert",
		head + "metadata_fil: x}":                                                         `unknown key; did you mean "metadata_file"?`,
		"workspace: a\nrole_mappings: [{directory: d, connection: c, group: g, role: r}]": "line 2: role_mappings[0]: expected directory (its groups) or connection (its group claims), received both",
		"workspace: a\nrole_mappings:\n- {connection: c, group: g, role: r}\n- {connection: C, group: G, role: r}": `line 4: role_mappings[1]: the group "G" is mapped twice, first in line 3`,
	} {
		wantMistake(t, text, want)
	}
	s := service(storetest.Open(t, storetest.SQLite(t), nil))
	s.mustApply(t, "workspace: acme\n", ApplyOptions{})
	for text, want := range map[string]string{
		"metadata_file: gone.xml}":                 "line 3: connections[0].metadata_file: gone.xml: file does not exist",
		"metadata_file: root.txt}":                 "line 3: connections[0].metadata_file: root.txt: This is not metadata in XML",
		"metadata: <a/>}":                          "line 3: connections[0].metadata: This is not SAML metadata",
		"status: active}":                          "line 3: connections[0].status: active: expected the IdP's metadata before the connection is active, found none",
		"protocol: oidc, status: active}":          "line 3: connections[0].status: active: expected the IdP's issuer before the connection is active, found none",
		"protocol: oidc, metadata_file: okta.xml}": "line 3: connections[0].metadata_file: expected only with protocol: saml, received it with oidc",
	} {
		text = "workspace: acme\nconnections:\n- {name: c, provider: okta, protocol: saml, " + text
		if strings.Contains(text, "oidc") {
			text = strings.Replace(text, "protocol: saml, ", "", 1)
		}
		s.wantRefusal(t, text, ApplyOptions{}, errs.KindInvalid, want)
	}
}

func TestConnection_ChangesAreToldByNameAndFingerprint(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, acme, ApplyOptions{})
		n := s.events(t)
		rotated := samltest.NewIdP(oktaIdP.EntityID, oktaIdP.Keys[0], samltest.NewECKey(elliptic.P256()))
		rotated.SSO = "https://okta.test/elsewhere"
		r := s.mustApply(t, "workspace: acme\nconnections:\n- name: okta\n  idp_initiated: no\n  attributes: {email: mail, groups: '', subject: uid}\n  metadata: "+inline(rotated), ApplyOptions{})
		var shapes []string
		for _, c := range r.Changes {
			if len(c) > 400 {
				t.Errorf("a blob in %q", c)
			}
			shapes = append(shapes, strings.Join(strings.Fields(c)[:2], " "))
		}
		want := []string{"connections.okta.attributes.email: email", "connections.okta.attributes.groups: groups", "connections.okta.attributes.subject: (none)",
			"connections.okta.idp.certificates: sha256:" + fingerprint(oktaIdP.Keys[0].Certificate.Raw), "connections.okta.idp.sso: post", "connections.okta.idp_initiated: yes",
			"connections.okta.verified: (none)"} // another place
		if !slices.Equal(shapes, want) {
			t.Errorf("changes:\n%s", strings.Join(r.Changes, "\n"))
		}
		if !strings.Contains(strings.Join(r.Notes, "\n"), "connections.okta: key added: sha256:"+rotated.Keys[1].Certificate.Fingerprint()+", ECDSA P-256, valid 2020-01-01 to 2049-12-31") {
			t.Errorf("the notes do not name the new key: %q", r.Notes)
		}
		var changed int
		for _, e := range s.log(t)[n:] {
			if e.Type == audit.ConnectionChanged && e.Connection == s.connection(t, "okta").ID {
				changed += len(e.Changes)
			}
		}
		if changed != len(want) {
			t.Errorf("%d changes are on record", changed)
		}
		// Certificates in another order are the same.
		slices.Reverse(rotated.Keys)
		if r := s.mustApply(t, "workspace: acme\nconnections:\n- name: okta\n  metadata: "+inline(rotated), ApplyOptions{}); len(r.Changes) > 0 {
			t.Errorf("changes %v", r.Changes)
		}
		if at := s.connection(t, "okta").SAML.Attributes; at.Email != "mail" || at.Groups != "" || at.Subject != "uid" || at.FirstName != "firstName" {
			t.Errorf("%+v", at)
		}
	})
}

func TestConnection_OfAnotherProviderGetsItsDefaultsWhereNobodyChose(t *testing.T) {
	t.Parallel()
	s := service(storetest.Open(t, storetest.SQLite(t), nil))
	s.mustApply(t, acme, ApplyOptions{})
	s.mustApply(t, "workspace: acme\nconnections: [{name: okta, attributes: {email: mail}}]\n", ApplyOptions{})
	s.mustApply(t, "workspace: acme\nconnections: [{name: okta, provider: entra}]\n", ApplyOptions{})
	want := directory.DefaultSAML("entra")
	want.Attributes.Email = "mail"
	if c := s.connection(t, "okta"); c.SAML.Attributes != want.Attributes || c.SAML.IdPInitiated || !c.Verified() {
		t.Errorf("%+v", c.SAML)
	}
}

func TestConnection_ThatIsSwitchedOffEndsItsSessionsForGood(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, acme, ApplyOptions{})
		const second = "workspace: acme\nconnections: [{name: second, provider: entra, protocol: saml, metadata_file: okta.xml, status: active}]\n"
		s.mustApply(t, second, ApplyOptions{})
		gone, stays := s.signIn(t, "ann", s.connection(t, "okta").ID), s.signIn(t, "bob", s.connection(t, "second").ID)
		r := s.mustApply(t, "workspace: acme\nconnections: [{name: okta, status: disabled}]\n", ApplyOptions{})
		if !slices.Contains(r.Notes, "connections.okta: 1 sessions that came through it have ended") {
			t.Errorf("%v", r.Notes)
		}
		s.mustApply(t, "workspace: acme\nconnections: [{name: okta, status: active}]\n", ApplyOptions{})
		if s.signedIn(gone) || !s.signedIn(stays) {
			t.Errorf("after enabling again: its session lives %v, the neighbour's %v", s.signedIn(gone), s.signedIn(stays))
		}
		all := s.log(t)
		if !slices.ContainsFunc(all, func(e audit.Event) bool {
			return e.Type == audit.SessionsEnded && e.Reason == "connection_disabled" && e.Connection == s.connection(t, "okta").ID
		}) {
			t.Error("the end of the sessions is not on record")
		}
		s.mustApply(t, "workspace: acme\nconnections: [{name: okta}]\n", ApplyOptions{Prune: true})
		if s.signedIn(stays) {
			t.Error("a session outlived its connection")
		}
	})
}

func TestConnection_NewKeysKeepSessionsAndAnotherIdPDoesNot(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, acme, ApplyOptions{})
		hash := s.signIn(t, "ann", s.connection(t, "okta").ID)
		s.mustApply(t, "workspace: acme\nconnections:\n- name: okta\n  metadata: "+inline(samltest.NewIdP(oktaIdP.EntityID, samltest.NewECKey(elliptic.P256()))), ApplyOptions{})
		if !s.signedIn(hash) || !s.connection(t, "okta").Verified() {
			t.Error("new keys of the same IdP ended sessions or the proof")
		}
		other := "workspace: acme\nconnections:\n- name: okta\n  metadata: " + inline(entraIdP)
		s.mustApply(t, enforced, ApplyOptions{})
		s.wantRefusal(t, other, ApplyOptions{}, errs.KindForbidden, "the last verified connection cannot go")
		s.mustApply(t, "workspace: acme\nenforcement: {require_sso: none}\n", ApplyOptions{})
		r := s.mustApply(t, other, ApplyOptions{})
		if s.signedIn(hash) || s.connection(t, "okta").Verified() || !slices.Contains(r.Changes, "connections.okta.verified: (none) -> no") {
			t.Errorf("another IdP is trusted as the one before: %v", r.Changes)
		}
		// The operator's word proves it.
		s.mustApply(t, other+"  status: active\n", ApplyOptions{Force: true})
		if !s.connection(t, "okta").Verified() {
			t.Error("status: active does not count as verified")
		}
	})
}

func TestConnection_OfAnOlderVersionWithoutMetadataStaysActiveAndIsNoted(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, "workspace: acme\nconnections: [{name: okta, provider: okta, protocol: saml}]\n", ApplyOptions{})
		old := s.connection(t, "okta")
		old.Status, old.VerifiedAt, old.SAML = directory.ConnectionActive, epoch, nil
		s.write(t, func(tx *store.Tx) error {
			tx.SaveConnection(old, false)
			tx.SetApplied(`{"connections.okta":"yes","connections.okta.protocol":"saml","connections.okta.status":"active"}`)
			return nil
		})
		r := s.mustApply(t, "workspace: acme\nconnections: [{name: okta, status: active}]\n", ApplyOptions{})
		if len(r.Changes) != 0 || len(r.Notes) != 2 || !strings.HasPrefix(r.Notes[0], "connections.okta: is active and signs nobody in: ") {
			t.Errorf("changes %v notes %v", r.Changes, r.Notes)
		}
		// What that version did not know of is nobody's change.
		s.write(t, func(tx *store.Tx) error {
			tx.SetApplied(`{"connections.okta":"yes","connections.okta.protocol":"saml","connections.okta.status":"active"}`)
			return nil
		})
		s.mustApply(t, "workspace: acme\nconnections: [{name: okta, idp_initiated: no, attributes: {email: mail}, metadata_file: okta.xml}]\n", ApplyOptions{})
		s.mustApply(t, "workspace: acme\nname: A\n", ApplyOptions{})
		if _, err := s.SetIdPInitiated(context.Background(), "acme", "okta", TileSignsIn, operator); err != nil {
			t.Fatal(err)
		}
		s.wantRefusal(t, "workspace: acme\nconnections: [{name: okta, idp_initiated: no}]\n", ApplyOptions{}, errs.KindConflict,
			"connections.okta.idp_initiated: last applied no, now yes, file no")
	})
}

func TestConnection_SaysWhatBecomesOfAnAnswerThatNobodyAskedFor(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, acme, ApplyOptions{})
		apply := func(word string) []string {
			return s.mustApply(t, "workspace: acme\nconnections: [{name: okta, idp_initiated: "+word+"}]\n", ApplyOptions{}).Changes
		}
		was := "yes" // of its preset
		for _, word := range []string{"convert", "yes", "convert", "no", "yes"} {
			if got := apply(word); len(got) != 1 || got[0] != "connections.okta.idp_initiated: "+was+" -> "+word {
				t.Errorf("to %s: changes %v", word, got)
			}
			side := s.connection(t, "okta").SAML
			if side.IdPInitiated != (word == "yes") || side.ConvertUnasked != (word == "convert") || len(apply(word)) != 0 {
				t.Errorf("%s: %+v", word, side)
			}
			was = word
		}
		apply("convert")
		text, err := s.Export(context.Background(), "acme")
		if err != nil || !strings.Contains(string(text), "idp_initiated: convert") {
			t.Errorf("export: %v\n%s", err, text)
		}
		if r := s.mustApply(t, string(text), ApplyOptions{}); len(r.Changes) > 0 {
			t.Errorf("an export applied back changes %v", r.Changes)
		}
		s.wantRefusal(t, "workspace: acme\nconnections: [{name: second, provider: generic, protocol: oidc, idp_initiated: convert}]\n", ApplyOptions{}, errs.KindInvalid,
			"idp_initiated: convert: expected only with protocol: saml")
		if _, err := ParseFile([]byte("workspace: acme\nconnections: [{name: okta, idp_initiated: maybe}]\n"), ""); err == nil || !strings.Contains(err.Error(), `received "maybe"`) {
			t.Errorf("maybe: %v", err)
		}
	})
}

func TestMappings_OfAConnectionGoWithIt(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, acme, ApplyOptions{})
		r := s.mustApply(t, "workspace: acme\nrole_mappings: [{connection: okta, group: Admins, role: Admin}, {directory: okta, group: Admins, role: Agent}, {group: Admins, role: Trainee}]\n", ApplyOptions{})
		if !slices.Contains(r.Changes, "role_mappings[connection okta: Admins]: added, Admin") {
			t.Errorf("%v", r.Changes)
		}
		m := s.mustConfig(t, "acme").Mappings
		if i := slices.IndexFunc(m, func(m directory.RoleMapping) bool { return m.Connection == s.connection(t, "okta").ID }); i < 0 || m[i].Directory != "" || len(m) != 3 {
			t.Errorf("%+v", m)
		}
		s.wantRefusal(t, "workspace: acme\nrole_mappings: [{connection: octa, group: A, role: Admin}]\n", ApplyOptions{}, errs.KindInvalid,
			`line 2: role_mappings[0].connection: there is no connection "octa"; did you mean "okta"?`)
		r = s.mustApply(t, "workspace: acme\nconnections: []\ndirectories: [{name: okta, connection: ''}]\n", ApplyOptions{Prune: true})
		if !slices.Contains(r.Changes, "role_mappings[connection okta: Admins]: removed") || len(s.mustConfig(t, "acme").Mappings) != 2 {
			t.Errorf("%v", r.Changes)
		}
	})
}

const withApp = "workspace: acme\napplications:\n- {name: app, redirect_uris: [\"https://app.test/cb\", \"http://127.0.0.1:9000/cb\"], backchannel_logout_uri: \"http://localhost:9000/logout\"}\n"

func TestApplications_TellTheirSecretOnceAndTheListIsExact(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		if r := s.mustApply(t, withApp, ApplyOptions{DryRun: true}); len(r.Applications) != 1 || r.Applications[0].ClientID != "" || r.Applications[0].ClientSecret != "" {
			t.Errorf("a dry run gives %+v", r.Applications)
		}
		r := s.mustApply(t, withApp, ApplyOptions{})
		app := r.Applications[0]
		if !strings.HasPrefix(app.ClientID, "app_") || !strings.HasPrefix(app.ClientSecret, SecretPrefix) || !slices.Contains(r.Changes, "applications.app: added") {
			t.Fatalf("%+v %v", app, r.Changes)
		}
		secret := func() string {
			c, err := s.DB.System().Client(context.Background(), app.ClientID)
			if err != nil {
				t.Fatal(err)
			}
			return c.Secret
		}
		if secret() != hashOf(app.ClientSecret) {
			t.Error("the secret that was shown is not the one that is kept")
		}
		events := s.events(t)
		if r = s.mustApply(t, withApp, ApplyOptions{}); len(r.Changes) > 0 || r.Applications[0].ClientSecret != "" || r.Applications[0].ClientID != app.ClientID || s.events(t) != events {
			t.Errorf("applied again: %v %+v", r.Changes, r.Applications)
		}
		for _, e := range s.log(t) {
			if strings.Contains(fmt.Sprint(e), SecretPrefix) {
				t.Errorf("the secret is in the event %s", e.Type)
			}
		}
		// A change of anything else leaves the secret as it is.
		if r = s.mustApply(t, strings.Replace(withApp, "app.test/cb", "app.test/other", 1), ApplyOptions{}); len(r.Changes) != 1 || r.Applications[0].ClientSecret != "" || secret() != hashOf(app.ClientSecret) {
			t.Errorf("%v %+v", r.Changes, r.Applications)
		}
		// Public applications have none; who becomes confidential gets one.
		s.mustApply(t, "workspace: acme\napplications: [{name: app, public: yes, post_logout_redirect_uris: [\"https://app.test/bye\"]}]\n", ApplyOptions{})
		if secret() != "" {
			t.Error("a public application has a secret")
		}
		r = s.mustApply(t, "workspace: acme\napplications: [{name: APP, public: no, post_logout_redirect_uris: [], backchannel_logout_uri: ''}]\n", ApplyOptions{})
		if fresh := r.Applications[0].ClientSecret; fresh == "" || fresh == app.ClientSecret || secret() != hashOf(fresh) {
			t.Errorf("%+v", r.Applications)
		}
		if a := s.mustConfig(t, "acme").Applications[0]; a.BackchannelLogoutURI != "" || len(a.PostLogoutRedirectURIs) != 0 || len(a.RedirectURIs) != 2 || a.Name != "app" {
			t.Errorf("%+v", a)
		}
		// The neighbour's application of the same name is another one.
		n := s.mustApply(t, strings.Replace(withApp, "acme", "neighbour", 1), ApplyOptions{})
		s.mustApply(t, "workspace: acme\nname: A\n", ApplyOptions{})
		if r = s.mustApply(t, "workspace: acme\napplications: []\n", ApplyOptions{}); !slices.Equal(r.Changes, []string{"applications.app: removed"}) {
			t.Errorf("%v", r.Changes)
		}
		if _, err := s.DB.System().Client(context.Background(), app.ClientID); !errs.Is(err, errs.KindNotFound) {
			t.Errorf("a removed application is known: %v", err)
		}
		if _, err := s.DB.System().Client(context.Background(), n.Applications[0].ClientID); err != nil {
			t.Errorf("the neighbour's application went along: %v", err)
		}
		var types []string
		for _, e := range s.log(t) {
			if e.Subject.Kind == "application" {
				types = append(types, string(e.Type))
			}
		}
		if want := []string{"application.created", "application.changed", "application.changed", "application.changed", "application.removed"}; !slices.Equal(types, want) {
			t.Errorf("%v", types)
		}
	})
}

func TestApplications_AddressesAreAbsoluteAndWrittenOut(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"https://app.test/cb":             "",
		"https://app.test:8443/cb?x=1":    "",
		"http://localhost:9000/cb":        "",
		"http://127.0.0.1/cb":             "",
		"http://127.8.9.1:1/cb":           "",
		"http://[::1]:9000/cb":            "",
		"http://app.test/cb":              "expected https (http only for a loopback host)",
		"http://localhost.evil.test/cb":   "expected https",
		"http://127.0.0.1.evil.test/cb":   "expected https",
		"https://app.test/cb#x":           "without a fragment",
		"https://app.test/cb#":            "without a fragment",
		"https://u:p@app.test/cb":         "without user name and password",
		"https://*.app.test/cb":           "written out, without *",
		"https://app.test/*":              "written out, without *",
		"https:///cb":                     "an absolute https URL",
		"https://:443/cb":                 "an absolute https URL",
		"/cb":                             "an absolute https URL",
		"javascript:alert(1)":             "an absolute https URL",
		"com.example.app:/cb":             "an absolute https URL",
		`https://app.test\\@evil.test/cb`: "expected",
		"https://app.test/a b":            "without spaces",
	} {
		text := `workspace: a
applications:
- {name: app, redirect_uris: ["` + uri + `"]}`
		if want != "" {
			wantMistake(t, text, want)
			wantMistake(t, "workspace: a\napplications:\n- {name: app, redirect_uris: [\"https://a.test\"], backchannel_logout_uri: \""+uri+"\"}", want)
		} else if _, err := ParseFile([]byte(text), ""); err != nil {
			t.Errorf("%s: %v", uri, err)
		}
	}
	wantMistake(t, "workspace: a\napplications: [{name: app, redirect_uris: []}]", "line 2: applications[0].redirect_uris: expected one URL at least, found none")
	wantMistake(t, "workspace: a\napplications: [{name: app, client_secret: x}]", "line 2: applications[0].client_secret: unknown key")
	wantMistake(t, "workspace: a\napplications: [{name: a.b}]", "line 2: applications[0].name: expected up to 63")
	s := service(storetest.Open(t, storetest.SQLite(t), nil))
	s.mustApply(t, "workspace: acme\n", ApplyOptions{})
	s.wantRefusal(t, "workspace: acme\napplications: [{name: app}]\n", ApplyOptions{}, errs.KindInvalid, `line 2: applications[0]: expected redirect_uris for the new application "app"`)
}

func TestExport_WritesMetadataThatReadsBackTheSame(t *testing.T) {
	t.Parallel()
	s := service(storetest.Open(t, storetest.SQLite(t), nil))
	for _, entityID := range []string{"https://sts.windows.net/tenant/", `urn:x:a&b<c>"d'`, "urn:é:\U0001F600"} {
		idp := samltest.NewIdP(entityID, oktaIdP.Keys[0], entraIdP.Keys[0])
		idp.SSO = "https://okta.test/sso?a=1&b=%22x"
		known := idp.IdentityProvider()
		known.SLO = []saml.Endpoint{{Binding: saml.BindingRedirect, Location: "https://okta.test/slo?a=1&b=2", ResponseLocation: "https://okta.test/slo/answers?x=\"y\""},
			{Binding: saml.BindingPOST, Location: "https://okta.test/slo"}}
		known.ArtifactResolution = []saml.Endpoint{{Binding: saml.BindingSOAP, Location: "https://okta.test/artifacts", Index: 7}}
		var want, got directory.SAML
		takeOver(&want, time.Time{}, &known, directory.FromFile, time.Time{})
		again, err := s.identityProvider([]byte(metadataOf(&want)), "")
		if err != nil {
			t.Fatalf("%s: %v\n%s", entityID, err, metadataOf(&want))
		}
		if takeOver(&got, time.Time{}, again, directory.FromFile, time.Time{}); !reflect.DeepEqual(got, want) {
			t.Errorf("wrote %+v, read %+v", want, got)
		}
	}
	var keys []*samltest.Key
	for range maxKeys + 1 {
		keys = append(keys, samltest.NewECKey(elliptic.P256()))
	}
	if _, err := s.identityProvider(samltest.NewIdP("urn:x", keys...).Metadata(), ""); err == nil || !strings.Contains(err.Error(), "at most 32 signing certificates and services of a kind, received 33") {
		t.Errorf("%v", err)
	}
	if metadataOf(&directory.SAML{}) != "" {
		t.Error("metadata of an IdP that is not known")
	}
}
