package scim

import (
	"encoding/json"
	"net/http"
	"time"
)

// AuthenticationScheme is one way to authenticate, as ServiceProviderConfig tells it (RFC 7643
// section 5).
type AuthenticationScheme struct {
	Type        string `json:"type"`
	Name        string `json:"name"`
	Description string `json:"description"`
	SpecURI     string `json:"specUri,omitempty"`
	Primary     bool   `json:"primary,omitempty"`
}

func bearerScheme() []AuthenticationScheme {
	return []AuthenticationScheme{{
		Type: "oauthbearertoken", Name: "Bearer token", Primary: true,
		Description: "A SCIM token in the Authorization header",
		SpecURI:     "https://www.rfc-editor.org/info/rfc6750",
	}}
}

type metaJSON struct {
	ResourceType string `json:"resourceType"`
	Location     string `json:"location"`
}

type supported struct {
	Supported bool `json:"supported"`
}

type configJSON struct {
	Schemas          []string  `json:"schemas"`
	DocumentationURI string    `json:"documentationUri,omitempty"`
	Patch            supported `json:"patch"`
	Bulk             struct {
		Supported      bool  `json:"supported"`
		MaxOperations  int   `json:"maxOperations"`
		MaxPayloadSize int64 `json:"maxPayloadSize"`
	} `json:"bulk"`
	Filter struct {
		Supported  bool `json:"supported"`
		MaxResults int  `json:"maxResults"`
	} `json:"filter"`
	ChangePassword        supported              `json:"changePassword"`
	Sort                  supported              `json:"sort"`
	ETag                  supported              `json:"etag"`
	Pagination            *paginationJSON        `json:"pagination,omitempty"`
	SecurityEvents        *securityEventsJSON    `json:"securityEvents,omitempty"`
	Conformant            bool                   `json:"interopProfileConformant,omitempty"`
	AuthenticationSchemes []AuthenticationScheme `json:"authenticationSchemes"`
	Meta                  metaJSON               `json:"meta"`
}

// securityEventsJSON is which events are sent (RFC 9967 section 4).
type securityEventsJSON struct {
	AsyncRequest string   `json:"asyncRequest"`
	EventURIs    []string `json:"eventUris"`
}

// paginationJSON is how lists are paged (RFC 9865 section 4).
type paginationJSON struct {
	Cursor          bool   `json:"cursor"`
	Index           bool   `json:"index"`
	DefaultMethod   string `json:"defaultPaginationMethod"`
	DefaultPageSize int    `json:"defaultPageSize"`
	MaxPageSize     int    `json:"maxPageSize"`
	CursorTimeout   int    `json:"cursorTimeout,omitempty"` // seconds
}

type resourceTypeJSON struct {
	Schemas     []string        `json:"schemas"`
	ID          string          `json:"id"`
	Name        string          `json:"name"`
	Endpoint    string          `json:"endpoint"`
	Description string          `json:"description,omitempty"`
	Schema      string          `json:"schema"`
	Extensions  []extensionJSON `json:"schemaExtensions,omitempty"`
	Meta        metaJSON        `json:"meta"`
}

type extensionJSON struct {
	Schema   string `json:"schema"`
	Required bool   `json:"required"`
}

type schemaJSON struct {
	Schemas     []string        `json:"schemas"`
	ID          string          `json:"id"`
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Attributes  []attributeJSON `json:"attributes"`
	Meta        metaJSON        `json:"meta"`
}

type attributeJSON struct {
	Name            string          `json:"name"`
	Type            DataType        `json:"type"`
	MultiValued     bool            `json:"multiValued"`
	Description     string          `json:"description,omitempty"`
	Required        bool            `json:"required"`
	CanonicalValues *[]string       `json:"canonicalValues,omitempty"`
	CaseExact       bool            `json:"caseExact"`
	Mutability      Mutability      `json:"mutability"`
	Returned        Returned        `json:"returned"`
	Uniqueness      Uniqueness      `json:"uniqueness"`
	ReferenceTypes  []string        `json:"referenceTypes,omitempty"`
	SubAttributes   []attributeJSON `json:"subAttributes,omitempty"`
}

type listJSON struct {
	Schemas      []string `json:"schemas"`
	TotalResults int      `json:"totalResults"`
	StartIndex   int      `json:"startIndex"`
	ItemsPerPage int      `json:"itemsPerPage"`
	Resources    []any    `json:"Resources"`
}

// discovery answers the three endpoints of RFC 7644 section 4. rest is the path below them.
func (h *Handler) discovery(endpoint string, rest []string, mode Mode) (any, error) {
	switch endpoint {
	case "serviceproviderconfig":
		if len(rest) == 0 {
			return h.serviceProviderConfig(mode), nil
		}
	case "resourcetypes":
		return pick(h.resourceTypes(), rest)
	case "schemas":
		return pick(h.schemas(mode), rest)
	}
	return nil, Errorf(http.StatusNotFound, "", "There is nothing at this path.")
}

// identified is a discovery object with its id.
type identified struct {
	id   string
	body any
}

// pick returns the list, or the one object that rest names.
func pick(all []identified, rest []string) (any, error) {
	if len(rest) == 0 {
		list := listJSON{Schemas: []string{URNListResponse}, TotalResults: len(all), StartIndex: 1, ItemsPerPage: len(all)}
		for _, o := range all {
			list.Resources = append(list.Resources, o.body)
		}
		return list, nil
	}
	for _, o := range all {
		if len(rest) == 1 && equalFoldASCII(o.id, rest[0]) {
			return o.body, nil
		}
	}
	return nil, Errorf(http.StatusNotFound, "", "There is no %s here.", quote(rest[0]))
}

func (h *Handler) serviceProviderConfig(mode Mode) configJSON {
	c := configJSON{
		Schemas:               []string{URNServiceProviderConfig},
		DocumentationURI:      h.DocumentationURI,
		Patch:                 supported{true},
		AuthenticationSchemes: h.AuthenticationSchemes,
		Meta:                  metaJSON{"ServiceProviderConfig", h.renderer().base + "/ServiceProviderConfig"},
	}
	c.Filter.Supported, c.Filter.MaxResults = true, MaxCount
	c.Sort.Supported, c.ETag.Supported = h.Offers.Sort, h.Offers.ETag
	if h.Bulk != nil {
		c.Bulk.Supported, c.Bulk.MaxOperations, c.Bulk.MaxPayloadSize = true, h.Bulk.operations(), h.Bulk.payload()
	}
	if !h.HideNewerKeys {
		c.Pagination, c.Conformant = h.pagination(), mode.strict()
		if len(h.SecurityEvents) > 0 {
			c.SecurityEvents = &securityEventsJSON{AsyncRequest: "none", EventURIs: h.SecurityEvents}
		}
	}
	if c.AuthenticationSchemes == nil {
		c.AuthenticationSchemes = bearerScheme()
	}
	return c
}

// pagination says index first: a client that knows of no cursors asks for none (RFC 9865 section 3).
func (h *Handler) pagination() *paginationJSON {
	p := &paginationJSON{Cursor: h.Offers.Cursor, Index: true, DefaultMethod: "index", DefaultPageSize: DefaultCount, MaxPageSize: MaxCount}
	if h.Offers.Cursor {
		p.CursorTimeout = int(h.CursorTimeout / time.Second)
	}
	return p
}

func (h *Handler) resourceTypes() []identified {
	var all []identified
	for _, t := range h.Types {
		o := resourceTypeJSON{
			Schemas: []string{URNResourceType}, ID: t.Name, Name: t.Name, Endpoint: "/" + t.segment(),
			Description: t.Description, Schema: t.Schema.ID,
			Meta: metaJSON{"ResourceType", h.renderer().base + "/ResourceTypes/" + t.Name},
		}
		for _, e := range t.Extensions {
			o.Extensions = append(o.Extensions, extensionJSON{e.Schema.ID, e.Required})
		}
		all = append(all, identified{t.Name, o})
	}
	return all
}

// schemas lists the schemas of all types, each once, and the three that describe discovery
// itself: scim2-tester looks for them by name.
func (h *Handler) schemas(mode Mode) []identified {
	var list []*Schema
	for _, t := range h.Types {
		list = append(list, t.Schema)
		for _, e := range t.Extensions {
			list = append(list, e.Schema)
		}
	}
	seen := map[string]bool{}
	var all []identified
	for _, s := range append(list, metaSchemas(!h.HideNewerKeys, mode)...) {
		if seen[s.ID] {
			continue
		}
		seen[s.ID] = true
		all = append(all, identified{s.ID, schemaJSON{
			Schemas: []string{URNSchema}, ID: s.ID, Name: s.Name, Description: s.Description,
			Attributes: publish(s.Attributes, mode),
			Meta:       metaJSON{"Schema", h.renderer().base + "/Schemas/" + s.ID},
		}})
	}
	return all
}

// publish spells the standard's defaults out. Attributes that are never stored are left out:
// Google builds its mapping page from what it reads here. The profile of strict mode wants canonicalValues of
// each "type" of a list's values: where there are none, the empty list that RFC 7643 section 8.7.1 prints.
func publish(list []*Attribute, mode Mode) []attributeJSON {
	out := make([]attributeJSON, 0, len(list))
	for _, a := range list {
		if a.Unstored {
			continue
		}
		out = append(out, attributeJSON{
			Name: a.Name, Type: or(a.Type, String), MultiValued: a.MultiValued, Description: a.Description,
			Required: a.Required, CaseExact: a.Exact(),
			Mutability: or(a.Mutability, ReadWrite), Returned: or(a.Returned, ReturnedDefault),
			Uniqueness: or(a.Uniqueness, UniqueNone), ReferenceTypes: a.ReferenceTypes,
			SubAttributes: publish(a.SubAttributes, mode),
		})
		last := &out[len(out)-1]
		if len(a.CanonicalValues) > 0 {
			last.CanonicalValues = &a.CanonicalValues
		}
		for i := range last.SubAttributes {
			if sub := &last.SubAttributes[i]; sub.Name == "type" && a.MultiValued && sub.CanonicalValues == nil && mode.strict() {
				sub.CanonicalValues = &[]string{}
			}
		}
	}
	return out
}

func or[T ~string](v, otherwise T) T {
	if v == "" {
		return otherwise
	}
	return v
}

func marshal(v any) ([]byte, error) { return json.Marshal(v) }
