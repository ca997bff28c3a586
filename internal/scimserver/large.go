package scimserver

import (
	"context"
	"net/http"
)

// Limits of bodies, in bytes. A whole list of 50,000 members with their names and addresses is below MaxBody; what
// is above largeBody has its length announced, and few of them are worked on at once: each takes many times its size.
const (
	MaxBody        = 10 << 20
	largeBody      = 1 << 20
	maxLargeBodies = 2
)

type largeKey struct{}

// large is the room that one request's body takes.
type large struct{ leave func() }

// withLarge serves a request that may take such room, and gives it back.
func withLarge(next http.Handler, w http.ResponseWriter, r *http.Request) {
	if r.ContentLength >= 0 && r.ContentLength <= largeBody {
		next.ServeHTTP(w, r)
		return
	}
	l := &large{}
	defer func() {
		if l.leave != nil {
			l.leave()
		}
	}()
	if r.ContentLength < 0 && r.Body != nil {
		r.Body = http.MaxBytesReader(w, r.Body, largeBody)
	}
	next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), largeKey{}, l)))
}

// admit waits for room where the body of a request is large. The directory is known by now, so that a stranger
// takes none.
func (s *Server) admit(r *http.Request, directory string) (err error) {
	l, _ := r.Context().Value(largeKey{}).(*large)
	if l == nil || l.leave != nil || r.ContentLength <= largeBody {
		return nil
	}
	l.leave, err = s.bodies.Enter(r.Context(), directory, maxLargeBodies)
	return wire(err)
}
