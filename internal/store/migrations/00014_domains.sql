-- +goose Up

-- A domain that a workspace says is its own, with the value of the TXT record that proves it. Whether it is
-- proven stands in domain_handle. missing is for how long, in microseconds, the record of a proven domain was known
-- to be missing; next_check_at is NULL for what is not looked at by itself.
CREATE TABLE domain_claim (
	workspace_id  TEXT NOT NULL,
	domain        TEXT NOT NULL,
	challenge     TEXT NOT NULL,
	created_at    BIGINT NOT NULL,
	proven_at     BIGINT,
	lapsed_at     BIGINT,
	checked_at    BIGINT,
	outcome       TEXT NOT NULL,
	detail        TEXT NOT NULL,
	missing       BIGINT NOT NULL,
	missing_since BIGINT,
	warned        BIGINT NOT NULL,
	next_check_at BIGINT,
	PRIMARY KEY (workspace_id, domain)
);
CREATE INDEX domain_claim_due ON domain_claim (next_check_at) WHERE next_check_at IS NOT NULL;

-- A domain has one owner. Before, two workspaces of one operator could both have it: such pairs stay until one lets
-- go, and the earlier is the owner. A binary of an earlier level writes rows without owner.
ALTER TABLE domain_handle ADD COLUMN owner BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE domain_handle SET owner = TRUE WHERE NOT EXISTS (
	SELECT 1 FROM domain_handle AS o WHERE o.domain = domain_handle.domain
	AND (o.proven_at < domain_handle.proven_at OR o.proven_at = domain_handle.proven_at AND o.workspace_id < domain_handle.workspace_id));
CREATE UNIQUE INDEX domain_handle_owner ON domain_handle (domain) WHERE owner;

-- +goose Down
DROP INDEX domain_handle_owner;
ALTER TABLE domain_handle DROP COLUMN owner;
DROP TABLE domain_claim;
