package keys

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// crockford is Crockford's base 32 in lower case: no i, l, o or u, so that an id survives being
// read aloud, and in ASCII order, so that ids sort as their values do.
const crockford = "0123456789abcdefghjkmnpqrstvwxyz"

// idLength is how many characters follow the prefix: 128 bits, five to a character.
const idLength = 26

// ID returns prefix followed by 26 characters: 48 bits of now in milliseconds and 80 random
// bits, which is the layout of a ULID. Ids of one prefix sort by creation time to the
// millisecond, in Go and under a byte-wise collation; within one millisecond the order is
// random. The prefix includes its separator: ID("mem_", now).
func ID(prefix string, now time.Time) string {
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:8], uint64(now.UnixMilli())<<16)
	rand.Read(raw[6:]) // never fails: the runtime ends the process when the system has no randomness
	hi, lo := binary.BigEndian.Uint64(raw[:8]), binary.BigEndian.Uint64(raw[8:])

	out := make([]byte, len(prefix)+idLength)
	copy(out, prefix)
	for i := len(out) - 1; i >= len(prefix); i-- {
		out[i] = crockford[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return string(out)
}

// UUID returns a random UUID, version 4 (RFC 9562 section 5.4), in lower case. It is for values
// that another party's software expects to look like one.
func UUID() string {
	var raw [16]byte
	rand.Read(raw[:])
	raw[6] = raw[6]&0x0f | 0x40
	raw[8] = raw[8]&0x3f | 0x80

	var out [36]byte
	hex.Encode(out[0:8], raw[0:4])
	hex.Encode(out[9:13], raw[4:6])
	hex.Encode(out[14:18], raw[6:8])
	hex.Encode(out[19:23], raw[8:10])
	hex.Encode(out[24:36], raw[10:16])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}
