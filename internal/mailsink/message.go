package mailsink

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"time"
)

// Message is one message with its envelope.
type Message struct {
	ID       int       `json:"id"`
	Received time.Time `json:"received"`
	Hello    string    `json:"hello"` // who the client said it was
	From     string    `json:"from"`  // of the envelope, "" for the null path
	To       []string  `json:"to"`    // of the envelope
	Sender   string    `json:"sender"`
	Subject  string    `json:"subject"`
	Text     string    `json:"text"` // of the first plain part, in UTF-8
	Raw      []byte    `json:"-"`    // as it came, dots taken off
}

// maxParts is how many parts of a message are looked at, at all depths together.
const maxParts = 50

// read fills in what is shown from the raw message. What cannot be read is shown as it came.
func (m *Message) read() {
	parsed, err := mail.ReadMessage(bytes.NewReader(m.Raw))
	if err != nil {
		m.Subject, m.Text = "(not a message)", printable(m.Raw)
		return
	}
	words := &mime.WordDecoder{}
	decode := func(name string) string {
		value := parsed.Header.Get(name)
		if text, err := words.DecodeHeader(value); err == nil {
			value = text
		}
		return strings.ToValidUTF8(value, "\ufffd")
	}
	m.Sender, m.Subject = decode("From"), decode("Subject")
	left := maxParts
	text, ok := plain(part{parsed.Header.Get("Content-Type"), parsed.Header.Get("Content-Transfer-Encoding"), parsed.Body}, &left)
	if !ok {
		text = "(no plain text)"
	}
	m.Text = text
}

// part is one entity of a message.
type part struct {
	contentType, encoding string
	body                  io.Reader
}

// plain returns the first text/plain of a part or of the parts in it.
func plain(p part, left *int) (string, bool) {
	if *left--; *left < 0 {
		return "", false
	}
	kind, params, err := mime.ParseMediaType(p.contentType)
	if err != nil || p.contentType == "" {
		kind = "text/plain"
	}
	switch {
	case kind == "text/plain":
		body, err := io.ReadAll(p.decoded())
		if err != nil && len(body) == 0 {
			return "", false
		}
		return printable(body), true
	case strings.HasPrefix(kind, "multipart/"):
		parts := multipart.NewReader(p.body, params["boundary"])
		for {
			next, err := parts.NextRawPart()
			if err != nil {
				return "", false
			}
			if text, ok := plain(part{next.Header.Get("Content-Type"), next.Header.Get("Content-Transfer-Encoding"), next}, left); ok {
				return text, true
			}
		}
	}
	return "", false
}

func (p part) decoded() io.Reader {
	switch strings.ToLower(strings.TrimSpace(p.encoding)) {
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, p.body) // it skips line breaks
	case "quoted-printable":
		return quotedprintable.NewReader(p.body)
	}
	return p.body
}

// printable is text in UTF-8 with the line ends of this world.
func printable(b []byte) string {
	return strings.ReplaceAll(strings.ToValidUTF8(string(b), "\ufffd"), "\r\n", "\n")
}
