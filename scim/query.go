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
	// SortBy is what to sort by, nil for the Backend's own order (RFC 7644 section 3.4.2.3). Less compares
	// as the standard asks where a Backend has nothing better.
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

// queryFrom reads the parameters of a list. Unknown ones are ignored, as are sortBy and
// sortOrder, which discovery does not offer.
func queryFrom(t *ResourceType, mode Mode, v url.Values) (Query, error) {
	q := Query{StartIndex: 1, Count: DefaultCount}
	text, given, err := parameter(v, "filter", TypeInvalidFilter)
	if err != nil {
		return q, err
	}
	if given {
		if q.Filter, err = parseFilter(t, mode, text); err != nil {
			return q, err
		}
	}
	if q.StartIndex, err = intParameter(v, "startIndex", 1); err != nil {
		return q, err
	}
	if q.Count, err = intParameter(v, "count", DefaultCount); err != nil {
		return q, err
	}
	q.StartIndex = max(q.StartIndex, 1)
	q.Count = min(max(q.Count, 0), MaxCount)
	q.Projection, err = projectionFrom(t, v)
	return q, err
}

func intParameter(v url.Values, name string, absent int) (int, error) {
	text, given, err := parameter(v, name, TypeInvalidValue)
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
		return 0, bad(TypeInvalidValue, "%q must be a whole number; received %s.", name, quote(text))
	}
	return min(n, math.MaxInt32), nil
}
