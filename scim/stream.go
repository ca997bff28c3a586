package scim

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"time"
)

// RowReader is the value of a row-level attribute in a Resource that a Backend returns from Get, Create, Replace or
// Patch where Rows would be too many to hold at once: they are read while the answer is written, and go to the client as
// they come. All of it, the resource beside it included, is of one moment, or its version would be of another state
// than its rows.
//
// The Handler calls Close once, whatever became of the answer. Where Next fails, or the client does not take
// what is sent, the connection is cut: half an answer is never taken for a whole one.
type RowReader interface {
	// Next returns the rows that follow, and io.EOF when there are none left. They are not kept.
	Next() (Rows, error)
	Close()
}

// partTime is how long a client may take for one part of an answer that is read while it is written: what is read
// holds a view of the database open. streamTime is the same for the whole answer.
const (
	partTime   = 10 * time.Second
	streamTime = 2 * time.Minute
)

// rowsMark stands in a rendered resource where the rows of a RowReader go. Every control character in JSON is escaped,
// so it is nothing else.
const rowsMark = 0

// opened is a RowReader that a rendered resource has a place for.
type opened struct {
	reader RowReader
	rows   *rowWriter
}

// openRows is the RowReader of a resource, or nil.
func openRows(t *ResourceType, r Resource) RowReader {
	for _, a := range t.Schema.Attributes {
		if reader, ok := r[a.Name].(RowReader); ok && a.RowLevel {
			return reader
		}
	}
	return nil
}

// closeRows ends the reading of a resource's rows that are not going to be shown.
func closeRows(t *ResourceType, r Resource) {
	if reader := openRows(t, r); reader != nil {
		reader.Close()
	}
}

// drop ends what an answer would have read, where it is not sent.
func (a *answer) drop() {
	if a.open.reader != nil {
		a.open.reader.Close()
		a.open.reader = nil
	}
}

// stream sends a body with the rows at their place. The status and the headers have been written; the caller closes the reader.
func (a *answer) stream(w http.ResponseWriter) {
	began, control := time.Now(), http.NewResponseController(w)
	send := func(part []byte) {
		now := time.Now()
		deadline := now.Add(partTime)
		if last := began.Add(streamTime); last.Before(deadline) {
			deadline = last
		}
		_ = control.SetWriteDeadline(deadline) // where it cannot be set, the server's own holds
		if _, err := w.Write(part); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
	at := bytes.IndexByte(a.body, rowsMark)
	part := append(append(make([]byte, 0, 64<<10), a.body[:at]...), '[')
	for {
		rows, err := a.open.reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		part = a.open.rows.append(part, rows)
		send(part)
		part = part[:0]
	}
	send(append(append(part, ']'), a.body[at+1:]...))
}
