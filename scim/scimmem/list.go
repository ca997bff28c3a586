package scimmem

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"hash/fnv"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-id/gatehouse/scim"
)

func compare(a, b uint64) int { return cmp.Compare(a, b) }

// found is a resource that matches, with its number, which breaks ties.
type found struct {
	number uint64
	r      scim.Resource
}

// List returns a page of what matches, in the order of creation or by q.SortBy.
func (d *Directory) List(_ context.Context, t *scim.ResourceType, q scim.Query) (scim.Page, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var list []found
	if tab := d.tables[t.Name]; tab != nil {
		for _, e := range tab.entries {
			if r := d.view(e); scim.Match(t, q.Filter, r) {
				list = append(list, found{e.number, r})
			}
		}
	}
	order := func(a, b found) int { return compare(a.number, b.number) }
	if q.SortBy != nil {
		order = func(a, b found) int {
			c := scim.CompareBy(t, *q.SortBy, a.r, b.r)
			if q.Descending {
				c = -c
			}
			return cmp.Or(c, compare(a.number, b.number))
		}
		slices.SortFunc(list, order)
	}
	page := scim.Page{TotalResults: len(list)}
	from := min(max(q.StartIndex, 1)-1, len(list))
	if q.Cursor != "" {
		var err error
		if from, err = d.after(t, q, list, order); err != nil {
			return scim.Page{}, err
		}
	}
	to := min(from+max(q.Count, 0), len(list))
	for _, f := range list[from:to] {
		page.Resources = append(page.Resources, f.r.Clone())
	}
	if q.ByCursor && from < to && to < len(list) {
		page.NextCursor = cursor(t, q, list[to-1])
	}
	return page, nil
}

// A cursor names the query and the last resource that was on a page: the next page begins behind it, whatever has
// come and gone before it. It carries no secret and protects none.
func cursor(t *scim.ResourceType, q scim.Query, last found) string {
	return base64.RawURLEncoding.EncodeToString([]byte(fingerprint(t, q) + " " + strconv.FormatUint(last.number, 36) + " " + last.r.ID()))
}

func fingerprint(t *scim.ResourceType, q scim.Query) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%q %v", t.Name, q.Descending)
	if q.Filter != nil {
		fmt.Fprintf(h, " %q", q.Filter.String())
	}
	if q.SortBy != nil {
		fmt.Fprintf(h, " by %q", q.SortBy.String())
	}
	return strconv.FormatUint(h.Sum64(), 36)
}

// after returns the place in list behind the resource that a cursor names. In the order of creation that place is
// known even when the resource is gone; in another order it is lost with the resource.
func (d *Directory) after(t *scim.ResourceType, q scim.Query, list []found, order func(a, b found) int) (int, error) {
	text, err := base64.RawURLEncoding.DecodeString(q.Cursor)
	parts := strings.SplitN(string(text), " ", 3)
	if err != nil || len(parts) != 3 || parts[0] != fingerprint(t, q) {
		return 0, scim.Errorf(http.StatusBadRequest, scim.TypeInvalidCursor, "The cursor belongs to another query.")
	}
	last := found{}
	if last.number, err = strconv.ParseUint(parts[1], 36, 64); err != nil {
		return 0, scim.Errorf(http.StatusBadRequest, scim.TypeInvalidCursor, "The cursor belongs to another query.")
	}
	if q.SortBy != nil {
		e, err := d.find(t, parts[2])
		if err != nil {
			return 0, scim.Errorf(http.StatusBadRequest, scim.TypeExpiredCursor, "The resource at the cursor is gone; begin again.")
		}
		last.r = d.view(e)
	}
	i, exact := slices.BinarySearchFunc(list, last, order)
	if exact {
		i++
	}
	return i, nil
}
