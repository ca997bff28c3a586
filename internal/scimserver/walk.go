package scimserver

import (
	"sync"
	"time"
)

// walks remember, in this process alone, behind which resource each page of a list by number ended, so that the
// next page begins there. What comes and goes before that place moves nobody from one page to another, and a page
// costs the same wherever it is; the total is counted once. A page that nobody remembers is found by its number.
//
// Two clients that walk over one list of one directory at the same time cannot be told apart. They share what the
// first of them left, so that resources may come twice to the other and none is passed over.
type walks struct {
	mu sync.Mutex
	of map[string]*trail // by directory
}

// trail is what is remembered of one directory, the oldest first.
type trail struct {
	steps   []step
	touched time.Time
}

// step is the end of a page.
type step struct {
	next int    // the number of the resource behind it
	from cursor // its place, and the list that it is of
	at   time.Time
	used bool // the page behind it was asked for
}

// Limits of what is remembered.
const (
	walkTime  = 3 * time.Minute // between two pages
	maxSteps  = 32              // of each directory
	maxTrails = 512
	maxStep   = 1 << 10 // bytes of what a list is sorted by
)

// keep remembers that the resource number next of a list is the first behind a place.
func (w *walks) keep(directory string, next int, from cursor, now time.Time) {
	if len(from.Key)+len(from.Place.Text) > maxStep {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.of[directory]
	if t == nil {
		t = w.add(directory, now)
	}
	t.touched = now
	if s := t.find(next, from.Query, now); s != nil {
		if s.used {
			*s = step{next, from, now, false}
		}
		return
	}
	if len(t.steps) >= maxSteps {
		t.steps = append(t.steps[:0], t.steps[1:]...)
	}
	t.steps = append(t.steps, step{next, from, now, false})
}

// behind is where the resource with a number is looked for, nil where that is not known.
func (w *walks) behind(directory, query string, number int, now time.Time) *cursor {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.of[directory]
	if t == nil {
		return nil
	}
	s := t.find(number, query, now)
	if s == nil {
		return nil
	}
	t.touched, s.at, s.used = now, now, true
	from := s.from
	return &from
}

func (t *trail) find(next int, query string, now time.Time) *step {
	for i := range t.steps {
		if s := &t.steps[i]; s.next == next && s.from.Query == query && fresh(s.at, now) {
			return s
		}
	}
	return nil
}

// fresh is false as well where the clock was put back.
func fresh(at, now time.Time) bool {
	age := now.Sub(at)
	return age > -time.Second && age < walkTime
}

// add makes room for a directory: of those that are not walked over any more, else of the one that was for longest.
func (w *walks) add(directory string, now time.Time) *trail {
	if w.of == nil {
		w.of = map[string]*trail{}
	}
	if len(w.of) >= maxTrails {
		oldest := ""
		for d, t := range w.of {
			if !fresh(t.touched, now) {
				delete(w.of, d)
			} else if oldest == "" || t.touched.Before(w.of[oldest].touched) {
				oldest = d
			}
		}
		if len(w.of) >= maxTrails {
			delete(w.of, oldest)
		}
	}
	t := &trail{}
	w.of[directory] = t
	return t
}
