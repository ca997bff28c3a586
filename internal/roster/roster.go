package roster

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of a list.
const (
	MaxBytes = 32 << 20
	MaxRows  = 100_000
	maxCells = 100
	// MaxCell is how long a cell may be, in bytes.
	MaxCell = 1024
)

// Row is one person, as written.
type Row struct {
	Line       int // of the file, counted from 1, where the row begins
	Email      string
	Name       string
	GivenName  string
	FamilyName string
	Role       string
	// Problem says what is wrong with the row, by a code, and Detail in a sentence with line and column; "" for nothing.
	Problem string
	Detail  string
}

// Problems of a row.
const (
	ProblemFormula = "formula"       // a cell begins as formulas do
	ProblemCells   = "cells"         // more or fewer cells than columns
	ProblemTooLong = "cell_too_long" // a cell has more than MaxCell bytes
	ProblemText    = "text_invalid"  // a cell holds what is no text
)

// FileError is what is wrong with a list as a whole. Its text is a sentence for people.
type FileError struct{ Sentence string }

func (e *FileError) Error() string { return e.Sentence }

func wrong(format string, args ...any) error { return &FileError{fmt.Sprintf(format, args...)} }

// field is where a column's cells go.
type field int

const (
	ignored field = iota
	email
	name
	givenName
	familyName
	role
)

// columns are the names of columns, without regard to letter case, spaces, dashes and underlines.
var columns = map[string]field{
	"email": email, "mail": email, "emailaddress": email, "useremail": email, "username": email, "userprincipalname": email,
	"name": name, "displayname": name, "fullname": name,
	"givenname": givenName, "firstname": givenName, "first": givenName,
	"familyname": familyName, "lastname": familyName, "surname": familyName, "last": familyName,
	"role": role,
}

// Reader reads a list row by row.
type Reader struct {
	csv     *csv.Reader
	columns []field
	// Ignored are the names of columns that mean nothing here.
	Ignored []string
	rows    int
}

// counted fails where a list is longer than it may be.
type counted struct {
	in   io.Reader
	left int
}

func (c *counted) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, wrong("The file has more than %d bytes. Send it in parts.", MaxBytes)
	}
	n, err := c.in.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

// NewReader reads the first row of a list, which names the columns. An error that is a *FileError is for people.
func NewReader(in io.Reader) (*Reader, error) {
	buffered := bufio.NewReaderSize(&counted{in, MaxBytes}, 64<<10)
	start, err := buffered.Peek(4096)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(start, []byte("\xef\xbb\xbf")):
		start = start[3:]
		_, _ = buffered.Discard(3) // it is there: it was peeked at
	case bytes.HasPrefix(start, []byte("\xff\xfe")), bytes.HasPrefix(start, []byte("\xfe\xff")), bytes.IndexByte(start, 0) >= 0:
		return nil, wrong("The file is not CSV in UTF-8: it seems to be UTF-16, or no text at all. Save it as “CSV UTF-8”.")
	}
	r := &Reader{csv: csv.NewReader(buffered)}
	r.csv.FieldsPerRecord, r.csv.ReuseRecord, r.csv.Comma = -1, true, separator(start)
	head, err := r.read()
	switch {
	case errors.Is(err, io.EOF):
		return nil, wrong("The file is empty. The first row must name the columns; one of them is email.")
	case err != nil:
		return nil, err
	case len(head) > maxCells:
		return nil, wrong("The first row has %d columns; at most %d are read.", len(head), maxCells)
	}
	seen := map[field]string{}
	for _, cell := range head {
		cell = strings.TrimSpace(cell)
		f := columns[strings.NewReplacer(" ", "", "-", "", "_", "", ".", "").Replace(strings.ToLower(cell))]
		if f == ignored && cell != "" {
			r.Ignored = append(r.Ignored, cut(cell))
		}
		if other := seen[f]; f != ignored && other != "" {
			return nil, wrong("Line 1: the columns %q and %q mean the same. Leave one out.", cut(other), cut(cell))
		}
		seen[f] = cell
		r.columns = append(r.columns, f)
	}
	if seen[email] == "" {
		return nil, wrong("Line 1 must name the columns, and one of them must be email. Read: %s.", cut(strings.Join(head, ", ")))
	}
	return r, nil
}

// separator is the one of comma, semicolon and tab that the first line has most of outside quotes.
func separator(start []byte) rune {
	counts := map[byte]int{}
	quoted := false
	for _, c := range start {
		switch {
		case c == '"':
			quoted = !quoted
		case c == '\n' && !quoted:
			start = nil
		case !quoted:
			counts[c]++
		}
		if start == nil {
			break
		}
	}
	best := ','
	for _, c := range []rune{';', '\t'} {
		if counts[byte(c)] > counts[byte(best)] {
			best = c
		}
	}
	return best
}

// read returns the cells of the next row. They are valid until the one after.
func (r *Reader) read() ([]string, error) {
	cells, err := r.csv.Read()
	var broken *csv.ParseError
	if errors.As(err, &broken) {
		return nil, wrong("Line %d, column %d: %s. Nothing behind it can be read.", broken.Line, broken.Column, quoteTrouble(broken.Err))
	}
	if err != nil {
		return nil, err
	}
	for i, cell := range cells {
		if !utf8.ValidString(cell) {
			line, column := r.csv.FieldPos(i)
			return nil, wrong("Line %d, column %d: the text is not UTF-8; it seems to be Latin-1 or Windows-1252. Save the file as “CSV UTF-8”.", line, column)
		}
	}
	return cells, nil
}

func quoteTrouble(err error) string {
	switch {
	case errors.Is(err, csv.ErrBareQuote):
		return "there is a quote in the middle of a cell that does not begin with one"
	case errors.Is(err, csv.ErrQuote):
		return "a quote is not closed, or there is something behind the closing one"
	}
	return "the row cannot be read"
}

// Next returns the next row, and io.EOF behind the last. Empty rows are passed over. An error that is a *FileError is for
// people.
func (r *Reader) Next() (Row, error) {
	for {
		cells, err := r.read()
		if err != nil {
			return Row{}, err
		}
		if !slices.ContainsFunc(cells, func(c string) bool { return strings.TrimSpace(c) != "" }) {
			continue
		}
		if r.rows++; r.rows > MaxRows {
			line, _ := r.csv.FieldPos(0)
			return Row{}, wrong("Line %d: the file has more than %d people. Send it in parts.", line, MaxRows)
		}
		return r.row(cells), nil
	}
}

func (r *Reader) row(cells []string) Row {
	var row Row
	row.Line, _ = r.csv.FieldPos(0)
	at := map[field]*string{email: &row.Email, name: &row.Name, givenName: &row.GivenName, familyName: &row.FamilyName, role: &row.Role}
	fail := func(cell int, problem, format string, args ...any) {
		if row.Problem == "" {
			line, column := r.csv.FieldPos(cell)
			row.Problem, row.Detail = problem, fmt.Sprintf("Line %d, column %d: ", line, column)+fmt.Sprintf(format, args...)
		}
	}
	for i, cell := range cells {
		if i >= len(r.columns) {
			if strings.TrimSpace(cell) != "" {
				fail(i, ProblemCells, "there are %d cells, and line 1 names %d columns.", len(cells), len(r.columns))
			}
			break
		}
		to := at[r.columns[i]]
		if to == nil {
			continue
		}
		text := strings.TrimSpace(cell)
		switch {
		case len(text) > MaxCell:
			fail(i, ProblemTooLong, "the cell has %d bytes; at most %d are accepted.", len(text), MaxCell)
			text = cut(text)
		case Formula(text):
			fail(i, ProblemFormula, "the cell begins with %q, as a formula does. Write it without.", text[:1])
		case strings.ContainsFunc(text, func(c rune) bool { return c < ' ' && c != '\n' && c != '\r' && c != '\t' || c == 0x7f }):
			fail(i, ProblemText, "the cell holds a control character.")
			text = ""
		}
		*to = strings.Join(strings.Fields(text), " ")
	}
	if len(cells) < len(r.columns) && row.Email == "" {
		fail(len(cells)-1, ProblemCells, "there are %d cells, and line 1 names %d columns.", len(cells), len(r.columns))
	}
	return row
}

// Formula reports whether a spreadsheet would take a cell for a formula.
func Formula(cell string) bool {
	return cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0]))
}

// Cell is a value as a cell of a list that is written: one that a spreadsheet would run is text.
func Cell(value string) string {
	if Formula(value) {
		return "'" + value
	}
	return value
}

// cut shortens what was written, for a sentence.
func cut(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}
