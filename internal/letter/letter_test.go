package letter_test

import (
	"html"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-id/gatehouse/internal/letter"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func all(to letter.To) map[string]letter.Letter {
	const link = "https://id.test/x?a=1&b=2"
	return map[string]letter.Letter{
		"invitation":  letter.Invitation(to, "Bo", link, noon),
		"welcome":     letter.Welcome(to, link),
		"reset":       letter.PasswordReset(to, link, noon),
		"link":        letter.SignInLink(to, link, noon),
		"break-glass": letter.BreakGlassUsed(to, letter.Use{Who: "root@acme.test", With: "a password", From: "192.0.2.1", At: noon}, link),
		"mailed":      letter.MailedSignIn(to, link, noon),
		"relaxed":     letter.Relaxed(to, "root@acme.test", noon, noon, link),
		"resumed":     letter.Resumed(to, "root@acme.test", noon, link),
		"over":        letter.Resumed(to, "", noon, link),
	}
}

var (
	tags   = regexp.MustCompile(`(?s)<title>.*?</title>|<[^>]*>`)
	spaces = regexp.MustCompile(`\s+`)
)

func TestLetters_SayTheSameAsTextAndAsHTML(t *testing.T) {
	for kind, l := range all(letter.To{Workspace: "Acme & <Sons>", Name: "Ada"}) {
		page, err := l.HTML()
		if err != nil {
			t.Fatal(err)
		}
		read := spaces.ReplaceAllString(html.UnescapeString(tags.ReplaceAllString(page, " ")), " ")
		for _, line := range append(append(append([]string{}, l.Lines...), l.After...), l.Why, l.Link, l.Workspace) {
			if !strings.Contains(read, line) {
				t.Errorf("%s: the page does not say %q:\n%s", kind, line, read)
			}
			if !strings.Contains(l.Text(), line) {
				t.Errorf("%s: the text does not say %q:\n%s", kind, line, l.Text())
			}
		}
		if !strings.HasPrefix(l.Text(), "Hello Ada,\n") || l.Subject == "" || l.Why == "" {
			t.Errorf("%s: %+v", kind, l)
		}
	}
}

func TestLetters_LoadNothingAndRunNothing(t *testing.T) {
	nasty := letter.To{Workspace: `<img src=//evil.test/x>`, Name: `"><script>alert(1)</script>`}
	for kind, l := range all(nasty) {
		page, err := l.HTML()
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"<img", "<script", "src=\"", "url(", "@import", "<link", "javascript:"} {
			if strings.Contains(strings.ToLower(page), bad) {
				t.Errorf("%s has %s:\n%s", kind, bad, page)
			}
		}
	}
	l := letter.Welcome(letter.To{}, "javascript:alert(1)")
	if page, err := l.HTML(); err != nil || strings.Contains(page, `href="javascript`) {
		t.Errorf("an address that runs: %v\n%s", err, page)
	}
}

func TestName_IsOneLineOfWhatCanBeRead(t *testing.T) {
	for in, want := range map[string]string{
		"Ada Lovelace":                   "Ada Lovelace",
		"Ada\r\nBcc: eve@evil.test":      "Ada Bcc: eve@evil.test",
		"  a \t\u2028 b  ":               "a b",
		"evil\u202egnp.exe":              "evilgnp.exe",
		"\u05d3\u05df":                   "\u2068\u05d3\u05df\u2069",
		"\xff":                           "\ufffd",
		strings.Repeat("x", 300):         strings.Repeat("x", 80) + "…",
		strings.Repeat("\u00e9", 81):     strings.Repeat("\u00e9", 80) + "…",
		"\x00\x07":                       "",
		"\u0645\u06cc\u200c\u062e\u0648": "\u2068\u0645\u06cc\u200c\u062e\u0648\u2069",
	} {
		if got := letter.Name(in); got != want || !utf8.ValidString(got) {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzName(f *testing.F) {
	f.Add("Ada\r\nx: y")
	f.Fuzz(func(t *testing.T, s string) {
		n := letter.Name(s)
		if strings.ContainsAny(n, "\r\n\x00\u202e\u2028") || !utf8.ValidString(n) || utf8.RuneCountInString(n) > 84 {
			t.Errorf("%q became %q", s, n)
		}
	})
}
