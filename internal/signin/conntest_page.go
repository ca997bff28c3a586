package signin

import (
	"errors"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/reason"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// testData is what the pages of a test show, in one of three forms: before it, while it waits for the tile, and its end.
type testData struct {
	Connection, Action string
	Tile               bool
	Waiting, Ended     bool
	Why                *reason.Reason
	Attempt            string
}

// sessionOf returns the live session of a request, nil for none.
func (d *Door) sessionOf(r *http.Request) func() *store.LiveSession {
	return func() *store.LiveSession {
		live, err := d.service.Check(r.Context(), r)
		if err != nil {
			return nil
		}
		return live
	}
}

// testPage is GET /auth/test/{ticket}. It uses nothing up: links are followed by those who only look at them.
func (d *Door) testPage(w http.ResponseWriter, r *http.Request) error {
	p, err := d.service.testOf(r.Context(), r.PathValue("ticket"), d.sessionOf(r)())
	if err != nil {
		return err
	}
	return d.showTest(w, testData{Connection: p.Connection, Action: r.URL.EscapedPath(), Tile: p.Tile})
}

func (d *Door) showTest(w http.ResponseWriter, data testData) error {
	// The form leads straight to an IdP, whose origin may not be known yet. There is no password on these pages.
	page := web.Page{Title: "Test of a connection", FormActions: []string{"https:"}, Data: data}
	if !d.service.secure() {
		page.FormActions = append(page.FormActions, "http:")
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	return web.Render(w, http.StatusOK, d.pages["test"], page)
}

// beginTest is POST /auth/test/{ticket}: off to the IdP, or waiting for its tile.
func (d *Door) beginTest(w http.ResponseWriter, r *http.Request) error {
	form, err := web.Form(r)
	if err != nil {
		return err
	}
	browser := d.browserSecret(r)
	if browser == "" {
		browser, _ = keys.NewToken(browserPrefix)
	}
	ticket := r.PathValue("ticket")
	p, err := d.service.testOf(r.Context(), ticket, d.sessionOf(r)())
	if err != nil {
		return err
	}
	begun, err := d.service.BeginTest(r.Context(), ticket, d.sessionOf(r)(), browser, form.Get("how") == "tile", ClientOf(r))
	var done *TestDone
	if errors.As(err, &done) {
		return d.testDone(w, r, done)
	}
	if err != nil {
		return err
	}
	http.SetCookie(w, d.browserCookie(browser))
	switch {
	case begun.Tile != "":
		http.SetCookie(w, d.tileCookie(begun.Tile))
		return d.showTest(w, testData{Connection: p.Connection, Waiting: true, Attempt: begun.Attempt})
	case begun.URL != "":
		http.Redirect(w, r, begun.URL, http.StatusSeeOther)
		return nil
	}
	return d.onward(w, onward{Action: begun.Post, Fields: []field{{"SAMLRequest", begun.Request}, {"RelayState", begun.RelayState}}}, originsOf(begun.Post))
}

// testDone answers the end of a test.
func (d *Door) testDone(w http.ResponseWriter, r *http.Request, done *TestDone) error {
	web.Add(r.Context(), "attempt", done.Attempt)
	if done.Why != nil {
		web.Add(r.Context(), "reason", done.Why.Code)
	}
	http.SetCookie(w, d.tileCookie(""))
	if done.Console {
		http.Redirect(w, r, done.url(), http.StatusSeeOther)
		return nil
	}
	return d.showTest(w, testData{Connection: done.Name, Ended: true, Why: done.Why, Attempt: done.Attempt})
}

// tileCookie holds what waits for the answer of the IdP's tile; "" takes it away.
func (d *Door) tileCookie(value string) *http.Cookie {
	c := d.cookie(value)
	c.Name, c.MaxAge = d.tileCookieName(), int(testLife.Seconds())
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

func (d *Door) tileCookieName() string {
	if d.service.secure() {
		return "__Host-gatehouse_test"
	}
	return "gatehouse_test"
}

// tile returns what a request holds for the answer of a tile, or "".
func (d *Door) tile(r *http.Request) string {
	c, err := r.Cookie(d.tileCookieName())
	if err != nil || len(c.Value) > maxTyped {
		return ""
	}
	return c.Value
}
