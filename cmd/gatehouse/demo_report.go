package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// stepTime bounds one step of the script. The slowest takes a second on a machine that is not busy.
const stepTime = time.Minute

// mismatch is a step that found something else than the story says.
type mismatch struct{ want, got string }

func (m *mismatch) Error() string { return "expected " + m.want + ", got " + m.got }

// differs makes a mismatch; want and got are shown as they print.
func differs(want, got any) error { return &mismatch{fmt.Sprint(want), fmt.Sprint(got)} }

// same is a mismatch of what unless want and got are equal.
func same[T comparable](what string, want, got T) error {
	if want == got {
		return nil
	}
	return differs(fmt.Sprintf("%s %v", what, want), got)
}

// stepResult is one line of the script.
type stepResult struct {
	Chapter  string `json:"chapter"` // the IdP client, or what the steps are about
	Step     string `json:"step"`
	OK       bool   `json:"ok"`
	Detail   string `json:"detail,omitempty"`
	Expected string `json:"expected,omitempty"`
	Got      string `json:"got,omitempty"`
	TookMS   int64  `json:"took_ms"`
}

// report prints the script line by line and counts.
type report struct {
	out                     io.Writer
	json                    bool
	played, failed, skipped int
}

// play plays steps in order. After one that fails, the rest of its chapter would only fail after
// it and is left out, unless the step stands alone. The error is one of printing, or that of ctx.
func (r *report) play(ctx context.Context, steps []step) error {
	broken := ""
	for _, s := range steps {
		if s.chapter == broken {
			r.skipped++
			continue
		}
		ok, err := r.step(ctx, s)
		if err != nil {
			return err
		}
		if !ok && !s.alone {
			broken = s.chapter
		}
	}
	return nil
}

// step plays one step and prints its line.
func (r *report) step(ctx context.Context, s step) (ok bool, err error) {
	began := time.Now()
	within, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	detail, failure := s.play(within)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	line := stepResult{Chapter: s.chapter, Step: s.name, OK: failure == nil, Detail: detail, TookMS: time.Since(began).Milliseconds()}
	r.played++
	if failure != nil {
		r.failed++
		line.Detail, line.Expected, line.Got = "", "the step to work", failure.Error()
		var m *mismatch
		if errors.As(failure, &m) {
			line.Expected, line.Got = m.want, m.got
		}
	}
	return failure == nil, r.print(line)
}

func (r *report) print(line stepResult) error {
	if r.json {
		e := json.NewEncoder(r.out)
		e.SetEscapeHTML(false)
		return e.Encode(line)
	}
	var err error
	switch {
	case line.OK && line.Detail != "":
		_, err = fmt.Fprintf(r.out, "ok   %s: %s (%s)\n", line.Chapter, line.Step, line.Detail)
	case line.OK:
		_, err = fmt.Fprintf(r.out, "ok   %s: %s\n", line.Chapter, line.Step)
	default:
		_, err = fmt.Fprintf(r.out, "FAIL %s: %s: expected %s, got %s\n", line.Chapter, line.Step, line.Expected, line.Got)
	}
	return err
}

// milliseconds shows a short duration: "1.4 ms".
func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}

// fromAnswer shows an instant relative to the SCIM answer, which it may precede: the commit comes
// before the answer, and who listens may be told between the two.
func fromAnswer(d time.Duration) string {
	if d < 0 {
		return milliseconds(-d) + " before"
	}
	return milliseconds(d) + " after"
}
