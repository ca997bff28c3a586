package signin

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/reason"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty/oidctest"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// answered posts a right answer about bob, changed, to a request of a fresh browser.
func (w *parties) answered(change func(r *samltest.Response)) answer {
	w.t.Helper()
	b := w.browser()
	q := b.begin(okta)
	r := w.response(q.id)
	change(r)
	return b.answers(okta, sign(r), q.relay)
}

// posted posts a text that begins as a right answer.
func (w *parties) posted(change func(signed string) string) answer {
	w.t.Helper()
	b := w.browser()
	q := b.begin(okta)
	return b.answers(okta, samltest.Encode([]byte(change(string(oktaIdP().Sign(w.response(q.id)))))), q.relay)
}

// policy changes acme's policy.
func (w *world) policy(change func(*directory.Workspace)) {
	w.t.Helper()
	w.must(w.DB.Write(context.Background(), acme, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		ws := cfg.Workspace
		change(&ws)
		if err := tx.UpdateWorkspace(ws); err != nil {
			return err
		}
		return tx.Record(audit.Event{Type: audit.SettingsChanged})
	}))
}

func (w *world) direct(change func(tx *store.Tx)) {
	w.t.Helper()
	w.must(w.DB.Write(context.Background(), acme, func(tx *store.Tx) error {
		change(tx)
		return tx.Record(audit.Event{Type: audit.SettingsChanged})
	}))
}

// provocations provoke each coded reason through the doors. A code without one fails the build.
var provocations = map[string]func(w *parties){
	reason.NoAnswer: func(w *parties) {
		w.browser().begin(okta)
		w.clock.turn(AnswerTime + time.Second)
	},
	"sign_in_loop": func(w *parties) {
		b := w.browser()
		for range loopLimit {
			b.begin(okta)
		}
		b.get("/auth/saml/" + okta + "/login")
	},
	"connection_draft": func(w *parties) {
		w.reconnect(func(c *directory.Connection) { c.Status = directory.ConnectionDraft })
		w.browser().get("/auth/saml/" + okta + "/login")
	},
	"connection_disabled": func(w *parties) {
		b := w.browser()
		q := b.begin(okta)
		w.reconnect(func(c *directory.Connection) { c.Status = directory.ConnectionDisabled })
		b.answers(okta, sign(w.response(q.id)), q.relay)
	},
	"connection_incomplete": func(w *parties) {
		w.reconnect(func(c *directory.Connection) { c.SAML.Certificates = nil })
		w.browser().get("/auth/saml/" + okta + "/login")
	},
	"connection_changed": func(w *parties) {
		b := w.browser()
		path, q := w.back(b.begins(oidc))
		w.join(acme, oidc, func(c *directory.Connection) { c.OIDC.ClientID = "another" })
		b.get(path + "?" + q.Encode())
	},
	"idp_unreachable": func(w *parties) {
		w.join(acme, oidc, func(c *directory.Connection) { c.OIDC.Issuer = "http://127.0.0.1:1" })
		w.browser().get("/auth/oidc/" + oidc + "/login")
	},
	"discovery_wrong": func(w *parties) {
		w.idp.Do(func(idp *oidctest.IdP) {
			idp.Document = func(d map[string]any) { d["issuer"] = "https://elsewhere.test" }
		})
		w.Outside = &relyingparty.RelyingParty{HTTP: w.Outside.HTTP}
		w.browser().get("/auth/oidc/" + oidc + "/login")
	},
	"key_unreadable": func(w *parties) {
		w.join(acme, oidc, func(c *directory.Connection) { c.OIDC.Secret = "damaged" })
		w.browser().get("/auth/oidc/" + oidc + "/login")
	},
	"idp_refused_access": func(w *parties) { w.says("access_denied") },
	"idp_said_no":        func(w *parties) { w.says("server_error") },
	"answer_unreadable":  func(w *parties) { w.browser().answers(okta, "%%%", "") },
	"answer_forbidden_xml": func(w *parties) {
		w.posted(func(s string) string { return strings.Replace(s, ">bob@", "><!-- x -->bob@", 1) })
	},
	"signature_wrapping": func(w *parties) {
		w.posted(func(s string) string { return copied(s, "</saml2p:Response>") })
	},
	"signature_missing": func(w *parties) { w.answered(func(r *samltest.Response) { r.Signing = samltest.Signing{} }) },
	"signature_invalid": func(w *parties) {
		w.posted(func(s string) string { return strings.Replace(s, "bob@acme.test", "ann@acme.test", 1) })
	},
	"signing_key_unknown": func(w *parties) { w.answered(func(r *samltest.Response) { r.Signing.Key = otherKey() }) },
	"signature_algorithm": func(w *parties) { w.answered(func(r *samltest.Response) { r.Signing.Method = samltest.RSASHA1 }) },
	"encryption_unexpected": func(w *parties) {
		w.sealed("off", func(e *samltest.Encryption) {})
	},
	"encryption_algorithm": func(w *parties) {
		w.sealed("on", func(e *samltest.Encryption) { e.Content = samltest.AES256CBC })
	},
	"encryption_key": func(w *parties) {
		w.sealed("on", func(e *samltest.Encryption) { e.For = certificateOf(samltest.NewKey()) })
	},
	"wrong_address": func(w *parties) {
		w.answered(func(r *samltest.Response) { r.Destination = "https://elsewhere.example/" })
	},
	"wrong_idp": func(w *parties) { w.answered(func(r *samltest.Response) { r.Issuer = "https://elsewhere.example/" }) },
	"wrong_audience": func(w *parties) {
		w.idp.Do(func(idp *oidctest.IdP) { idp.Claims = func(c map[string]any) { c["aud"] = "another" } })
		w.browser().tries(w, oidc)
	},
	"not_this_sign_in": func(w *parties) { w.answered(func(r *samltest.Response) { r.InResponseTo = saml.NewID() }) },
	"too_slow": func(w *parties) {
		b := w.browser()
		q := b.begin(okta)
		w.clock.turn(stateLife)
		b.answers(okta, sign(w.response(q.id)), q.relay)
	},
	"other_browser": func(w *parties) {
		b, other := w.browser(), w.browser()
		q := b.begin(okta)
		other.begin(okta)
		other.answers(okta, sign(w.response(q.id)), q.relay)
	},
	"replayed": func(w *parties) {
		b := w.browser()
		q := b.begin(okta)
		text := sign(w.response(q.id))
		b.answers(okta, text, q.relay)
		b.answers(okta, text, q.relay)
	},
	"tile_off": func(w *parties) { w.browser().answers(okta, sign(w.response("")), "") },
	"client_refused": func(w *parties) {
		w.idp.Do(func(idp *oidctest.IdP) {
			idp.Exchange = func(rw http.ResponseWriter, _ *http.Request) bool {
				rw.WriteHeader(http.StatusUnauthorized)
				return true
			}
		})
		w.browser().tries(w, oidc)
	},
	"organisation_not_allowed": func(w *parties) {
		w.join(acme, oidc, func(c *directory.Connection) { c.Provider, c.OIDC.HostedDomains = "google", []string{"acme.test"} })
		w.browser().tries(w, oidc)
	},
	"clock_skew": func(w *parties) {
		w.answered(func(r *samltest.Response) {
			*r = *oktaIdP().Response(w.provider(okta), r.InResponseTo, w.clock.now().Add(7*minute))
		})
	},
	"answer_expired": func(w *parties) {
		w.answered(func(r *samltest.Response) {
			past := samltest.Instant(w.clock.now().Add(-time.Hour))
			r.Assertion.NotOnOrAfter, r.Assertion.Confirmations[0].NotOnOrAfter = past, past
		})
	},
	"idp_session_over": func(w *parties) {
		w.answered(func(r *samltest.Response) {
			r.Assertion.Authn[0].SessionNotOnOrAfter = samltest.Instant(w.clock.now().Add(-time.Hour))
		})
	},
	"fresh_proof_missing": func(w *parties) {
		b := w.browser()
		q := b.begin(okta, "fresh", "1")
		r := w.response(q.id)
		r.Assertion.Authn[0].AuthnInstant = samltest.Instant(w.clock.now().Add(-2 * time.Hour))
		b.answers(okta, sign(r), q.relay)
	},
	"means_not_met": func(w *parties) {
		w.reconnect(func(c *directory.Connection) { c.SAML.AuthnContexts = []string{"urn:example:hardware"} })
		w.answered(func(*samltest.Response) {})
	},
	"assertion_incomplete": func(w *parties) { w.answered(func(r *samltest.Response) { r.Assertion.NoConditions = true }) },
	"subject_missing":      func(w *parties) { w.answered(func(r *samltest.Response) { r.Assertion.NameID = nil }) },
	"subject_unusable": func(w *parties) {
		w.answered(func(r *samltest.Response) { r.Assertion.NameID.Format = saml.FormatTransient })
	},
	"not_provisioned": func(w *parties) {
		w.policy(func(ws *directory.Workspace) { ws.Policy.ProvisionOn = directory.ProvisionSCIM })
		w.answered(func(r *samltest.Response) { about(r, "nobody@acme.test", "No", "Body") })
	},
	"left_directory": func(w *parties) {
		w.policy(func(ws *directory.Workspace) { ws.Policy.ProvisionOn = directory.ProvisionSCIM })
		w.direct(func(tx *store.Tx) {
			tx.InsertSCIMUser(&store.SCIMUser{ID: "u_left", Directory: "dir_okta", Member: gone, UserName: "left@acme.test", Document: "{}"})
			tx.RetireSCIMUser("u_left")
		})
		w.answered(func(r *samltest.Response) { about(r, "left@acme.test", "Le", "Ft") })
	},
	"no_directory": func(w *parties) {
		w.policy(func(ws *directory.Workspace) { ws.Policy.ProvisionOn = directory.ProvisionSCIM })
		w.browser().tries(w, oidc)
	},
	"staged": func(w *parties) {
		w.direct(func(tx *store.Tx) {
			cfg, err := tx.Config()
			w.must(err)
			d, _ := cfg.Directory("dir_okta")
			d.Status = directory.DirectoryTesting
			tx.SaveDirectory(d, false)
			tx.InsertSCIMUser(&store.SCIMUser{ID: "u_sue", Directory: "dir_okta", UserName: "sue@acme.test", Active: true, Document: "{}"})
			tx.StagePerson("dir_okta", "u_sue", "sue@acme.test", "{}")
		})
		w.answered(func(r *samltest.Response) { about(r, "sue@acme.test", "Sue", "S") })
	},
	"account_deactivated": func(w *parties) {
		w.browser().post("/signin", "workspace", "acme", "email", "gone@acme.test", "password", password)
	},
	"account_ambiguous": func(w *parties) {
		w.direct(func(tx *store.Tx) {
			tx.InsertSCIMUser(&store.SCIMUser{ID: "u_pat", Directory: "dir_okta", Member: pat, UserName: "pat@acme.test", Active: true, Document: "{}"})
		})
		w.answered(func(r *samltest.Response) { r.Assertion.NameID.Value = "pat@acme.test" })
	},
	"owner_needs_more": func(w *parties) {
		w.direct(func(tx *store.Tx) {
			tx.InsertSCIMUser(&store.SCIMUser{ID: "u_ann", Directory: "dir_okta", Member: ann, UserName: "ann@acme.test", Active: true, Document: "{}"})
		})
		w.answered(func(r *samltest.Response) { about(r, "ann@acme.test", "Ann", "Lee") })
	},
	"address_taken": func(w *parties) {
		w.person(map[string]any{"email": "pat@acme.test"})
		w.browser().tries(w, oidc)
	},
	"address_missing": func(w *parties) {
		w.person(map[string]any{"email": nil})
		w.browser().tries(w, oidc)
	},
	"address_not_yours": func(w *parties) {
		w.direct(func(tx *store.Tx) { tx.InsertDomain("partner.test") })
		w.person(map[string]any{"email_verified": false})
		w.browser().tries(w, oidc)
	},
	"sso_required": func(w *parties) {
		w.enforce()
		w.browser().post("/signin", "workspace", "acme", "email", "bob@acme.test", "password", password)
	},
	"credentials_wrong": func(w *parties) {
		w.browser().post("/signin", "workspace", "acme", "email", "bob@acme.test", "password", guess)
	},
	"too_many_attempts": func(w *parties) {
		for range accountLimit + 1 {
			w.browser().post("/signin", "workspace", "acme", "email", "bob@acme.test", "password", guess)
		}
	},
	"code_needed": func(w *parties) {
		w.withFactor(w.freshSession("root@acme.test"))
		w.browser().post("/signin", "workspace", "acme", "email", "root@acme.test", "password", password)
	},
	"code_wrong": func(w *parties) {
		code := w.withFactor(w.freshSession("root@acme.test"))
		used := code() // confirmed the factor
		w.browser().post("/signin", "workspace", "acme", "email", "root@acme.test", "password", password, "code", used, "emergency", "1")
	},
	"proof_missing": func(w *parties) {
		live := w.freshSession("root@acme.test")
		w.withFactor(live)
		codes, err := w.MakeRecoveryCodes(context.Background(), live)
		w.must(err)
		w.browser().post("/signin", "workspace", "acme", "email", "root@acme.test", "recovery", codes[0], "emergency", "1")
	},
	"recovery_code_wrong": func(w *parties) {
		w.browser().post("/signin", "workspace", "acme", "email", "root@acme.test", "recovery", "ABCDE-ABCDE-ABCDE-ABCDE", "emergency", "1")
	},
	"mail_link_over": func(w *parties) {
		box := w.mail()
		w.enforce()
		w.relax()
		link := path(w.t, *w.asked(box, "bob@acme.test"))
		w.enforce()
		w.browser().post(link)
	},
	"link_invalid": func(w *parties) {
		link, _, err := w.MakeLink(context.Background(), acme, bob, false, operator)
		w.must(err)
		path := strings.TrimPrefix(link, w.PublicURL)
		w.browser().post(path)
		w.browser().post(path)
	},
}

// says has the IdP lead a browser back with an error.
func (w *parties) says(code string) {
	w.t.Helper()
	b := w.browser()
	path, q := w.back(b.begins(oidc))
	b.get(path + "?" + url.Values{"state": q["state"], "error": {code}, "error_description": {"<b>no</b>"}}.Encode())
}

// sealed answers with an assertion that is encrypted for a key of the connection, changed.
func (w *parties) sealed(encryption string, change func(*samltest.Encryption)) {
	w.t.Helper()
	pair := samltest.NewKey()
	w.keyed(func(s *directory.SAML) { s.Encryption = encryption }, pair)
	w.answered(func(r *samltest.Response) {
		r.Encryption = &samltest.Encryption{For: certificateOf(pair)}
		change(r.Encryption)
		r.Signing.Response = true
	})
}

func certificateOf(k *samltest.Key) saml.Certificate { return k.Certificate }

func TestEveryCodedReason_IsProvokedThroughTheDoors(t *testing.T) {
	for _, r := range reason.All() {
		if provocations[r.Code] == nil {
			t.Errorf("nothing provokes %s: add to provocations what does", r.Code)
		}
	}
	for _, code := range slices.Sorted(maps.Keys(provocations)) {
		if _, ok := reason.ByCode(code); !ok {
			t.Errorf("%s is provoked and not on the list", code)
		}
		t.Run(code, func(t *testing.T) {
			eachOIDC(t, func(t *testing.T, w *parties) {
				w.connect(acme, okta, oktaIdP(), nil)
				provocations[code](w)
				last, _ := w.lastAttempt(code)
				if last == nil {
					t.Fatalf("no attempt has the code %s; there are %s", code, w.attemptCodes())
				}
				why, _ := reason.ByCode(code)
				if code != reason.NoAnswer {
					if last.Outcome != "refused" || last.Event == "" || last.Reason == "" || !slices.Contains(w.refusalIDs(), last.Event) {
						t.Errorf("the attempt is %+v", last)
					}
					if got := reason.Diagnose(reason.Facts{Reason: last.Reason}).Code; got == "unexplained" {
						t.Errorf("the precise reason %s is on no list", last.Reason)
					}
				}
				if last.Do != why.Do || last.Why == "" || last.Sentence == "" || last.Expected == "" || len(last.Steps) == 0 {
					t.Errorf("it is explained as %+v", last)
				}
			})
		})
	}
}

// lastAttempt is the newest attempt of acme with that code.
func (w *world) lastAttempt(code string) (*ExplainedAttempt, []ExplainedAttempt) {
	w.t.Helper()
	var all []ExplainedAttempt
	var page []store.Attempt
	w.must(w.DB.Read(context.Background(), acme, func(tx *store.Tx) (err error) {
		page, _, err = tx.Attempts(store.AttemptQuery{Limit: 100})
		return err
	}))
	var found *ExplainedAttempt
	for _, a := range page {
		e, err := w.ExplainAttempt(context.Background(), acme, a.ID)
		w.must(err)
		all = append(all, e)
		if found == nil && e.Code == code {
			found = &e
		}
	}
	return found, all
}

func (w *world) attemptCodes() string {
	_, all := w.lastAttempt("")
	var codes []string
	for _, a := range all {
		codes = append(codes, a.Outcome+" "+a.Code+" ("+a.Reason+")")
	}
	return strings.Join(codes, ", ")
}

func (w *world) refusalIDs() (ids []string) {
	for _, e := range w.events(acme, audit.SignInRefused) {
		ids = append(ids, e.ID)
	}
	return ids
}
