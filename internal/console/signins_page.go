package console

import (
	"cmp"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/reason"
	"github.com/gatehouse-id/gatehouse/internal/signin"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// signInsData is one page of attempts.
type signInsData struct {
	common
	Attempts                      []attemptLine
	Who, Connection, Outcome, Why string
	Member                        string // whom Who was understood as, or ""
	Connections, Reasons          []choice
	Clocks                        []clockWarning
	Older, Newest                 string // addresses, or ""
	Sought                        bool
}

type attemptLine struct {
	store.Attempt
	Label, About, Through, URL string
	State                      string // for the badge: "ok", "refused", "open" or "no answer"
	Sentence                   string
}

// clockWarning is a connection whose IdP's clock is off in each of its last sign-ins.
type clockWarning struct{ Name, Skew string }

// attemptsPerPage is how many attempts a page shows.
const attemptsPerPage = 50

func (d *Door) signInsPage(v *visit) error {
	q := v.r.URL.Query()
	data := signInsData{Who: strings.TrimSpace(q.Get("who")), Connection: q.Get("connection"), Outcome: q.Get("outcome"), Why: q.Get("reason")}
	data.Sought = data.Who != "" || data.Connection != "" || data.Outcome != "" || data.Why != ""
	if strings.HasPrefix(data.Who, "att_") {
		return v.to("/sign-ins/" + url.PathEscape(data.Who))
	}
	ask := store.AttemptQuery{Before: q.Get("before"), Connection: data.Connection, Outcome: data.Outcome, Code: data.Why, Limit: attemptsPerPage}
	if strings.HasPrefix(data.Who, "evt_") {
		ask.Event, ask.Limit = data.Who, 1
	}
	var list []store.Attempt
	var older string
	err := d.DB.Read(v.r.Context(), v.live.Workspace, func(tx *store.Tx) (err error) {
		data.Clocks, ask.Member, ask.Name, data.Member = nil, "", "", ""
		if data.Who != "" && ask.Event == "" {
			ask.Name = data.Who
			if ask.Member, data.Member, err = memberNamed(tx, data.Who); err != nil {
				return err
			}
		}
		if list, older, err = tx.Attempts(ask); err != nil {
			return err
		}
		if data.Sought {
			return nil
		}
		for _, c := range v.setup.Connections {
			skew, err := clockOf(tx, c.ID)
			if err != nil {
				return err
			}
			if skew != "" {
				data.Clocks = append(data.Clocks, clockWarning{c.Name, skew})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if ask.Event != "" && len(list) == 1 {
		return v.to("/sign-ins/" + url.PathEscape(list[0].ID))
	}
	return d.show(v, "signins", "Sign-ins", "/sign-ins", told{}, func(c common) any {
		data.common = c
		for _, a := range list {
			data.Attempts = append(data.Attempts, d.lineOfAttempt(v, a, c.Base))
		}
		for _, con := range v.setup.Connections {
			data.Connections = append(data.Connections, choice{con.ID, con.Name})
		}
		for _, r := range reason.All() {
			if r.Code != reason.NoAnswer {
				data.Reasons = append(data.Reasons, choice{r.Code, r.Code})
			}
		}
		page := func(before string) string {
			next := url.Values{}
			for _, key := range []string{"who", "connection", "outcome", "reason"} {
				if q.Get(key) != "" {
					next.Set(key, q.Get(key))
				}
			}
			if before != "" {
				next.Set("before", before)
			}
			return strings.TrimSuffix(c.Base+"/sign-ins?"+next.Encode(), "?")
		}
		if older != "" {
			data.Older = page(older)
		}
		if q.Get("before") != "" {
			data.Newest = page("")
		}
		return data
	})
}

// memberNamed finds the member whom who names by id or address; whom nobody knows has none.
func memberNamed(tx *store.Tx, who string) (id, name string, err error) {
	m, err := tx.Member(who)
	if errs.Is(err, errs.KindNotFound) {
		m, err = tx.MemberByEmail(who)
	}
	if errs.Is(err, errs.KindNotFound) {
		return "", "", nil
	} else if err != nil {
		return "", "", err
	}
	return m.ID, nameOf(m), nil
}

func (d *Door) lineOfAttempt(v *visit, a store.Attempt, base string) attemptLine {
	line := attemptLine{Attempt: a, URL: base + "/sign-ins/" + url.PathEscape(a.ID), About: a.Name, State: string(a.Outcome), Label: methodName(a.Method)}
	if con, err := v.connection(a.Connection); err == nil {
		line.Through = con.Name
	} else if a.Connection != "" {
		line.Through = "a connection that was removed"
	}
	if a.Test {
		line.Label = "Test"
	}
	if line.About == "" {
		line.About = "nobody verified"
	}
	if a.Open() {
		line.State = "open"
		if d.DB.Now().Sub(a.BeganAt) > signin.AnswerTime {
			line.State, line.Code = "no answer", reason.NoAnswer
		}
	}
	if why, ok := reason.ByCode(line.Code); ok {
		line.Sentence = why.Sentence
	}
	return line
}

func methodName(m directory.Method) string {
	switch m {
	case directory.MethodSAML:
		return "SAML"
	case directory.MethodOIDC:
		return "OpenID Connect"
	case directory.MethodPassword:
		return "Password"
	case directory.MethodLink:
		return "One-time link"
	}
	return string(m)
}

// clockOf says how far the clock of a connection's IdP is off, "" where it is not worth a word: the least difference
// of its last sign-ins counts, since an answer can also lie on its way.
func clockOf(tx *store.Tx, connection string) (string, error) {
	page, _, err := tx.Attempts(store.AttemptQuery{Connection: connection, Limit: signin.SkewSample * 5})
	if err != nil {
		return "", err
	}
	return signin.ClockWarning(page), nil
}

// attemptData is the page of one attempt.
type attemptData struct {
	common
	attemptLine
	How           string // the method in words
	Steps         []audit.Step
	Reason        *reason.Reason
	Precise       string
	Where         string
	Skew          string
	EventURL      string
	PersonURL     string
	ConnectionURL string
	Payload, XML  string
	Found         *signin.TestFound
	FoundURL      string // of the member
	Expected      string // of the check that failed
	Detail        string
	Running       bool // a test that has no end yet
}

func (d *Door) attemptPage(v *visit) error {
	var a *store.Attempt
	var event *audit.Event
	err := d.DB.Read(v.r.Context(), v.live.Workspace, func(tx *store.Tx) (err error) {
		event = nil
		if a, err = tx.Attempt(v.r.PathValue("attempt")); err != nil || a.Event == "" {
			return err
		}
		e, err := tx.Event(a.Event)
		if errs.Is(err, errs.KindNotFound) {
			return nil
		}
		event = &e
		return err
	})
	if err != nil {
		return err
	}
	return d.show(v, "attempt", "Sign-in", "/sign-ins", told{}, func(c common) any {
		data := attemptData{common: c, attemptLine: d.lineOfAttempt(v, *a, c.Base), Steps: a.Steps, Precise: a.Reason, How: methodName(a.Method), Running: a.Test && a.Open()}
		data.Code = cmp.Or(data.attemptLine.Code, a.Code)
		if why, ok := reason.ByCode(data.Code); ok {
			data.Reason = &why
		}
		if con, err := v.connection(a.Connection); err == nil {
			data.ConnectionURL = c.Base + "/sso/connections/" + con.ID
			if data.Reason != nil {
				data.Where = data.Reason.Where.For(con.Provider)
			}
		}
		data.Skew = signin.SkewText(a.Skew)
		for _, step := range a.Steps {
			for _, check := range step.Checks {
				if check.Outcome == audit.Failed {
					data.Expected = check.Expected
				}
			}
		}
		if event != nil {
			data.EventURL = c.Base + "/events/" + url.PathEscape(event.ID)
			data.Payload, data.XML = payloadTexts(event.Payload)
			data.Detail = detailOf(event.Payload)
		}
		if who := cmp.Or(a.Member, a.Name); who != "" {
			data.PersonURL = c.Base + "/sign-ins?" + url.Values{"who": {who}}.Encode()
		}
		if found, ok := signin.ReadTestFound(a.Found); ok {
			data.Found = &found
			if found.Member != "" {
				data.FoundURL = c.Base + "/events?" + url.Values{"who": {found.Member}}.Encode()
			}
		}
		return data
	})
}

// unseenData is the page of those who were provisioned and never signed in, or tried and were never provisioned.
type unseenData struct {
	common
	Unseen []unseenLine
	More   string // address, or ""
	First  bool
	Nobody []nobodyLine
}

type unseenLine struct {
	store.Unseen
	DirectoryName, URL string
}

type nobodyLine struct {
	store.Nobody
	Through, URL, PersonURL string
	At                      time.Time
}

// maxNobody is how many unknown people the page shows.
const maxNobody = 100

func (d *Door) unseenPage(v *visit) error {
	after := v.r.URL.Query().Get("after")
	var unseen []store.Unseen
	var nobody []store.Nobody
	var next string
	err := d.DB.Read(v.r.Context(), v.live.Workspace, func(tx *store.Tx) (err error) {
		if unseen, next, err = tx.NeverSignedIn(after, attemptsPerPage); err != nil {
			return err
		}
		nobody, err = signin.StillUnknown(tx, maxNobody)
		return err
	})
	if err != nil {
		return err
	}
	return d.show(v, "unseen", "Who is missing", "/sign-ins", told{}, func(c common) any {
		data := unseenData{common: c, First: after == ""}
		for _, u := range unseen {
			line := unseenLine{Unseen: u, URL: c.Base + "/sign-ins?" + url.Values{"who": {u.Member}}.Encode()}
			if dir, err := v.directory(u.Directory); err == nil {
				line.DirectoryName = dir.Name
			}
			data.Unseen = append(data.Unseen, line)
		}
		if next != "" {
			data.More = c.Base + "/sign-ins/people?" + url.Values{"after": {next}}.Encode()
		}
		for _, n := range nobody {
			line := nobodyLine{Nobody: n, At: n.At, URL: c.Base + "/sign-ins/" + url.PathEscape(n.Attempt), PersonURL: c.Base + "/sign-ins?" + url.Values{"who": {n.Name}}.Encode()}
			if con, err := v.connection(n.Connection); err == nil {
				line.Through = con.Name
			}
			data.Nobody = append(data.Nobody, line)
		}
		return data
	})
}

// testConnection begins a test of a connection in the browser of the administrator.
func (d *Door) testConnection(v *visit) error {
	c, err := v.connection(v.r.PathValue("connection"))
	if err != nil {
		return err
	}
	made, err := d.SignIn.MakeTest(v.r.Context(), v.live.Workspace, c.ID, v.live.ID)
	if forTheForm(err) {
		return d.showConnection(v, c, told{field: "test", err: err}, nil)
	}
	if err != nil {
		return err
	}
	at, err := url.Parse(made.URL)
	if err != nil {
		return err
	}
	return v.led(at.Path)
}
