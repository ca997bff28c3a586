package storetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Run is the conformance suite. open makes a driver on an empty database that nobody else has;
// what it opened is closed by the suite.
func Run(t *testing.T, open func(t testing.TB) store.Driver) {
	for _, part := range []struct {
		name string
		run  func(t *testing.T, open func(t testing.TB) store.Driver)
	}{
		{"what was written is read back", testValues},
		{"lists", testLists},
		{"orders of lists", testOrders},
		{"a last change that moves on", testVersions},
		{"what no index sorts", testSortIsBounded},
		{"text that cannot be stored", testText},
		{"a neighbour's id is an unknown id", testNeighbour},
		{"transactions", testTransactions},
		{"unique values", testUnique},
		{"refusals", testRefusals},
		{"configuration", testConfig},
		{"numbers of events", testSequencer},
		{"pages of the log", testEventPages},
		{"signals", testSignals},
		{"marks", testMarks},
		{"attempts, links and tokens", testHandles},
		{"the ends of tokens", testTokenEnds},
		{"clients of a directory", testClients},
		{"API keys", testAPIKeys},
		{"adoptions", testAdoptions},
		{"domains", testDomains},
		{"retention of adoptions", testAdoptionRetention},
		{"attempts to sign in", testAttempts},
		{"retention", testRetention},
		{"a new token for a session, and how long it lives", testSessionRenewal},
		{"what is past its time goes in steps", testSweepInSteps},
		{"reads of one directory are bounded", testReadsAreBounded},
		{"races", testRaces},
		{"staged people", testStaged},
		{"what was heard of a directory", testHeard},
		{"the metadata of an IdP", testWatch},
		{"schema", testSchema},
		{"plans", testPlans},
		{"what was asked ahead is fresh", testAhead},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			part.run(t, open)
		})
	}
}

// RunPair is what two processes that share a database must pass. open makes two drivers on one
// empty database.
func RunPair(t *testing.T, open func(t testing.TB) (one, other store.Driver)) {
	for _, part := range []struct {
		name string
		run  func(t *testing.T, open func(t testing.TB) (one, other store.Driver))
	}{
		{"two processes that start at once both migrate", testStartTogether},
		{"two processes that number at once leave no gap and no double", testNumberTogether},
		{"a configuration changed by one is seen by the other", testConfigTogether},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			part.run(t, open)
		})
	}
}

// fresh opens an empty database of its own.
func fresh(t *testing.T, open func(t testing.TB) store.Driver) *store.DB {
	t.Helper()
	return Open(t, open(t), nil)
}

// must ends the test at an error. It is not for closures: those return theirs.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantCode checks the kind and code of an error.
func wantCode(t testing.TB, err error, kind errs.Kind, code string) {
	t.Helper()
	if errs.KindOf(err) != kind || errs.CodeOf(err) != code {
		t.Errorf("error %v (%s, %s), want %s, %s", err, errs.KindOf(err), errs.CodeOf(err), kind, code)
	}
}

// noted is an event for changes whose event does not matter here.
func noted(tx *store.Tx) error { return tx.Record(audit.Event{Type: audit.SettingsChanged}) }

// change runs fn in a transaction that records an event.
func change(t testing.TB, db *store.DB, workspace string, fn func(tx *store.Tx) error) {
	t.Helper()
	must(t, changed(db, workspace, fn))
}

func changed(db *store.DB, workspace string, fn func(tx *store.Tx) error) error {
	return db.Write(context.Background(), workspace, func(tx *store.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return noted(tx)
	})
}

// read runs fn in a reading transaction.
func read(t testing.TB, db *store.DB, workspace string, fn func(tx *store.Tx) error) {
	t.Helper()
	must(t, db.Read(context.Background(), workspace, fn))
}

// atOnce runs n calls side by side, starting together, and returns their errors.
func atOnce(n int, fn func(i int) error) []error {
	out := make([]error, n)
	gate := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-gate
			out[i] = fn(i)
		})
	}
	close(gate)
	all.Wait()
	return out
}

// clock is a test's own time.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// patience bounds how long a test waits for a signal that must come.
const patience = 20 * time.Second

// await waits for a value.
func await[T any](t testing.TB, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("%s did not come", what)
		panic("unreachable")
	}
}

var errOwn = errors.New("the closure's own error")
