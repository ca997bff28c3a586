package acceptance

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/html"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// newBrowser is a browser as far as a story needs one: cookies, redirects, and SameSite=Lax. It
// asks nobody outside this machine; where it would go is told by page.to.
func (w *world) newBrowser() *browser {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	w.must(err)
	b := &browser{w: w}
	b.Client = &http.Client{Jar: jar, Timeout: time.Minute, Transport: lax{}, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if !onLoopback(r.URL) {
			return http.ErrUseLastResponse
		}
		b.hops = append(b.hops, r.Method+" "+r.URL.Path)
		return nil
	}}
	return b
}

// lax leaves cookies out of forms that another site posts.
type lax struct{}

func (lax) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPost && r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		r = r.Clone(r.Context())
		r.Header.Del("Cookie")
	}
	return http.DefaultTransport.RoundTrip(r)
}

func onLoopback(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// page is where a browser ended, after redirects.
type page struct {
	url    *url.URL
	status int
	header http.Header
	text   string
	root   *html.Node
	to     *url.URL // where it would go on, outside this machine
}

func (p page) failed() bool { return p.status >= 400 && p.status <= 499 }

func (b *browser) fetch(method, address string) page {
	b.w.t.Helper()
	req, err := http.NewRequestWithContext(b.w.ctx(), method, address, nil)
	b.w.must(err)
	return b.load(req)
}

// open fetches a page of Gatehouse.
func (b *browser) open(path string) page {
	b.w.t.Helper()
	return b.fetch(http.MethodGet, b.w.base+path)
}

func (b *browser) load(req *http.Request) page {
	b.w.t.Helper()
	b.hops = append(b.hops, req.Method+" "+req.URL.Path)
	res, err := b.Do(req)
	b.w.must(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	b.w.must(err)
	root, err := html.Parse(bytes.NewReader(text))
	b.w.must(err)
	p := page{url: res.Request.URL, status: res.StatusCode, header: res.Header, text: string(text), root: root}
	if p.status >= 300 && p.status <= 399 {
		p.to, err = res.Location()
		b.w.must(err)
	}
	return p
}

// submit sends the form that has the named field, as a browser does: with its other fields, those
// given over them in pairs, and with the headers that tell where it comes from.
func (b *browser) submit(p page, field string, values ...string) page {
	b.w.t.Helper()
	form := p.form(field)
	if form == nil {
		b.w.t.Fatalf("%s answered %d with no form that has %s:\n%.2000s", p.url, p.status, field, p.text)
	}
	action, err := p.url.Parse(attribute(form, "action"))
	b.w.must(err)
	body := fields(form)
	for i := 0; i < len(values); i += 2 {
		body.Set(values[i], values[i+1])
	}
	if !strings.EqualFold(attribute(form, "method"), http.MethodPost) {
		action.RawQuery = body.Encode()
		return b.fetch(http.MethodGet, action.String())
	}
	return b.post(action.String(), body, p.url.Scheme+"://"+p.url.Host)
}

// post sends a form from a page of an origin.
func (b *browser) post(address string, form url.Values, origin string) page {
	b.w.t.Helper()
	req, err := http.NewRequestWithContext(b.w.ctx(), http.MethodPost, address, strings.NewReader(form.Encode()))
	b.w.must(err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", origin)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	if origin != req.URL.Scheme+"://"+req.URL.Host {
		req.Header.Set("Sec-Fetch-Site", "cross-site")
	}
	return b.load(req)
}

// deliver takes an IdP's answer to Gatehouse: from a page of the IdP, so without cookies, and then by way of
// Gatehouse's own page where that posts it once more.
func (b *browser) deliver(answer idpsim.Posting) page {
	b.w.t.Helper()
	return b.passOn(b.post(answer.ACS, answer.Form(), idpOrigin))
}

// passOn presses the button of the page that posts an answer once more, where there is one.
func (b *browser) passOn(p page) page {
	b.w.t.Helper()
	if p.form("passed_on") != nil {
		p = b.submit(p, "passed_on")
	}
	return p
}

// form is the first form with that field, or nil.
func (p page) form(field string) *html.Node {
	return p.find(func(n *html.Node) bool { return n.Data == "form" && fields(n).Has(field) })
}

// find is the first element that fits, or nil.
func (p page) find(fits func(*html.Node) bool) *html.Node {
	for n := range p.root.Descendants() {
		if n.Type == html.ElementNode && fits(n) {
			return n
		}
	}
	return nil
}

// fact is what a page's list of facts says of a term, "" when it is not there.
func (p page) fact(term string) string {
	dt := p.find(func(n *html.Node) bool { return n.Data == "dt" && textOf(n) == term })
	for n := dt; n != nil; n = n.NextSibling {
		if n.Type == html.ElementNode && n.Data == "dd" {
			return textOf(n)
		}
	}
	return ""
}

// alert is the sentence of a refusal.
func (p page) alert() string {
	return textOf(p.find(func(n *html.Node) bool { return attribute(n, "role") == "alert" }))
}

// way is the button of a connection on the sign-in page, as a whole address, "" when there is none.
func (p page) way() string {
	a := p.find(func(n *html.Node) bool {
		return n.Data == "a" && strings.HasPrefix(attribute(n, "href"), "/auth/saml/")
	})
	if a == nil {
		return ""
	}
	to, err := p.url.Parse(attribute(a, "href"))
	if err != nil {
		return ""
	}
	return to.String()
}

func textOf(n *html.Node) string {
	if n == nil {
		return ""
	}
	var words []string
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			words = append(words, strings.Fields(d.Data)...)
		}
	}
	return strings.Join(words, " ")
}

// fields are what a form sends as it stands: a button is sent only when it is the one that is pressed.
func fields(form *html.Node) url.Values {
	values := url.Values{}
	for n := range form.Descendants() {
		if n.Type == html.ElementNode && n.Data == "input" && attribute(n, "name") != "" {
			switch attribute(n, "type") {
			case "submit", "button", "checkbox", "radio":
			default:
				values.Add(attribute(n, "name"), attribute(n, "value"))
			}
		}
	}
	return values
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func isElement(name string) func(*html.Node) bool {
	return func(n *html.Node) bool { return n.Data == name }
}

func isLink(text string) func(*html.Node) bool {
	return func(n *html.Node) bool { return n.Data == "a" && textOf(n) == text }
}
