package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/gatehouse-id/gatehouse/internal/config"
	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// streams are where a program reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// program is one run of the command line.
type program struct {
	streams
	environ    []string
	json       bool
	flags      map[string]string // settings that were given as flags
	configFile string
	backend    backend // what runs verbs, once one was needed
}

// config reads the settings.
func (p *program) config() (config.Config, error) {
	return config.Load(p.flags, p.environ, p.configFile, outputVariable)
}

// close lets go of the database or the socket, whichever a verb used.
func (p *program) close() error {
	if p.backend == nil {
		return nil
	}
	return p.backend.close()
}

// problem is an error as programs read it.
type problem struct {
	Kind    errs.Kind `json:"kind"`
	Code    string    `json:"code"`
	Message string    `json:"message"`
}

// kindUsage is a command line that was not understood.
const kindUsage errs.Kind = "usage"

// problemOf reads an error for the operator, who is told the cause where the sentence is not
// meant to be all there is to know.
func problemOf(err error) problem {
	var usage *usageError
	var mistakes config.Mistakes
	switch e := errs.As(err); {
	case errors.As(err, &usage):
		return problem{kindUsage, "usage", usage.sentence}
	case errors.As(err, &mistakes):
		return problem{kindUsage, "config_invalid", mistakes.Error()}
	case errors.Is(err, context.Canceled):
		return problem{errs.KindUnavailable, "interrupted", "Interrupted."}
	case e != nil:
		return problem{e.Kind, e.Code, e.Message}
	default:
		return problem{errs.KindInternal, "internal", err.Error()}
	}
}

// fail prints err, if there is one, and returns the exit code.
func (p *program) fail(err error) int {
	if err == nil {
		return 0
	}
	problem := problemOf(err)
	if p.json {
		_ = writeJSON(p.err, map[string]any{"error": problem}) // there is nobody left to tell
	} else {
		fmt.Fprintln(p.err, "gatehouse: "+problem.Message)
	}
	if problem.Kind == kindUsage {
		return 2
	}
	return 1
}

// show prints the outcome of a verb: v as one JSON document, or what text writes. Columns that
// text separates with tabs are aligned.
func (p *program) show(v any, text func(w io.Writer)) error {
	if p.json {
		return writeJSON(p.out, v)
	}
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	text(w)
	return w.Flush()
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// cells joins what stands in one line of a table. Names come from directories and browsers: in none
// of them may a control character reach the operator's terminal, which would obey it, or a line
// break, which would make a line that is not there.
func cells(words ...string) string {
	for i, w := range words {
		words[i] = strings.Map(visible, w)
	}
	return strings.Join(words, "\t") + "\n"
}

// visible puts U+FFFD in the place of control characters and of those that turn the direction of
// writing (Unicode standard annex 9), by which one address can look like another.
func visible(r rune) rune {
	if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
		return unicode.ReplacementChar
	}
	return r
}

// operatorName is who the event log names for acts of the command line.
func operatorName() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "uid " + strconv.Itoa(os.Getuid())
}
