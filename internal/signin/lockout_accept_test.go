//go:build accept

package signin

// walks is how many walks are replayed on each database with the stories.
const walks = 1000
