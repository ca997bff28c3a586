package signin

import (
	"errors"
	"reflect"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Entered is a sign-in that succeeded.
type Entered struct {
	Token   string // of the session, which only its cookie holds
	Session *session.Session
	To      string // the path that it leads to
}

// PassOn is what is returned in place of an error where an IdP's answer has to be posted once more from
// a page of ours, so that the browser sends its cookies.
type PassOn struct {
	FormActions []string // origins beside ours that the form may end up at
}

func (*PassOn) Error() string { return "the answer has to be passed on by a page of ours" }

// errMoved says that the connection is no longer the one that an answer was verified for.
var errMoved = errors.New("connection changed meanwhile")

// entry is a verified answer of an IdP on its way into a session, with what is known of it so far.
type entry struct {
	side    *side
	arrival provision.Arrival
	member  *directory.Member
	// attempt is the id under which the sign-in that is answered is kept, "" where it is not kept yet.
	attempt string
	// test is the test that is answered, nil for a sign-in; testHash is that of its handle, tester who began it.
	test     *store.TestState
	testHash string
	tester   audit.Party
	// signer is the certificate, DER, of the IdP's key that signed a SAML answer.
	signer []byte
}

// enter is the part of a sign-in that is one transaction: the member is found or made, consume makes the
// answer useless for everybody else, and a session is opened. It is errMoved where the connection is no longer
// the one that the answer was verified for.
func (e *entry) enter(s *Service, tx *store.Tx, consume func(*store.Tx) error, open func(*store.Tx) (opening, error)) (token string, _ *session.Session, err error) {
	cfg, err := tx.Config()
	if err != nil {
		return "", nil, err
	}
	c, found := cfg.Connection(e.side.connection.ID)
	if !found {
		return "", nil, errConnectionUnknown
	}
	if err := usable(c); err != nil {
		return "", nil, err
	}
	if !sameSide(c, e.side.connection) {
		return "", nil, errMoved // the answer was verified for other keys or other rules
	}
	if e.member, err = provision.Arrive(tx, cfg, e.arrival); err != nil {
		return "", nil, err
	}
	// Only now is the policy held, so that nobody switches the connection off meanwhile; what was read
	// before must still be so.
	held, err := tx.Config()
	if err != nil {
		return "", nil, err
	}
	if held.Workspace.Version != cfg.Workspace.Version {
		return "", nil, store.Rerun()
	}
	if err := settings.KeyProven(tx, held, c.ID, e.signer); err != nil {
		return "", nil, err
	}
	if err := consume(tx); err != nil {
		return "", nil, err
	}
	o, err := open(tx)
	if err != nil {
		return "", nil, err
	}
	if end := session.End(tx.Now(), session.Absolute, held.NoticesLeavers(c.ID)); o.until.After(end) {
		o.until = end
	}
	return s.start(tx, held, e.member, o)
}

// sameSide reports whether what is known of the IdP, and the rules for its answers, are the same.
func sameSide(a, b directory.Connection) bool {
	return reflect.DeepEqual(a.SAML, b.SAML) && reflect.DeepEqual(a.OIDC, b.OIDC)
}

// subject is whom an answer is about: the member where one is known, else a stranger by the name
// that the IdP gave, and nobody while nothing is verified.
func (e *entry) subject() audit.Party {
	if e.member != nil {
		return party(e.member)
	}
	return audit.Party{Kind: "stranger", Name: cut(e.arrival.Shown, maxTyped)}
}

// refusing reports whether err is somebody's no and not our own trouble.
func refusing(err error) bool {
	switch errs.KindOf(err) {
	case errs.KindForbidden, errs.KindConflict, errs.KindInvalid, errs.KindNotFound, errs.KindUnauthenticated, errs.KindLimited:
		return true
	}
	return false
}

// maxShort is how long a value may be that an IdP asserts and that is kept to be compared whole.
const maxShort = 1024

// short returns s, or "" where it is too long to be kept: half a value is nobody's.
func short(s string) string {
	if len(s) > maxShort {
		return ""
	}
	return s
}
