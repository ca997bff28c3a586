package idpsim

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// vendor is how one of the clients that write complete documents differs from the others. What is
// marked "from memory" beside a vendor was seen in no document: applications must bear it, and
// must not count on it.
type vendor struct {
	contentType string
	// plain joins a request's query by the rules of the vendor's HTTP library; nil means as usual.
	plain func(path, query string) string
	// plus writes spaces in queries as + rather than %20.
	plus bool
	// test is what the test button, or the activation, sends.
	test func(ctx context.Context, p *IdP) error
	// filter is the pre-check's filter, more what follows it in the query.
	filter func(c Connection, f profile) string
	more   string
	// document is the complete body of a person; create says that it is for a POST.
	document func(ctx context.Context, p *IdP, c Connection, f profile, create bool) (object, error)
	// readsFirst sends GET before each PUT.
	readsFirst bool
	// usable says what is wrong with a person in an answer, "" when nothing is.
	usable func(read object) string
	// removed is what the connection's DeleteAction is by default; unassigning says that it also
	// applies to somebody who only loses the application.
	removed     string
	unassigning bool
	// listsGroups looks for a group in the list of all; the others filter by name.
	listsGroups bool
	// members are the operations of a membership change; nil where all members are always replaced.
	members func(add, remove []member) []object
	// replaces says that the complete list may be sent as one replace.
	replaces bool
	// importsUsers and importsGroups are what an import reads.
	importsUsers, importsGroups bool
}

// vendorOf returns the table's entry. The four clients of Okta and Entra have none: their files
// speak for themselves.
func vendorOf(k Kind) vendor {
	switch k {
	case OneLogin:
		return oneLogin()
	case JumpCloud:
		return jumpCloud()
	case Google:
		return google()
	case PingOne:
		return pingOne()
	case CyberArk:
		return cyberArk()
	}
	return vendor{}
}

// step is a step of this client under its number. The numbers are those of Okta's client: 1 test,
// 2 pre-check, 3 create, 4 update, 5 state, 6 delete, 7 import, 8 group, 9 rename, 10 members,
// 11 delete group.
func (p *IdP) step(name string, n int) step {
	brand := map[Kind]string{Okta: "Okta", OktaCustom: "Okta", Entra: "Entra", EntraFlag: "Entra",
		OneLogin: "OneLogin", JumpCloud: "JumpCloud", Google: "Google", PingOne: "PingOne", CyberArk: "CyberArk"}
	return step{name, fmt.Sprintf("%s %d", brand[p.kind], n)}
}

// What becomes of somebody in the application.
const (
	actionNothing = "nothing"
	actionSuspend = "suspend"
	actionDelete  = "delete"
	actionKeep    = "" // they are in scope
)

// wanted says what the application should do with a person.
func (c Connection) wanted(v vendor, x Person) string {
	switch {
	case x.Deleted, !x.Assigned && v.unassigning:
		return c.DeleteAction
	case !x.Assigned, !x.Active:
		return c.SuspendAction
	}
	return actionKeep
}

// filterQuery encodes a filter as the client's HTTP library does.
func (p *IdP) filterQuery(filter string) string {
	escaped := url.QueryEscape(filter)
	if !p.kind.IsEntra() && !vendorOf(p.kind).plus {
		escaped = strings.ReplaceAll(escaped, "+", "%20") // a literal plus is %2B by now
	}
	return "filter=" + escaped
}

// equals is a filter expression with the value quoted as JSON has it (RFC 7644 section 3.4.2.2).
func equals(attribute, value string) string { return attribute + " eq " + quoted(value) }

func quoted(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
}

// headers sets the headers of this vendor's client. An empty value keeps net/http from adding a
// User-Agent of its own: Entra may send none, OneLogin sends none, and of the others none is known.
func (k Kind) headers(h http.Header, body bool) {
	mediaType := "application/scim+json; charset=utf-8"
	h.Set("Accept", "application/scim+json")
	h["User-Agent"] = []string{""}
	switch {
	case k.isOkta():
		h.Set("User-Agent", "Okta SCIM Client 1.0.0")
		h.Set("Accept-Charset", "utf-8")
		h.Set("Accept-Encoding", "gzip,deflate")
	case !k.IsEntra():
		mediaType = vendorOf(k).contentType
		h.Set("Accept", mediaType)
	}
	if body {
		h.Set("Content-Type", mediaType)
	}
}

// target joins path and query to the base URL, whose own query comes first.
func (k Kind) target(base, path, query string) string {
	base, own, _ := strings.Cut(base, "?")
	if !k.isOkta() {
		base = strings.TrimRight(base, "/")
	} // Okta joins as it stands, so a trailing slash of the administrator's arrives as //.
	if own != "" && query != "" {
		own += "&"
	}
	if plain := vendorOf(k).plain; plain != nil {
		return base + plain(path, own+query)
	}
	if own+query == "" {
		return base + path
	}
	return base + path + "?" + own + query
}
