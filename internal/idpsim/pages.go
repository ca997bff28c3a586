package idpsim

import (
	"embed"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Pages are rendered here and need no script: forms post, the answer redirects back, and the last
// outcome stands on the page. Each IdP has two sections, provisioning and sign-in. The one script
// submits the form that carries a SAML response, which has a button as well.

//go:embed pages/*.html pages/idpsim.css pages/post.js
var pageFiles embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"clock": func(t time.Time) string { return t.UTC().Format("15:04:05.000") },
	"millis": func(d time.Duration) string {
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	},
	"headers": headerLines,
	"pretty":  pretty,
	"xml":     prettyXML,
	"initial": initial,
	"choice":  choice,
}).ParseFS(pageFiles, "pages/*.html"))

// section is one page of an IdP in its navigation.
type section struct {
	Path, Title string
	Current     bool
}

// sections is the navigation, seen from the page at that path.
func (p *IdP) sections(here string) []section {
	at := "/" + string(p.kind)
	list := []section{{at, "Provisioning (SCIM)", here == at}, {at + "/saml", "Sign-in (SAML)", here == at+"/saml"}}
	if p.kind.SpeaksOIDC() {
		list = append(list, section{at + "/oidc", "Sign-in (OpenID Connect)", here == at+"/oidc"})
	}
	return list
}

// Limits of what one page shows; the JSON interface has everything.
const (
	shownPeople = 100
	shownTrace  = 40
)

type idpView struct {
	State
	Sections []section
	Summary  string
	Entra    bool
	Okta     bool
	Pushes   bool // groups
	Query    string
	Shown    []personView
	Matching int // people that the search found
	GroupSet []groupView
	Trace    []Exchange
}

type personView struct {
	Person
	Base        string
	StateName   string
	ManagerName string
	Groups      []string
	Entra       bool
	AllGroups   []Group
}

type groupView struct {
	Group
	Base      string
	StateName string
	People    []Person
	Entra     bool
	Pushes    bool
}

func (s *Server) indexPage(w http.ResponseWriter, _ *http.Request) {
	type card struct {
		State
		Summary            string
		Provisioned, Fails int
	}
	var cards []card
	for _, k := range Kinds() {
		c := card{State: s.idps[k].State(), Summary: k.Summary()}
		for _, x := range c.People {
			switch x.State() {
			case "provisioned":
				c.Provisioned++
			case "failed":
				c.Fails++
			}
		}
		cards = append(cards, c)
	}
	render(w, "index.html", cards)
}

func (p *IdP) page(w http.ResponseWriter, r *http.Request) {
	v := idpView{State: p.State(), Sections: p.sections("/" + string(p.kind)), Summary: p.kind.Summary(), Entra: p.kind.IsEntra(),
		Okta: p.kind.isOkta(), Pushes: p.kind.PushesGroups(), Query: strings.TrimSpace(r.URL.Query().Get("q")), Trace: p.trace.Last(shownTrace)}
	base := "/" + string(p.kind)
	byID := make(map[string]Person, len(v.People))
	for _, x := range v.People {
		byID[x.ID] = x
	}
	groupsOf := map[string][]string{}
	for _, g := range v.Groups {
		gv := groupView{Group: g, Base: base + "/groups/" + g.ID, StateName: g.State(), Entra: v.Entra, Pushes: v.Pushes}
		for _, id := range g.Members {
			groupsOf[id] = append(groupsOf[id], g.Name)
			if len(gv.People) < shownPeople {
				gv.People = append(gv.People, byID[id])
			}
		}
		v.GroupSet = append(v.GroupSet, gv)
	}
	for _, x := range v.People {
		if !matches(x, v.Query) {
			continue
		}
		v.Matching++
		if len(v.Shown) < shownPeople {
			v.Shown = append(v.Shown, personView{Person: x, Base: base + "/people/" + x.ID, StateName: x.State(),
				ManagerName: byID[x.Manager].DisplayName, Groups: groupsOf[x.ID], Entra: v.Entra, AllGroups: v.Groups})
		}
	}
	render(w, "idp.html", v)
}

func matches(x Person, query string) bool {
	if query == "" {
		return true
	}
	query = strings.ToLower(query)
	return strings.Contains(strings.ToLower(x.UserName), query) || strings.Contains(strings.ToLower(x.DisplayName), query)
}

// form runs a verb for a page and goes back to it. The outcome is kept by the operation itself; a
// mistake made before that is noted here.
func (p *IdP) form(v verb) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := r.ParseForm()
		if err == nil {
			var in input
			if in, err = formInput(r.PostForm); err == nil {
				_, err = v(r.Context(), p, r.PathValue("id"), in)
			}
		}
		if err != nil {
			p.mu.Lock()
			p.last = &Outcome{Time: p.opts.Clock(), Operation: "Not done", Message: err.Error()}
			p.mu.Unlock()
		}
		http.Redirect(w, r, "/"+string(p.kind), http.StatusSeeOther)
	}
}

func stylesheet(w http.ResponseWriter, _ *http.Request) { asset(w, "idpsim.css", "text/css") }

func postScript(w http.ResponseWriter, _ *http.Request) { asset(w, "post.js", "text/javascript") }

func asset(w http.ResponseWriter, name, mediaType string) {
	data, err := pageFiles.ReadFile("pages/" + name)
	if err != nil {
		http.Error(w, "no "+name, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", mediaType+"; charset=utf-8")
	_, _ = w.Write(data) // the client has gone away: nobody to tell
}

func render(w http.ResponseWriter, name string, v any) { renderWith(w, http.StatusOK, name, v) }

func renderWith(w http.ResponseWriter, status int, name string, v any) {
	var b strings.Builder
	if err := pages.ExecuteTemplate(&b, name, v); err != nil {
		http.Error(w, "render "+name+": "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(b.String())) // as above
}

// headerLines shows headers as they go over the wire, in alphabetical order.
func headerLines(h http.Header) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(h)) {
		for _, v := range h[k] {
			b.WriteString(k + ": " + v + "\n")
		}
	}
	return b.String()
}

// pretty indents JSON for reading and leaves everything else as it is.
func pretty(text string) string {
	v, err := decodeOrdered([]byte(text))
	if err != nil {
		return text
	}
	var b strings.Builder
	indent(&b, v, "")
	return b.String()
}

// indent keeps the order of keys, which encoding/json would only do for structs.
func indent(b *strings.Builder, v any, margin string) {
	inner := margin + "  "
	switch v := v.(type) {
	case object:
		if len(v) == 0 {
			b.WriteString("{}")
			return
		}
		b.WriteString("{\n")
		for i, f := range v {
			b.WriteString(inner + string(encode(f.key)) + ": ")
			indent(b, f.value, inner)
			b.WriteString(comma(i, len(v)))
		}
		b.WriteString(margin + "}")
	case []any:
		if len(v) == 0 {
			b.WriteString("[]")
			return
		}
		b.WriteString("[\n")
		for i, e := range v {
			b.WriteString(inner)
			indent(b, e, inner)
			b.WriteString(comma(i, len(v)))
		}
		b.WriteString(margin + "]")
	default:
		b.Write(encode(v))
	}
}

func comma(i, n int) string {
	if i < n-1 {
		return ",\n"
	}
	return "\n"
}
