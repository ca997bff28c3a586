package console

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// refusing is a mail server that takes nothing.
type refusing struct{}

func (refusing) Send(context.Context, jobs.Message) error {
	return jobs.Permanent(errors.New("550 there is no such mailbox <b>here</b>"))
}

// deliver tries every letter once, with a mail server that refuses all.
func (w *world) deliver() {
	w.t.Helper()
	post := &jobs.Post{DB: w.db, Mailer: refusing{}, PublicURL: w.server.URL}
	runner := &jobs.Runner{DB: w.db, Log: slog.New(slog.DiscardHandler), Handlers: (&provision.Inviter{Post: post}).Handlers()}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(ctx) }()
	for {
		next, err := w.db.System().NextJob(context.Background())
		w.must(err)
		if next.IsZero() {
			break
		}
	}
	stop()
	w.must(<-ended)
}

func (w *world) member(slug, address string) (m *directory.Member) {
	w.t.Helper()
	w.in(slug, func(tx *store.Tx) (err error) {
		m, err = tx.MemberByEmail(address)
		return err
	})
	return m
}

func TestMembers_AreInvitedEditedAndPutOutByForms(t *testing.T) { // F40
	each(t, "default", func(t *testing.T, w *world) {
		w.provision.Mail = true
		b := w.as("owner@acme.test")
		n := len(w.events())
		page := b.done(b.page("/console/acme/members"), "invite", "email", "Ada@else.test", "name", "Ada <b>L</b>", "role", "Admin")
		ada := w.member("acme", "ada@else.test")
		if !strings.Contains(page.body, "Ada &lt;b&gt;L&lt;/b&gt;") || !strings.Contains(page.text(t, "invitation"), "on its way") || !strings.Contains(page.text(t, "member-status"), "invited") {
			t.Errorf("the page: %s", page.body)
		}
		page = b.done(page, "resend")
		page = b.done(page, "save-member", "edit-name", "Ada Lovelace")
		if page.value(t, "edit-name") != "Ada Lovelace" {
			t.Errorf("the page: %s", page.body)
		}
		if a := b.press(page, "save-member", "edit-email", "owner@acme.test"); a.StatusCode != http.StatusConflict || !a.has("save-member-error") || a.value(t, "edit-email") != "owner@acme.test" {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		page = b.done(page, "set-role", "role", "Member")
		page = b.done(page, "revoke")
		if !strings.Contains(page.text(t, "member-status"), "deactivated") {
			t.Errorf("the page: %s", page.body)
		}
		page = b.done(page, "restore")
		page = b.done(page, "deactivate")
		if !page.has("restore") || !page.has("member-out") {
			t.Errorf("the page: %s", page.body)
		}
		w.wantEvents(n, audit.MemberCreated, audit.InvitationResent, audit.MemberUpdated, audit.MemberRoleChanged, audit.InvitationRevoked, audit.MemberDeactivated, audit.MemberRestored, audit.MemberDeactivated)
		if list := b.page("/console/acme/members?who=ADA"); !strings.Contains(list.body, "Ada Lovelace") || strings.Contains(list.body, "owner@acme.test") {
			t.Errorf("sought: %s", list.body)
		}
		if a := b.press(b.page("/console/acme/members"), "invite", "email", "ada@else.test"); a.StatusCode != http.StatusSeeOther || w.member("acme", "ada@else.test").ID != ada.ID {
			t.Errorf("invited again: %d %s", a.StatusCode, a.body)
		}
		if a := b.press(b.page("/console/acme/members"), "invite", "email", "member@acme.test"); a.StatusCode != http.StatusConflict || !a.has("invite-email-error") || a.value(t, "invite-email") != "member@acme.test" {
			t.Errorf("somebody who is here: %d %s", a.StatusCode, a.body)
		}
	})
}

func TestMembers_AreForAdministratorsAndNobodysAboveThem(t *testing.T) { // K20
	each(t, "default", func(t *testing.T, w *world) {
		w.provision.Mail = true
		admin, plain, stranger, beta := w.as("admin@acme.test"), w.as("member@acme.test"), w.as(""), w.as("owner@beta.test")
		page := admin.page("/console/acme/members")
		if strings.Contains(page.body, `<option value="Owner"`) {
			t.Error("an administrator is offered the owner role")
		}
		if a := admin.post("/console/acme/members", "email", "eve@else.test", "role", "Owner"); a.StatusCode != http.StatusForbidden || !a.has("invite-role-error") {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		if above := admin.page("/console/acme/members/mem_acme_owner"); !above.has("above") || above.has("deactivate") || above.has("set-role") {
			t.Errorf("the owner's page: %s", above.body)
		}
		if self := admin.page("/console/acme/members/mem_acme_admin"); self.has("deactivate") {
			t.Error("an administrator is offered to deactivate themselves")
		}
		before := w.events()
		for _, path := range []string{"/members", "/members/mem_acme_member/resend", "/members/mem_acme_member/revoke", "/members/mem_acme_member/deactivate", "/members/mem_acme_member/restore",
			"/members/mem_acme_member/role", "/members/mem_acme_member/edit", "/mail/job_x/retry", "/mail/job_x/discard"} {
			for name, c := range map[string]struct {
				b    *browser
				want int
			}{"a plain member": {plain, 403}, "nobody": {stranger, 303}, "somebody of another workspace": {beta, 404}} {
				if a := c.b.post("/console/acme"+path, "email", "x@else.test", "role", "Admin", "edit-name", "x"); a.StatusCode != c.want {
					t.Errorf("%s at %s: %d %s", name, path, a.StatusCode, a.body)
				}
			}
		}
		for _, path := range []string{"/members", "/members/mem_acme_member", "/mail"} {
			for _, c := range []struct {
				b    *browser
				want int
			}{{plain, 403}, {stranger, 303}, {beta, 404}} {
				if a := c.b.get("/console/acme" + path); a.StatusCode != c.want {
					t.Errorf("%s: %d", path, a.StatusCode)
				}
			}
		}
		if after := w.events(); len(after) != len(before) {
			t.Errorf("it left %v", after[len(before):])
		}
		// In one's own workspace another's ids are unknown.
		owner := w.as("owner@acme.test")
		for _, path := range []string{"", "/deactivate", "/restore", "/role", "/edit", "/resend", "/revoke"} {
			theirs := owner.do(map[bool]string{true: "GET", false: "POST"}[path == ""], "/console/acme/members/mem_beta_member"+path, map[string][]string{"edit-name": {"x"}})
			if theirs.StatusCode != http.StatusNotFound {
				t.Errorf("%s: %d %s", path, theirs.StatusCode, theirs.body)
			}
		}
		// Law 7: the last owner stays, and is told why.
		if a := owner.post("/console/acme/members/mem_acme_owner/role", "role", "Member"); a.StatusCode != http.StatusForbidden || !a.has("member-role-error") {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	})
}

func TestLetters_ThatWereGivenUpAreShownTriedAgainAndThrownAway(t *testing.T) {
	each(t, "default", func(t *testing.T, w *world) {
		w.provision.Mail = true
		b := w.as("owner@acme.test")
		b.done(b.page("/console/acme/members"), "invite", "email", "ada@else.test")
		w.deliver()
		if page := b.page("/console/acme/members"); !page.has("letters-given-up") {
			t.Errorf("the page: %s", page.body)
		}
		page := b.page("/console/acme/mail")
		var id string
		w.in("acme", func(tx *store.Tx) error {
			letters, err := tx.Letters("", 10)
			id = letters[0].ID
			return err
		})
		if !strings.Contains(page.body, "550 there is no such mailbox &lt;b&gt;here") || !strings.Contains(page.body, "ada@else.test") || strings.Contains(page.body, "ginv_") {
			t.Errorf("the page: %s", page.body)
		}
		if a := w.as("owner@beta.test").post("/console/beta/mail/" + id + "/retry"); a.StatusCode != http.StatusNotFound {
			t.Errorf("another workspace's: %d", a.StatusCode)
		}
		page = b.done(page, "retry-"+id)
		if !strings.Contains(page.body, "waits") {
			t.Errorf("the page: %s", page.body)
		}
		page = b.done(page, "discard-"+id)
		if !page.has("no-letters") {
			t.Errorf("the page: %s", page.body)
		}
		if a := b.post("/console/acme/mail/" + id + "/retry"); a.StatusCode != http.StatusNotFound || !a.has("letters-error") {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		var types []audit.Type
		for _, e := range w.events() {
			types = append(types, e.Type)
		}
		for _, want := range []audit.Type{audit.MailUndelivered, audit.MailRetried, audit.MailDiscarded} {
			if !slices.Contains(types, want) {
				t.Errorf("no event %s in %v", want, types)
			}
		}
	})
}

// upload sends a file as a browser does.
func (b *browser) upload(path, text string) answer {
	b.t.Helper()
	var body strings.Builder
	form := multipart.NewWriter(&body)
	file, err := form.CreateFormFile("file", "people.csv")
	if err != nil {
		b.t.Fatal(err)
	}
	_, _ = io.WriteString(file, text)
	form.Close()
	r, err := http.NewRequest(http.MethodPost, b.base+path, strings.NewReader(body.String()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	res, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{res, string(got)}
}

func TestAList_IsReadShownAndStartedByForms(t *testing.T) {
	each(t, "default", func(t *testing.T, w *world) {
		w.provision.Mail = true
		b := w.as("admin@acme.test")
		if a := b.upload("/console/acme/imports", "nothing of use\n"); a.StatusCode != http.StatusBadRequest || !a.has("import-file-error") {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		if a := b.post("/console/acme/imports"); a.StatusCode != http.StatusBadRequest || !a.has("import-file-error") {
			t.Errorf("no file: %d %s", a.StatusCode, a.body)
		}
		a := b.upload("/console/acme/imports", "email,name,role\nada@else.test,<b>Ada</b>,\nowner@acme.test,,\neve@else.test,Eve,Owner\nx@else.test,=1+1,\n")
		if a.StatusCode != http.StatusSeeOther {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		path := a.Header.Get("Location")
		page := b.page(path)
		for _, want := range []string{"1 new", "1 here already", "2 cannot be read", "&lt;b&gt;Ada", "above your own", "Line 5, column 13"} {
			if !strings.Contains(page.body, want) {
				t.Errorf("the page does not say %q: %s", want, page.body)
			}
		}
		if csv := b.page(path + "/rows.csv"); !strings.Contains(csv.body, "ada@else.test") || strings.Contains(csv.body, ",=1+1") || !strings.Contains(csv.body, "'=1+1") {
			t.Errorf("the CSV: %s", csv.body)
		}
		for _, c := range []struct {
			b    *browser
			want int
		}{{w.as("member@acme.test"), 403}, {w.as("owner@beta.test"), 404}, {w.as(""), 303}} {
			for _, at := range []string{path, path + "/rows.csv"} {
				if a := c.b.get(at); a.StatusCode != c.want {
					t.Errorf("%s: %d", at, a.StatusCode)
				}
			}
			for _, at := range []string{"/console/acme/imports", path + "/start", path + "/stop"} {
				if a := c.b.post(at); a.StatusCode != c.want {
					t.Errorf("%s: %d", at, a.StatusCode)
				}
			}
		}
		if a := w.as("owner@acme.test").press(page, "start-import"); a.StatusCode != http.StatusConflict || !a.has("start-import-error") {
			t.Errorf("somebody else's list: %d %s", a.StatusCode, a.body)
		}
		if a := b.press(page, "start-import", "plan", "another"); a.StatusCode != http.StatusConflict || !a.has("start-import-error") {
			t.Errorf("another plan: %d %s", a.StatusCode, a.body)
		}
		page = b.done(b.page(path), "start-import")
		if !strings.Contains(page.body, "being carried out") {
			t.Errorf("the page: %s", page.body)
		}
		b.done(page, "stop-import")
	})
}

func TestTeams_AreMadeFilledAndDeletedByForms(t *testing.T) { // F40
	each(t, "default", func(t *testing.T, w *world) {
		b := w.as("admin@acme.test")
		page := b.done(b.page("/console/acme/teams"), "create-team", "name", "Support <b>")
		if a := b.press(b.page("/console/acme/teams"), "create-team", "name", "SUPPORT <b>"); a.StatusCode != http.StatusConflict || !a.has("team-name-error") {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		page = b.done(page, "add-to-team", "who", "Member@acme.test")
		if a := b.press(page, "add-to-team", "who", "nobody@acme.test"); a.StatusCode != http.StatusBadRequest || !a.has("team-who-error") {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		if member := b.page("/console/acme/members/mem_acme_member"); !strings.Contains(member.body, "Support &lt;b&gt;") {
			t.Errorf("the member's page: %s", member.body)
		}
		page = b.done(page, "rename-team", "name", "Help desk")
		if a := w.as("member@acme.test").post("/console/acme/teams", "name", "x"); a.StatusCode != http.StatusForbidden {
			t.Errorf("a plain member: %d", a.StatusCode)
		}
		var team string
		w.in("acme", func(tx *store.Tx) error {
			g, err := tx.TeamNamed("HELP DESK")
			team = g.ID
			return err
		})
		beta := w.as("owner@beta.test")
		for _, path := range []string{"/rename", "/delete", "/members", "/members/mem_acme_member/remove"} {
			if a := beta.post("/console/beta/teams/"+team+path, "name", "x", "who", "member@acme.test"); a.StatusCode != http.StatusNotFound {
				t.Errorf("another workspace's team %s: %d", path, a.StatusCode)
			}
		}
		page = b.done(page, "remove-mem_acme_member")
		page = b.done(page, "delete-team")
		if !page.has("no-teams") {
			t.Errorf("the page: %s", page.body)
		}
	})
}
