package mailsink

import (
	"fmt"
	"strconv"
	"strings"
)

// Limits of RFC 5321 section 4.5.3.1, in bytes.
const (
	maxCommandLine = 512
	maxTextLine    = 1000
	maxLocalPart   = 64
	maxDomain      = 255
	maxPath        = 256
)

// command is one line of a client, understood.
type command struct {
	verb string // in capitals
	// name is who EHLO or HELO says it is; path the address of MAIL and RCPT, "" for the null path.
	name, path string
	size       int64 // SIZE of MAIL; 0 where it was not given
}

// reply is an answer of one line.
type reply struct {
	code int
	text string
}

func (r reply) Error() string { return strconv.Itoa(r.code) + " " + r.text }

func syntax(format string, args ...any) error { return reply{501, fmt.Sprintf(format, args...)} }

// parseCommand reads a line without its end. The error is a reply.
func parseCommand(line string) (command, error) {
	for i := range len(line) {
		if line[i] < ' ' || line[i] > '~' {
			return command{}, reply{500, "Expected printable ASCII"}
		}
	}
	verb, rest, _ := strings.Cut(line, " ")
	c := command{verb: strings.ToUpper(verb)}
	switch c.verb {
	case "EHLO", "HELO":
		return c.named(rest)
	case "MAIL":
		return c.addressed(rest, "FROM:")
	case "RCPT":
		return c.addressed(rest, "TO:")
	case "DATA", "RSET", "QUIT":
		if strings.TrimSpace(rest) != "" {
			return command{}, syntax("%s takes no parameters", c.verb)
		}
		return c, nil
	case "NOOP", "VRFY", "HELP": // with or without a text
		return c, nil
	case "AUTH", "STARTTLS", "EXPN", "TURN", "ETRN", "BDAT":
		return command{}, reply{502, c.verb + " is not for this server"}
	}
	return command{}, reply{500, "Unknown command"}
}

func (c command) named(rest string) (command, error) {
	c.name = strings.TrimSpace(rest)
	if c.name == "" || strings.Contains(c.name, " ") || len(c.name) > maxDomain {
		return command{}, syntax("%s takes a domain or an address literal", c.verb)
	}
	return c, nil
}

// addressed reads FROM:<path> or TO:<path> with its parameters.
func (c command) addressed(rest, word string) (command, error) {
	rest = strings.TrimLeft(rest, " ")
	if len(rest) < len(word) || !strings.EqualFold(rest[:len(word)], word) {
		return command{}, syntax("Expected %s %s<address>", c.verb, word)
	}
	path, parameters, ok := cutPath(strings.TrimLeft(rest[len(word):], " ")) // many clients write a space
	if !ok {
		return command{}, syntax("Expected an address in angle brackets")
	}
	if path == "" && c.verb == "RCPT" {
		return command{}, syntax("Expected a recipient")
	}
	if why := badMailbox(path); path != "" && why != "" && !(c.verb == "RCPT" && strings.EqualFold(path, "postmaster")) {
		return command{}, reply{553, why}
	}
	c.path = path
	return c.parameters(parameters)
}

// cutPath returns what stands between < and > without a source route (section 4.1.2), and what
// follows. A > inside quotes does not end it.
func cutPath(s string) (path, rest string, ok bool) {
	if !strings.HasPrefix(s, "<") {
		return "", "", false
	}
	quoted := false
	for i := 1; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == '>' && !quoted:
			path, rest = s[1:i], s[i+1:]
			if strings.HasPrefix(path, "@") {
				_, path, ok = strings.Cut(path, ":")
				return path, rest, ok && path != "" && (rest == "" || rest[0] == ' ')
			}
			return path, rest, rest == "" || rest[0] == ' '
		}
	}
	return "", "", false
}

// badMailbox says what is wrong with an address, or nothing.
func badMailbox(s string) string {
	at := strings.LastIndexByte(s, '@')
	switch {
	case at <= 0 || at == len(s)-1:
		return "Expected an address with a domain"
	case at > maxLocalPart || len(s)-at-1 > maxDomain || len(s) > maxPath-2:
		return "The address is too long"
	case strings.ContainsAny(s[at:], " \"<>,;:()\\") && !strings.HasPrefix(s[at+1:], "["):
		return "The domain is not one"
	case s[0] != '"' && strings.ContainsAny(s[:at], " \"<>,;:()\\@[]"):
		return "The local part needs quotes"
	case s[0] == '"' && (at < 3 || s[at-1] != '"'):
		return "The local part's quotes do not close"
	}
	return ""
}

// parameters reads what follows a path: SIZE and BODY with MAIL, nothing with RCPT.
func (c command) parameters(s string) (command, error) {
	for _, p := range strings.Fields(s) {
		name, value, _ := strings.Cut(p, "=")
		switch strings.ToUpper(c.verb + " " + name) {
		case "MAIL SIZE":
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil || n < 0 {
				return command{}, syntax("Expected SIZE in bytes")
			}
			c.size = n
		case "MAIL BODY":
			if v := strings.ToUpper(value); v != "7BIT" && v != "8BITMIME" {
				return command{}, syntax("Expected BODY=7BIT or BODY=8BITMIME")
			}
		default:
			return command{}, reply{555, "The parameter " + name + " is not known"}
		}
	}
	return c, nil
}
