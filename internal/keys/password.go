package keys

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"runtime"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// Parameters of new password hashes: argon2id with 19 MiB of memory, two passes and one lane,
// the first of the settings that the OWASP password storage cheat sheet names.
const (
	argonMemory  = 19456 // KiB
	argonTime    = 2     // passes
	argonThreads = 1     // lanes
	argonSalt    = 16    // bytes
	argonKey     = 32    // bytes
)

// Bounds of a password. The upper one, in bytes of UTF-8, keeps hashing from becoming a way to spend our time.
const (
	MinPasswordLength = 12 // code points, as NIST SP 800-63B section 3.1.1.2 counts
	MaxPasswordBytes  = 1024
)

// normal is a password as it is hashed: NFKC, so that it is the same from every keyboard (NIST SP 800-63B section 3.1.1.2).
func normal(pw string) string {
	if len(pw) > MaxPasswordBytes {
		return pw
	}
	return norm.NFKC.String(pw)
}

// PasswordError refuses a new password.
type PasswordError struct {
	Code    string // stable, snake_case
	Message string // a full sentence, safe to show
}

// Error returns the sentence.
func (e *PasswordError) Error() string { return e.Message }

var (
	// ErrPasswordTooShort is returned for a new password under MinPasswordLength.
	ErrPasswordTooShort = &PasswordError{"password_too_short",
		fmt.Sprintf("The password is too short: at least %d characters are needed.", MinPasswordLength)}
	// ErrPasswordTooLong is returned for a new password over MaxPasswordBytes.
	ErrPasswordTooLong = &PasswordError{"password_too_long",
		fmt.Sprintf("The password is too long: at most %d bytes are accepted.", MaxPasswordBytes)}
	// ErrPasswordHash is returned, wrapped, for a stored hash that cannot be read or asks for more
	// work than the bounds allow.
	ErrPasswordHash = errors.New("unreadable password hash")
)

// CheckPassword says whether pw may become somebody's password. It returns ErrPasswordTooShort,
// ErrPasswordTooLong or nil. There are no rules about kinds of character, as NIST SP 800-63B
// section 3.1.1.2 asks.
func CheckPassword(pw string) error {
	switch {
	case len(pw) > MaxPasswordBytes:
		return ErrPasswordTooLong
	case utf8.RuneCountInString(normal(pw)) < MinPasswordLength:
		return ErrPasswordTooShort
	}
	return nil
}

// HashPassword returns the argon2id hash of pw under a fresh salt, in PHC string form. It
// refuses what CheckPassword refuses. One call holds 19 MiB for some tens of milliseconds: doors
// that strangers can reach use Passwords.Hash.
func HashPassword(pw string) (string, error) {
	if err := CheckPassword(pw); err != nil {
		return "", err
	}
	h := phc{memory: argonMemory, time: argonTime, threads: argonThreads, salt: make([]byte, argonSalt)}
	rand.Read(h.salt)
	h.key = argon2.IDKey([]byte(normal(pw)), h.salt, h.time, h.memory, h.threads, argonKey)
	return h.String(), nil
}

// VerifyPassword reports whether pw is the password behind hash, comparing in constant time.
// A password over MaxPasswordBytes is simply wrong. The error wraps ErrPasswordHash and means
// that the stored hash is damaged, never that the password is wrong.
func VerifyPassword(hash, pw string) (ok bool, err error) {
	h, err := parsePHC(hash)
	if err != nil {
		return false, err
	}
	if len(pw) > MaxPasswordBytes {
		return false, nil
	}
	same := func(text string) bool {
		key := argon2.IDKey([]byte(text), h.salt, h.time, h.memory, h.threads, uint32(len(h.key)))
		return subtle.ConstantTimeCompare(key, h.key) == 1
	}
	text := normal(pw)
	// Versions before hashed what was typed as it came.
	return same(text) || text != pw && same(pw), nil
}

// DummyVerify does the work of one VerifyPassword and throws the answer away. Sign-in calls it
// for an address that nobody has, so that the time taken does not tell which addresses exist.
func DummyVerify(pw string) {
	if len(pw) > MaxPasswordBytes {
		return
	}
	var salt [argonSalt]byte
	argon2.IDKey([]byte(pw), salt[:], argonTime, argonMemory, argonThreads, argonKey)
}

// NeedsRehash reports whether hash was made with other parameters than today's, or cannot be
// read. After a successful sign-in such a hash is replaced, the one moment when the password is
// at hand.
func NeedsRehash(hash string) bool {
	h, err := parsePHC(hash)
	return err != nil || h.memory != argonMemory || h.time != argonTime || h.threads != argonThreads ||
		len(h.salt) != argonSalt || len(h.key) != argonKey
}

// Passwords runs password hashing with a bound on how many calls work at once, so that a crowd
// of sign-ins waits in line instead of claiming 19 MiB each. Make it with NewPasswords and share
// it; it is safe for concurrent use.
type Passwords struct {
	slots chan struct{}
}

// NewPasswords returns a Passwords that runs at most atOnce computations at a time; zero or less
// means one per processor.
func NewPasswords(atOnce int) *Passwords {
	if atOnce <= 0 {
		atOnce = runtime.GOMAXPROCS(0)
	}
	return &Passwords{slots: make(chan struct{}, atOnce)}
}

// Hash is HashPassword behind the limit. It returns the context's error when ctx ends first.
func (p *Passwords) Hash(ctx context.Context, pw string) (string, error) {
	if err := CheckPassword(pw); err != nil {
		return "", err
	}
	if err := p.enter(ctx); err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	defer p.leave()
	return HashPassword(pw)
}

// Verify is VerifyPassword behind the limit. It returns the context's error when ctx ends first.
func (p *Passwords) Verify(ctx context.Context, hash, pw string) (ok bool, err error) {
	if err := p.enter(ctx); err != nil {
		return false, fmt.Errorf("verify password: %w", err)
	}
	defer p.leave()
	return VerifyPassword(hash, pw)
}

// DummyVerify is DummyVerify behind the same limit as Verify, so that waiting in line does not
// tell an unknown address from a known one either.
func (p *Passwords) DummyVerify(ctx context.Context, pw string) error {
	if err := p.enter(ctx); err != nil {
		return fmt.Errorf("verify password: %w", err)
	}
	defer p.leave()
	DummyVerify(pw)
	return nil
}

func (p *Passwords) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *Passwords) leave() { <-p.slots }
