package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// fired puts the admin out at the IdP while the product's page and Gatehouse's are open, and while
// an answer of the IdP is on its way in another browser.
func (e *entrance) fired(ctx context.Context) (string, error) {
	page, err := e.one.listenTo(ctx, e.hostOrigin, "/events", "signed-out")
	if err != nil {
		return "", err
	}
	own, err := e.one.listen(ctx)
	if err != nil {
		return "", err
	}
	other, err := e.browser()
	if err != nil {
		return "", err
	}
	asked, err := e.toIdP(ctx, other, e.productSignIn())
	if err != nil {
		return "", err
	}
	late, err := e.choose(ctx, other, asked, fired, idpsim.FaultNone)
	if err != nil {
		return "", err
	}
	answered := e.wire.nextWrite(e.t.kind)
	c := &chapter{world: e.world, t: e.t}
	if err := e.t.idp.Deactivate(ctx, e.address(fired)); err != nil {
		return "", err
	}
	if err := c.send(ctx); err != nil {
		return "", err
	}
	n, err := wait(ctx, page)
	if err != nil {
		return "", err
	}
	if _, err := wait(ctx, own); err != nil {
		return "", err
	}
	sent := e.wire.lastEnd(e.t.kind)
	if !strings.Contains(n.sentence, "your company ended your access (") {
		return "", differs("the open page to say that the company ended the access", n.sentence)
	}
	if err := e.isOut(ctx, e.one); err != nil {
		return "", err
	}
	if err := e.worthNothing(ctx); err != nil {
		return "", err
	}
	p, err := e.deliver(ctx, other, late)
	if err != nil {
		return "", err
	}
	if _, err := e.refused(ctx, other, p, "account_deactivated", "account_deactivated"); err != nil {
		return "", err
	}
	if err := e.barredAtIdP(ctx); err != nil {
		return "", err
	}
	return fmt.Sprintf("open page told %s after the IdP's request, %s its answer; tokens are refused; an answer that was on its way is refused: %q",
		milliseconds(n.at.Sub(sent)), fromAnswer(n.at.Sub(<-answered)), said(p)), nil
}

// barredAtIdP sees that the IdP itself lets the fired admin no longer choose to sign in.
func (e *entrance) barredAtIdP(ctx context.Context) error {
	b, err := e.browser()
	if err != nil {
		return err
	}
	p, err := e.toIdP(ctx, b, e.productSignIn())
	if err != nil {
		return err
	}
	button := p.find(func(n *node) bool { return n.Data == "button" && attr(n, "data-user") == e.address(fired) })
	if button != nil && !has(button, "disabled") {
		return differs("the IdP to refuse "+e.address(fired), "a button that can be pressed")
	}
	return nil
}

// said is the sentence of a page of refusal.
func said(p *page) string {
	if n := p.find(func(n *node) bool { return attr(n, "role") == "alert" }); n != nil {
		return textOf(n)
	}
	return ""
}

// worthNothing uses the tokens of the session that has ended.
func (e *entrance) worthNothing(ctx context.Context) error {
	got, ok := e.tokens(e.was.Session)
	if !ok {
		return differs("tokens of the session "+e.was.Session, "none")
	}
	for _, c := range []struct {
		what, path string
		form       url.Values
		status     int
		says       string
	}{
		{"userinfo", "/oauth2/userinfo", url.Values{"access_token": {got.Access}}, http.StatusUnauthorized, "invalid_token"},
		{"a refresh", "/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.Refresh}}, http.StatusBadRequest, "invalid_grant"},
		{"introspection", "/oauth2/introspect", url.Values{"token": {got.Access}}, http.StatusOK, "false"},
	} {
		status, says, err := e.askProvider(ctx, c.path, c.form)
		if err != nil {
			return err
		}
		if status != c.status || says != c.says {
			return differs(fmt.Sprintf("%s to be answered %d %s", c.what, c.status, c.says), fmt.Sprintf("%d %s", status, says))
		}
	}
	return nil
}

// askProvider posts a form as the product does, and returns the error or the word "active" of the answer.
func (e *entrance) askProvider(ctx context.Context, path string, form url.Values) (status int, says string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.origin+path, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, "", fmt.Errorf("ask the provider: %w", err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if !form.Has("access_token") {
		r.SetBasicAuth(url.QueryEscape(e.t.client), url.QueryEscape(e.t.secret))
	}
	res, err := (&http.Client{Transport: e.transport}).Do(r)
	if err != nil {
		return 0, "", fmt.Errorf("ask the provider: %w", err)
	}
	defer res.Body.Close()
	var body struct {
		Error  string
		Active *bool
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxPage)).Decode(&body); err != nil && !errors.Is(err, io.EOF) {
		return res.StatusCode, "", fmt.Errorf("read the provider's answer: %w", err)
	}
	if body.Active != nil {
		return res.StatusCode, fmt.Sprint(*body.Active), nil
	}
	return res.StatusCode, body.Error, nil
}

// back brings the admin back at the IdP: the old session stays dead, a new sign-in finds the same member.
func (e *entrance) back(ctx context.Context) (string, error) {
	if err := e.t.idp.Reactivate(ctx, e.address(fired)); err != nil {
		return "", err
	}
	if err := (&chapter{world: e.world, t: e.t}).send(ctx); err != nil {
		return "", err
	}
	if err := e.isOut(ctx, e.one); err != nil {
		return "", err
	}
	began := time.Now()
	p, err := e.signIn(ctx, e.one, e.productSignIn(), fired, idpsim.FaultNone)
	if err != nil {
		return "", err
	}
	took := time.Since(began)
	now, err := e.inProduct(ctx, e.one, p, fired)
	if err != nil {
		return "", err
	}
	if err := same("the member", e.was.Person.Subject, now.Person.Subject); err != nil {
		return "", err
	}
	if now.Session == e.was.Session {
		return "", differs("a new session", "the old one")
	}
	return fmt.Sprintf("%s under the same id; the whole way took %s", now.Person.Role, took.Round(time.Millisecond)), same("the role", e.was.Person.Role, now.Person.Role)
}
