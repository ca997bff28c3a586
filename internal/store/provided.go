package store

import "context"

// provided is what must hold for the first transaction of a request that changes something.
type provided struct {
	check func(*Tx) error
	held  bool
}

type providedKey struct{}

// Provided returns a context whose first transaction of DB.Write runs check before anything else, as often as it runs
// itself, and changes nothing where check returns an error, which DB.Write then returns. check takes the locks that what
// it looks at needs. Transactions behind the first see what that one changed, and are not asked again. The context
// belongs to one request, which uses it in one goroutine.
func Provided(ctx context.Context, check func(*Tx) error) context.Context {
	return context.WithValue(ctx, providedKey{}, &provided{check: check})
}

// hold runs the check of a context that has one.
func (tx *Tx) hold() error {
	if p, ok := tx.ctx.Value(providedKey{}).(*provided); ok && !p.held {
		return p.check(tx)
	}
	return nil
}

// upheld notes that a transaction of the context was committed.
func upheld(ctx context.Context) {
	if p, ok := ctx.Value(providedKey{}).(*provided); ok {
		p.held = true
	}
}
