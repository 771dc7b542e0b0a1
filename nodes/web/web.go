// Package web is HTTP/1.1 for nodes: a server for http.Handler values and an http.RoundTripper, both over the network
// of one machine and with the wire code of net/http.
//
// It is there because http.Server and http.Client start goroutines and read the wall clock. Here every wait is a Read,
// a Write, a Dial or an Accept of the machine's own network, and every time limit is a deadline on a connection,
// reckoned from Env.Now. No lock is held across a wait. A request or response body belongs to one task at a time:
// net/http guards a body by a mutex, which a second task would wait for without end.
package web

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"time"

	"firedrill/nodes"
)

// MaxHeader is the limit on the head of a message, request or status line included, unless told otherwise: 64 KiB.
const MaxHeader = 64 << 10

const (
	bufferSize = 8 << 10   // of a connection, each way: a head and the usual 4 KiB of a file go out as one
	pieceSize  = 64 << 10  // what one write of a connection is given at most, so that a slow peer is told from a dead one
	drainLimit = 256 << 10 // what is read of a body that nobody wants, to keep its connection
)

var errHeadTooLong = errors.New("head of the message is too long")

// wire is one connection and its buffers.
type wire struct {
	env  nodes.Env
	conn net.Conn
	r    *bufio.Reader
	w    *bufio.Writer
	// stall limits every single read and write. 0: the deadline that was set last holds.
	stall time.Duration
	// sent and got count bytes; broken is the first error in sending.
	sent, got int64
	broken    error
}

func (w *wire) open(env nodes.Env, conn net.Conn) {
	w.env, w.conn = env, conn
	w.r = bufio.NewReaderSize((*wireEnd)(w), bufferSize)
	w.w = bufio.NewWriterSize((*wireEnd)(w), bufferSize)
}

// wireEnd is the side of a wire that its own buffers read from and write to.
type wireEnd wire

func (w *wireEnd) Read(p []byte) (int, error) {
	if w.stall > 0 {
		if err := w.conn.SetReadDeadline(w.env.Now().Add(w.stall)); err != nil {
			return 0, err
		}
	}
	n, err := w.conn.Read(p)
	w.got += int64(n)
	return n, err
}

func (w *wireEnd) Write(p []byte) (int, error) {
	sum := 0
	for {
		piece := p[sum:min(len(p), sum+pieceSize)]
		if w.stall > 0 {
			if err := w.conn.SetWriteDeadline(w.env.Now().Add(w.stall)); err != nil {
				w.broken = err
				return sum, err
			}
		}
		n, err := w.conn.Write(piece)
		sum, w.sent = sum+n, w.sent+int64(n)
		if err != nil || sum == len(p) {
			w.broken = err
			return sum, err
		}
	}
}

// head waits until the whole head of the next message is there and returns it, unread still: it is bounded so, and
// shows what http.ReadRequest hides. The slice is good until the next read. io.EOF means that nothing came.
func (w *wire) head(limit int) ([]byte, error) {
	seen := 0
	for {
		b, _ := w.r.Peek(w.r.Buffered())
		n := endOfHead(b, seen)
		if n > limit || n == 0 && len(b) >= limit {
			return nil, errHeadTooLong
		}
		if n > 0 {
			return b[:n], nil
		}
		seen = len(b)
		if seen == w.r.Size() {
			w.grow(min(4*seen, limit))
		}
		if _, err := w.r.Peek(seen + 1); err != nil {
			if err == io.EOF && seen > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// grow gives the reader a larger buffer and what was in the old one.
func (w *wire) grow(size int) {
	b, _ := w.r.Peek(w.r.Buffered())
	held := bytes.NewReader(bytes.Clone(b))
	w.r = bufio.NewReaderSize(io.MultiReader(held, (*wireEnd)(w)), size)
	if len(b) > 0 {
		w.r.Peek(len(b))
	}
}

// endOfHead returns the length of a head with its empty line, or 0 where that is not in b. The first seen bytes were
// searched before. As in net/http, a line may end without a carriage return.
func endOfHead(b []byte, seen int) int {
	from := max(seen-3, 0)
	for {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			return 0
		}
		from += i + 1
		switch rest := b[from:]; {
		case len(rest) > 0 && rest[0] == '\n':
			return from + 1
		case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			return from + 2
		}
	}
}

// addrPort is an address of a connection, or the zero value.
func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok && t != nil {
		p := t.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	if a == nil {
		return netip.AddrPort{}
	}
	p, _ := netip.ParseAddrPort(a.String())
	return p
}

// timedOut reports whether the error is a deadline that passed.
func timedOut(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}
