-- +goose Up

-- Extensions of SCIM's User and Group that a workspace defines. A binary that does not know the table goes on taking
-- their data as that of unknown extensions; what is never returned it does not find, since a document has it apart.
CREATE TABLE scim_schema (
	workspace_id TEXT NOT NULL,
	urn_folded   TEXT NOT NULL,
	urn          TEXT NOT NULL,
	definition   TEXT NOT NULL,
	created_at   BIGINT NOT NULL,
	PRIMARY KEY (workspace_id, urn_folded)
);

-- +goose Down
DROP TABLE scim_schema;
