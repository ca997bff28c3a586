package scimmem

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gatehouse-id/gatehouse/scim"
)

// Directory keeps the resources of one client. Its zero value is empty and ready; its methods may be called at the
// same time. The same ResourceType must be passed for the same kind of resource throughout.
type Directory struct {
	// Now is the clock for meta.created and meta.lastModified; nil means time.Now.
	Now func() time.Time
	// NewID makes the id of a new resource, each once; nil means random UUIDs.
	NewID func() string

	mu     sync.RWMutex
	last   uint64 // the number of the last change
	tables map[string]*table
	byID   map[string]*entry            // of all types
	groups map[string]map[string]*entry // by member, then by group
}

var _ scim.Backend = (*Directory)(nil)

// Offers is what a Directory can do, for Handler.Offers.
func Offers() scim.Offers { return scim.Offers{Sort: true, Cursor: true, ETag: true} }

// table is the resources of one type.
type table struct {
	entries []*entry         // in the order of creation
	unique  map[claim]*entry // who holds a value that only one may hold
}

// claim is an attribute and its folded value.
type claim struct{ attr, value string }

// entry is one resource. r is never changed, only replaced.
type entry struct {
	t      *scim.ResourceType
	number uint64 // of its creation
	r      scim.Resource
}

func (d *Directory) table(t *scim.ResourceType) *table {
	tab := d.tables[t.Name]
	if tab == nil {
		tab = &table{unique: map[claim]*entry{}}
		if d.tables == nil {
			d.tables, d.byID, d.groups = map[string]*table{}, map[string]*entry{}, map[string]map[string]*entry{}
		}
		d.tables[t.Name] = tab
	}
	return tab
}

func (d *Directory) find(t *scim.ResourceType, id string) (*entry, error) {
	if e := d.byID[id]; e != nil && e.t.Name == t.Name {
		return e, nil
	}
	return nil, scim.NotFound(t, id)
}

// Create stores r. A permanent boolean such as "active" that r does not say is true.
func (d *Directory) Create(_ context.Context, t *scim.ResourceType, r scim.Resource) (scim.Resource, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	tab := d.table(t)
	e := &entry{t: t}
	r = tidy(r.Clone())
	r["id"] = d.newID()
	for _, a := range t.Schema.Attributes {
		if _, said := r[a.Name]; !said && a.Permanent && a.Type == scim.Boolean {
			r[a.Name] = true
		}
	}
	if err := d.store(e, r, d.now()); err != nil {
		return nil, err
	}
	e.number = d.last
	tab.entries = append(tab.entries, e)
	d.byID[r.ID()] = e
	return d.view(e).Clone(), nil
}

// Get returns one resource.
func (d *Directory) Get(_ context.Context, t *scim.ResourceType, id string, _ scim.Projection) (scim.Resource, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	e, err := d.find(t, id)
	if err != nil {
		return nil, err
	}
	return d.view(e).Clone(), nil
}

// Replace performs a PUT; attributes whose absence means "keep" are those of scim.ApplyReplace.
func (d *Directory) Replace(ctx context.Context, t *scim.ResourceType, id string, r scim.Resource) (scim.Resource, error) {
	return d.change(ctx, t, id, func(now scim.Resource) (scim.Resource, error) {
		next, _, err := scim.ApplyReplace(t, now, r)
		if err != nil {
			return nil, err
		}
		return tidy(next), nil
	})
}

// Patch performs a PATCH, operations on members included.
func (d *Directory) Patch(ctx context.Context, t *scim.ResourceType, id string, p scim.Patch) (scim.Resource, error) {
	return d.change(ctx, t, id, func(now scim.Resource) (scim.Resource, error) {
		next, _, err := p.Apply(now)
		if err != nil || len(p.Members) == 0 {
			return next, err
		}
		current, _ := next.Members()
		next = maps.Clone(next)
		setMembers(next, scim.ApplyMembers(current, p.Members))
		return next, nil
	})
}

// change replaces a resource by what next makes of it. A change that changes nothing keeps the version.
func (d *Directory) change(ctx context.Context, t *scim.ResourceType, id string, next func(scim.Resource) (scim.Resource, error)) (scim.Resource, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e, err := d.find(t, id)
	if err != nil {
		return nil, err
	}
	if err := scim.CheckVersion(ctx, e.r.String("meta.version")); err != nil {
		return nil, err
	}
	r, err := next(e.r)
	if err != nil {
		return nil, err
	}
	r = r.Clone()
	if d.sayTypes(r); !scim.Equal(r, e.r) {
		if err := d.store(e, r, e.r.String("meta.created")); err != nil {
			return nil, err
		}
	}
	return d.view(e).Clone(), nil
}

// Delete removes a resource, and every reference to it.
func (d *Directory) Delete(ctx context.Context, t *scim.ResourceType, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	e, err := d.find(t, id)
	if err != nil {
		return err
	}
	if err := scim.CheckVersion(ctx, e.r.String("meta.version")); err != nil {
		return err
	}
	tab := d.table(t)
	for _, c := range claims(e) {
		delete(tab.unique, c)
	}
	ids, _ := e.r.Members()
	d.enrol(e, ids, nil)
	delete(d.byID, id)
	i, _ := slices.BinarySearchFunc(tab.entries, e.number, func(e *entry, n uint64) int { return compare(e.number, n) })
	tab.entries = slices.Delete(tab.entries, i, i+1)
	return d.forget(id)
}

// store checks the next state of an entry and makes it the current one. Nothing is changed on an error.
func (d *Directory) store(e *entry, next scim.Resource, created string) error {
	tab := d.table(e.t)
	wanted := claims(&entry{t: e.t, r: next})
	for _, c := range wanted {
		if holder := tab.unique[c]; holder != nil && holder != e {
			return scim.Errorf(http.StatusConflict, scim.TypeUniqueness, "Another %s has this %s.", e.t.Name, c.attr)
		}
	}
	ids, _ := next.Members()
	for _, id := range ids {
		if d.byID[id] == nil && id != next.ID() {
			return scim.Errorf(http.StatusBadRequest, scim.TypeInvalidValue, "No resource has the id %.50q.", id)
		}
	}
	d.sayTypes(next)
	was, _ := e.r.Members()
	for _, c := range claims(e) {
		delete(tab.unique, c)
	}
	for _, c := range wanted {
		tab.unique[c] = e
	}
	d.last++
	next["meta"] = map[string]any{"created": created, "lastModified": d.now(), "version": fmt.Sprintf(`W/"%d"`, d.last)}
	e.r = next
	d.enrol(e, was, ids)
	return nil
}

// claims are the values of an entry that no other of its type may have: externalId, and what the schema publishes as
// unique.
func claims(e *entry) []claim {
	var out []claim
	if v := e.r.String("externalId"); v != "" {
		out = append(out, claim{"externalId", v})
	}
	for _, a := range e.t.Schema.Attributes {
		if a.Uniqueness != scim.UniqueServer && a.Uniqueness != scim.UniqueGlobal {
			continue
		}
		if v := e.r.String(a.Name); v != "" && a.Exact() {
			out = append(out, claim{a.Name, v})
		} else if v != "" {
			out = append(out, claim{a.Name, scim.Fold(v)})
		}
	}
	return out
}

func (d *Directory) now() string {
	now := time.Now
	if d.Now != nil {
		now = d.Now
	}
	return now().UTC().Format(time.RFC3339Nano)
}

func (d *Directory) newID() string {
	if d.NewID != nil {
		return d.NewID()
	}
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
