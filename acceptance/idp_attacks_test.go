package acceptance

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// played is what each attack comes to that an IdP, or somebody with an account there, plays by its own key.
var played = map[idpsim.Fault]saidAs{
	idpsim.AttackXSW1: unproven("nested_assertion"), idpsim.AttackXSW2: unproven("nested_assertion"), idpsim.AttackXSW5: unproven("second_assertion"),
	idpsim.AttackXSW6: unproven("nested_assertion"), idpsim.AttackXSW7: unproven("nested_assertion"), idpsim.AttackXSW8: unproven("nested_assertion"),
	idpsim.AttackWrappedStatus: unproven("nested_assertion"), idpsim.AttackWrappedAdvice: unproven("nested_assertion"),
	idpsim.AttackMovedSignature: unproven("signature_reference"), idpsim.AttackChanged: unproven("signature_invalid"),
	idpsim.AttackCommentAdded: unproven("comment"), idpsim.AttackInstruction: unproven("processing_instruction"), idpsim.AttackDoctypeQuotes: unproven("dtd"),
	idpsim.AttackCDATA: unproven("cdata"), idpsim.AttackRelativeNamespace: unproven("malformed"), idpsim.AttackEmptyDigest: unproven("signature_reference"),
	idpsim.AttackOtherID: unproven("malformed"), idpsim.AttackSameID: unproven("duplicate_id"), idpsim.AttackAttlist: unproven("dtd"),
	idpsim.AttackColons: unproven("malformed"), idpsim.AttackTwoReferences: unproven("signature_reference"), idpsim.AttackTwoSignedInfos: unproven("signature_invalid"),
	idpsim.AttackCommentInDigest: unproven("comment"), idpsim.AttackEntity: unproven("dtd"), idpsim.AttackLaughs: unproven("dtd"),
	idpsim.AttackDeep: unproven("too_large"), idpsim.AttackWide: unproven("too_large"), idpsim.AttackBogus: unproven("signature_invalid"),
	idpsim.AttackDeflated: unproven("malformed"), idpsim.AttackHMAC: unproven("signature_algorithm"), idpsim.AttackSHA1: unproven("signature_algorithm"),
	idpsim.AttackSHA1Digest: unproven("signature_algorithm"), idpsim.AttackXSLT: unproven("signature_invalid"),
	idpsim.AttackExternalReference: unproven("signature_reference"), idpsim.AttackWholeDocument: unproven("signature_reference"),
	idpsim.AttackNoRequestOutside: proven("in_response_to"), idpsim.AttackNoRequestInside: proven("in_response_to"),
	idpsim.AttackNoAudience: proven("audience"), idpsim.AttackNoConfirmation: proven("no_confirmation"),
}

// unproven is a refusal that a stranger could have caused, proven one of a verified message.
func unproven(reason string) saidAs { return saidAs{"saml_refused", reason} }
func proven(reason string) saidAs   { return saidAs{reason, reason} }

// An IdP plays the catalogue of attacks as far as its own key goes: nobody is signed in, the log has the reason, and
// after each of them the same message without the change signs in. Nobody whom only the attack names gets to exist.
func TestStory_an_IdP_plays_the_attacks_it_has_the_key_for(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		for _, kind := range []idpsim.Kind{idpsim.Okta, idpsim.Entra} {
			for number, some := range slices.Collect(slices.Chunk(idpsim.Faults(), 20)) {
				t.Run(fmt.Sprintf("%s, part %d", kind, number+1), func(t *testing.T) {
					t.Parallel()
					w := w.within(t)
					c := w.company(fmt.Sprintf("attacked-%s-%d", kind, number+1), kind, form{connection: "idp_initiated: yes\n"})
					c.seed()
					c.attackedBy(some)
				})
			}
			t.Run(string(kind)+", encrypted", func(t *testing.T) { t.Parallel(); attackedEncrypted(t, w.within(t), kind) })
		}
	})
}

func (c *company) attackedBy(some []idpsim.Fault) {
	c.w.t.Helper()
	ann := c.who("ann.lee")
	c.enter(ann)
	refused, by := map[string]string{}, map[string]idpsim.Fault{} // reasons and attacks by event
	for i, f := range some {
		as, known := played[f]
		if f == idpsim.AttackDeniedMarkup {
			as, known = proven("status"), true
			if c.idp.Kind().IsEntra() { // signs assertions, and there is none
				as = unproven("status")
			}
		}
		if f.Attack() == "" || !known && !f.Works() {
			continue // one of the faults that another story is about
		}
		c.w.must(c.idp.SetSAMLFault(f))
		b := c.w.newBrowser()
		var p page
		if i%2 == 0 || as.reason == "in_response_to" {
			p = c.signsIn(b, c.login(), ann)
		} else {
			p = b.deliver(c.tile(ann))
		}
		if f.Works() {
			c.landed(b, p, ann)
			continue
		}
		refused[p.fact("Event")], by[p.fact("Event")] = as.reason, f
		if !p.failed() || p.fact("Code") != as.code || b.session().status != http.StatusUnauthorized {
			c.w.t.Errorf("%s: answered %d with the code %q, want %s and nobody signed in:\n%.2000s", f, p.status, p.fact("Code"), as.code, p.text)
		}
		if as.code == "saml_refused" && p.find(isElement("details")) != nil || strings.Contains(p.text, "<script") || strings.Contains(p.text, "<img src=x") {
			c.w.t.Errorf("%s: the page tells a stranger more than the code, or has markup of the IdP:\n%s", f, p.text)
		}
		c.enter(ann) // the same without the attack
	}
	for _, e := range c.w.events(c.slug) {
		if reason, ours := refused[e.ID]; ours && (e.Type != "signin.refused" || e.Reason != reason || e.Connection != c.connection) {
			c.w.t.Errorf("%s: the event is %s by %q, want %s", by[e.ID], e.Type, e.Reason, reason)
		}
		delete(refused, e.ID)
	}
	if len(refused) > 0 {
		c.w.t.Errorf("these events are not in the log: %v", refused)
	}
	if here := c.w.people(c.slug); len(here) != 1 {
		c.w.t.Errorf("%d people exist, want the one who signed in", len(here))
	}
}

// attackedEncrypted is what is done to encryption, and by it.
func attackedEncrypted(t *testing.T, w *world, kind idpsim.Kind) {
	c := w.company("attacked-sealed-"+string(kind), kind, form{connection: "encryption: on\nidp_initiated: yes\n"})
	c.seed()
	ann := c.who("ann.lee")
	c.enter(ann)
	good := c.idp.SAMLSettings()
	for how, reason := range map[string]string{ // the encryption of the setting, and what is in the log
		"cbc": "encryption_algorithm", "odd_cbc": "encryption_algorithm", "old_key": "decryption", "cut_tag": "decryption",
		"empty": "decryption", "rsa1_5": "encryption_algorithm", "forged": "signature_missing", "forged_beside": "second_assertion"} {
		wrong := good
		wrong.Encrypt = how
		for _, tile := range []bool{false, true} {
			w.must(c.idp.ConfigureSAML(wrong))
			b := w.newBrowser()
			var p page
			if tile {
				p = b.deliver(c.tile(ann))
			} else {
				p = c.signsIn(b, c.login(), ann)
			}
			code := "saml_refused"
			if kind == idpsim.Okta && !strings.HasPrefix(how, "forged") {
				code = reason // it signs the response as well, so that this is known to be the IdP's word
			}
			c.refused(b, p, code, reason)
		}
		w.must(c.idp.ConfigureSAML(good))
		c.enter(ann)
	}
}

// An IdP publishes metadata that lies (A43): what was known stays, people go on signing in, and the connection says why.
func TestStory_metadata_that_lies_is_not_taken(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		for _, kind := range []idpsim.Kind{idpsim.Okta, idpsim.Entra} {
			t.Run(string(kind), func(t *testing.T) {
				t.Parallel()
				w := w.within(t)
				sim := idpsim.New(idpsim.Options{BaseURL: idpOrigin})
				t.Cleanup(sim.Close)
				c := w.company("lied-to-"+string(kind), kind, form{idp: sim.IdP(kind)})
				c.seed()
				ann := c.who("ann.lee")
				c.enter(ann)
				address := c.lies(sim)
				// Brought by hand, none of it is taken either, and nothing is proposed.
				lies := slices.DeleteFunc(idpsim.MetadataFaults()[1:], func(f idpsim.MetadataFault) bool { return f == idpsim.MetadataAnother })
				for _, f := range lies {
					w.must(c.idp.SetMetadataFault(f))
					if out, _, code := w.run(nil, "connection", "metadata", "import", c.slug, "idp", "--url", address); code == 0 {
						t.Errorf("%s is taken: %s", f, out)
					}
				}
				w.must(c.idp.SetMetadataFault(idpsim.MetadataGood))
				c.imports("--url", address)
				before := c.metadata("show")
				kept := func(f idpsim.MetadataFault, k shownMetadata) {
					t.Helper()
					if !reflect.DeepEqual(k.Connection.IdP, before.Connection.IdP) {
						t.Errorf("%s: what is known of the IdP is %+v", f, k.Connection.IdP)
					}
					c.enter(ann)
				}
				for _, f := range lies {
					w.must(c.idp.SetMetadataFault(f))
					k := c.metadata("refresh")
					if k.Metadata.Error == "" || k.Metadata.Failures == 0 || k.Metadata.Proposal != nil {
						t.Errorf("%s: the refresh says %+v", f, k.Metadata)
					}
					kept(f, k)
				}
				// Another IdP at the same address is shown to the administrators, and not taken either.
				w.must(c.idp.SetMetadataFault(idpsim.MetadataAnother))
				k := c.metadata("refresh")
				if k.Metadata.Proposal == nil {
					t.Errorf("another entity: the refresh says %+v", k.Metadata)
				}
				kept(idpsim.MetadataAnother, k)
				w.must(c.idp.SetMetadataFault(idpsim.MetadataGood))
				if k := c.metadata("refresh"); k.Metadata.Error != "" || k.Metadata.Failures != 0 {
					t.Errorf("once it is good again: %+v", k.Metadata)
				}
			})
		}
	}, "--allow-private-networks") // the metadata is on this machine
}

// lies serves the metadata as the simulator has it, with the company's IdP where it says that it is.
func (c *company) lies(sim *idpsim.Server) (address string) {
	c.w.t.Helper()
	path := "/" + string(c.idp.Kind()) + "/saml/metadata"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if state, err := c.idp.SAML(); err != nil || state.MetadataFault == idpsim.MetadataEndless || state.MetadataFault == idpsim.MetadataInside {
			sim.Handler().ServeHTTP(w, r) // no document
			return
		}
		if text, err := c.idp.SAMLMetadata(); err == nil {
			_, _ = w.Write(text)
		}
	}))
	c.w.t.Cleanup(server.Close)
	return server.URL + path
}
