package provision

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// JobSCIMEvent is the kind of the jobs that tell an application of a change of a SCIM resource. The body is a
// SCIMEvent.
const JobSCIMEvent = "scim.event"

// The events that are told (RFC 9967 section 2.4), each without the values.
const (
	EventCreated     = "urn:ietf:params:scim:event:prov:create:notice"
	EventPatched     = "urn:ietf:params:scim:event:prov:patch:notice"
	EventPut         = "urn:ietf:params:scim:event:prov:put:notice"
	EventDeleted     = "urn:ietf:params:scim:event:prov:delete"
	EventActivated   = "urn:ietf:params:scim:event:prov:activate"
	EventDeactivated = "urn:ietf:params:scim:event:prov:deactivate"
)

// SCIMEvents are all of them.
func SCIMEvents() []string {
	return []string{EventCreated, EventPatched, EventPut, EventDeleted, EventActivated, EventDeactivated}
}

// SCIMEvent is one change of one resource for one application. What identifies it is made with the change, so that a
// receiver knows a second delivery.
type SCIMEvent struct {
	Application string   `json:"application"` // id
	Path        string   `json:"path"`        // of the resource below the SCIM base URL
	ID          string   `json:"id"`          // of the resource
	ExternalID  string   `json:"external_id"` // "" for none
	Event       string   `json:"event"`       // one of SCIMEvents
	Attributes  []string `json:"attributes"`  // that were given or have changed, by name; nil where the event tells none
	JTI         string   `json:"jti"`         // of this event
	Txn         string   `json:"txn"`         // the same for all that one change brought about
	At          int64    `json:"at"`          // seconds since 1970
}

// told is a resource that something has happened to.
type told struct{ path, id, externalID string }

func toldUser(id, externalID string) told { return told{"/Users/" + id, id, externalID} }

func toldGroup(g *store.Group) told { return told{"/Groups/" + g.ID, g.ID, g.ExternalID} }

// tell puts an event for each application that wants them into the outbox. The events of a resource go out in the order
// of its changes: the caller holds its lock.
func tell(tx *store.Tx, cfg *directory.Config, about told, event string, attributes ...string) error {
	for _, app := range cfg.Applications {
		if app.SCIMEventsURI == "" {
			continue
		}
		e := SCIMEvent{Application: app.ID, Path: about.path, ID: about.id, ExternalID: about.externalID, Event: event, Attributes: attributes,
			JTI: keys.UUID(), Txn: tx.Txn(), At: tx.Now().Unix()}
		if err := jobs.EnqueueInOrder(tx, app.ID+" "+about.path, JobSCIMEvent, e); err != nil {
			return err
		}
	}
	return nil
}

// tells reports whether any application wants events: what they need is not looked up for nobody.
func tells(cfg *directory.Config) bool {
	return slices.ContainsFunc(cfg.Applications, func(a directory.Application) bool { return a.SCIMEventsURI != "" })
}

// tellTurns tells of members whose access began or ended, whatever brought that about, where a directory has a resource
// of theirs.
func tellTurns(tx *store.Tx, cfg *directory.Config, changes []change) error {
	if !tells(cfg) {
		return nil
	}
	events := map[string]string{} // by member
	var members []string
	for _, c := range changes {
		was, is := c.before.Sources == 0, c.after.Sources == 0
		if c.before.ID == "" || was == is {
			continue
		}
		members = append(members, c.after.ID)
		if events[c.after.ID] = EventActivated; was {
			events[c.after.ID] = EventDeactivated
		}
	}
	if len(members) == 0 {
		return nil
	}
	users, err := tx.LiveSCIMUsersOf(members)
	if err != nil {
		return err
	}
	for _, u := range users {
		if err := tell(tx, cfg, toldUser(u.ID, u.ExternalID), events[u.Member]); err != nil {
			return err
		}
	}
	return nil
}

// tellUpdated tells which attributes of a person's resource are others now; nothing where none is.
func tellUpdated(tx *store.Tx, cfg *directory.Config, scope Scope, was, is *store.SCIMUser) error {
	if !tells(cfg) {
		return nil
	}
	names := changedNames(was.Document, is.Document)
	names = differing(names, "userName", was.UserName != is.UserName)
	names = differing(names, "externalId", was.ExternalID != is.ExternalID)
	names = differing(names, "active", was.Active != is.Active)
	names = differing(names, enterpriseManager, was.Manager != is.Manager)
	if len(names) == 0 {
		return nil
	}
	return tell(tx, cfg, toldUser(is.ID, is.ExternalID), scope.updated(), names...)
}

// tellCreated tells of a person's new resource, with the names of all that was given.
func tellCreated(tx *store.Tx, cfg *directory.Config, u *store.SCIMUser) error {
	names := append(changedNames("{}", u.Document), "id", "userName", "active")
	names = differing(names, "externalId", u.ExternalID != "")
	names = differing(names, enterpriseManager, u.Manager != "")
	return tell(tx, cfg, toldUser(u.ID, u.ExternalID), EventCreated, names...)
}

// createdNames are the attributes of a new group.
func createdNames(g *store.Group, members bool) []string {
	names := append(changedNames("{}", g.Document), "id", "displayName")
	names = differing(names, "externalId", g.ExternalID != "")
	return differing(names, "members", members)
}

// tellsGroups reports whether anybody is told of a directory's groups: while it tests nothing comes of them, and they are
// told of when it does so no more.
func (f *feed) tellsGroups() bool {
	return f.dir.Status != directory.DirectoryTesting && tells(f.Config)
}

// toldAtOnce is how many people or groups are read at once, to be told of.
const toldAtOnce = 500

// TellTested tells of the groups that stand in a directory when it ceases to test, whatever it becomes: nobody heard of
// them so far. The caller holds the policy exclusively.
func TellTested(tx *store.Tx, cfg *directory.Config, directoryID string) error {
	if !tells(cfg) {
		return nil
	}
	for after := ""; ; {
		groups, err := tx.GroupsAfter(after, toldAtOnce)
		if err != nil || len(groups) == 0 {
			return err
		}
		after = groups[len(groups)-1].ID
		groups = slices.DeleteFunc(groups, func(g store.Group) bool { return g.Directory != directoryID })
		ids := make([]string, len(groups))
		for i, g := range groups {
			ids[i] = g.ID
		}
		sizes, err := tx.GroupSizes(ids)
		if err != nil {
			return err
		}
		for _, g := range groups {
			if err := tell(tx, cfg, toldGroup(&g), EventCreated, createdNames(&g, sizes[g.ID] > 0)...); err != nil {
				return err
			}
		}
	}
}

// tellTurned tells of people who were staged, as of new ones.
func (f *feed) tellTurned(tx *store.Tx, outcomes []outcome) error {
	if !tells(f.Config) {
		return nil
	}
	for part := range slices.Chunk(outcomes, toldAtOnce) {
		ids := make([]string, len(part))
		for i, o := range part {
			ids[i] = o.staged.ID
		}
		users, err := tx.SCIMUsers(f.dir.ID, ids)
		if err != nil {
			return err
		}
		for i := range users {
			if err := tellCreated(tx, f.Config, &users[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// tellGroup tells of a change of a group and, if any, of its members.
func (f *feed) tellGroup(tx *store.Tx, scope Scope, was, is *store.Group, members bool) error {
	if !f.tellsGroups() {
		return nil
	}
	names := changedNames(was.Document, is.Document)
	names = differing(names, "displayName", was.DisplayName != is.DisplayName)
	names = differing(names, "externalId", was.ExternalID != is.ExternalID)
	names = differing(names, "members", members)
	if len(names) == 0 {
		return nil
	}
	return tell(tx, f.Config, toldGroup(is), scope.updated(), names...)
}

// enterpriseManager is where SCIM has a person's manager.
const enterpriseManager = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"

func differing(names []string, name string, differs bool) []string {
	if differs {
		names = append(names, name)
	}
	return names
}

// updated is the event of a change by the request of the scope.
func (s Scope) updated() string {
	if s.Put {
		return EventPut
	}
	return EventPatched
}

// changedNames are the attributes in which two documents differ, those of extensions with their URN, sorted. An
// attribute that is kept apart in a document counts where it stands for a client.
func changedNames(before, after string) []string {
	was, is := flat(before), flat(after)
	var names []string
	for name, v := range is {
		if was[name] != v {
			names = append(names, name)
		}
	}
	for name := range was {
		if _, stays := is[name]; !stays {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// flat is a document as text by attribute. Documents are written with sorted keys, so that equal values are equal text.
func flat(document string) map[string]string {
	out := map[string]string{}
	var top map[string]json.RawMessage
	if json.Unmarshal([]byte(document), &top) != nil {
		return out
	}
	extension := func(urn string, data json.RawMessage) {
		var inner map[string]json.RawMessage
		if json.Unmarshal(data, &inner) == nil {
			for name, v := range inner {
				out[urn+":"+name] = string(v)
			}
		}
	}
	for name, v := range top {
		switch {
		case strings.HasPrefix(name, "~sealed"):
			var all map[string]json.RawMessage
			if json.Unmarshal(v, &all) == nil {
				for urn, data := range all {
					extension(urn, data)
				}
			}
		case strings.HasPrefix(name, "~"): // kept for another declaration, and not seen by clients
		case len(name) > 4 && strings.EqualFold(name[:4], "urn:"):
			extension(name, v)
		default:
			out[name] = string(v)
		}
	}
	return out
}
