package acceptance

import (
	"net/http"
	"slices"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
	"github.com/gatehouse-id/gatehouse/internal/mailsink"
)

// presetStory is what one preset does where the products' guides disagree.
type presetStory struct {
	name, policy, mappings string
	// jit says that whoever signs in first is let in; else they are refused until a directory names them.
	jit bool
	// role is that of somebody in a mapped group, lowest that of anybody.
	role, lowest string
	// lossDeactivates, renews, invites, needsSSO: what losing the last mapped group, coming back and being made
	// means, and whether a token needs a verified connection.
	lossDeactivates, renews, invites, needsSSO bool
	// byOperator says that SCIM waits for the operator's switch.
	byOperator bool
	shows      []string
}

const supervisorsAreAdmins = "role_mappings:\n  - {directory: idp, group: Omniflow-Supervisors, role: Admin}\n"

var presetStories = []presetStory{
	{name: "omniflow", mappings: seededRoles, jit: true, role: "Supervisor", lowest: "Trainee", lossDeactivates: true,
		shows: []string{"F2", "F19", "F21", "F22", "F23", "F27", "F29"}},
	{name: "omni", policy: "scim_allowed: yes", mappings: "role_mappings:\n  - {directory: idp, group: Omniflow-Supervisors, role: Organization Member}\n",
		jit: true, role: "Organization Member", lowest: "Organization Member", renews: true, needsSSO: true, byOperator: true,
		shows: []string{"K3", "K8", "K9", "K10", "K18", "K19", "K21", "K27", "E3", "E5", "E7"}},
	{name: "omnivoo", mappings: supervisorsAreAdmins, role: "Admin", lowest: "Member", invites: true, needsSSO: true,
		shows: []string{"V1", "V2", "V3", "V6", "V17", "V19", "V23"}},
	{name: "default", mappings: supervisorsAreAdmins, jit: true, role: "Admin", lowest: "Member", invites: true, needsSSO: true},
}

// TestStory_presets runs each preset from the first sign-in to the return of somebody who had left, with Okta and with
// Entra: the seven points in which the products' guides disagree are values of one policy.
func TestStory_presets(t *testing.T) {
	withMail(t, func(t *testing.T, w *world, mail *mailsink.Sink) {
		for _, s := range presetStories {
			for _, kind := range []idpsim.Kind{idpsim.Okta, idpsim.Entra} {
				t.Run(s.name+"/"+string(kind), func(t *testing.T) {
					t.Parallel()
					shows(t, s.shows...)
					// The sink is one for both databases, and addresses are the company's.
					s.tell(w.within(t), kind, s.name+"-"+string(kind)+"-"+w.address[len(w.address)-5:], mail)
				})
			}
		}
	})
}

func (s presetStory) tell(w *world, kind idpsim.Kind, slug string, mail *mailsink.Sink) {
	t := w.t
	s.tokenBeforeItsTime(w, slug+"-bare")
	c := w.company(slug, kind, form{preset: s.name, policy: s.policy, more: s.mappings})
	c.seed() // assigned at the IdP, and nothing is sent yet
	ivo := c.hire("ivo", "Omniflow-Supervisors")

	// Who signs in before provisioning knows them (conflict 7).
	hoa := c.who("hoa.nguyen")
	b := w.newBrowser()
	p := c.signsIn(b, c.login(), hoa)
	first := ""
	if s.jit {
		c.landed(b, p, hoa)
		first = w.wantMember(slug, hoa, "active", s.lowest).ID
	} else {
		c.refused(b, p, "account_not_found", "not_provisioned")
	}

	// One base URL for all; the token says whose it is (conflict 4).
	c.connect()
	report, err := c.idp.AssignEverybody(w.ctx())
	w.must(err)
	if len(report.Failed) > 0 {
		t.Fatalf("first sync: %s", report)
	}
	if n := len(w.people(slug)); n != 9 {
		t.Errorf("%d people, the IdP has 9", n)
	}
	if m := w.member(slug, hoa); first != "" && (m.ID != first || m.Directory == "" || m.Status != "active") {
		t.Errorf("signed in as %s, provisioned as %+v", first, m)
	}

	// The role, and whether a letter comes (conflicts 3 and 6).
	status := "active"
	if s.invites {
		status = "invited"
		w.letter(mail, ivo, "access")
	}
	before := w.wantMember(slug, ivo, status, s.role)
	in := c.enter(ivo)
	if session := in.session(); session.Member.ID != before.ID || session.Member.Role != s.role {
		t.Errorf("signed in as %+v, provisioned as %s", session.Member, before.ID)
	}
	w.wantMember(slug, ivo, "active", s.role)
	letters := 0
	for _, m := range mail.Messages() {
		if slices.Contains(m.To, ivo) {
			letters++
		}
	}
	if want := map[bool]int{true: 1}[s.invites]; letters != want {
		t.Errorf("%d letters, want %d", letters, want)
	}

	s.losesTheGroup(c, in, ivo, before.ID)
	s.leavesAndReturns(c, ivo, before.ID)
	if s.renews {
		s.staysByHand(c, ivo)
	}
}

// tokenBeforeItsTime asks for a token where no connection is proven (conflict 5), and before the operator allows it.
func (s presetStory) tokenBeforeItsTime(w *world, slug string) {
	file := "workspace: " + slug + "\npreset: " + s.name + "\nconnections: [{name: idp, provider: okta, protocol: saml}]\ndirectories: [{name: idp, connection: idp}]\n"
	w.mustApply(file)
	if _, said, code := w.run(nil, "scim-token", "rotate", slug, "idp"); (code != 0) != (s.needsSSO || s.byOperator) {
		w.t.Errorf("a token without single sign-on: %d %s", code, said)
	}
	if s.byOperator {
		w.mustApply(file + "policy: {scim_requires_sso: no}\n")
		if _, said, code := w.run(nil, "scim-token", "rotate", slug, "idp"); code == 0 {
			w.t.Errorf("a token before the operator allowed it: %s", said)
		}
	}
}

// losesTheGroup takes somebody out of their one mapped group, and puts them back (conflict 2).
func (s presetStory) losesTheGroup(c *company, b *browser, who, id string) {
	w := c.w
	events := b.events()
	w.must(c.idp.RemoveMembers(w.ctx(), "Omniflow-Supervisors", who))
	c.cycle()
	if s.lossDeactivates {
		w.wantEnded(b, events)
		if m := w.wantMember(c.slug, id, "deactivated", s.lowest); !slices.Equal(m.DeactivatedBy, []string{"group_loss"}) {
			w.t.Errorf("out by %v", m.DeactivatedBy)
		}
	} else {
		w.wantMember(c.slug, id, "active", s.lowest)
		if session := b.session(); session.status != http.StatusOK || session.Member.Role != s.lowest {
			w.t.Errorf("the session says %d %+v", session.status, session.Member)
		}
	}
	w.must(c.idp.AddMembers(w.ctx(), "Omniflow-Supervisors", who))
	c.cycle()
	w.wantMember(c.slug, id, "active", s.role)
}

// leavesAndReturns deactivates somebody at the IdP and takes them back (conflict 1).
func (s presetStory) leavesAndReturns(c *company, who, id string) {
	w := c.w
	b := c.enter(who)
	events := b.events()
	w.must(c.idp.Deactivate(w.ctx(), who))
	c.cycle()
	w.wantEnded(b, events)
	w.wantMember(c.slug, id, "deactivated", s.role)
	out := w.newBrowser()
	c.w.must(c.idp.Reactivate(w.ctx(), who))
	if c.idp.Kind().IsEntra() { // which has not said so yet
		c.refused(out, c.signsIn(out, c.login(), who), "account_deactivated", "account_deactivated")
		c.cycle()
	}
	back := w.wantMember(c.slug, who, "active", s.role)
	if (back.ID != id) != s.renews {
		w.t.Errorf("came back as %s, was %s", back.ID, id)
	}
	if s.renews {
		w.wantMember(c.slug, id, "deactivated", s.role) // stays as history
	}
	if session := c.enter(who).session(); session.Member.ID != back.ID || session.Member.Role != s.role {
		w.t.Errorf("signed in as %+v, is %s", session.Member, back.ID)
	}
}

// staysByHand makes somebody an administrator by hand, whatever the directory says afterwards (conflict 3).
func (s presetStory) staysByHand(c *company, who string) {
	w := c.w
	w.gatehouse(nil, "member", "set-role", who, "Organization Admin", "--workspace", c.slug)
	title := "Head of IT"
	w.must(c.idp.Change(w.ctx(), who, idpsim.Attributes{Title: &title}))
	w.must(c.idp.RemoveMembers(w.ctx(), "Omniflow-Supervisors", who))
	c.cycle()
	if m := w.wantMember(c.slug, who, "active", "Organization Admin"); m.Attributes["title"] != title {
		w.t.Errorf("%+v", m)
	}
}

// TestStory_pending_people_take_no_seat: under first_login a directory names people who are pending until their first
// sign-in, one whom it holds inactive does not come in by it, and nobody who was put out is revived.
func TestStory_pending_people_take_no_seat(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		shows(t, "K11", "E6", "E7")
		for _, kind := range []idpsim.Kind{idpsim.Okta, idpsim.Entra} {
			c := w.company("pending-"+string(kind), kind, form{preset: "omni", policy: "scim_allowed: yes, provision_on: first_login"})
			c.connect()
			c.seed()
			if status := w.statuses(c.slug); status["pending"] != 8 || status["active"]+status["invited"] != 0 {
				t.Errorf("%s: before anybody signed in: %v", kind, status)
			}
			jose := c.who("jose.garcia")
			before := w.member(c.slug, jose)
			c.enter(jose)
			if m := w.wantMember(c.slug, jose, "active", "Organization Member"); m.ID != before.ID {
				t.Errorf("%s: signed in as %s, was pending as %s", kind, m.ID, before.ID)
			}
			if status := w.statuses(c.slug); status["pending"] != 7 || status["active"] != 1 {
				t.Errorf("%s: after one sign-in: %v", kind, status)
			}
			// Somebody of whom the directory says that they are inactive is not let in, and takes no seat.
			hoa := c.who("hoa.nguyen")
			begun := w.newBrowser()
			request := c.begins(begun, c.login())
			answer := c.answer(request, hoa) // signed in at the IdP just before
			w.must(c.idp.Deactivate(w.ctx(), hoa))
			c.cycle()
			c.refused(begun, begun.deliver(answer), "account_deactivated", "account_deactivated")
			// Nor is somebody whom an owner put out, by signing in or by the directory's word.
			w.gatehouse(nil, "member", "deactivate", jose, "--workspace", c.slug)
			again := w.newBrowser()
			c.refused(again, c.signsIn(again, c.login(), jose), "account_deactivated", "account_deactivated")
			title := "Somebody"
			w.must(c.idp.Change(w.ctx(), jose, idpsim.Attributes{Title: &title}))
			c.cycle()
			w.wantMember(c.slug, before.ID, "deactivated", "Organization Member")
			if status := w.statuses(c.slug); status["active"] != 0 || status["pending"] != 6 || status["deactivated"] != 2 {
				t.Errorf("%s: in the end: %v", kind, status)
			}
		}
		// Without SCIM as well: whoever is unknown is made by their first sign-in, and nobody else.
		c := w.company("alone", idpsim.Entra, form{preset: "omni", policy: "provision_on: first_login", alone: true})
		c.seed()
		c.enter(c.who("jose.garcia"))
		if status := w.statuses(c.slug); status["active"] != 1 || len(status) != 1 {
			t.Errorf("without SCIM: %v", status)
		}
	})
}

// statuses counts the people of a workspace.
func (w *world) statuses(slug string) map[string]int {
	w.t.Helper()
	out := map[string]int{}
	for _, m := range w.people(slug) {
		out[m.Status]++
	}
	return out
}
