package scimserver

import (
	"fmt"
	"testing"
	"time"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func TestLimiter_AlwaysServesItsRate(t *testing.T) {
	for _, rate := range []int{MinRate, 100, 333} {
		l := newLimiter(float64(rate), 2*float64(rate))
		for l.take("a", noon) == 0 { // the burst is gone
		}
		served := 0
		for second := range 10 {
			for i := range rate {
				at := noon.Add(time.Duration(second)*time.Second + time.Duration(i+1)*time.Second/time.Duration(rate))
				if l.take("a", at) == 0 {
					served++
				}
			}
		}
		// Dividing a second leaves a remainder of nanoseconds.
		if served < 10*rate-10 || served > 10*rate {
			t.Errorf("%d of %d evenly spread requests were served in 10 s", served, 10*rate)
		}
	}
}

func TestLimiter_SaysWhenToComeAgainAndMeansIt(t *testing.T) {
	l := newLimiter(25, 50)
	for range 50 {
		if wait := l.take("a", noon); wait != 0 {
			t.Fatalf("refused within the burst: %v", wait)
		}
	}
	wait := l.take("a", noon)
	if wait != 40*time.Millisecond || l.empty("a", noon) != wait {
		t.Errorf("wait %v", wait)
	}
	if l.take("b", noon) != 0 {
		t.Error("a neighbour is refused")
	}
	if l.take("a", noon.Add(wait-time.Millisecond)) == 0 {
		t.Error("served before its time")
	}
	if l.empty("a", noon.Add(wait)) != 0 || l.take("a", noon.Add(wait)) != 0 {
		t.Error("refused at the time that was said")
	}
}

func TestLimiter_CountsNoInstantTwice(t *testing.T) {
	l := newLimiter(100, 10)
	served := 0
	for range 10_000 { // two at once, the later one's clock first
		for _, jitter := range []time.Duration{5 * time.Millisecond, 0} {
			if l.take("a", noon.Add(jitter)) == 0 {
				served++
			}
		}
	}
	if served != 10 {
		t.Errorf("%d served in one instant, want the burst of 10", served)
	}
	if l.take("a", noon.Add(-time.Hour)) == 0 || l.take("a", noon.Add(-time.Hour+time.Second)) != 0 {
		t.Error("a clock that was put back gives or takes")
	}
}

func TestLimiter_DoesNotGrowWithItsKeys(t *testing.T) {
	l := newLimiter(1, 2)
	for i := range 3 * maxBuckets {
		l.take(fmt.Sprint(i), noon)
	}
	if n := len(l.buckets); n > maxBuckets+1 {
		t.Errorf("%d buckets", n)
	}
	if l.take("another", noon) == 0 {
		t.Error("past the bound nobody is counted")
	}
	if l.take("another", noon.Add(time.Minute)) != 0 || len(l.buckets) != 1 {
		t.Errorf("%d buckets are kept that are full again", len(l.buckets))
	}
}
