package scim

import (
	"context"
	"strconv"
	"strings"
)

// MaxMerged is how far into a list that is sorted across types a page may reach: startIndex-1+count. Beyond, the
// answer is 400 tooMany, since all that comes before has to be read from every type.
const MaxMerged = 1000

// rootPart is a query across types for one of them.
type rootPart struct {
	t       *ResourceType
	q       Query
	show    Projection // what the answer shows; q.Projection can want more, to sort by
	matches bool       // false where no resource of t can match
}

// found is one resource of an answer across types.
type found struct {
	part *rootPart
	r    Resource
}

// listAll performs a query on the server's root or its .search (RFC 7644 section 3.4.2.1): the types one behind
// the other in the order of Handler.Types, or with sortBy merged into one order. Each type is asked by itself, so a
// change in between can show as it does between two pages.
func (e *exchange) listAll() (answer, error) {
	l, err := e.h.listingFrom(e.query)
	if err != nil {
		return answer{}, err
	}
	parts, err := e.h.partsOf(l, e.mode)
	if err != nil {
		return answer{}, err
	}
	var list []found
	var page Page
	switch ctx := e.r.Context(); {
	case l.ByCursor:
		list, page, err = e.afterCursor(ctx, l, parts)
	case l.sortBy != "":
		list, page.TotalResults, err = e.merged(ctx, l, parts)
	default:
		list, page.TotalResults, err = e.concatenated(ctx, l, parts)
	}
	if err != nil {
		return answer{}, err
	}
	page.Resources = make([]Resource, len(list))
	b := appendPage(make([]byte, 0, 256+1024*len(list)), l.Query, page)
	w := e.h.renderer()
	for i, f := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = w.resource(b, f.part.t, f.r, f.part.show)
	}
	return listed(b), nil
}

// partsOf reads the parameters for every type. An attribute that no type has is an error.
func (h *Handler) partsOf(l listing, mode Mode) ([]*rootPart, error) {
	var parts []*rootPart
	var refused error // of sortBy
	sorted := l.sortBy == ""
	for _, t := range h.Types {
		p := &rootPart{t: t, q: l.Query, matches: true}
		var err error
		if l.filters {
			if p.q.Filter, p.matches, err = parseFilterAcross(t, h.Types, mode, l.filter); err != nil {
				return nil, err
			}
		}
		if p.show, err = projectionFrom(t, l.values); err != nil {
			return nil, err
		}
		p.q.Projection = p.show
		if l.sortBy != "" {
			if p.q.SortBy, err = sortPath(t, l.sortBy); err == nil {
				sorted = true
				p.q.Projection = p.show.with(*p.q.SortBy)
			} else if refused == nil {
				refused = err
			}
		}
		parts = append(parts, p)
	}
	if !sorted {
		return nil, refused
	}
	return parts, nil
}

// concatenated reads one page of all types one behind the other.
func (e *exchange) concatenated(ctx context.Context, l listing, parts []*rootPart) (list []found, total int, err error) {
	for _, p := range parts {
		q := p.q
		q.StartIndex, q.Count = max(l.StartIndex-total, 1), l.Count-len(list)
		page, err := e.partOf(ctx, p, q)
		if err != nil {
			return nil, 0, err
		}
		total += page.TotalResults
		for _, r := range page.Resources {
			list = append(list, found{p, r})
		}
	}
	return list, total, nil
}

// partOf asks the Backend for a page of one type.
func (e *exchange) partOf(ctx context.Context, p *rootPart, q Query) (Page, error) {
	if !p.matches {
		return Page{}, nil
	}
	return e.x.Backend.List(ctx, p.t, q)
}

// merged reads one page of all types in one order. Each type's own order is kept, so that pages do not overlap
// even where a Backend's order is not quite that of CompareBy.
func (e *exchange) merged(ctx context.Context, l listing, parts []*rootPart) (list []found, total int, err error) {
	need := l.StartIndex - 1 + l.Count
	if l.Count == 0 {
		need = 0
	}
	if need > MaxMerged {
		return nil, 0, bad(TypeTooMany, "Sorted across types, a page can reach to %d; query one type, or by filter.", MaxMerged)
	}
	heads := make([][]found, len(parts))
	for i, p := range parts {
		n := 0
		if heads[i], n, err = e.first(ctx, p, need); err != nil {
			return nil, 0, err
		}
		total += n
	}
	for taken := 0; taken < need; taken++ {
		next := least(heads, l.Descending)
		if next < 0 {
			break
		}
		if taken >= l.StartIndex-1 {
			list = append(list, heads[next][0])
		}
		heads[next] = heads[next][1:]
	}
	return list, total, nil
}

// first reads the first n resources of one type, in pages that a Backend expects, and its total.
func (e *exchange) first(ctx context.Context, p *rootPart, n int) (list []found, total int, err error) {
	for {
		q := p.q
		q.StartIndex, q.Count = len(list)+1, min(n-len(list), MaxCount)
		page, err := e.partOf(ctx, p, q)
		if err != nil {
			return nil, 0, err
		}
		for _, r := range page.Resources {
			list = append(list, found{p, r})
		}
		if len(list) >= n || len(page.Resources) == 0 {
			return list, page.TotalResults, nil
		}
	}
}

// least returns which list's first element comes next, the earlier type's among equals, -1 where all are empty.
func least(heads [][]found, descending bool) int {
	best := -1
	var key sortKey
	for i, list := range heads {
		if len(list) == 0 {
			continue
		}
		k := list[0].sortKey()
		c := compareKeys(k, key)
		if descending {
			c = -c
		}
		if best < 0 || c < 0 {
			best, key = i, k
		}
	}
	return best
}

// sortKey is what the resource is sorted by; a type without the attribute has no value.
func (f found) sortKey() sortKey {
	if f.part.q.SortBy == nil {
		return sortKey{}
	}
	return sortKeyOf(f.part.t, *f.part.q.SortBy, f.r)
}

// afterCursor reads one page of all types by cursor. Ours is the number of a type, a dot, and the Backend's
// cursor within that type.
func (e *exchange) afterCursor(ctx context.Context, l listing, parts []*rootPart) (list []found, out Page, err error) {
	if l.sortBy != "" {
		return nil, Page{}, bad(TypeInvalidValue, "Across types, \"cursor\" and \"sortBy\" exclude each other; query one type, or use startIndex.")
	}
	from, inner, err := splitCursor(l.Cursor, len(parts))
	if err != nil {
		return nil, Page{}, err
	}
	for i, p := range parts {
		q := p.q
		q.Count, q.Cursor = l.Count-len(list), inner
		if asks := i >= from && q.Count > 0; !asks {
			q.Count, q.ByCursor, q.Cursor = 0, false, "" // the total alone
		}
		page, err := e.partOf(ctx, p, q)
		if err != nil {
			return nil, Page{}, err
		}
		out.TotalResults += page.TotalResults
		for _, r := range page.Resources {
			list = append(list, found{p, r})
		}
		if i >= from {
			inner = ""
		}
		switch more := page.TotalResults > 0 && l.Count > 0 && out.NextCursor == ""; {
		case more && q.ByCursor && page.NextCursor != "":
			out.NextCursor = strconv.Itoa(i) + "." + page.NextCursor
		case more && i > from && !q.ByCursor:
			out.NextCursor = strconv.Itoa(i) + "."
		}
	}
	return list, out, nil
}

// splitCursor takes a cursor across types apart.
func splitCursor(cursor string, types int) (from int, inner string, err error) {
	if cursor == "" {
		return 0, "", nil
	}
	number, inner, ok := strings.Cut(cursor, ".")
	from, err = strconv.Atoi(number)
	if !ok || err != nil || from < 0 || from >= types {
		return 0, "", bad(TypeInvalidCursor, "The cursor is none of this server's.")
	}
	return from, inner, nil
}
