package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/gatehouse-id/gatehouse/internal/store"
)

// bulkBatch is how many people one statement brings in.
const bulkBatch = 20_000

// A directory of a million is made by statements that make their rows themselves: what is measured is how it is read.
// $1 is the workspace, $2 the directory, $3 the role, $4 the first number and $5 the last.
const numbers = `WITH RECURSIVE n (i) AS (SELECT CAST($4 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < CAST($5 AS BIGINT)) `

var bulk = []string{
	`INSERT INTO member (workspace_id, id, email, email_folded, name, given_name, family_name, attributes, stage, sources, was_in, role_id,
		manual_role, role_reason, directory_id, break_glass, replaces, created_at, updated_at)
	SELECT CAST($1 AS TEXT), 'mem_bulk' || i, 'bulk' || i || '@bench.test', 'bulk' || i || '@bench.test', 'Bulk Person', 'Bulk', 'Person', '{}', 'active', 0, TRUE,
		CAST($3 AS TEXT), '', '{"source":"default"}', CAST($2 AS TEXT), FALSE, '', 1700000000000000 + i, 1700000000000000 + i FROM n`,
	`INSERT INTO scim_user (workspace_id, id, directory_id, member_id, user_name, user_name_folded, external_id, active, document, created_at, updated_at)
	SELECT CAST($1 AS TEXT), '5f0c8bcb-0000-4000-8000-' || (100000000000 + i), CAST($2 AS TEXT), 'mem_bulk' || i, 'bulk' || i || '@bench.test', 'bulk' || i || '@bench.test',
		CASE WHEN CAST($3 AS TEXT) <> '' THEN 'ext-bulk' || i END, TRUE, '{"displayName":"Bulk Person","emails":[{"primary":true,"type":"work","value":"bulk' || i ||
		'@bench.test"}],"locale":"en-US","name":{"familyName":"Person","givenName":"Bulk"}}', 1700000000000000 + i, 1700000000000000 + i FROM n`,
	`INSERT INTO scim_user_email (workspace_id, directory_id, value_folded, type_folded, scim_user_id)
	SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), 'bulk' || i || '@bench.test', 'work', '5f0c8bcb-0000-4000-8000-' || (100000000000 + i) FROM n WHERE CAST($3 AS TEXT) <> ''`,
}

// makeBulk adds ?n= people, past everything.
func (c *controls) makeBulk(r *http.Request) (any, error) {
	n, err := strconv.Atoi(r.URL.Query().Get("n"))
	if err != nil {
		return nil, fmt.Errorf("n is a number")
	}
	for end := c.bulk + n; c.bulk < end; {
		last := min(c.bulk+bulkBatch, end)
		if err := c.driver.Write(r.Context(), func(conn store.Conn) error {
			for _, statement := range bulk {
				if _, err := conn.Exec(context.WithoutCancel(r.Context()), numbers+statement, c.workspace, c.directory, c.lowest, c.bulk+1, last); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return nil, err
		}
		c.bulk = last
	}
	return n, c.driver.Tend(r.Context())
}
