package directory_test

import (
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
)

func TestDomainName_IsOneForAllWaysToWriteADomain(t *testing.T) {
	for want, ways := range map[string][]string{
		"acme.test":            {"acme.test", "ACME.Test", "acme.test.", "\uff41\uff43\uff4d\uff45.test", "acme\u3002test", "acme\uff0etest", "ac\u00adme.test", "ACME\uff61TEST."},
		"xn--mnchen-3ya.de":    {"münchen.de", "MÜNCHEN.DE", "Mu\u0308nchen.de", "xn--mnchen-3ya.de", "XN--MNCHEN-3YA.DE.", "münchen.de."},
		"xn--strae-oqa.de":     {"straße.de", "xn--strae-oqa.de"},
		"kelvin.test":          {"\u212aelvin.test", "KELVIN.TEST"},
		"a.b.c.d.example":      {"a.b.c.d.example"},
		"1and1.example":        {"1and1.example"},
		"r3---sn.example.test": {"r3---sn.example.test"},
		"xn--80ak6aa92e.com":   {"аррӏе.com"}, // another script that looks like a name in ours is another domain
	} {
		for _, way := range ways {
			if got, ok := directory.DomainName(way); !ok || got != want {
				t.Errorf("DomainName(%q) = %q, %v, want %q", way, got, ok, want)
			}
		}
	}
}

func TestDomainName_RefusesWhatNoResolverWouldLookUp(t *testing.T) {
	for _, junk := range []string{"", ".", "..", "acme", "localhost", "acme..test", ".acme.test", "acme.test..", "-acme.test", "acme-.test", "acme_x.test", "acme .test",
		" acme.test", "acme.test\n", "acme.test/x", "acme.test:25", "a@acme.test", "evil.test\uff20acme.test", "1.2.3.4", "[1.2.3.4]", "acme.1", "*.acme.test", "acme.te\x00st", "\xff.test",
		"xn--.test", "xn--\u00fc.test", "xn--a-.test", "xn--acme-.test", "aאb.test", "a\u200db.test", "acme\u202etest.com", strings.Repeat("a", 64) + ".test",
		strings.Repeat("a.", 127) + "test", strings.Repeat("ü", 3000) + ".test"} {
		if got, ok := directory.DomainName(junk); ok {
			t.Errorf("DomainName(%.80q) = %q", junk, got)
		}
	}
}

func TestDomain_IsTheDomainOfAnAddressAndOfNothingElse(t *testing.T) {
	for address, want := range map[string]string{
		"ada@Acme.Test": "acme.test", "ada@acme.test.": "acme.test", "ada@b\u00dcro.de": "xn--bro-hoa.de", "ada@xn--bro-hoa.de": "xn--bro-hoa.de",
		"ada+x@acme.test": "acme.test", "o'brien@acme.test": "acme.test", "\"ada\"@acme.test": "acme.test",
		"nobody": "", "": "", "trailing@": "", "@acme.test": "", "a@b@acme.test": "", "\"a@evil.test\"@acme.test": "", "ada@localhost": "",
		"ada@acme.test ": "", "ada@evil.test\uff20acme.test": "", "ada\uff20acme.test": "", "ada@evil.test\x00.acme.test": "", "ada@[10.0.0.1]": "",
		"ada@\u0430cme.test": "xn--cme-5cd.test", // a Cyrillic letter: another domain
	} {
		if got := directory.Domain(address); got != want {
			t.Errorf("Domain(%q) = %q, want %q", address, got, want)
		}
	}
}

func TestProvenAndCovers_AskTheOneFunctionForTheDomainOfAnAddress(t *testing.T) {
	cfg := &directory.Config{Domains: []string{"acme.test", "xn--mnchen-3ya.de"}}
	e := directory.Enforcement{RequireSSO: directory.RequireDomains, Domains: cfg.Domains}
	for address, want := range map[string]bool{
		"a@acme.test": true, "a@ACME.TEST": true, "a@acme.test.": true, "a@münchen.de": true, "a@MÜNCHEN.de": true, "a@xn--mnchen-3ya.de": true,
		"a@eu.acme.test": false, "a@notacme.test": false, "a@acme.test.evil.test": false, "a@b@acme.test": false, "a@munchen.de": false, "a@\u0430cme.test": false, "acme.test": false,
	} {
		if cfg.Proven(address) != want || e.Covers(address) != want {
			t.Errorf("%q: proven %v, covered %v, want %v", address, cfg.Proven(address), e.Covers(address), want)
		}
	}
}

func TestClaim_OfAPublicSuffixOrAMailProviderIsRefusedWithTheReason(t *testing.T) {
	for typed, code := range map[string]string{
		"com": "domain_invalid", "co.uk": "domain_public_suffix", "CO.UK.": "domain_public_suffix", "github.io": "domain_public_suffix", "xn--55qx5d.cn": "domain_public_suffix", "公司.cn": "domain_public_suffix",
		"s3.amazonaws.com": "domain_public_suffix", "gmail.com": "domain_mail_provider", "GMAIL.com": "domain_mail_provider", "ｇmail.com": "domain_mail_provider", "outlook.com": "domain_mail_provider",
		"": "domain_invalid", "acme": "domain_invalid", "a@acme.test": "domain_invalid", "https://acme.test": "domain_invalid", "127.0.0.1": "domain_invalid",
		strings.Repeat("a234567890.", 22) + "test": "domain_too_long",
	} {
		if name, err := directory.ClaimableDomain(typed); errs.CodeOf(err) != code || errs.KindOf(err) != errs.KindInvalid {
			t.Errorf("%q: %q, %v, want %s", typed, name, err, code)
		}
	}
	for typed, want := range map[string]string{" Acme.Test ": "acme.test", "eu.acme.test": "eu.acme.test", "acme.co.uk": "acme.co.uk", "acme.github.io": "acme.github.io", "münchen.de": "xn--mnchen-3ya.de"} {
		if name, err := directory.ClaimableDomain(typed); err != nil || name != want {
			t.Errorf("%q: %q, %v", typed, name, err)
		}
	}
}

func TestSameDomain_IsNeverOfTwoThatAreNone(t *testing.T) {
	for pair, want := range map[[2]string]bool{{"acme.test", "ACME.TEST."}: true, {"münchen.de", "xn--mnchen-3ya.de"}: true, {"acme.test", "eu.acme.test"}: false, {"", ""}: false, {"a b", "a b"}: false} {
		if directory.SameDomain(pair[0], pair[1]) != want {
			t.Errorf("%q", pair)
		}
	}
}

func TestShownDomain_HasTheStoredFormFirst(t *testing.T) {
	for name, want := range map[string]string{"acme.test": "acme.test", "xn--mnchen-3ya.de": "xn--mnchen-3ya.de (münchen.de)"} {
		if got := directory.ShownDomain(name); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func FuzzDomainName_GivesAFormThatIsItsOwn(f *testing.F) {
	for _, s := range []string{"acme.test", "ACME.TEST.", "münchen.de", "xn--mnchen-3ya.de", "\uff41.test", "a\u00ad.b", "evil.test\uff20acme.test", "xn--.x", "ß.de", "x\u200dy.test", "a..b", "1.2.3.4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, ok := directory.DomainName(s)
		if !ok {
			if name != "" {
				t.Fatalf("%q: no domain, yet %q", s, name)
			}
			return
		}
		if again, ok := directory.DomainName(name); !ok || again != name {
			t.Fatalf("%q gives %q, which gives %q, %v", s, name, again, ok)
		}
		if len(name) > 253 || strings.ToLower(name) != name || strings.ContainsAny(name, "@ /\\:\"'<>_*\x00") || strings.HasSuffix(name, ".") || !strings.Contains(name, ".") {
			t.Fatalf("%q gives %q", s, name)
		}
		if upper, ok := directory.DomainName(strings.ToUpper(name) + "."); !ok || upper != name {
			t.Fatalf("%q in capitals gives %q, %v", name, upper, ok)
		}
		if at := directory.Domain("a@" + s); at != name && !strings.Contains(s, "@") {
			t.Fatalf("an address in %q is of %q, want %q", s, at, name)
		}
	})
}
