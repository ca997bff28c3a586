-- +goose Up

-- Jobs of one queue are done one after the other, in the order of place; '' is no queue. A binary that does not know
-- queues does not know the kinds of job that have one either, and leaves them to others.
ALTER TABLE job ADD COLUMN queue TEXT NOT NULL DEFAULT '';
ALTER TABLE job ADD COLUMN place BIGINT NOT NULL DEFAULT 0;
CREATE INDEX job_queue ON job (workspace_id, queue, place) WHERE dead_at IS NULL;

-- +goose Down
DROP INDEX job_queue;
ALTER TABLE job DROP COLUMN place;
ALTER TABLE job DROP COLUMN queue;
