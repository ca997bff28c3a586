package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// application is a product behind the provider: it is told when sessions end.
type application struct {
	server *http.Server
	url    string
	told   chan time.Time // when a logout token came
}

func startApplication() (*application, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	a := &application{url: "http://" + l.Addr().String() + "/logout", told: make(chan time.Time, 1024)}
	a.server = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := time.Now()
		if r.PostFormValue("logout_token") != "" {
			a.told <- at
		}
	})}
	go func() { _ = a.server.Serve(l) }() // ends with close
	return a, nil
}

func (a *application) close() { _ = a.server.Close() }

// farewellTimeout bounds the wait for each word of an end.
const farewellTimeout = 30 * time.Second

// farewell measures the time from the answer of the PATCH that puts a person out to the arrival of
// the logout token at an application that they are signed in to, and to the word in an open tab.
// The limit is one POST to the same application from here.
func (h *house) farewell(ctx context.Context, r *report) error {
	progress("%s: telling applications and tabs", h.name)
	var logout, tab, limit []time.Duration
	for i := range h.plan.ends {
		n := maxConcurrency*reserved - 1 - i%maxConcurrency
		cookie, err := h.signedIn(n)
		if err != nil {
			return err
		}
		told, err := h.openTab(ctx, cookie)
		if err != nil {
			return err
		}
		if err := h.activate(h.slots[0], n, false); err != nil {
			return err
		}
		answered := time.Now()
		for waiting := 2; waiting > 0; waiting-- {
			select {
			case at := <-h.application.told:
				logout = append(logout, max(at.Sub(answered), 0))
			case word := <-told:
				if word.err != nil {
					return word.err
				}
				tab, told = append(tab, max(word.at.Sub(answered), 0)), nil
			case <-time.After(farewellTimeout):
				return errors.New("nobody was told of the end of a session")
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		took, err := h.application.knock(ctx)
		if err != nil {
			return err
		}
		limit = append(limit, took)
	}
	for _, x := range []struct {
		what, aim string
		took      []time.Duration
	}{
		{"limit: a POST to the application", "", limit},
		{"deprovision to back-channel logout", "100 ms p99", logout},
		{"deprovision to open tab told", "", tab},
	} {
		slices.Sort(x.took)
		r.add(row{what: x.what, database: h.name, c: 1, p50: x.took[len(x.took)/2], p99: x.took[len(x.took)*99/100],
			value: fmt.Sprintf("%d times", len(x.took)), aim: x.aim})
	}
	return nil
}

// signedIn takes a person in again, with a session and a sign-in to the application.
func (h *house) signedIn(n int) (cookie string, err error) {
	if err := h.activate(h.slots[0], n, true); err != nil {
		return "", err
	}
	var t tenant
	if err := h.child.control.ask(&t, "POST", "/control/session?email="+userName("crowd", n), "", ""); err != nil {
		return "", err
	}
	cookie = "Cookie: gatehouse_session=" + t.Token + "\r\n"
	_, err = h.roundTrip(h.slots[1].wire, cookie)
	return cookie, err
}

// word is what an open tab was told, and when.
type word struct {
	at  time.Time
	err error
}

// openTab opens the stream of a session and returns once the server has it.
func (h *house) openTab(ctx context.Context, cookie string) (<-chan word, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.child.address+"/auth/session/events", nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Cookie", strings.TrimSpace(strings.TrimPrefix(cookie, "Cookie: ")))
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("open the stream of a session: answered %s", res.Status), res.Body.Close())
	}
	told := make(chan word, 1)
	go func() {
		defer res.Body.Close()
		lines := bufio.NewScanner(res.Body)
		for lines.Scan() {
			if strings.Contains(lines.Text(), "session.ended") {
				told <- word{at: time.Now()}
				return
			}
		}
		told <- word{err: errors.Join(errors.New("the stream of a session ended without a word"), lines.Err())}
	}()
	return told, nil
}

// knock posts to the application as a logout does.
func (a *application) knock(ctx context.Context) (time.Duration, error) {
	body := url.Values{"nothing": {strings.Repeat("x", 700)}}.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	began := time.Now()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, res.Body)
	return time.Since(began), errors.Join(err, res.Body.Close())
}
