package store

// ahead is what was asked before it is needed, so that several questions travel in one round trip.
// Any lock or change behind them makes the answers stale, and they are forgotten.
type ahead struct {
	claims  []*asked[claimsKey, []SCIMUser]
	links   []*asked[personKey, []Identity]
	address []*asked[string, AddressFacts]
}

type claimsKey struct{ directory, userName, externalID string }

type personKey struct{ directory, userName, externalID, address string }

// asked is one question; the answer is there once the queue was sent, which done tells.
type asked[K comparable, A any] struct {
	key    K
	answer A
	done   bool
}

// AskCreate asks what a create is going to ask by SCIMUserClaims, LinksAsserting and Address, and sends it along
// with the next statement. Each answer is used once, for the same arguments, and not after a lock
// or a change. It is called behind the locks of a create, and for several people where they are used in order.
func (tx *Tx) AskCreate(directoryID, userName, externalID, address string) {
	claims := &asked[claimsKey, []SCIMUser]{key: claimsKey{directoryID, userName, externalID}}
	if args := claimsArgs(tx, claims.key); storable(args) {
		tx.ahead.claims = append(tx.ahead.claims, claims)
		tx.conn.Ask(func(r Rows) error {
			claims.done = true
			return eachRow(r, scanSCIMUsers(&claims.answer))
		}, scimUserClaims, args...)
	}
	links := &asked[personKey, []Identity]{key: personKey{directoryID, userName, externalID, address}}
	if args := linksArgs(tx, links.key); storable(args) {
		tx.ahead.links = append(tx.ahead.links, links)
		tx.conn.Ask(func(r Rows) error {
			links.done = true
			return eachRow(r, scanIdentities(&links.answer))
		}, linksAsserting, args...)
	}
	facts := &asked[string, AddressFacts]{key: address}
	if args := addressArgs(tx, address); address != "" && storable(args) {
		tx.ahead.address = append(tx.ahead.address, facts)
		tx.conn.Ask(func(r Rows) error {
			facts.done = true
			return eachRow(r, func(r Rows) error { return facts.answer.scan(r) })
		}, addressFacts, args...)
	}
}

// use returns the answer to a question that was asked ahead, once. Questions are used in the order in which
// they were asked; those before it were not needed.
func use[K comparable, A any](at *[]*asked[K, A], key K) (answer A, ok bool) {
	for i, a := range *at {
		if a.key == key {
			*at = (*at)[i+1:]
			return a.answer, a.done
		}
	}
	return answer, false
}

func eachRow(rows Rows, scan func(Rows) error) error {
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
