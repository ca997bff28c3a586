package signin

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
)

// Limits of attempts. A window begins with its first attempt; the attempt past the limit is
// refused before any password is looked at.
const (
	limitWindow  = 15 * time.Minute
	accountLimit = 10 // attempts on one account
	clientLimit  = 30 // attempts by one client (an IPv4 address, an IPv6 /64)
	linkLimit    = 30 // uses of one one-time link
)

// tooMany is a refusal that says when to come again.
type tooMany struct {
	err  error
	wait time.Duration
}

func (e *tooMany) Error() string { return e.err.Error() }
func (e *tooMany) Unwrap() error { return e.err }

// RetryAfter is read by web for the header of that name.
func (e *tooMany) RetryAfter() time.Duration { return e.wait }

func limited(wait time.Duration) error {
	minutes, unit := int(math.Ceil(wait.Minutes())), "minutes"
	if minutes <= 1 {
		minutes, unit = 1, "minute"
	}
	return &tooMany{wait: wait, err: errs.Limited("too_many_attempts", "Too many attempts. Try again in %d %s.", minutes, unit)}
}

// bucket names a counter. What people typed is hashed, so that a counter is short and says
// nothing about them.
func bucket(kind string, parts ...string) string {
	return "signin " + kind + " " + keys.HashToken(strings.Join(parts, "\x00"))
}

// buckets are the counters of an attempt: the account's, which a success empties, and the
// client's. Emergency access has its own, and the account's holds the client as well: what
// strangers elsewhere try on the break-glass administrator's address never delays them.
func (r PasswordRequest) buckets() (account, client string) {
	if r.Emergency {
		return bucket("emergency-account", r.Workspace, directory.Fold(r.Email), r.Client.Bucket), bucket("emergency-client", r.Client.Bucket)
	}
	return bucket("account", r.Workspace, directory.Fold(r.Email)), bucket("client", r.Client.Bucket)
}

// admit counts an attempt and refuses it when there were too many, for known and unknown
// accounts alike.
func (s *Service) admit(ctx context.Context, r PasswordRequest) error {
	account, client := r.buckets()
	wait, err := s.DB.System().Attempt(ctx, limitWindow, []string{client}, []int{clientLimit})
	if err == nil && wait == 0 {
		// Only then: every name that somebody makes up is a counter in the database, and a client that
		// was refused counts against nobody's account.
		wait, err = s.DB.System().Attempt(ctx, limitWindow, []string{account}, []int{accountLimit})
	}
	if err != nil {
		return fmt.Errorf("count attempt: %w", err)
	}
	if wait == 0 {
		return nil
	}
	if err := s.noteLimited(ctx, r); err != nil {
		return err
	}
	return limited(wait)
}

// noteLimited leaves a trace of an attempt past the limit: each counts in the sum of strangers,
// and the first of a client in a window is an event of the workspace. Were each an event, whoever
// is refused without cost could fill the disk.
func (s *Service) noteLimited(ctx context.Context, r PasswordRequest) error {
	s.DB.System().RecordStranger(r.Client.Bucket, "signin.too_many_attempts", nil)
	workspace, err := s.workspace(ctx, r.Workspace)
	if err != nil || workspace == "" {
		return err
	}
	noted, err := s.DB.System().Attempt(ctx, limitWindow, []string{bucket("noted", workspace, r.Client.Bucket)}, []int{1})
	if err != nil || noted > 0 {
		return err
	}
	e := audit.Event{ID: keys.ID("evt_", s.now()), Reason: "too_many_attempts", Actor: r.Client.stranger(), Subject: r.subject(), Payload: r.attempt().payload()}
	trace := refusedAttempt(r.attempt(), e, s.now())
	return s.recordRefusal(ctx, workspace, e, &trace)
}
