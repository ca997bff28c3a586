package directory

import "unicode/utf8"

// maxGuess is how long a word, in bytes, may be for Nearest to compare it. The distance costs the
// product of both lengths, and nobody mistypes more.
const maxGuess = 100

// Nearest returns the known name that word was probably meant to be, or "" when none is near.
// Nearness is the Damerau-Levenshtein distance in the form that changes no stretch twice, without
// regard to letter case; a third of the word may differ, one character in any case. Of equally
// near names the first wins.
func Nearest(word string, known []string) string {
	if len(word) > maxGuess {
		return ""
	}
	word = Fold(word)
	best, least := "", max(1, utf8.RuneCountInString(word)/3)+1
	for _, name := range known {
		if len(name) > maxGuess {
			continue
		}
		if d := editDistance([]rune(word), []rune(Fold(name))); d < least {
			best, least = name, d
		}
	}
	return best
}

// editDistance counts insertions, deletions, substitutions and swaps of neighbours.
func editDistance(from, to []rune) int {
	// Swaps need the row before the last one, so three rows of the matrix are kept.
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
