-- +goose Up

-- Attributes of people that a workspace defines, and where directories and connections have the values of. A binary
-- that knows neither table goes on with the attributes that every workspace has.
CREATE TABLE attribute (
	workspace_id TEXT NOT NULL,
	name_folded  TEXT NOT NULL,
	name         TEXT NOT NULL,
	definition   TEXT NOT NULL,
	created_at   BIGINT NOT NULL,
	PRIMARY KEY (workspace_id, name_folded)
);

-- source_id is a directory or a connection. One that is gone may have left its row behind, where an earlier binary
-- removed it: nobody asks for that.
CREATE TABLE attribute_map (
	workspace_id TEXT NOT NULL,
	source_id    TEXT NOT NULL,
	sources      TEXT NOT NULL,
	PRIMARY KEY (workspace_id, source_id)
);

-- What connections and people said of a member, beside what their directory says, which stands in its document. An
-- earlier binary leaves it as it is. '' for nothing.
ALTER TABLE member ADD COLUMN asserted TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE member DROP COLUMN asserted;
DROP TABLE attribute_map;
DROP TABLE attribute;
