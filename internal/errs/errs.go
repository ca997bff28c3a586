package errs

import (
	"errors"
	"fmt"
)

// Kind is the category of an error. Doors map it to their protocol's status.
type Kind string

const (
	// KindInvalid is input that cannot be accepted as it is.
	KindInvalid Kind = "invalid"
	// KindNotFound is a thing that does not exist, or that the caller may not know exists.
	KindNotFound Kind = "not_found"
	// KindConflict is input that is fine by itself and collides with what is stored.
	KindConflict Kind = "conflict"
	// KindForbidden is an act that a rule refuses to a known caller.
	KindForbidden Kind = "forbidden"
	// KindUnauthenticated is a caller who did not prove who they are.
	KindUnauthenticated Kind = "unauthenticated"
	// KindLimited is a caller who came too often.
	KindLimited Kind = "limited"
	// KindUnavailable is a dependency that does not answer; the same call may work later.
	KindUnavailable Kind = "unavailable"
	// KindInternal is everything else. It is never made on purpose.
	KindInternal Kind = "internal"
)

// Error is an error with a kind, a stable code and a sentence for people.
type Error struct {
	Kind    Kind
	Code    string // stable, snake_case: "address_taken"
	Message string // a full sentence, safe to show to the caller
	cause   error
}

func (e *Error) Error() string {
	if e.cause != nil {
		return e.Message + ": " + e.cause.Error()
	}
	return e.Message
}

// Unwrap returns the cause, which is for logs and never shown.
func (e *Error) Unwrap() error { return e.cause }

// With returns a copy of e that carries cause for logs.
func (e *Error) With(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

func newf(kind Kind, code, format string, args []any) *Error {
	return &Error{Kind: kind, Code: code, Message: fmt.Sprintf(format, args...)}
}

// Invalid makes an error of KindInvalid; the sentence names what was expected and what came.
func Invalid(code, format string, args ...any) *Error {
	return newf(KindInvalid, code, format, args)
}

// NotFound makes an error of KindNotFound. It reads the same for an unknown id and for an id
// of another workspace.
func NotFound(code, format string, args ...any) *Error {
	return newf(KindNotFound, code, format, args)
}

// Conflict makes an error of KindConflict.
func Conflict(code, format string, args ...any) *Error {
	return newf(KindConflict, code, format, args)
}

// Forbidden makes an error of KindForbidden.
func Forbidden(code, format string, args ...any) *Error {
	return newf(KindForbidden, code, format, args)
}

// Unauthenticated makes an error of KindUnauthenticated.
func Unauthenticated(code, format string, args ...any) *Error {
	return newf(KindUnauthenticated, code, format, args)
}

// Limited makes an error of KindLimited.
func Limited(code, format string, args ...any) *Error {
	return newf(KindLimited, code, format, args)
}

// Unavailable makes an error of KindUnavailable.
func Unavailable(code, format string, args ...any) *Error {
	return newf(KindUnavailable, code, format, args)
}

// As returns the first *Error in err's chain, or nil.
func As(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// KindOf returns the kind of the first *Error in err's chain, KindInternal where there is
// none, and "" for nil.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	if e := As(err); e != nil {
		return e.Kind
	}
	return KindInternal
}

// CodeOf returns the code of the first *Error in err's chain, or "internal".
func CodeOf(err error) string {
	if e := As(err); e != nil {
		return e.Code
	}
	return string(KindInternal)
}

// Is reports whether err is of kind.
func Is(err error, kind Kind) bool { return KindOf(err) == kind }
