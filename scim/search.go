package scim

import (
	"encoding/json"
	"net/http"
	"net/url"
)

// URNSearchRequest is the schema of a search (RFC 7644 section 3.4.3).
const URNSearchRequest = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"

// search performs a POST to .search (RFC 7644 section 3.4.3): a list whose parameters are in the body, where no
// proxy's log keeps them.
func (e *exchange) search() (answer, error) {
	if _, given, _ := parameter(e.query, "filter", ""); given {
		return answer{}, bad(TypeInvalidFilter, "The filter of a search belongs into its body.")
	}
	body, err := e.readBody()
	if err != nil {
		return answer{}, err
	}
	o, err := decodeObject(body)
	if err != nil {
		return answer{}, err
	}
	if e.query, err = searchParameters(o, e.mode); err != nil {
		return answer{}, err
	}
	if e.t == nil {
		return e.listAll()
	}
	return e.list()
}

// searchParameters turns a search's body into the parameters of a list, so that both are read by the same
// code. Unknown members are ignored, as unknown parameters are.
func searchParameters(o object, mode Mode) (url.Values, error) {
	if !namesSchema(o, URNSearchRequest) {
		return nil, bad(TypeInvalidSyntax, "\"schemas\" must contain %s.", quote(URNSearchRequest))
	}
	v := url.Values{}
	for _, f := range o {
		var err error
		switch name := lowerASCII(f.name); name {
		case "filter", "sortby", "sortorder", "cursor":
			err = searchText(v, name, f.value)
		case "startindex":
			err = searchNumber(v, "startIndex", f.value)
		case "count":
			err = searchNumber(v, "count", f.value)
		case "attributes":
			err = searchNames(v, "attributes", f.value, mode)
		case "excludedattributes":
			err = searchNames(v, "excludedAttributes", f.value, mode)
		}
		if err != nil {
			return nil, err
		}
	}
	return v, nil
}

// namesSchema reports whether "schemas" of a message contains urn.
func namesSchema(o object, urn string) bool {
	v, _ := o.get("schemas")
	list, _ := v.([]any)
	for _, e := range list {
		if s, ok := e.(string); ok && equalFoldASCII(s, urn) {
			return true
		}
	}
	return false
}

// searchText sets a text, null aside.
func searchText(v url.Values, name string, value any) error {
	if value == nil {
		return nil
	}
	s, ok := value.(string)
	if !ok {
		kind := TypeInvalidValue
		if name == "filter" {
			kind = TypeInvalidFilter
		}
		return bad(kind, "%s must be a string; received %s.", quote(name), describe(value))
	}
	v.Set(name, s)
	return nil
}

// searchNumber sets a number. What is not one is refused where the parameter is read.
func searchNumber(v url.Values, name string, value any) error {
	switch n := value.(type) {
	case nil:
	case json.Number:
		v.Set(name, string(n))
	default:
		return bad(TypeInvalidValue, "%q must be a whole number; received %s.", name, describe(value))
	}
	return nil
}

// searchNames sets attribute names: an array, or in lenient mode the comma list of a URL.
func searchNames(v url.Values, name string, value any, mode Mode) error {
	switch names := value.(type) {
	case nil:
	case string:
		if mode.strict() {
			return searchNameList.refused("%q must be an array of attribute names; received %s.", name, describe(value))
		}
		v.Set(name, names)
	case []any:
		for _, n := range names {
			s, ok := n.(string)
			if !ok {
				return bad(TypeInvalidValue, "%q must be an array of attribute names; received %s in it.", name, describe(n))
			}
			v.Add(name, s)
		}
	default:
		return bad(TypeInvalidValue, "%q must be an array of attribute names; received %s.", name, describe(value))
	}
	return nil
}

func listed(b []byte) answer { return answer{status: http.StatusOK, body: append(b, "]}"...)} }
