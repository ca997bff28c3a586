package main

import (
	"time"

	"github.com/gatehouse-id/gatehouse/internal/hostapp"
)

// moment is something about the end of a session that the product was told of.
type moment struct {
	hostapp.Ended
	shown time.Time // when an open page said so; zero where the word has only come
}

// causeTime is how long after an IdP's word that somebody is out the end of a session is put down
// to it.
const causeTime = time.Minute

// tenant returns the workspace of that slug, or nil.
func (w *world) tenant(slug string) *tenant {
	for _, t := range w.tenants {
		if t.slug == slug {
			return t
		}
	}
	return nil
}

// cause tells the product since when it was decided that somebody is out: since their IdP sent the
// word. A real product does not know this and has no need to.
func (w *world) cause(e hostapp.Ended) (hostapp.Cause, bool) {
	t := w.tenant(e.Company)
	if t == nil {
		return hostapp.Cause{}, false
	}
	at := w.wire.lastEnd(t.kind)
	if at.IsZero() || e.Received.Sub(at) > causeTime {
		return hostapp.Cause{}, false
	}
	return hostapp.Cause{What: t.idpTitle() + " said so", At: at}, true
}

// signedIn notes what the product got, none of which may be found in the log.
func (w *world) signedIn(s hostapp.SignIn) {
	for _, secret := range []string{s.Access, s.Refresh, s.ID} {
		if secret != "" {
			w.wire.secret(secret)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.given[s.Session] = s
}

// tokens returns what the product got for a session.
func (w *world) tokens(session string) (hostapp.SignIn, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, ok := w.given[session]
	return s, ok
}

func (w *world) sessionEnded(e hostapp.Ended) { w.note(moment{Ended: e}) }

func (w *world) endShown(e hostapp.Ended, at time.Time) { w.note(moment{e, at}) }

func (w *world) note(m moment) {
	w.mu.Lock()
	watch := w.watch
	w.mu.Unlock()
	if watch != nil {
		watch(m)
	}
}
