package settings

import (
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

func TestRoles_ThatAllowMoreOrRiseRenewTheSessionsOfWhoeverHasThemAndNoOthers(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		ctx := t.Context()
		s.mustApply(t, "workspace: acme\npolicy: {roles: [Chief, Lead, Helper, Member]}\n", ApplyOptions{})
		people := map[string]string{}
		for _, role := range []string{"Lead", "Helper", "Member"} {
			people[role] = s.addMember(t, role+"@acme.test", role, true)
		}
		renewed := func(what string, act func() error, want ...string) {
			t.Helper()
			hash := func(role string) string { return what + role }
			s.write(t, func(tx *store.Tx) error {
				for role, id := range people {
					tx.InsertSession(&session.Session{ID: "ses_" + hash(role), Member: id, Method: directory.MethodPassword, ExpiresAt: tx.Now().Add(time.Hour)}, hash(role))
				}
				return nil
			})
			if err := act(); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			due := map[string]bool{}
			for _, role := range want {
				due[role] = true
			}
			for role := range people {
				live, err := s.DB.SessionByToken(ctx, hash(role), s.DB.Now())
				if err != nil {
					t.Fatalf("%s: %s: %v", what, role, err)
				}
				if (live.Renew == session.RenewedRole) != due[role] {
					t.Errorf("%s: the session of a %s: %q", what, role, live.Renew)
				}
			}
		}
		renewed("more", func() error {
			return s.SetRolePermissions(ctx, "acme", "Helper", []string{directory.PermissionMembers, directory.PermissionTeams}, operator)
		}, "Helper")
		renewed("less", func() error {
			return s.SetRolePermissions(ctx, "acme", "Helper", []string{directory.PermissionMembersRead}, operator)
		})
		renewed("a name", func() error { return s.RenameRole(ctx, "acme", "Helper", "Hand", operator) })
		renewed("up", func() error { return s.MoveRole(ctx, "acme", "Hand", true, operator) }, "Helper")
		renewed("a role between", func() error { return s.AddRole(ctx, "acme", NewRole{Name: "Between", Above: "Hand"}, operator) })
		renewed("by a file", func() error {
			s.mustApply(t, "workspace: acme\npolicy: {roles: [Chief, Between, Lead, Hand, Member]}\n", ApplyOptions{Force: true})
			return nil
		}, "Lead")
	})
}

func TestRoleSource_IsSwitchedOnlyByWhoMayGiveWhatMappingsGive(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		ctx := t.Context()
		s.mustApply(t, "workspace: acme\npolicy: {roles: [Chief, Admin, Setter, Member], role_source: default_role}\nrole_mappings: [{group: Bosses, role: Admin}]\n", ApplyOptions{})
		if err := s.SetRolePermissions(ctx, "acme", "Setter", []string{directory.PermissionSettings}, operator); err != nil {
			t.Fatal(err)
		}
		setter := audit.Party{Kind: "member", ID: s.addMember(t, "setter@acme.test", "Setter", true)}
		admin := audit.Party{Kind: "member", ID: s.addMember(t, "admin@acme.test", "Admin", true)}
		on := map[string]string{"role_source": "mapping"}
		_, err := s.PreviewChange(ctx, "acme", Change{Policy: on}, Page{}, setter)
		if !errs.Is(err, errs.KindForbidden) {
			t.Errorf("a preview: %v", err)
		}
		if _, err = s.ApplyChange(ctx, "acme", Change{Policy: on}, "", Page{}, setter); errs.CodeOf(err) != "rank_too_high" {
			t.Errorf("a change: %v", err)
		}
		if err = s.ChangePolicy(ctx, "acme", NewPolicy{Words: on}, setter); errs.CodeOf(err) != "rank_too_high" {
			t.Errorf("the policy alone: %v", err)
		}
		if err := s.ChangePolicy(ctx, "acme", NewPolicy{Words: on}, admin); err != nil {
			t.Error(err)
		}
		if err = s.ChangePolicy(ctx, "acme", NewPolicy{Words: map[string]string{"role_source": "default_role"}}, setter); errs.CodeOf(err) != "rank_too_high" {
			t.Errorf("off: %v", err)
		}
		if err = s.ChangePolicy(ctx, "acme", NewPolicy{Words: map[string]string{"group_loss": "deactivate"}}, setter); err != nil {
			t.Errorf("another key: %v", err)
		}
	})
}
