package mailsink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// Options are the sink's surroundings. The zero value works.
type Options struct {
	// Name is who the server says it is; default "localhost".
	Name string
	// Keep is how many messages are kept; default 200.
	Keep int
	// MaxBytes bounds a message; default 1 MiB. MaxRecipients bounds the recipients of one, and is
	// never below the 100 of RFC 5321 section 4.5.3.1.8 by default.
	MaxBytes      int64
	MaxRecipients int
	// MaxConnections bounds clients at the same time; default 50.
	MaxConnections int
	// Patience is how long a client may say nothing; default a minute.
	Patience time.Duration
	// Now tells the time; default time.Now.
	Now func() time.Time
	// OnMessage is told of each message that was taken. It may be nil and must return soon.
	OnMessage func(Message)
	// Base is the path at which Handler is mounted, without a slash at its end; default "".
	Base string
}

// Sink is the mail server and what it has taken. Its methods are safe for concurrent use.
type Sink struct {
	options Options
	pages   pages

	mu       sync.Mutex
	messages []Message     // oldest first
	next     int           // id of the next one
	came     chan struct{} // closed and made anew at each message
	open     map[net.Conn]bool
}

// New makes a sink without messages. It starts nothing.
func New(o Options) (*Sink, error) {
	o.Name = cmp.Or(o.Name, "localhost")
	o.Keep = cmp.Or(max(o.Keep, 0), 200)
	o.MaxBytes = cmp.Or(max(o.MaxBytes, 0), 1<<20)
	o.MaxRecipients = cmp.Or(max(o.MaxRecipients, 0), 100)
	o.MaxConnections = cmp.Or(max(o.MaxConnections, 0), 50)
	o.Patience = cmp.Or(max(o.Patience, 0), time.Minute)
	if o.Now == nil {
		o.Now = time.Now
	}
	p, err := readPages()
	if err != nil {
		return nil, fmt.Errorf("make mail sink: %w", err)
	}
	return &Sink{options: o, pages: p, next: 1, came: make(chan struct{}), open: map[net.Conn]bool{}}, nil
}

// Serve takes mail from l until ctx ends, then hangs up on every client. It closes l.
func (s *Sink) Serve(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { s.hangUp(l) })
	defer stop()
	var clients sync.WaitGroup
	defer clients.Wait()
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			if conn != nil {
				conn.Close()
			}
			s.hangUp(l)
			return nil
		}
		if err != nil {
			s.hangUp(l)
			return fmt.Errorf("take mail: %w", err)
		}
		if !s.admit(conn) {
			_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
			_, _ = conn.Write([]byte("421 Too many clients\r\n")) // it is turned away in any case
			conn.Close()
			continue
		}
		clients.Go(func() {
			defer s.leave(conn)
			(&dialogue{sink: s, conn: conn}).run()
		})
	}
}

func (s *Sink) admit(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) >= s.options.MaxConnections {
		return false
	}
	s.open[conn] = true
	return true
}

func (s *Sink) leave(conn net.Conn) {
	conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, conn)
}

func (s *Sink) hangUp(l net.Listener) {
	l.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.open {
		conn.Close()
	}
}

// keep takes a message and returns it with its id.
func (s *Sink) keep(m Message) Message {
	m.read()
	s.mu.Lock()
	m.ID, m.Received = s.next, s.options.Now()
	s.next++
	s.messages = append(s.messages, m)
	if n := len(s.messages) - s.options.Keep; n > 0 {
		s.messages = slices.Delete(s.messages, 0, n)
	}
	close(s.came)
	s.came = make(chan struct{})
	s.mu.Unlock()
	if s.options.OnMessage != nil {
		s.options.OnMessage(m)
	}
	return m
}

// Messages returns what is kept, newest first.
func (s *Sink) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := slices.Clone(s.messages)
	slices.Reverse(out)
	return out
}

// Clear forgets all messages.
func (s *Sink) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = nil
}

// Message returns one that is kept.
func (s *Sink) Message(id int) (Message, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.messages, func(m Message) bool { return m.ID == id })
	if i < 0 {
		return Message{}, false
	}
	return s.messages[i], true
}

// Wait returns the newest kept message that fits, as soon as there is one.
func (s *Sink) Wait(ctx context.Context, fits func(Message) bool) (Message, error) {
	for {
		s.mu.Lock()
		came := s.came
		for _, m := range slices.Backward(s.messages) {
			if fits(m) {
				s.mu.Unlock()
				return m, nil
			}
		}
		s.mu.Unlock()
		select {
		case <-came:
		case <-ctx.Done():
			return Message{}, errors.Join(errors.New("wait for mail: none came that fits"), ctx.Err())
		}
	}
}
