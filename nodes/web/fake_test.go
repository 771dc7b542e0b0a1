package web_test

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"firedrill/nodes"
)

// machine is as much of an Env as one task needs: its tasks run at once and to their end.
type machine struct {
	nodes.Env // nil: what is not below is not used
	uptime    time.Duration
	log       strings.Builder
}

var start = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)

func (m *machine) Now() time.Time              { return start.Add(m.uptime) }
func (m *machine) Uptime() time.Duration       { return m.uptime }
func (m *machine) Sleep(d time.Duration)       { m.uptime += d }
func (m *machine) Go(name string, task func()) { task() }
func (m *machine) Log() *slog.Logger {
	noTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	return slog.New(slog.NewTextHandler(&m.log, &slog.HandlerOptions{ReplaceAttr: noTime}))
}

// script is a connection whose other end follows a script: segments that come one read at a time, and pauses between
// them.
type script struct {
	m        *machine
	in       []any // string: a segment; time.Duration: a pause; error: what reading ends with. At the end: io.EOF
	out      strings.Builder
	writeErr error
	room     int // how many bytes can be written before writeErr
	deadline time.Time
	closed   bool
	half     bool // CloseWrite was called
}

func (s *script) Read(p []byte) (int, error) {
	for len(s.in) > 0 {
		switch next := s.in[0].(type) {
		case string:
			n := copy(p, next)
			if s.in[0] = next[n:]; n == len(next) {
				s.in = s.in[1:]
			}
			return n, nil
		case time.Duration:
			if at := s.m.Now().Add(next); !s.deadline.IsZero() && at.After(s.deadline) {
				s.in[0] = at.Sub(s.deadline)
				s.m.uptime += s.deadline.Sub(s.m.Now())
				return 0, os.ErrDeadlineExceeded
			}
			s.m.uptime += next
			s.in = s.in[1:]
		case error:
			return 0, next
		}
	}
	return 0, io.EOF
}

func (s *script) Write(p []byte) (int, error) {
	if s.closed || s.half {
		return 0, net.ErrClosed
	}
	if s.writeErr != nil && len(p) > s.room {
		n := s.room
		s.room = 0
		s.out.Write(p[:n])
		return n, s.writeErr
	}
	if s.writeErr != nil {
		s.room -= len(p)
	}
	return s.out.Write(p)
}

func (s *script) Close() error {
	s.closed = true
	return nil
}

func (s *script) CloseWrite() error {
	s.half = true
	return nil
}

func (s *script) LocalAddr() net.Addr  { return address("10.0.0.1:80") }
func (s *script) RemoteAddr() net.Addr { return address("10.0.0.2:1024") }

func (s *script) SetDeadline(t time.Time) error      { return s.SetReadDeadline(t) }
func (s *script) SetReadDeadline(t time.Time) error  { s.deadline = t; return nil }
func (s *script) SetWriteDeadline(t time.Time) error { return nil }

func address(s string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }

// listener accepts what it holds, one after the other.
type listener struct {
	net.Listener
	waiting []any // *script, or error
}

func (l *listener) Accept() (net.Conn, error) {
	if len(l.waiting) == 0 {
		return nil, net.ErrClosed
	}
	next := l.waiting[0]
	l.waiting = l.waiting[1:]
	if err, ok := next.(error); ok {
		return nil, err
	}
	return next.(*script), nil
}

var errReset = errors.New("connection reset by peer")

// lines is a message as tests write it: `\n` ends a line of a head, and Date is left out.
func lines(wire string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.ReplaceAll(wire, "\r\n", "\n")) {
		if !strings.HasPrefix(line, "Date: ") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

func mustContain(t *testing.T, have, want string) {
	t.Helper()
	if !strings.Contains(have, want) {
		t.Errorf("want %q in %q", want, have)
	}
}
