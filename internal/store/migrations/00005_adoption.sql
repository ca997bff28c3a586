-- +goose Up

-- Where a directory's POST met a member whom the directory does not own: what waits for a decision, what
-- was decided, and what each adoption was before, for its undoing. A binary of the level before does not
-- look here: it refuses such a POST, as it always did, and an allowed adoption waits for the next binary.
CREATE TABLE adoption (
	workspace_id TEXT NOT NULL,
	id           TEXT NOT NULL,
	directory_id TEXT NOT NULL,
	member_id    TEXT NOT NULL,
	-- Who the directory says that it is: a hash of userName, externalId and address.
	claim        TEXT NOT NULL,
	user_name    TEXT NOT NULL,
	external_id  TEXT NOT NULL,
	address      TEXT NOT NULL,
	name         TEXT NOT NULL,
	active       BOOLEAN NOT NULL,
	reason       TEXT NOT NULL,
	-- waiting, allowed, refused; adopted, undone, over.
	state        TEXT NOT NULL,
	-- What a decision was made about.
	seen         TEXT NOT NULL,
	attempts     BIGINT NOT NULL,
	first_at     BIGINT NOT NULL,
	last_at      BIGINT NOT NULL,
	decided_at   BIGINT,
	decided_by   TEXT NOT NULL,
	scim_user_id TEXT NOT NULL,
	-- The member before the adoption, JSON; '' until then.
	before       TEXT NOT NULL,
	PRIMARY KEY (workspace_id, id)
);
CREATE UNIQUE INDEX adoption_claim ON adoption (workspace_id, directory_id, member_id, claim) WHERE state IN ('waiting', 'allowed', 'refused');
CREATE INDEX adoption_state ON adoption (workspace_id, state, last_at, id);
CREATE INDEX adoption_member ON adoption (workspace_id, member_id, state);

-- +goose Down
DROP TABLE adoption;
