package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// maxPage bounds what is read of a page, in bytes.
const maxPage = 4 << 20

type node = html.Node

// page is a page that a browser shows.
type page struct {
	url    *url.URL
	status int
	doc    *html.Node
}

// String is where the page is, for complaints.
func (p *page) String() string {
	text := fmt.Sprintf("%d at %s%s", p.status, p.url.Host, p.url.Path)
	if heading := p.find(func(n *html.Node) bool { return n.Data == "h1" }); heading != nil {
		text += " (" + textOf(heading) + ")"
	}
	return text
}

// open goes to an address, by a link or the address bar.
func (b *browser) open(ctx context.Context, address string) (*page, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("open page: %w", err)
	}
	return b.load(b.client, r)
}

func (b *browser) load(client *http.Client, r *http.Request) (*page, error) {
	res, err := client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("open page: %w", err)
	}
	defer res.Body.Close()
	return readPage(res)
}

func readPage(res *http.Response) (*page, error) {
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxPage))
	if err != nil {
		return nil, fmt.Errorf("read page: %w", err)
	}
	doc, err := html.Parse(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("read page: %w", err)
	}
	return &page{url: res.Request.URL, status: res.StatusCode, doc: doc}, nil
}

// submit sends a form with the values of with in place of its own. As browsers do, a form that
// goes to another site carries no cookies that are SameSite=Lax, and says so.
func (b *browser) submit(ctx context.Context, p *page, form *html.Node, with url.Values) (*page, error) {
	target, err := p.url.Parse(attr(form, "action"))
	if err != nil {
		return nil, fmt.Errorf("submit form: %w", err)
	}
	values := fieldsOf(form)
	for name, v := range with {
		values[name] = v
	}
	if !strings.EqualFold(attr(form, "method"), http.MethodPost) {
		target.RawQuery = values.Encode()
		return b.open(ctx, target.String())
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), strings.NewReader(values.Encode()))
	if err != nil {
		return nil, fmt.Errorf("submit form: %w", err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", p.url.Scheme+"://"+p.url.Host)
	r.Header.Set("Sec-Fetch-Site", relation(p.url, target))
	if target.Hostname() == p.url.Hostname() {
		return b.load(b.client, r)
	}
	return b.submitAway(r)
}

// submitAway sends a form to another site, without cookies, and goes on from there with them.
func (b *browser) submitAway(r *http.Request) (*page, error) {
	bare := &http.Client{Transport: b.client.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := bare.Do(r)
	if err != nil {
		return nil, fmt.Errorf("submit form: %w", err)
	}
	defer res.Body.Close()
	b.jar.SetCookies(r.URL, res.Cookies())
	next, err := res.Location()
	if errors.Is(err, http.ErrNoLocation) {
		return readPage(res)
	}
	if err != nil {
		return nil, fmt.Errorf("submit form: %w", err)
	}
	return b.open(r.Context(), next.String())
}

// relation is the Sec-Fetch-Site of a request from one address to another. An IP address and a
// name are each a site of their own; ports are not part of it.
func relation(from, to *url.URL) string {
	switch {
	case from.Scheme == to.Scheme && from.Host == to.Host:
		return "same-origin"
	case from.Hostname() == to.Hostname():
		return "same-site"
	}
	return "cross-site"
}

// find returns the first element that fits, or nil.
func (p *page) find(fits func(*html.Node) bool) *html.Node { return findIn(p.doc, fits) }

func findIn(root *html.Node, fits func(*html.Node) bool) *html.Node {
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && fits(n) {
			return n
		}
	}
	return nil
}

// id returns the element of that id, or nil.
func (p *page) id(id string) *html.Node {
	return p.find(func(n *html.Node) bool { return attr(n, "id") == id })
}

// says returns the text of the element of that id, "" where there is none.
func (p *page) says(id string) string {
	if n := p.id(id); n != nil {
		return textOf(n)
	}
	return ""
}

// fact returns what a list of terms says of one: <dt>term</dt><dd>text</dd>.
func (p *page) fact(term string) string {
	dt := p.find(func(n *html.Node) bool { return n.Data == "dt" && textOf(n) == term })
	for n := dt; n != nil; n = n.NextSibling {
		if n.Type == html.ElementNode && n.Data == "dd" {
			return textOf(n)
		}
	}
	return ""
}

// fieldsOf are the values that a form would send, without its buttons.
func fieldsOf(form *html.Node) url.Values {
	values := url.Values{}
	for n := range form.Descendants() {
		name := attr(n, "name")
		if n.Type != html.ElementNode || name == "" {
			continue
		}
		switch n.Data {
		case "input":
			values.Add(name, attr(n, "value"))
		case "select":
			chosen := findIn(n, func(o *html.Node) bool { return o.Data == "option" && has(o, "selected") })
			if chosen == nil {
				chosen = findIn(n, func(o *html.Node) bool { return o.Data == "option" })
			}
			if chosen != nil {
				values.Add(name, attr(chosen, "value"))
			}
		}
	}
	return values
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

// textOf is what stands in an element, with single spaces.
func textOf(n *html.Node) string {
	var words []string
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			words = append(words, strings.Fields(d.Data)...)
		}
	}
	return strings.Join(words, " ")
}
