package config

import (
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gatehouse.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSCIMRate_IsWhatIdPsAskForAtTheLeast(t *testing.T) {
	for given, want := range map[string]int{"25": 25, "1000": 1000, "none": 0} {
		c, err := Load(map[string]string{"scim-rate": given}, nil, "")
		if err != nil || c.SCIMRate != want || fieldNamed("scim-rate").show(c) != given {
			t.Errorf("%s: %d, %v", given, c.SCIMRate, err)
		}
	}
	for _, wrong := range []string{"0", "24", "-1", "many", "1000001"} {
		if _, err := Load(map[string]string{"scim-rate": wrong}, nil, ""); err == nil {
			t.Errorf("%s is accepted", wrong)
		}
	}
}

func TestDomainSettings_AreReadAndBounded(t *testing.T) {
	for given, want := range map[string]string{"192.0.2.53": "192.0.2.53:53", "192.0.2.53:5353": "192.0.2.53:5353", "2001:db8::53": "[2001:db8::53]:53", "[2001:db8::53]:54": "[2001:db8::53]:54", "[2001:db8::53]": "[2001:db8::53]:53"} {
		if c, err := Load(map[string]string{"dns-resolver": given, "domain-recheck": "2s", "domain-lapse": "2d"}, nil, ""); err != nil || c.DNSResolver != want || c.DomainRecheck != 2*time.Second || c.DomainLapse != 2*day {
			t.Errorf("%s: %+v, %v", given, c, err)
		}
	}
	for _, wrong := range []map[string]string{{"dns-resolver": "dns.example"}, {"dns-resolver": "192.0.2.53:0"}, {"dns-resolver": "192.0.2.53:x"}, {"domain-recheck": "0s"}, {"domain-recheck": "31d"},
		{"domain-lapse": "366d"}, {"domain-recheck": "1d", "domain-lapse": "47h"}, {"domain-lapse": "-1d"}} {
		if _, err := Load(wrong, nil, ""); err == nil {
			t.Errorf("%v is accepted", wrong)
		}
	}
}

func TestNothingGiven_MeansTheDefaults(t *testing.T) {
	c, err := Load(nil, []string{"HOME=/root", "GATEHOUSE_LISTEN="}, "")
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Listen: "127.0.0.1:8080", PublicURL: "http://127.0.0.1:8080", SCIMPublicURL: "http://127.0.0.1:8080",
		Database: "sqlite:" + filepath.Join("gatehouse-data", "gatehouse.db"), DataDir: "gatehouse-data",
		MasterKeyFile: filepath.Join("gatehouse-data", "master.key"),
		DomainRecheck: day, DomainLapse: 30 * day,
		SCIMRate: 100, LogFormat: "text", LogLevel: slog.LevelInfo, EventRetention: 400 * day, PayloadRetention: 30 * day, RequestRetention: 7 * day, SessionRetention: 30 * day, WorkRetention: 30 * day,
		Sources: c.Sources,
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
	for _, name := range Names() {
		if c.Sources[name] != "default" || Help(name) == "" {
			t.Errorf("%s: source %q, help %q", name, c.Sources[name], Help(name))
		}
	}
	if w := c.Warnings(); len(w) > 0 {
		t.Errorf("warnings %q", w)
	}
}

func TestFlag_BeatsEnvironmentBeatsFileBeatsDefault(t *testing.T) {
	file := write(t, "# ours\nlisten: 127.0.0.1:1\nlog-format: json\npublic-url: https://file.test\ntrusted-proxies: [10.0.0.0/8, 192.0.2.7]\n")
	env := []string{"GATEHOUSE_LISTEN=127.0.0.1:2", "GATEHOUSE_PUBLIC_URL=https://env.test", "GATEHOUSE_CONFIG=" + file,
		"GATEHOUSE_TEST_POSTGRES=x", "GATEHOUSE_ACCEPT=1", "GATEHOUSE_OUTPUT=json"}
	c, err := Load(map[string]string{"listen": "127.0.0.1:3", "log-level": ""}, env, "", "GATEHOUSE_OUTPUT")
	if err != nil {
		t.Fatal(err)
	}
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32")}
	if c.Listen != "127.0.0.1:3" || c.PublicURL != "https://env.test" || c.LogFormat != "json" || !slices.Equal(c.TrustedProxies, proxies) {
		t.Errorf("%+v", c)
	}
	for name, want := range map[string]string{
		"listen": "flag --listen", "public-url": "environment GATEHOUSE_PUBLIC_URL",
		"log-format": "file " + file + " line 3", "log-level": "default",
	} {
		if c.Sources[name] != want {
			t.Errorf("source of %s = %q, want %q", name, c.Sources[name], want)
		}
	}
}

func TestMistakes_AreReportedTogetherWithTheNearestName(t *testing.T) {
	file := write(t, "pulbic-url: https://id.test\nlisten: nowhere\nlisten: again\nlog-format:\n  nested: true\ndata-dir: ~\n")
	env := []string{"GATEHOUSE_DATBASE=x", "GATEHOUSE_EVENT_RETENTION=soon", "GATEHOUSE_COMPLETELY_ELSE=1"}
	flags := map[string]string{"trusted-proxies": "10.0.0.1/8", "log_level": "debug", "payload-retention": "4000d"}
	_, err := Load(flags, env, file)
	var mistakes Mistakes
	if !errors.As(err, &mistakes) {
		t.Fatalf("error = %v", err)
	}
	for _, want := range []string{
		`line 1: unknown key "pulbic-url"; did you mean "public-url"?`,
		`listen (file ` + file + ` line 2): expected HOST:PORT, such as 127.0.0.1:8080, got "nowhere"`,
		`line 3: key "listen" is given twice, first in line 2`,
		`log-format: expected a single value`,
		`data-dir: expected a single value`,
		`unknown environment variable "GATEHOUSE_DATBASE"; did you mean "GATEHOUSE_DATABASE"?`,
		`event-retention (environment GATEHOUSE_EVENT_RETENTION): expected days such as 30d, got "soon"`,
		`unknown environment variable "GATEHOUSE_COMPLETELY_ELSE"`,
		`expected a network, got the address 10.0.0.1/8 with bits behind the mask; did you mean 10.0.0.0/8?`,
		`unknown flag "--log_level"; did you mean "log-level"?`,
		`payload-retention (flag --payload-retention): expected 1d to 3650d, got "4000d"`,
	} {
		if !slices.ContainsFunc(mistakes, func(m string) bool { return strings.HasSuffix(m, want) || strings.HasPrefix(m, want) }) {
			t.Errorf("%q is missing in\n%v", want, err)
		}
	}
	if len(mistakes) != 11 {
		t.Errorf("%d mistakes:\n%v", len(mistakes), err)
	}
}

func TestValues_AreReadOrRefused(t *testing.T) {
	cases := map[string]struct{ name, value, want, refusal string }{
		"an origin":                  {"public-url", "https://ID.Example.com", "https://id.example.com", ""},
		"an origin with slash":       {"public-url", "https://id.test/", "https://id.test", ""},
		"an origin with port":        {"public-url", "https://id.test:8443", "https://id.test:8443", ""},
		"the scheme's own port":      {"public-url", "https://id.test:443", "https://id.test", ""},
		"an IPv6 origin":             {"scim-public-url", "http://[::1]:8080", "http://[::1]:8080", ""},
		"a path":                     {"public-url", "https://id.test/sso", "", "without path"},
		"a path for SCIM":            {"scim-public-url", "https://id.test/scim", "", "without path"},
		"a query":                    {"public-url", "https://id.test?a=1", "", "without path"},
		"another scheme":             {"public-url", "ftp://id.test", "", "http or https"},
		"no scheme":                  {"public-url", "id.test:8080", "", "http or https"},
		"a password in an origin":    {"public-url", "https://u:geheim@id.test", "", "without user"},
		"SQLite":                     {"database", "sqlite:/var/lib/g.db", "sqlite:/var/lib/g.db", ""},
		"SQLite without path":        {"database", "sqlite:", "", "no path"},
		"PostgreSQL":                 {"database", "postgres://u:geheim@db/g?sslmode=disable", "postgres://u:xxxxx@db/g?sslmode=disable", ""},
		"PostgreSQL, other password": {"database", "postgres://db/g?sslpassword=geheim", "postgres://db/g?sslpassword=xxxxx", ""},
		"PostgreSQL by socket":       {"database", "postgres:///g?host=%2Frun", "postgres:///g?host=%2Frun", ""},
		"no database name":           {"database", "postgres://u:geheim@db", "", "no database name"},
		"another database":           {"database", "mysql://u:geheim@db/g", "", "expected sqlite:PATH"},
		"an unreadable address":      {"database", "postgres://u:geheim@db:port/g", "", "expected sqlite:PATH"},
		"IPv6 proxies":               {"trusted-proxies", "fd00::/8, ::1", "fd00::/8,::1/128", ""},
		"a proxy by name":            {"trusted-proxies", "proxy.internal", "", "proxy.internal"},
		"a log format":               {"log-format", "jsn", "", `did you mean "json"`},
		"a log level":                {"log-level", "warn", "warn", ""},
		"a log level with offset":    {"log-level", "info+2", "", "debug or info"},
		"days":                       {"event-retention", "90d", "90d", ""},
		"hours":                      {"event-retention", "36h", "36h0m0s", ""},
		"less than a day":            {"event-retention", "1h", "", "1d to 3650d"},
		"too many days":              {"event-retention", "99999d", "", "such as 30d"},
		"days of reads":              {"request-retention", "30d", "30d", ""},
		"days of sessions":           {"session-retention", "1d", "1d", ""},
		"less than a day of work":    {"work-retention", "23h", "", "1d to 3650d"},
		"negative":                   {"event-retention", "-3d", "", "such as 30d"},
		"a port by name":             {"listen", "127.0.0.1:http", "", "HOST:PORT"},
		"metrics on a bad address":   {"metrics-listen", "9090", "", "HOST:PORT"},
		"metrics":                    {"metrics-listen", "127.0.0.1:9090", "127.0.0.1:9090", ""},
		"a port too high":            {"listen", "127.0.0.1:65536", "", "HOST:PORT"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			loaded, err := Load(map[string]string{c.name: c.value}, nil, "")
			if c.refusal != "" {
				if err == nil || !strings.Contains(err.Error(), c.refusal) || strings.Contains(err.Error(), "geheim") {
					t.Errorf("error = %v, want %q in it", err, c.refusal)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range loaded.Settings() {
				if s.Name == c.name && s.Value != c.want {
					t.Errorf("shown as %q, want %q", s.Value, c.want)
				}
			}
		})
	}
}

func TestSettings_ThatDependOnEachOther(t *testing.T) {
	if _, err := Load(map[string]string{"listen": ":8080"}, nil, ""); err == nil || !strings.Contains(err.Error(), "public-url is needed") {
		t.Errorf("listening everywhere without a public URL: %v", err)
	}
	c, err := Load(map[string]string{"listen": "[::]:8080", "public-url": "http://id.test", "scim-public-url": "https://scim.test"}, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if w := c.Warnings(); len(w) != 1 || !strings.Contains(w[0], "http://id.test is plain http") {
		t.Errorf("warnings %q", w)
	}
	if c, err := Load(map[string]string{"listen": "127.0.0.1:0"}, nil, ""); err != nil || c.PublicURL != "" {
		t.Errorf("a free port: public URL %q, %v", c.PublicURL, err)
	}
	if c, err := Load(map[string]string{"event-retention": "7d"}, nil, ""); err != nil || c.PayloadRetention != 7*day {
		t.Errorf("short events: payloads %v, %v", c.PayloadRetention, err)
	}
	if _, err := Load(map[string]string{"event-retention": "7d", "payload-retention": "8d"}, nil, ""); err == nil {
		t.Error("payloads that outlive their events are accepted")
	}
}

func TestFile_ThatIsNotOneMappingIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"- a\n- b\n":                             "expected lines",
		"just words":                             "expected lines",
		"listen: [":                              "yaml",
		"listen: 127.0.0.1:1\n---\nlisten: x\n":  "one document",
		"listen: &a 127.0.0.1:1\ndata-dir: *a\n": "data-dir: expected a single value",
		"trusted-proxies: [[10.0.0.0/8]]":        "single value",
		strings.Repeat("#", maxFileBytes+1):      "longer than",
	} {
		if _, err := Load(nil, nil, write(t, text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: error = %v, want %q in it", text, err, want)
		}
	}
	for _, text := range []string{"", "# nothing\n", "---\n"} {
		if _, err := Load(nil, nil, write(t, text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := Load(nil, nil, filepath.Join(t.TempDir(), "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an absent file: %v", err)
	}
}

func TestNearest_GuessesSlipsAndNotStrangers(t *testing.T) {
	known := []string{"public-url", "scim-public-url", "listen", "data-dir", "role"}
	for word, want := range map[string]string{
		"pulbic-url": "public-url", "publicurl": "public-url", "PUBLIC_URL": "public-url", "lsiten": "listen",
		"listen-address": "", "dir": "", "roel": "role", "x": "", "": "", "rôle": "role", strings.Repeat("a", 5000): "",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("Nearest(%.20q) = %q, want %q", word, got, want)
		}
	}
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "abc", 0}, {"abcd", "acbd", 1}, {"kitten", "sitting", 3}, {"ca", "abc", 3}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestRetention_IsShownAsItIsWritten(t *testing.T) {
	for in, want := range map[string]time.Duration{"1d": day, "3650d": 3650 * day, "48h": 48 * time.Hour} {
		got, err := parseRetention(in)
		if err != nil || got != want {
			t.Errorf("parseRetention(%q) = %v, %v", in, got, err)
		}
		if again, err := parseRetention(showRetention(got)); err != nil || again != got {
			t.Errorf("%v is shown as %q", got, showRetention(got))
		}
	}
}

func FuzzFile(f *testing.F) {
	f.Add("listen: 127.0.0.1:1\ntrusted-proxies: [10.0.0.0/8]\n")
	f.Add("? [a]\n: b\n")
	f.Add("<<: *x\n")
	f.Fuzz(func(t *testing.T, text string) {
		l := loader{config: defaults()}
		l.config.Sources = map[string]string{}
		l.readYAML("f", text)
		for name := range l.config.Sources {
			if fieldNamed(name) == nil {
				t.Errorf("unknown setting %q was set", name)
			}
		}
	})
}

func TestMail_IsAServerAndASender(t *testing.T) {
	for _, server := range []string{"smtp://mx.test:25", "smtps://u:p@mx.test", "folder:/tmp/mail"} {
		c, err := Load(map[string]string{"mail-server": server, "mail-from": "Acme <no-reply@acme.test>"}, nil, "")
		if err != nil || c.MailServer != server {
			t.Errorf("%s: %q, %v", server, c.MailServer, err)
		}
		for _, s := range c.Settings() {
			if strings.Contains(s.Value, "u:p@") {
				t.Errorf("%s shows the password: %s", s.Name, s.Value)
			}
		}
	}
	for _, flags := range []map[string]string{
		{"mail-server": "smtp://mx.test"}, {"mail-from": "a@b.test"}, {"mail-server": "http://mx.test", "mail-from": "a@b.test"},
		{"mail-server": "folder:", "mail-from": "a@b.test"}, {"mail-server": "smtp://mx.test", "mail-from": "nobody"},
	} {
		if _, err := Load(flags, nil, ""); err == nil {
			t.Errorf("%v was accepted", flags)
		}
	}
}

func TestSwitch_IsYesOrNo(t *testing.T) {
	for word, want := range map[string]bool{"yes": true, "TRUE": true, "on": true, "1": true, "no": false, "false": false, "off": false, "0": false} {
		if c, err := Load(map[string]string{"allow-private-networks": word}, nil, ""); err != nil || c.AllowPrivateNetworks != want {
			t.Errorf("%s: %v, %v", word, c.AllowPrivateNetworks, err)
		}
	}
	if _, err := Load(map[string]string{"allow-private-networks": "maybe"}, nil, ""); err == nil {
		t.Error("maybe was accepted")
	}
}
