package dnstest

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// Fault is what a server does wrong.
type Fault string

const (
	Silent    Fault = "silent"     // it never answers
	ServFail  Fault = "servfail"   // it has trouble of its own
	Refused   Fault = "refused"    // it does not serve this name
	NoSuch    Fault = "nxdomain"   // it says that nothing has that name
	WrongID   Fault = "wrong id"   // its answers are to another question's id
	WrongName Fault = "wrong name" // its answers are to another question
	Truncated Fault = "truncated"  // over UDP it says that the answer does not fit, though it would
	Garbage   Fault = "garbage"    // no DNS at all
	Cut       Fault = "cut"        // half an answer
)

// Server is one DNS server.
type Server struct {
	// Address is where it listens, UDP and TCP.
	Address string

	mu      sync.Mutex
	records map[string][][]string
	fault   Fault
	asked   map[string]int // questions by transport
}

// Start runs a server until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{records: map[string][][]string{}, asked: map[string]int{}}
	var udp net.PacketConn
	var tcp net.Listener
	var err error
	for range 20 { // a port that is free for both
		if tcp, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		if udp, err = net.ListenPacket("udp", tcp.Addr().String()); err == nil {
			break
		}
		tcp.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	s.Address = tcp.Addr().String()
	var running sync.WaitGroup
	running.Go(func() { s.serveUDP(udp) })
	running.Go(func() { s.serveTCP(tcp) })
	t.Cleanup(func() { udp.Close(); tcp.Close(); running.Wait() })
	return s
}

// Set gives a name its TXT records, each of one string or several; none takes them away.
func (s *Server) Set(name string, records ...[]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[strings.ToLower(strings.TrimSuffix(name, "."))+"."] = records
}

// Break has every answer go wrong from now on; "" mends it.
func (s *Server) Break(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Asked is how many questions came over "udp" or "tcp".
func (s *Server) Asked(network string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[network]
}

func (s *Server) serveUDP(c net.PacketConn) {
	buf := make([]byte, 4096)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		if out := s.answer("udp", buf[:n]); out != nil {
			_, _ = c.WriteTo(out, from)
		}
	}
}

func (s *Server) serveTCP(l net.Listener) {
	var running sync.WaitGroup
	defer running.Wait()
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		running.Go(func() {
			defer c.Close()
			var length [2]byte
			if _, err := io.ReadFull(c, length[:]); err != nil {
				return
			}
			query := make([]byte, binary.BigEndian.Uint16(length[:]))
			if _, err := io.ReadFull(c, query); err != nil {
				return
			}
			out := s.answer("tcp", query)
			if out == nil {
				return
			}
			_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...))
		})
	}
}

// udpSize is what a resolver takes over UDP that says so (DNS flag day 2020).
const udpSize = 1232

func (s *Server) answer(network string, query []byte) []byte {
	s.mu.Lock()
	fault := s.fault
	s.asked[network]++
	s.mu.Unlock()
	switch fault {
	case Silent:
		return nil
	case Garbage:
		return []byte("220 mail.example ESMTP\r\n")
	}
	var q dnsmessage.Message
	if err := q.Unpack(query); err != nil || len(q.Questions) != 1 {
		return nil
	}
	a := dnsmessage.Message{Header: dnsmessage.Header{ID: q.ID, Response: true, RecursionDesired: q.RecursionDesired, RecursionAvailable: true}, Questions: q.Questions}
	switch fault {
	case ServFail:
		a.RCode = dnsmessage.RCodeServerFailure
	case Refused:
		a.RCode = dnsmessage.RCodeRefused
	case NoSuch:
		a.RCode = dnsmessage.RCodeNameError
	default:
		s.fill(&a)
	}
	switch {
	case fault == WrongID:
		a.ID++
	case fault == WrongName:
		a.Questions = []dnsmessage.Question{{Name: dnsmessage.MustNewName("other.test."), Type: dnsmessage.TypeTXT, Class: dnsmessage.ClassINET}}
	case fault == Truncated && network == "udp":
		a.Truncated, a.Answers = true, nil
	}
	out, err := a.Pack()
	if err == nil && network == "udp" && len(out) > udpSize {
		a.Truncated, a.Answers = true, nil
		out, err = a.Pack()
	}
	if err != nil {
		panic(fmt.Sprintf("dnstest: %v", err))
	}
	if fault == Cut {
		out = out[:len(out)-len(out)/3]
	}
	return out
}

// fill gives the answer to the one question.
func (s *Server) fill(a *dnsmessage.Message) {
	q := a.Questions[0]
	s.mu.Lock()
	records, known := s.records[strings.ToLower(q.Name.String())]
	s.mu.Unlock()
	switch {
	case !known:
		a.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeTXT:
		for _, texts := range records {
			a.Answers = append(a.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: dnsmessage.TypeTXT, Class: dnsmessage.ClassINET, TTL: 60},
				Body: &dnsmessage.TXTResource{TXT: texts}})
		}
	}
}
