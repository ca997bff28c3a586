package scimtest

import (
	"fmt"
	"net/http"
	"strings"
)

const (
	filters    = "RFC 7644 section 3.4.2.2"
	lists      = "RFC 7644 section 3.4.2"
	paging     = "RFC 7644 section 3.4.2.4"
	projecting = "RFC 7644 section 3.9"
)

func filterCases() []Case {
	// finds makes a case of a filter and those of the crew whom it finds.
	finds := func(id, title string, make func(tag string, ann, bob, cid, dan, eve person) (string, []person)) Case {
		return Case{id, title, filters, []feature{filtering}, func(x *trial) {
			ann, bob, cid, dan, eve := x.crew()
			filter, want := make(x.r.report.Prefix, ann, bob, cid, dan, eve)
			x.finds(filter, want...)
		}}
	}
	type p = person
	some := func(people ...person) []person { return people }
	return []Case{
		finds("filter.eq", "eq finds the one", func(_ string, ann, _, _, _, _ p) (string, []p) {
			return fmt.Sprintf("userName eq %q", ann.userName), some(ann)
		}),
		finds("filter.eq-any-case", "eq on userName does not mind letter case", func(_ string, ann, _, _, _, _ p) (string, []p) {
			return fmt.Sprintf("userName eq %q", strings.ToUpper(ann.userName)), some(ann)
		}),
		finds("filter.none", "a filter that nothing matches is an empty list, not 404", func(tag string, _, _, _, _, _ p) (string, []p) {
			return fmt.Sprintf(`userName eq "%s-nobody"`, tag), nil
		}),
		finds("filter.names-any-case", "attribute names and operators are read in any letter case", func(_ string, ann, _, _, _, _ p) (string, []p) {
			return fmt.Sprintf("USERNAME EQ %q", ann.userName), some(ann)
		}),
		finds("filter.urn", "an attribute may have the URN of its schema", func(_ string, ann, _, _, _, _ p) (string, []p) {
			return fmt.Sprintf("%s:userName eq %q", urnUser, ann.userName), some(ann)
		}),
		finds("filter.id", "id can be filtered", func(_ string, ann, _, _, _, _ p) (string, []p) { return fmt.Sprintf("id eq %q", ann.id), some(ann) }),
		finds("filter.external-id", "externalId can be filtered", func(tag string, ann, _, _, _, _ p) (string, []p) {
			return fmt.Sprintf(`externalId eq "%s-Ext"`, tag), some(ann)
		}),
		finds("filter.external-id-case", "externalId minds letter case", func(tag string, _, _, _, _, _ p) (string, []p) {
			return fmt.Sprintf(`externalId eq "%s-eXT"`, tag), nil
		}),
		finds("filter.co", "co finds a part", func(tag string, ann, _, cid, _, _ p) (string, []p) {
			return fmt.Sprintf("title co %q", tag[1:]), some(ann, cid)
		}),
		finds("filter.sw", "sw finds a beginning", func(tag string, ann, _, _, _, _ p) (string, []p) {
			return fmt.Sprintf(`title sw "Head %s"`, tag), some(ann)
		}),
		finds("filter.ew", "ew finds an end", func(tag string, _, _, cid, _, _ p) (string, []p) {
			return fmt.Sprintf(`title ew "rk %s"`, tag), some(cid)
		}),
		finds("filter.sub-attribute", "a sub-attribute can be filtered", func(tag string, _, _, cid, _, _ p) (string, []p) {
			return fmt.Sprintf(`name.familyName eq "Family%s"`, tag), some(cid)
		}),
		finds("filter.multi-valued", "any value of a multi-valued attribute may match", func(tag string, ann, _, _, _, _ p) (string, []p) {
			return fmt.Sprintf(`emails.value sw "%s-home@"`, tag), some(ann)
		}),
		finds("filter.value-path", "in brackets one value must match all terms", func(tag string, ann, _, _, _, _ p) (string, []p) {
			return fmt.Sprintf(`emails[type eq "home" and value sw "%s-home"]`, tag), some(ann)
		}),
		finds("filter.value-path-not", "in brackets two values do not match one term each", func(tag string, _, _, _, _, _ p) (string, []p) {
			return fmt.Sprintf(`emails[type eq "home" and value sw "%s-work"]`, tag), nil
		}),
		finds("filter.and", "and finds what both find", func(_ string, ann, bob, _, _, _ p) (string, []p) {
			return ours(ann, bob) + " and active eq false", some(bob)
		}),
		finds("filter.or", "or finds what either finds", func(_ string, ann, bob, _, _, _ p) (string, []p) {
			return fmt.Sprintf("userName eq %q or userName eq %q", ann.userName, bob.userName), some(ann, bob)
		}),
		finds("filter.precedence", "and binds before or", func(_ string, ann, bob, cid, _, _ p) (string, []p) {
			return fmt.Sprintf("userName eq %q or userName eq %q and active eq false", ann.userName, cid.userName), some(ann)
		}),
		finds("filter.not", "not finds what its term does not", func(_ string, ann, bob, _, _, _ p) (string, []p) {
			return ours(ann, bob) + fmt.Sprintf(" and not (userName eq %q)", ann.userName), some(bob)
		}),
		finds("filter.ne", "ne finds the others", func(_ string, ann, bob, _, _, _ p) (string, []p) {
			return ours(ann, bob) + fmt.Sprintf(" and userName ne %q", ann.userName), some(bob)
		}),
		finds("filter.pr", "pr finds who has a value", func(_ string, ann, bob, cid, dan, eve p) (string, []p) {
			return ours(ann, bob, cid, dan, eve) + " and title pr", some(ann, cid)
		}),
		finds("filter.time", "times are compared as such", func(_ string, ann, bob, _, _, _ p) (string, []p) {
			return ours(ann, bob) + ` and meta.created gt "2001-01-01T00:00:00Z" and meta.created lt "2100-01-01T01:00:00+01:00"`, some(ann, bob)
		}),
		finds("filter.literal", "a percent sign and an underscore stand for themselves", func(tag string, _, _, _, _, _ p) (string, []p) {
			return fmt.Sprintf(`title sw "%%%s" or title sw "Hea_ %s"`, tag, tag), nil
		}),
		finds("filter.escapes", "quotes, brackets and backslashes in a value are part of it", func(tag string, _, _, _, _, _ p) (string, []p) {
			return fmt.Sprintf(`userName eq "%s \"] and (\\ or"`, tag), nil
		}),
		{"filter.one-is-a-list", "a filter that finds one still answers a ListResponse", lists, []feature{filtering}, func(x *trial) {
			ann, _, _, _, _ := x.crew()
			x.listShape(x.get("/Users", "filter", fmt.Sprintf("userName eq %q", ann.userName)), 1)
		}},
	}
}

func filterRefusals() []Case {
	refusal := func(id, title, filter string) Case {
		return Case{id, title, filters, []feature{filtering}, func(x *trial) {
			x.refused(x.get("/Users", "filter", filter), http.StatusBadRequest, "invalidFilter")
		}}
	}
	return []Case{
		refusal("filter.no-operator", "a filter without an operator is 400 invalidFilter", `userName`),
		refusal("filter.no-value", "a filter without a value is 400 invalidFilter", `userName eq`),
		refusal("filter.unknown-operator", "an unknown operator is 400 invalidFilter", `userName zz "a"`),
		refusal("filter.open", "an open parenthesis is 400 invalidFilter", `(userName eq "a"`),
		refusal("filter.open-string", "an open string is 400 invalidFilter", `userName eq "a`),
		refusal("filter.single-quotes", "single quotes are 400 invalidFilter", `userName eq 'a'`),
		refusal("filter.boolean-order", "a boolean has no order: 400 invalidFilter", `active gt true`),
		{"filter.unknown-attribute", "an unknown attribute finds nothing or is refused, and is never ignored", filters, []feature{filtering}, func(x *trial) {
			x.crew()
			a := x.get("/Users", "filter", `noSuchAttribute eq "a"`)
			x.is(a.status == http.StatusBadRequest || a.status == http.StatusOK && len(a.list("Resources")) == 0, "status 400 or an empty list", a)
		}},
	}
}

// listShape expects a ListResponse of n resources.
func (x *trial) listShape(a answer, n int) {
	x.status(a, http.StatusOK)
	x.is(has(a.list("schemas"), urnMessages+"ListResponse"), "the schema "+urnMessages+"ListResponse", a)
	x.is(len(a.list("Resources")) == n, fmt.Sprintf("%d resources", n), a)
}
