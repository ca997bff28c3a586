package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/outbound"
	"github.com/gatehouse-id/gatehouse/internal/outbound/dnstest"
)

// withDNS gives the world a DNS server.
func (w *world) withDNS() *dnstest.Server {
	dns := dnstest.Start(w.t)
	w.settings.TXT = outbound.NewResolver(dns.Address).TXT
	return dns
}

func TestDomains_AreClaimedProvenAndRemovedOnTheirPage(t *testing.T) {
	each(t, "omniflow", func(t *testing.T, w *world) {
		dns := w.withDNS()
		b := w.as("owner@acme.test")
		page := b.page("/console/acme/domains")
		if !page.has("no-domains") || !strings.Contains(page.body, `href="/console/acme/domains" aria-current="page"`) {
			t.Errorf("the first page: %s", page.body)
		}
		n := len(w.events())
		a := b.press(page, "claim-domain", "domain", "gmail.com")
		if a.StatusCode != http.StatusBadRequest || !strings.Contains(a.text(t, "domain-error"), "gives addresses to everybody") || a.value(t, "domain") != "gmail.com" {
			t.Errorf("gmail.com: %d %s", a.StatusCode, a.body)
		}
		if a = b.press(page, "claim-domain", "domain", `"><script>alert(1)</script>`); a.StatusCode != http.StatusBadRequest || strings.Contains(a.body, "<script>alert") {
			t.Errorf("a script: %d %s", a.StatusCode, a.body)
		}
		page = b.done(page, "claim-domain", "domain", " München.DE. ")
		const name = "xn--mnchen-3ya.de"
		value := page.value(t, "record-value-"+name)
		if page.value(t, "record-name-"+name) != "_gatehouse-challenge."+name || !strings.HasPrefix(value, "gatehouse-domain-") || !strings.Contains(page.body, name+" (münchen.de)") || !strings.Contains(page.body, "Set its record in DNS, then check") {
			t.Fatalf("after the claim: %s", page.body)
		}
		dns.Set("_gatehouse-challenge."+name, []string{"<b>other</b>"})
		a = b.press(page, "check-"+name)
		if said := a.text(t, "check-error"); a.StatusCode != http.StatusConflict || !strings.Contains(said, value) || !strings.Contains(said, `"<b>other</b>"`) || strings.Contains(a.body, "<b>other") {
			t.Errorf("with another record: %d %s", a.StatusCode, a.body)
		}
		if again := b.page("/console/acme/domains"); again.value(t, "record-value-"+name) != value || !strings.Contains(again.body, "Last look: Expected") {
			t.Errorf("later: %s", again.body)
		}
		dns.Break(dnstest.ServFail)
		if a = b.press(page, "check-"+name); a.StatusCode != http.StatusServiceUnavailable || !strings.Contains(a.text(t, "check-error"), "Nothing was decided") {
			t.Errorf("with a server in trouble: %d %s", a.StatusCode, a.body)
		}
		dns.Break("")
		dns.Set("_gatehouse-challenge."+name, []string{value})
		page = b.done(page, "check-"+name)
		if !strings.Contains(page.body, `<span class="badge ok">proven</span>`) || !strings.Contains(page.body, "the domain is proven") || strings.Contains(page.body, "Last look") {
			t.Errorf("proven: %s", page.body)
		}
		if page = b.done(page, "remove-"+name); !page.has("no-domains") {
			t.Errorf("removed: %s", page.body)
		}
		w.wantEvents(n, audit.DomainClaimed, audit.DomainRefused, audit.DomainRefused, audit.DomainProven, audit.DomainRemoved)
		// A form from before the removal.
		for _, act := range []string{"check", "remove"} {
			if a := b.post("/console/acme/domains/" + name + "/" + act); a.StatusCode != http.StatusNotFound {
				t.Errorf("%s of what was removed: %d", act, a.StatusCode)
			}
		}
	})
}

func TestDomains_OfAnotherWorkspaceAreUnknownAndMembersMayNot(t *testing.T) {
	each(t, "omniflow", func(t *testing.T, w *world) {
		w.withDNS()
		if _, err := w.settings.ClaimDomain(t.Context(), "beta", "beta.test", audit.Party{Kind: "operator"}); err != nil {
			t.Fatal(err)
		}
		b := w.as("owner@acme.test")
		known, unknown := b.post("/console/acme/domains/beta.test/check"), b.post("/console/acme/domains/nobody.test/check")
		if known.StatusCode != http.StatusNotFound || known.StatusCode != unknown.StatusCode {
			t.Errorf("%d and %d", known.StatusCode, unknown.StatusCode)
		}
		for _, path := range []string{"/console/acme/domains/beta.test/remove", "/console/beta/domains/beta.test/remove", "/console/beta/domains", "/console/acme/domains/" + url.PathEscape("a\x00b") + "/remove"} {
			if a := b.post(path, "domain", "x.test"); a.StatusCode != http.StatusNotFound {
				t.Errorf("%q: %d", path, a.StatusCode)
			}
		}
		if a := b.get("/console/beta/domains"); a.StatusCode != http.StatusNotFound {
			t.Errorf("a neighbour's page: %d", a.StatusCode)
		}
		for who, want := range map[string]int{"admin@acme.test": http.StatusOK, "supervisor@acme.test": http.StatusForbidden, "trainee@acme.test": http.StatusForbidden} {
			b := w.as(who)
			if a := b.get("/console/acme/domains"); a.StatusCode != want {
				t.Errorf("%s: %d, want %d", who, a.StatusCode, want)
			}
			if a := b.post("/console/acme/domains", "domain", strings.TrimSuffix(who, "@acme.test")+".test"); (a.StatusCode == http.StatusSeeOther) != (want == http.StatusOK) {
				t.Errorf("%s claims: %d", who, a.StatusCode)
			}
		}
		if a := w.as("").post("/console/acme/domains", "domain", "anybody.test"); a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/signin") {
			t.Errorf("a stranger claims: %d", a.StatusCode)
		}
		list, err := w.settings.Domains(t.Context(), "acme")
		if err != nil || len(list) != 1 || list[0].Domain != "admin.test" {
			t.Errorf("%+v, %v", list, err)
		}
	})
}
