package provision_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// carry carries lists out until none is being, by n runners at once. No letter is sent.
func (h *house) carry(t *testing.T, n int) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, n)
	for range n {
		unsent := jobs.Handler{Do: func(context.Context, store.Job) error { return nil }}
		runner := &jobs.Runner{DB: h.db, Log: slog.New(slog.DiscardHandler), Handlers: map[string]jobs.Handler{provision.JobImport: h.svc.ImportHandler(),
			provision.JobByHand: unsent, provision.JobInvitation: unsent}}
		go func() { ended <- runner.Run(ctx) }()
	}
	for {
		next, err := h.db.System().NextJob(t.Context())
		h.ok(err)
		if next.IsZero() {
			break
		}
		select {
		case <-t.Context().Done():
			t.Fatal("a list is still being carried out")
		case <-time.After(5 * time.Millisecond):
		}
	}
	stop()
	for range n {
		h.ok(<-ended)
	}
}

// rows are the outcomes of a list by line: "2 new", "3 here already_member".
func (h *house) rows(scope provision.Scope, id string) (out []string) {
	h.t.Helper()
	_, rows, err := h.svc.LookImport(bg, scope, id, 0, 10000, "")
	h.ok(err)
	for _, r := range rows {
		out = append(out, strings.TrimSpace(fmt.Sprint(r.Line, " ", r.Outcome, " ", r.Reason)))
	}
	return out
}

func TestAList_SaysOfEveryRowWhatItDoesAndThenDoesExactlyThat(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, plan{preset: "default"})
		h.svc.Mail = true
		admin := h.staff("bo", "Admin")
		h.invite(h.owner, provision.Invitee{Email: "invited@acme.test"})
		revoked := h.invite(h.owner, provision.Invitee{Email: "revoked@acme.test"})
		_, err := h.svc.Revoke(bg, h.owner, provision.Who(revoked.ID))
		h.ok(err)
		out := h.post(person("out"))
		h.session(out.Member, directory.MethodSAML)
		h.setActive(out.ID, false)
		h.carry(t, 1)
		before := h.picture()
		list, err := h.svc.ReadImport(bg, admin, strings.NewReader("email;name;role;team\n"+
			"ada@acme.test;Ada;Admin;x\nADA@acme.test;Ada again;;x\nbob@acme.test;Bob;;x\ninvited@acme.test;;;x\nroot@root.test;;;x\nrevoked@acme.test;;;x\n"+
			"out@acme.test;;;x\neve@acme.test;Eve;Owner;x\nzoe@acme.test;;Emperor;x\nno address;;;x\n=1+1;;;x\n"))
		h.ok(err)
		want := []string{"2 new", "3 duplicate duplicate", "4 new", "5 here already_invited", "6 here already_member", "7 again", "8 here member_deactivated",
			"9 invalid rank_too_high", "10 invalid role_unknown", "11 invalid address_invalid", "12 invalid formula"}
		if got := h.rows(admin, list.ID); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("planned:\n%s", strings.Join(got, "\n"))
		}
		if list.Seats != 3 || list.Counts["new"] != 2 || list.Counts["invalid"] != 4 || len(list.Ignored) != 1 || list.Ignored[0] != "team" || list.Word == "" {
			t.Errorf("%+v", list)
		}
		if h.picture() != before {
			t.Error("a plan changed something")
		}
		_, err = h.svc.StartImport(bg, h.owner, list.ID, list.Word)
		h.refused(err, errs.KindConflict, "not_your_list")
		_, err = h.svc.StartImport(bg, admin, list.ID, "another word")
		h.refused(err, errs.KindConflict, "plan_changed")
		_, err = h.svc.StartImport(bg, admin, list.ID, list.Word)
		h.ok(err)
		_, err = h.svc.StartImport(bg, admin, list.ID, list.Word)
		h.refused(err, errs.KindConflict, "import_started")
		h.carry(t, 2)
		want[0], want[2], want[5] = "2 invited", "4 invited", "7 invited"
		if got := h.rows(admin, list.ID); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("done:\n%s", strings.Join(got, "\n"))
		}
		for address, status := range map[string]string{"ada@acme.test": "invited", "bob@acme.test": "invited", "revoked@acme.test": "invited", "out@acme.test": "deactivated idp"} {
			h.read(func(tx *store.Tx) error {
				m, err := tx.MemberByEmail(address)
				if err == nil {
					h.is(m.ID, status)
				}
				return err
			})
		}
		now, _, err := h.svc.LookImport(bg, admin, list.ID, 0, 1, "")
		h.ok(err)
		if now.State != provision.ImportDone || now.Done != 3 {
			t.Errorf("%+v", now)
		}
		h.recorded(list.ID, 0, audit.ImportStarted, audit.ImportFinished)
	})
}

func TestAList_WhosePlanHasMovedIsPlannedAnewAndNotStarted(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, plan{preset: "default"})
		h.svc.Mail = true
		list, err := h.svc.ReadImport(bg, h.owner, strings.NewReader("email\nada@acme.test\nbob@acme.test\n"))
		h.ok(err)
		h.invite(h.owner, provision.Invitee{Email: "bob@acme.test"})
		_, err = h.svc.StartImport(bg, h.owner, list.ID, list.Word)
		h.refused(err, errs.KindConflict, "plan_changed")
		again, _, err := h.svc.LookImport(bg, h.owner, list.ID, 0, 1, "")
		h.ok(err)
		if again.Word == list.Word || again.Counts["new"] != 1 || again.State != provision.ImportPlanned {
			t.Errorf("%+v", again)
		}
		_, err = h.svc.StartImport(bg, h.owner, list.ID, again.Word)
		h.ok(err)
	})
}

func TestAList_ThatIsCutOffAnywhereGoesOnAndInvitesNobodyTwice(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, plan{preset: "default"})
		h.svc.Mail = true
		var csv strings.Builder
		csv.WriteString("email\n")
		for i := range 450 {
			fmt.Fprintf(&csv, "p%d@acme.test\n", i)
		}
		list, err := h.svc.ReadImport(bg, h.owner, strings.NewReader(csv.String()))
		h.ok(err)
		_, err = h.svc.StartImport(bg, h.owner, list.ID, list.Word)
		h.ok(err)
		// Each step comes twice, as after a process that died before it could say that it was done.
		step := h.svc.ImportHandler()
		for {
			taken, err := db.System().ClaimJobs(t.Context(), "test", 1, 1000)
			h.ok(err)
			steps := 0
			for _, j := range taken {
				if j.Kind == provision.JobImport {
					h.ok(step.Do(bg, j))
					h.ok(step.Do(bg, j))
					steps++
				}
				h.ok(db.System().FinishJob(t.Context(), j, "test"))
			}
			if steps == 0 {
				break
			}
			// Somebody else invites one of those who are still to come.
			if steps > 0 && list.Done == 0 {
				h.invite(h.owner, provision.Invitee{Email: "p449@acme.test"})
				list.Done = 1
			}
		}
		now, _, err := h.svc.LookImport(bg, h.owner, list.ID, 0, 1, "")
		h.ok(err)
		if now.State != provision.ImportDone || now.Done != 449 {
			t.Errorf("%+v", now)
		}
		_, changed, err := h.svc.LookImport(bg, h.owner, list.ID, 0, 10, provision.RowChanged)
		h.ok(err)
		if len(changed) != 1 || changed[0].Email != "p449@acme.test" || changed[0].Reason != "already_invited" {
			t.Errorf("%+v", changed)
		}
		h.read(func(tx *store.Tx) error {
			members, err := tx.MembersAfter("", 1000)
			if len(members) != 451 { // and the owner
				t.Errorf("%d members", len(members))
			}
			return err
		})
	})
}

func TestAList_IsStoppedByHandAndWhenWhoeverStartedItMayNoMore(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, plan{preset: "default"})
		h.svc.Mail = true
		admin, plain := h.staff("bo", "Admin"), h.staff("al", "Member")
		_, err := h.svc.ReadImport(bg, plain, strings.NewReader("email\nada@acme.test\n"))
		h.refused(err, errs.KindForbidden, "permission_missing")
		list, err := h.svc.ReadImport(bg, admin, strings.NewReader("email\nada@acme.test\n"))
		h.ok(err)
		_, err = h.svc.StartImport(bg, admin, list.ID, list.Word)
		h.ok(err)
		_, err = h.svc.BeginImport(bg, h.owner)
		h.refused(err, errs.KindConflict, "import_running")
		h.deactivate(admin.Actor.ID)
		h.carry(t, 1)
		now, _, err := h.svc.LookImport(bg, h.owner, list.ID, 0, 1, "")
		h.ok(err)
		if now.State != provision.ImportStopped || now.Done != 0 || now.Note == "" {
			t.Errorf("%+v", now)
		}
		list, err = h.svc.ReadImport(bg, h.owner, strings.NewReader("email\nada@acme.test\n"))
		h.ok(err)
		_, err = h.svc.StartImport(bg, h.owner, list.ID, list.Word)
		h.ok(err)
		h.ok(h.svc.DiscardImport(bg, h.owner, list.ID))
		h.carry(t, 1)
		h.read(func(tx *store.Tx) error {
			if _, err := tx.MemberByEmail("ada@acme.test"); !errs.Is(err, errs.KindNotFound) {
				t.Errorf("somebody was invited by a list that was stopped: %v", err)
			}
			return nil
		})
		other := build(t, db, plan{preset: "default"})
		other.svc.Mail = true
		for _, act := range []func() error{
			func() error { _, _, err := other.svc.LookImport(bg, other.owner, list.ID, 0, 1, ""); return err },
			func() error { return other.svc.DiscardImport(bg, other.owner, list.ID) },
			func() error { _, err := other.svc.StartImport(bg, other.owner, list.ID, "x"); return err },
			func() error { return other.svc.AddImportRows(bg, other.owner, list.ID, nil) },
		} {
			other.refused(act(), errs.KindNotFound, "import_unknown")
		}
		_, err = h.svc.ReadImport(bg, h.owner, strings.NewReader("email,name\na@b.test,Andr\xe9\n"))
		h.refused(err, errs.KindInvalid, "file_invalid")
		all, err := h.svc.ListImports(bg, h.owner)
		h.ok(err)
		for _, i := range all {
			if i.State == provision.ImportReading {
				t.Errorf("a file that could not be read left %+v", i)
			}
		}
	})
}
