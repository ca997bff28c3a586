package web

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// errMethod is what a path answers that exists for other methods.
var errMethod = errors.New("method not allowed")

// statuses is the one table from kinds of error to HTTP.
var statuses = map[errs.Kind]int{
	errs.KindInvalid:         http.StatusBadRequest,
	errs.KindUnauthenticated: http.StatusUnauthorized,
	errs.KindForbidden:       http.StatusForbidden,
	errs.KindNotFound:        http.StatusNotFound,
	errs.KindConflict:        http.StatusConflict,
	errs.KindLimited:         http.StatusTooManyRequests,
	errs.KindUnavailable:     http.StatusServiceUnavailable,
}

// Failure is an error as a caller may see it.
type Failure struct {
	Status     int
	Code       string // stable, snake_case
	Message    string // a sentence for people
	RequestID  string // "" outside a request
	RetryAfter time.Duration
}

// FailureOf reads an error for showing. Anything without a kind is 500 and says nothing of its
// cause: that is in the log, under the request id.
//
// RetryAfter comes from the first error in the chain with a method RetryAfter() time.Duration.
func FailureOf(r *http.Request, err error) Failure {
	f := Failure{
		Status:    http.StatusInternalServerError,
		Code:      "internal",
		Message:   "Something went wrong on our side.",
		RequestID: RequestID(r.Context()),
	}
	var tooLong *http.MaxBytesError
	switch e := errs.As(err); {
	case errors.As(err, &tooLong):
		f.Status, f.Code = http.StatusRequestEntityTooLarge, "body_too_large"
		f.Message = "The request is too large: at most " + strconv.FormatInt(tooLong.Limit, 10) + " bytes are accepted."
	case errors.Is(err, errMethod):
		f.Status, f.Code = http.StatusMethodNotAllowed, "method_not_allowed"
		f.Message = "This address does not accept " + r.Method + "."
	case e != nil && statuses[e.Kind] != 0:
		f.Status, f.Code, f.Message = statuses[e.Kind], e.Code, e.Message
	}
	var patient interface{ RetryAfter() time.Duration }
	if errors.As(err, &patient) {
		f.RetryAfter = patient.RetryAfter()
	}
	return f
}

// announce sets the headers that tell a client when to come again.
func (f Failure) announce(h http.Header) {
	if f.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(f.RetryAfter.Seconds()))))
	}
}

// problem is a problem document (RFC 9457). The type is about:blank: code tells the cases apart.
type problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	Code      string `json:"code"`
	RequestID string `json:"request_id,omitempty"`
}

// FailJSON renders err as a problem document.
func FailJSON(w http.ResponseWriter, r *http.Request, err error) {
	f := FailureOf(r, err)
	// The struct holds strings and a number, which always encode.
	body, _ := json.Marshal(problem{
		Type: "about:blank", Title: http.StatusText(f.Status), Status: f.Status,
		Detail: f.Message, Code: f.Code, RequestID: f.RequestID,
	})
	f.announce(w.Header())
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(f.Status)
	_, _ = w.Write(append(body, '\n'))
}

// headings are what an error page says above the sentence.
var headings = map[int]string{
	http.StatusBadRequest:            "That did not work",
	http.StatusUnauthorized:          "Please sign in",
	http.StatusForbidden:             "Not allowed",
	http.StatusNotFound:              "Nothing here",
	http.StatusMethodNotAllowed:      "Not allowed",
	http.StatusConflict:              "That did not work",
	http.StatusRequestEntityTooLarge: "Too large",
	http.StatusTooManyRequests:       "Too many attempts",
	http.StatusServiceUnavailable:    "Not available right now",
	http.StatusInternalServerError:   "Something went wrong",
}

// FailPage renders err as a page, with the code and the request id that support can look up.
func FailPage(w http.ResponseWriter, r *http.Request, err error) {
	f := FailureOf(r, err)
	f.announce(w.Header())
	page := Page{Title: headings[f.Status], Data: f}
	if err := Render(w, f.Status, errorPage, page); err != nil {
		Add(r.Context(), "page_error", err.Error())
		http.Error(w, f.Message, f.Status)
	}
}
