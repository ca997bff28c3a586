package console

import (
	"io"
	"net/http"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/guide"
)

// llmsIndex is GET /llms.txt: where the guides are as plain texts (K29). Everybody may read them: there is nothing of a
// workspace in them.
func (d *Door) llmsIndex(w http.ResponseWriter, _ *http.Request) error {
	return plain(w, guide.Index(func(g guide.Guide) string {
		return strings.TrimRight(d.Settings.PublicURL, "/") + "/llms/" + g.ID() + ".txt"
	}))
}

// llmsGuide is GET /llms/{guide}.
func (d *Door) llmsGuide(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("guide")
	for _, g := range guide.All() {
		if name == g.ID()+".txt" {
			return plain(w, d.Settings.BlankGuide(g).Markdown())
		}
	}
	return errs.NotFound("guide_unknown", "There is no such guide. /llms.txt lists those that there are.")
}

func plain(w http.ResponseWriter, text string) error {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "public, max-age=300")
	_, _ = io.WriteString(w, text) // the client may have gone away
	return nil
}
