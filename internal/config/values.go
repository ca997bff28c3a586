package config

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// checkListen accepts host:port with a numeric port.
func checkListen(v string) error {
	_, port, err := net.SplitHostPort(v)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("expected HOST:PORT, such as 127.0.0.1:8080, got %q", v)
	}
	return nil
}

// checkMetricsListen is checkListen, or nowhere.
func checkMetricsListen(v string) error {
	if v == "" {
		return nil
	}
	return checkListen(v)
}

// parseOrigin reads scheme and host and returns them as a browser writes an origin: in lower
// case, without the scheme's own port and without a slash at the end.
func parseOrigin(v string) (string, error) {
	u, err := url.Parse(v)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return "", fmt.Errorf("expected an http or https origin, such as https://id.example.com, got %q", v)
	}
	if u.User != nil {
		return "", errors.New("expected an origin without user and password") // not repeated: it may be one
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("expected an origin without path, query or fragment, such as %s://%s, got %q", u.Scheme, u.Host, v)
	}
	host := strings.ToLower(u.Host)
	own := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
	return u.Scheme + "://" + strings.TrimSuffix(strings.TrimSuffix(host, own), ":"), nil
}

// isPlainHTTP reports whether origin is http to a host that is not this machine.
func isPlainHTTP(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" {
		return false
	}
	host := u.Hostname()
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return false
	}
	addr, err := netip.ParseAddr(host)
	return err != nil || !addr.IsLoopback()
}

// checkDatabase accepts the two kinds of address. A wrong one is not repeated, because it may
// hold a password.
func checkDatabase(v string) error {
	if path, ok := strings.CutPrefix(v, "sqlite:"); ok {
		if path == "" {
			return errors.New("expected sqlite:PATH, got no path")
		}
		return nil
	}
	u, err := url.Parse(v)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return errors.New("expected sqlite:PATH or postgres://user@host/name")
	}
	if strings.Trim(u.Path, "/") == "" && u.Query().Get("dbname") == "" {
		return errors.New("expected postgres://user@host/name, got no database name")
	}
	return nil
}

// parseSwitch reads yes or no in the usual words.
func parseSwitch(v string) (bool, error) {
	switch strings.ToLower(v) {
	case "yes", "true", "on", "1":
		return true, nil
	case "no", "false", "off", "0":
		return false, nil
	}
	return false, fmt.Errorf("expected yes or no, got %q", v)
}

func showSwitch(on bool) string {
	if on {
		return "yes"
	}
	return "no"
}

// checkMailServer accepts the address of a mail server. A wrong one is not repeated, because it may hold
// a password.
func checkMailServer(v string) error {
	if path, ok := strings.CutPrefix(v, "folder:"); ok && path != "" {
		return nil
	}
	u, err := url.Parse(v)
	if err != nil || (u.Scheme != "smtp" && u.Scheme != "smtps") || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" {
		return errors.New("expected smtp://user:password@host:port, smtps://host or folder:PATH")
	}
	return nil
}

// checkMailbox accepts one sender.
func checkMailbox(v string) error {
	if _, err := mail.ParseAddress(v); err != nil {
		return fmt.Errorf("expected a mailbox such as Gatehouse <no-reply@example.com>, got %q", v)
	}
	return nil
}

// parsePrefixes reads networks and single addresses, separated by commas.
func parsePrefixes(v string) ([]netip.Prefix, error) {
	var list []netip.Prefix
	for word := range strings.SplitSeq(v, ",") {
		word = strings.TrimSpace(word)
		if word == "" {
			continue
		}
		p, err := netip.ParsePrefix(word)
		if addr, failed := netip.ParseAddr(word); err != nil && failed == nil && addr.Zone() == "" {
			p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("expected networks such as 10.0.0.0/8, got %q", word)
		}
		if p != p.Masked() {
			return nil, fmt.Errorf("expected a network, got the address %s with bits behind the mask; did you mean %s?", p, p.Masked())
		}
		list = append(list, p)
	}
	return list, nil
}

// Bounds of the retentions.
const (
	minRetention = day
	maxRetention = 3650 * day
)

// parseRetention reads whole days, "400d", or a Go duration, "9600h".
func parseRetention(v string) (time.Duration, error) {
	return parseSpan(v, minRetention, maxRetention)
}

// parseSpan reads whole days or a Go duration between two bounds.
func parseSpan(v string, least, most time.Duration) (time.Duration, error) {
	var d time.Duration
	digits, inDays := strings.CutSuffix(v, "d")
	if inDays {
		n, err := strconv.ParseUint(digits, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("expected days such as 30d, got %q", v)
		}
		d = time.Duration(n) * day
	} else {
		var err error
		if d, err = time.ParseDuration(v); err != nil {
			return 0, fmt.Errorf("expected days such as 30d, got %q", v)
		}
	}
	if d < least || d > most {
		return 0, fmt.Errorf("expected %s to %s, got %q", showRetention(least), showRetention(most), v)
	}
	return d, nil
}

// parseResolver reads the address of a DNS server. It is an address and no name, which DNS would have to be asked for.
func parseResolver(v string) (string, error) {
	if v == "" {
		return "", nil
	}
	if addr, err := netip.ParseAddr(strings.Trim(v, "[]")); err == nil {
		return netip.AddrPortFrom(addr, 53).String(), nil
	}
	at, err := netip.ParseAddrPort(v)
	if err != nil || at.Port() == 0 {
		return "", fmt.Errorf("expected the address of a DNS server such as 192.0.2.53 or 192.0.2.53:53, got %q", v)
	}
	return at.String(), nil
}

func showRetention(d time.Duration) string {
	if d%day == 0 {
		return strconv.Itoa(int(d/day)) + "d"
	}
	return d.String()
}

// Bounds of the rate. Entra's gallery asks for 25 requests a second that are always served.
const (
	minRate = 25
	maxRate = 1_000_000
)

// parseRate reads requests a second, or none for no limit, which is 0.
func parseRate(v string) (int, error) {
	if strings.EqualFold(v, "none") {
		return 0, nil
	}
	n, err := strconv.ParseUint(v, 10, 32)
	if err != nil || n < minRate || n > maxRate {
		return 0, fmt.Errorf("expected %d to %d requests a second, or none, got %q", minRate, maxRate, v)
	}
	return int(n), nil
}

func showRate(n int) string {
	if n == 0 {
		return "none"
	}
	return strconv.Itoa(n)
}
