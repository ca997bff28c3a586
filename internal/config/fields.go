package config

import (
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// field ties a setting's name to its place in Config. The name is a flag, a key of the file and,
// in capitals behind GATEHOUSE_, an environment variable.
type field struct {
	name string
	help string // with the default, for --help and "config print"
	set  func(c *Config, value string) error
	show func(c Config) string
}

// fields is the one list of settings.
var fields = []field{
	{"listen", "Address to listen on (default 127.0.0.1:8080).",
		func(c *Config, v string) error { c.Listen = v; return checkListen(v) },
		func(c Config) string { return c.Listen }},
	{"metrics-listen", "Address on which /metrics answers, for Prometheus; whoever reaches it reads names of workspaces (default none).",
		func(c *Config, v string) error { c.MetricsListen = v; return checkMetricsListen(v) },
		func(c Config) string { return c.MetricsListen }},
	{"public-url", "Origin under which browsers and IdPs reach this server, such as https://id.example.com (default http:// and the listen address).",
		func(c *Config, v string) (err error) { c.PublicURL, err = parseOrigin(v); return err },
		func(c Config) string { return c.PublicURL }},
	{"scim-public-url", "Origin of SCIM base URLs, when it is another one (default the public URL).",
		func(c *Config, v string) (err error) { c.SCIMPublicURL, err = parseOrigin(v); return err },
		func(c Config) string { return c.SCIMPublicURL }},
	{"database", "sqlite:PATH or postgres://user@host/name (default sqlite, gatehouse.db in the data dir).",
		func(c *Config, v string) error { c.Database = v; return checkDatabase(v) },
		func(c Config) string { return maskPassword(c.Database) }},
	{"data-dir", "Folder for the SQLite database and the local socket (default gatehouse-data).",
		func(c *Config, v string) error { c.DataDir = v; return nil },
		func(c Config) string { return c.DataDir }},
	{"trusted-proxies", "Networks of proxies whose X-Forwarded-For is believed, comma-separated, such as 10.0.0.0/8 (default none).",
		func(c *Config, v string) (err error) { c.TrustedProxies, err = parsePrefixes(v); return err },
		func(c Config) string { return joinPrefixes(c.TrustedProxies) }},
	{"master-key-file", "File with the key that seals secrets in the database; servers of one database share it (default master.key in the data dir).",
		func(c *Config, v string) error { c.MasterKeyFile = v; return nil },
		func(c Config) string { return c.MasterKeyFile }},
	{"allow-private-networks", "Let outgoing calls go to private and loopback addresses and over plain http (default no).",
		func(c *Config, v string) (err error) { c.AllowPrivateNetworks, err = parseSwitch(v); return err },
		func(c Config) string { return showSwitch(c.AllowPrivateNetworks) }},
	{"mail-server", "smtp://user:password@host:587, smtps://host or, for development, folder:PATH (default none: no mail is sent).",
		func(c *Config, v string) error { c.MailServer = v; return checkMailServer(v) },
		func(c Config) string { return maskPassword(c.MailServer) }},
	{"mail-from", "Sender of mail, such as Gatehouse <no-reply@example.com>; needed with mail-server.",
		func(c *Config, v string) error { c.MailFrom = v; return checkMailbox(v) },
		func(c Config) string { return c.MailFrom }},
	{"dns-resolver", "DNS server, such as 192.0.2.53 or 192.0.2.53:5353, that is asked when a workspace proves a domain (default the system's).",
		func(c *Config, v string) (err error) { c.DNSResolver, err = parseResolver(v); return err },
		func(c Config) string { return c.DNSResolver }},
	{"domain-recheck", "How often the record of a proven domain is looked at again, such as 1d or 12h (default 1d).",
		func(c *Config, v string) (err error) {
			c.DomainRecheck, err = parseSpan(v, time.Second, 30*day)
			return err
		},
		func(c Config) string { return showRetention(c.DomainRecheck) }},
	{"domain-lapse", "For how long that record may be missing before the domain is proven no longer (default 30d).",
		func(c *Config, v string) (err error) {
			c.DomainLapse, err = parseSpan(v, time.Second, 365*day)
			return err
		},
		func(c Config) string { return showRetention(c.DomainLapse) }},
	{"scim-rate", "SCIM requests a second that are answered for one directory, 25 at the least, or none for no limit; past it 429 (default 100).",
		func(c *Config, v string) (err error) { c.SCIMRate, err = parseRate(v); return err },
		func(c Config) string { return showRate(c.SCIMRate) }},
	{"log-format", "text or json (default text).",
		func(c *Config, v string) error { c.LogFormat = v; return oneOf(v, "text", "json") },
		func(c Config) string { return c.LogFormat }},
	{"log-level", "debug, info, warn or error (default info).",
		func(c *Config, v string) error {
			if err := oneOf(v, "debug", "info", "warn", "error"); err != nil {
				return err
			}
			return c.LogLevel.UnmarshalText([]byte(v))
		},
		func(c Config) string { return strings.ToLower(c.LogLevel.String()) }},
	{"event-retention", "How long audit events are kept, in days such as 400d (default 400d).",
		func(c *Config, v string) (err error) { c.EventRetention, err = parseRetention(v); return err },
		func(c Config) string { return showRetention(c.EventRetention) }},
	{"payload-retention", "How long the payloads of events are kept, in days such as 30d (default 30d).",
		func(c *Config, v string) (err error) { c.PayloadRetention, err = parseRetention(v); return err },
		func(c Config) string { return showRetention(c.PayloadRetention) }},
	{"request-retention", "How long the log of answered SCIM reads is kept, in days such as 7d (default 7d).",
		func(c *Config, v string) (err error) { c.RequestRetention, err = parseRetention(v); return err },
		func(c Config) string { return showRetention(c.RequestRetention) }},
	{"session-retention", "How long sessions that have ended are kept, in days such as 30d (default 30d).",
		func(c *Config, v string) (err error) { c.SessionRetention, err = parseRetention(v); return err },
		func(c Config) string { return showRetention(c.SessionRetention) }},
	{"work-retention", "How long letters and other work that was given up are kept, in days such as 30d (default 30d).",
		func(c *Config, v string) (err error) { c.WorkRetention, err = parseRetention(v); return err },
		func(c Config) string { return showRetention(c.WorkRetention) }},
}

// defaults are the settings that do not depend on others.
func defaults() Config {
	return Config{
		Listen:           "127.0.0.1:8080",
		DataDir:          "gatehouse-data",
		DomainRecheck:    day,
		DomainLapse:      30 * day,
		SCIMRate:         100,
		LogFormat:        "text",
		LogLevel:         slog.LevelInfo,
		EventRetention:   400 * day,
		PayloadRetention: 30 * day,
		RequestRetention: 7 * day,
		SessionRetention: 30 * day,
		WorkRetention:    30 * day,
	}
}

func fieldNamed(name string) *field {
	for i := range fields {
		if fields[i].name == name {
			return &fields[i]
		}
	}
	return nil
}

// oneOf says which words are accepted.
func oneOf(v string, words ...string) error {
	for _, w := range words {
		if v == w {
			return nil
		}
	}
	return fmt.Errorf("expected %s, got %q%s", strings.Join(words, " or "), v, DidYouMean(v, words))
}

const day = 24 * time.Hour

func joinPrefixes(list []netip.Prefix) string {
	var words []string
	for _, p := range list {
		words = append(words, p.String())
	}
	return strings.Join(words, ",")
}

// maskPassword hides the password in a database URL, wherever a driver would find one.
func maskPassword(database string) string {
	u, err := url.Parse(database)
	if err != nil {
		return "(unreadable)"
	}
	if u.Scheme == "sqlite" {
		return database
	}
	query := u.Query()
	for key := range query {
		if strings.Contains(strings.ToLower(key), "password") {
			query.Set(key, "xxxxx")
		}
	}
	u.RawQuery = query.Encode()
	return u.Redacted()
}
