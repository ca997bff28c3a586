package scimtest

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// feature is something optional, in the words that a report has for it.
type feature string

const (
	patching   feature = "ServiceProviderConfig: patch.supported"
	filtering  feature = "ServiceProviderConfig: filter.supported"
	sorting    feature = "ServiceProviderConfig: sort.supported"
	versions   feature = "ServiceProviderConfig: etag.supported"
	bulk       feature = "ServiceProviderConfig: bulk.supported"
	cursors    feature = "ServiceProviderConfig: pagination.cursor"
	grouping   feature = "ResourceTypes: Group"
	enterprise feature = "ResourceTypes: the enterprise extension of User"
	bearer     feature = "a token to be without"
)

// discover reads what is offered. A server without the documents offers nothing that is optional.
func (r *runner) discover() error {
	config, err := r.send(r.ctx, request{method: http.MethodGet, path: "/ServiceProviderConfig"})
	if err != nil {
		return err
	}
	types, err := r.send(r.ctx, request{method: http.MethodGet, path: "/ResourceTypes"})
	if err != nil {
		return err
	}
	r.config, r.offers = config, map[feature]bool{bearer: r.probe.Token != ""}
	for f, name := range map[feature]string{patching: "patch", filtering: "filter", sorting: "sort", versions: "etag", bulk: "bulk"} {
		r.offers[f] = config.at(name, "supported") == true
	}
	r.offers[cursors] = config.at("pagination", "cursor") == true
	for _, t := range types.list("Resources") {
		r.offers[grouping] = r.offers[grouping] || text(t, "endpoint") == "/Groups"
		extensions, _ := dig(t, "schemaExtensions").([]any)
		for _, e := range extensions {
			r.offers[enterprise] = r.offers[enterprise] || text(t, "endpoint") == "/Users" && text(e, "schema") == urnEnterprise
		}
	}
	return nil
}

func discoveryCases() []Case {
	const config, types, schemas, discovery = "RFC 7643 section 5", "RFC 7643 section 6", "RFC 7643 section 7", "RFC 7644 section 4"
	return []Case{
		{"discovery.config", "ServiceProviderConfig says what is supported", config, nil, configShape},
		{"discovery.authentication", "ServiceProviderConfig lists authentication schemes with type, name and description", config, nil, func(x *trial) {
			a := x.get("/ServiceProviderConfig")
			schemes := a.list("authenticationSchemes")
			x.is(len(schemes) > 0, "at least one of authenticationSchemes", a)
			for _, s := range schemes {
				x.is(text(s, "type") != "" && text(s, "name") != "" && text(s, "description") != "", "type, name and description of each scheme", a)
			}
		}},
		{"discovery.types", "ResourceTypes lists User with its endpoint and schema", types, nil, func(x *trial) {
			a := x.get("/ResourceTypes")
			x.status(a, http.StatusOK)
			found := false
			for _, t := range a.list("Resources") {
				found = found || text(t, "endpoint") == "/Users" && text(t, "schema") == urnUser && text(t, "name") != ""
			}
			x.is(found, "a resource type with endpoint /Users and schema "+urnUser, a)
		}},
		{"discovery.type", "one resource type can be read by its name", types, nil, func(x *trial) {
			a := x.get("/ResourceTypes/User")
			x.status(a, http.StatusOK)
			x.same(a, "endpoint", a.str("endpoint"), "/Users")
		}},
		{"discovery.schemas", "Schemas describes the attributes of User", schemas, nil, schemaShape},
		{"discovery.schema", "one schema can be read by its URN, raw or percent-encoded", discovery, nil, func(x *trial) {
			for _, urn := range []string{urnUser, strings.ReplaceAll(url.PathEscape(urnUser), ":", "%3A")} {
				a := x.get("/Schemas/" + urn)
				x.status(a, http.StatusOK)
				x.same(a, "id", a.str("id"), urnUser)
			}
		}},
		{"discovery.schema-unknown", "an unknown schema is 404", discovery, nil, func(x *trial) {
			x.refused(x.get("/Schemas/urn:example:nothing"), http.StatusNotFound)
		}},
		{"discovery.schemas-of-types", "every schema that a resource type names can be read", types, nil, func(x *trial) {
			for _, t := range x.get("/ResourceTypes").list("Resources") {
				x.status(x.get("/Schemas/"+text(t, "schema")), http.StatusOK)
				extensions, _ := dig(t, "schemaExtensions").([]any)
				for _, e := range extensions {
					x.status(x.get("/Schemas/"+text(e, "schema")), http.StatusOK)
				}
			}
		}},
		{"discovery.read-only", "the discovery endpoints take GET alone: 405 with Allow", discovery, nil, func(x *trial) {
			for _, path := range []string{"/ServiceProviderConfig", "/ResourceTypes", "/Schemas"} {
				a := x.do(http.MethodPost, path, object{})
				x.status(a, http.StatusMethodNotAllowed)
				x.allows(a, "GET")
			}
		}},
		{"discovery.filter", "a filter on a discovery endpoint is 403", discovery, nil, func(x *trial) {
			x.refused(x.get("/Schemas", "filter", `id eq "x"`), http.StatusForbidden)
		}},
	}
}

// allows expects a method in Allow (RFC 9110 section 15.5.6).
func (x *trial) allows(a answer, method string) {
	x.is(strings.Contains(strings.ToUpper(a.header.Get("Allow")), method), fmt.Sprintf("an Allow header with %s, got %q", method, a.header.Get("Allow")), a)
}

func configShape(x *trial) {
	a := x.get("/ServiceProviderConfig")
	x.status(a, http.StatusOK)
	x.is(has(a.list("schemas"), "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"), "the schema of ServiceProviderConfig in schemas", a)
	for _, name := range []string{"patch", "bulk", "filter", "changePassword", "sort", "etag"} {
		_, ok := a.at(name, "supported").(bool)
		x.is(ok, "a boolean "+name+".supported", a)
	}
	for _, names := range [][]string{{"bulk", "maxOperations"}, {"bulk", "maxPayloadSize"}, {"filter", "maxResults"}} {
		_, ok := a.at(names...).(float64)
		x.is(ok, "a number "+strings.Join(names, "."), a)
	}
}

func schemaShape(x *trial) {
	a := x.get("/Schemas")
	x.status(a, http.StatusOK)
	for _, s := range a.list("Resources") {
		if text(s, "id") != urnUser {
			continue
		}
		attributes, _ := dig(s, "attributes").([]any)
		for _, attr := range attributes {
			if text(attr, "name") == "userName" {
				x.is(dig(attr, "required") == true && text(attr, "uniqueness") != "none", "userName as required and unique", a)
				return
			}
		}
	}
	x.is(false, "the schema "+urnUser+" with an attribute userName", a)
}

func httpCases() []Case {
	const media, errs, auth = "RFC 7644 section 3.1", "RFC 7644 section 3.12", "RFC 7644 section 2"
	return []Case{
		{"http.content-type", "an answer is application/scim+json", media, nil, func(x *trial) {
			x.media(x.get("/Users", "count", "1"))
		}},
		{"http.error-content-type", "an error is application/scim+json as well", media, nil, func(x *trial) {
			x.media(x.get("/Users/" + x.name("nobody")))
		}},
		{"http.accepts-json", "a request may be and ask for application/json", "RFC 7644 section 3.8", nil, func(x *trial) {
			x.done(x.do(http.MethodPost, "/Users", x.user("json"), "Content-Type", "application/json; charset=utf-8", "Accept", "application/json"))
		}},
		{"http.error-shape", "an error has its schema and its status as a string", errs, nil, func(x *trial) {
			x.errorShape(x.get("/Users/"+x.name("nobody")), http.StatusNotFound)
		}},
		{"http.unknown-path", "an unknown path is 404 as a SCIM error", errs, nil, func(x *trial) {
			x.errorShape(x.get("/"+x.name("nowhere")), http.StatusNotFound)
		}},
		{"http.method", "a method that a path does not take is 405 with Allow", "RFC 9110 section 15.5.6", nil, func(x *trial) {
			a := x.do(http.MethodPut, "/Users", object{"schemas": []any{urnUser}})
			x.status(a, http.StatusMethodNotAllowed)
			x.allows(a, "POST")
		}},
		{"http.no-token", "a request without a token is 401 with WWW-Authenticate", auth, []feature{bearer}, func(x *trial) {
			a := x.send(request{method: http.MethodGet, path: "/Users", anonymous: true})
			x.status(a, http.StatusUnauthorized)
			x.is(a.header.Get("WWW-Authenticate") != "", "a WWW-Authenticate header", a)
		}},
		{"http.wrong-token", "a request with a wrong token is 401 as a SCIM error", auth, []feature{bearer}, func(x *trial) {
			x.errorShape(x.send(request{method: http.MethodGet, path: "/Users", token: "not-a-token"}), http.StatusUnauthorized)
		}},
		{"http.me", "/Me is the caller, or 501", "RFC 7644 section 3.11", nil, func(x *trial) {
			a := x.get("/Me")
			x.is(a.status/100 == 2 || a.status == http.StatusPermanentRedirect || a.status == http.StatusNotImplemented, "status 2xx, 308 or 501", a)
		}},
	}
}

func (x *trial) media(a answer) {
	got := a.header.Get("Content-Type")
	kind, _, _ := strings.Cut(got, ";")
	x.is(strings.EqualFold(strings.TrimSpace(kind), contentType), fmt.Sprintf("Content-Type %s, got %q", contentType, got), a)
}

func (x *trial) errorShape(a answer, status int) {
	x.status(a, status)
	x.is(has(a.list("schemas"), urnMessages+"Error"), "the schema "+urnMessages+"Error", a)
	x.is(a.str("status") == fmt.Sprint(status), fmt.Sprintf("status as the string %q", fmt.Sprint(status)), a)
}
