package scimserver

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/scim"
)

// columns are the attributes that do not stand in a stored document: the store has them in
// columns, or they are made for each answer.
var columns = []string{"schemas", "id", "externalId", "meta", "userName", "active", "groups", "displayName", "members"}

// userColumns are those of a user: unlike a group's, a user's displayName is part of the document.
var userColumns = []string{"schemas", "id", "externalId", "meta", "userName", "active", "groups"}

// document is a resource without what stands in columns, as JSON with sorted keys.
func document(t *scim.ResourceType, r scim.Resource, without []string) string {
	slim := make(scim.Resource, len(r))
	for k, v := range r {
		slim[k] = v
	}
	for _, name := range without {
		delete(slim, name)
	}
	if ext := slim.Extension(scim.URNEnterpriseUser); ext["manager"] != nil {
		rest := make(map[string]any, len(ext))
		for k, v := range ext {
			if k != "manager" {
				rest[k] = v
			}
		}
		if len(rest) == 0 {
			delete(slim, scim.URNEnterpriseUser)
		} else {
			slim[scim.URNEnterpriseUser] = rest
		}
	}
	return string(t.Save(slim))
}

// toPerson reads what provisioning needs out of a resource. active is the caller's.
func (b *backend) toPerson(r scim.Resource) provision.Person {
	p := provision.Person{UserName: r.String("userName"), ExternalID: r.String("externalId"), DisplayName: r.String("displayName"),
		GivenName: r.String("name.givenName"), FamilyName: r.String("name.familyName"),
		Manager: r.String(scim.URNEnterpriseUser + ":manager.value"), Document: document(b.types.users, r, userColumns)}
	seen := map[store.EmailKey]bool{}
	for i, v := range r.Values("emails") {
		if v.Value == "" {
			continue
		}
		if i == 0 || p.Email == "" || v.Primary {
			p.Email = v.Value
		}
		key := store.EmailKey{Value: directory.Fold(v.Value), Type: directory.Fold(v.Type)}
		if !seen[key] {
			seen[key] = true
			p.Emails = append(p.Emails, key)
		}
	}
	return p
}

// fromUser is the resource that a directory is shown; whole says that its groups were loaded.
func (b *backend) fromUser(u *provision.User, whole bool) (scim.Resource, error) {
	r, err := b.types.users.Load([]byte(u.Document))
	if err != nil {
		return nil, err
	}
	dress(r, u, whole)
	return r, nil
}

// dress puts over a resource what stands in columns. Without the groups its version is not known.
func dress(r scim.Resource, u *provision.User, whole bool) {
	r["id"], r["userName"], r["active"] = u.ID, u.UserName, u.Active
	setOrDelete(r, "externalId", u.ExternalID)
	v := ""
	if whole {
		v = version(u.UpdatedAt, u.Groups)
	}
	r["meta"] = meta(u.CreatedAt, u.UpdatedAt, v)
	delete(r, "groups")
	if len(u.Groups) > 0 {
		groups := make([]any, len(u.Groups))
		for i, g := range u.Groups {
			groups[i] = map[string]any{"value": g.Group, "display": g.Name, "type": "direct"}
		}
		r["groups"] = groups
	}
	ext := r.Extension(scim.URNEnterpriseUser)
	if u.Manager == "" {
		delete(ext, "manager")
		return
	}
	if ext == nil {
		ext = map[string]any{}
		r[scim.URNEnterpriseUser] = ext
	}
	ext["manager"] = map[string]any{"value": u.Manager}
}

func setOrDelete(r scim.Resource, name, value string) {
	if value == "" {
		delete(r, name)
		return
	}
	r[name] = value
}

func meta(created, modified time.Time, version string) map[string]any {
	m := map[string]any{"created": created.UTC().Format(time.RFC3339Nano), "lastModified": modified.UTC().Format(time.RFC3339Nano)}
	if version != "" {
		m["version"] = version
	}
	return m
}

// version is a resource's meta.version (RFC 7644 section 3.14): its last change, which no two states share and
// which moves with everything that is shown but a person's groups. These are a view of other resources, whose
// names and members change without the person: they are in it as a sum.
func version(modified time.Time, groups []store.GroupMember) string {
	v := strconv.FormatInt(modified.UnixMicro(), 36)
	if len(groups) > 0 {
		sum := fnv.New64a()
		for _, g := range groups {
			_, _ = fmt.Fprintf(sum, "%q%q", g.Group, g.Name) // a hash takes everything
		}
		v += "." + strconv.FormatUint(sum.Sum64(), 36)
	}
	return `W/"` + v + `"`
}

func (b *backend) toGroup(r scim.Resource) provision.GroupForm {
	return provision.GroupForm{DisplayName: r.String("displayName"), ExternalID: r.String("externalId"), Document: document(b.types.groups, r, columns)}
}

// shownGroup is fromGroup for an answer alone, in which a member is a row and no map.
func (b *backend) shownGroup(g *provision.Group) (scim.Resource, error) {
	r, err := b.fromGroup(&provision.Group{Group: g.Group})
	if err != nil || len(g.Members) == 0 {
		return r, err
	}
	rows := make(scim.Rows, len(g.Members))
	for i, m := range g.Members {
		rows[i] = rowOf(m)
	}
	r["members"] = rows
	return r, nil
}

// fromGroup is the group that a directory is shown.
func (b *backend) fromGroup(g *provision.Group) (scim.Resource, error) {
	r, err := b.types.groups.Load([]byte(g.Document))
	if err != nil {
		return nil, err
	}
	r["id"], r["displayName"] = g.ID, g.DisplayName
	setOrDelete(r, "externalId", g.ExternalID)
	r["meta"] = meta(g.CreatedAt, g.UpdatedAt, version(g.UpdatedAt, nil))
	if len(g.Members) > 0 {
		members := make([]any, len(g.Members))
		for i, m := range g.Members {
			members[i] = map[string]any{"value": m.User, "display": m.Name, "type": memberType(m)}
		}
		r["members"] = members
	}
	return r, nil
}

// memberType is what a member of a group is (RFC 7643 section 4.2).
func memberType(m store.GroupMember) string {
	if m.IsGroup() {
		return "Group"
	}
	return "User"
}
