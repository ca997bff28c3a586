//go:build !accept

package signin

// walks is how many walks are replayed on each database in every run of the tests.
const walks = 50
