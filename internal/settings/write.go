package settings

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// had is the configuration before, empty for a workspace that is being made.
func (a *apply) had() *directory.Config { return a.plan.had() }

// write saves what differs between before and after, and nothing else.
func (a *apply) write() error {
	had, tx := a.had(), a.tx
	switch {
	case a.before == nil:
		if err := tx.InsertWorkspace(a.after.Workspace); err != nil {
			return err
		}
	case slices.ContainsFunc(a.diffs, ofWorkspace):
		if err := tx.UpdateWorkspace(a.after.Workspace); err != nil {
			return err
		}
	}
	// What goes makes room for what comes: names are unique.
	eachGone(had.Mappings, a.after.Mappings, mappingID, func(m directory.RoleMapping) { tx.DeleteMapping(m.ID) })
	eachGone(had.Roles, a.after.Roles, roleID, func(r directory.Role) { tx.DeleteRole(r.ID) })
	eachGone(had.Directories, a.after.Directories, directoryID, func(d directory.Directory) { tx.DeleteDirectory(d.ID) })
	eachGone(had.Connections, a.after.Connections, connectionID, func(c directory.Connection) { tx.DeleteConnection(c.ID) })
	eachSaved(had.Connections, a.after.Connections, connectionID, tx.SaveConnection)
	eachSaved(had.Directories, a.after.Directories, directoryID, tx.SaveDirectory)
	eachSaved(had.Roles, a.after.Roles, roleID, tx.SaveRole)
	// A mapping is never changed: other parts make it another mapping.
	eachGone(a.after.Mappings, had.Mappings, mappingID, tx.InsertMapping)
	a.writeApplications()
	a.writeSchemas()
	a.writeAttributes()
	return a.writeDomains()
}

// writeApplications saves applications. Who becomes confidential gets a secret, who becomes public
// loses it.
func (a *apply) writeApplications() {
	had, tx := a.had(), a.tx
	a.secrets = map[string]string{}
	eachGone(had.Applications, a.after.Applications, applicationID, func(app directory.Application) { tx.DeleteApplication(app.ID) })
	eachSaved(had.Applications, a.after.Applications, applicationID, func(app directory.Application, fresh bool) {
		was, _ := had.Application(app.ID)
		hash := ""
		if !app.Public && (fresh || was.Public) {
			a.secrets[app.ID], hash = keys.NewToken(SecretPrefix)
		}
		if fresh {
			tx.InsertApplication(app, hash)
			return
		}
		tx.UpdateApplication(app)
		if app.Public != was.Public {
			tx.SetApplicationSecret(app.ID, hash)
		}
	})
}

// endConnectionSessions ends the sessions that came through a connection which was switched on or off, has gone
// or now belongs to another IdP, so that switching it on again revives none of them; but for one that is disabled
// and lets them run.
func (a *apply) endConnectionSessions() error {
	for _, was := range a.had().Connections {
		now, stays := a.after.Connection(was.ID)
		if stays && sameIdP(was, now) && sessionsGoOn(was, now) {
			continue
		}
		ended, err := a.tx.EndSessionsOfConnection(was.ID, "connection_disabled")
		if err != nil {
			return err
		}
		if len(ended) == 0 {
			continue
		}
		a.notes = append(a.notes, fmt.Sprintf("connections.%s: %d sessions that came through it have ended", was.Name, len(ended)))
		if err := a.tx.Record(audit.Event{Type: audit.SessionsEnded, Actor: a.options.Actor, Reason: "connection_disabled", Connection: was.ID,
			Subject: audit.Party{Kind: "connection", ID: was.ID, Name: was.Name},
			Changes: []audit.Change{{Field: "sessions", To: fmt.Sprint(len(ended))}}}); err != nil {
			return err
		}
	}
	return nil
}

// sessionsGoOn reports whether the sessions of a connection outlive what became of its status.
func sessionsGoOn(was, now directory.Connection) bool {
	switch {
	case was.Status == now.Status:
		return !was.SessionsRun || now.SessionsRun
	case now.Status == directory.ConnectionDisabled:
		return was.Status == directory.ConnectionActive && now.SessionsRun
	}
	return was.Status == directory.ConnectionDisabled && was.SessionsRun && now.Status == directory.ConnectionActive
}

// shortenSessions has the sessions that came through a connection end within session.Unnoticed where nobody notices any
// more who leaves: its directory was paused, has gone or stands beside another connection.
func (a *apply) shortenSessions() error {
	notes, err := shortenSessions(a.tx, a.had(), a.after, a.options.Actor)
	a.notes = append(a.notes, notes...)
	return err
}

func shortenSessions(tx *store.Tx, before, after *directory.Config, actor audit.Party) (notes []string, err error) {
	for _, c := range after.Connections {
		if !before.NoticesLeavers(c.ID) || after.NoticesLeavers(c.ID) {
			continue
		}
		note, err := shortenNow(tx, c, actor)
		if err != nil {
			return notes, err
		}
		if note != "" {
			notes = append(notes, note)
		}
	}
	limited, err := limitSessions(tx, before, after, actor)
	return append(notes, limited...), err
}

// limitSessions has the sessions that live already keep to a new policy of how long they may.
func limitSessions(tx *store.Tx, before, after *directory.Config, actor audit.Party) ([]string, error) {
	idle, life := after.Workspace.Policy.SessionTimes()
	wasIdle, wasLife := before.Workspace.Policy.SessionTimes()
	if before.Workspace.ID == "" || idle == wasIdle && life == wasLife {
		return nil, nil
	}
	n, err := tx.LimitSessions(idle, life)
	if err != nil || n == 0 {
		return nil, err
	}
	idleWord, lifeWord := after.Workspace.Policy.SessionWords()
	return []string{fmt.Sprintf("policy: %d sessions that live already end after %s without use and %s after they began, whichever comes first", n, idleWord, lifeWord)},
		tx.Record(audit.Event{Type: audit.SessionsShortened, Actor: actor, Reason: "policy",
			Subject: audit.Party{Kind: "workspace", ID: after.Workspace.ID, Name: after.Workspace.Slug},
			Changes: []audit.Change{{Field: "sessions", To: fmt.Sprint(n)}, {Field: "session_idle", To: idleWord}, {Field: "session_life", To: lifeWord}}})
}

// ofWorkspace reports whether a difference is kept in the workspace's own row.
func ofWorkspace(d difference) bool {
	switch section := sections[max(sectionOf(d.key), 0)]; section {
	case "name", "preset", "enforcement":
		return true
	default:
		return section == "policy" && d.key != "policy.roles"
	}
}

func (a *apply) writeDomains() error {
	had, self := a.had(), func(d string) string { return d }
	eachGone(had.Domains, a.after.Domains, self, func(d string) {
		a.tx.DeleteDomain(d)
		a.tx.DeleteDomainClaim(d)
	})
	for _, d := range a.after.Domains {
		if slices.Contains(had.Domains, d) {
			continue
		}
		held, err := a.tx.DomainHeld(d)
		if err != nil {
			return err
		}
		if held {
			return errs.Conflict("domain_held", "domains: %s is proven by another workspace, and a domain has one owner; see gatehouse domain list --domain %s", d, d)
		}
		if _, err := directory.ClaimableDomain(d); err != nil {
			a.notes = append(a.notes, "domains: taken on the operator's word: "+err.Error())
		}
		a.tx.DeleteDomainClaim(d) // the operator vouches for it: no record is needed
		a.tx.InsertDomain(d)
	}
	return nil
}

func mappingID(m directory.RoleMapping) string     { return m.ID }
func roleID(r directory.Role) string               { return r.ID }
func directoryID(d directory.Directory) string     { return d.ID }
func applicationID(a directory.Application) string { return a.ID }
func connectionID(c directory.Connection) string   { return c.ID }

// eachGone calls fn for what is in from and not in to.
func eachGone[T any](from, to []T, id func(T) string, fn func(T)) {
	stays := map[string]bool{}
	for _, t := range to {
		stays[id(t)] = true
	}
	for _, f := range from {
		if !stays[id(f)] {
			fn(f)
		}
	}
}

// eachSaved calls save for what is new in to (fresh) or differs from its namesake in from.
func eachSaved[T any](from, to []T, id func(T) string, save func(t T, fresh bool)) {
	had := map[string]T{}
	for _, f := range from {
		had[id(f)] = f
	}
	for _, t := range to {
		f, ok := had[id(t)]
		if !ok || !reflect.DeepEqual(f, t) {
			save(t, !ok)
		}
	}
}

// blockers is how many people a refusal names.
const blockers = 5

// checkRoles refuses to remove a role that somebody has: what they would have instead is for a
// person to decide. It runs before any role is decided again.
func (a *apply) checkRoles() error {
	var wrong mistakes
	for _, role := range a.had().Roles {
		if _, stays := a.after.Roles.ByID(role.ID); stays {
			continue
		}
		members, err := a.tx.MembersByRole(role.ID, maxItems)
		if err != nil {
			return err
		}
		members = slices.DeleteFunc(members, func(m directory.Member) bool { return m.Stage == directory.StageErased })
		if len(members) == 0 {
			continue
		}
		var who []string
		for i, m := range members {
			if i == blockers {
				who = append(who, "and others")
				break
			}
			who = append(who, m.Email)
		}
		wrong.add(0, "policy.roles: the role %q cannot be removed while somebody has it: %s", role.Name, strings.Join(who, ", "))
	}
	return wrong.err()
}

// forgetDirectories ends what hangs on directories that are being removed: their tokens, their
// resources and groups. Their people stay.
func (a *apply) forgetDirectories() error {
	for _, d := range a.had().Directories {
		if _, stays := a.after.Directory(d.ID); stays {
			continue
		}
		if _, err := a.tx.RevokeTokens(d.ID, "", "revoked"); err != nil {
			return err
		}
		if _, err := a.tx.RevokeClientCredentials(d.ID, ""); err != nil {
			return err
		}
		if err := provision.ForgetDirectory(a.tx, d.ID); err != nil {
			return err
		}
	}
	return nil
}

// remap decides everybody's role again where what decides it has changed. A dry run tallies what it would do.
func (a *apply) remap() error {
	if a.before == nil || !a.decidesRoles() {
		return nil
	}
	if a.options.DryRun {
		return a.foresee(true)
	}
	_, err := provision.Remap(a.tx, a.after, a.options.Actor, a.plan.instead, a.tally.add)
	if err != nil {
		return fmt.Errorf("decide roles again: %w", err)
	}
	return nil
}

// reread reads everybody's attributes again where what decides them has changed.
func (a *apply) reread() error {
	if a.before == nil || provision.SameTables(a.before, a.after) {
		return nil
	}
	changed, more, err := provision.RereadAttributes(a.tx, a.after, a.options.Actor)
	if err != nil {
		return err
	}
	switch {
	case more:
		a.notes = append(a.notes, "attributes: everybody's are read again from what their directory sent, which goes on for a while; what a connection says of people comes with their next sign-in")
	case changed > 0:
		a.notes = append(a.notes, fmt.Sprintf("attributes: those of %d people have changed; what a connection says of people comes with their next sign-in", changed))
	}
	return nil
}

// decidesRoles reports whether roles, mappings, their source or the groups and claims behind them changed. What
// a directory overrides decides who goes out by a later change of groups, never a role.
func (a *apply) decidesRoles() bool {
	return slices.ContainsFunc(a.diffs, func(d difference) bool {
		gone := d.to == "" && d.key == d.thing() && !strings.HasPrefix(d.key, "applications.")
		return gone || strings.HasPrefix(d.key, "role_mappings[") || d.key == "policy.role_source"
	}) || ranksMoved(a.before.Roles, a.after.Roles)
}

// ranksMoved reports whether anybody's role may be another one by a new list of roles: one has gone, two have changed
// places, or another one is the lowest. A name and a permission give nobody another role, nor does a new role as such.
func ranksMoved(before, after directory.Roles) bool {
	var stay []string
	for _, r := range after {
		if _, had := before.ByID(r.ID); had {
			stay = append(stay, r.ID)
		}
	}
	return after.Lowest().ID != before.Lowest().ID || !slices.EqualFunc(before, stay, func(r directory.Role, id string) bool { return r.ID == id })
}

// record tells what changed: one event for each connection, directory and application, and one for
// the apply with the rest. A field that does not fit beside others goes into a further event of its kind, so
// that no change is left out.
func (a *apply) record() error {
	var rest []audit.Change
	things := map[string][]audit.Change{}
	var order []string
	for _, d := range a.diffs {
		thing := d.thing()
		if thing == "" {
			rest = append(rest, d.change())
			continue
		}
		if things[thing] == nil {
			order = append(order, thing)
		}
		things[thing] = append(things[thing], d.change())
	}
	for _, thing := range order {
		if err := a.recordThing(thing, things[thing]); err != nil {
			return err
		}
	}
	if a.file == nil && len(rest) == 0 || len(a.diffs) == 0 && len(a.changes) == 0 {
		return nil
	}
	w, kind := &a.after.Workspace, audit.WorkspaceApplied
	if a.file == nil {
		kind = audit.SettingsChanged
	}
	subject := audit.Party{Kind: "workspace", ID: w.ID, Name: w.Slug}
	if a.before == nil {
		if err := a.tx.Record(audit.Event{Type: audit.WorkspaceCreated, Actor: a.options.Actor, Subject: subject}); err != nil {
			return err
		}
	}
	for first := true; first || len(rest) > 0; first = false {
		n := min(len(rest), audit.MaxChanges)
		if err := a.tx.Record(audit.Event{Type: kind, Actor: a.options.Actor, Subject: subject, Changes: rest[:n]}); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// recordThing records the change of one connection, directory or application.
func (a *apply) recordThing(thing string, changes []audit.Change) error {
	kind, name, _ := strings.Cut(thing, ".")
	e := audit.Event{Actor: a.options.Actor, Changes: changes}
	var types [3]audit.Type
	var was, is bool
	switch kind {
	case "connections":
		types = [3]audit.Type{audit.ConnectionCreated, audit.ConnectionChanged, audit.ConnectionRemoved}
		var now, then directory.Connection
		now, is = findConnection(a.after, name)
		then, was = findConnection(a.had(), name)
		e.Connection = cmp.Or(now.ID, then.ID)
		e.Subject = audit.Party{Kind: "connection", ID: e.Connection, Name: name}
	case "directories":
		types = [3]audit.Type{audit.DirectoryCreated, audit.DirectoryChanged, audit.DirectoryRemoved}
		var now, then directory.Directory
		now, is = findDirectory(a.after, name)
		then, was = findDirectory(a.had(), name)
		e.Directory = cmp.Or(now.ID, then.ID)
		e.Subject = audit.Party{Kind: "directory", ID: e.Directory, Name: name}
	default:
		types = [3]audit.Type{audit.ApplicationCreated, audit.ApplicationChanged, audit.ApplicationRemoved}
		var now, then directory.Application
		now, is = findApplication(a.after, name)
		then, was = findApplication(a.had(), name)
		e.Subject = audit.Party{Kind: "application", ID: cmp.Or(now.ID, then.ID), Name: name}
	}
	switch {
	case !was:
		e.Type = types[0]
	case is:
		e.Type = types[1]
	default:
		e.Type = types[2]
	}
	return a.tx.Record(e)
}

// refuse makes the one error of several reasons of law 7.
func refuse(why []string) error {
	return errs.Forbidden("would_lock_out", "%s", strings.Join(why, "\n"))
}
