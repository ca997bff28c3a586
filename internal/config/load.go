package config

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
)

const (
	envPrefix = "GATEHOUSE_"
	// envFile names the configuration file when no flag does.
	envFile = envPrefix + "CONFIG"
)

// forTests are variables that steer our own tests. They are passed over, because tests run this
// program in their own environment; so is everything that begins GATEHOUSE_TEST_.
var forTests = []string{envPrefix + "ACCEPT", envPrefix + "REQUIRE_POSTGRES"}

// Mistakes is everything that is wrong with a configuration, one sentence each.
type Mistakes []string

func (m Mistakes) Error() string {
	if len(m) == 1 {
		return "configuration: " + m[0]
	}
	return fmt.Sprintf("configuration: %d mistakes:\n  %s", len(m), strings.Join(m, "\n  "))
}

// loader collects values in order of rank and mistakes as they come.
type loader struct {
	config   Config
	mistakes Mistakes
}

// Load reads the settings. flags holds flags by name without dashes; environ is os.Environ(); file
// is the configuration file, or "" to use GATEHOUSE_CONFIG or none. A flag or variable that is
// empty counts as not given. otherNames are GATEHOUSE_* variables that other parts of the program
// read.
//
// The error is a Mistakes, or one that says that the file cannot be read.
func Load(flags map[string]string, environ []string, file string, otherNames ...string) (Config, error) {
	l := loader{config: defaults()}
	l.config.Sources = map[string]string{}
	for _, f := range fields {
		l.config.Sources[f.name] = "default"
	}
	env := l.environment(environ, otherNames)
	if file == "" {
		file = env[envFile]
	}
	if file != "" {
		if err := l.readFile(file); err != nil {
			return Config{}, err
		}
	}
	for _, f := range fields {
		if v, ok := env[envName(f.name)]; ok {
			l.set(f.name, v, "environment "+envName(f.name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		if fieldNamed(name) == nil {
			l.mistake("unknown flag %q%s", "--"+name, DidYouMean(name, Names()))
			continue
		}
		if flags[name] != "" {
			l.set(name, flags[name], "flag --"+name)
		}
	}
	l.derive()
	if len(l.mistakes) > 0 {
		return Config{}, l.mistakes
	}
	return l.config, nil
}

func (l *loader) mistake(format string, args ...any) {
	l.mistakes = append(l.mistakes, fmt.Sprintf(format, args...))
}

// set gives a setting its value. A value that something of higher rank replaces is still checked:
// the mistake in the file waits there for the day the flag goes.
func (l *loader) set(name, value, source string) {
	l.config.Sources[name] = source
	changed := l.config
	if err := fieldNamed(name).set(&changed, strings.TrimSpace(value)); err != nil {
		l.mistake("%s (%s): %v", name, source, err)
		return // the value so far stays, so that one mistake does not cause another
	}
	l.config = changed
}

func envName(name string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// environment returns our variables and complains of those that nobody knows.
func (l *loader) environment(environ []string, otherNames []string) map[string]string {
	known := append([]string{envFile}, otherNames...)
	for _, f := range fields {
		known = append(known, envName(f.name))
	}
	ours := map[string]string{}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, envPrefix) || value == "" ||
			strings.HasPrefix(name, envPrefix+"TEST_") || slices.Contains(forTests, name) {
			continue
		}
		if !slices.Contains(known, name) {
			l.mistake("unknown environment variable %q%s", name, DidYouMean(name, known))
			continue
		}
		ours[name] = value
	}
	return ours
}

// derive fills in what defaults to other settings, and checks what only shows in their company.
func (l *loader) derive() {
	c := &l.config
	if c.PublicURL == "" && c.Sources["public-url"] == "default" {
		switch host, port, _ := net.SplitHostPort(c.Listen); {
		case isEveryAddress(host):
			l.mistake("public-url is needed when listening on every address (%s): the origin under which browsers reach this server", c.Listen)
		case port != "0":
			c.PublicURL = "http://" + c.Listen
		}
	}
	if c.SCIMPublicURL == "" {
		c.SCIMPublicURL = c.PublicURL
	}
	if c.DataDir == "" {
		l.mistake("data-dir (%s): expected a folder, got nothing", c.Sources["data-dir"])
	}
	if c.Database == "" {
		c.Database = "sqlite:" + filepath.Join(c.DataDir, "gatehouse.db")
	}
	if c.MasterKeyFile == "" {
		c.MasterKeyFile = filepath.Join(c.DataDir, "master.key")
	}
	if (c.MailServer == "") != (c.MailFrom == "") {
		l.mistake("mail-server and mail-from belong together: expected both or neither")
	}
	if c.DomainLapse < 2*c.DomainRecheck {
		l.mistake("domain-lapse (%s) is shorter than twice domain-recheck (%s): one missed look would end a proof", showRetention(c.DomainLapse), showRetention(c.DomainRecheck))
	}
	if c.PayloadRetention > c.EventRetention && c.EventRetention > 0 {
		// Whoever shortens the events alone did not ask for payloads without events.
		if c.Sources["payload-retention"] == "default" {
			c.PayloadRetention = c.EventRetention
		} else {
			l.mistake("payload-retention (%s) is longer than event-retention (%s): payloads go with their events at the latest",
				showRetention(c.PayloadRetention), showRetention(c.EventRetention))
		}
	}
}

func isEveryAddress(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "" || err == nil && addr.IsUnspecified()
}
