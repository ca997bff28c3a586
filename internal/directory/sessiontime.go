package directory

import "time"

// What a policy without a word says.
const (
	defaultIdle = "12h"
	defaultLife = "7d"
)

// sessionTimes are the words for how long a session may live.
var sessionTimes = []struct {
	word       string
	time       time.Duration
	idle, life bool
}{
	{"15m", 15 * time.Minute, true, false},
	{"30m", 30 * time.Minute, true, false},
	{"1h", time.Hour, true, true},
	{"2h", 2 * time.Hour, true, true},
	{"4h", 4 * time.Hour, true, true},
	{"8h", 8 * time.Hour, true, true},
	{"12h", 12 * time.Hour, true, true},
	{"1d", 24 * time.Hour, true, true},
	{"3d", 3 * 24 * time.Hour, true, true},
	{"7d", 7 * 24 * time.Hour, true, true},
}

// SessionIdles are how long a policy may let sessions live without use, shortest first.
func SessionIdles() (words []string) {
	for _, t := range sessionTimes {
		if t.idle {
			words = append(words, t.word)
		}
	}
	return words
}

// SessionLives are how long a policy may let sessions live altogether, shortest first.
func SessionLives() (words []string) {
	for _, t := range sessionTimes {
		if t.life {
			words = append(words, t.word)
		}
	}
	return words
}

// SessionTimes is how long sessions live without use, and altogether; both hold, whichever ends first. A word that this
// binary does not know counts as the default.
func (p Policy) SessionTimes() (idle, life time.Duration) {
	return sessionTime(p.SessionIdle, defaultIdle), sessionTime(p.SessionLife, defaultLife)
}

// SessionWords are the policy's words for both.
func (p Policy) SessionWords() (idle, life string) {
	return orDefault(p.SessionIdle, defaultIdle), orDefault(p.SessionLife, defaultLife)
}

func sessionTime(word, otherwise string) (known time.Duration) {
	for _, t := range sessionTimes {
		if t.word == word {
			return t.time
		}
		if t.word == otherwise {
			known = t.time
		}
	}
	return known
}

func orDefault(word, otherwise string) string {
	if word == "" {
		return otherwise
	}
	return word
}
