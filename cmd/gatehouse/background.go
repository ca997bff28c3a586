package main

import (
	"context"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

const (
	// sequenceEvery is how long an event of another process waits for its number at the most; those
	// of this process get theirs at once.
	sequenceEvery = 250 * time.Millisecond
	// marksEvery is how much of the request log and of the marks of use a crash may lose.
	marksEvery = time.Second
	// The first sweep waits until the start is over; the others come so that many nodes do not
	// sweep at the same time.
	firstSweep  = time.Minute
	sweepEvery  = time.Hour
	sweepJitter = 10 * time.Minute
	expireEvery = 30 * time.Second
	// domainsEvery is how long a domain may wait past its time.
	domainsEvery   = time.Minute
	domainsAtLeast = 250 * time.Millisecond
	// metadataEvery is how often a look is taken whose metadata is due; each is once a day.
	metadataEvery = 20 * time.Second
	// restartAfter is the pause before a task that ended with an error is started again.
	restartAfter = time.Second
)

// background starts what a server does beside answering. It ends with ctx.
func (s *server) background(ctx context.Context) *sync.WaitGroup {
	db := s.app.db
	tasks := map[string]func(context.Context) error{
		"sequencer": func(ctx context.Context) error { return db.RunSequencer(ctx, sequenceEvery) },
		"marks":     func(ctx context.Context) error { return db.RunMarks(ctx, marksEvery) },
		"listener":  db.Listen,
		"sweeper":   s.sweep,
		"outbox":    s.outbox().Run,
		"expiry":    s.expire,
		"keys":      s.tendKeys,
		"domains":   s.recheckDomains,
		"metadata":  s.watchMetadata,
		"expiries":  s.tendIdPKeys,
	}
	var running sync.WaitGroup
	for name, task := range tasks {
		running.Go(func() { s.keepRunning(ctx, name, task) })
	}
	return &running
}

// outbox is what does the work of the outbox; here is said who does which.
func (s *server) outbox() *jobs.Runner {
	handlers := map[string]jobs.Handler{store.JobLogout: s.app.grants.LogoutHandler(), provision.JobSCIMEvent: s.app.grants.SCIMEventHandler(),
		provision.JobImport: s.app.provision.ImportHandler(), settings.JobRelaxationOver: s.app.settings.RelaxationHandler()}
	if s.mailer != nil {
		post := &jobs.Post{DB: s.app.db, Mailer: s.mailer, PublicURL: s.cfg.PublicURL}
		handlers[jobs.JobNotice] = post.Notices()
		maps.Copy(handlers, (&provision.Inviter{Post: post}).Handlers())
		maps.Copy(handlers, s.app.signin.Letters(post))
		notifier := &settings.DomainNotifier{DB: s.app.db, Mailer: s.mailer, PublicURL: s.cfg.PublicURL}
		handlers[settings.JobDomainNotice] = notifier.Handler()
		expiries := &settings.ExpiryMailer{DB: s.app.db, Mailer: s.mailer, PublicURL: s.cfg.PublicURL}
		handlers[settings.JobExpiry] = expiries.Handler()
	}
	return &jobs.Runner{DB: s.app.db, Log: s.log, Handlers: handlers}
}

// expire tells applications of sessions that ran out by themselves.
func (s *server) expire(ctx context.Context) error {
	for pause(ctx, expireEvery+rand.N(expireEvery/10)) {
		if err := s.app.grants.EndExpired(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// recheckDomains looks again at proven domains whose time has come. Each process looks for work; a domain is taken by one.
func (s *server) recheckDomains(ctx context.Context) error {
	every := max(domainsAtLeast, min(domainsEvery, s.cfg.DomainRecheck/4))
	for pause(ctx, every+rand.N(every/4+1)) {
		for {
			n, err := s.app.settings.RecheckDomains(ctx)
			if err != nil && ctx.Err() == nil {
				return err
			}
			if n == 0 || ctx.Err() != nil {
				break
			}
		}
	}
	return nil
}

// tendKeys rotates signing keys when it is time.
func (s *server) tendKeys(ctx context.Context) error {
	for pause(ctx, sweepEvery+rand.N(sweepJitter)) {
		if err := s.app.grants.Keys.Tend(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// watchMetadata looks at the metadata of IdPs whose time has come. Other processes do the same, each its share.
func (s *server) watchMetadata(ctx context.Context) error {
	for pause(ctx, metadataEvery+rand.N(metadataEvery/4)) {
		if _, err := s.app.settings.RefreshDue(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// tendIdPKeys removes keys of IdPs whose time is over and warns of certificates that end.
func (s *server) tendIdPKeys(ctx context.Context) error {
	for wait := firstSweep; pause(ctx, wait); wait = sweepEvery + rand.N(sweepJitter) {
		if err := s.app.settings.TendKeys(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// keepRunning runs a task until ctx ends, again after each failure: a database that went away
// comes back.
func (s *server) keepRunning(ctx context.Context, name string, task func(context.Context) error) {
	for {
		err := task(ctx)
		if ctx.Err() != nil {
			if err != nil {
				s.log.Warn("background task ended with an error", "task", name, "error", err)
			}
			return
		}
		s.log.Error("background task failed and starts again", "task", name, "error", err)
		pause(ctx, restartAfter)
	}
}

// sweep deletes what is older than its retention, every hour or so.
func (s *server) sweep(ctx context.Context) error {
	for wait := firstSweep; pause(ctx, wait); wait = sweepEvery + rand.N(sweepJitter) {
		if err := s.app.db.Sweep(ctx, s.cfg.PayloadRetention, s.cfg.EventRetention); err != nil {
			s.log.Error("old events could not be swept", "error", err)
		}
	}
	return nil
}

// pause waits for d and reports whether ctx still lives.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
