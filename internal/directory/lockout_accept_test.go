//go:build accept

package directory_test

// searchStates is how many situations are looked at with the stories.
const searchStates = 4_000_000
