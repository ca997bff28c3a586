package config

import (
	"log/slog"
	"net/netip"
	"time"
)

// Config is what a server needs to know before it starts. Load returns it checked.
type Config struct {
	// Listen is the TCP address to accept connections on. Default "127.0.0.1:8080"; port 0 takes
	// a free one.
	Listen string
	// MetricsListen is where /metrics answers, on an address of its own: it names workspaces and connections.
	// Default: nowhere.
	MetricsListen string
	// PublicURL is the origin under which browsers and IdPs reach this server, such as
	// "https://id.example.com": scheme and host, with a port where it is not the scheme's own.
	// Every absolute URL is built from it and never from request headers. Default: http:// and
	// Listen; required when Listen is every address, and left empty when the port is 0, for the
	// caller to fill in once it listens.
	PublicURL string
	// SCIMPublicURL is the origin in SCIM base URLs, when provisioning has a host of its own.
	// Default: PublicURL.
	SCIMPublicURL string
	// Database is "sqlite:PATH" or "postgres://user@host/name". Default: gatehouse.db in DataDir.
	Database string
	// DataDir is the folder for the SQLite database and the socket that command-line verbs use.
	// It is made when missing. Default "gatehouse-data" in the working directory.
	DataDir string
	// TrustedProxies are the networks whose X-Forwarded-For names the client. Default: none, so
	// that the client is the peer of the connection.
	TrustedProxies []netip.Prefix
	// MasterKeyFile holds the key that seals the secrets in the database. It is made when neither it
	// nor anything sealed is there. Default: master.key in DataDir. Servers of one database share it.
	MasterKeyFile string
	// AllowPrivateNetworks lets outgoing calls (an IdP's metadata, an application's logout address)
	// go to private and loopback addresses and over plain http. Default no.
	AllowPrivateNetworks bool
	// MailServer takes mail: "smtp://user:password@host:587" (STARTTLS where offered), "smtps://..."
	// (TLS from the start), or for development "folder:PATH". Default: none, and no mail is sent.
	MailServer string
	// MailFrom is the sender of mail: "Acme <no-reply@acme.test>" or an address. Required with
	// MailServer.
	MailFrom string
	// DNSResolver is the DNS server ("192.0.2.53:53") that is asked for the records by which workspaces prove domains.
	// Default: those of the system.
	DNSResolver string
	// DomainRecheck is how often a proven domain is looked at again (default a day), DomainLapse for how long its record
	// may be missing before it is proven no longer (default 30 days).
	DomainRecheck, DomainLapse time.Duration
	// SCIMRate is how many SCIM requests of one directory each server answers a second; twice as many after a
	// quiet time. 0 is no limit. Default 100.
	SCIMRate int
	// LogFormat is "text" or "json", on standard error. Default "text".
	LogFormat string
	// LogLevel is the least level that is logged. Default info.
	LogLevel slog.Level
	// EventRetention is how long audit events are kept. Default 400 days.
	EventRetention time.Duration
	// PayloadRetention is how long the payloads of events are kept; it is never longer than
	// EventRetention. Default 30 days.
	PayloadRetention time.Duration
	// RequestRetention is how long the log of answered SCIM reads is kept. Default 7 days.
	RequestRetention time.Duration
	// SessionRetention is how long sessions that have ended are kept. Default 30 days.
	SessionRetention time.Duration
	// WorkRetention is how long letters and other work that was given up are kept. Default 30 days.
	WorkRetention time.Duration

	// Sources tells where each setting came from, by setting name: "flag --listen",
	// "environment GATEHOUSE_LISTEN", "file gatehouse.yaml line 3" or "default".
	Sources map[string]string
}

// Setting is one row of "config print".
type Setting struct {
	Name   string `json:"name"`
	Value  string `json:"value"` // a password in it is masked
	Source string `json:"source"`
	Help   string `json:"help"`
}

// Settings lists every setting in a fixed order, fit for showing: secrets are masked.
func (c Config) Settings() []Setting {
	var list []Setting
	for _, f := range fields {
		list = append(list, Setting{Name: f.name, Value: f.show(c), Source: c.Sources[f.name], Help: f.help})
	}
	return list
}

// Names lists the names of all settings, which are flag names and keys of the file.
func Names() []string {
	var names []string
	for _, f := range fields {
		names = append(names, f.name)
	}
	return names
}

// Help returns the one-line description of a setting, with its default, or "" for an unknown
// name.
func Help(name string) string {
	if f := fieldNamed(name); f != nil {
		return f.help
	}
	return ""
}

// Warnings are sentences for the log about settings that are allowed and probably not meant.
func (c Config) Warnings() []string {
	var list []string
	for _, origin := range []string{c.PublicURL, c.SCIMPublicURL} {
		if isPlainHTTP(origin) {
			list = append(list, origin+" is plain http: passwords, tokens and session cookies can be read on the way. Use https outside a test.")
		}
		if c.SCIMPublicURL == c.PublicURL {
			break
		}
	}
	return list
}
