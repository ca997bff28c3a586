package hostapp

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

//go:embed assets
var assets embed.FS

type pages map[string]*template.Template

func readPages() (pages, error) {
	out := pages{}
	for _, name := range []string{"home", "desk", "refused"} {
		t, err := template.New(name+".html").Funcs(template.FuncMap{"initial": initial, "join": strings.Join, "clock": clock}).
			ParseFS(assets, "assets/layout.html", "assets/"+name+".html")
		if err != nil {
			return nil, err
		}
		out[name] = t
	}
	return out, nil
}

// initial is the letter of a person's picture.
func initial(name string) string {
	r, _ := utf8.DecodeRuneInString(strings.TrimSpace(name))
	if r == utf8.RuneError {
		return "?"
	}
	return strings.ToUpper(string(r))
}

func clock(t time.Time) string { return t.Local().Format("15:04:05") }

// Handler serves the product.
func (a *App) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("GET /signin/{company}", a.signIn)
	mux.HandleFunc("GET "+callbackPath, a.callback)
	mux.HandleFunc("GET "+signedOutPath, a.signedOutPage)
	mux.HandleFunc("GET /events", a.events)
	mux.HandleFunc("POST /seen", a.seen)
	mux.HandleFunc("GET /me", a.me)
	mux.HandleFunc("POST /signout", a.signOut)
	mux.HandleFunc("POST "+backchannelPath+"{company}", a.backchannel)
	for _, name := range []string{"hostapp.css", "hostapp.js"} {
		mux.HandleFunc("GET /assets/"+name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "public, max-age=300")
			http.ServeFileFS(w, r, assets, "assets/"+name)
		})
	}
	return http.NewCrossOriginProtection().Handler(a.guarded(mux))
}

// guarded sets the headers of every answer. Signing out is a form that ends up at the issuer and
// comes back, and Chromium holds form-action over redirects.
func (a *App) guarded(next http.Handler) http.Handler {
	forms := []string{"form-action 'self'"}
	for _, p := range a.parties {
		if u, err := url.Parse(p.Issuer); err == nil && !slices.Contains(forms, u.Scheme+"://"+u.Host) {
			forms = append(forms, u.Scheme+"://"+u.Host)
		}
	}
	policy := "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; " + strings.Join(forms, " ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// homeView is the page of somebody who is not signed in.
type homeView struct {
	Title     string
	Companies []Company
	Notice    string
	Bad       bool // the notice is about an end that somebody else decided
}

// deskView is the open page.
type deskView struct {
	Title     string
	Person    Person
	Company   string
	First     string // name by which the page greets
	Abilities []ability
	Tickets   []ticket
	Session   string
	Began     time.Time
	Stale     bool // the issuer did not answer; these are the facts of the sign-in
}

func (a *App) home(w http.ResponseWriter, r *http.Request) {
	v := a.visit(r)
	if v != nil && a.ending(v) == nil {
		err := a.recheck(r.Context(), v)
		if !errors.Is(err, errOver) {
			a.desk(w, v, err != nil)
			return
		}
	}
	view := homeView{Title: "Sign in"}
	if v != nil {
		if e := a.ending(v); e != nil {
			view.Notice, view.Bad = e.sentence, true
		}
	}
	a.homePage(w, view)
}

func (a *App) homePage(w http.ResponseWriter, view homeView) {
	for _, p := range a.parties {
		view.Companies = append(view.Companies, Company{Slug: p.Slug, Name: p.Name})
	}
	a.render(w, http.StatusOK, "home", view)
}

func (a *App) signedOutPage(w http.ResponseWriter, r *http.Request) {
	if a.live(r) != nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	a.homePage(w, homeView{Title: "Signed out", Notice: "You are signed out, here and at your company's sign-in."})
}

func (a *App) desk(w http.ResponseWriter, v *visit, stale bool) {
	p := a.person(v)
	view := deskView{Title: "Desk", Person: p, Company: v.party.Name, First: p.GivenName, Session: v.sid, Began: v.began,
		Abilities: abilitiesOf(p.Role), Tickets: tickets(), Stale: stale}
	if view.First == "" {
		view.First, _, _ = strings.Cut(p.Name, " ")
	}
	a.render(w, http.StatusOK, "desk", view)
}

// me is the session for programs.
func (a *App) me(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	v := a.visit(r)
	if v == nil || a.ending(v) != nil || errors.Is(a.recheck(r.Context(), v), errOver) {
		w.WriteHeader(http.StatusUnauthorized)
		body := map[string]string{"error": "signed_out"}
		if v != nil {
			body["sentence"] = a.farewell(v).Sentence
		}
		_ = json.NewEncoder(w).Encode(body)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"company": v.party.Slug, "session": v.sid, "person": a.person(v)})
}

// refuse shows why a sign-in came to nothing. Nothing starts again by itself.
func (a *App) refuse(w http.ResponseWriter, status int, why *refusal) {
	a.render(w, status, "refused", map[string]any{"Title": "Not signed in", "Code": why.Code, "Sentence": why.Sentence})
}

func (a *App) render(w http.ResponseWriter, status int, name string, view any) {
	var b bytes.Buffer
	if err := a.pages[name].ExecuteTemplate(&b, name+".html", view); err != nil {
		http.Error(w, "The page could not be drawn.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the browser may have gone
}
