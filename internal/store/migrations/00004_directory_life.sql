-- +goose Up

-- Where a directory stands: draft, testing, enabled or paused. enabled stays in step, so that a binary of
-- level 3, which asks nothing else, refuses a directory that only tests. '' is a row that such a
-- binary made.
ALTER TABLE directory ADD COLUMN status TEXT NOT NULL DEFAULT '';
-- Names of people who take effect while the directory tests: a JSON list, or ''.
ALTER TABLE directory ADD COLUMN pilot TEXT NOT NULL DEFAULT '';
UPDATE directory SET status = CASE
	WHEN enabled THEN 'enabled'
	WHEN EXISTS (SELECT 1 FROM scim_user r WHERE r.workspace_id = directory.workspace_id AND r.directory_id = directory.id) THEN 'paused'
	ELSE 'draft' END;

-- What is kept of a staged person beside their resource, which points at no member (member_id = ''):
-- all that makes a member of them.
CREATE TABLE staged_person (
	workspace_id   TEXT NOT NULL,
	directory_id   TEXT NOT NULL,
	scim_user_id   TEXT NOT NULL,
	address_folded TEXT NOT NULL,
	person         TEXT NOT NULL,
	PRIMARY KEY (workspace_id, directory_id, scim_user_id)
);
CREATE INDEX staged_person_address ON staged_person (workspace_id, directory_id, address_folded);
CREATE INDEX scim_user_staged ON scim_user (workspace_id, directory_id, created_at, id) WHERE retired_at IS NULL AND member_id = '';

-- What a directory was heard of, by the hour.
CREATE TABLE directory_heard (
	workspace_id TEXT NOT NULL,
	directory_id TEXT NOT NULL,
	hour         BIGINT NOT NULL,
	reads        BIGINT NOT NULL,
	created      BIGINT NOT NULL,
	updated      BIGINT NOT NULL,
	deactivated  BIGINT NOT NULL,
	refused      BIGINT NOT NULL,
	last_at      BIGINT NOT NULL,
	served_at    BIGINT,
	refused_at   BIGINT,
	refusal      TEXT NOT NULL,
	PRIMARY KEY (workspace_id, directory_id, hour)
);

-- +goose Down
DROP TABLE directory_heard;
DROP INDEX scim_user_staged;
DROP TABLE staged_person;
ALTER TABLE directory DROP COLUMN pilot;
ALTER TABLE directory DROP COLUMN status;
