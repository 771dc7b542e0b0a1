//go:build linux

package env

import (
	"errors"
	"os"
	"time"
)

// socket is what connections and listeners have in common: calls that wait give way, and deadlines are moments of the machine's
// own clock from when they are set. Its fields are used with the turn held.
type socket struct {
	m           *Machine
	network     string // that the software asked for
	raw         rawSocket
	read, write moment
}

// rawSocket is a socket of package net.
type rawSocket interface {
	Close() error
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// opened makes a socket one that ends with the software.
func (m *Machine) opened(raw rawSocket, network string) *socket {
	s := &socket{m: m, network: network, raw: raw}
	m.keep(s)
	return s
}

// abandon implements closer.
func (s *socket) abandon() { _ = s.raw.Close() }

func (s *socket) named(err error) error { return renamed(err, s.network) }

// shut is Close for the software.
func (s *socket) shut() error {
	s.m.check()
	s.m.forget(s)
	return s.named(s.raw.Close())
}

// overdue is a deadline that has passed by any clock.
var overdue = time.Unix(1, 0)

// deadline is when, by this process's clock, a moment comes; the zero time: as things are, never.
func (m *Machine) deadline(x moment) time.Time {
	switch d, comes := m.until(x); {
	case !comes:
		return time.Time{}
	case d <= 0:
		return overdue
	default:
		return time.Now().Add(d)
	}
}

// setDeadline is for both directions: what fails for one fails for the other.
func (s *socket) setDeadline(t time.Time) error {
	if err := s.setWriteDeadline(t); err != nil {
		return err
	}
	return s.setReadDeadline(t)
}

func (s *socket) setReadDeadline(t time.Time) error {
	s.read = s.m.wallClock(t)
	return s.named(s.raw.SetReadDeadline(s.m.deadline(s.read)))
}

func (s *socket) setWriteDeadline(t time.Time) error {
	s.write = s.m.wallClock(t)
	return s.named(s.raw.SetWriteDeadline(s.m.deadline(s.write)))
}

// retime sets the deadlines anew, by the clock as it goes now. That of a socket which was closed does no harm.
func (s *socket) retime() {
	if s.read.set {
		_ = s.raw.SetReadDeadline(s.m.deadline(s.read))
	}
	if s.write.set {
		_ = s.raw.SetWriteDeadline(s.m.deadline(s.write))
	}
}

// early reports whether a call ended by a deadline whose moment has not come: the clock has slowed down or stands still, or
// another task has set a later one. The call is to be made again.
func (s *socket) early(err error, x *moment) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) || s.m.passed(*x) {
		return false
	}
	s.retime()
	return true
}

// reading makes a call that waits to read; receive returns its error.
func (s *socket) reading(receive func() error) error {
	for {
		var err error
		s.m.outside(func() { err = receive() })
		if !s.early(err, &s.read) {
			return s.named(err)
		}
	}
}

// writing makes a call that waits to write b, and counts what was written.
func (s *socket) writing(b []byte, send func(b []byte) (int, error)) (n int, err error) {
	for {
		var part int
		s.m.outside(func() { part, err = send(b[n:]) })
		if n += part; !s.early(err, &s.write) {
			return n, s.named(err)
		}
	}
}
