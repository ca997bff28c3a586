package store

import (
	"cmp"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/directory"
)

const saveAttribute = `
	INSERT INTO attribute (workspace_id, name_folded, name, definition, created_at) VALUES ($1, $2, $3, $4, $5)
	ON CONFLICT (workspace_id, name_folded) DO UPDATE SET name = excluded.name, definition = excluded.definition`

// SaveAttribute makes or changes an attribute of the workspace's people.
func (tx *Tx) SaveAttribute(a directory.Attribute) {
	tx.configuration("attribute")
	tx.later(saveAttribute, tx.workspace, directory.Fold(a.Name), a.Name, toJSON(a), micros(tx.now))
}

const deleteAttribute = `DELETE FROM attribute WHERE workspace_id = $1 AND name_folded = $2`

// DeleteAttribute removes the definition of an attribute. What people have of it is the caller's to take away.
func (tx *Tx) DeleteAttribute(name string) {
	tx.configuration("attribute")
	tx.later(deleteAttribute, tx.workspace, directory.Fold(name))
}

const saveAttributeMap = `
	INSERT INTO attribute_map (workspace_id, source_id, sources) VALUES ($1, $2, $3)
	ON CONFLICT (workspace_id, source_id) DO UPDATE SET sources = excluded.sources`

const deleteAttributeMap = `DELETE FROM attribute_map WHERE workspace_id = $1 AND source_id = $2`

// SaveAttributeMap says where a directory or a connection, by id, has the values of attributes. An empty map is none.
func (tx *Tx) SaveAttributeMap(source string, m directory.AttributeMap) {
	tx.configuration("attribute map")
	if len(m) == 0 {
		tx.later(deleteAttributeMap, tx.workspace, source)
		return
	}
	tx.later(saveAttributeMap, tx.workspace, source, toJSON(m))
}

// addMap gives the directory or connection with that id its map. Those parts of a configuration are read before.
func addMap(cfg *directory.Config, source, text string) error {
	var m directory.AttributeMap
	if err := parse("attribute map of "+source, text, &m); err != nil {
		return err
	}
	for i := range cfg.Directories {
		if cfg.Directories[i].ID == source {
			cfg.Directories[i].Map = m
		}
	}
	for i := range cfg.Connections {
		if cfg.Connections[i].ID == source {
			cfg.Connections[i].Map = m
		}
	}
	return nil
}

// SCIMUsersOfMembers returns the resources that point at members, retired ones included, the oldest first.
func (tx *Tx) SCIMUsersOfMembers(members []string) ([]SCIMUser, error) {
	var out []SCIMUser
	err := eachChunk(members, func(part []string) error {
		list, args := in(2, part)
		return tx.each(scanSCIMUsers(&out), `
		SELECT `+scimUserColumns+` FROM scim_user r
		WHERE  r.workspace_id = $1 AND r.member_id IN (`+list+`)`, append([]any{tx.workspace}, args...)...)
	})
	slices.SortFunc(out, func(a, b SCIMUser) int { return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID)) })
	return out, err
}
