package console

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// lifeData is what the page of a directory shows of its life.
type lifeData struct {
	Report *settings.DirectoryReport
	// Plan is what enabling would do, where somebody is staged or the directory is testing.
	Plan    *provision.Plan
	Testing bool
	// PlanAsk is where the plan of so many people is computed, which takes a while; "" where it is shown.
	PlanAsk  string
	Outcomes []choice // with how many, for the filter
	Outcome  string   // the one that is shown, "" for all
	Shown    string   // "1 to 100"
	Previous string   // address of the page before, or ""
	Next     string
	Pilot    string // one name a line
	Requests []requestLine
	// What may be done next.
	MayTest, MayEnable, MayPause bool
	Resumes                      bool // enabling is resuming
}

type requestLine struct {
	settings.RequestView
	Pretty string // the body, indented
	URL    string // of the event, or ""
}

// maxPlanUnasked is how many people a plan has at the most that is computed without being asked for.
const maxPlanUnasked = 20_000

// planPerPage is how many rows of a plan a page shows.
const planPerPage = 100

// life reads where a directory stands. The plan is computed anew at each view.
func (d *Door) life(v *visit, dir settings.DirectorySetup) (lifeData, error) {
	report, err := d.Settings.DirectoryReport(v.r.Context(), v.live.Slug, dir.ID)
	if err != nil {
		return lifeData{}, err
	}
	l := lifeData{Report: report, Pilot: strings.Join(report.Pilot, "\n")}
	base := v.url("/sso/directories/" + dir.ID)
	for _, r := range report.Requests {
		line := requestLine{RequestView: r}
		if len(r.Body) > 0 {
			line.Pretty, _ = payloadTexts(json.RawMessage(r.Body))
		}
		if r.Event != "" {
			line.URL = v.url("/events/" + url.PathEscape(r.Event))
		}
		l.Requests = append(l.Requests, line)
	}
	status := report.Status
	l.MayEnable = status == directory.DirectoryDraft || status == directory.DirectoryPaused
	l.Resumes = status == directory.DirectoryPaused
	l.MayPause = status == directory.DirectoryEnabled
	l.MayTest = status != directory.DirectoryTesting && report.People == 0
	if status != directory.DirectoryTesting {
		return l, nil
	}
	q := v.r.URL.Query()
	skip, err := strconv.Atoi(q.Get("skip"))
	if err != nil || skip < 0 {
		skip = 0 // an address that was tampered with begins at the first
	}
	l.Outcome = q.Get("outcome")
	l.Testing = true
	if report.Staged > maxPlanUnasked && !q.Has("outcome") {
		l.PlanAsk = base + "?outcome=#plan"
		return l, nil
	}
	plan, err := d.Settings.DirectoryPlan(v.r.Context(), v.live.Slug, dir.ID, provision.PlanPage{Outcome: l.Outcome, Skip: skip, Limit: planPerPage})
	if err != nil {
		return l, err
	}
	l.Plan = &plan
	for _, outcome := range provision.PlanOutcomes() {
		if n := plan.Counts[outcome]; n > 0 {
			l.Outcomes = append(l.Outcomes, choice{outcome, strconv.Itoa(n) + " " + outcomeWord(outcome)})
		}
	}
	page := func(skip int) string {
		return base + "?" + url.Values{"outcome": {l.Outcome}, "skip": {strconv.Itoa(skip)}}.Encode() + "#plan"
	}
	if len(plan.Rows) > 0 {
		l.Shown = strconv.Itoa(skip+1) + " to " + strconv.Itoa(skip+len(plan.Rows))
	}
	if skip > 0 {
		l.Previous = page(max(0, skip-planPerPage))
	}
	if plan.More {
		l.Next = page(skip + planPerPage)
	}
	return l, nil
}

// outcomeWord is an outcome of a plan as people read it.
func outcomeWord(outcome string) string {
	switch outcome {
	case provision.PlanCreated:
		return "created"
	case provision.PlanLinked:
		return "linked to a member who is there"
	case provision.PlanRestored:
		return "brought back"
	case provision.PlanDeactivated:
		return "deactivated"
	case provision.PlanRefused:
		return "refused"
	default:
		return "members already"
	}
}

// step runs one step in a directory's life for a form, and tells its sender beside field what was refused.
func (d *Door) step(v *visit, field, done string, act func(dir settings.DirectorySetup, form url.Values) error) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	dir, err := v.directory(v.r.PathValue("directory"))
	if err != nil {
		return err
	}
	err = act(dir, form)
	if forTheForm(err) {
		t := told{field: field, err: err}
		if field == "pilot" {
			t.typed = map[string]string{"pilot": form.Get("pilot")}
		}
		// What is told is of the directory as it is by now.
		if v.setup, err = d.Settings.ConnectionSetup(v.r.Context(), v.live.Slug); err != nil {
			return err
		}
		if dir, err = v.directory(dir.ID); err != nil {
			return err
		}
		return d.showDirectory(v, dir, t, shown{})
	}
	if err != nil {
		return err
	}
	return v.to("/sso/directories/" + dir.ID + "?done=" + done)
}

func (d *Door) testDirectory(v *visit) error {
	return d.step(v, "test-directory", "directory-testing", func(dir settings.DirectorySetup, _ url.Values) error {
		_, err := d.Settings.TestDirectory(v.r.Context(), v.live.Slug, dir.ID, v.actor)
		return err
	})
}

// enableDirectory carries out the plan that the form was shown with, if there was one.
func (d *Door) enableDirectory(v *visit) error {
	return d.step(v, "enable-directory", "directory-on", func(dir settings.DirectorySetup, form url.Values) error {
		_, err := d.Settings.EnableDirectory(v.r.Context(), v.live.Slug, dir.ID, form.Get("plan"), v.actor)
		return err
	})
}

func (d *Door) disableDirectory(v *visit) error {
	return d.step(v, "disable-directory", "directory-off", func(dir settings.DirectorySetup, _ url.Values) error {
		_, err := d.Settings.PauseDirectory(v.r.Context(), v.live.Slug, dir.ID, v.actor)
		return err
	})
}

func (d *Door) discardDirectory(v *visit) error {
	return d.step(v, "discard-directory", "directory-discarded", func(dir settings.DirectorySetup, _ url.Values) error {
		_, err := d.Settings.DiscardDirectory(v.r.Context(), v.live.Slug, dir.ID, v.actor)
		return err
	})
}

func (d *Door) setPilot(v *visit) error {
	return d.step(v, "pilot", "pilot", func(dir settings.DirectorySetup, form url.Values) error {
		names := strings.FieldsFunc(form.Get("pilot"), func(r rune) bool { return r == '\n' || r == '\r' })
		_, err := d.Settings.EditPilot(v.r.Context(), v.live.Slug, dir.ID, settings.PilotEdit{Set: &names}, v.actor)
		return err
	})
}
