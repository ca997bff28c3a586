//go:build !accept

package directory_test

// searchStates is how many situations are looked at in every run of the tests.
const searchStates = 1_000_000
