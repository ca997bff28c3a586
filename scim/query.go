package scim

import (
	"errors"
	"math"
	"net/url"
	"strconv"
	"strings"
)

// Paging limits (RFC 7644 section 3.4.2.4). MaxCount is advertised as filter.maxResults.
const (
	DefaultCount = 100
	MaxCount     = 200
)

// Query is one list request.
type Query struct {
	Filter     Filter // nil for all
	StartIndex int    // 1 or more; 1 where the client pages by cursor
	Count      int    // 0 to MaxCount; 0 asks for the total alone
	Projection Projection
	// SortBy is what to sort by, nil for the Backend's own order (RFC 7644 section 3.4.2.3). It names no
	// complex attribute but its sub-attribute: emails is emails.value. CompareBy compares as the standard
	// asks where a Backend has nothing better.
	SortBy     *AttrPath
	Descending bool
	// ByCursor says that the client pages by cursor (RFC 9865); Cursor is the Backend's own word of the page
	// to return, "" for the first.
	ByCursor bool
	Cursor   string
}

// Page is one page of a list. Resources are in an order that is total and the same for every
// page; TotalResults counts all that match.
type Page struct {
	Resources    []Resource
	TotalResults int
	// NextCursor is the cursor of the page behind this one, "" on the last, and PreviousCursor that of the
	// page before, optional. They consist of unreserved characters of URLs and are looked at for Query.ByCursor only.
	NextCursor     string
	PreviousCursor string
}

// parseQuery reads a raw query string. A part that cannot be decoded is an error and never
// ignored: it could be the filter.
func parseQuery(raw string) (url.Values, error) {
	v, err := url.ParseQuery(raw)
	if err == nil {
		return v, nil
	}
	kind := TypeInvalidValue
	if strings.Contains(lowerASCII(raw), "filter") {
		kind = TypeInvalidFilter
	}
	return nil, bad(kind, "The query string cannot be decoded; percent-encode its values.")
}

// parameter returns a parameter by name. Letter case is forgiven, since an ignored "Filter" would
// return everybody. A repeated parameter is an error.
func parameter(q url.Values, name, scimType string) (value string, given bool, err error) {
	n := 0
	for key, values := range q {
		if equalFoldASCII(key, name) {
			n += len(values)
			value = values[0]
		}
	}
	if n > 1 {
		return "", false, bad(scimType, "The parameter %q is given %d times.", name, n)
	}
	return value, n == 1, nil
}

// listing is the parameters of a list or search, read as far as no resource type is needed.
type listing struct {
	Query
	values  url.Values
	filter  string
	filters bool   // a filter is given
	sortBy  string // "" for none
}

// listingFrom reads the parameters of a list. Unknown ones are ignored, and so are sortBy and sortOrder where
// sorting is not offered.
func (h *Handler) listingFrom(v url.Values) (l listing, err error) {
	l.values = v
	if l.filter, l.filters, err = parameter(v, "filter", TypeInvalidFilter); err != nil {
		return l, err
	}
	if err := h.readCursor(&l); err != nil {
		return l, err
	}
	kind := TypeInvalidValue
	if l.ByCursor {
		kind = TypeInvalidCount
	}
	if l.StartIndex, err = intParameter(v, "startIndex", TypeInvalidValue, 1); err != nil {
		return l, err
	}
	if l.Count, err = intParameter(v, "count", kind, DefaultCount); err != nil {
		return l, err
	}
	l.StartIndex = max(l.StartIndex, 1)
	l.Count = min(max(l.Count, 0), MaxCount)
	if h.Offers.Sort {
		err = l.readSort()
	}
	return l, err
}

// maxCursor is how many bytes of a cursor are passed on.
const maxCursor = 4 << 10

// readCursor reads "cursor" (RFC 9865 section 2), whose mere presence asks for pages by cursor. A server that
// does not offer them answers an empty one by index, as one that knows nothing of cursors would; any other
// cannot be ours.
func (h *Handler) readCursor(l *listing) error {
	cursor, given, err := parameter(l.values, "cursor", TypeInvalidCursor)
	if err != nil || !given {
		return err
	}
	if !h.Offers.Cursor {
		if cursor == "" {
			return nil
		}
		return bad(TypeInvalidCursor, "This server does not page by cursor; use startIndex.")
	}
	if _, both, _ := parameter(l.values, "startIndex", ""); both {
		return bad(TypeInvalidValue, "\"cursor\" and \"startIndex\" exclude each other; give one of them.")
	}
	if len(cursor) > maxCursor || strings.ContainsFunc(cursor, notUnreserved) {
		return bad(TypeInvalidCursor, "The cursor is none of this server's.")
	}
	l.ByCursor, l.Cursor = true, cursor
	return nil
}

// notUnreserved reports what a cursor has no use for (RFC 3986 section 2.3).
func notUnreserved(r rune) bool {
	return ('a' > r || r > 'z') && ('A' > r || r > 'Z') && ('0' > r || r > '9') && !strings.ContainsRune("-._~", r)
}

func (l *listing) readSort() error {
	order, given, err := parameter(l.values, "sortOrder", TypeInvalidValue)
	if err != nil {
		return err
	}
	l.Descending = equalFoldASCII(order, "descending")
	if given && !l.Descending && !equalFoldASCII(order, "ascending") {
		return bad(TypeInvalidValue, "\"sortOrder\" must be ascending or descending; received %s.", quote(order))
	}
	l.sortBy, _, err = parameter(l.values, "sortBy", TypeInvalidValue)
	l.sortBy = strings.TrimSpace(l.sortBy)
	return err
}

// queryFor completes the Query for one resource type; matches says that any resource of t can match the filter.
func (l listing) queryFor(t *ResourceType, mode Mode) (q Query, matches bool, err error) {
	q, matches = l.Query, true
	if l.filters {
		if q.Filter, matches, err = parseFilterAcross(t, nil, mode, l.filter); err != nil {
			return q, false, err
		}
	}
	if l.sortBy != "" {
		if q.SortBy, err = sortPath(t, l.sortBy); err != nil {
			return q, false, err
		}
	}
	q.Projection, err = projectionFrom(t, l.values)
	return q, matches, err
}

// sortPath reads sortBy. Errors are invalidValue: RFC 7644 section 3.12 keeps invalidPath for PATCH. An
// attribute that is shown on request alone, or never, must not show by the order it makes.
func sortPath(t *ResourceType, text string) (*AttrPath, error) {
	s, why := scope{t: t, mode: Lenient}.scan(text)
	leaf := s.leaf()
	switch {
	case len(text) > maxPathBytes:
		return nil, bad(TypeInvalidValue, "\"sortBy\" is too long.")
	case why != "":
	case s.n < len(text):
		why = "nothing was expected at " + quote(text[s.n:])
	case s.open:
		why = "it is of no known type"
	case leaf == nil:
		why = "it names a schema"
	case s.attr.hidden() || leaf.hidden():
		why = "it is not returned with every resource"
	case s.attr.RowLevel:
		why = "it is a list of other resources"
	case leaf.isComplex() && leaf.Sub("value") == nil:
		why = "it is complex; name one of its sub-attributes"
	}
	if why != "" {
		return nil, bad(TypeInvalidValue, "The resources cannot be sorted by %s: %s.", quote(text), why)
	}
	if leaf.isComplex() {
		s.path.Sub = "value"
	}
	return &s.path, nil
}

func intParameter(v url.Values, name, scimType string, absent int) (int, error) {
	text, given, err := parameter(v, name, scimType)
	if err != nil || !given {
		return absent, err
	}
	n, err := strconv.Atoi(text)
	if errors.Is(err, strconv.ErrRange) {
		if strings.HasPrefix(text, "-") {
			return 0, nil
		}
		return math.MaxInt32, nil
	}
	if err != nil {
		return 0, bad(scimType, "%q must be a whole number; received %s.", name, quote(text))
	}
	return min(n, math.MaxInt32), nil
}
