package directory

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"

	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// maxDomain is how long the name of a domain may be (RFC 1035 section 2.3.4, written with dots).
const maxDomain = 253

// domainForm is a name of two labels or more as it stands in DNS, the last of which is no number: four
// numbers are an address of a machine.
var domainForm = regexp.MustCompile(`^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$`)

// DomainName returns the one form in which a domain is stored and compared, whoever wrote it: ASCII, small letters,
// no dot at its end, other scripts as A-labels (IDNA 2008 with the mapping of UTS 46, section 5). So münchen.de,
// MÜNCHEN.DE. and xn--mnchen-3ya.de are one. What a resolver would not look up, and a name without a dot, is no domain.
// What is checked is what came out: a character that turns into another one (a wide @ or full stop) is judged as that.
func DomainName(s string) (name string, ok bool) {
	if len(s) > 4*maxDomain || !utf8.ValidString(s) {
		return "", false
	}
	name = strings.TrimSuffix(Fold(s), ".")
	if !plain(name) {
		var err error
		if name, err = idna.Lookup.ToASCII(s); err != nil {
			return "", false
		}
		name = strings.TrimSuffix(name, ".")
	}
	if len(name) > maxDomain || !domainForm.MatchString(name) {
		return "", false
	}
	last := name[strings.LastIndexByte(name, '.')+1:]
	if strings.Trim(last, "0123456789") == "" {
		return "", false
	}
	return name, true
}

// SameDomain reports whether two names are of one domain. What is no domain is the same as nothing.
func SameDomain(a, b string) bool {
	x, ok := DomainName(a)
	y, _ := DomainName(b)
	return ok && x == y
}

// plain reports whether a folded name is ASCII without A-labels, which needs no mapping: nearly all are.
func plain(name string) bool {
	for i := range len(name) {
		if name[i] >= 0x80 {
			return false
		}
	}
	return !strings.HasPrefix(name, "xn--") && !strings.Contains(name, ".xn--")
}

// ShownDomain is a domain for people: as it is stored and, where it is of another script, how it is written there. The
// stored form comes first, because two scripts can look the same.
func ShownDomain(name string) string {
	if plain(name) {
		return name
	}
	written, err := idna.Display.ToUnicode(name)
	if err != nil || written == name {
		return name
	}
	return name + " (" + written + ")"
}

// Domain returns the domain of an address in the form of DomainName, or "" where it has none. Text with
// more than one "@" is no address, and nobody's domain.
func Domain(address string) string {
	local, domain, ok := strings.Cut(address, "@")
	if !ok || local == "" || strings.Contains(domain, "@") {
		return ""
	}
	name, _ := DomainName(domain)
	return name
}

// mailProviders give addresses to anybody. Nobody's organisation owns such a domain, though who works there could set a
// record in it. The list is short on purpose: DNS says no for all others.
var mailProviders = strings.Fields(`
	gmail.com googlemail.com outlook.com outlook.de outlook.fr hotmail.com hotmail.co.uk hotmail.fr hotmail.de live.com msn.com
	yahoo.com yahoo.co.uk yahoo.co.jp yahoo.fr yahoo.de ymail.com rocketmail.com aol.com icloud.com me.com mac.com
	proton.me protonmail.com pm.me tutanota.com tuta.com gmx.com gmx.de gmx.net gmx.at gmx.ch web.de t-online.de freenet.de
	mail.com mail.ru yandex.ru yandex.com rambler.ru bk.ru inbox.ru list.ru qq.com 163.com 126.com sina.com naver.com daum.net
	zoho.com zohomail.com fastmail.com hey.com orange.fr wanadoo.fr free.fr laposte.net sfr.fr libero.it virgilio.it
	btinternet.com comcast.net verizon.net att.net mailinator.com`)

// maxClaimed is how long a claimed domain may be: the name of its record must fit as well.
const maxClaimed = maxDomain - len("_gatehouse-challenge.")

// ChallengeName is the name of the TXT record that proves a domain.
func ChallengeName(domain string) string { return "_gatehouse-challenge." + domain }

// ClaimableDomain returns the stored form of a domain that a workspace may claim. Refused as invalid are what is no
// domain, a public suffix (co.uk, github.io), under which everybody has their own, and providers of free mail.
func ClaimableDomain(typed string) (string, error) {
	name, ok := DomainName(strings.TrimSpace(typed))
	switch suffix, _ := publicsuffix.PublicSuffix(name); {
	case !ok:
		return "", errs.Invalid("domain_invalid", "Expected a domain such as acme.com, received %q.", clipped(typed))
	case len(name) > maxClaimed:
		return "", errs.Invalid("domain_too_long", "The domain is too long: its record would have a name of more than %d characters.", maxDomain)
	case suffix == name:
		return "", errs.Invalid("domain_public_suffix", "%s is a public suffix: many organisations have names below it, so that it is nobody's own. Claim your domain below it.", name)
	case slices.Contains(mailProviders, name):
		return "", errs.Invalid("domain_mail_provider", "%s gives addresses to everybody. Claim a domain that is your organisation's alone.", name)
	}
	return name, nil
}

// clipped is what was typed, for an error.
func clipped(s string) string {
	r := []rune(s)
	if len(r) > 100 {
		return string(r[:100]) + "…"
	}
	return s
}
