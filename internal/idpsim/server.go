package idpsim

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// Options are the simulator's surroundings. The zero value works.
type Options struct {
	// Clock tells the time; default time.Now.
	Clock func() time.Time
	// Sleep waits for d or until ctx ends; default a timer. Tests put a recorder here.
	Sleep func(ctx context.Context, d time.Duration) error
	// HTTPClient sends the requests; default one with a 60 s timeout (Okta's socket timeout) and
	// no compression of its own. Redirects are never followed, whatever it says.
	HTTPClient *http.Client
	// Rand is where ids, passwords and jitter come from; default crypto/rand.
	Rand io.Reader
	// GUID makes Entra's object ids and the probe of its connection test; default from Rand.
	GUID func() string
	// Password makes the random value that Okta sends on create; default from Rand.
	Password func() string
	// OnExchange is called after each attempt, possibly from several goroutines.
	OnExchange func(Exchange)
	// TraceSize is the number of exchanges kept per IdP; default 500.
	TraceSize int
	// BaseURL is the simulator's own origin, for the SAML methods in Go. Over HTTP the addresses
	// in metadata and requests follow the Host of each request.
	BaseURL string
	// QuarantineAfter is how many failures a cycle needs, beside being the majority, before Entra
	// goes into quarantine; default 5.
	QuarantineAfter int
}

// env is Options with every default filled in.
type env struct {
	Options
	randMu sync.Mutex // Rand need not be safe for concurrent use
}

// Server holds one IdP of each kind.
type Server struct {
	env  *env
	idps map[Kind]*IdP
}

// New makes the IdPs, empty and not connected. It starts no goroutine.
func New(options Options) *Server {
	e := &env{Options: options}
	e.fill()
	s := &Server{env: e, idps: map[Kind]*IdP{}}
	for _, k := range Kinds() {
		s.idps[k] = newIdP(k, e)
	}
	return s
}

// IdP returns the IdP of that kind, or nil when there is none.
func (s *Server) IdP(kind Kind) *IdP { return s.idps[kind] }

// Close lets go of idle connections to the application.
func (s *Server) Close() { s.env.HTTPClient.CloseIdleConnections() }

func (e *env) fill() {
	if e.Clock == nil {
		e.Clock = time.Now
	}
	if e.Sleep == nil {
		e.Sleep = sleep
	}
	if e.Rand == nil {
		e.Rand = crand.Reader
	}
	if e.GUID == nil {
		e.GUID = e.randomGUID
	}
	if e.Password == nil {
		e.Password = func() string { return e.randomText(16) }
	}
	if e.TraceSize <= 0 {
		e.TraceSize = 500
	}
	if e.QuarantineAfter <= 0 {
		e.QuarantineAfter = 5
	}
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, DisableCompression: true, MaxIdleConnsPerHost: 256, IdleConnTimeout: 30 * time.Second}}
	if e.HTTPClient != nil {
		client = *e.HTTPClient
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	e.HTTPClient = &client
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// random fills b. A source that runs dry leaves zeros, which only tests can bring about.
func (e *env) random(b []byte) {
	e.randMu.Lock()
	defer e.randMu.Unlock()
	_, _ = io.ReadFull(e.Rand, b)
}

// randomGUID is a version 4 UUID (RFC 9562 section 5.4).
func (e *env) randomGUID() string {
	b := make([]byte, 16)
	e.random(b)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// randomText is n letters and digits.
func (e *env) randomText(n int) string {
	return e.randomDigits("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", n)
}

// randomDigits is n characters of alphabet. It is a name or a throw-away value, so that the small
// bias of the remainder does not matter.
func (e *env) randomDigits(alphabet string, n int) string {
	b := make([]byte, n)
	e.random(b)
	for i := range b {
		b[i] = alphabet[int(b[i])%len(alphabet)]
	}
	return string(b)
}

// jitter is d plus up to a quarter of it.
func (e *env) jitter(d time.Duration) time.Duration {
	var b [8]byte
	e.random(b[:])
	return d + time.Duration(binary.BigEndian.Uint64(b[:])%uint64(d/4+1))
}
