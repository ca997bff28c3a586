package roster_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/roster"
)

func read(t *testing.T, text string) (rows []roster.Row, err error) {
	t.Helper()
	r, err := roster.NewReader(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows = append(rows, row)
	}
}

func TestAList_IsReadHoweverItIsWritten(t *testing.T) {
	want := roster.Row{Line: 2, Email: "ada@acme.test", Name: "Ada, the first", Role: "Admin"}
	for name, text := range map[string]string{
		"with commas":                   "email,name,role\nada@acme.test,\"Ada, the first\",Admin\n",
		"with semicolons, as in Europe": "E-Mail;Display name;ROLE\r\nada@acme.test;Ada, the first;Admin\r\n",
		"with tabs":                     "email\tname\trole\nada@acme.test\tAda, the first\tAdmin",
		"with a byte order mark":        "\xef\xbb\xbfemail,name,role\nada@acme.test,\"Ada, the first\",Admin",
		"in another order":              "role,email,name\nAdmin,ada@acme.test,\"Ada, the first\"\n",
		"with columns of no meaning":    "email,phone,name,role\nada@acme.test,1,\"Ada, the first\",Admin\n",
		"with cells that are missing":   "email,name,role,given_name\nada@acme.test,\"Ada, the first\",Admin\n",
		"with a line break in a cell":   "email,name,role\nada@acme.test,\"Ada,\nthe first\",Admin\n",
		"with empty lines":              "email,name,role\nada@acme.test,\"Ada, the first\",Admin\n\n,,\n",
	} {
		rows, err := read(t, text)
		if err != nil || len(rows) != 1 || rows[0] != want {
			t.Errorf("%s: %+v, %v", name, rows, err)
		}
	}
}

func TestARow_ThatIsWrongIsNamedByLineAndColumnAndTheOthersAreRead(t *testing.T) {
	rows, err := read(t, "email,name\n"+
		"=cmd|'/c calc'!A1,x\n"+
		"b@acme.test,\"two\nlines\"\n"+
		"c@acme.test,+1\n"+
		"d@acme.test,x,y\n"+
		"e@acme.test,"+strings.Repeat("x", 1100)+"\n"+
		"f@acme.test,\x01\n"+
		"@g.test,x\n")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"formula Line 2, column 1", "", "formula Line 5, column 13", "cells Line 6, column 15", "cell_too_long Line 7, column 13", "text_invalid Line 8, column 13", "formula Line 9, column 1"} {
		if got := strings.TrimSpace(rows[i].Problem + " " + strings.SplitN(rows[i].Detail, ":", 2)[0]); got != want {
			t.Errorf("row %d: %q, want %q: %+v", i, got, want, rows[i])
		}
	}
}

func TestAFile_ThatCannotBeReadSaysWhyAndWhere(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"nothing":               {"", "empty"},
		"no header":             {"ada@acme.test,Ada\n", "one of them must be email"},
		"Latin-1":               {"email,name\nada@acme.test,Andr\xe9\n", "Line 2, column 15: the text is not UTF-8"},
		"UTF-16":                {"\xff\xfee\x00m\x00", "UTF-16"},
		"a quote left open":     {"email,name\nada@acme.test,\"Ada\nbob@acme.test,Bob\n", "a quote is not closed"},
		"a quote in the middle": {"email,name\nada@acme.test,A\"da\n", "Line 2, column"},
		"a column twice":        {"email,mail\nx,y\n", "mean the same"},
		"too many people":       {"email\n" + strings.Repeat("a@b.test\n", roster.MaxRows+1), "more than 100000 people"},
		"too many bytes":        {"email,name\n" + strings.Repeat("\""+strings.Repeat("x", 1<<20)+"\",y\n", 33), "more than 33554432 bytes"},
	} {
		_, err := read(t, c.text)
		var file *roster.FileError
		if !errors.As(err, &file) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCell_OfAListThatIsWrittenIsNoFormula(t *testing.T) {
	for _, v := range []string{"=1+1", "+1", "-1", "@x", "\tx", "\rx"} {
		if got := roster.Cell(v); got != "'"+v {
			t.Errorf("%q became %q", v, got)
		}
	}
	for _, v := range []string{"", "Ada", "a=b", "é"} {
		if got := roster.Cell(v); got != v {
			t.Errorf("%q became %q", v, got)
		}
	}
}

func FuzzReader(f *testing.F) {
	for _, seed := range []string{"email,name\na@b.test,x\n", "\xef\xbb\xbfemail;role\r\n\"a\nb\";c\n", "email\n=1\n", "email\n\"", "\xff\xfe"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rows, _ := read(t, text)
		for _, r := range rows {
			if r.Problem == "" && (roster.Formula(r.Email) || roster.Formula(r.Name) || roster.Formula(r.Role) || strings.ContainsAny(r.Email+r.Name+r.Role, "\n\r\x00")) || r.Line < 1 {
				t.Errorf("%q: %+v", text, r)
			}
		}
	})
}
