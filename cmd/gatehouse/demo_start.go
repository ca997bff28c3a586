package main

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// mailBase is where the mail that was caught is shown.
const mailBase = "/mail"

//go:embed demo_pages
var demoPages embed.FS

// startPage is the page that the demonstration begins with: three buttons and what happens. It is
// served by the demonstration alone; a server that is run with "serve" has nothing of it.
//
//	GET  /           the page (#sign-in, #sync, #fire, #rehire, #measure, #events, #notice, #links)
//	GET  /feed       server-sent events: "event" for each event of the log, "state" for each change
//	POST /sync       a provisioning run of the second company
//	POST /fire       the admin of the first company is deactivated in its IdP; /rehire brings her back
//	POST /owner      signs in the owner of a workspace by a fresh one-time link
//	     /mail/      the mail that was caught
type startPage struct {
	*world
	origin        string
	first, second *tenant
	template      *template.Template
	log           *slog.Logger

	acting sync.Mutex // one act at a time

	mu        sync.Mutex
	lines     []feedLine // oldest first
	listeners map[chan web.Message]bool
	notice    string
	firing    firing
	sync      string // what the last provisioning run came to
}

// openStart serves the start page and returns it.
func (w *world) openStart(ctx context.Context, log *slog.Logger) (*startPage, error) {
	listener, origin, err := w.listen(3)
	if err != nil {
		return nil, err
	}
	s := &startPage{world: w, origin: origin, first: w.tenants[0], second: w.tenant("globex"), log: log, listeners: map[chan web.Message]bool{}}
	if s.template, err = template.ParseFS(demoPages, "demo_pages/start.html"); err != nil {
		return nil, fmt.Errorf("read start page: %w", err)
	}
	w.mu.Lock()
	w.watch = s.seen
	w.mu.Unlock()
	w.serve(ctx, listener, s.handler(), log)
	ctx, cancel := context.WithCancel(ctx)
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		s.follow(ctx)
	}()
	w.unfollow = func() { cancel(); <-followed }
	return s, nil
}

func (s *startPage) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.show)
	mux.HandleFunc("GET /feed", s.feed)
	mux.HandleFunc("POST /sync", s.act(s.runSync))
	mux.HandleFunc("POST /fire", s.act(s.fire))
	mux.HandleFunc("POST /rehire", s.act(s.rehire))
	mux.HandleFunc("POST /owner", s.owner)
	for _, name := range []string{"start.css", "start.js"} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFileFS(w, r, demoPages, "demo_pages/"+name)
		})
	}
	mux.Handle(mailBase+"/", s.mail.Handler())
	return http.NewCrossOriginProtection().Handler(s.guarded(mux))
}

// guarded sets the headers of every answer, and refuses other names for this host: a name of
// somebody else's that leads here would be another site's page.
func (s *startPage) guarded(next http.Handler) http.Handler {
	own := strings.TrimPrefix(s.origin, "http://")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != own {
			http.Error(w, "This page is found at "+s.origin+" and nowhere else.", http.StatusMisdirectedRequest)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; form-action 'self' "+s.world.origin)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// startView is what the page shows.
type startView struct {
	startState
	Gatehouse, Host, IdPs, Mail   string
	SignIn, Person, First, Second string
	FirstIdP, SecondIdP           idpsim.Kind
	Tenants                       []tenantView
	Lines                         []feedLine // newest first
}

type tenantView struct {
	Slug, Name, IdPTitle, IdPPage string
	SignsIn                       bool
}

func (s *startPage) show(w http.ResponseWriter, _ *http.Request) {
	who := s.admin()
	v := startView{startState: s.state(), Gatehouse: s.world.origin, Host: s.hostOrigin, IdPs: s.idpOrigin, Mail: mailBase + "/", Person: who,
		First: s.first.name, Second: s.second.name, FirstIdP: s.first.kind, SecondIdP: s.second.kind,
		SignIn: s.hostOrigin + "/signin/" + s.first.slug + "?" + url.Values{"hint": {who}}.Encode()}
	for _, t := range s.tenants {
		v.Tenants = append(v.Tenants, tenantView{t.slug, t.name, t.kind.Title(), s.idpOrigin + "/" + string(t.kind), t.signsIn})
	}
	s.mu.Lock()
	for i := len(s.lines) - 1; i >= 0; i-- {
		v.Lines = append(v.Lines, s.lines[i])
	}
	s.mu.Unlock()
	var b bytes.Buffer
	if err := s.template.Execute(&b, v); err != nil {
		http.Error(w, "The page could not be drawn.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes()) // the browser may have gone
}

// admin is the address of the person whom the buttons are about.
func (s *startPage) admin() string { return fired + "@" + s.first.slug + ".test" }

// act makes a button of something that changes the world. What goes wrong is shown on the page.
func (s *startPage) act(do func(context.Context) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.acting.Lock()
		defer s.acting.Unlock()
		// It goes on where the browser has left: half of a provisioning run helps nobody.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), stepTime)
		defer cancel()
		err := do(ctx)
		s.mu.Lock()
		s.notice = ""
		if err != nil {
			s.notice = err.Error()
		}
		s.mu.Unlock()
		s.tell(web.Message{Event: "state", Data: s.state()})
		if strings.Contains(r.Header.Get("Accept"), "application/json") {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}
}

// owner signs in the owner of a workspace, for the console.
func (s *startPage) owner(w http.ResponseWriter, r *http.Request) {
	t := s.tenant(r.PostFormValue("workspace"))
	if t == nil {
		http.NotFound(w, r)
		return
	}
	l, err := call[link](r.Context(), s.operator, "owner.link", memberArgs{Workspace: t.slug})
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	http.Redirect(w, r, l.URL, http.StatusSeeOther)
}

// clock is an instant to the millisecond.
func clock(t time.Time) string { return t.Local().Format("15:04:05.000") }
