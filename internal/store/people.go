package store

import (
	"github.com/gatehouse-id/gatehouse/internal/directory"
)

// Law 6: who, of the people of a directory and of those who sign in through its connection, are one.
// What is found here is a candidate: the values were compared without regard to letter case.

// Asserted is a live resource that an assertion may speak of.
type Asserted struct {
	User, Member         string // ids
	UserName, ExternalID string
	Email                string // the member's, where the directory owns the member; else ""
}

const peopleAsserted = `
	SELECT r.id, r.member_id, r.user_name, COALESCE(r.external_id, ''), CASE WHEN m.directory_id = $2 THEN m.email ELSE '' END
	FROM   scim_user r CROSS JOIN member m
	WHERE  r.workspace_id = $1 AND r.directory_id = $2 AND r.user_name_folded IN ($3, $4) AND r.retired_at IS NULL
	AND    m.workspace_id = $1 AND m.id = r.member_id
	UNION
	SELECT r.id, r.member_id, r.user_name, COALESCE(r.external_id, ''), CASE WHEN m.directory_id = $2 THEN m.email ELSE '' END
	FROM   scim_user r CROSS JOIN member m
	WHERE  r.workspace_id = $1 AND r.directory_id = $2 AND r.external_id IN ($5, $6) AND r.retired_at IS NULL
	AND    m.workspace_id = $1 AND m.id = r.member_id
	UNION
	SELECT r.id, r.member_id, r.user_name, COALESCE(r.external_id, ''), m.email
	FROM   member m CROSS JOIN scim_user r
	WHERE  m.workspace_id = $1 AND m.email_folded IN ($3, $4) AND m.directory_id = $2
	AND    r.workspace_id = $1 AND r.member_id = m.id AND r.directory_id = $2 AND r.retired_at IS NULL
	ORDER  BY 1 LIMIT 20`

// PeopleAsserted returns the live resources of a directory whose userName, externalId or member's
// address is what a connection asserts: a subject's value or an address, which may be "".
func (tx *Tx) PeopleAsserted(directoryID, shown, email string) ([]Asserted, error) {
	if email == "" {
		email = shown
	}
	var out []Asserted
	err := tx.each(func(r Rows) error {
		var a Asserted
		err := r.Scan(&a.User, &a.Member, &a.UserName, &a.ExternalID, &a.Email)
		out = append(out, a)
		return err
	}, peopleAsserted, tx.workspace, directoryID, directory.Fold(shown), directory.Fold(email), shown, email)
	return out, err
}

const linksAsserting = `
	SELECT ` + identityColumns + `
	FROM   directory d CROSS JOIN identity i
	WHERE  d.workspace_id = $1 AND d.id = $2
	AND    i.workspace_id = $1 AND i.connection_id = d.connection_id AND i.shown_folded IN ($3, $4, $5)
	UNION
	SELECT ` + identityColumns + `
	FROM   directory d CROSS JOIN identity i
	WHERE  d.workspace_id = $1 AND d.id = $2
	AND    i.workspace_id = $1 AND i.connection_id = d.connection_id AND i.email_folded IN ($3, $4, $5)
	ORDER  BY 2 LIMIT 20`

// LinksAsserting returns the links of a directory's own connection whose subject or asserted
// address is somebody's userName, externalId or primary address; the last two may be "".
func (tx *Tx) LinksAsserting(directoryID, userName, externalID, address string) ([]Identity, error) {
	key := personKey{directoryID, userName, externalID, address}
	if links, ok := use(&tx.ahead.links, key); ok {
		return links, nil
	}
	var out []Identity
	err := tx.each(scanIdentities(&out), linksAsserting, linksArgs(tx, key)...)
	return out, err
}

func linksArgs(tx *Tx, key personKey) []any {
	args := []any{tx.workspace, key.directory, directory.Fold(key.userName)}
	for _, value := range []string{key.externalID, key.address} {
		if value == "" {
			value = key.userName // many links have no address: nobody is meant by none
		}
		args = append(args, directory.Fold(value))
	}
	return args
}

const membersByEmail = `
	SELECT ` + memberColumns + ` FROM member m
	WHERE  m.workspace_id = $1 AND m.email_folded = $2 AND m.stage <> 'erased'
	ORDER  BY CASE WHEN m.sources = 0 THEN 0 ELSE 1 END, m.created_at DESC, m.id DESC
	LIMIT  50`

// MembersByEmail returns the members who have an address, the one not deactivated first, then the
// newest, 50 at most. Nobody is meant by "".
func (tx *Tx) MembersByEmail(address string) ([]directory.Member, error) {
	if address == "" {
		return nil, nil
	}
	var out []directory.Member
	err := tx.members(&out, membersByEmail, tx.workspace, directory.Fold(address))
	return out, err
}
