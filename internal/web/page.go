package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"time"
)

//go:embed assets
var assets embed.FS

// Page is what the layout needs of a page, and Data for the page's own template, which sees the
// whole Page as its dot.
type Page struct {
	Title     string // the window's title and nothing else; the content has its own heading
	Workspace string // the workspace's name beside ours; "" where none is known
	Wide      bool   // room for tables; otherwise one card in the middle
	Nav       []Link
	Notice    *Notice
	// FormActions are origins, beside ours, that a form of this page may lead to, such as the IdP
	// that sign-in redirects to.
	FormActions []string
	// FramedBy are the sites that may show this page in a frame; none means nobody.
	FramedBy []string
	Data     any
}

// Link is one entry of the navigation.
type Link struct {
	Text    string
	Href    string
	Current bool
}

// Notice is a sentence above the content.
type Notice struct {
	Kind string // "info", "ok", "warn" or "bad"
	Text string
}

// Template returns the common layout with a page's own templates parsed into it. The page defines
// "content"; files are names in fsys, as for template.ParseFS. Inline scripts and style attributes
// do not work: the content security policy forbids them.
//
// Functions: when formats a time.Time for people, in UTC, inside a <time> element; instant gives
// RFC 3339; asset gives the address of a file of the kit ("gatehouse.css") with its hash.
func Template(fsys fs.FS, files ...string) (*template.Template, error) {
	t, err := template.New("layout.html").Funcs(functions).ParseFS(assets, "assets/layout.html")
	if err != nil {
		return nil, fmt.Errorf("parse layout: %w", err)
	}
	if t, err = t.ParseFS(fsys, files...); err != nil {
		return nil, fmt.Errorf("parse page: %w", err)
	}
	return t, nil
}

var functions = template.FuncMap{
	"asset":   assetURL,
	"instant": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"when": func(t time.Time) template.HTML {
		t = t.UTC()
		return template.HTML(`<time datetime="` + t.Format(time.RFC3339) + `">` + t.Format("2 Jan 2006, 15:04") + ` UTC</time>`)
	},
}

// errorPage is the kit's only page of its own.
var errorPage = template.Must(Template(assets, "assets/error.html"))

// Render answers with a page. It is made in memory first, so that an error of the template is
// still an error to render and not half a page.
func Render(w http.ResponseWriter, status int, t *template.Template, page Page) error {
	var body bytes.Buffer
	if err := t.ExecuteTemplate(&body, "layout.html", page); err != nil {
		return fmt.Errorf("render page %q: %w", page.Title, err)
	}
	if len(page.FormActions)+len(page.FramedBy) > 0 {
		w.Header().Set("Content-Security-Policy", contentPolicy(page.FormActions, page.FramedBy))
	}
	if len(page.FramedBy) > 0 {
		w.Header().Del("X-Frame-Options") // which knows no other site
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the client may have gone away
	return nil
}
