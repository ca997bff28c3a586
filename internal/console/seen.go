package console

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"html/template"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// Two administrators may change one thing at the same time. Each form carries a word for what its page has shown, and
// when; the word is asked again inside the transaction that would change something, under the lock that all such
// changes take. Where it is another one by then, nothing is done, and the second is told what changed since, and by whom.

// seen is what a form's page has shown.
type seen struct {
	word  string
	at    time.Time
	moved bool // it is something else by now
}

// seenName is the name of the form's field.
const seenName = "shown"

func (s *seen) stale() bool { return s != nil && s.moved }

var errMoved = errs.Conflict("changed_meanwhile", "This was changed after the page was shown.")

// subject says what a page is about: kind is "connections", "directories", "members", "policy", "enforcement" or "" for what is not
// watched.
func (v *visit) subject() (kind, id string) {
	switch {
	case v.r.PathValue("connection") != "":
		return "connections", v.r.PathValue("connection")
	case v.r.PathValue("directory") != "":
		return "directories", v.r.PathValue("directory")
	case v.r.PathValue("member") != "" && v.r.PathValue("team") == "":
		return "members", v.r.PathValue("member")
	}
	rest := strings.TrimPrefix(v.r.URL.Path, v.url(""))
	if rest == "/enforcement" {
		return "enforcement", ""
	}
	if rest == "/roles" || strings.HasPrefix(rest, "/roles/") || rest == "/permissions" || strings.HasPrefix(rest, "/permissions/") {
		return "policy", ""
	}
	return "", ""
}

// wordOf is a word for what a page about something shows of it that people can change.
func wordOf(tx *store.Tx, kind, id string) (string, error) {
	var shown any
	switch kind {
	case "members":
		m, err := tx.Member(id)
		if err != nil {
			return "", err
		}
		shown = []any{m.Email, m.Name, m.GivenName, m.FamilyName, m.Attributes, m.Role, m.ManualRole, m.Sources, m.Stage, m.Directory, m.BreakGlass}
	default:
		cfg, err := tx.Config()
		if err != nil {
			return "", err
		}
		shown = settings.Shown(cfg, kind, id)
	}
	text, err := json.Marshal(shown)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:12]), nil
}

// seenField is the hidden field of the forms of a page, "" where the page is about nothing that is watched.
func (v *visit) seenField() template.HTML {
	if v.shown == "" {
		return ""
	}
	return template.HTML(`<input type="hidden" name="` + seenName + `" value="` + v.shown + `">`) // digits, a dot and hex
}

// look notes what the page that is being made shows, before it is read: what changes while it is made is told later.
func (d *Door) look(v *visit) error {
	kind, id := v.subject()
	if kind == "" {
		return nil
	}
	return d.DB.Read(v.r.Context(), v.live.Workspace, func(tx *store.Tx) error {
		word, err := wordOf(tx, kind, id)
		if errs.Is(err, errs.KindNotFound) {
			return nil
		}
		v.shown = strconv.FormatInt(tx.Now().UnixMicro(), 10) + "." + word
		return err
	})
}

// expectSeen has every transaction of the request ask whether what the form's page has shown is so still.
func (v *visit) expectSeen() error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	at, word, ok := strings.Cut(form.Get(seenName), ".")
	kind, id := v.subject()
	if !ok || kind == "" {
		return nil
	}
	micros, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return errs.Invalid("form_invalid", "The form says when its page was shown in a way that nobody understands.")
	}
	v.seen = &seen{word: word, at: time.UnixMicro(micros)}
	v.r = v.r.WithContext(store.Provided(v.r.Context(), func(tx *store.Tx) error {
		if err := tx.LockPolicy(); err != nil {
			return err
		}
		now, err := wordOf(tx, kind, id)
		if err != nil && !errs.Is(err, errs.KindNotFound) {
			return err
		}
		if v.seen.moved = now != v.seen.word; v.seen.moved {
			return errMoved
		}
		return nil
	}))
	return nil
}

// changedData is the page for the second of two.
type changedData struct {
	common
	Since  time.Time
	Events []changedLine
	Typed  []typedLine
	Back   string
	Again  string // the form's address
}

type changedLine struct {
	At      time.Time
	Who     string
	Changes []audit.Change
	URL     string // "" for whoever may not read the log
}

type typedLine struct{ Name, Value string }

// maxChanged is how many changes the page names.
const maxChanged = 20

// changed tells whoever came second what has changed since, keeps what they typed, and has done nothing.
func (d *Door) changed(v *visit) error {
	since, form := v.seen.at, v.r.PostForm
	kind, id := v.subject()
	v.seen = nil
	data := changedData{Since: since, Back: v.backTo(), Again: v.r.URL.Path}
	if _, err := d.DB.Sequence(v.r.Context()); err != nil {
		return err
	}
	if err := d.DB.Read(v.r.Context(), v.live.Workspace, func(tx *store.Tx) error {
		page, _, err := tx.EventPage(store.EventQuery{Limit: 10 * maxChanged})
		data.Events = nil
		for _, e := range page {
			// The clocks of two servers differ a little.
			if e.Time.Before(since.Add(-time.Second)) || e.Outcome == audit.Refused || !concerns(e, kind, id) || len(data.Events) == maxChanged {
				continue
			}
			line := changedLine{At: e.Time, Who: whoText(e.Actor), Changes: e.Changes}
			if v.may(directory.PermissionAuditRead) {
				line.URL = v.url("/events/" + url.PathEscape(e.ID))
			}
			data.Events = append(data.Events, line)
		}
		return err
	}); err != nil {
		return err
	}
	if err := d.look(v); err != nil {
		return err
	}
	for name, values := range form {
		if lower := strings.ToLower(name); name != seenName && !strings.Contains(lower, "secret") && !strings.Contains(lower, "password") {
			for _, value := range values {
				data.Typed = append(data.Typed, typedLine{name, value})
			}
		}
	}
	slices.SortStableFunc(data.Typed, func(a, b typedLine) int { return strings.Compare(a.Name, b.Name) })
	return d.show(v, "changed", "Changed meanwhile", "", told{field: "changed", err: errMoved}, func(c common) any {
		data.common = c
		return data
	})
}

// concerns reports whether an event is about what a page shows.
func concerns(e audit.Event, kind, id string) bool {
	switch kind {
	case "connections":
		return e.Connection == id && len(e.Changes) > 0 && e.Subject.Kind == "connection"
	case "directories":
		return e.Directory == id && e.Subject.Kind == "directory"
	case "members":
		return e.Subject.ID == id
	}
	of := settings.OfRoles
	if kind == "enforcement" {
		of = settings.OfEnforcement
	}
	return slices.ContainsFunc(e.Changes, func(c audit.Change) bool { return of(c.Field) })
}

func whoText(p audit.Party) string {
	switch {
	case p.Name != "":
		return p.Name
	case p.Kind == "operator":
		return "The operator of this server"
	case p.ID != "":
		return p.ID
	}
	return "This server"
}

// backTo is the page of the form, as it is now.
func (v *visit) backTo() string {
	kind, id := v.subject()
	switch kind {
	case "connections", "directories":
		return v.url("/sso/" + kind + "/" + url.PathEscape(id))
	case "members":
		return v.url("/members/" + url.PathEscape(id))
	}
	if kind == "enforcement" {
		return v.url("/enforcement")
	}
	if strings.HasPrefix(v.r.URL.Path, v.url("/permissions")) {
		return v.url("/permissions")
	}
	return v.url("/roles")
}
