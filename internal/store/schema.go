package store

import "github.com/gatehouse-id/gatehouse/internal/directory"

const saveSchema = `
	INSERT INTO scim_schema (workspace_id, urn_folded, urn, definition, created_at) VALUES ($1, $2, $3, $4, $5)
	ON CONFLICT (workspace_id, urn_folded) DO UPDATE SET urn = excluded.urn, definition = excluded.definition`

// SaveSchema makes or changes an extension schema of the workspace.
func (tx *Tx) SaveSchema(s directory.Schema) {
	tx.configuration("schema")
	tx.later(saveSchema, tx.workspace, directory.Fold(s.URN), s.URN, toJSON(s), micros(tx.now))
}

const deleteSchema = `DELETE FROM scim_schema WHERE workspace_id = $1 AND urn_folded = $2`

// DeleteSchema removes an extension schema. What resources have of it stays with them.
func (tx *Tx) DeleteSchema(urn string) {
	tx.configuration("schema")
	tx.later(deleteSchema, tx.workspace, directory.Fold(urn))
}
