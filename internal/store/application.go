package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
)

const insertApplication = `
	INSERT INTO application (workspace_id, id, name, name_folded, settings, secret, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`

const insertApplicationHandle = `INSERT INTO application_handle (application_id, workspace_id) VALUES ($1, $2)`

// InsertApplication makes a host application. secret is the hash of its secret, "" for a public one.
func (tx *Tx) InsertApplication(a directory.Application, secret string) {
	tx.configuration("application")
	tx.later(insertApplicationHandle, a.ID, tx.workspace)
	tx.later(insertApplication, tx.workspace, a.ID, a.Name, directory.Fold(a.Name), toJSON(a), secret, micros(tx.now))
}

const updateApplication = `UPDATE application SET name = $3, name_folded = $4, settings = $5 WHERE workspace_id = $1 AND id = $2`

// UpdateApplication changes an application but for its secret.
func (tx *Tx) UpdateApplication(a directory.Application) {
	tx.configuration("application")
	tx.later(updateApplication, tx.workspace, a.ID, a.Name, directory.Fold(a.Name), toJSON(a))
}

const setApplicationSecret = `UPDATE application SET secret = $3 WHERE workspace_id = $1 AND id = $2`

// SetApplicationSecret replaces the hash of an application's secret.
func (tx *Tx) SetApplicationSecret(id, secret string) {
	tx.configuration("application")
	tx.later(setApplicationSecret, tx.workspace, id, secret)
}

const deleteApplication = `DELETE FROM application WHERE workspace_id = $1 AND id = $2`

const deleteApplicationHandle = `DELETE FROM application_handle WHERE application_id = $2 AND workspace_id = $1`

const endGrantsOfApplication = `
	UPDATE oidc_grant SET ended_at = $3, end_reason = 'application_removed'
	WHERE  workspace_id = $1 AND application_id = $2 AND ended_at IS NULL`

// DeleteApplication removes an application; what it was given is worth nothing from then on.
func (tx *Tx) DeleteApplication(id string) {
	tx.configuration("application")
	tx.later(deleteApplication, tx.workspace, id)
	tx.later(deleteApplicationHandle, tx.workspace, id)
	tx.later(endGrantsOfApplication, tx.workspace, id, micros(tx.now))
}

// Client is an application as the OIDC provider meets it.
type Client struct {
	directory.Application
	Workspace string // id
	Slug      string
	Secret    string // hash, "" for a public one
}

const applicationByID = `
	SELECT a.name, a.settings, a.secret, a.created_at, a.workspace_id, w.slug
	FROM   application_handle h
	JOIN   application a ON a.workspace_id = h.workspace_id AND a.id = h.application_id
	JOIN   workspace w ON w.id = h.workspace_id
	WHERE  h.application_id = $1`

// Client finds an application by its client id. An unknown one is errs.KindNotFound, "client_unknown".
func (s System) Client(ctx context.Context, id string) (*Client, error) {
	c := Client{Application: directory.Application{ID: id}}
	var settings string
	var created int64
	found, err := s.one(ctx, []any{&c.Name, &settings, &c.Secret, &created, &c.Workspace, &c.Slug}, applicationByID, id)
	if err == nil && !found {
		err = errs.NotFound("client_unknown", "There is no such application.")
	}
	if err != nil {
		return nil, err
	}
	c.CreatedAt = instant(created)
	if err := json.Unmarshal([]byte(settings), &c.Application); err != nil {
		return nil, fmt.Errorf("application %s: %w", id, err)
	}
	return &c, nil
}
