package settings

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/outbound"
	"github.com/gatehouse-id/gatehouse/internal/outbound/dnstest"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// domains is acme and beta with a DNS server, and nothing proven.
type domains struct {
	*Service
	t    *testing.T
	dns  *dnstest.Server
	pass func(time.Duration)
}

const bareAcme = "workspace: acme\nname: Acme Inc\nowners: [{email: root@acme.test}, {email: second@acme.test}]\n"

func eachDomains(t *testing.T, fn func(d *domains)) {
	t.Helper()
	t.Parallel()
	eachAt(t, func(t *testing.T, s *Service, pass func(time.Duration)) {
		dns := dnstest.Start(t)
		s.TXT = outbound.NewResolver(dns.Address).TXT
		s.mustApply(t, bareAcme, ApplyOptions{})
		s.mustApply(t, "workspace: beta\n", ApplyOptions{})
		fn(&domains{s, t, dns, pass})
	})
}

func (d *domains) claim(slug, domain string) DomainView {
	d.t.Helper()
	v, err := d.ClaimDomain(context.Background(), slug, domain, operator)
	if err != nil {
		d.t.Fatal(err)
	}
	return v
}

// set puts the right record of a claim into DNS, between others.
func (d *domains) set(v DomainView) {
	d.dns.Set(v.Record.Name, []string{"v=spf1 -all"}, []string{v.Record.Value[:20], v.Record.Value[20:]}, []string{"another"})
}

func (d *domains) verify(slug, domain string) (DomainView, error) {
	return d.VerifyDomain(context.Background(), slug, domain, operator)
}

func (d *domains) proven(slug, domain string) DomainView {
	d.t.Helper()
	v := d.claim(slug, domain)
	d.set(v)
	v, err := d.verify(slug, domain)
	if err != nil || v.State != DomainProven || v.By != ProvenByDNS {
		d.t.Fatalf("%+v, %v", v, err)
	}
	return v
}

// recheck looks at all that is due and returns how many that were.
func (d *domains) recheck() (n int) {
	d.t.Helper()
	for {
		some, err := d.RecheckDomains(context.Background())
		if err != nil {
			d.t.Fatal(err)
		}
		if some == 0 {
			return n
		}
		n += some
	}
}

func (d *domains) view(slug, domain string) DomainView {
	d.t.Helper()
	v, err := d.Domain(context.Background(), slug, domain)
	if err != nil {
		d.t.Fatal(err)
	}
	return v
}

func (d *domains) wantCode(err error, kind errs.Kind, code string) {
	d.t.Helper()
	if errs.KindOf(err) != kind || errs.CodeOf(err) != code {
		d.t.Errorf("got %v (%s %s), want %s %s", err, errs.KindOf(err), errs.CodeOf(err), kind, code)
	}
}

// told is the events of acme about domains since the n-th.
func (d *domains) told(n int) (types []audit.Type) {
	d.t.Helper()
	for _, e := range d.log(d.t)[n:] {
		if strings.HasPrefix(string(e.Type), "domain.") {
			types = append(types, e.Type)
		}
	}
	return types
}

func TestDomain_IsProvenByTheRecordThatTheClaimNames(t *testing.T) {
	eachDomains(t, func(d *domains) {
		v := d.claim("acme", " MÜNCHEN.de. ")
		if v.Domain != "xn--mnchen-3ya.de" || v.Shown != "xn--mnchen-3ya.de (münchen.de)" || v.State != DomainPending || v.Record.Name != "_gatehouse-challenge.xn--mnchen-3ya.de" || v.Record.Type != "TXT" ||
			!strings.HasPrefix(v.Record.Value, "gatehouse-domain-") || len(v.Record.Value) < 40 {
			d.t.Fatalf("%+v", v)
		}
		again, err := d.ClaimDomain(context.Background(), "acme", "xn--mnchen-3ya.de", operator)
		d.wantCode(err, errs.KindConflict, "domain_claimed")
		if again.Record != nil || d.view("acme", "münchen.de").Record.Value != v.Record.Value {
			d.t.Error("the value changed")
		}
		_, err = d.verify("acme", "münchen.de")
		d.wantCode(err, errs.KindConflict, "domain_unproven")
		if !strings.Contains(err.Error(), v.Record.Name) || !strings.Contains(err.Error(), v.Record.Value) || !strings.Contains(err.Error(), "there is none") {
			d.t.Errorf("it says %v", err)
		}
		d.dns.Set(v.Record.Name, []string{v.Record.Value + " "}, []string{strings.ToUpper(v.Record.Value)}, []string{`"` + v.Record.Value + `"`}, []string{"x\x1b[31m<script>" + strings.Repeat("y", 200)})
		_, err = d.verify("acme", "münchen.de")
		d.wantCode(err, errs.KindConflict, "domain_unproven")
		if !strings.Contains(err.Error(), "and 1 more") || !strings.Contains(err.Error(), "Received \"gatehouse-domain-") || strings.ContainsAny(err.Error(), "\x1b") || len(err.Error()) > 800 {
			d.t.Errorf("it says %v", err)
		}
		d.set(v)
		n := len(d.log(d.t))
		got, err := d.verify("acme", "XN--MNCHEN-3YA.de")
		if err != nil || got.State != DomainProven || got.By != ProvenByDNS || got.ProvenAt == nil || got.NextCheckAt == nil {
			d.t.Fatalf("%+v, %v", got, err)
		}
		if cfg := d.mustConfig(d.t, "acme"); !cfg.Proven("ada@münchen.de") || cfg.Proven("ada@eu.münchen.de") {
			d.t.Errorf("proven: %q", cfg.Domains)
		}
		if types := d.told(n); !slices.Equal(types, []audit.Type{audit.DomainProven}) {
			d.t.Errorf("events %v", types)
		}
		if err := d.RemoveDomain(context.Background(), "acme", "münchen.de", operator); err != nil {
			d.t.Fatal(err)
		}
		if fresh := d.claim("acme", "münchen.de"); fresh.Record.Value == v.Record.Value {
			d.t.Error("a removed claim's value is good again")
		}
		_, err = d.verify("acme", "münchen.de")
		d.wantCode(err, errs.KindConflict, "domain_unproven")
	})
}

func TestDomain_IsNotProvenByAnswersThatAreNone(t *testing.T) {
	eachDomains(t, func(d *domains) {
		v := d.claim("acme", "acme.test")
		d.set(v)
		slow := d.TXT
		d.TXT = func(ctx context.Context, name string) ([]string, error) {
			ctx, cancel := context.WithTimeout(ctx, 150*time.Millisecond)
			defer cancel()
			return slow(ctx, name)
		}
		for _, fault := range []dnstest.Fault{dnstest.Silent, dnstest.ServFail, dnstest.Refused, dnstest.WrongID, dnstest.WrongName, dnstest.Garbage, dnstest.Cut} {
			d.dns.Break(fault)
			got, err := d.verify("acme", "acme.test")
			d.wantCode(err, errs.KindUnavailable, "dns_no_answer")
			if got.State != DomainPending || err != nil && !strings.Contains(err.Error(), "Nothing was decided") {
				d.t.Errorf("%s: %+v, %v", fault, got, err)
			}
		}
		d.dns.Break(dnstest.NoSuch)
		_, err := d.verify("acme", "acme.test")
		d.wantCode(err, errs.KindConflict, "domain_unproven")
		d.dns.Break(dnstest.Truncated)
		if got, err := d.verify("acme", "acme.test"); err != nil || got.State != DomainProven {
			d.t.Errorf("an answer that was cut and came whole over TCP: %+v, %v", got, err)
		}
	})
}

func TestDomain_IsLookedForOutsideAnyTransaction(t *testing.T) {
	eachDomains(t, func(d *domains) {
		d.claim("acme", "acme.test")
		d.TXT = func(ctx context.Context, _ string) ([]string, error) {
			// Whoever held the workspace here would wait for themselves.
			ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			_, err := d.ClaimDomain(ctx, "acme", "another.test", operator)
			return nil, err
		}
		_, err := d.verify("acme", "acme.test")
		d.wantCode(err, errs.KindConflict, "domain_unproven")
		d.view("acme", "another.test")
	})
}

func TestDomain_HasOneOwnerAndTheFirstProofWins(t *testing.T) {
	eachDomains(t, func(d *domains) {
		mine, theirs := d.claim("acme", "acme.test"), d.claim("beta", "acme.test")
		if mine.Record.Value == theirs.Record.Value {
			d.t.Fatal("one value for two workspaces")
		}
		// The other one's record proves nothing for us.
		d.dns.Set(mine.Record.Name, []string{theirs.Record.Value})
		_, err := d.verify("acme", "acme.test")
		d.wantCode(err, errs.KindConflict, "domain_unproven")
		d.dns.Set(mine.Record.Name, []string{theirs.Record.Value}, []string{mine.Record.Value})
		if v, err := d.verify("beta", "acme.test"); err != nil || v.State != DomainProven {
			d.t.Fatalf("%+v, %v", v, err)
		}
		n := len(d.log(d.t))
		v, err := d.verify("acme", "acme.test")
		d.wantCode(err, errs.KindConflict, "domain_held")
		if v.State != DomainPending || strings.Contains(err.Error(), "beta") || strings.Contains(d.view("acme", "acme.test").Detail, "beta") {
			d.t.Errorf("%+v, %v", v, err)
		}
		if types := d.told(n); !slices.Equal(types, []audit.Type{audit.DomainRefused}) {
			d.t.Errorf("events %v", types)
		}
		// Nobody but who shows the record learns that it is held.
		d.dns.Set(mine.Record.Name, []string{theirs.Record.Value})
		_, err = d.verify("acme", "acme.test")
		d.wantCode(err, errs.KindConflict, "domain_unproven")
		d.dns.Set(mine.Record.Name, []string{mine.Record.Value})
		if err := d.RemoveDomain(context.Background(), "beta", "acme.test", operator); err != nil {
			d.t.Fatal(err)
		}
		if v, err := d.verify("acme", "acme.test"); err != nil || v.State != DomainProven {
			d.t.Errorf("%+v, %v", v, err)
		}
	})
}

func TestDomain_OfTwoProofsAtOnceOneWins(t *testing.T) {
	eachDomains(t, func(d *domains) {
		for i := range 5 {
			name := fmt.Sprintf("race%d.test", i)
			mine, theirs := d.claim("acme", name), d.claim("beta", name)
			d.dns.Set(mine.Record.Name, []string{theirs.Record.Value}, []string{mine.Record.Value})
			var wait, done sync.WaitGroup
			wait.Add(2)
			both := d.TXT
			at := *d.Service
			at.TXT = func(ctx context.Context, name string) ([]string, error) {
				got, err := both(ctx, name)
				wait.Done() // neither decides before both have seen the record
				wait.Wait()
				return got, err
			}
			failed := make([]error, 2)
			for i, slug := range []string{"acme", "beta"} {
				done.Go(func() { _, failed[i] = at.VerifyDomain(context.Background(), slug, name, operator) })
			}
			done.Wait()
			owners, err := d.DB.System().WorkspacesOfDomain(context.Background(), name)
			if err != nil || len(owners) != 1 || (failed[0] == nil) == (failed[1] == nil) {
				d.t.Fatalf("%v, owners %v, %v", failed, owners, err)
			}
			for i, slug := range []string{"acme", "beta"} {
				if failed[i] != nil {
					d.wantCode(failed[i], errs.KindConflict, "domain_held")
					if v := d.view(slug, name); v.State != DomainPending || v.Outcome != "held" {
						d.t.Errorf("the loser's is %+v", v)
					}
				}
			}
		}
	})
}

func TestDomain_LapsesAfterItsRecordWasMissingForLongAndTellsBefore(t *testing.T) {
	eachDomains(t, func(d *domains) {
		d.Mail = true
		v := d.proven("acme", "acme.test")
		n := len(d.log(d.t))
		for range 40 {
			d.pass(27 * time.Hour)
			if d.recheck() != 1 {
				d.t.Fatal("it was not looked at once a day")
			}
		}
		if got := d.view("acme", "acme.test"); got.State != DomainProven || got.MissingSince != nil || len(d.told(n)) > 0 {
			d.t.Fatalf("with its record there: %+v, %v", got, d.told(n))
		}
		d.dns.Set(v.Record.Name, []string{"another"})
		days := 0
		for ; days < 60 && d.view("acme", "acme.test").State == DomainProven; days++ {
			d.pass(27 * time.Hour)
			d.recheck()
			if got := d.view("acme", "acme.test"); got.State == DomainProven && (got.MissingSince == nil || got.LapsesAt == nil || !got.LapsesAt.After(d.DB.Now())) {
				d.t.Fatalf("day %d: %+v", days, got)
			}
		}
		if days < 26 || days > 29 { // 30 days in looks of 27 hours, and the first
			d.t.Errorf("it lapsed after %d looks", days)
		}
		got := d.view("acme", "acme.test")
		if got.State != DomainLapsed || got.LapsedAt == nil || got.NextCheckAt != nil || got.Record.Value != v.Record.Value {
			d.t.Errorf("%+v", got)
		}
		if types := d.told(n); !slices.Equal(types, []audit.Type{audit.DomainWarned, audit.DomainWarned, audit.DomainLapsed}) {
			d.t.Errorf("events %v", types)
		}
		if cfg := d.mustConfig(d.t, "acme"); cfg.Proven("a@acme.test") {
			d.t.Error("a lapsed domain still links")
		}
		d.pass(100 * time.Hour)
		if d.recheck() != 0 {
			d.t.Error("a lapsed domain is looked at by itself")
		}
		letters := d.letters()
		if len(letters) != 2 || !strings.Contains(letters[0].Subject, "no longer proven") || !strings.Contains(letters[0].Body, v.Record.Value) || !strings.Contains(letters[0].Body, "https://gate.test/console/acme/domains") {
			d.t.Errorf("of the letters, those that still stand: %+v", letters)
		}
		// Another workspace has it by proof alone, and then the first one does not.
		other := d.claim("beta", "acme.test")
		_, err := d.verify("beta", "acme.test")
		d.wantCode(err, errs.KindConflict, "domain_unproven")
		d.dns.Set(v.Record.Name, []string{other.Record.Value}, []string{v.Record.Value})
		if _, err := d.verify("beta", "acme.test"); err != nil {
			d.t.Error(err)
		}
		_, err = d.verify("acme", "acme.test")
		d.wantCode(err, errs.KindConflict, "domain_held")
		if d.view("acme", "acme.test").State != DomainLapsed {
			d.t.Error("it is not lapsed any more")
		}
	})
}

// letters sends what is in the outbox of acme about domains.
func (d *domains) letters() []jobs.Message {
	d.t.Helper()
	sent := &outbox{}
	handler := (&DomainNotifier{DB: d.DB, Mailer: sent, PublicURL: d.PublicURL}).Handler()
	for {
		claimed, err := d.DB.System().ClaimJobs(context.Background(), "test", time.Minute, 100)
		if err != nil {
			d.t.Fatal(err)
		}
		if len(claimed) == 0 {
			return sent.messages
		}
		for _, j := range claimed {
			if j.Kind != JobDomainNotice {
				continue
			}
			if err := handler.Do(context.Background(), j); err != nil {
				d.t.Fatal(err)
			}
			if err := d.DB.System().FinishJob(context.Background(), j, "test"); err != nil {
				d.t.Fatal(err)
			}
		}
	}
}

type outbox struct{ messages []jobs.Message }

func (o *outbox) Send(_ context.Context, m jobs.Message) error {
	o.messages = append(o.messages, m)
	return nil
}

func TestDomain_OwnersAreToldByMailOnceForEachStep(t *testing.T) {
	eachDomains(t, func(d *domains) {
		d.Mail = true
		v := d.proven("acme", "acme.test")
		d.dns.Set(v.Record.Name)
		for range 3 {
			d.pass(27 * time.Hour)
			d.recheck()
		}
		letters := d.letters()
		slices.SortFunc(letters, func(a, b jobs.Message) int { return strings.Compare(a.To, b.To) })
		if len(letters) != 2 || letters[0].To != "root@acme.test" || letters[1].To != "second@acme.test" || letters[0].Subject != "The DNS record of acme.test is missing" ||
			!strings.Contains(letters[0].Body, "_gatehouse-challenge.acme.test") || !strings.Contains(letters[0].Body, "Nothing has changed yet") || !strings.Contains(letters[0].Body, "June 2026") {
			d.t.Errorf("%+v", letters)
		}
		d.set(v)
		d.pass(27 * time.Hour)
		d.recheck()
		if got := d.view("acme", "acme.test"); got.MissingSince != nil || got.LapsesAt != nil {
			d.t.Errorf("%+v", got)
		}
	})
}

func TestDomain_DoesNotLapseByAnOutageOfDNSOrOfOurOwn(t *testing.T) {
	eachDomains(t, func(d *domains) {
		v := d.proven("acme", "acme.test")
		d.TXT = func(context.Context, string) ([]string, error) {
			return nil, &net.DNSError{Err: "server misbehaving", IsTemporary: true}
		}
		for range 200 {
			d.pass(27 * time.Hour)
			d.recheck()
		}
		got := d.view("acme", "acme.test")
		if got.State != DomainProven || got.MissingSince != nil || got.Outcome != "no_answer" {
			d.t.Errorf("after 200 days of SERVFAIL: %+v", got)
		}
		// A certain no, then silence for long, then a no again: the silence does not count.
		missing := func(context.Context, string) ([]string, error) { return nil, &net.DNSError{IsNotFound: true} }
		silent := d.TXT
		for range 40 {
			d.TXT = missing
			d.pass(27 * time.Hour)
			d.recheck()
			d.TXT = silent
			for range 2 {
				d.pass(27 * time.Hour)
				d.recheck()
			}
		}
		if got = d.view("acme", "acme.test"); got.State != DomainProven {
			d.t.Errorf("%+v", got)
		}
		// And neither does a time in which nobody looked.
		d.TXT = missing
		d.pass(27 * time.Hour)
		d.recheck()
		d.pass(365 * 24 * time.Hour)
		d.recheck()
		if got = d.view("acme", "acme.test"); got.State != DomainProven || got.MissingSince == nil {
			d.t.Errorf("after a year without a look: %+v", got)
		}
		// Asking again and again makes nothing go faster.
		for range 15 {
			d.pass(time.Second)
			_, err := d.verify("acme", "acme.test")
			d.wantCode(err, errs.KindConflict, "domain_unproven")
		}
		if got = d.view("acme", "acme.test"); got.State != DomainProven {
			d.t.Errorf("%+v", got)
		}
		d.TXT = func(context.Context, string) ([]string, error) { return []string{v.Record.Value}, nil }
		if got, err := d.verify("acme", "acme.test"); err != nil || got.MissingSince != nil {
			d.t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestDomain_WhatAnOperatorVouchesForIsNeverLookedAt(t *testing.T) {
	eachDomains(t, func(d *domains) {
		old := d.claim("acme", "acme.test")
		d.mustApply(d.t, "workspace: acme\ndomains: [ACME.test.]\n", ApplyOptions{Force: true})
		v := d.view("acme", "acme.test")
		if v.State != DomainProven || v.By != ProvenByOperator || v.Record != nil {
			d.t.Fatalf("%+v", v)
		}
		_, err := d.verify("acme", "acme.test")
		d.wantCode(err, errs.KindConflict, "domain_proven")
		_, err = d.ClaimDomain(context.Background(), "acme", "acme.test", operator)
		d.wantCode(err, errs.KindConflict, "domain_proven")
		d.pass(1000 * time.Hour)
		if d.recheck() != 0 {
			d.t.Error("it was looked at")
		}
		d.dns.Set(old.Record.Name, []string{old.Record.Value})
		if err := d.RemoveDomain(context.Background(), "acme", "acme.test", operator); err != nil {
			d.t.Fatal(err)
		}
		_, err = d.Domain(context.Background(), "acme", "acme.test")
		d.wantCode(err, errs.KindNotFound, "domain_unknown")
		// What DNS proved is in the export, and a list without it takes it away.
		d.proven("acme", "dns.test")
		out, err := d.Export(context.Background(), "acme")
		if err != nil || !strings.Contains(string(out), "domains: [dns.test]") {
			d.t.Fatalf("%v: %s", err, out)
		}
		d.mustApply(d.t, "workspace: acme\ndomains: []\n", ApplyOptions{Force: true})
		_, err = d.Domain(context.Background(), "acme", "dns.test")
		d.wantCode(err, errs.KindNotFound, "domain_unknown")
	})
}

func TestDomain_OfAnotherWorkspaceIsUnknown(t *testing.T) {
	eachDomains(t, func(d *domains) {
		d.proven("beta", "beta.test")
		d.claim("beta", "pending.test")
		for _, domain := range []string{"beta.test", "pending.test", "nobody.test", "", "a b", strings.Repeat("x.", 5000)} {
			_, err := d.verify("acme", domain)
			d.wantCode(err, errs.KindNotFound, "domain_unknown")
			d.wantCode(d.RemoveDomain(context.Background(), "acme", domain, operator), errs.KindNotFound, "domain_unknown")
			_, err = d.Domain(context.Background(), "acme", domain)
			d.wantCode(err, errs.KindNotFound, "domain_unknown")
		}
		if d.view("beta", "beta.test").State != DomainProven {
			d.t.Error("it is gone")
		}
	})
}

func TestDomain_LooksAndClaimsAreBounded(t *testing.T) {
	eachDomains(t, func(d *domains) {
		d.claim("acme", "acme.test")
		d.claim("beta", "acme.test")
		asked := 0
		d.TXT = func(context.Context, string) ([]string, error) { asked++; return nil, &net.DNSError{IsNotFound: true} }
		for range checkLimit + 5 {
			_, err := d.verify("acme", "acme.test")
			if asked <= checkLimit && errs.KindOf(err) == errs.KindLimited && asked < checkLimit {
				d.t.Fatalf("after %d: %v", asked, err)
			}
		}
		_, err := d.verify("acme", "acme.test")
		d.wantCode(err, errs.KindLimited, "too_many_checks")
		if asked != checkLimit {
			d.t.Errorf("DNS was asked %d times", asked)
		}
		_, err = d.verify("beta", "acme.test")
		d.wantCode(err, errs.KindConflict, "domain_unproven")
		d.pass(checkWindow + time.Minute)
		_, err = d.verify("acme", "acme.test")
		d.wantCode(err, errs.KindConflict, "domain_unproven")
		for i := range maxDomainClaims - 1 {
			d.claim("acme", fmt.Sprintf("d%d.test", i))
		}
		_, err = d.ClaimDomain(context.Background(), "acme", "more.test", operator)
		d.wantCode(err, errs.KindConflict, "too_many")
	})
}

func TestEnforcement_ByADomainThatIsNotProvenIsRefusedAndOneThatLapsedGoesOn(t *testing.T) {
	eachDomains(t, func(d *domains) {
		ctx := context.Background()
		d.mustApply(d.t, "workspace: acme\nowners: [{email: root@acme.test, password_env: ROOT_PASSWORD, break_glass: true}]\n"+
			"connections: [{name: okta, provider: okta, protocol: saml, metadata_file: okta.xml, status: active}]\n", ApplyOptions{})
		by := func(names ...string) directory.Enforcement {
			return directory.Enforcement{RequireSSO: directory.RequireDomains, Domains: names}
		}
		says := func(err error, domain string) {
			d.t.Helper()
			if err == nil || !strings.Contains(err.Error(), domain+" is not proven") || !strings.Contains(err.Error(), "_gatehouse-challenge."+domain) || !strings.Contains(err.Error(), "gatehouse domain add") {
				d.t.Errorf("%v", err)
			}
		}
		refused := func(domain string, names ...string) {
			d.t.Helper()
			before := d.mustConfig(d.t, "acme").Workspace.Version
			_, err := d.PlanEnforcement(ctx, "acme", by(names...))
			d.wantCode(err, errs.KindInvalid, "domain_not_proven")
			says(err, domain)
			_, err = d.SetEnforcement(ctx, "acme", by(names...), "", administrator)
			d.wantCode(err, errs.KindInvalid, "domain_not_proven")
			f, err := ParseFile([]byte("workspace: acme\nenforcement: {require_sso: domains, domains: ["+strings.Join(names, ", ")+"]}\n"), "")
			if err != nil {
				d.t.Fatal(err)
			}
			_, err = d.Apply(ctx, f, ApplyOptions{Actor: operator})
			says(err, domain)
			if d.mustConfig(d.t, "acme").Workspace.Version != before {
				d.t.Error("something was changed")
			}
		}
		refused("acme.test", "acme.test")
		d.claim("beta", "acme.test") // somebody else's claim is none
		refused("acme.test", "acme.test")
		v := d.proven("acme", "acme.test")
		if _, err := d.SetEnforcement(ctx, "acme", by("acme.test"), "", administrator); err != nil {
			d.t.Fatal(err)
		}
		d.dns.Set(v.Record.Name)
		for range 40 {
			d.pass(27 * time.Hour)
			d.recheck()
		}
		if d.view("acme", "acme.test").State != DomainLapsed {
			d.t.Fatal("it did not lapse")
		}
		// It is required as before, is shown, and nobody drops it by changing something else.
		view, err := d.Enforcement(ctx, "acme")
		if err != nil || view.RequireSSO != directory.RequireDomains || !slices.Equal(view.Domains, []string{"acme.test"}) || !slices.Equal(view.Unproven, []string{"acme.test"}) {
			d.t.Errorf("%+v, %v", view, err)
		}
		setup, err := d.ConnectionSetup(ctx, "acme")
		if err != nil || len(setup.Banners) != 1 || !strings.Contains(setup.Banners[0].Text, "acme.test, and the domain is not proven any more") {
			d.t.Errorf("%+v, %v", setup.Banners, err)
		}
		refused("b.test", "acme.test", "b.test")
		out, err := d.Export(ctx, "acme")
		if err != nil {
			d.t.Fatal(err)
		}
		f, err := ParseFile(out, "")
		if err != nil {
			d.t.Fatal(err)
		}
		again, err := d.Apply(ctx, f, ApplyOptions{Actor: operator})
		if err != nil || !slices.Equal(d.mustConfig(d.t, "acme").Workspace.Enforcement.Domains, []string{"acme.test"}) {
			d.t.Errorf("what was exported is applied again: %+v, %v", again, err)
		}
		// Taken off it is gone for good until it is proven again.
		if _, err := d.SetEnforcement(ctx, "acme", directory.Enforcement{RequireSSO: directory.RequireNone}, "", administrator); err != nil {
			d.t.Error(err)
		}
		refused("acme.test", "acme.test")
	})
}

func TestDomain_ThatLapsedKeepsItsPeopleInSingleSignOn(t *testing.T) {
	cfg := &directory.Config{Workspace: directory.Workspace{Enforcement: directory.Enforcement{RequireSSO: directory.RequireDomains, Domains: []string{"acme.test"}}}}
	m := &directory.Member{Email: "ada@Acme.test", Stage: directory.StageActive}
	if errs.CodeOf(directory.MaySignIn(cfg, m, directory.MethodPassword)) != "sso_required" {
		t.Error("a password is good again")
	}
	if err := directory.MaySignIn(cfg, m, directory.MethodSAML); err != nil {
		t.Error(err)
	}
	if cfg.ProvenAddress("ada@acme.test", m) {
		t.Error("an address alone still links")
	}
	m.BreakGlass = true
	if err := directory.MaySignIn(cfg, m, directory.MethodPassword); err != nil {
		t.Error(err)
	}
}

func TestDomain_TakenAwayBesideItsClaimDoesNotComeBackByItself(t *testing.T) {
	eachDomains(t, func(d *domains) {
		v := d.proven("acme", "acme.test")
		if err := d.DB.Write(context.Background(), d.mustConfig(d.t, "acme").Workspace.ID, func(tx *store.Tx) error {
			tx.DeleteDomain("acme.test")
			return tx.Record(audit.Event{Type: audit.WorkspaceApplied})
		}); err != nil {
			d.t.Fatal(err)
		}
		d.pass(27 * time.Hour)
		d.recheck()
		if got := d.view("acme", "acme.test"); got.State != DomainPending || got.NextCheckAt != nil || got.Record.Value != v.Record.Value {
			d.t.Errorf("%+v", got)
		}
		if got, err := d.verify("acme", "acme.test"); err != nil || got.State != DomainProven {
			d.t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestDomain_RemovedWhileDNSIsAskedIsNotProven(t *testing.T) {
	eachDomains(t, func(d *domains) {
		v := d.claim("acme", "acme.test")
		d.TXT = func(ctx context.Context, _ string) ([]string, error) {
			if err := d.RemoveDomain(ctx, "acme", "acme.test", operator); err != nil {
				return nil, err
			}
			return []string{v.Record.Value}, nil
		}
		_, err := d.verify("acme", "acme.test")
		d.wantCode(err, errs.KindNotFound, "domain_unknown")
		v = d.claim("acme", "acme.test")
		d.TXT = func(ctx context.Context, _ string) ([]string, error) {
			if err := d.RemoveDomain(ctx, "acme", "acme.test", operator); err != nil {
				return nil, err
			}
			_, err := d.ClaimDomain(ctx, "acme", "acme.test", operator)
			return []string{v.Record.Value}, err
		}
		_, err = d.verify("acme", "acme.test")
		d.wantCode(err, errs.KindConflict, "domain_changed")
		if d.view("acme", "acme.test").State != DomainPending {
			d.t.Error("the old value proved the new claim")
		}
	})
}
