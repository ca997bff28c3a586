package keys

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Bounds on the parameters of a stored hash. A hash may come from an import, so its parameters
// are input: without bounds one row could ask for a terabyte at the next sign-in.
const (
	maxHashBytes  = 512     // length of the whole string
	maxMemory     = 1 << 17 // KiB: 128 MiB
	maxTime       = 16      // passes
	maxThreads    = 16      // lanes
	minSaltBytes  = 8       // RFC 9106 section 3.1
	minKeyBytes   = 16
	maxBlobBytes  = 64 // salt and key, each
	memoryPerLane = 8  // KiB; RFC 9106 section 3.1 asks for 8 per lane at least
)

// phc is one argon2id hash, taken apart.
type phc struct {
	memory  uint32 // KiB
	time    uint32 // passes
	threads uint8  // lanes
	salt    []byte
	key     []byte
}

// String renders the hash in PHC string form: $argon2id$v=19$m=..,t=..,p=..$salt$key, in
// unpadded standard base64.
func (h phc) String() string {
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		h.memory, h.time, h.threads, enc.EncodeToString(h.salt), enc.EncodeToString(h.key))
}

// parsePHC reads what String writes, and nothing else: one spelling for each hash. Errors wrap
// ErrPasswordHash and never repeat the hash.
func parsePHC(s string) (phc, error) {
	if len(s) > maxHashBytes {
		return phc{}, fmt.Errorf("%w: longer than %d bytes", ErrPasswordHash, maxHashBytes)
	}
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" {
		return phc{}, fmt.Errorf("%w: not in PHC string form", ErrPasswordHash)
	}
	if parts[1] != "argon2id" || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return phc{}, fmt.Errorf("%w: not argon2id version %d", ErrPasswordHash, argon2.Version)
	}
	h, err := parseParameters(parts[3])
	if err != nil {
		return phc{}, err
	}
	if h.salt, err = decodeBlob(parts[4], minSaltBytes); err != nil {
		return phc{}, fmt.Errorf("salt: %w", err)
	}
	if h.key, err = decodeBlob(parts[5], minKeyBytes); err != nil {
		return phc{}, fmt.Errorf("key: %w", err)
	}
	return h, nil
}

// parseParameters reads "m=19456,t=2,p=1", in this order.
func parseParameters(s string) (phc, error) {
	fields := strings.Split(s, ",")
	if len(fields) != 3 {
		return phc{}, fmt.Errorf("%w: expected three parameters", ErrPasswordHash)
	}
	memory, err := parseParameter(fields[0], "m", memoryPerLane, maxMemory)
	if err != nil {
		return phc{}, err
	}
	time, err := parseParameter(fields[1], "t", 1, maxTime)
	if err != nil {
		return phc{}, err
	}
	threads, err := parseParameter(fields[2], "p", 1, maxThreads)
	if err != nil {
		return phc{}, err
	}
	if memory < memoryPerLane*threads {
		return phc{}, fmt.Errorf("%w: less than %d KiB of memory per lane", ErrPasswordHash, memoryPerLane)
	}
	return phc{memory: memory, time: time, threads: uint8(threads)}, nil
}

func parseParameter(s, name string, low, high uint64) (uint32, error) {
	digits, ok := strings.CutPrefix(s, name+"=")
	if !ok {
		return 0, fmt.Errorf("%w: expected parameter %s", ErrPasswordHash, name)
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || digits[0] == '0' {
		return 0, fmt.Errorf("%w: parameter %s is not a number", ErrPasswordHash, name)
	}
	if n < low || n > high {
		return 0, fmt.Errorf("%w: parameter %s is %d, expected %d to %d", ErrPasswordHash, name, n, low, high)
	}
	return uint32(n), nil
}

func decodeBlob(s string, low int) ([]byte, error) {
	// The decoder skips line breaks, and two spellings of one hash are one too many.
	if strings.ContainsAny(s, "\r\n") {
		return nil, fmt.Errorf("%w: line break in base64", ErrPasswordHash)
	}
	b, err := base64.RawStdEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("%w: not base64", ErrPasswordHash)
	}
	if len(b) < low || len(b) > maxBlobBytes {
		return nil, fmt.Errorf("%w: %d bytes, expected %d to %d", ErrPasswordHash, len(b), low, maxBlobBytes)
	}
	return b, nil
}
