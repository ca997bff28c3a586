package signin

import (
	"context"
	"fmt"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/reason"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// AnswerTime is how long an attempt waits for its answer. One that is open after that got none.
const AnswerTime = stateLife

const (
	// SkewSample is how many of the last measured sign-ins tell of an IdP's clock.
	SkewSample = 10
	// skewWorthAWord is a difference that is accepted and told all the same.
	skewWorthAWord = 60 * time.Second
)

// SkewText says a measured difference between the IdP's clock and ours, "" for none that was measured.
func SkewText(skew *time.Duration) string { return skewText(skew) }

// ClockWarning says how far an IdP's clock is off by its last attempts, newest first; "" where it is not worth a word. The
// smallest difference counts: a person may let an answer lie, and a clock is off each time.
func ClockWarning(attempts []store.Attempt) string {
	var least *time.Duration
	seen := 0
	for _, a := range attempts {
		if a.Skew == nil || a.Loose {
			continue
		}
		if seen++; seen > SkewSample {
			break
		}
		if least == nil || a.Skew.Abs() < least.Abs() {
			least = a.Skew
		}
	}
	if least == nil || least.Abs() < skewWorthAWord {
		return ""
	}
	return skewText(least)
}

// StillUnknown returns, of those who tried to sign in and whom no directory had named, the ones who are unknown to this
// day.
func StillUnknown(tx *store.Tx, limit int) ([]store.Nobody, error) {
	tried, err := tx.NeverProvisioned(limit)
	if err != nil {
		return nil, err
	}
	out := tried[:0:0]
	for _, n := range tried {
		switch _, err := tx.MemberByEmail(n.Name); {
		case errs.Is(err, errs.KindNotFound):
			out = append(out, n)
		case err != nil:
			return nil, err
		}
	}
	return out, nil
}

// Explanation is why somebody could not sign in, or what is known of their sign-ins.
type Explanation struct {
	Who string `json:"who"` // as asked
	// Member is the id of the member who is meant, "" where there is none.
	Member string `json:"member"`
	// FirstSignIn is nil for somebody who never signed in.
	FirstSignIn *time.Time `json:"first_sign_in"`
	// Diagnosis is a sentence; Code is the reason that it speaks of, "" where nothing is wrong.
	Diagnosis string `json:"diagnosis"`
	Code      string `json:"code"`
	// Unanswered is how many attempts of the last day, of whoever, got no answer of an IdP.
	Unanswered int `json:"unanswered"`
	// Attempts are the last ones, newest first.
	Attempts []ExplainedAttempt `json:"attempts"`
}

// ExplainedAttempt is one attempt with what mends it.
type ExplainedAttempt struct {
	ID         string       `json:"id"`
	Time       time.Time    `json:"time"`
	Connection string       `json:"connection"` // name, "" without
	Method     string       `json:"method"`
	Test       bool         `json:"test"`
	Outcome    string       `json:"outcome"` // "ok", "refused", "open" or "no_answer"
	Code       string       `json:"code"`
	Reason     string       `json:"reason"`
	About      string       `json:"about"` // "" while nothing is verified
	Sentence   string       `json:"sentence"`
	Why        string       `json:"why"`
	Expected   string       `json:"expected"`
	Received   string       `json:"received"`
	Cause      string       `json:"cause"`
	Do         string       `json:"do"`
	Where      string       `json:"where"`
	Skew       *int64       `json:"clock_skew_seconds"` // the IdP's clock ahead of ours
	Event      string       `json:"event"`
	Steps      []audit.Step `json:"steps"`
	Found      *TestFound   `json:"found,omitempty"`
}

// explainedAttempts is how many of somebody's last attempts are explained.
const explainedAttempts = 5

// Explain says what is known of somebody's sign-ins: who is the id or address of a member, or the name under which they
// tried. It refuses nobody: who is not known is explained as well.
func (s *Service) Explain(ctx context.Context, workspace, who string) (*Explanation, error) {
	var out *Explanation
	err := s.DB.Read(ctx, workspace, func(tx *store.Tx) error {
		out = &Explanation{Who: who, Attempts: []ExplainedAttempt{}}
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		m, err := tx.Member(who)
		if errs.Is(err, errs.KindNotFound) {
			m, err = tx.MemberByEmail(who)
		}
		if errs.Is(err, errs.KindNotFound) {
			m, err = nil, nil
		}
		if err != nil {
			return err
		}
		ask := store.AttemptQuery{Name: who, Limit: explainedAttempts}
		if m != nil {
			out.Member, ask.Member = m.ID, m.ID
			seen, err := tx.MemberSeen(m.ID)
			if err != nil {
				return err
			}
			if !seen.IsZero() {
				out.FirstSignIn = &seen
			}
		}
		list, _, err := tx.Attempts(ask)
		if err != nil {
			return err
		}
		for _, a := range list {
			explained, err := s.explained(tx, cfg, a.ID)
			if err != nil {
				return err
			}
			out.Attempts = append(out.Attempts, explained)
		}
		open, _, err := tx.Attempts(store.AttemptQuery{Outcome: "open", Limit: 1000})
		if err != nil {
			return err
		}
		for _, a := range open {
			if age := s.now().Sub(a.BeganAt); !a.Test && age > AnswerTime && age < 24*time.Hour {
				out.Unanswered++
			}
		}
		out.diagnose(cfg, m)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("explain: %w", err)
	}
	return out, nil
}

// diagnose says in one sentence what is wrong, if anything is. It tells the two apart that people call “We couldn't find
// your account”: provisioning has not created them, or the IdP does not let them through to here.
func (e *Explanation) diagnose(cfg *directory.Config, m *directory.Member) {
	last := ""
	if len(e.Attempts) > 0 && e.Attempts[0].Outcome == "refused" {
		last = e.Attempts[0].Code
	}
	switch {
	case m != nil && m.Sources != 0:
		e.Code, e.Diagnosis = "account_deactivated", m.OutSentence()
	case m == nil && last == "":
		e.Code = "not_provisioned"
		e.Diagnosis = "Nobody here has this name, and no sign-in came with it: neither provisioning (SCIM) nor sign-on knows them. They are probably not assigned to the application in the identity provider."
		if len(cfg.Directories) == 0 {
			e.Code, e.Diagnosis = reason.NoAnswer, "Nobody here has this name, and no sign-in came with it. If they say that they tried, the identity provider did not send them back: they are probably not assigned to the application there."
		}
	case last != "":
		why, _ := reason.ByCode(last)
		e.Code, e.Diagnosis = last, why.Why
	case m != nil && e.FirstSignIn == nil && len(e.Attempts) == 0:
		e.Code = reason.NoAnswer
		e.Diagnosis = "They are provisioned, and no sign-in of theirs has come here. If they say that they tried, the identity provider did not send them back: they are probably not assigned to the application for sign-on."
	default:
		e.Diagnosis = "Nothing is wrong: their last sign-in went well."
	}
}

// ExplainAttempt explains one attempt. One that is not there is errs.KindNotFound.
func (s *Service) ExplainAttempt(ctx context.Context, workspace, id string) (out ExplainedAttempt, err error) {
	err = s.DB.Read(ctx, workspace, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		out, err = s.explained(tx, cfg, id)
		return err
	})
	return out, err
}

func (s *Service) explained(tx *store.Tx, cfg *directory.Config, id string) (ExplainedAttempt, error) {
	a, err := tx.Attempt(id)
	if err != nil {
		return ExplainedAttempt{}, err
	}
	out := ExplainedAttempt{ID: a.ID, Time: a.BeganAt, Method: string(a.Method), Test: a.Test, Outcome: string(a.Outcome), Code: a.Code, Reason: a.Reason,
		About: a.Name, Event: a.Event, Steps: a.Steps}
	c, known := cfg.Connection(a.Connection)
	if known {
		out.Connection = c.Name
	}
	if a.Open() {
		out.Outcome = "open"
		if s.now().Sub(a.BeganAt) > AnswerTime {
			out.Outcome, out.Code = "no_answer", reason.NoAnswer
		}
	}
	if a.Skew != nil {
		seconds := int64(a.Skew.Round(time.Second) / time.Second)
		out.Skew = &seconds
	}
	if why, ok := reason.ByCode(out.Code); ok {
		out.Sentence, out.Why, out.Expected, out.Received, out.Cause, out.Do = why.Sentence, why.Why, why.Expected, why.Received, string(why.Cause), why.Do
		if known {
			out.Where = why.Where.For(c.Provider)
		}
	}
	for _, step := range a.Steps {
		for _, check := range step.Checks {
			if check.Outcome == audit.Failed {
				out.Expected, out.Received = check.Expected, check.Received
			}
		}
	}
	if found, ok := ReadTestFound(a.Found); ok {
		out.Found = &found
	}
	return out, nil
}
