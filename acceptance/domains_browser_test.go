package acceptance

import (
	"net/http"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/outbound/dnstest"
)

// An administrator claims a domain, copies its record, is told what DNS says, and proves it.
func TestBrowser_AnAdministratorProvesADomain(t *testing.T) {
	t.Parallel()
	dns := dnstest.Start(t)
	s := newSite(t, "--dns-resolver", dns.Address, "--domain-recheck", "1s", "--domain-lapse", "30s")
	s.mustApply("workspace: acme\nname: Acme Inc\npreset: omniflow\ndomains: [vouched.acme.test]\nowners:\n  - {email: root@acme.test, password_env: ROOT_PASSWORD, break_glass: true}\n")
	console := s.ownerAt("acme")
	here := s.base + "/console/acme/domains"
	console.visit(here)
	console.wantText("main", "vouched.acme.test", "vouches for this domain")
	console.enter("#domain", "co.uk")
	console.mayAnswer(http.StatusBadRequest)
	console.follow("#claim-domain", here)
	console.wantText("#domain-error", "public suffix")
	console.picture("console-domains-refused")
	const long = "a-domain-with-a-very-long-name-that-somebody-has-registered.and-a-subdomain-of-it.example"
	for _, domain := range []string{"München.de", long, "acme.test"} {
		console.visit(here)
		console.enter("#domain", domain)
		console.follow("#claim-domain", here)
	}
	console.wantText("[role=status]", "Set its record in DNS")
	console.picture("console-domains-pending")

	var list []domain
	s.gatehouse(&list, "domain", "list", "--workspace", "acme")
	records := map[string]domain{}
	for _, d := range list {
		records[d.Domain] = d
	}
	dns.Set(records[long].Record.Name, []string{"v=spf1 include:_spf.a-provider-of-mail.example include:_spf.another-provider.example -all and more of it, to be too long"}, []string{"gatehouse-domain-of-somebody-else"})
	console.visit(here)
	console.mayAnswer(http.StatusConflict)
	console.follow(`[id="check-`+long+`"]`, here)
	console.wantText("#check-error", "Expected a TXT record", "v=spf1")
	console.picture("console-domains-other")
	dns.Set(records["acme.test"].Record.Name, []string{records["acme.test"].Record.Value})
	console.visit(here)
	console.follow(`[id="check-acme.test"]`, here)
	console.wantText("[role=status]", "the domain is proven")
	dns.Set(records["acme.test"].Record.Name)
	s.eventually("acme", "domain.record_missing")
	console.visit(here)
	console.wantText("main", "The record is missing since")
	console.picture("console-domains-missing")
	s.eventually("acme", "domain.lapsed")
	console.visit(here)
	console.wantText("main", "The proof lapsed on")
	console.picture("console-domains-lapsed")
	console.click(`[id="remove-acme.test-ask"]`)
	console.follow(`[id="remove-acme.test"]`, here)
	console.wantText("[role=status]", "was removed")
}
