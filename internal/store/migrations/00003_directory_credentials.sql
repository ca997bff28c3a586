-- +goose Up

-- A token that ends by itself, at expires_at: a binary of level 2 does not ask, so the sweep makes such
-- an end a revocation, which that binary honours. replaced_at is when another token took its place,
-- which with an overlap is before its end.
ALTER TABLE token_handle ADD COLUMN expires_at BIGINT;
ALTER TABLE token_handle ADD COLUMN replaced_at BIGINT;
ALTER TABLE token_handle ADD COLUMN created_by TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE token_handle DROP COLUMN created_by;
ALTER TABLE token_handle DROP COLUMN replaced_at;
ALTER TABLE token_handle DROP COLUMN expires_at;
