package provision

import (
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Arrival is somebody whom an IdP vouches for, as a verified message of a connection names them.
type Arrival struct {
	Connection string // id
	Method     directory.Method
	Subject    string // the whole key, compared byte for byte
	Shown      string // the subject's value alone: for people, and to find the person of a directory
	Email      string // "" where the IdP gave none

	Name, GivenName, FamilyName string
	// Groups is what the IdP asserts where GroupsKnown; an absent or truncated claim is not known.
	Groups      []string
	GroupsKnown bool
}

// NotFound is why nobody was found for an arrival who may not be made either.
type NotFound struct {
	Cause string // "not_provisioned", "left_directory" or "not_assigned"
	err   error
}

func (e *NotFound) Error() string { return e.err.Error() }

// Unwrap returns the refusal, "account_not_found".
func (e *NotFound) Unwrap() error { return e.err }

// Arrive finds, links or makes the member whom an arrival is (rows 19 to 23, law 6).
func Arrive(_ *store.Tx, _ *directory.Config, _ Arrival) (*directory.Member, error) {
	return nil, &NotFound{Cause: "not_provisioned", err: errs.Forbidden("account_not_found", "We couldn't find your account in this workspace.")}
}
