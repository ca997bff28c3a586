package idpsim

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Errors that an operation returns before it sends anything. Callers compare with errors.Is.
var (
	// ErrUnknown: no such person, group or IdP.
	ErrUnknown = errors.New("unknown")
	// ErrInvalid: the arguments make no sense.
	ErrInvalid = errors.New("invalid")
	// ErrNotConnected: no base URL and token yet.
	ErrNotConnected = errors.New("not connected")
	// ErrQuarantined: Entra has put the job into quarantine; see [Quarantine].
	ErrQuarantined = errors.New("quarantined")
	// ErrNotOffered: this kind of IdP has no such operation.
	ErrNotOffered = errors.New("not offered by this IdP")
)

// StepError is a step that the application refused, or that did not reach it.
type StepError struct {
	IdP      Kind   `json:"idp"`
	Step     string `json:"step"`                // the step's name, such as "create user"
	Method   string `json:"method"`              // of the last attempt
	Target   string `json:"target"`              // path and query
	Status   int    `json:"status"`              // 0 when no answer came
	ScimType string `json:"scim_type,omitempty"` // RFC 7644 section 3.12
	Detail   string `json:"detail,omitempty"`    // the SCIM error's own sentence
	Attempts int    `json:"attempts"`
	Err      error  `json:"-"` // the cause when no answer came, or when the answer could not be used
}

// Error names the step, what was sent and what came back.
func (e *StepError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s: %s %s", e.IdP, e.Step, e.Method, e.Target)
	if e.Status != 0 {
		b.WriteString(": " + strconv.Itoa(e.Status))
	}
	if e.ScimType != "" {
		b.WriteString(" " + e.ScimType)
	}
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *StepError) Unwrap() error { return e.Err }

// Unreachable says whether no usable answer came: no answer at all, 429 or a 5xx.
func (e *StepError) Unreachable() bool {
	return e.Status == 0 || retryable(e.Status)
}

// statusOf returns the HTTP status inside err, or 0.
func statusOf(err error) int {
	var step *StepError
	if errors.As(err, &step) {
		return step.Status
	}
	return 0
}

// inDoubt says whether a change got no usable answer: the application may have carried it out.
func inDoubt(err error) bool {
	var step *StepError
	return errors.As(err, &step) && step.Unreachable() && step.Method != http.MethodGet
}

func unreachable(err error) bool {
	var step *StepError
	return errors.As(err, &step) && step.Unreachable()
}
