// Package storetest opens real databases for tests and holds the conformance suite that both
// drivers must pass. Other rooms' tests use Each to run on both.
//
// Run is the suite for one process on one database, RunPair for two processes that share one.
// Both see the database as every caller does, through store.DB and store.Tx, and look beneath it
// only with the driver's own statements.
package storetest
