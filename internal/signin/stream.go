package signin

import (
	"context"
	"net/http"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// recheckEvery is how often an open stream asks the database without being woken. It catches what
// sends no signal: expiry, and a signal lost on its way from another process.
const recheckEvery = 15 * time.Second

// watched is a session whose end somebody waits for.
type watched struct {
	service *Service
	hash    string             // of the token
	last    *store.LiveSession // as it was when last seen alive
}

// look asks the database whether the session lives and says why not where it does not, nil where
// it does. Looking is no use of the session: an open tab must not keep it from running idle.
func (w *watched) look(ctx context.Context) (*Ended, error) {
	// The zero time is before every expiry and every mark of use is after it, so the store neither
	// judges expiry nor marks the session as used. Expiry is judged here.
	live, err := w.service.DB.SessionByToken(ctx, w.hash, time.Time{})
	if err == nil {
		w.last = live
		if live.Alive(w.service.now()) {
			return nil, nil
		}
	} else if !errs.Is(err, errs.KindUnauthenticated) {
		return nil, err
	}
	ended, err := w.service.why(ctx, w.last)
	if err != nil {
		return nil, err
	}
	return &ended, nil
}

// wait returns why the session ended once it has, and nil when ctx ends first. While the database
// does not answer nothing is known, and the wait goes on.
func (w *watched) wait(ctx context.Context, wake <-chan struct{}, recheck <-chan time.Time) *Ended {
	for {
		ended, err := w.look(ctx)
		if err != nil {
			web.Add(ctx, "watch_error", err.Error())
		} else if ended != nil {
			return ended
		}
		select {
		case <-ctx.Done():
			return nil
		case <-wake:
		case <-recheck:
		}
	}
}

// events is GET /auth/session/events: a stream of server-sent events that sends one,
// "session.ended" with its reason, at the moment the session dies, and ends.
func (d *Door) events(w http.ResponseWriter, r *http.Request) error {
	live, err := d.service.Check(r.Context(), r)
	if err != nil {
		return err
	}
	wake, leave, err := d.ends.join(live.ID)
	if err != nil {
		return err
	}
	defer leave()
	stream, err := web.NewStream(w, r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(r.Context())
	recheck, beat := time.NewTicker(d.recheck), time.NewTicker(d.recheck)
	defer recheck.Stop()
	defer beat.Stop()
	messages, done := make(chan web.Message, 1), make(chan struct{})
	go func() {
		defer close(done)
		defer close(messages)
		// The first look comes after the joining: an end between the check above and here is seen.
		seen := &watched{service: d.service, hash: keys.HashToken(d.service.tokenOf(r)), last: live}
		if ended := seen.wait(ctx, wake, recheck.C); ended != nil {
			messages <- web.Message{Event: "session.ended", Data: ended}
		}
	}()
	err = stream.Run(messages, beat.C)
	cancel()
	<-done
	return err
}
