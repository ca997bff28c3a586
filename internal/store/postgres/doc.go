// Package postgres is the store's driver for PostgreSQL (pgx): read committed transactions,
// advisory locks, LISTEN/NOTIFY. Deferred statements, BEGIN and COMMIT travel in one round trip
// with their neighbours.
package postgres
