package signin

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// Law 7 over the rooms themselves: walks through a company by every act that clicks, requests and time can bring
// about. Behind each step some owner can sign in with no IdP, and at the end of each walk one does.

var walkIdPs = [2]*samltest.IdP{samltest.NewIdP("http://www.okta.com/walk1"), samltest.NewIdP("http://www.okta.com/walk2")}

// walk is one company on its way.
type walk struct {
	*world
	settings *settings.Service
	r        *rand.Rand
	slug, id string
	path     []string
	codes    []string // recovery codes that may still work
}

// company makes a workspace with two owners, of whom one has a password and is designated, a member by hand, and two people of a
// directory.
func (w *world) company(set *settings.Service, n int) *walk {
	w.t.Helper()
	k := &walk{world: w, settings: set, r: rand.New(rand.NewPCG(7, uint64(n))), slug: fmt.Sprint("walk", n)}
	domain := k.slug + ".test"
	designated := ", break_glass: true"
	if n%3 == 0 {
		designated = "" // nobody is; then the last owner with a password is all that there is
	}
	file, err := settings.ParseFile([]byte("workspace: "+k.slug+"\npreset: omniflow\npolicy: {provision_on: scim, scim_requires_sso: no}\ndomains: ["+domain+"]\nowners:\n- {email: root@"+domain+designated+"}\n- {email: ann@"+domain+"}\n"+
		"connections: [{name: okta, provider: okta, protocol: saml, metadata_file: okta.xml, status: draft}]\ndirectories: [{name: okta, connection: okta}]\n"), "")
	w.must(err)
	_, err = set.Apply(context.Background(), file, settings.ApplyOptions{Actor: operator})
	w.must(err)
	id, cfg, err := set.Workspace(context.Background(), k.slug)
	w.must(err)
	k.id = id
	hash, err := hashed()
	w.must(err)
	w.must(w.DB.Write(context.Background(), id, func(tx *store.Tx) error {
		m, err := tx.MemberByEmail("root@" + domain)
		if err != nil {
			return err
		}
		tx.SaveCredential(m.ID, hash, tx.Now())
		tx.InsertMember(&directory.Member{ID: keys.ID("mem_", tx.Now()), Email: "bob@" + domain, Stage: directory.StageActive, Role: cfg.Roles.Lowest().ID})
		return tx.Record(audit.Event{Type: audit.MemberCreated})
	}))
	for _, name := range []string{"cat", "dan"} {
		address := name + "@" + domain
		_, err := w.people.CreateUser(context.Background(), k.scim(cfg), provision.Person{UserName: address, Email: address, ExternalID: name, Document: "{}"})
		w.must(err)
	}
	return k
}

func (k *walk) scim(cfg *directory.Config) provision.Scope {
	return provision.Scope{Workspace: k.id, Directory: cfg.Directories[0].ID, Actor: audit.Party{Kind: "directory"}}
}

func (k *walk) config() *directory.Config {
	_, cfg, err := k.settings.Workspace(context.Background(), k.slug)
	k.must(err)
	return cfg
}

// members are all members, with the hash of each one's password.
func (k *walk) members() (all []directory.Member, hashes map[string]string) {
	hashes = map[string]string{}
	k.must(k.DB.Read(context.Background(), k.id, func(tx *store.Tx) (err error) {
		if all, err = tx.MembersAfter("", 100); err != nil {
			return err
		}
		for _, m := range all {
			if hashes[m.ID], _, err = tx.Credential(m.ID); err != nil {
				return err
			}
		}
		return nil
	}))
	return all, hashes
}

// keepers are those who can sign in with no IdP.
func (k *walk) keepers() (out []directory.Member) {
	cfg := k.config()
	all, hashes := k.members()
	for _, m := range all {
		if cfg.EntersAlone(&m, hashes[m.ID] != "") {
			out = append(out, m)
		}
	}
	return out
}

func (k *walk) anybody() directory.Member {
	all, _ := k.members()
	return all[k.r.IntN(len(all))]
}

// live is a session of the break-glass administrator, as the doors hand it on.
func (k *walk) live() (*store.LiveSession, bool) {
	all, _ := k.members()
	for _, m := range all {
		if m.BreakGlass {
			l := &store.LiveSession{Slug: k.slug, Member: m}
			l.Workspace = k.id
			return l, true
		}
	}
	return nil, false
}

// step does one act and returns its name. Refusals are part of it; anything else is an error.
func (k *walk) step() (string, error) {
	ctx, cfg, who := context.Background(), k.config(), k.anybody()
	by := audit.Party{Kind: "member", ID: who.ID, Name: who.Email}
	if k.r.IntN(2) == 0 {
		by = operator
	}
	hand := provision.Scope{Workspace: k.id, Actor: by}
	find := provision.Who(who.ID)
	connection := "okta"
	if len(cfg.Connections) == 0 {
		connection = "gone"
	}
	switch k.r.IntN(22) {
	case 0:
		_, err := k.people.Deactivate(ctx, hand, find)
		return "deactivate " + who.Email, err
	case 1:
		_, err := k.people.Restore(ctx, hand, find)
		return "restore " + who.Email, err
	case 2, 3:
		role := []string{"Owner", "Admin", "Trainee", ""}[k.r.IntN(4)]
		_, err := k.people.SetRole(ctx, hand, find, role)
		return "set the role of " + who.Email + " to " + role, err
	case 4, 5:
		user, ok := k.resource(who.ID)
		if !ok {
			return "", nil
		}
		active, address := k.r.IntN(2) == 0, []string{user.UserName, "x" + user.UserName, "guest-" + strings.ReplaceAll(user.UserName, "@", ".") + "@other.test"}[k.r.IntN(3)]
		_, err := k.people.UpdateUser(ctx, k.scim(cfg), user.ID, false, func(u provision.User) (provision.Person, error) {
			return provision.Person{UserName: u.UserName, ExternalID: u.ExternalID, Email: address, Active: &active, Document: "{}"}, nil
		})
		return fmt.Sprintf("SCIM says %s is active %v with %s", who.Email, active, address), err
	case 6:
		user, ok := k.resource(who.ID)
		if !ok {
			return "", nil
		}
		return "SCIM deletes " + who.Email, k.people.DeleteUser(ctx, k.scim(cfg), user.ID)
	case 7, 8:
		wants := directory.Enforcement{RequireSSO: []directory.Require{directory.RequireNone, directory.RequireAll, directory.RequireDomains}[k.r.IntN(3)]}
		if wants.RequireSSO == directory.RequireDomains {
			wants.Domains = []string{k.slug + ".test"}
		}
		_, err := k.settings.SetEnforcement(ctx, k.slug, wants, "", by)
		return "require single sign-on: " + string(wants.RequireSSO), err
	case 9, 10, 11:
		if _, err := k.settings.ActivateConnection(ctx, k.slug, connection, by); err != nil {
			return "activate", err
		}
		return "activate and sign in through it", k.DB.Write(ctx, k.id, func(tx *store.Tx) error {
			cfg, err := tx.Config()
			if err != nil {
				return err
			}
			return settings.ConnectionProven(tx, cfg, cfg.Connections[0].ID)
		})
	case 12:
		if k.r.IntN(3) == 0 {
			_, err := k.settings.DisableConnection(ctx, k.slug, connection, k.r.IntN(2) == 0, by)
			return "disable the connection", err
		}
		_, _, err := k.settings.ImportMetadata(ctx, k.slug, connection, settings.Source{XML: walkIdPs[k.r.IntN(2)].Metadata()}, by)
		return "import metadata", err
	case 13, 14:
		return "designate " + who.Email, k.settings.Designate(ctx, k.slug, who.ID, by)
	case 15:
		text := "workspace: " + k.slug + "\nowners: [{email: " + who.Email + []string{"", ", break_glass: true", ", break_glass: false"}[k.r.IntN(3)] + "}]\n"
		if k.r.IntN(4) == 0 {
			text += "domains: []\n"
		}
		f, err := settings.ParseFile([]byte(text), "")
		k.must(err)
		_, err = k.settings.Apply(ctx, f, settings.ApplyOptions{Actor: operator, Force: true})
		return "apply " + text, err
	case 16:
		live, ok := k.live()
		if !ok {
			return "", nil
		}
		var err error
		k.codes, err = k.MakeRecoveryCodes(ctx, live)
		return "make recovery codes", err
	case 17:
		live, ok := k.live()
		if !ok || len(k.codes) == 0 {
			return "", nil
		}
		code := k.codes[0]
		k.codes = k.codes[1:]
		token, started, err := k.Password(ctx, PasswordRequest{Workspace: k.slug, Email: live.Member.Email, Emergency: true, Recovery: code, Client: from("192.0.2.9")})
		if err != nil {
			return "use a recovery code", err
		}
		if _, err := k.DB.SessionByToken(ctx, keys.HashToken(token), k.clock.now()); err != nil {
			return "use a recovery code", err
		}
		_, err = k.settings.Relax(ctx, k.slug, started.ID, audit.Party{Kind: "member", ID: live.Member.ID})
		return "use a recovery code, and relax", err
	case 18:
		return "resume", k.settings.Resume(ctx, k.slug, by)
	case 19:
		// What a mailed link does, without the mail; the hash is made once for all walks.
		hash, err := hashed()
		k.must(err)
		err = k.DB.Write(ctx, k.id, func(tx *store.Tx) error {
			m, err := tx.Member(who.ID)
			if err != nil {
				return err
			}
			cfg, err := tx.Config()
			if err != nil {
				return err
			}
			if may, err := mayReset(tx, cfg, m); err != nil || !may {
				return err
			}
			return savePassword(tx, m, hash, time.Time{}, "", audit.Event{Type: audit.PasswordSet})
		})
		return "set the password of " + who.Email + " by mail", err
	case 20:
		match := fmt.Sprint("Group ", k.r.IntN(2))
		_, err := k.settings.AddRoleMapping(ctx, k.slug, settings.NewMapping{Match: match, Role: []string{"Admin", "Owner", "Agent"}[k.r.IntN(3)]}, by)
		return "map " + match, err
	default:
		by := []time.Duration{time.Minute, 25 * time.Hour, 91 * 24 * time.Hour}[k.r.IntN(3)]
		k.clock.turn(by)
		return "let " + by.String() + " pass", nil
	}
}

// resource is the live SCIM resource of a member.
func (k *walk) resource(member string) (u store.SCIMUser, ok bool) {
	k.must(k.DB.Read(context.Background(), k.id, func(tx *store.Tx) error {
		all, err := tx.SCIMUsersOfMember(member)
		for _, r := range all {
			if r.RetiredAt.IsZero() {
				u, ok = r, true
			}
		}
		return err
	}))
	return u, ok
}

func TestNoWalkThroughTheRooms_LocksACompanyOut(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.people.Mail = true
		set := &settings.Service{DB: w.DB, Passwords: w.Passwords, PublicURL: w.PublicURL, ReadFile: func(string) ([]byte, error) { return walkIdPs[0].Metadata(), nil }}
		taken := map[string]int{}
		for n := range walks {
			k := w.company(set, n)
			for range 40 {
				name, err := k.step()
				if name == "" {
					continue
				}
				outcome := "done"
				if err != nil {
					if outcome = errs.CodeOf(err); errs.KindOf(err) == errs.KindInternal {
						t.Fatalf("walk %d: %s: %v", n, name, err)
					}
				}
				k.path = append(k.path, name+": "+outcome)
				taken[outcome]++
				if len(k.keepers()) == 0 {
					t.Fatalf("walk %d: nobody can sign in without an IdP after\n%s", n, strings.Join(k.path, "\n"))
				}
			}
			who := k.keepers()[0]
			client := from(fmt.Sprintf("198.51.%d.%d", n/250, n%250))
			if _, _, err := k.Password(context.Background(), PasswordRequest{Workspace: k.slug, Email: who.Email, Password: password, Emergency: true, Client: client}); err != nil {
				t.Errorf("walk %d: %s cannot sign in: %v\n%s", n, who.Email, err, strings.Join(k.path, "\n"))
			}
		}
		t.Logf("%d walks: %v", walks, taken)
		for _, outcome := range []string{"done", "protected_member", "would_lock_out", "not_an_owner"} {
			if taken[outcome] == 0 {
				t.Errorf("no step ended with %s: the walks go nowhere", outcome)
			}
		}
	})
}
