package jobs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/gatehouse-id/gatehouse/internal/keys"
)

// Message is one e-mail.
type Message struct {
	// ID identifies it: one that is sent again, because it is not known whether it arrived, has the same Message-ID, by
	// which mail servers and readers know the second. "" makes one up.
	ID      string
	To      string // address
	Subject string
	Body    string // plain text
	HTML    string // the same as HTML, "" for none
}

// Mailer takes messages. An error that trying again will not mend is one that Permanent made.
type Mailer interface {
	Send(ctx context.Context, m Message) error
}

// SMTP hands messages to a mail server, each in an exchange of its own.
type SMTP struct {
	host    string
	options []gomail.Option
	from    string
	secure  bool // TLS from the start
}

// smtpTime bounds one exchange; less than a handler has.
const smtpTime = 15 * time.Second

// NewSMTP makes a Mailer of "smtp://user:password@host:port" (STARTTLS where it is offered, and
// required where a password is sent) or "smtps://..." (TLS from the start). from is the sender.
func NewSMTP(address, from string) (*SMTP, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("mail server: expected smtp://user:password@host:port")
	}
	if _, err := mail.ParseAddress(from); err != nil {
		return nil, fmt.Errorf("sender of mail: expected a mailbox, received %q", from)
	}
	options := []gomail.Option{gomail.WithTimeout(smtpTime), gomail.WithTLSPolicy(gomail.TLSOpportunistic)}
	port := 587
	if u.Scheme == "smtps" {
		options, port = append(options, gomail.WithSSL()), 465
	}
	if u.Port() != "" {
		if port, err = strconv.Atoi(u.Port()); err != nil {
			return nil, fmt.Errorf("mail server: expected a port, received %q", u.Port())
		}
	}
	options = append(options, gomail.WithPort(port))
	if password, ok := u.User.Password(); ok {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(u.User.Username()), gomail.WithPassword(password))
		if u.Scheme != "smtps" {
			options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
		}
	}
	if _, err := gomail.NewClient(u.Hostname(), options...); err != nil {
		return nil, fmt.Errorf("mail server: %w", err)
	}
	return &SMTP{u.Hostname(), options, from, u.Scheme == "smtps"}, nil
}

// Send makes Mailer of it.
func (s *SMTP) Send(ctx context.Context, m Message) error {
	message, err := s.compose(m)
	if err != nil {
		return Permanent(err)
	}
	options := slices.Clip(s.options)
	if !s.secure { // the library would not know that such a connection is secure, and keep the password to itself
		options = append(options, gomail.WithDialContextFunc(until(ctx)))
	}
	client, err := gomail.NewClient(s.host, options...)
	if err != nil {
		return fmt.Errorf("mail server: %w", err)
	}
	err = client.DialAndSendWithContext(ctx, message)
	if err != nil && message.IsDelivered() {
		return nil // the server took it, and then broke off
	}
	var refused *gomail.SendError
	if errors.As(err, &refused) && refused.ErrorCode() >= 500 && !refused.IsTemp() {
		return Permanent(fmt.Errorf("send mail: %w", err))
	}
	if err != nil {
		return fmt.Errorf("send mail: %w", err)
	}
	return nil
}

// until dials connections that are cut when ctx ends: a server that answers a little now and then would else be listened
// to for longer than a handler has.
func until(ctx context.Context) gomail.DialContextFunc {
	return func(dialling context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(dialling, network, address)
		if err == nil {
			context.AfterFunc(ctx, func() { _ = conn.Close() })
		}
		return conn, err
	}
}

func (s *SMTP) compose(m Message) (*gomail.Msg, error) {
	return compose(s.from, m)
}

// compose makes the message. Addresses and subject are encoded by the library, so that a line break
// in a name is no header.
func compose(from string, m Message) (*gomail.Msg, error) {
	message := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := message.From(from); err != nil {
		return nil, fmt.Errorf("sender: %w", err)
	}
	if err := message.To(m.To); err != nil {
		return nil, fmt.Errorf("recipient: %w", err)
	}
	message.Subject(strings.Join(strings.Fields(m.Subject), " "))
	message.SetDate()
	if m.ID == "" {
		message.SetMessageID()
	} else {
		sender, err := message.GetSender(false)
		if err != nil {
			return nil, fmt.Errorf("sender: %w", err)
		}
		message.SetMessageIDWithValue(m.ID + "@" + strings.TrimSuffix(sender[strings.LastIndexByte(sender, '@')+1:], ">"))
	}
	// Automatic answers, holiday notes above all, are not wanted (RFC 3834).
	message.SetGenHeader("Auto-Submitted", "auto-generated")
	message.SetBodyString(gomail.TypeTextPlain, m.Body)
	if m.HTML != "" {
		message.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	}
	return message, nil
}

// Folder puts each message as a file into a folder, for development.
type Folder struct {
	Path string
	From string
}

// Send makes Mailer of it.
func (f Folder) Send(_ context.Context, m Message) error {
	message, err := compose(f.From, m)
	if err != nil {
		return Permanent(err)
	}
	if err := os.MkdirAll(f.Path, 0o700); err != nil {
		return fmt.Errorf("mail folder: %w", err)
	}
	if err := message.WriteToFile(filepath.Join(f.Path, keys.ID("mail_", time.Now())+".eml")); err != nil {
		return fmt.Errorf("write mail: %w", err)
	}
	return nil
}
