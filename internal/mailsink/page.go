package mailsink

import (
	"bytes"
	"embed"
	"encoding/json"
	"html/template"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

//go:embed pages
var files embed.FS

type pages map[string]*template.Template

func readPages() (pages, error) {
	out := pages{}
	for _, name := range []string{"list", "message"} {
		t, err := template.New(name+".html").Funcs(template.FuncMap{
			"clock": func(t time.Time) string { return t.Local().Format("15:04:05") }, "join": strings.Join, "pieces": pieces}).
			ParseFS(files, "pages/layout.html", "pages/"+name+".html")
		if err != nil {
			return nil, err
		}
		out[name] = t
	}
	return out, nil
}

// piece is a run of text, or an address in it.
type piece struct{ Text, Link string }

var link = regexp.MustCompile(`https?://[^\s<>"'\\^{}|]+[^\s<>"'\\^{}|.,;:!?)]`)

// pieces parts a text into addresses of the web and what is between them.
func pieces(text string) []piece {
	var out []piece
	at := 0
	for _, found := range link.FindAllStringIndex(text, -1) {
		if found[0] > at {
			out = append(out, piece{Text: text[at:found[0]]})
		}
		out = append(out, piece{text[found[0]:found[1]], text[found[0]:found[1]]})
		at = found[1]
	}
	return append(out, piece{Text: text[at:]})
}

// Handler shows the messages.
func (s *Sink) Handler() http.Handler {
	mux, base := http.NewServeMux(), s.options.Base
	mux.HandleFunc("GET "+base+"/{$}", func(w http.ResponseWriter, _ *http.Request) {
		s.render(w, "list", map[string]any{"Base": base, "Messages": s.Messages()})
	})
	mux.HandleFunc("GET "+base+"/message/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.Atoi(r.PathValue("id"))
		m, ok := s.Message(id)
		if err != nil || !ok {
			http.Error(w, "There is no such message, or it was too long ago.", http.StatusNotFound)
			return
		}
		s.render(w, "message", map[string]any{"Base": base, "Message": m})
	})
	mux.HandleFunc("GET "+base+"/api/messages", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"messages": s.Messages()}) // the client may have gone
	})
	mux.HandleFunc("POST "+base+"/clear", func(w http.ResponseWriter, r *http.Request) {
		s.Clear()
		http.Redirect(w, r, base+"/", http.StatusSeeOther)
	})
	mux.HandleFunc("GET "+base+"/mailsink.css", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, files, "pages/mailsink.css")
	})
	return http.NewCrossOriginProtection().Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		mux.ServeHTTP(w, r)
	}))
}

func (s *Sink) render(w http.ResponseWriter, name string, view any) {
	var b bytes.Buffer
	if err := s.pages[name].ExecuteTemplate(&b, name+".html", view); err != nil {
		http.Error(w, "The page could not be drawn.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes()) // the browser may have gone
}
