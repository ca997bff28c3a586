package saml

import (
	"fmt"
	"time"
)

// clock holds the instants of a message against ours, and explains failures. A message that is
// refused for its times is most often neither forged nor old: one of two clocks is wrong, and
// an administrator who is told which and by how much can repair it.
type clock struct {
	now    time.Time
	skew   time.Duration // tolerance
	issued time.Time     // the verified assertion's IssueInstant: the IdP's clock, less the way here
	asked  time.Time     // when the request was issued by our clock; zero when unknown
}

// maxClockError is the largest difference that is put down to a clock. What is dated further
// ahead than that was dated so on purpose.
const maxClockError = 24 * time.Hour

// early refuses an instant that lies further in the future than clocks may differ.
func (c clock) early(what string, t time.Time, reason string) *Refusal {
	if t.Sub(c.now) <= c.skew {
		return nil
	}
	if ahead := c.issued.Sub(c.now); ahead > c.skew {
		return c.off(ahead)
	}
	ahead := t.Sub(c.now)
	if ahead > maxClockError {
		return refuse(reason, "The %s is %s, which is %s from now.", what, written(t), spell(ahead))
	}
	r := refuse(ReasonClockSkew, "The %s, %s, is %s ahead of this server's clock; up to %s is accepted. The identity provider's clock is off, or this server's.",
		what, written(t), spell(ahead), spellRound(c.skew))
	r.Skew = ahead
	return r
}

// late refuses an instant at which something ended, when it is past by as much as clocks may
// differ: the end itself does not belong to the time (Core section 2.5.1.2).
func (c clock) late(what string, t time.Time, reason string) *Refusal {
	if c.now.Sub(t) < c.skew {
		return nil
	}
	// Nobody answers a request before it was made, except by a slow clock.
	if behind := c.issued.Sub(c.now); !c.asked.IsZero() && c.asked.Sub(c.issued) > c.skew && -behind <= maxClockError {
		return c.off(behind)
	}
	return refuse(reason, "The %s was %s, which is %s ago; up to %s is accepted. It was issued at %s.",
		what, written(t), spell(c.now.Sub(t)), spellRound(c.skew), written(c.issued))
}

// off is the refusal of a clock that differs by d.
func (c clock) off(d time.Duration) *Refusal {
	direction := "ahead of"
	if d < 0 {
		direction = "behind"
	}
	r := refuse(ReasonClockSkew, "The identity provider's clock is %s %s this server's clock; up to %s is accepted.",
		spell(d.Abs()), direction, spellRound(c.skew))
	r.Skew = d
	return r
}

// written is an instant for people.
func written(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// spell writes a positive duration for people, seconds rounded up so that what is over a limit
// also reads as over it.
func spell(d time.Duration) string {
	seconds := int64((d + time.Second - 1) / time.Second)
	switch {
	case seconds < 60:
		return fmt.Sprintf("%d s", seconds)
	case seconds < 3600:
		return fmt.Sprintf("%d min %d s", seconds/60, seconds%60)
	case seconds < 48*3600:
		return fmt.Sprintf("%d h %d min", seconds/3600, seconds%3600/60)
	default:
		return fmt.Sprintf("%d days %d h", seconds/86400, seconds%86400/3600)
	}
}

// spellRound is spell without seconds where there are none.
func spellRound(d time.Duration) string {
	if d%time.Minute == 0 && d < time.Hour {
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return spell(d)
}
