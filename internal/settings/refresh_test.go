package settings

import (
	"context"
	"crypto/elliptic"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

const publishedAt = "https://okta.test/metadata"

// publisher is what an IdP has at its metadata address.
type publisher struct {
	mu      sync.Mutex
	text    []byte
	err     error
	fetched int
}

func (p *publisher) set(idp *samltest.IdP) { p.setText(idp.Metadata()) }

func (p *publisher) setText(text []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text, p.err = text, nil
}

func (p *publisher) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

func (p *publisher) get(context.Context, string) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fetched++
	return p.text, p.err
}

func (p *publisher) looks() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fetched
}

var keyRing = [4]func() *samltest.Key{sync.OnceValue(samltest.NewKey), sync.OnceValue(samltest.NewKey), sync.OnceValue(samltest.NewKey), sync.OnceValue(samltest.NewKey)}

// idpWith is one IdP with keys of that number.
func idpWith(keys ...int) *samltest.IdP {
	var of []*samltest.Key
	for _, k := range keys {
		of = append(of, keyRing[k]())
	}
	return samltest.NewIdP("http://www.okta.com/exk9", of...)
}

func print(key int) string { return keyRing[key]().Certificate.Fingerprint() }

// watched is acme with a verified connection that knows where its IdP, with key 0, publishes its metadata; key 0 has
// signed.
func (s *Service) watched(t *testing.T) *publisher {
	t.Helper()
	p := &publisher{}
	p.set(idpWith(0))
	s.Metadata = p.get
	s.mustApply(t, strings.Replace(acme, "metadata_file: okta.xml", "metadata_url: "+publishedAt, 1), ApplyOptions{})
	s.refreshDue(t)
	s.signs(t, 0)
	return p
}

func (s *Service) refreshDue(t *testing.T) int {
	t.Helper()
	n, err := s.RefreshDue(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// signs is a sign-in that key has signed.
func (s *Service) signs(t *testing.T, key int) {
	t.Helper()
	s.signedBy(t, keyRing[key]())
}

func (s *Service) signedBy(t *testing.T, key *samltest.Key) {
	t.Helper()
	c := s.connection(t, "okta")
	if !c.SAML.Believes(key.Certificate.Fingerprint()) {
		t.Fatal("an answer that the key signed would be refused")
	}
	id := s.mustConfig(t, "acme").Workspace.ID
	if err := s.DB.Write(context.Background(), id, func(tx *store.Tx) error {
		if err := tx.LockPeople(nil, false); err != nil {
			return err
		}
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		return KeyProven(tx, cfg, c.ID, key.Certificate.Raw)
	}); err != nil {
		t.Fatal(err)
	}
}

// states are the keys by their number: "0 active, 1 staged".
func (s *Service) states(t *testing.T) string {
	t.Helper()
	side := s.connection(t, "okta").SAML
	var out []string
	for n := range keyRing {
		if !side.Believes(print(n)) {
			continue
		}
		word := "in use"
		if k, ok := side.IdPKey(print(n)); ok {
			word = keyWords(k)
		}
		out = append(out, string(rune('0'+n))+" "+word)
	}
	return strings.Join(out, "; ")
}

func (s *Service) wantStates(t *testing.T, want string) {
	t.Helper()
	if got := s.states(t); got != want {
		t.Errorf("the keys are %q, want %q", got, want)
	}
}

// told lists the types of events since the last call.
func (s *Service) told(t *testing.T, since *int) string {
	t.Helper()
	var out []string
	all := s.log(t)
	for _, e := range all[*since:] {
		out = append(out, string(e.Type))
	}
	*since = len(all)
	return strings.Join(out, " ")
}

func (s *Service) state(t *testing.T) MetadataState {
	t.Helper()
	state, err := s.MetadataState(context.Background(), "acme", "okta")
	if err != nil {
		t.Fatal(err)
	}
	return state
}

const aDay = 27 * time.Hour // with its jitter

func TestRefresh_ANewKeyIsStagedProvenPromotedAndTheOldOneGoes(t *testing.T) {
	eachAt(t, func(t *testing.T, s *Service, pass func(time.Duration)) {
		p := s.watched(t)
		s.wantStates(t, "0 active")
		since := s.events(t)
		pass(aDay)
		if n := s.refreshDue(t); n != 1 || s.refreshDue(t) != 0 || p.looks() != 3 {
			t.Fatalf("%d looks after a day, %d fetched", n, p.looks())
		}
		if told := s.told(t, &since); told != "" {
			t.Errorf("the same content is told: %s", told)
		}
		p.set(idpWith(0, 1))
		pass(aDay)
		s.refreshDue(t)
		s.wantStates(t, "0 active; 1 staged")
		if told := s.told(t, &since); told != "connection.idp_key.staged" {
			t.Errorf("told %s", told)
		}
		s.signs(t, 0)
		s.wantStates(t, "0 active; 1 staged")
		s.signs(t, 1)
		s.wantStates(t, "0 retiring; 1 active")
		s.signs(t, 1)
		if told := s.told(t, &since); told != "connection.idp_key.promoted" {
			t.Errorf("told %s", told)
		}
		if c := s.connection(t, "okta"); !c.Verified() {
			t.Error("a proven rotation leaves the connection unverified")
		}
		tend := func() {
			t.Helper()
			pass(time.Second)
			if err := s.TendKeys(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		pass(20 * 24 * time.Hour)
		s.refreshDue(t)
		tend()
		s.wantStates(t, "0 retiring; 1 active") // the IdP still publishes it
		p.set(idpWith(1))
		pass(aDay)
		s.refreshDue(t)
		tend()
		s.wantStates(t, "1 active")
		if told := s.told(t, &since); told != "connection.changed connection.idp_key.removed" {
			t.Errorf("told %s", told)
		}
		// An IdP that names it again does not bring it back.
		p.set(idpWith(0, 1))
		pass(aDay)
		s.refreshDue(t)
		s.wantStates(t, "1 active")
		if state := s.state(t); state.Proposal != nil || s.told(t, &since) != "" {
			t.Errorf("it is proposed: %+v", state.Proposal)
		}
		if c := s.connection(t, "okta"); !c.Verified() {
			t.Error("the connection is not verified any more")
		}
	})
}

func TestRefresh_AWithdrawnKeyThatNeverSignedGoesAndOneThatSignedStays(t *testing.T) {
	eachAt(t, func(t *testing.T, s *Service, pass func(time.Duration)) {
		p := s.watched(t)
		p.set(idpWith(0, 1))
		pass(aDay)
		s.refreshDue(t)
		p.set(idpWith(2))
		pass(aDay)
		s.refreshDue(t)
		s.wantStates(t, "0 active, no longer published; 2 staged")
		pass(60 * 24 * time.Hour)
		if err := s.TendKeys(context.Background()); err != nil {
			t.Fatal(err)
		}
		s.wantStates(t, "0 active, no longer published; 2 staged") // the only one that has signed
	})
}

func TestRefresh_AnotherPlaceOrAnotherIdPIsAProposalAndNoChange(t *testing.T) {
	eachAt(t, func(t *testing.T, s *Service, pass func(time.Duration)) {
		p := s.watched(t)
		since := s.events(t)
		elsewhere := idpWith(0)
		elsewhere.SSO = "https://evil.test/sso"
		stranger := samltest.NewIdP("https://evil.test/", keyRing[3]())
		for name, idp := range map[string]*samltest.IdP{"sign-in addresses": elsewhere, "entity ID": stranger} {
			before := s.connection(t, "okta")
			p.set(idp)
			for range 3 { // told once
				pass(aDay)
				s.refreshDue(t)
			}
			if told := s.told(t, &since); told != "connection.metadata.proposed" {
				t.Errorf("%s: told %q", name, told)
			}
			if after := s.connection(t, "okta"); !slices.Equal(after.SAML.SSO, before.SAML.SSO) || after.SAML.EntityID != before.SAML.EntityID || !after.Verified() {
				t.Fatalf("%s was applied by itself: %+v", name, after.SAML)
			}
			state := s.state(t)
			if state.Proposal == nil || state.Proposal.Changes[0].What != name || !state.Proposal.Unverified || state.Proposal.OtherIdP != (idp == stranger) || state.GoodAt == nil {
				t.Fatalf("%s: %+v", name, state.Proposal)
			}
			if err := s.DeclineProposal(context.Background(), "acme", "okta", "another word", operator); errs.CodeOf(err) != "changed_meanwhile" {
				t.Errorf("another word is answered %v", err)
			}
			if err := s.DeclineProposal(context.Background(), "acme", "okta", state.Proposal.Word, operator); err != nil {
				t.Fatal(err)
			}
			pass(aDay)
			s.refreshDue(t)
			if told := s.told(t, &since); told != "connection.metadata.declined" || s.state(t).Proposal != nil {
				t.Errorf("%s: after it was declined: %q %+v", name, told, s.state(t).Proposal)
			}
			p.set(idpWith(0))
			pass(aDay)
			s.refreshDue(t)
		}
		s.told(t, &since)
		p.set(elsewhere)
		pass(aDay)
		s.refreshDue(t)
		word := s.state(t).Proposal.Word
		if _, err := s.AcceptProposal(context.Background(), "acme", "okta", "0123456789abcdef", operator); errs.CodeOf(err) != "changed_meanwhile" {
			t.Errorf("another word is answered %v", err)
		}
		if _, err := s.AcceptProposal(context.Background(), "acme", "okta", word, operator); err != nil {
			t.Fatal(err)
		}
		if _, err := s.AcceptProposal(context.Background(), "acme", "okta", word, operator); errs.CodeOf(err) != "changed_meanwhile" {
			t.Errorf("the second administrator is answered %v", err)
		}
		c := s.connection(t, "okta")
		if c.SAML.SSO[0].Location != "https://evil.test/sso" || c.Verified() || s.state(t).Proposal != nil {
			t.Errorf("accepted: %+v, verified %t, %+v", c.SAML.SSO, c.Verified(), s.state(t).Proposal)
		}
		s.signs(t, 0)
		if !s.connection(t, "okta").Verified() {
			t.Error("a sign-in does not prove it")
		}
	})
}

func TestRefresh_AWeakerKeyIsForAnAdministratorToAccept(t *testing.T) {
	eachAt(t, func(t *testing.T, s *Service, pass func(time.Duration)) {
		strong := samltest.NewECKey(elliptic.P384())
		p := &publisher{}
		entity := "http://www.okta.com/exk9"
		p.set(samltest.NewIdP(entity, strong))
		s.Metadata = p.get
		s.mustApply(t, strings.Replace(acme, "metadata_file: okta.xml", "metadata_url: "+publishedAt, 1), ApplyOptions{})
		s.refreshDue(t)
		p.set(samltest.NewIdP(entity, strong, keyRing[0](), samltest.NewECKey(elliptic.P521())))
		pass(aDay)
		s.refreshDue(t)
		if n := len(s.connection(t, "okta").SAML.Certificates); n != 2 {
			t.Fatalf("%d keys count, want the known and the stronger one", n)
		}
		state := s.state(t)
		if state.Proposal == nil || len(state.Proposal.Changes) != 1 || state.Proposal.Changes[0].What != "key added" || !strings.Contains(state.Proposal.Changes[0].To, print(0)+", RSA 2048") {
			t.Fatalf("%+v", state.Proposal)
		}
		if _, err := s.AcceptProposal(context.Background(), "acme", "okta", state.Proposal.Word, operator); err != nil || len(s.connection(t, "okta").SAML.Certificates) != 3 {
			t.Errorf("%v", err)
		}
	})
}

func TestRefresh_ANewCertificateOfAKnownKeyIsNoRotation(t *testing.T) {
	eachAt(t, func(t *testing.T, s *Service, pass func(time.Duration)) {
		p := s.watched(t)
		renewed := samltest.Certify(keyRing[0]().Signer, s.DB.Now(), s.DB.Now().AddDate(3, 0, 0))
		p.set(samltest.NewIdP("http://www.okta.com/exk9", renewed, keyRing[0]())) // one key in two certificates
		pass(aDay)
		s.refreshDue(t)
		side := s.connection(t, "okta").SAML
		k, _ := side.IdPKey(renewed.Certificate.Fingerprint())
		if len(side.Certificates) != 1 || len(side.IdPKeys) != 1 || k.State != directory.KeyActive || !s.connection(t, "okta").Verified() {
			t.Errorf("%+v", side.IdPKeys)
		}
	})
}

func TestRefresh_AYearInWhichNothingAnswersHurtsNobody(t *testing.T) {
	eachAt(t, func(t *testing.T, s *Service, pass func(time.Duration)) {
		p := s.watched(t)
		since := s.events(t)
		good := s.state(t).GoodAt
		p.fail(errors.New("nobody is there"))
		for range 365 {
			for range 4 {
				pass(6 * time.Hour)
				s.refreshDue(t)
				if err := s.TendKeys(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
			s.signs(t, 0)
		}
		s.wantStates(t, "0 active")
		state := s.state(t)
		if !s.connection(t, "okta").Verified() || state.Failures < 365 || !strings.Contains(state.Error, "nobody is there") || !state.GoodAt.Equal(*good) {
			t.Errorf("after a year: %+v", state)
		}
		n := strings.Count(s.told(t, &since), "connection.metadata.unavailable")
		if n < 300 || n > 366 {
			t.Errorf("told %d times in a year", n)
		}
		p.set(idpWith(0, 1))
		pass(aDay)
		s.refreshDue(t)
		s.wantStates(t, "0 active; 1 staged")
		if told := s.told(t, &since); told != "connection.metadata.available connection.idp_key.staged" || s.state(t).Failures != 0 {
			t.Errorf("told %s", told)
		}
	})
}

func TestRefresh_WhatCannotBeUsedKeepsWhatIsKnown(t *testing.T) {
	eachAt(t, func(t *testing.T, s *Service, pass func(time.Duration)) {
		p := s.watched(t)
		before := s.connection(t, "okta")
		good := string(idpWith(0, 1).Metadata())
		for name, text := range map[string]string{
			"nothing":           "",
			"a page":            "<html><body>Sign in</body></html>",
			"a document type":   `<!DOCTYPE x [<!ENTITY a "b">]>` + good,
			"a javascript link": strings.Replace(good, "https://idp.example/sso", "javascript:alert(1)", 1),
			"what has expired":  strings.Replace(good, "entityID=", `validUntil="2020-01-01T00:00:00Z" entityID=`, 1),
			"no key":            strings.ReplaceAll(good, "KeyDescriptor", "OtherDescriptor"),
			"our own role":      strings.ReplaceAll(good, "IDPSSODescriptor", "SPSSODescriptor"),
		} {
			p.setText([]byte(text))
			pass(aDay)
			s.refreshDue(t)
			if state := s.state(t); state.Failures == 0 || state.Error == "" {
				t.Errorf("%s is taken: %+v", name, state)
			}
			if after := s.connection(t, "okta"); len(after.SAML.Certificates) != len(before.SAML.Certificates) || !after.Verified() {
				t.Errorf("%s changed the connection", name)
			}
		}
	})
}

func TestUnknownKey_ManyAtOnceLookOnceAndAllSeeTheNewKey(t *testing.T) {
	eachAt(t, func(t *testing.T, s *Service, pass func(time.Duration)) {
		p := s.watched(t)
		s.Looks = &Looks{}
		c, w := s.connection(t, "okta"), s.mustConfig(t, "acme").Workspace.ID
		p.set(idpWith(1)) // with no notice
		looks := p.looks()
		var all sync.WaitGroup
		for range 40 {
			all.Go(func() {
				if yes, err := s.UnknownKey(context.Background(), w, c.ID); err != nil || !yes {
					t.Errorf("%t, %v", yes, err)
				}
			})
		}
		all.Wait()
		if p.looks() != looks+1 {
			t.Errorf("%d looks", p.looks()-looks)
		}
		s.wantStates(t, "0 active, no longer published; 1 staged")
		// A flood within the pause calls nobody.
		for range 1000 {
			if _, err := s.UnknownKey(context.Background(), w, c.ID); err != nil {
				t.Fatal(err)
			}
		}
		if p.looks() != looks+1 {
			t.Errorf("%d looks after a flood", p.looks()-looks)
		}
		pass(UnknownKeyPause)
		if _, err := s.UnknownKey(context.Background(), w, c.ID); err != nil || p.looks() != looks+2 {
			t.Errorf("%v, %d looks after the pause", err, p.looks()-looks)
		}
		if yes, err := s.UnknownKey(context.Background(), w, "con_of_nobody"); yes || err != nil {
			t.Errorf("a connection that is not there: %t, %v", yes, err)
		}
	})
}

func TestRefresh_AnAdministratorsChangeDuringALookWins(t *testing.T) {
	eachAt(t, func(t *testing.T, s *Service, pass func(time.Duration)) {
		s.watched(t)
		other := samltest.NewIdP("https://other.test/", keyRing[2]())
		s.Metadata = func(ctx context.Context, url string) ([]byte, error) {
			if url == publishedAt { // meanwhile
				if _, _, err := s.ImportMetadata(ctx, "acme", "okta", Source{XML: other.Metadata()}, operator); err != nil {
					t.Error(err)
				}
				return idpWith(0, 1).Metadata(), nil
			}
			return nil, errors.New("nobody is there")
		}
		pass(aDay)
		s.refreshDue(t)
		if side := s.connection(t, "okta").SAML; side.EntityID != other.EntityID || side.Believes(print(1)) || side.MetadataURL != "" {
			t.Errorf("%+v", side)
		}
		if pass(aDay); s.refreshDue(t) != 0 {
			t.Error("an address that is not set any more is looked at")
		}
	})
}

func TestRefresh_OnlySignedMetadataCountsWhereACertificateIsPinned(t *testing.T) {
	eachAt(t, func(t *testing.T, s *Service, pass func(time.Duration)) {
		p := s.watched(t)
		sign := func(idp *samltest.IdP, by int) []byte {
			text := strings.Replace(string(idp.Metadata()), "<md:EntityDescriptor", `<md:EntityDescriptor ID="_m"`, 1)
			return samltest.SignElement([]byte(text), "_m", samltest.Signing{Key: keyRing[by]()})
		}
		from := Source{URL: publishedAt, Signer: keyRing[3]().Certificate.PEM()}
		if _, err := s.PlanMetadata(context.Background(), "acme", "okta", from); err == nil || !strings.Contains(err.Error(), "not signed") {
			t.Errorf("unsigned metadata is answered %v", err)
		}
		p.setText(sign(idpWith(0), 3))
		plan, err := s.PlanMetadata(context.Background(), "acme", "okta", from)
		if err != nil || len(plan.Changes) != 1 || plan.Changes[0].What != "metadata must be signed by" {
			t.Fatalf("%+v, %v", plan, err)
		}
		if _, err := s.ApplyMetadata(context.Background(), "acme", "okta", Source{XML: plan.XML, URL: plan.URL, Signer: plan.Signer}, plan.Word, operator); err != nil {
			t.Fatal(err)
		}
		for text, want := range map[string]string{string(idpWith(0, 1).Metadata()): "not signed", string(sign(idpWith(0, 1), 1)): "another key than expected"} {
			p.setText([]byte(text))
			pass(aDay)
			s.refreshDue(t)
			if state := s.state(t); !strings.Contains(state.Error, want) {
				t.Errorf("%+v, want %s", state, want)
			}
		}
		s.wantStates(t, "0 active")
		p.setText(sign(idpWith(0, 1), 3))
		pass(aDay)
		s.refreshDue(t)
		s.wantStates(t, "0 active; 1 staged")
		var last audit.Type
		for _, e := range s.log(t) {
			last = e.Type
		}
		if last != audit.IdPKeyStaged {
			t.Errorf("told %s", last)
		}
	})
}

// A binary of an earlier level knows neither the column nor the tables.
func TestRefresh_WhatAnEarlierBinaryLeftBehindHarmsNobody(t *testing.T) {
	eachAt(t, func(t *testing.T, s *Service, pass func(time.Duration)) {
		p := s.watched(t)
		p.set(idpWith(0, 1))
		pass(aDay)
		s.refreshDue(t)
		// It imports other metadata, which is a list of certificates to it.
		s.write(t, func(tx *store.Tx) error {
			cfg, err := tx.Config()
			if err != nil {
				return err
			}
			c, _ := findConnection(cfg, "okta")
			side := *c.SAML
			side.Certificates = [][]byte{keyRing[2]().Certificate.Raw, keyRing[0]().Certificate.Raw}
			c.SAML = &side
			tx.SaveConnection(c, false)
			return nil
		})
		s.wantStates(t, "0 active; 2 in use")
		s.signs(t, 2)
		s.wantStates(t, "0 retiring; 2 active")
		// It removes the connection and leaves the watch.
		id, con := s.mustConfig(t, "acme").Workspace.ID, s.connection(t, "okta")
		s.mustApply(t, "workspace: acme\nconnections: []\ndirectories: []\nrole_mappings: []\n", ApplyOptions{Prune: true, Force: true})
		s.write(t, func(tx *store.Tx) error {
			tx.SaveConnection(con, true)
			return nil
		})
		s.write(t, func(tx *store.Tx) error {
			tx.DeleteConnection(con.ID)
			return nil
		})
		if pass(aDay); s.refreshDue(t) > 1 {
			t.Error("a connection that is gone is looked at")
		}
		if pass(aDay); s.refreshDue(t) != 0 {
			t.Error("a connection that is gone is looked at again and again")
		}
		if err := s.TendKeys(context.Background()); err != nil {
			t.Error(err)
		}
		if yes, err := s.UnknownKey(context.Background(), id, con.ID); yes || err != nil {
			t.Errorf("%t, %v", yes, err)
		}
	})
}

func TestIdPKeys_AWrongPromotionByHandTakesNoKeyInUseAway(t *testing.T) {
	eachAt(t, func(t *testing.T, s *Service, pass func(time.Duration)) {
		p := s.watched(t)
		p.set(idpWith(1))
		pass(aDay)
		s.refreshDue(t)
		if _, err := s.PromoteIdPKey(context.Background(), "acme", "okta", print(1), operator); err != nil {
			t.Fatal(err)
		}
		s.wantStates(t, "0 retiring, no longer published; 1 active")
		pass(100 * 24 * time.Hour)
		if err := s.TendKeys(context.Background()); err != nil {
			t.Fatal(err)
		}
		s.signs(t, 0) // which it never stopped to do
		s.signs(t, 1)
		pass(keepRetired + time.Hour)
		if err := s.TendKeys(context.Background()); err != nil {
			t.Fatal(err)
		}
		s.wantStates(t, "1 active")
	})
}

func TestUnknownKey_ALookThatIsNeverFinishedHoldsNobodyForLong(t *testing.T) {
	eachAt(t, func(t *testing.T, s *Service, pass func(time.Duration)) {
		s.watched(t)
		s.Looks = &Looks{}
		c, w := s.connection(t, "okta"), s.mustConfig(t, "acme").Workspace.ID
		// A process asked and died.
		s.write(t, func(tx *store.Tx) error {
			_, err := tx.AskMetadata(c.ID, UnknownKeyPause)
			return err
		})
		pass(refreshWait + time.Second)
		if yes, err := s.UnknownKey(context.Background(), w, c.ID); yes || err != nil {
			t.Errorf("%t, %v", yes, err)
		}
		// Of very many at once only so many wait.
		s.write(t, func(tx *store.Tx) error {
			_, err := tx.AskMetadata(c.ID, 0)
			return err
		})
		var leaves []func()
		for range refreshWaiters {
			leave, ok := s.Looks.enter()
			if !ok {
				t.Fatal("no place")
			}
			leaves = append(leaves, leave)
		}
		if yes, err := s.UnknownKey(context.Background(), w, c.ID); yes || err != nil {
			t.Errorf("one too many: %t, %v", yes, err)
		}
		for _, leave := range leaves {
			leave()
		}
		if leave, ok := s.Looks.enter(); !ok {
			t.Error("places are not given back")
		} else {
			leave()
		}
	})
}

func TestKeyProven_ManyFirstSignInsAtOnceTellOnce(t *testing.T) {
	eachAt(t, func(t *testing.T, s *Service, pass func(time.Duration)) {
		p := s.watched(t)
		p.set(idpWith(0, 1))
		pass(aDay)
		s.refreshDue(t)
		since := s.events(t)
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() { s.signs(t, 1) })
		}
		all.Wait()
		s.wantStates(t, "0 retiring; 1 active")
		if told := s.told(t, &since); told != string(audit.IdPKeyPromoted) {
			t.Errorf("told %s", told)
		}
	})
}

func TestImport_AKeyOfAnotherWorkspacesConnectionIsAsGoodAsAnyAndSharesNothing(t *testing.T) {
	eachAt(t, func(t *testing.T, s *Service, pass func(time.Duration)) {
		s.watched(t)
		s.mustApply(t, "workspace: globex\nconnections:\n- {name: okta, provider: okta, protocol: saml}\n", ApplyOptions{})
		ctx := context.Background()
		for _, keys := range [][]int{{0}, {0, 1}} {
			if _, _, err := s.ImportMetadata(ctx, "globex", "okta", Source{XML: idpWith(keys...).Metadata()}, operator); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.DropIdPKey(ctx, "globex", "okta", print(0), operator); err != nil {
			t.Fatal(err)
		}
		s.wantStates(t, "0 active")
		con := s.connection(t, "okta").ID
		for what, err := range map[string]error{
			"keys":      func() error { _, err := s.DropIdPKey(ctx, "globex", con, print(0), operator); return err }(),
			"metadata":  func() error { _, err := s.MetadataState(ctx, "globex", con); return err }(),
			"proposals": s.DeclineProposal(ctx, "globex", con, "word", operator),
			"looks":     func() error { _, err := s.RefreshNow(ctx, "globex", con); return err }(),
			"imports": func() error {
				_, err := s.PlanMetadata(ctx, "globex", con, Source{XML: idpWith(1).Metadata()})
				return err
			}(),
		} {
			if errs.CodeOf(err) != "connection_unknown" {
				t.Errorf("%s of another workspace's connection: %v", what, err)
			}
		}
		if yes, err := s.UnknownKey(ctx, s.mustConfig(t, "globex").Workspace.ID, con); yes || err != nil {
			t.Errorf("a look at another workspace's connection: %t, %v", yes, err)
		}
	})
}
