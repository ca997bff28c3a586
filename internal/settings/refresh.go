package settings

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml"
)

const (
	// refreshEvery is how often the metadata of an IdP is looked at, give or take refreshJitter, so that not all are at
	// once.
	refreshEvery  = 22 * time.Hour
	refreshJitter = 4 * time.Hour
	// retryAfter is the pause after a look that failed; it grows with each up to refreshEvery.
	retryAfter = 30 * time.Minute
	// refreshLease is how long a process that looks keeps others from it.
	refreshLease  = 5 * time.Minute
	refreshBatch  = 32
	refreshAtOnce = 8
	// tellAfter is how many failures in a row people are told of, and then once a day.
	tellAfter = 3
	tellEvery = 24 * time.Hour

	// UnknownKeyPause is the least time between two looks that answers of an IdP cause. Whoever posts may sign with
	// keys that nobody knows.
	UnknownKeyPause = time.Minute
	// refreshWait bounds how long an answer waits for the look that another one has caused.
	refreshWait = 12 * time.Second
	refreshPeek = 200 * time.Millisecond
	// refreshWaiters is how many answers of one process wait at once. Those beyond are judged by what is known.
	refreshWaiters = 64
)

// proposal is what an IdP publishes and what is not taken over by itself.
type proposal struct {
	XML     string    `json:"xml"`
	FoundAt time.Time `json:"found_at"`
}

// RefreshDue looks at the metadata of all connections whose time has come, of any workspace, and reports how many. Of
// several processes one looks at each.
func (s *Service) RefreshDue(ctx context.Context) (n int, err error) {
	for {
		due, err := s.DB.System().ClaimMetadata(ctx, refreshLease, refreshBatch)
		if err != nil || len(due) == 0 {
			return n, err
		}
		n += len(due)
		// Some answer slowly; the others do not wait for them.
		failed := make([]error, len(due))
		var looking sync.WaitGroup
		places := make(chan struct{}, refreshAtOnce)
		for i, d := range due {
			places <- struct{}{}
			looking.Go(func() {
				defer func() { <-places }()
				failed[i] = s.refresh(ctx, d.Workspace, d.Connection)
			})
		}
		looking.Wait()
		if err := errors.Join(failed...); err != nil {
			return n, err
		}
	}
}

// RefreshNow looks at the metadata of a connection for somebody who asks, and returns the state after it. A connection
// without an address is a conflict, no_metadata_url; one that does not answer is told in the state.
func (s *Service) RefreshNow(ctx context.Context, slug, connection string) (MetadataState, error) {
	id, cfg, err := s.Workspace(ctx, slug)
	if err != nil {
		return MetadataState{}, err
	}
	c, err := connectionOf(cfg, connection)
	switch {
	case err != nil:
		return MetadataState{}, err
	case c.SAML == nil:
		return MetadataState{}, errNotSAML(c)
	case c.SAML.MetadataURL == "":
		return MetadataState{}, errs.Conflict("no_metadata_url", "The connection %q has no metadata address to look at. Import the metadata from one.", c.Name)
	}
	if err := s.refresh(ctx, id, c.ID); err != nil {
		return MetadataState{}, err
	}
	return s.MetadataState(ctx, slug, connection)
}

// UnknownKey looks at the metadata of a connection because an answer of its IdP was signed by a key that is not known,
// and reports whether it was looked at, here or by somebody else a moment ago: then the answer is worth another look. It
// does so once in UnknownKeyPause, whoever asks; nothing in the answer says where.
func (s *Service) UnknownKey(ctx context.Context, workspace, connection string) (bool, error) {
	var mine, watched bool
	began := s.DB.Now()
	err := s.DB.Write(ctx, workspace, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		c, ok := cfg.Connection(connection)
		if watched = ok && c.SAML != nil && c.SAML.MetadataURL != ""; !watched {
			return nil
		}
		mine, err = tx.AskMetadata(connection, UnknownKeyPause)
		return err
	})
	switch {
	case err != nil || !watched:
		return false, err
	case mine:
		// Whoever waits may go away; what was begun is of use to the others.
		ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), refreshWait)
		defer stop()
		return true, s.refresh(ctx, workspace, connection)
	}
	return s.otherLook(ctx, workspace, connection, began)
}

// otherLook waits for the look that somebody else is at.
func (s *Service) otherLook(ctx context.Context, workspace, connection string, began time.Time) (bool, error) {
	leave, ok := s.Looks.enter()
	defer leave()
	if !ok {
		return false, nil
	}
	ctx, stop := context.WithTimeout(ctx, refreshWait)
	defer stop()
	for {
		var w store.MetadataWatch
		if err := s.DB.Peek(ctx, workspace, func(tx *store.Tx) (err error) {
			w, _, err = tx.MetadataWatch(connection)
			return err
		}); err != nil {
			return false, err
		}
		switch {
		case !w.TriedAt.Before(w.AskedAt):
			return w.TriedAt.After(began.Add(-refreshWait)), nil
		case began.Sub(w.AskedAt) > refreshWait:
			return false, nil // whoever asked is gone
		}
		pause := time.NewTimer(refreshPeek)
		select {
		case <-ctx.Done():
			pause.Stop()
			return false, nil
		case <-pause.C:
		}
	}
}

// refresh looks at a connection's metadata, and notes what came of it. The error is that of the database alone.
func (s *Service) refresh(ctx context.Context, workspace, connection string) error {
	var c directory.Connection
	err := s.DB.Peek(ctx, workspace, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err == nil {
			c, _ = cfg.Connection(connection)
		}
		return err
	})
	if errs.Is(err, errs.KindNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if c.SAML == nil || c.SAML.MetadataURL == "" {
		return s.endWatch(ctx, workspace, connection)
	}
	found, failure := s.look(ctx, c.SAML)
	return s.DB.Write(ctx, workspace, func(tx *store.Tx) error {
		if err := tx.LockPolicy(); err != nil {
			return err
		}
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		w, there, err := tx.MetadataWatch(connection)
		if err != nil || !there {
			return err
		}
		w.TriedAt = tx.Now()
		now, ok := cfg.Connection(connection)
		if !ok || now.SAML == nil || now.SAML.MetadataURL != c.SAML.MetadataURL || now.SAML.EntityID != c.SAML.EntityID || !slices.Equal(now.SAML.MetadataSigner, c.SAML.MetadataSigner) {
			w.DueAt = tx.Now() // somebody changed meanwhile what was asked for
			tx.SaveMetadataWatch(connection, w)
			return nil
		}
		if failure != nil {
			return s.missed(tx, now, w, failure)
		}
		return s.had(tx, now, w, found)
	})
}

// endWatch ends looking at a connection that has no address any more.
func (s *Service) endWatch(ctx context.Context, workspace, connection string) error {
	return s.DB.Write(ctx, workspace, func(tx *store.Tx) error {
		if err := tx.LockPolicy(); err != nil {
			return err
		}
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		if c, ok := cfg.Connection(connection); !ok || c.SAML == nil || c.SAML.MetadataURL == "" {
			tx.EndMetadataWatch(connection)
		}
		return nil
	})
}

// look gets and reads what an IdP publishes. It may be another IdP by now: that is for people to see.
func (s *Service) look(ctx context.Context, side *directory.SAML) (*foundIdP, error) {
	text, err := s.fetch(ctx, side.MetadataURL)
	if err != nil {
		return nil, err
	}
	idp, err := s.publishedProvider(text, side.EntityID, side.MetadataSigner)
	if err != nil {
		if other, e := s.publishedProvider(text, "", side.MetadataSigner); e == nil {
			idp, err = other, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return &foundIdP{IdentityProvider: idp, url: side.MetadataURL, signer: side.MetadataSigner, kind: directory.FromURL}, nil
}

// missed notes that metadata could not be had. What is known stays; people are told when it lasts, and once a day.
func (s *Service) missed(tx *store.Tx, c directory.Connection, w store.MetadataWatch, why error) error {
	w.Failures++
	w.LastError = cutText(clause(why), 500)
	w.DueAt = tx.Now().Add(spread(min(retryAfter*time.Duration(w.Failures), refreshEvery)))
	var events []audit.Event
	if w.Failures >= tellAfter && tx.Now().Sub(w.ToldAt) >= tellEvery {
		w.ToldAt = tx.Now()
		good := "never"
		if !w.GoodAt.IsZero() {
			good = w.GoodAt.Format(time.RFC3339)
		}
		e := connectionEvent(c, audit.MetadataUnavailable, "unreachable", audit.Change{Field: "connections." + c.Name + ".metadata_url", To: c.SAML.MetadataURL},
			audit.Change{Field: "last_good", To: good}, audit.Change{Field: "error", To: w.LastError})
		e.Outcome = audit.Refused
		events = append(events, e)
	}
	tx.SaveMetadataWatch(c.ID, w)
	return recordAll(tx, events)
}

// spread moves a pause by a little, so that many that began together do not stay together.
func spread(d time.Duration) time.Duration { return d - d/16 + rand.N(d/8) }

// had takes over what may be taken over by itself: keys that are new, if they are as strong as those that count, and
// that others are withdrawn. Anything else is kept for people to see. The same content leaves no trace.
func (s *Service) had(tx *store.Tx, c directory.Connection, w store.MetadataWatch, found *foundIdP) error {
	now := tx.Now()
	var events []audit.Event
	if !w.ToldAt.IsZero() {
		events = append(events, connectionEvent(c, audit.MetadataAvailable, "", audit.Change{Field: "connections." + c.Name + ".metadata_url", To: c.SAML.MetadataURL}))
	}
	w.GoodAt, w.ToldAt, w.Failures, w.LastError = now, time.Time{}, 0, ""
	w.DueAt = now.Add(refreshEvery + rand.N(refreshJitter))

	if found.EntityID == c.SAML.EntityID {
		side, told := byItself(c, found, now)
		if !reflect.DeepEqual(side, c.SAML) {
			before := c.SAML
			c.SAML = side
			tx.SaveConnection(c, false)
			if told == "" {
				told = audit.ConnectionChanged
			}
			e := connectionEvent(c, told, "metadata", keyChanges(c.Name, before, side)...)
			events = append(events, e)
		}
	}
	events = append(events, propose(c, &w, found, now)...)
	tx.SaveMetadataWatch(c.ID, w)
	return recordAll(tx, events)
}

// byItself returns what a connection becomes without anybody being asked, and which event tells of that.
func byItself(c directory.Connection, found *foundIdP, now time.Time) (*directory.SAML, audit.Type) {
	side := *c.SAML
	r := ringOf(&side, c.VerifiedAt)
	known := slices.Clone(r.keys)
	named := r.without(found.Certificates)
	weak := r.weaker(named)
	named = slices.DeleteFunc(named, func(n saml.Certificate) bool {
		return slices.ContainsFunc(weak, func(w saml.Certificate) bool { return w.Fingerprint() == n.Fingerprint() })
	})
	if len(named) == 0 {
		return c.SAML, "" // whatever it is about, it is no rotation
	}
	r.publish(named, directory.FromURL, now, !c.VerifiedAt.IsZero())
	if len(r.keys) > maxKeys {
		return c.SAML, ""
	}
	r.into(&side)
	if len(c.SAML.IdPKeys) == 0 && reflect.DeepEqual(side.Certificates, c.SAML.Certificates) {
		return c.SAML, "" // where its keys stand is written down when something happens to them
	}
	told := audit.ConnectionChanged
	for _, k := range r.keys {
		if !slices.ContainsFunc(known, func(b ringKey) bool { return b.Fingerprint == k.Fingerprint }) {
			told = audit.IdPKeyStaged
		}
	}
	if len(r.keys) < len(known) {
		told = audit.IdPKeyRemoved
	}
	return &side, told
}

// propose keeps what is left of the differences for an administrator, told once, or forgets it where none is left.
func propose(c directory.Connection, w *store.MetadataWatch, found *foundIdP, now time.Time) []audit.Event {
	plan := proposedPlan(c, found, now)
	word := ""
	if plan != nil {
		word = keys.HashToken(string(plan.XML))
	}
	old, _ := readProposal(w.Proposal)
	switch {
	case plan == nil:
		w.Proposal, w.Declined = nil, ""
		return nil
	case word == w.Declined, old != nil && old.XML == string(plan.XML):
		return nil
	}
	w.Proposal, _ = json.Marshal(proposal{XML: string(plan.XML), FoundAt: now}) // texts, which always encode
	var changes []audit.Change
	for _, line := range plan.Changes {
		changes = append(changes, audit.Change{Field: line.What, From: cutText(line.From, 500), To: cutText(line.To, 500)})
	}
	e := connectionEvent(c, audit.MetadataProposed, "metadata", changes[:min(len(changes), audit.MaxChanges)]...)
	return []audit.Event{e}
}

// proposedPlan is nil where nothing is left to be decided.
func proposedPlan(c directory.Connection, found *foundIdP, now time.Time) *MetadataPlan {
	if found.EntityID == c.SAML.EntityID {
		// Keys that were dropped are offered no more, as they were published before.
		same := *found.IdentityProvider
		same.Certificates = (&ring{dropped: c.SAML.Dropped}).without(same.Certificates)
		if len(same.Certificates) == 0 {
			same.Certificates = IdentityProvider(c.SAML).Certificates
		}
		found = &foundIdP{&same, found.url, found.signer, found.kind}
	}
	plan := planOf(c, found, now)
	// What an IdP says it can send decides nothing by itself.
	if !slices.ContainsFunc(plan.Changes, func(line MetadataChange) bool { return line.What != "NameID formats" }) {
		return nil
	}
	return &plan
}

func readProposal(text json.RawMessage) (*proposal, error) {
	if len(text) == 0 {
		return nil, nil
	}
	var p proposal
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, err
	}
	return &p, nil
}

// MetadataState is how looking after a connection's metadata goes.
type MetadataState struct {
	URL    string `json:"url"`              // "" where nothing is looked at
	Signer string `json:"signer,omitempty"` // fingerprint of the certificate that must have signed it
	// GoodAt is when it was had last, TriedAt when it was looked at, NextAt when it is next.
	GoodAt   *time.Time `json:"good_at,omitempty"`
	TriedAt  *time.Time `json:"tried_at,omitempty"`
	NextAt   *time.Time `json:"next_at,omitempty"`
	Failures int        `json:"failures"` // in a row
	Error    string     `json:"error,omitempty"`
	// Proposal is what the IdP publishes and an administrator decides on; nil for nothing. FoundAt is since when.
	Proposal *MetadataPlan `json:"proposal,omitempty"`
	FoundAt  *time.Time    `json:"found_at,omitempty"`
}

// MetadataState returns how looking after a SAML connection's metadata goes.
func (s *Service) MetadataState(ctx context.Context, slug, connection string) (MetadataState, error) {
	id, cfg, err := s.Workspace(ctx, slug)
	if err != nil {
		return MetadataState{}, err
	}
	c, err := connectionOf(cfg, connection)
	if err != nil || c.SAML == nil || c.SAML.MetadataURL == "" {
		return MetadataState{}, err
	}
	var w store.MetadataWatch
	if err := s.DB.Read(ctx, id, func(tx *store.Tx) error {
		got, there, err := tx.MetadataWatch(c.ID)
		if w = got; !there {
			w = store.MetadataWatch{}
		}
		return err
	}); err != nil {
		return MetadataState{}, err
	}
	out := MetadataState{URL: c.SAML.MetadataURL, GoodAt: maybe(w.GoodAt), TriedAt: maybe(w.TriedAt), NextAt: maybe(w.DueAt), Failures: w.Failures, Error: w.LastError}
	if c.SAML.MetadataSigner != nil {
		out.Signer = fingerprint(c.SAML.MetadataSigner)
	}
	found, at, err := s.proposed(c, w)
	if err != nil || found == nil {
		return out, err
	}
	if plan := proposedPlan(c, found, s.DB.Now()); plan != nil {
		out.Proposal, out.FoundAt = plan, &at
	}
	return out, nil
}

// proposed reads the proposal of a watch; nil for none.
func (s *Service) proposed(c directory.Connection, w store.MetadataWatch) (*foundIdP, time.Time, error) {
	p, err := readProposal(w.Proposal)
	if err != nil || p == nil {
		return nil, time.Time{}, err
	}
	idp, err := s.identityProvider([]byte(p.XML), "")
	if err != nil {
		return nil, time.Time{}, nil // it was good when it was found, and is found again
	}
	return &foundIdP{IdentityProvider: idp, url: c.SAML.MetadataURL, signer: c.SAML.MetadataSigner, kind: directory.FromURL}, p.FoundAt, nil
}

// errNoProposal is the answer where what was shown is gone.
var errNoProposal = errs.Conflict("changed_meanwhile", "There is no such proposal any more: it was decided, or the identity provider publishes something else. Look again.")

// AcceptProposal takes over what an IdP publishes and what was shown under that word (MetadataPlan.Word).
func (s *Service) AcceptProposal(ctx context.Context, slug, connection, word string, actor audit.Party) (ConnectionView, error) {
	state, err := s.MetadataState(ctx, slug, connection)
	switch {
	case err != nil:
		return ConnectionView{}, err
	case state.Proposal == nil || word == "":
		return ConnectionView{}, errNoProposal
	}
	from := Source{XML: state.Proposal.XML, URL: state.URL}
	return s.ApplyMetadata(ctx, slug, connection, from, word, actor)
}

// DeclineProposal turns it down: it is not shown again before the IdP publishes something else.
func (s *Service) DeclineProposal(ctx context.Context, slug, connection, word string, actor audit.Party) error {
	id, err := s.DB.System().WorkspaceBySlug(ctx, slug)
	if err != nil {
		return err
	}
	return s.DB.Write(ctx, id, func(tx *store.Tx) error {
		if err := tx.LockPolicy(); err != nil {
			return err
		}
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		c, err := connectionOf(cfg, connection)
		if err != nil {
			return err
		}
		w, there, err := tx.MetadataWatch(c.ID)
		if err != nil || !there || c.SAML == nil {
			return errors.Join(err, errNoProposal)
		}
		found, _, err := s.proposed(c, w)
		if err != nil {
			return err
		}
		if found == nil {
			return errNoProposal
		}
		plan := proposedPlan(c, found, tx.Now())
		if plan == nil || plan.Word != word {
			return errNoProposal
		}
		w.Proposal, w.Declined = nil, keys.HashToken(string(plan.XML))
		tx.SaveMetadataWatch(c.ID, w)
		e := connectionEvent(c, audit.MetadataDeclined, "")
		e.Actor = actor
		return tx.Record(e)
	})
}

// cutText shortens a text from outside to n bytes, between characters.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "..."
}
