package signin

import (
	"time"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// AnswerTime is how long an attempt waits for its answer. One that is open after that got none.
const AnswerTime = stateLife

const (
	// SkewSample is how many of the last measured sign-ins tell of an IdP's clock.
	SkewSample = 10
	// skewWorthAWord is a difference that is accepted and told all the same.
	skewWorthAWord = 60 * time.Second
)

// SkewText says a measured difference between the IdP's clock and ours, "" for none that was measured.
func SkewText(skew *time.Duration) string { return skewText(skew) }

// ClockWarning says how far an IdP's clock is off by its last attempts, newest first; "" where it is not worth a word. The
// smallest difference counts: a person may let an answer lie, and a clock is off each time.
func ClockWarning(attempts []store.Attempt) string {
	var least *time.Duration
	seen := 0
	for _, a := range attempts {
		if a.Skew == nil || a.Loose {
			continue
		}
		if seen++; seen > SkewSample {
			break
		}
		if least == nil || a.Skew.Abs() < least.Abs() {
			least = a.Skew
		}
	}
	if least == nil || least.Abs() < skewWorthAWord {
		return ""
	}
	return skewText(least)
}

// StillUnknown returns, of those who tried to sign in and whom no directory had named, the ones who are unknown to this
// day.
func StillUnknown(tx *store.Tx, limit int) ([]store.Nobody, error) {
	tried, err := tx.NeverProvisioned(limit)
	if err != nil {
		return nil, err
	}
	out := tried[:0:0]
	for _, n := range tried {
		switch _, err := tx.MemberByEmail(n.Name); {
		case errs.Is(err, errs.KindNotFound):
			out = append(out, n)
		case err != nil:
			return nil, err
		}
	}
	return out, nil
}
