// Package storetest opens real databases for tests and holds the conformance suite that both
// drivers must pass. Other rooms' tests use Each to run on both.
package storetest
