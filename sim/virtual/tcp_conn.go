package virtual

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/pion/transport/v3"
)

// addrCache keeps a net.Addr, which software asks for at every request.
type addrCache struct{ addr net.Addr }

func (a *addrCache) of(p netip.AddrPort) net.Addr {
	if a.addr == nil {
		a.addr = net.TCPAddrFromAddrPort(p)
	}
	return a.addr
}

func (c *tcpConn) fail(op string, err error) error {
	return opError(op, "tcp", c.LocalAddr(), c.RemoteAddr(), err)
}

// Read implements net.Conn.
func (c *tcpConn) Read(b []byte) (int, error) {
	t := c.m.self()
	c.m.mayYield()
	for {
		switch {
		case c.closed:
			return 0, c.fail("read", net.ErrClosed)
		case len(b) == 0:
			return 0, nil
		case c.read.passed(c.m):
			return 0, c.fail("read", os.ErrDeadlineExceeded)
		case len(c.in) > 0 && (c.state != tcpDead || c.err == nil):
			return c.take(b), nil
		case c.eof || c.shutRead:
			return 0, io.EOF
		case c.state == tcpDead && c.err != nil:
			return 0, c.fail("read", c.err)
		case c.state == tcpDead:
			return 0, io.EOF
		}
		c.read.wait(t, &c.readers)
	}
}

// take moves bytes to the reader. A window that was nearly shut and is open again is worth telling the peer.
func (c *tcpConn) take(b []byte) int {
	n := 0
	for n < len(b) && len(c.in) > 0 {
		k := copy(b[n:], c.in[0].data)
		n += k
		if k == len(c.in[0].data) {
			c.in[0] = chunk{}
			c.in = c.in[1:]
		} else {
			c.in[0].data = c.in[0].data[k:]
		}
	}
	before := c.space - c.inBytes
	c.inBytes -= n
	if c.state == tcpEstablished && before < 2*tcpSegmentMax && c.space-c.inBytes >= 2*tcpSegmentMax {
		c.acknowledge()
	}
	return n
}

// Write implements net.Conn. It returns when everything is in the send buffer.
func (c *tcpConn) Write(b []byte) (int, error) {
	t := c.m.self()
	c.m.mayYield()
	written := 0
	for {
		switch {
		case c.closed:
			return written, c.fail("write", net.ErrClosed)
		case c.state == tcpDead && c.err != nil:
			return written, c.fail("write", c.err)
		case c.state == tcpDead || c.fin:
			return written, c.fail("write", syscall.EPIPE)
		case c.write.passed(c.m):
			return written, c.fail("write", os.ErrDeadlineExceeded)
		case written == len(b):
			return written, nil
		}
		if free := c.room - int(c.end-max(c.una, 1)); free > 0 {
			part := slices.Clone(b[written:min(len(b), written+free)])
			c.out = append(c.out, chunk{c.end, part})
			c.end += uint64(len(part))
			written += len(part)
			c.push()
			if written == len(b) {
				return written, nil
			}
			continue
		}
		c.write.wait(t, &c.writers)
	}
}

// ReadFrom implements io.ReaderFrom.
func (c *tcpConn) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{c}, r)
}

// Close implements net.Conn. What is in the send buffer still goes out; what lies unread makes it a reset.
func (c *tcpConn) Close() error {
	c.m.self()
	if c.closed {
		return c.fail("close", net.ErrClosed)
	}
	c.m.sockets.closed(c)
	c.shut()
	return nil
}

// CloseWrite implements transport.TCPConn.
func (c *tcpConn) CloseWrite() error {
	c.m.self()
	if c.closed || c.state != tcpEstablished {
		return c.fail("close", syscall.ENOTCONN)
	}
	c.fin = true
	c.push()
	return nil
}

// CloseRead implements transport.TCPConn. What still comes is acknowledged and dropped.
func (c *tcpConn) CloseRead() error {
	c.m.self()
	if c.closed || c.state != tcpEstablished {
		return c.fail("close", syscall.ENOTCONN)
	}
	c.shutRead = true
	c.in, c.inBytes = nil, 0
	for _, k := range c.ahead {
		c.inBytes += len(k.data)
	}
	c.readers.wake(c.m.w)
	return nil
}

// LocalAddr implements net.Conn.
func (c *tcpConn) LocalAddr() net.Addr { return c.localAddr.of(c.local) }

// RemoteAddr implements net.Conn.
func (c *tcpConn) RemoteAddr() net.Addr { return c.otherAddr.of(c.remote) }

// SetDeadline implements net.Conn.
func (c *tcpConn) SetDeadline(t time.Time) error {
	if err := c.SetWriteDeadline(t); err != nil {
		return err
	}
	return c.SetReadDeadline(t)
}

// SetReadDeadline implements net.Conn. It also holds for a read that waits already.
func (c *tcpConn) SetReadDeadline(t time.Time) error {
	if c.closed {
		return c.fail("set", net.ErrClosed)
	}
	c.read = c.m.deadlineAt(t)
	c.readers.wake(c.m.w)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (c *tcpConn) SetWriteDeadline(t time.Time) error {
	if c.closed {
		return c.fail("set", net.ErrClosed)
	}
	c.write = c.m.deadlineAt(t)
	c.writers.wake(c.m.w)
	return nil
}

// SetLinger implements transport.TCPConn: with 0, Close resets. Other values are as none.
func (c *tcpConn) SetLinger(seconds int) error {
	c.linger0 = seconds == 0
	return nil
}

// SetNoDelay implements transport.TCPConn. Nothing is ever delayed here.
func (c *tcpConn) SetNoDelay(bool) error { return nil }

// SetWriteBuffer implements transport.TCPConn.
func (c *tcpConn) SetWriteBuffer(bytes int) error {
	c.room = max(bytes, tcpSegmentMax)
	return nil
}

// SetReadBuffer implements transport.TCPConn.
func (c *tcpConn) SetReadBuffer(bytes int) error {
	c.space = max(bytes, tcpSegmentMax)
	return nil
}

// The keep-alive probes of Linux, as Go sets them.
const (
	keepAliveDefault = 15 * time.Second
	keepAliveTries   = 9
)

// SetKeepAlive implements transport.TCPConn. Probes are off until asked for: an idle connection costs nothing.
func (c *tcpConn) SetKeepAlive(enabled bool) error {
	if !enabled {
		c.keepAlive = 0
		c.m.w.cancel(c.keepAliveTimer)
		c.keepAliveTimer = nil
		return nil
	}
	return c.SetKeepAlivePeriod(keepAliveDefault)
}

// SetKeepAlivePeriod implements transport.TCPConn.
func (c *tcpConn) SetKeepAlivePeriod(d time.Duration) error {
	if d <= 0 {
		return c.fail("set", syscall.EINVAL)
	}
	c.keepAlive = d
	if c.keepAliveTimer == nil {
		c.keepAliveTimer = c.m.w.after(d, c.m, c.probe)
	}
	return nil
}

// probe asks a peer that was silent for a period whether it is still there.
func (c *tcpConn) probe() {
	c.keepAliveTimer = nil
	if c.state != tcpEstablished || c.keepAlive == 0 {
		return
	}
	next := c.keepAlive
	if silent := c.m.w.now - c.heard; silent < c.keepAlive {
		next -= silent
	} else {
		if c.keepAliveProbes == keepAliveTries {
			c.die(syscall.ETIMEDOUT)
			return
		}
		c.keepAliveProbes++
		c.emit(flagACK, c.una-1, nil, nil)
	}
	c.keepAliveTimer = c.m.w.after(next, c.m, c.probe)
}

// listener implements transport.TCPListener.
type listener struct {
	m       *machine
	local   netip.AddrPort
	waiting []*tcpConn
	accepts queue
	limit   deadline
	closed  bool
}

func (m *machine) listenTCP(local netip.AddrPort) (*listener, error) {
	if !local.Addr().IsUnspecified() && !m.local(local.Addr()) {
		return nil, syscall.EADDRNOTAVAIL
	}
	s := &m.sockets
	taken := func(port uint16) bool {
		return slices.ContainsFunc(s.listeners[port], func(l *listener) bool {
			return clash(l.local.Addr(), local.Addr())
		})
	}
	port := local.Port()
	if port == 0 {
		var err error
		if port, err = s.ephemeral(taken); err != nil {
			return nil, err
		}
	} else if taken(port) {
		return nil, syscall.EADDRINUSE
	}
	l := &listener{m: m, local: netip.AddrPortFrom(local.Addr(), port)}
	s.listeners[port] = append(s.listeners[port], l)
	s.opened(l)
	return l, nil
}

// incoming answers a SYN.
func (m *machine) incoming(p *packet) {
	var l *listener
	for _, o := range m.sockets.listeners[p.dst.Port()] {
		if o.local.Addr().IsUnspecified() || o.local.Addr() == p.dst.Addr() {
			l = o
		}
	}
	switch {
	case l == nil:
		m.rebuff(p)
		return
	case len(l.waiting) >= backlogMax: // As if it had never come.
		return
	}
	c := m.newConn(p.dst, p.src, tcpSynReceived)
	c.listener, c.peer = l, p.sender
	c.rcv, c.nxt = 1, 1
	c.window = uint64(p.tcp.window)
	c.sent = m.w.now
	c.emit(flagSYN|flagACK, 0, nil, c)
}

// arrived queues a connection for Accept.
func (l *listener) arrived(c *tcpConn) {
	l.waiting = append(l.waiting, c)
	l.accepts.wakeOne(l.m.w)
}

// AcceptTCP implements transport.TCPListener.
func (l *listener) AcceptTCP() (transport.TCPConn, error) {
	t := l.m.self()
	l.m.mayYield()
	for {
		switch {
		case l.closed:
			return nil, opError("accept", "tcp", nil, l.Addr(), net.ErrClosed)
		case len(l.waiting) > 0:
			c := l.waiting[0]
			l.waiting = l.waiting[1:]
			c.listener = nil
			l.m.sockets.opened(c)
			return c, nil
		case l.limit.passed(l.m):
			return nil, opError("accept", "tcp", nil, l.Addr(), os.ErrDeadlineExceeded)
		}
		l.limit.wait(t, &l.accepts)
	}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Close implements net.Listener. Connections that nobody has accepted are reset.
func (l *listener) Close() error {
	l.m.self()
	if l.closed {
		return opError("close", "tcp", nil, l.Addr(), net.ErrClosed)
	}
	l.m.sockets.closed(l)
	l.abandon()
	return nil
}

func (l *listener) abandon() {
	l.closed = true
	s := &l.m.sockets
	port := l.local.Port()
	s.listeners[port] = slices.DeleteFunc(s.listeners[port], func(o *listener) bool { return o == l })
	for _, c := range l.waiting {
		c.abort()
	}
	l.waiting = nil
	l.accepts.wake(l.m.w)
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.local) }

// SetDeadline implements transport.TCPListener.
func (l *listener) SetDeadline(t time.Time) error {
	l.limit = l.m.deadlineAt(t)
	l.accepts.wake(l.m.w)
	return nil
}

// dialTCP connects. A timeout of 0 is the kernel's own.
func (m *machine) dialTCP(local, remote netip.AddrPort, limit deadline) (*tcpConn, error) {
	t := m.self()
	m.mayYield()
	if remote.Addr().IsUnspecified() {
		remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), remote.Port())
	}
	source := local.Addr()
	if source.IsUnspecified() {
		var err error
		if source, err = m.source(remote.Addr()); err != nil {
			return nil, err
		}
	} else if !m.local(source) {
		return nil, syscall.EADDRNOTAVAIL
	}
	port := local.Port()
	used := func(port uint16) bool {
		return m.sockets.conns[flowOf(netip.AddrPortFrom(source, port), remote)] != nil
	}
	if port == 0 {
		var err error
		if port, err = m.sockets.ephemeral(used); err != nil {
			return nil, err
		}
	} else if used(port) {
		return nil, syscall.EADDRINUSE
	}
	c := m.newConn(netip.AddrPortFrom(source, port), remote, tcpSynSent)
	m.sockets.opened(c)
	c.connect(0)
	for c.state == tcpSynSent {
		if limit.passed(m) {
			c.die(os.ErrDeadlineExceeded)
			break
		}
		limit.wait(t, &c.writers)
	}
	if c.state == tcpDead && c.err != nil && !errors.Is(c.err, syscall.ECONNRESET) {
		m.sockets.closed(c)
		return nil, c.err
	}
	return c, nil
}
