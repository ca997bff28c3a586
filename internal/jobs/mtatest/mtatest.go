package mtatest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Who may send.
const (
	User     = "gatehouse"
	Password = "over-the-wire"
)

// Addresses with a fate. Mail to any other address of acme.test is taken; that for elsewhere is refused.
const (
	Refused  = "refused@acme.test"  // 550
	Deferred = "deferred@acme.test" // 451, until Relent
)

// MTA is a running mail server.
type MTA struct {
	// Address is its host and port; the certificate is for localhost.
	Address string
	// Secure is where TLS is spoken from the start.
	Secure string
	// CA is a file with the certificate that it is to be trusted by.
	CA  string
	dir string
	log *output
}

// output keeps what the server says.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

const config = `
primary_hostname = localhost
qualify_domain = acme.test
spool_directory = %[1]s/spool
log_file_path = %[1]s/%%slog
pid_file_path = %[1]s/pid
exim_user = %[3]s
exim_group = %[4]s
never_users =
local_interfaces = 127.0.0.1
daemon_smtp_ports = %[2]s : %[5]s
tls_on_connect_ports = %[5]s
keep_environment =
message_size_limit = 1M
tls_advertise_hosts = *
tls_certificate = %[1]s/cert.pem
tls_privatekey = %[1]s/key.pem
acl_smtp_rcpt = recipients
acl_smtp_data = content
host_lookup =
rfc1413_query_timeout = 0s
smtp_accept_max = 50
bounce_return_body = false
begin acl
recipients:
  deny    message = authenticate first
         !authenticated = *
  deny    message = relaying to $domain is refused here
         !domains = acme.test
  deny    message = there is no such mailbox
          local_parts = refused
  defer   message = the mailbox is busy, come again
          local_parts = deferred
          condition = ${if exists{%[1]s/relented}{no}{yes}}
  accept
content:
  deny    message = no line may have more than 998 octets
          condition = ${if > {$max_received_linelength}{998}}
  accept  verify = header_syntax
begin routers
folder:
  driver = accept
  transport = folder
begin transports
folder:
  driver = appendfile
  directory = %[1]s/mail
  maildir_format
  user = %[3]s
  group = %[4]s
begin retry
* * F,1h,5m
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_advertise_condition = ${if def:tls_in_cipher}
  server_condition = ${if and{{eq{$auth2}{` + User + `}}{eq{$auth3}{` + Password + `}}}}
  server_set_id = $auth2
`

// Start runs a mail server until the test ends. It fails the test where this machine has none: scripts/deps installs it.
func Start(t testing.TB) *MTA {
	t.Helper()
	program, err := exec.LookPath("exim4")
	if err != nil {
		program = "/usr/sbin/exim4"
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatal("Exim is not installed; run make deps")
	}
	// Exim looks at every folder above; one below a folder that only we may enter is of no use to it.
	dir, err := os.MkdirTemp("", "gatehouse-mta-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	m := &MTA{dir: dir, CA: filepath.Join(dir, "cert.pem"), log: &output{}}
	m.certify(t)
	who, group := runAs(t, dir)
	port, secure := freePort(t), freePort(t)
	m.Address, m.Secure = net.JoinHostPort("localhost", port), net.JoinHostPort("localhost", secure)
	conf := filepath.Join(dir, "conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, config, dir, port, who, group, secure), 0o644); err != nil {
		t.Fatal(err)
	}
	server := exec.Command(program, "-C", conf, "-bdf", "-q1m")
	server.Stdout, server.Stderr = m.log, m.log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() { _ = server.Wait(); close(exited) }()
	t.Cleanup(func() {
		_ = server.Process.Signal(os.Interrupt)
		select {
		case <-exited:
		case <-time.After(5 * time.Second):
			_ = server.Process.Kill()
			<-exited
		}
	})
	for began := time.Now(); ; {
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
		if err == nil {
			conn.Close()
			return m
		}
		select {
		case <-exited:
			t.Fatalf("the mail server ended: %s%s", m.log, m.Log())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Since(began) > 20*time.Second {
			t.Fatalf("the mail server does not answer: %s%s", m.log, m.Log())
		}
	}
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// runAs names who the server delivers as: an ordinary user where we are root, else ourselves.
func runAs(t testing.TB, dir string) (name, group string) {
	t.Helper()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, sub := range []string{"spool", "mail"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if os.Getuid() != 0 {
		return strconv.Itoa(os.Getuid()), strconv.Itoa(os.Getgid())
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(nobody.Uid)
	gid, _ := strconv.Atoi(nobody.Gid)
	for _, p := range []string{dir, filepath.Join(dir, "spool"), filepath.Join(dir, "mail"), filepath.Join(dir, "key.pem")} {
		if err := os.Chown(p, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	return nobody.Uid, nobody.Gid
}

// certify makes the server's certificate, by itself.
func (m *MTA) certify(t testing.TB) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: secret}} {
		mode := os.FileMode(0o644)
		if name == "key.pem" {
			mode = 0o600
		}
		if err := os.WriteFile(filepath.Join(m.dir, name), pem.EncodeToMemory(b), mode); err != nil {
			t.Fatal(err)
		}
	}
}

// Pool trusts the server's certificate.
func (m *MTA) Pool(t testing.TB) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(m.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return pool
}

// URL is the server's address as a setting: with who may send, and what they prove it by.
func (m *MTA) URL() string { return "smtp://" + User + ":" + Password + "@" + m.Address }

// Relent has the server take mail to Deferred from now on.
func (m *MTA) Relent(t testing.TB) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(m.dir, "relented"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

// Wait returns the messages that were delivered, as soon as there are n of them.
func (m *MTA) Wait(t testing.TB, n int) []string {
	t.Helper()
	for began := time.Now(); ; {
		entries, _ := os.ReadDir(filepath.Join(m.dir, "mail", "new")) // it is made with the first message
		if len(entries) >= n {
			var out []string
			for _, e := range entries {
				body, err := os.ReadFile(filepath.Join(m.dir, "mail", "new", e.Name()))
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, string(body))
			}
			return out
		}
		if time.Since(began) > 30*time.Second {
			t.Fatalf("%d messages of %d came; the server says: %s", len(entries), n, m.Log())
		}
		select {
		case <-t.Context().Done():
			t.Fatal("the test is over")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Log is what the server wrote down.
func (m *MTA) Log() string {
	var out strings.Builder
	for _, name := range []string{"mainlog", "rejectlog", "paniclog"} {
		if text, err := os.ReadFile(filepath.Join(m.dir, name)); err == nil {
			out.Write(text)
		}
	}
	return out.String()
}
