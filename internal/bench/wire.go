package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// wire is one keep-alive connection. It is far lighter than net/http's client, because server and
// load share the processors.
type wire struct {
	conn net.Conn
	r    *bufio.Reader
	out  []byte
	body []byte

	first    time.Duration // until the first byte of the last answer
	location []byte        // of the last answer, "" without one
	cookies  []byte        // names and values that the last answer set, as a Cookie header has them
}

func dial(ctx context.Context, address string) (*wire, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &wire{conn: conn, r: bufio.NewReaderSize(conn, 32<<10)}, nil
}

func (w *wire) close() { _ = w.conn.Close() }

// do sends one request and reads its answer. header is whole lines with CRLF; the body returned
// is valid until the next call.
func (w *wire) do(method, path, header, body string) (status int, answer []byte, err error) {
	b := append(w.out[:0], method...)
	b = append(b, ' ')
	b = append(b, path...)
	b = append(b, " HTTP/1.1\r\nHost: gatehouse.test\r\n"...)
	b = append(b, header...)
	if body != "" {
		if !strings.Contains(header, contentType) {
			b = append(b, "Content-Type: application/scim+json\r\n"...)
		}
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, int64(len(body)), 10)
		b = append(b, "\r\n"...)
	} else if method == "POST" {
		b = append(b, "Content-Length: 0\r\n"...)
	}
	b = append(b, "\r\n"...)
	b = append(b, body...)
	w.out = b
	began := time.Now()
	if _, err := w.conn.Write(b); err != nil {
		return 0, nil, err
	}
	_, err = w.r.Peek(1)
	if w.first = time.Since(began); err != nil {
		return 0, nil, err
	}
	return w.answer()
}

// contentType begins the header line of bodies that are not SCIM's.
const contentType = "Content-Type: "

var (
	contentLength = []byte("Content-Length: ")
	locationLine  = []byte("Location: ")
	setCookie     = []byte("Set-Cookie: ")
	chunkedBody   = []byte("Transfer-Encoding: chunked")
)

func (w *wire) answer() (status int, answer []byte, err error) {
	line, err := w.r.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < 12 {
		return 0, nil, fmt.Errorf("status line %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, fmt.Errorf("status line %q", line)
	}
	length, chunked := -1, false
	w.location, w.cookies = w.location[:0], w.cookies[:0]
	for {
		if line, err = w.r.ReadSlice('\n'); err != nil {
			return 0, nil, err
		}
		if len(line) <= 2 {
			break
		}
		if rest, ok := bytes.CutPrefix(line, contentLength); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(rest))); err != nil {
				return 0, nil, fmt.Errorf("header %q", line)
			}
		} else if rest, ok := bytes.CutPrefix(line, locationLine); ok {
			w.location = append(w.location, bytes.TrimSpace(rest)...)
		} else if rest, ok := bytes.CutPrefix(line, setCookie); ok {
			pair, _, _ := bytes.Cut(bytes.TrimSpace(rest), []byte(";"))
			if len(w.cookies) > 0 {
				w.cookies = append(w.cookies, "; "...)
			}
			w.cookies = append(w.cookies, pair...)
		} else if bytes.HasPrefix(line, chunkedBody) {
			chunked = true
		}
	}
	if status == 204 || status == 304 {
		return status, nil, nil
	}
	if chunked {
		answer, err := w.chunks()
		return status, answer, err
	}
	if length < 0 {
		return 0, nil, fmt.Errorf("an answer %d without Content-Length", status)
	}
	if cap(w.body) < length {
		w.body = make([]byte, length)
	}
	w.body = w.body[:length]
	_, err = io.ReadFull(w.r, w.body)
	return status, w.body, err
}

// chunks reads a body in chunks (RFC 9112 section 7.1), which net/http sends where a handler does
// not know the length.
func (w *wire) chunks() ([]byte, error) {
	w.body = w.body[:0]
	for {
		line, err := w.r.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		n, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 16, 31)
		if err != nil {
			return nil, fmt.Errorf("size of a chunk: %w", err)
		}
		at := len(w.body)
		w.body = slices.Grow(w.body, int(n)+2)[:at+int(n)+2]
		if _, err := io.ReadFull(w.r, w.body[at:]); err != nil {
			return nil, err
		}
		w.body = w.body[:at+int(n)]
		if n == 0 {
			return w.body, nil
		}
	}
}

// want is do for an answer that must have one status.
func (w *wire) want(status int, method, path, header, body string) ([]byte, error) {
	got, answer, err := w.do(method, path, header, body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if got != status {
		return nil, fmt.Errorf("%s %s: answered %d, expected %d: %s", method, path, got, status, answer)
	}
	return answer, nil
}

// ask is want for an answer in JSON.
func (w *wire) ask(into any, method, path, header, body string) error {
	answer, err := w.want(200, method, path, header, body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}
