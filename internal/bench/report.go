package main

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

// row is one line of the table.
type row struct {
	what     string
	database string
	c        int
	rate     float64
	ratio    string
	cpu      time.Duration
	p50, p99 time.Duration
	value    string
	aim      string
}

// report is what was measured.
type report struct {
	versions []string
	rows     []row
	notes    []string
}

func newReport() *report { return &report{} }

func (r *report) add(x row) { r.rows = append(r.rows, x) }

func (r *report) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// aims are DESIGN section 9's, by the beginning of the measure's name.
var aims = []struct{ measure, aim string }{
	{"create", "0.2 of a commit (0.12 at the least), 0.8 ms"},
	{"lookup", "0.25 of a read"},
	{"member change, group", "4 commits"},
	{"batch", "20 ms"},
	{"ACS to session", "800/s"},
	{"provider round trip", "330/s"},
	{"session check", "0.3 of empty (SQLite); p99 three times"},
}

func aimOf(name string) string {
	for _, a := range aims {
		if strings.HasPrefix(name, a.measure) {
			return a.aim
		}
	}
	return ""
}

func (r *report) addSample(database string, c int, m measured, s sample) {
	x := row{what: m.name, database: database, c: c, rate: s.rate, cpu: s.cpu, p50: s.p50, p99: s.p99, aim: aimOf(m.name)}
	switch {
	case s.ratio == 0:
	case m.byCPU:
		x.ratio = fmt.Sprintf("%.1f times its CPU", 1/s.ratio)
	case m.inverse:
		x.ratio = fmt.Sprintf("%.1f %s", 1/s.ratio, cmp.Or(m.unit, "commits"))
	default:
		x.ratio = fmt.Sprintf("%.3f", s.ratio)
	}
	r.add(x)
}

// header names the machine and the versions.
func (r *report) header() string {
	return fmt.Sprintf("%d cores (%s/%s), %s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), strings.Join(r.versions, ", "))
}

var headings = []string{"measure", "database", "c", "per second", "of its limit", "own CPU", "p50", "p99", "value", "aim"}

func (x row) cells() []string {
	cells := []string{x.what, x.database, "", "", x.ratio, "", "", "", x.value, x.aim}
	if x.c > 0 {
		cells[2] = fmt.Sprint(x.c)
	}
	if x.rate > 0 {
		cells[3] = fmt.Sprintf("%.0f", x.rate)
	}
	for i, d := range []time.Duration{x.cpu, x.p50, x.p99} {
		if d > 0 {
			cells[5+i] = milliseconds(d)
		}
	}
	return cells
}

// thousands writes a number with a comma before each three digits.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

func milliseconds(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case ms < 0.1:
		return fmt.Sprintf("%.3f ms", ms)
	case ms < 10:
		return fmt.Sprintf("%.2f ms", ms)
	default:
		return fmt.Sprintf("%.0f ms", ms)
	}
}

// text prints the table for a terminal.
func (r *report) text(out io.Writer) {
	fmt.Fprintln(out, r.header())
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(headings, "\t"))
	for _, x := range r.rows {
		fmt.Fprintln(w, strings.Join(x.cells(), "\t"))
	}
	_ = w.Flush()
	for _, n := range r.notes {
		fmt.Fprintln(out, "\n"+n)
	}
}

// markdown prints the table for docs/benchmarks.md.
func (r *report) markdown(out io.Writer) {
	fmt.Fprintf(out, "%s\n\n| %s |\n|%s\n", r.header(), strings.Join(headings, " | "), strings.Repeat("---|", len(headings)))
	for _, x := range r.rows {
		fmt.Fprintf(out, "| %s |\n", strings.Join(x.cells(), " | "))
	}
	for _, n := range r.notes {
		fmt.Fprintln(out, "\n"+n)
	}
}
