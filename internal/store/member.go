package store

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
)

const memberColumns = `m.id, m.email, m.name, m.given_name, m.family_name, m.attributes, m.stage, m.sources, m.was_in,
	m.role_id, m.manual_role, m.role_reason, m.directory_id, m.break_glass, m.replaces, m.asserted, m.created_at, m.updated_at`

// memberRow receives memberColumns.
type memberRow struct {
	m                 directory.Member
	attributes, stage string
	asserted          string
	reason            string
	sources           int64
	created, updated  int64
}

func (r *memberRow) dest() []any {
	m := &r.m
	return []any{&m.ID, &m.Email, &m.Name, &m.GivenName, &m.FamilyName, &r.attributes, &r.stage, &r.sources, &m.WasIn,
		&m.Role, &m.ManualRole, &r.reason, &m.Directory, &m.BreakGlass, &m.Replaces, &r.asserted, &r.created, &r.updated}
}

func (r *memberRow) member() (directory.Member, error) {
	m := r.m
	m.Stage, m.Sources = directory.Stage(r.stage), directory.Sources(r.sources)
	m.CreatedAt, m.UpdatedAt = instant(r.created), instant(r.updated)
	if r.attributes != "{}" {
		if err := json.Unmarshal([]byte(r.attributes), &m.Attributes); err != nil {
			return m, fmt.Errorf("attributes of %s: %w", m.ID, err)
		}
	}
	if r.asserted != "" {
		if err := json.Unmarshal([]byte(r.asserted), &m.Asserted); err != nil {
			return m, fmt.Errorf("what was asserted of %s: %w", m.ID, err)
		}
	}
	if err := json.Unmarshal([]byte(r.reason), &m.RoleReason); err != nil {
		return m, fmt.Errorf("role reason of %s: %w", m.ID, err)
	}
	return m, nil
}

const insertMember = `
	INSERT INTO member (workspace_id, id, email, email_folded, name, given_name, family_name, attributes, stage, sources, was_in,
		role_id, manual_role, role_reason, directory_id, break_glass, replaces, asserted, created_at, updated_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $19)`

const updateMember = `
	UPDATE member SET email = $3, email_folded = $4, name = $5, given_name = $6, family_name = $7, attributes = $8, stage = $9,
		sources = $10, was_in = $11, role_id = $12, manual_role = $13, role_reason = $14, directory_id = $15, break_glass = $16,
		replaces = $17, asserted = $18, updated_at = $19
	WHERE  workspace_id = $1 AND id = $2`

// ErrAddressTaken is the conflict of law 6: an address of somebody who is not deactivated.
func ErrAddressTaken(address string) error {
	return errs.Conflict("address_taken", "The address %s belongs to another member of this workspace who is not deactivated.", address)
}

// InsertMember adds a member.
func (tx *Tx) InsertMember(m *directory.Member) { tx.saveMember(insertMember, m) }

// UpdateMember saves all of a member.
func (tx *Tx) UpdateMember(m *directory.Member) { tx.saveMember(updateMember, m) }

func (tx *Tx) saveMember(statement string, m *directory.Member) {
	tx.change("member")
	tx.unique("member_address", "member.email_folded", ErrAddressTaken(m.Email))
	attributes := "{}"
	if len(m.Attributes) > 0 {
		attributes = toJSON(m.Attributes)
	}
	asserted := ""
	if len(m.Asserted) > 0 {
		asserted = toJSON(m.Asserted)
	}
	tx.later(statement, tx.workspace, m.ID, m.Email, directory.Fold(m.Email), m.Name, m.GivenName, m.FamilyName, attributes,
		string(m.Stage), int64(m.Sources), m.WasIn, m.Role, m.ManualRole, toJSON(m.RoleReason), m.Directory, m.BreakGlass, m.Replaces, asserted, micros(tx.now))
}

const memberByID = `SELECT ` + memberColumns + ` FROM member m WHERE m.workspace_id = $1 AND m.id = $2`

// ErrNoMember is the answer for an unknown id and for one of another workspace alike.
func ErrNoMember(id string) error {
	return errs.NotFound("member_unknown", "There is no member %s.", id)
}

// Member returns a member by id.
func (tx *Tx) Member(id string) (*directory.Member, error) {
	return tx.memberBy(ErrNoMember(id), memberByID, tx.workspace, id)
}

const memberByEmail = `
	SELECT ` + memberColumns + ` FROM member m
	WHERE  m.workspace_id = $1 AND m.email_folded = $2 AND m.stage <> 'erased'
	ORDER  BY CASE WHEN m.sources = 0 THEN 0 ELSE 1 END, m.created_at DESC, m.id DESC
	LIMIT  1`

// MemberByEmail returns the member with that address who is not deactivated, else the newest.
func (tx *Tx) MemberByEmail(address string) (*directory.Member, error) {
	if address == "" {
		return nil, ErrNoMember(address) // many have none
	}
	return tx.memberBy(ErrNoMember(address), memberByEmail, tx.workspace, directory.Fold(address))
}

func (tx *Tx) memberBy(missing error, query string, args ...any) (*directory.Member, error) {
	var row memberRow
	found, err := tx.one(row.dest(), query, args...)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, missing
	}
	m, err := row.member()
	return &m, err
}

// Members returns members by id, in id order; unknown ids are left out.
func (tx *Tx) Members(ids []string) ([]directory.Member, error) {
	var out []directory.Member
	err := eachChunk(ids, func(part []string) error {
		list, args := in(2, part)
		return tx.members(&out, `SELECT `+memberColumns+` FROM member m WHERE m.workspace_id = $1 AND m.id IN (`+list+`) ORDER BY m.id`,
			append([]any{tx.workspace}, args...)...)
	})
	slices.SortFunc(out, func(a, b directory.Member) int { return strings.Compare(a.ID, b.ID) })
	return slices.CompactFunc(out, func(a, b directory.Member) bool { return a.ID == b.ID }), err
}

func (tx *Tx) members(out *[]directory.Member, query string, args ...any) error {
	return tx.each(func(r Rows) error {
		var row memberRow
		if err := r.Scan(row.dest()...); err != nil {
			return err
		}
		m, err := row.member()
		*out = append(*out, m)
		return err
	}, query, args...)
}

const membersAfter = `
	SELECT ` + memberColumns + ` FROM member m
	WHERE  m.workspace_id = $1 AND m.id > $2 ORDER BY m.id LIMIT $3`

// MembersAfter pages through all members in id order: those behind the id after, limit at most.
func (tx *Tx) MembersAfter(after string, limit int) ([]directory.Member, error) {
	var out []directory.Member
	err := tx.members(&out, membersAfter, tx.workspace, after, limit)
	return out, err
}

const membersByRole = `
	SELECT ` + memberColumns + ` FROM member m
	WHERE  m.workspace_id = $1 AND m.role_id = $2 ORDER BY m.id LIMIT $3`

// MembersByRole returns the members who have a role, in or out.
func (tx *Tx) MembersByRole(role string, limit int) ([]directory.Member, error) {
	var out []directory.Member
	err := tx.members(&out, membersByRole, tx.workspace, role, limit)
	return out, err
}

const ownersIn = `
	SELECT COUNT(*), COUNT(c.member_id)
	FROM   member m LEFT JOIN credential c ON c.workspace_id = m.workspace_id AND c.member_id = m.id AND c.password <> ''
	WHERE  m.workspace_id = $1 AND m.role_id = $2 AND m.sources = 0 AND m.stage = 'active' AND m.id <> $3`

// OtherOwners counts the members in full who have the role and are not except.
func (tx *Tx) OtherOwners(role, except string) (directory.Others, error) {
	var all, withPassword int64
	_, err := tx.one([]any{&all, &withPassword}, ownersIn, tx.workspace, role, except)
	return directory.Others{Owners: int(all), WithPassword: int(withPassword)}, err
}

const countMembers = `SELECT COUNT(*) FROM (SELECT 1 FROM member WHERE workspace_id = $1 LIMIT $2) AS counted`

// CountMembers counts the members of all states, most at the most.
func (tx *Tx) CountMembers(most int) (int, error) {
	var n int64
	_, err := tx.one([]any{&n}, countMembers, tx.workspace, most)
	return int(n), err
}

const membersByStatus = `
	SELECT stage, gone, COUNT(*)
	FROM   (SELECT stage, CASE WHEN sources = 0 THEN 0 ELSE 1 END AS gone FROM member WHERE workspace_id = $1 LIMIT $2) AS counted
	GROUP  BY stage, gone`

// MembersByStatus counts members by what is shown of them, looking at most of them at the most: where there are more, the
// counts add up to most and are of some of them.
func (tx *Tx) MembersByStatus(most int) (map[directory.Status]int, error) {
	out := map[directory.Status]int{}
	err := tx.each(func(r Rows) error {
		var stage string
		var gone, n int64
		if err := r.Scan(&stage, &gone, &n); err != nil {
			return err
		}
		m := directory.Member{Stage: directory.Stage(stage)}
		if gone != 0 {
			m.Sources = m.Sources.With(directory.SourceOwner) // any will do
		}
		out[m.Status()] += int(n)
		return nil
	}, membersByStatus, tx.workspace, most)
	return out, err
}

// AddressFacts is what law 6 asks about an address.
type AddressFacts struct {
	// Holder is the id of the member who has it and is not deactivated, or "".
	Holder string
	// PutOut is the id of a member who has it and whom people of the workspace put out, the newest
	// such, or "".
	PutOut string
	// Foreign says that its domain is proven by another workspace and not by this one.
	Foreign bool
}

// addressFacts is asked in one statement because every create asks it. 12 is SourceOwner and SourceSafetyNet.
const addressFacts = `
	SELECT COALESCE((SELECT id FROM member WHERE workspace_id = $1 AND email_folded = $2 AND sources = 0 AND stage <> 'erased' LIMIT 1), ''),
	       COALESCE((SELECT id FROM member WHERE workspace_id = $1 AND email_folded = $2 AND sources & 12 <> 0 AND stage <> 'erased' ORDER BY created_at DESC LIMIT 1), ''),
	       (SELECT COUNT(*) FROM domain_handle WHERE domain = $3 AND workspace_id <> $1),
	       (SELECT COUNT(*) FROM domain_handle WHERE domain = $3 AND workspace_id = $1)`

// AddressFacts says who in this workspace has or had an address, and whose its domain is. Nobody is
// meant by "".
func (tx *Tx) AddressFacts(address string) (a AddressFacts, err error) {
	if address == "" {
		return a, nil
	}
	if a, ok := use(&tx.ahead.address, address); ok {
		return a, nil
	}
	err = tx.each(a.scan, addressFacts, addressArgs(tx, address)...)
	return a, err
}

// Address says who in this workspace holds an address without being deactivated ("" for nobody),
// and whether its domain is proven by another workspace and not by this one.
func (tx *Tx) Address(address string) (holder string, foreign bool, err error) {
	a, err := tx.AddressFacts(address)
	return a.Holder, a.Foreign, err
}

func addressArgs(tx *Tx, address string) []any {
	return []any{tx.workspace, directory.Fold(address), directory.Domain(address)}
}

func (a *AddressFacts) scan(r Rows) error {
	var others, own int64
	err := r.Scan(&a.Holder, &a.PutOut, &others, &own)
	a.Foreign = others > 0 && own == 0
	return err
}

// RoleGrant gives one role for one reason to many members.
type RoleGrant struct {
	Role    string
	Reason  directory.RoleReason
	Members []string
}

// GrantRoles writes grants; each takes one statement per 512 members.
func (tx *Tx) GrantRoles(grants []RoleGrant) error {
	for _, g := range grants {
		if len(g.Members) > 0 {
			tx.change("member")
		}
		if err := eachChunk(g.Members, func(part []string) error {
			list, args := in(5, part)
			tx.later(`UPDATE member SET role_id = $2, role_reason = $3, updated_at = $4 WHERE workspace_id = $1 AND id IN (`+list+`)`,
				append([]any{tx.workspace, g.Role, toJSON(g.Reason), micros(tx.now)}, args...)...)
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

const replaceManualRole = `
	UPDATE member SET manual_role = $3, updated_at = $4 WHERE workspace_id = $1 AND role_id = $2 AND manual_role = $2`

// ReplaceManualRole gives another role by hand to all who have one by hand. What role they have, and why, is for the caller
// to write.
func (tx *Tx) ReplaceManualRole(from, to string) {
	tx.change("member")
	tx.later(replaceManualRole, tx.workspace, from, to, micros(tx.now))
}

// MaxRoleCount is the most that MembersWith counts.
const MaxRoleCount = 10_000

const membersWith = `
	SELECT COUNT(*) FROM (SELECT 1 FROM member WHERE workspace_id = $1 AND role_id = $2 AND stage <> 'erased' LIMIT $3) AS counted`

// MembersWith counts the members who have a role, in or out, and one more than MaxRoleCount where there are more.
func (tx *Tx) MembersWith(role string) (n int, err error) {
	_, err = tx.one([]any{&n}, membersWith, tx.workspace, role, MaxRoleCount+1)
	return n, err
}

const saveCredential = `
	INSERT INTO credential (workspace_id, member_id, password, proven_at) VALUES ($1, $2, $3, $4)
	ON CONFLICT (workspace_id, member_id) DO UPDATE SET password = excluded.password, proven_at = excluded.proven_at`

// SaveCredential sets a member's password hash and when the password was proven.
func (tx *Tx) SaveCredential(member, hash string, proven time.Time) {
	tx.change("credential")
	tx.later(saveCredential, tx.workspace, member, hash, micros(proven))
}

const proveCredential = `UPDATE credential SET proven_at = $3 WHERE workspace_id = $1 AND member_id = $2`

// ProveCredential notes that the password was just used with success.
func (tx *Tx) ProveCredential(member string) {
	tx.later(proveCredential, tx.workspace, member, micros(tx.now))
}

const credentialOf = `SELECT password, proven_at FROM credential WHERE workspace_id = $1 AND member_id = $2`

// Credential returns the password hash, "" where the member has none, and when it was proven.
func (tx *Tx) Credential(member string) (hash string, proven time.Time, err error) {
	var us int64
	found, err := tx.one([]any{&hash, &us}, credentialOf, tx.workspace, member)
	if err != nil || !found {
		return "", time.Time{}, err
	}
	return hash, instant(us), nil
}

const breakGlassOf = `
	SELECT ` + memberColumns + ` FROM member m
	WHERE  m.workspace_id = $1 AND m.break_glass AND m.sources = 0 AND m.stage = 'active' AND m.role_id = $2
	ORDER  BY m.id LIMIT 1`

// BreakGlass returns the designated administrator, or nil. ownerRole is the id of the owner role.
func (tx *Tx) BreakGlass(ownerRole string) (*directory.Member, error) {
	m, err := tx.memberBy(errs.NotFound("no_break_glass", "No break-glass administrator."), breakGlassOf, tx.workspace, ownerRole)
	if errs.Is(err, errs.KindNotFound) {
		return nil, nil
	}
	return m, err
}

const membersNamed = `
	SELECT ` + memberColumns + ` FROM member m
	WHERE  m.workspace_id = $1 AND m.email_folded >= $2 AND m.email_folded < $3 ORDER BY m.email_folded, m.created_at LIMIT $4`

// MembersNamed returns members whose address begins as given, without regard to letter case, in the order of addresses.
func (tx *Tx) MembersNamed(prefix string, limit int) ([]directory.Member, error) {
	var out []directory.Member
	folded := directory.Fold(prefix)
	err := tx.members(&out, membersNamed, tx.workspace, folded, folded+"\U0010FFFF", limit)
	return out, err
}
