package xenc

import "fmt"

// Reasons of an Error, stable codes.
const (
	ReasonStructure  = "encryption_structure" // elements or attributes are not as they must be
	ReasonAlgorithm  = "encryption_algorithm" // an algorithm off the list
	ReasonDecryption = "decryption"           // it did not open; why is not told
)

// Error says why something encrypted was refused.
type Error struct {
	Reason string // one of the Reason constants
	Detail string // in words, for an administrator; always the same for ReasonDecryption
}

func (e *Error) Error() string { return e.Reason + ": " + e.Detail }

// refuse makes an Error.
func refuse(reason, format string, a ...any) *Error {
	return &Error{Reason: reason, Detail: fmt.Sprintf(format, a...)}
}

// closed is every failure that depends on a key.
func closed() *Error { return refuse(ReasonDecryption, "none of the keys opens it") }
