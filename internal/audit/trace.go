package audit

import (
	"strings"
	"time"
	"unicode/utf8"
)

// Actors of a Step.
const (
	ActorBrowser   = "browser"
	ActorGatehouse = "gatehouse"
	ActorIdP       = "idp"
)

// Outcomes of a Check.
const (
	Passed     = "passed"
	Failed     = "failed"
	NotReached = "not_reached"
)

// Step is one step of an attempt to sign in.
type Step struct {
	Actor string    `json:"actor"`
	At    time.Time `json:"at"`
	Text  string    `json:"text"` // a sentence
	// Message is what was sent, decoded and without its secrets; "" for none, and where the payload of the attempt's
	// event has it.
	Message string  `json:"message,omitempty"`
	Checks  []Check `json:"checks,omitempty"`
}

// Check is one thing that an answer was held against.
type Check struct {
	Name     string `json:"name"`
	Outcome  string `json:"outcome"`
	Expected string `json:"expected,omitempty"`
	Received string `json:"received,omitempty"`
}

// Limits of the steps that one half of an attempt keeps.
const (
	maxSteps   = 12
	maxChecks  = 30
	maxText    = 1000
	maxMessage = 4 << 10
)

// BoundSteps returns steps within the limits of what an attempt keeps, with text that both databases hold.
func BoundSteps(steps []Step) []Step {
	out := append([]Step(nil), steps[:min(len(steps), maxSteps)]...)
	for i := range out {
		s := &out[i]
		s.Text, s.Message = bounded(s.Text, maxText), bounded(s.Message, maxMessage)
		checks := append([]Check(nil), s.Checks[:min(len(s.Checks), maxChecks)]...)
		for j := range checks {
			checks[j].Expected, checks[j].Received = bounded(checks[j].Expected, maxText), bounded(checks[j].Received, maxText)
		}
		s.Checks = checks
	}
	return out
}

func bounded(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + " …"
}
