package settings

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// What a look at DNS found. Missing and other are certain; with no answer, nothing is known.
const (
	outcomeFound    = "found"
	outcomeMissing  = "missing"   // there is no such record
	outcomeOther    = "other"     // there are records, and none of them is the right one
	outcomeNoAnswer = "no_answer" // silence, SERVFAIL, nonsense
	outcomeHeld     = "held"      // found, and the domain is another workspace's
)

// Defaults of the repeated look.
const (
	usualRecheck = 24 * time.Hour
	usualLapse   = 30 * 24 * time.Hour
)

func (s *Service) recheckEvery() time.Duration {
	if s.DomainRecheck > 0 {
		return s.DomainRecheck
	}
	return usualRecheck
}

func (s *Service) lapseAfter() time.Duration {
	if s.DomainLapse > 0 {
		return s.DomainLapse
	}
	return usualLapse
}

// Looks at DNS that people may ask for, per workspace. The daily ones are apart.
const (
	checkWindow = 10 * time.Minute
	checkLimit  = 20
)

// looked is what one look at DNS found.
type looked struct{ outcome, detail string }

func (l looked) certain() bool { return l.outcome != outcomeNoAnswer }

// VerifyDomain looks at DNS now and settles what follows: a pending or lapsed domain is proven, one that is proven is
// confirmed or warned of. errs.KindConflict, "domain_unproven" and "domain_held", where it is not proven by it, with what was
// expected and what came; errs.KindUnavailable, "dns_no_answer"; errs.KindLimited after many looks.
func (s *Service) VerifyDomain(ctx context.Context, slug, typed string, actor audit.Party) (DomainView, error) {
	domain, _ := directory.DomainName(typed)
	var claim *store.DomainClaim
	err := s.readWorkspace(ctx, slug, func(tx *store.Tx, cfg *directory.Config) (err error) {
		claim, err = tx.DomainClaim(domain)
		if errs.Is(err, errs.KindNotFound) && slices.Contains(cfg.Domains, domain) {
			err = errs.Conflict("domain_proven", "Whoever operates this service vouches for %s. There is nothing to look for in DNS.", directory.ShownDomain(domain))
		}
		return err
	})
	if err != nil {
		return DomainView{}, err
	}
	wait, err := s.DB.System().Attempt(ctx, checkWindow, []string{"domain check " + claim.Workspace}, []int{checkLimit})
	if err != nil {
		return DomainView{}, fmt.Errorf("count look at DNS: %w", err)
	}
	if wait > 0 {
		return DomainView{}, errs.Limited("too_many_checks", "DNS was asked %d times for this workspace within %d minutes. Try again in %d minutes.",
			checkLimit, int(checkWindow.Minutes()), int(math.Ceil(wait.Minutes())))
	}
	view, err := s.settleDomain(ctx, claim, s.lookInDNS(ctx, claim), actor)
	if err != nil {
		return view, err
	}
	return view, unproven(view)
}

// unproven is the error about a look that did not prove its domain, nil where it is proven.
func unproven(v DomainView) error {
	switch v.Outcome {
	case outcomeFound:
		return nil
	case outcomeHeld:
		return store.ErrDomainHeld
	case outcomeNoAnswer:
		return errs.Unavailable("dns_no_answer", "%s", v.Detail)
	default:
		return errs.Conflict("domain_unproven", "%s", v.Detail)
	}
}

// RecheckDomains looks again at the proven domains whose time has come, and returns how many it looked at. Of several
// processes that do so each domain is looked at by one.
func (s *Service) RecheckDomains(ctx context.Context) (n int, err error) {
	due, err := s.DB.System().TakeDueDomains(ctx, recheckLease, recheckBatch)
	if err != nil {
		return 0, fmt.Errorf("take domains: %w", err)
	}
	results := make(chan error, len(due))
	for _, claim := range due {
		go func() {
			_, err := s.settleDomain(ctx, &claim, s.lookInDNS(ctx, &claim), audit.Party{Kind: "system"})
			if errs.Is(err, errs.KindNotFound) || errs.CodeOf(err) == "domain_changed" {
				err = nil // it was removed meanwhile
			}
			results <- err
		}()
	}
	for range due {
		err = errors.Join(err, <-results)
	}
	return len(due), err
}

const (
	recheckLease = 5 * time.Minute
	recheckBatch = 8 // half of the questions that may be open: who presses “Check now” finds room
)

// lookInDNS asks DNS for the record of a claim. It is called outside any transaction.
func (s *Service) lookInDNS(ctx context.Context, c *store.DomainClaim) looked {
	name := directory.ChallengeName(c.Domain)
	expected := fmt.Sprintf("Expected a TXT record at %s with the value %s.", name, c.Challenge)
	if s.TXT == nil {
		return looked{outcomeNoAnswer, expected + " DNS cannot be asked from here."}
	}
	got, err := s.TXT(ctx, name)
	var why *net.DNSError
	switch {
	case err == nil && slices.Contains(got, c.Challenge):
		return looked{outcomeFound, ""}
	case err == nil && len(got) > 0:
		return looked{outcomeOther, expected + " Received " + someOf(got) + ". The value must be the same to the letter, without quotes around it."}
	case err == nil, errors.As(err, &why) && why.IsNotFound:
		return looked{outcomeMissing, expected + " DNS answers that there is none. A new record may take an hour to be seen everywhere."}
	case errors.As(err, &why) && why.IsTimeout, errors.Is(err, context.DeadlineExceeded):
		return looked{outcomeNoAnswer, expected + " The DNS servers of the domain did not answer in time. Nothing was decided; try again later."}
	default:
		return looked{outcomeNoAnswer, expected + " DNS answered with an error, or could not be reached from here. Nothing was decided; try again later."}
	}
}

// Bounds of what is shown of somebody's records.
const (
	shownRecords = 3
	shownValue   = 80 // bytes
)

// someOf shows values that came from strangers: few, short, and without anything that is not plain text.
func someOf(values []string) string {
	var b strings.Builder
	for i, v := range values[:min(len(values), shownRecords)] {
		if i > 0 {
			b.WriteString(", ")
		}
		if len(v) > shownValue {
			b.WriteString(strconv.QuoteToASCII(v[:shownValue]) + "… (" + strconv.Itoa(len(v)) + " bytes)")
			continue
		}
		b.WriteString(strconv.QuoteToASCII(v))
	}
	if more := len(values) - shownRecords; more > 0 {
		fmt.Fprintf(&b, " and %d more", more)
	}
	return b.String()
}

// settleDomain writes down what a look found, and what follows. What it looked for must still be asked for.
func (s *Service) settleDomain(ctx context.Context, asked *store.DomainClaim, found looked, actor audit.Party) (DomainView, error) {
	view, err := s.settle(ctx, asked, found, actor)
	if errors.Is(err, store.ErrDomainHeld) { // another one's proof came between
		view, err = s.settle(ctx, asked, looked{outcomeHeld, store.ErrDomainHeld.Error()}, actor)
	}
	return view, err
}

func (s *Service) settle(ctx context.Context, asked *store.DomainClaim, found looked, actor audit.Party) (view DomainView, err error) {
	err = s.DB.Write(ctx, asked.Workspace, func(tx *store.Tx) error {
		if err := tx.LockPolicy(); err != nil {
			return err
		}
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		c, err := tx.DomainClaim(asked.Domain)
		if err != nil {
			return err
		}
		if c.Challenge != asked.Challenge {
			return errs.Conflict("domain_changed", "The domain was removed and claimed anew meanwhile. Look at its record again.")
		}
		d := &domainCheck{Service: s, tx: tx, cfg: cfg, claim: c, actor: actor, found: found}
		if err := d.settle(); err != nil {
			return err
		}
		if cfg, err = tx.Config(); err != nil {
			return err
		}
		view = s.viewDomain(cfg, c)
		return nil
	})
	return view, err
}

// domainCheck is one look's consequences in the transaction that holds the configuration.
type domainCheck struct {
	*Service
	tx    *store.Tx
	cfg   *directory.Config
	claim *store.DomainClaim
	actor audit.Party
	found looked
}

func (d *domainCheck) settle() error {
	c, now := d.claim, d.tx.Now()
	before := *c
	proven := slices.Contains(d.cfg.Domains, c.Domain)
	if !proven && d.actor.Kind == "system" {
		// Somebody took it away beside its claim, as a binary of schema level 13 does. Only who asks gets it back.
		c.NextCheckAt = time.Time{}
		d.tx.SaveDomainClaim(c)
		return nil
	}
	if d.found.outcome == outcomeFound && !proven {
		held, err := d.tx.DomainHeld(c.Domain)
		if err != nil {
			return err
		}
		if held {
			d.found = looked{outcomeHeld, store.ErrDomainHeld.Error()}
		}
	}
	c.CheckedAt, c.Outcome, c.Detail = now, d.found.outcome, d.found.detail
	var err error
	switch {
	case !proven && d.found.outcome == outcomeFound:
		err = d.prove()
	case !proven:
		err = d.record(audit.DomainRefused, audit.Refused, d.found.outcome)
	case d.found.outcome == outcomeFound:
		err = d.confirm()
	case !d.found.certain():
		d.again(d.recheckEvery() / 24)
		if d.actor.Kind != "system" {
			err = d.record(audit.DomainRefused, audit.Refused, d.found.outcome)
		}
	default:
		err = d.miss(before)
	}
	if err != nil {
		return err
	}
	d.tx.SaveDomainClaim(c)
	return nil
}

// again sets the next look, not at the same moment for all.
func (d *domainCheck) again(after time.Duration) {
	d.claim.NextCheckAt = d.tx.Now().Add(after - after/10 + rand.N(after/5+1))
}

// prove makes the domain the workspace's.
func (d *domainCheck) prove() error {
	c := d.claim
	d.tx.InsertDomain(c.Domain)
	c.ProvenAt, c.LapsedAt = d.tx.Now(), time.Time{}
	d.calm()
	return d.record(audit.DomainProven, audit.OK, "")
}

// confirm takes a warning back, if there was one.
func (d *domainCheck) confirm() error {
	c := d.claim
	if c.ProvenAt.IsZero() {
		c.ProvenAt = d.tx.Now() // an operator's older binary had put it there
	}
	warned := !c.MissingSince.IsZero()
	d.calm()
	if warned {
		return d.record(audit.DomainRecovered, audit.OK, "")
	}
	return nil
}

func (d *domainCheck) calm() {
	d.claim.Missing, d.claim.MissingSince, d.claim.Warned = 0, time.Time{}, 0
	d.again(d.recheckEvery())
}

// miss is a certain answer that the record of a proven domain is not there. Only time between two such answers counts, so
// that neither an outage of DNS nor one of our own makes a domain lapse.
func (d *domainCheck) miss(before store.DomainClaim) error {
	c, now := d.claim, d.tx.Now()
	if c.ProvenAt.IsZero() {
		return nil // an operator vouches for it
	}
	d.again(d.recheckEvery())
	if before.MissingSince.IsZero() {
		c.MissingSince = now
	} else if before.Outcome == outcomeMissing || before.Outcome == outcomeOther {
		c.Missing += min(max(0, now.Sub(before.CheckedAt)), 2*d.recheckEvery())
	}
	left := d.lapseAfter() - c.Missing
	switch {
	case left <= 0:
		return d.lapse()
	case c.Warned == 0, c.Warned == 1 && left <= d.lapseAfter()/4:
		c.Warned++
		if err := d.tell(noticeMissing); err != nil {
			return err
		}
		return d.record(audit.DomainWarned, audit.OK, d.found.outcome)
	}
	return nil
}

// lapse takes the proof away. Members, sign-in links, sessions and enforcement stay as they are; who had no other way in than
// by the domain keeps their password (directory.Config.Stranded).
func (d *domainCheck) lapse() error {
	c := d.claim
	d.tx.DeleteDomain(c.Domain)
	c.LapsedAt, c.NextCheckAt = d.tx.Now(), time.Time{}
	c.Missing, c.Warned = 0, 0
	if err := d.tell(noticeLapsed); err != nil {
		return err
	}
	err := d.record(audit.DomainLapsed, audit.OK, d.found.outcome)
	c.MissingSince = time.Time{}
	return err
}

func (d *domainCheck) record(kind audit.Type, outcome audit.Outcome, reason string) error {
	e := audit.Event{Type: kind, Outcome: outcome, Reason: reason, Actor: d.actor, Subject: domainParty(d.claim.Domain)}
	if d.found.detail != "" {
		e.Changes = append(e.Changes, audit.Change{Field: "dns", To: d.found.detail})
	}
	if !d.claim.MissingSince.IsZero() {
		e.Changes = append(e.Changes, audit.Change{Field: "missing_since", To: d.claim.MissingSince.Format(time.RFC3339)})
	}
	return d.tx.Record(e)
}
