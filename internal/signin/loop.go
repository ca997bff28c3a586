package signin

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// reasonLoop is the code of a browser that is sent to sign in again and again.
const reasonLoop = "sign_in_loop"

// A browser may begin loopLimit sign-ins within loopWindow. Browsers themselves give up after some twenty redirects, which
// a loop by redirects alone reaches in its fourth or fifth round, and then show a page that says nothing.
const (
	loopLimit  = 3
	loopWindow = 20 * time.Second
)

// triesCookie counts the sign-ins that a browser began: "<unix seconds of the first>.<count>.<connection>". The browser
// keeps it itself, since it is the one that goes round in circles; whoever changes it harms nobody else.
func (d *Door) triesCookie(value string) *http.Cookie {
	c := d.cookie(value)
	c.Name, c.MaxAge = "gatehouse_tries", int(loopWindow/time.Second)
	if d.service.secure() {
		c.Name = "__Host-gatehouse_tries"
	}
	return c
}

// tries is what a browser's cookie says of the sign-ins that it began through a connection.
type tries struct {
	since int64 // Unix seconds
	count int
}

func (d *Door) tries(r *http.Request, connection string) tries {
	now := d.service.now().Unix()
	if c, err := r.Cookie(d.triesCookie("").Name); err == nil {
		parts := strings.SplitN(c.Value, ".", 3)
		if len(parts) == 3 && parts[2] == connection {
			at, err1 := strconv.ParseInt(parts[0], 10, 64)
			n, err2 := strconv.Atoi(parts[1])
			if err1 == nil && err2 == nil && at <= now && now-at < int64(loopWindow/time.Second) && n > 0 {
				return tries{at, n}
			}
		}
	}
	return tries{since: now}
}

// looping reports whether one more sign-in of the browser would be one too many.
func (d *Door) looping(r *http.Request, connection string) bool {
	return d.tries(r, connection).count >= loopLimit
}

// tried counts a sign-in that was begun.
func (d *Door) tried(w http.ResponseWriter, r *http.Request, connection string) {
	t := d.tries(r, connection)
	http.SetCookie(w, d.triesCookie(strconv.FormatInt(t.since, 10)+"."+strconv.Itoa(t.count+1)+"."+connection))
}

// rests forgets the sign-ins that a browser began: it is shown a page that waits for a person, which no circle passes.
func (d *Door) rests(w http.ResponseWriter, r *http.Request) {
	if _, err := r.Cookie(d.triesCookie("").Name); err == nil {
		c := d.triesCookie("")
		c.MaxAge = -1
		http.SetCookie(w, c)
	}
}

// stopLoop records that a browser was stopped and returns the *TurnedAway for it, with what became of its last sign-in.
func (s *Service) stopLoop(ctx context.Context, connection string, protocol directory.Protocol, browser, to string, c Client) error {
	at, err := s.sideOf(ctx, connection, protocol)
	if err != nil {
		return err
	}
	told := errs.Forbidden(reasonLoop, "You were sent to sign in again and again, so we stopped. Wait a moment, then try once more; if it happens again, show this page to your administrator.")
	last, err := s.lastOf(ctx, at, browser)
	if err != nil {
		return err
	}
	why := "The attempts before this one are in the list of sign-ins."
	switch {
	case last == nil:
	case last.Open():
		why = "The last sign-in of this browser has no answer of the identity provider yet: " + last.ID + "."
	case last.Code != "":
		why = "The last sign-in of this browser was refused with the reason " + last.Code + ": " + last.ID + "."
	default:
		why = "The last sign-in of this browser went well (" + last.ID + "), so what it was led to sent it back: the application does not keep its session."
	}
	return s.stopped(ctx, at, to, told, why, browser, c)
}

// lastOf is the last attempt of a browser among the newest of a connection, one that came to an end before one that did
// not, nil for none.
func (s *Service) lastOf(ctx context.Context, at *side, browser string) (*store.Attempt, error) {
	hash := browserHash(browser)
	if hash == "" {
		return nil, nil
	}
	var last *store.Attempt
	err := s.DB.Peek(ctx, at.workspace, func(tx *store.Tx) error {
		page, _, err := tx.Attempts(store.AttemptQuery{Connection: at.connection.ID, Limit: 200})
		for i := range page {
			if page[i].Browser != hash {
				continue
			}
			if last == nil || last.Open() && !page[i].Open() {
				last = &page[i]
			}
		}
		return err
	})
	return last, err
}
