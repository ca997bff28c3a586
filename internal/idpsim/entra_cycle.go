package idpsim

import (
	"context"
	"fmt"
	"net/http"
)

// entraCycle is one incremental cycle: people, then managers who were not known at their reports'
// turn, then groups. Objects that failed before wait for a growing number of cycles, unless
// eager is set.
func (p *IdP) entraCycle(ctx context.Context, eager bool) (Report, error) {
	conn, err := p.settings()
	if err != nil {
		return Report{IdP: p.kind}, err
	}
	cycle, err := p.openCycle()
	if err != nil {
		return Report{IdP: p.kind}, err
	}
	start := p.opts.Clock()
	t := &tally{report: Report{IdP: p.kind, Cycle: cycle}}
	d := p.kind.dialect()
	t.work(ctx, p.entraPeople(d, cycle, eager, t), conn.Parallel)
	if t.stopped() == nil {
		t.work(ctx, p.entraManagers(d, t), conn.Parallel)
	}
	if t.stopped() == nil {
		t.work(ctx, p.entraGroups(d, cycle, eager, t), 1)
	}
	t.report.Duration = p.opts.Clock().Sub(start)
	p.closeCycle(ctx, t)
	return t.report, t.err()
}

// openCycle counts the cycle, or refuses it while the job is in quarantine.
func (p *IdP) openCycle() (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.opts.Clock()
	if q := p.quarantine; q != nil {
		if now.Sub(q.Since) >= quarantineDisabled {
			return 0, fmt.Errorf("%w: disabled after four weeks of quarantine; restart provisioning: %s", ErrQuarantined, q.Reason)
		}
		if now.Before(q.Next) {
			return 0, fmt.Errorf("%w until %s: %s", ErrQuarantined, q.Next.UTC().Format("2006-01-02 15:04:05Z"), q.Reason)
		}
	}
	p.cycle++
	return p.cycle, nil
}

// closeCycle puts the job into quarantine when most calls failed or the credentials were refused,
// and lifts it after a cycle that went well.
func (p *IdP) closeCycle(ctx context.Context, t *tally) {
	if ctx.Err() != nil {
		return // an interrupted cycle says nothing about the application
	}
	failed := len(t.report.Failed)
	most := failed >= p.opts.QuarantineAfter && 2*failed > t.report.attempted
	p.mu.Lock()
	defer p.mu.Unlock()
	if !most && statusOf(t.fatal) != http.StatusUnauthorized {
		if t.fatal == nil {
			p.quarantine = nil
		}
		return
	}
	now := p.opts.Clock()
	if p.quarantine == nil {
		p.quarantine = &Quarantine{Since: now}
	}
	p.quarantine.Reason = fmt.Sprintf("%d of %d calls failed", failed, t.report.attempted)
	if t.fatal != nil {
		p.quarantine.Reason = t.fatal.Error()
	}
	p.quarantine.Next = now.Add(quarantineCycle)
}

// waits says whether an object's back-off is still running, and counts it.
func waits(t *tally, attempts, retryCycle, cycle int, eager bool) bool {
	if eager || attempts == 0 || retryCycle <= cycle {
		return false
	}
	t.report.Waiting++
	return true
}

// retryIn is the number of cycles after which an object is tried again: the next one at first,
// then 2, 4, ... and at most 36, which is a day of 40-minute cycles.
func retryIn(attempts int) int { return min(1<<min(attempts-1, 6), 36) }

func (p *IdP) entraPeople(d dialect, cycle int, eager bool, t *tally) []job {
	var jobs []job
	for _, x := range p.State().People {
		if !waits(t, x.App.Attempts, x.App.RetryCycle, cycle, eager) {
			jobs = append(jobs, p.entraPersonJob(x, d))
		}
	}
	return jobs
}

func (p *IdP) entraPersonJob(x Person, d dialect) job {
	return job{object: "user", id: x.ID, name: x.UserName,
		send: func(ctx context.Context) (string, error) {
			verb, err := p.entraSend(ctx, x, d)
			if err == nil {
				p.noteApp(x.ID, func(a *AppUser) { a.Error, a.Attempts, a.RetryCycle = "", 0, 0 })
			}
			return verb, err
		},
		failed: func(message string) { p.personFailed(x.ID, message) }}
}

func (p *IdP) personFailed(id, message string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if x := p.byPerson[id]; x != nil {
		x.App.Error = message
		x.App.Attempts++
		x.App.RetryCycle = p.cycle + retryIn(x.App.Attempts)
	}
}

// entraManagers are the people whose manager became known only during this cycle.
func (p *IdP) entraManagers(d dialect, t *tally) []job {
	var jobs []job
	for _, x := range p.State().People {
		if x.App.sent == nil || x.App.Error != "" || !x.inScope() {
			continue
		}
		if p.profileOf(x).manager != x.App.sent.manager {
			jobs = append(jobs, p.entraPersonJob(x, d))
		}
	}
	return jobs
}

func (p *IdP) entraGroups(d dialect, cycle int, eager bool, t *tally) []job {
	var jobs []job
	for _, g := range p.State().Groups {
		if waits(t, g.App.Attempts, g.App.RetryCycle, cycle, eager) {
			continue
		}
		jobs = append(jobs, job{object: "group", id: g.ID, name: g.Name,
			send: func(ctx context.Context) (string, error) {
				verb, err := p.entraSendGroup(ctx, g, d)
				if err == nil {
					p.groupFine(g.ID)
				}
				return verb, err
			},
			failed: func(message string) { p.groupFailed(g.ID, message) }})
	}
	return jobs
}

func (p *IdP) groupFine(id string) {
	p.noteGroup(id, func(a *AppGroup) { a.Error, a.Attempts, a.RetryCycle = "", 0, 0 })
}

func (p *IdP) groupFailed(id, message string) {
	p.noteGroup(id, func(a *AppGroup) {
		a.Error = message
		a.Attempts++
		a.RetryCycle = p.cycle + retryIn(a.Attempts)
	})
}

// noteGroup records something about a group's side in the application; a group that is gone is
// passed over.
func (p *IdP) noteGroup(id string, fn func(*AppGroup)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if g, err := p.findGroup(id); err == nil {
		fn(&g.App)
	}
}
