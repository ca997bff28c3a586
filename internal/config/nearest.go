package config

import (
	"fmt"
	"strings"
)

// Nearest returns the known name that word was probably meant to be, or "" when none is close
// enough to be worth a guess. Closeness is the Damerau-Levenshtein distance, in its form that
// changes no stretch twice (optimal string alignment), regardless of case and of - against _; a
// third of the word may differ. Of equally close names the first wins.
func Nearest(word string, known []string) string {
	folded := fold(word)
	best, least := "", max(1, len([]rune(folded))/3)+1
	if len(folded) > 200 {
		return "" // nobody's slip, and the distance costs the product of both lengths
	}
	for _, name := range known {
		if d := distance(folded, fold(name)); d < least {
			best, least = name, d
		}
	}
	return best
}

// DidYouMean returns `; did you mean "public-url"?` for the nearest name, or "".
func DidYouMean(word string, known []string) string {
	if name := Nearest(word, known); name != "" {
		return fmt.Sprintf("; did you mean %q?", name)
	}
	return ""
}

func fold(s string) string {
	return strings.ReplaceAll(strings.ToLower(s), "_", "-")
}

// distance counts insertions, deletions, substitutions and swaps of neighbours between a and b.
func distance(a, b string) int {
	from, to := []rune(a), []rune(b)
	// Three rows of the matrix: the one before last is needed for swaps.
	before, last, row := make([]int, len(to)+1), make([]int, len(to)+1), make([]int, len(to)+1)
	for j := range last {
		last[j] = j
	}
	for i := range from {
		row[0] = i + 1
		for j := range to {
			cost := 1
			if from[i] == to[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && from[i] == to[j-1] && from[i-1] == to[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(to)]
}
