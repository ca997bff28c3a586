package settings

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// HeardCounts are how many requests of a directory did what.
type HeardCounts struct {
	Created     int64 `json:"created"`
	Updated     int64 `json:"updated"`
	Deactivated int64 `json:"deactivated"` // deleted ones included
	Refused     int64 `json:"refused"`
	Reads       int64 `json:"reads"`
}

// DirectoryReport is where a directory stands and what was last heard of its IdP (V25 to V28).
type DirectoryReport struct {
	DirectoryView
	Status     directory.DirectoryStatus `json:"status"`
	Pilot      []string                  `json:"pilot"`
	Connection string                    `json:"connection,omitempty"` // id
	// People who are members by it, 10,000 standing for more, and who are staged.
	People int `json:"people"`
	Staged int `json:"staged"`

	LastRequest *time.Time  `json:"last_request,omitempty"`
	LastServed  *time.Time  `json:"last_served,omitempty"`
	LastRefused *time.Time  `json:"last_refused,omitempty"`
	LastReason  string      `json:"last_refused_reason,omitempty"` // the code
	Day         HeardCounts `json:"last_24_hours"`
	Month       HeardCounts `json:"last_30_days"`
	// Findings are sentences on what stands in the way, and on what to look at.
	Findings []string      `json:"findings"`
	Requests []RequestView `json:"requests"` // the newest, newest first
}

// RequestView is one request of an IdP.
type RequestView struct {
	Time    time.Time `json:"time"`
	Method  string    `json:"method"`
	Path    string    `json:"path"`
	Status  int       `json:"status,omitempty"` // 0 where it was served
	Outcome string    `json:"outcome"`          // "ok", "staged" or "refused"
	Reason  string    `json:"reason,omitempty"` // the code of a refusal
	Detail  string    `json:"detail,omitempty"` // its sentence
	Type    string    `json:"type,omitempty"`   // of the event
	Who     string    `json:"who,omitempty"`
	Event   string    `json:"event,omitempty"` // id
	// Body is what was sent, redacted.
	Body json.RawMessage `json:"body,omitempty"`
}

// shownRequests is how many requests a report shows.
const shownRequests = 20

// DirectoryReport says where a directory, by name or id, stands and what was last heard of it.
func (s *Service) DirectoryReport(ctx context.Context, slug, dir string) (*DirectoryReport, error) {
	// What this process has counted and not written yet is part of the answer, and so are events that have no
	// number yet: somebody tests their connection and looks here at once.
	if err := s.DB.FlushMarks(ctx); err != nil {
		return nil, err
	}
	if _, err := s.DB.Sequence(ctx); err != nil {
		return nil, err
	}
	var out *DirectoryReport
	err := s.readDirectory(ctx, slug, dir, func(tx *store.Tx, cfg *directory.Config, d directory.Directory) (err error) {
		out, err = s.report(tx, cfg, d)
		return err
	})
	return out, err
}

func (s *Service) report(tx *store.Tx, cfg *directory.Config, d directory.Directory) (*DirectoryReport, error) {
	out := &DirectoryReport{DirectoryView: s.viewDirectory(d), Status: d.Status, Pilot: orEmpty(d.Pilot), Connection: d.Connection}
	var err error
	if out.Staged, err = tx.CountStaged(d.ID); err != nil {
		return nil, err
	}
	if out.People, err = tx.CountLive(d.ID, provision.MaxCounted); err != nil {
		return nil, err
	}
	day, month, err := tx.Heard(d.ID)
	if err != nil {
		return nil, err
	}
	out.Day, out.Month = countsOf(day), countsOf(month)
	out.LastRequest, out.LastServed, out.LastRefused, out.LastReason = maybe(month.LastAt), maybe(month.ServedAt), maybe(month.RefusedAt), month.Refusal
	events, err := tx.RequestsOf(d.ID, shownRequests)
	if err != nil {
		return nil, err
	}
	reads, err := tx.Reads(d.ID, shownRequests)
	if err != nil {
		return nil, err
	}
	out.Requests = requestsOf(events, reads)
	tokens, err := tx.Tokens(d.ID)
	if err != nil {
		return nil, err
	}
	secrets, err := tx.ClientCredentials(d.ID)
	out.Findings = findings(cfg, d, out, tokens, secrets, events, tx.Now())
	return out, err
}

func countsOf(h store.Heard) HeardCounts {
	return HeardCounts{Created: h.Created, Updated: h.Updated, Deactivated: h.Deactivated, Refused: h.Refused, Reads: h.Reads}
}

// requestsOf puts changes and refusals, which leave events, and reads, which leave lines, in one order.
func requestsOf(events []audit.Event, reads []store.ReadLogEntry) []RequestView {
	out := []RequestView{}
	for _, e := range events {
		out = append(out, requestOf(e))
	}
	for _, r := range reads {
		v := RequestView{Time: r.Time, Method: r.Method, Path: r.Path, Status: r.Status, Outcome: string(audit.OK)}
		if r.Status >= http.StatusBadRequest {
			v.Outcome = string(audit.Refused) // more came at once than are served
		}
		out = append(out, v)
	}
	slices.SortStableFunc(out, func(a, b RequestView) int { return b.Time.Compare(a.Time) })
	return out[:min(len(out), shownRequests)]
}

func requestOf(e audit.Event) RequestView {
	v := RequestView{Time: e.Time, Outcome: string(e.Outcome), Type: string(e.Type), Event: e.ID, Who: cmp.Or(e.Subject.Name, e.Subject.ID)}
	var x audit.Exchange
	if len(e.Payload) > 0 && json.Unmarshal(e.Payload, &x) == nil {
		v.Method, v.Path, v.Status, v.Body = x.Method, x.Path, x.Status, x.Body
	}
	switch {
	case e.Outcome == audit.Refused:
		v.Reason, v.Detail = e.Reason, strings.Join(x.Notes, " ")
	case e.Reason == "staged":
		v.Outcome = e.Reason
	}
	return v
}

// findings are what an administrator is told who asks why people do not come (the seeds' troubleshooting tables).
func findings(cfg *directory.Config, d directory.Directory, r *DirectoryReport, tokens []store.Token, secrets []store.ClientCredential, events []audit.Event, now time.Time) []string {
	out := []string{}
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	live := slices.ContainsFunc(tokens, store.Token.Live) || slices.ContainsFunc(secrets, func(c store.ClientCredential) bool { return c.RevokedAt.IsZero() })
	switch d.Status {
	case directory.DirectoryDraft:
		say("The directory is a draft: every request is answered 403, the identity provider's test of the connection too. Start a test sync or enable it.")
	case directory.DirectoryPaused:
		say("The directory is paused: every request is answered 403, and nobody is created, changed or deactivated. Resume it to provision again.")
	case directory.DirectoryTesting:
		say("The directory is testing: what the identity provider sends is staged and has no effect, but for the pilot.")
	case directory.DirectoryEnabled:
		if r.Staged > 0 {
			say("%d people were refused when the directory was enabled and are still staged. Each is tried again when the identity provider sends them the next time.", r.Staged)
		}
	}
	if !live {
		say("Nothing can speak for the directory: it has no living token and no secret. Generate one and paste it into the identity provider.")
	}
	policy := cfg.PolicyFor(d.ID)
	if !policy.SCIMAllowed {
		say("SCIM is not switched on for this workspace (policy scim_allowed): every request is answered 403.")
	}
	if policy.SCIMRequiresSSO && !cfg.HasVerifiedConnection() {
		say("This workspace has no active, verified SSO connection: creating and reactivating people is answered 403 (sso_not_verified), deactivating and updating go on. Sign in once through the connection to verify it, or enable it again.")
	}
	if i := slices.IndexFunc(events, func(e audit.Event) bool { return e.Type == audit.TokenReplacedUsed }); i >= 0 {
		say("%s Somebody used it on %s: paste the newest token into the identity provider.", deadToken(events[i]), onDay(events[i].Time))
	}
	return append(out, silence(r, live, now)...)
}

// deadToken is the sentence of an event of a token that had ended (V26).
func deadToken(e audit.Event) string {
	for _, c := range e.Changes {
		if at, err := time.Parse(time.RFC3339, c.To); err == nil {
			return fmt.Sprintf("The token %q was %s on %s.", e.Subject.Name, strings.TrimSuffix(c.Field, "_at"), onDay(at))
		}
	}
	return fmt.Sprintf("The token %q does not work any more.", e.Subject.Name)
}

func onDay(t time.Time) string { return t.UTC().Format("2 January 2006 at 15:04 UTC") }

// quiet is after how long nothing was heard that is worth a word.
const quiet = 24 * time.Hour

// silence says what to look at where little or nothing was heard (V28).
func silence(r *DirectoryReport, live bool, now time.Time) []string {
	switch {
	case r.LastRequest == nil && live:
		return []string{"Nothing was heard from the identity provider yet. Look there whether provisioning is switched on (in Entra: mode Automatic), whether base URL and token were pasted and tested, and whether people are assigned to the application; its own provisioning log says what it tried."}
	case r.LastRequest == nil:
		return nil
	case r.LastServed == nil:
		return []string{"Every request so far was refused; the newest reason is " + r.LastReason + "."}
	case now.Sub(*r.LastRequest) > quiet:
		return []string{"Nothing was heard since " + onDay(*r.LastRequest) + ". Look in the identity provider whether provisioning is still switched on, and in its provisioning log."}
	case r.Month.Created == 0 && r.People+r.Staged == 0 && r.Month.Reads > 0:
		return []string{"The identity provider asks and has created nobody: look whether people or groups are assigned to the application, and whether creating users is switched on there."}
	}
	return nil
}

// PersonTrace answers whether what an IdP says of somebody arrived (V29).
type PersonTrace struct {
	Who       string `json:"who"`
	Directory string `json:"directory"` // id
	// Resources are those that the directory has or had of them, Member whom they are.
	Resources []ResourceTrace `json:"resources"`
	Answer    string          `json:"answer"`
	Events    []RequestView   `json:"events"` // newest first, without bodies
}

// ResourceTrace is one resource of a person.
type ResourceTrace struct {
	ID         string     `json:"id"`
	UserName   string     `json:"user_name"`
	ExternalID string     `json:"external_id,omitempty"`
	Active     bool       `json:"active"`
	Staged     bool       `json:"staged,omitempty"`
	DeletedAt  *time.Time `json:"deleted_at,omitempty"`
	Member     string     `json:"member,omitempty"` // id
	Status     string     `json:"status,omitempty"` // the member's
}

// tracedEvents is how many events of a person are shown.
const tracedEvents = 50

// TracePerson tells what was heard of somebody: by SCIM id, userName, externalId, address or member id.
func (s *Service) TracePerson(ctx context.Context, slug, dir, who string) (*PersonTrace, error) {
	var out *PersonTrace
	err := s.readDirectory(ctx, slug, dir, func(tx *store.Tx, _ *directory.Config, d directory.Directory) error {
		out = &PersonTrace{Who: who, Directory: d.ID, Resources: []ResourceTrace{}, Events: []RequestView{}}
		return out.fill(tx, d)
	})
	return out, err
}

func (p *PersonTrace) fill(tx *store.Tx, d directory.Directory) error {
	resources, err := traced(tx, d, p.Who)
	if err != nil {
		return err
	}
	subjects := []string{}
	for _, u := range resources {
		r := ResourceTrace{ID: u.ID, UserName: u.UserName, ExternalID: u.ExternalID, Active: u.Active, Staged: u.Member == "", DeletedAt: maybe(u.RetiredAt), Member: u.Member}
		subjects = append(subjects, u.ID)
		if u.Member != "" {
			m, err := tx.Member(u.Member)
			if err != nil {
				return err
			}
			r.Status = string(m.Status())
			subjects = append(subjects, u.Member)
		}
		p.Resources = append(p.Resources, r)
	}
	slices.Sort(subjects)
	var events []audit.Event
	// Requests that were refused know people by the name that was sent.
	for _, q := range []store.EventQuery{{Subjects: slices.Compact(subjects), Limit: tracedEvents}, {Name: directory.Fold(p.Who), Limit: tracedEvents}} {
		if len(q.Subjects) == 0 && q.Name == "" {
			continue
		}
		page, _, err := tx.EventPage(q)
		if err != nil {
			return err
		}
		events = append(events, page...)
	}
	slices.SortFunc(events, func(a, b audit.Event) int { return cmp.Compare(b.Seq, a.Seq) })
	events = slices.CompactFunc(events, func(a, b audit.Event) bool { return a.ID == b.ID })
	for _, e := range events[:min(len(events), tracedEvents)] {
		p.Events = append(p.Events, requestOf(e))
	}
	p.answer(events)
	return nil
}

// traced finds the resources of a person in a directory: by what names the resource, or the member behind it.
func traced(tx *store.Tx, d directory.Directory, who string) ([]store.SCIMUser, error) {
	found, err := ResourcesOf(tx, d.ID, who)
	if err != nil {
		return nil, err
	}
	m, err := provision.Who(who)(tx)
	switch {
	case errs.Is(err, errs.KindNotFound):
		return found, nil
	case err != nil:
		return nil, err
	}
	behind, err := tx.SCIMUsersOfMember(m.ID)
	for _, u := range behind {
		if u.Directory == d.ID {
			found = append(found, u)
		}
	}
	return newestFirst(found), err
}

// ResourcesOf finds the resources that a directory has or had of somebody, newest first: by SCIM id, userName,
// externalId or, of staged people, who have no member, address.
func ResourcesOf(tx *store.Tx, directoryID, who string) ([]store.SCIMUser, error) {
	found, err := tx.SCIMUserClaims(directoryID, who, who)
	if err != nil {
		return nil, err
	}
	u, err := tx.SCIMUser(directoryID, who)
	if err == nil {
		found = append(found, *u)
	} else if !errs.Is(err, errs.KindNotFound) {
		return nil, err
	}
	waiting, err := tx.StagedNamed(directoryID, who)
	for _, w := range waiting {
		found = append(found, store.SCIMUser{ID: w.ID, Directory: directoryID, UserName: w.UserName, ExternalID: w.ExternalID, Active: w.Active, CreatedAt: w.CreatedAt})
	}
	return newestFirst(found), err
}

// newestFirst orders resources, each once.
func newestFirst(found []store.SCIMUser) []store.SCIMUser {
	slices.SortFunc(found, func(a, b store.SCIMUser) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	return slices.CompactFunc(found, func(a, b store.SCIMUser) bool { return a.ID == b.ID })
}

// answer says in a sentence whether the last word arrived.
func (p *PersonTrace) answer(events []audit.Event) {
	i := slices.IndexFunc(events, func(e audit.Event) bool { return strings.HasPrefix(string(e.Type), "scim.") })
	switch {
	case i < 0 && len(p.Resources) == 0:
		p.Answer = "The identity provider never named this person here: nothing arrived. Look there whether they are assigned to the application, and in its provisioning log."
	case i < 0:
		p.Answer = "The directory knows this person; the events about them are no longer kept."
	case events[i].Outcome == audit.Refused:
		p.Answer = fmt.Sprintf("The last word about this person arrived on %s and was refused (%s).", onDay(events[i].Time), events[i].Reason)
	default:
		p.Answer = fmt.Sprintf("The last word about this person arrived on %s: %s.", onDay(events[i].Time), events[i].Type)
		if events[i].Reason == "staged" {
			p.Answer += " It is staged and has no effect yet."
		}
	}
}
