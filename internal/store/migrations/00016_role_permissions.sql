-- +goose Up

-- Whether a role's permissions were chosen by name. Until then there was one for the whole console, "settings": a role
-- that carries it and was not written since may do everything there, and is read so. A binary of an earlier level asks
-- for "settings" alone, keeps what it reads, and makes roles of the old kind.
ALTER TABLE role ADD COLUMN named BOOLEAN NOT NULL DEFAULT FALSE;

-- +goose Down
ALTER TABLE role DROP COLUMN named;
