package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"
)

// browser is somebody's browser as far as the script needs one: cookies, and the open page that
// listens for the end of its session.
type browser struct {
	origin string
	jar    http.CookieJar
	client *http.Client
}

func newBrowser(origin string, transport http.RoundTripper) (*browser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, fmt.Errorf("open browser: %w", err)
	}
	return &browser{origin: origin, jar: jar, client: &http.Client{Jar: jar, Transport: transport}}, nil
}

func (b *browser) close() { b.client.CloseIdleConnections() }

// follow opens a one-time link and presses its button, which leads to the member's own page.
func (b *browser) follow(ctx context.Context, link string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, link, http.NoBody)
	if err != nil {
		return fmt.Errorf("follow link: %w", err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := b.client.Do(r)
	if err != nil {
		return fmt.Errorf("follow link: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Request.URL.Path, "/w/") {
		return differs("the member's page after the one-time link", fmt.Sprintf("%s at %s", res.Status, res.Request.URL.Path))
	}
	return nil
}

// cookies returns the values of the cookies that the browser holds.
func (b *browser) cookies() []string {
	var values []string
	if u, err := url.Parse(b.origin); err == nil {
		for _, c := range b.jar.Cookies(u) {
			values = append(values, c.Value)
		}
	}
	return values
}

// session asks who is signed in. A status of 401 has no member.
func (b *browser) session(ctx context.Context) (status int, member string, err error) {
	res, err := b.get(ctx, b.origin, "/auth/session")
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	var body struct {
		Member struct {
			ID string `json:"id"`
		} `json:"member"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&body); err != nil {
		return res.StatusCode, "", fmt.Errorf("read session: %w", err)
	}
	return res.StatusCode, body.Member.ID, nil
}

func (b *browser) get(ctx context.Context, origin, path string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, origin+path, nil)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", path, err)
	}
	res, err := b.client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", path, err)
	}
	return res, nil
}

// notice is what an open page was told: when, and the reason or the sentence that came along.
type notice struct {
	at               time.Time
	reason, sentence string
	err              error
}

// listen opens the event stream of Gatehouse's own page.
func (b *browser) listen(ctx context.Context) (<-chan notice, error) {
	return b.listenTo(ctx, b.origin, "/auth/session/events", "session.ended")
}

// listenTo opens the event stream of a page and returns once the server has accepted it. The channel
// gets one notice: the event of that name, or why none came. It ends with ctx.
func (b *browser) listenTo(ctx context.Context, origin, path, event string) (<-chan notice, error) {
	res, err := b.get(ctx, origin, path)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		res.Body.Close()
		return nil, differs("an event stream", res.Status)
	}
	told := make(chan notice, 1)
	go func() {
		defer res.Body.Close()
		told <- readNotice(res.Body, event)
	}()
	return told, nil
}

// readNotice reads server-sent events until the one that says that the session has ended.
func readNotice(stream io.Reader, ending string) notice {
	lines, event := bufio.NewScanner(stream), ""
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case name == "event":
			event = value
		case name == "data" && event == ending:
			n := notice{at: time.Now()}
			var data struct{ Reason, Sentence string }
			n.err = json.Unmarshal([]byte(value), &data)
			n.reason, n.sentence = data.Reason, data.Sentence
			return n
		}
	}
	err := lines.Err()
	if err == nil {
		err = errors.New("the event stream ended without the word that the session has")
	}
	return notice{err: err}
}
