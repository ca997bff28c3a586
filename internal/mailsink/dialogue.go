package mailsink

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

const (
	// maxMistakes is how many bad commands a client may send before it is sent away.
	maxMistakes = 20
	// maxTime bounds a whole dialogue.
	maxTime = 10 * time.Minute
)

// dialogue is one client's connection.
type dialogue struct {
	sink     *Sink
	conn     net.Conn
	in       *bufio.Reader
	out      *bufio.Writer
	ends     time.Time
	greeted  string // what EHLO or HELO said
	envelope *Message
	mistakes int
}

var (
	errLineTooLong = errors.New("line too long")
	errBareBreak   = errors.New("CR or LF without the other")
)

// run talks until the client leaves, says nothing for too long, or is sent away.
func (d *dialogue) run() {
	d.in, d.out = bufio.NewReaderSize(d.conn, 4096), bufio.NewWriter(d.conn)
	d.ends = time.Now().Add(maxTime) // of the connection, so by the real clock
	if d.say(220, d.sink.options.Name+" keeps mail and delivers none") != nil {
		return
	}
	for {
		line, err := d.line(maxCommandLine)
		switch {
		case errors.Is(err, errLineTooLong) || errors.Is(err, errBareBreak):
			err = reply{500, "Expected a line of up to 512 bytes that ends with CR LF"}
		case err != nil:
			return
		}
		var c command
		if err == nil {
			c, err = parseCommand(string(line))
		}
		if !d.answer(c, err) {
			return
		}
	}
}

// answer does a command, or refuses a line, and reports whether the dialogue goes on.
func (d *dialogue) answer(c command, err error) bool {
	if err == nil {
		err = d.do(c)
	}
	var no reply
	if errors.As(err, &no) {
		if d.mistakes++; d.mistakes > maxMistakes {
			_ = d.say(421, "Too many mistakes")
			return false
		}
		return d.say(no.code, no.text) == nil
	}
	return err == nil && c.verb != "QUIT"
}

// do returns a reply where the command is refused, and another error where the client is gone.
func (d *dialogue) do(c command) error {
	switch c.verb {
	case "EHLO":
		d.greeted, d.envelope = c.name, nil
		return d.say(250, d.sink.options.Name, "8BITMIME", fmt.Sprintf("SIZE %d", d.sink.options.MaxBytes))
	case "HELO":
		d.greeted, d.envelope = c.name, nil
		return d.say(250, d.sink.options.Name)
	case "MAIL":
		return d.mail(c)
	case "RCPT":
		return d.recipient(c)
	case "DATA":
		return d.data()
	case "RSET":
		d.envelope = nil
		return d.say(250, "Forgotten")
	case "VRFY":
		return d.say(252, "Every address is taken here")
	case "HELP":
		return d.say(214, "See RFC 5321")
	case "QUIT":
		return d.say(221, "Bye")
	}
	return d.say(250, "Nothing done")
}

func (d *dialogue) mail(c command) error {
	switch {
	case d.greeted == "":
		return reply{503, "Expected EHLO or HELO first"}
	case d.envelope != nil:
		return reply{503, "Expected one MAIL for each message"}
	case c.size > d.sink.options.MaxBytes:
		return reply{552, fmt.Sprintf("Messages have up to %d bytes here", d.sink.options.MaxBytes)}
	}
	d.envelope = &Message{From: c.path, Hello: d.greeted}
	return d.say(250, "Sender taken")
}

func (d *dialogue) recipient(c command) error {
	switch {
	case d.envelope == nil:
		return reply{503, "Expected MAIL first"}
	case len(d.envelope.To) >= d.sink.options.MaxRecipients:
		return reply{452, "Too many recipients"}
	}
	d.envelope.To = append(d.envelope.To, c.path)
	return d.say(250, "Recipient taken")
}

// data takes the text of a message. Whatever is wrong with it is said after its end, so that what
// follows is read as commands again and no part of it is.
func (d *dialogue) data() error {
	switch {
	case d.envelope == nil:
		return reply{503, "Expected MAIL first"}
	case len(d.envelope.To) == 0:
		return reply{503, "Expected RCPT first"}
	}
	if err := d.say(354, "End with a dot on a line of its own"); err != nil {
		return err
	}
	m := d.envelope
	d.envelope = nil
	text, err := d.text()
	if err != nil {
		return err
	}
	m.Raw = text
	kept := d.sink.keep(*m)
	return d.say(250, fmt.Sprintf("Kept as message %d", kept.ID))
}

// text reads lines until the one with a dot alone and takes the first dot off others (section 4.5.2).
func (d *dialogue) text() ([]byte, error) {
	var out []byte
	var wrong error
	for {
		line, err := d.line(maxTextLine + 1) // the dot that was put in does not count
		switch {
		case errors.Is(err, errLineTooLong):
			wrong = reply{500, "Lines have up to 1000 bytes"}
			continue
		case errors.Is(err, errBareBreak):
			wrong = reply{554, "Expected every line to end with CR LF"}
			continue
		case err != nil:
			return nil, err
		case string(line) == ".":
			return out, wrong
		}
		if wrong != nil {
			continue
		}
		line = bytes.TrimPrefix(line, []byte("."))
		if out = append(append(out, line...), '\r', '\n'); int64(len(out)) > d.sink.options.MaxBytes {
			out, wrong = nil, reply{552, fmt.Sprintf("Messages have up to %d bytes here", d.sink.options.MaxBytes)}
		}
	}
}

// line reads up to CR LF, which count towards limit and are taken off. A line that is too long or has
// CR or LF alone in it is read to its end and is an error.
func (d *dialogue) line(limit int) ([]byte, error) {
	deadline := time.Now().Add(d.sink.options.Patience)
	if d.ends.Before(deadline) {
		deadline = d.ends
	}
	if err := d.conn.SetReadDeadline(deadline); err != nil {
		return nil, err
	}
	return readLine(d.in, limit)
}

func readLine(in *bufio.Reader, limit int) ([]byte, error) {
	var out []byte
	var wrong error
	for {
		part, err := in.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			if errors.Is(err, io.EOF) && len(part)+len(out) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if out = append(out, part...); len(out) > limit {
			wrong = errLineTooLong
			out = out[len(out)-1:] // enough to see a CR LF that is parted
		}
		if err != nil { // the line goes on
			continue
		}
		end := bytes.HasSuffix(out, []byte("\r\n")) || bytes.HasSuffix(part, []byte("\r\n"))
		if !end {
			if wrong == nil {
				wrong = errBareBreak
			}
			continue
		}
		if wrong != nil {
			return nil, wrong
		}
		out = out[:len(out)-2]
		if bytes.IndexByte(out, '\r') >= 0 {
			return nil, errBareBreak
		}
		return out, nil
	}
}

// say sends a reply, of several lines where there are several texts.
func (d *dialogue) say(code int, texts ...string) error {
	if err := d.conn.SetWriteDeadline(time.Now().Add(d.sink.options.Patience)); err != nil {
		return err
	}
	for i, text := range texts {
		between := "-"
		if i == len(texts)-1 {
			between = " "
		}
		if _, err := fmt.Fprintf(d.out, "%d%s%s\r\n", code, between, text); err != nil {
			return err
		}
	}
	return d.out.Flush()
}
