package console

import (
	"net/url"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// domainsData is the page of domains.
type domainsData struct {
	common
	Domains []domainCard
	Mail    bool // owners are told by mail
}

// domainCard is a domain with the address of its forms.
type domainCard struct {
	settings.DomainView
	URL string
	// Said is what the last look found, where that is worth a word.
	Said string
}

func (d *Door) domainsPage(v *visit) error { return d.showDomains(v, told{}) }

func (d *Door) showDomains(v *visit, t told) error {
	all, err := d.Settings.Domains(v.r.Context(), v.live.Slug)
	if err != nil {
		return err
	}
	return d.show(v, "domains", "Domains", "/domains", t, func(c common) any {
		data := domainsData{common: c, Mail: d.Settings.Mail}
		for _, domain := range all {
			card := domainCard{DomainView: domain, URL: c.Base + "/domains/" + url.PathEscape(domain.Domain)}
			if c.Errors[domain.Domain] == "" {
				card.Said = domain.Detail
			}
			data.Domains = append(data.Domains, card)
		}
		return data
	})
}

// addDomain claims a domain; its record is on the page then.
func (d *Door) addDomain(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	typed := form.Get("domain")
	_, err = d.Settings.ClaimDomain(v.r.Context(), v.live.Slug, typed, v.actor)
	if forTheForm(err) {
		return d.showDomains(v, told{field: "domain", err: err, typed: map[string]string{"domain": strings.TrimSpace(typed)}})
	}
	if err != nil {
		return err
	}
	return v.to("/domains?done=domain-claimed")
}

// domain is the one that the path names, in the form in which it is kept.
func (v *visit) domain() string {
	name, _ := directory.DomainName(v.r.PathValue("domain"))
	return name
}

// checkDomain looks at DNS now. What it found stands at the domain.
func (d *Door) checkDomain(v *visit) error {
	domain := v.domain()
	_, err := d.Settings.VerifyDomain(v.r.Context(), v.live.Slug, domain, v.actor)
	switch code := errs.CodeOf(err); {
	case forTheForm(err), code == "dns_no_answer", code == "too_many_checks":
		return d.showDomains(v, told{field: domain, err: err})
	case err != nil:
		return err
	}
	return v.to("/domains?done=domain-proven")
}

func (d *Door) removeDomain(v *visit) error {
	domain := v.domain()
	err := d.Settings.RemoveDomain(v.r.Context(), v.live.Slug, domain, v.actor)
	if forTheForm(err) {
		return d.showDomains(v, told{field: domain, err: err})
	}
	if err != nil {
		return err
	}
	return v.to("/domains?done=domain-removed")
}
