package scim_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"

	"github.com/gatehouse-id/gatehouse/scim"
)

// memory is a Backend over a slice: order of creation, unique userName and displayName in any
// letter case, unique externalId.
type memory struct {
	mu       sync.Mutex
	last     int
	kept     map[string][]scim.Resource // by resource type
	warnings []string                   // of the last write
	wanted   scim.Projection            // of the last request
	patches  []scim.Patch
	queries  []scim.Query
	expired  bool // cursors are

	conditional bool // the last deletion was
	fail        error
}

func newMemory() *memory { return &memory{kept: map[string][]scim.Resource{}} }

func (m *memory) find(t *scim.ResourceType, id string) (int, error) {
	for i, r := range m.kept[t.Name] {
		if r.ID() == id {
			return i, nil
		}
	}
	return 0, scim.NotFound(t, id)
}

func (m *memory) unique(t *scim.ResourceType, id string, r scim.Resource) error {
	for _, other := range m.kept[t.Name] {
		if other.ID() == id {
			continue
		}
		for _, name := range []string{"userName", "displayName"} {
			if a := t.Schema.Attribute(name); a != nil && a.Required && scim.Fold(other.String(name)) == scim.Fold(r.String(name)) {
				return scim.Errorf(409, scim.TypeUniqueness, "%s is already in use.", name)
			}
		}
		if x := r.String("externalId"); x != "" && x == other.String("externalId") {
			return scim.Errorf(409, scim.TypeUniqueness, "externalId is already in use.")
		}
	}
	return nil
}

func (m *memory) known(r scim.Resource) error {
	ids, _ := r.Members()
	return m.knownIDs(ids)
}

func (m *memory) knownIDs(ids []string) error {
	for _, id := range ids {
		if _, err := m.find(scim.NewUserType(), id); err != nil {
			return scim.Errorf(400, scim.TypeInvalidValue, "No member has the id %q.", id)
		}
	}
	return nil
}

func (m *memory) Create(ctx context.Context, t *scim.ResourceType, r scim.Resource) (scim.Resource, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.warnings, m.wanted = scim.Warnings(ctx), scim.Wanted(ctx)
	if err := m.unique(t, "", r); err != nil {
		return nil, err
	}
	if err := m.known(r); err != nil {
		return nil, err
	}
	r = r.Clone()
	m.last++
	r["id"] = fmt.Sprintf("id-%d", m.last)
	r["meta"] = map[string]any{"created": "2026-01-02T03:04:05Z", "lastModified": "2026-01-02T03:04:05Z", "version": `W/"1"`}
	if _, has := r.Bool("active"); !has && t.Name == "User" {
		r["active"] = true
	}
	m.kept[t.Name] = append(m.kept[t.Name], r)
	return r.Clone(), nil
}

func (m *memory) Get(_ context.Context, t *scim.ResourceType, id string, want scim.Projection) (scim.Resource, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wanted = want
	if m.fail != nil {
		return nil, m.fail
	}
	i, err := m.find(t, id)
	if err != nil {
		return nil, err
	}
	return m.kept[t.Name][i].Clone(), nil
}

func (m *memory) List(_ context.Context, t *scim.ResourceType, q scim.Query) (scim.Page, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wanted = q.Projection
	m.queries = append(m.queries, q)
	start := q.StartIndex
	if q.Cursor != "" {
		var err error
		if start, err = m.startOf(t, q); err != nil {
			return scim.Page{}, err
		}
	}
	var found []scim.Resource
	for _, r := range m.kept[t.Name] {
		if scim.Match(t, q.Filter, r) {
			found = append(found, r)
		}
	}
	if q.SortBy != nil {
		slices.SortStableFunc(found, func(a, b scim.Resource) int {
			if q.Descending {
				a, b = b, a
			}
			return scim.CompareBy(t, *q.SortBy, a, b)
		})
	}
	p := scim.Page{TotalResults: len(found)}
	for i := start - 1; i < len(found) && len(p.Resources) < q.Count; i++ {
		p.Resources = append(p.Resources, found[i].Clone())
	}
	if next := start + len(p.Resources); next <= len(found) {
		p.NextCursor = cursor(t, q, next)
	}
	if start > 1 {
		p.PreviousCursor = cursor(t, q, max(1, start-q.Count))
	}
	return p, nil
}

// cursor names a page of one query: another filter or order makes it invalid.
func cursor(t *scim.ResourceType, q scim.Query, start int) string {
	h := fnv.New32a()
	fmt.Fprint(h, t.Name, q.Filter, q.SortBy != nil, q.Descending)
	if q.SortBy != nil {
		fmt.Fprint(h, *q.SortBy)
	}
	return fmt.Sprintf("%d.%x", start, h.Sum32())
}

func (m *memory) startOf(t *scim.ResourceType, q scim.Query) (int, error) {
	if m.expired {
		return 0, scim.Errorf(400, scim.TypeExpiredCursor, "The cursor is too old.")
	}
	var start int
	if n, _ := fmt.Sscanf(q.Cursor, "%d.", &start); n != 1 || q.Cursor != cursor(t, q, start) {
		return 0, scim.Errorf(400, scim.TypeInvalidCursor, "The cursor is none of this query.")
	}
	return start, nil
}

func (m *memory) Replace(ctx context.Context, t *scim.ResourceType, id string, r scim.Resource) (scim.Resource, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.warnings, m.wanted = scim.Warnings(ctx), scim.Wanted(ctx)
	i, err := m.find(t, id)
	if err != nil {
		return nil, err
	}
	if err := scim.CheckVersion(ctx, version(m.kept[t.Name][i])); err != nil {
		return nil, err
	}
	next, _, err := scim.ApplyReplace(t, m.kept[t.Name][i], r)
	if err != nil {
		return nil, err
	}
	return m.put(t, i, next)
}

func version(r scim.Resource) string { return r.String("meta.version") }

func (m *memory) put(t *scim.ResourceType, i int, next scim.Resource) (scim.Resource, error) {
	if err := m.unique(t, next.ID(), next); err != nil {
		return nil, err
	}
	if err := m.known(next); err != nil {
		return nil, err
	}
	if !scim.Equal(next, m.kept[t.Name][i]) {
		var n int
		_, _ = fmt.Sscanf(version(next), `W/"%d"`, &n)
		next = next.Clone()
		next["meta"].(map[string]any)["version"] = fmt.Sprintf(`W/"%d"`, n+1)
	}
	m.kept[t.Name][i] = next
	return next.Clone(), nil
}

func (m *memory) Patch(ctx context.Context, t *scim.ResourceType, id string, p scim.Patch) (scim.Resource, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.warnings, m.wanted = scim.Warnings(ctx), p.Projection
	m.patches = append(m.patches, p)
	i, err := m.find(t, id)
	if err != nil {
		return nil, err
	}
	if err := scim.CheckVersion(ctx, version(m.kept[t.Name][i])); err != nil {
		return nil, err
	}
	next, _, err := p.Apply(m.kept[t.Name][i])
	if err != nil {
		return nil, err
	}
	if len(p.Members) > 0 {
		current, _ := next.Members()
		var list []any
		for _, id := range scim.ApplyMembers(current, p.Members) {
			list = append(list, map[string]any{"value": id})
		}
		if next["members"] = list; list == nil {
			delete(next, "members")
		}
	}
	return m.put(t, i, next)
}

func (m *memory) Delete(ctx context.Context, t *scim.ResourceType, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.conditional = scim.Conditional(ctx)
	i, err := m.find(t, id)
	if err != nil {
		return err
	}
	if err := scim.CheckVersion(ctx, version(m.kept[t.Name][i])); err != nil {
		return err
	}
	m.kept[t.Name] = append(m.kept[t.Name][:i:i], m.kept[t.Name][i+1:]...)
	return nil
}
