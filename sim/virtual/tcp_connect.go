package virtual

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/pion/transport/v3"
)

// listener implements transport.TCPListener.
type listener struct {
	m       *machine
	network string
	local   netip.AddrPort
	waiting []*tcpConn
	accepts queue
	limit   deadline
	closed  bool
}

func (m *machine) listenTCP(network string, local netip.AddrPort) (*listener, error) {
	if !local.Addr().IsUnspecified() && !m.local(local.Addr()) {
		return nil, syscall.EADDRNOTAVAIL
	}
	s := &m.sockets
	taken := func(port uint16) bool {
		return slices.ContainsFunc(s.listeners[port], func(l *listener) bool {
			return clash(l.local.Addr(), local.Addr())
		}) || m.dialledFrom(netip.AddrPortFrom(local.Addr(), port))
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
	l := &listener{m: m, network: network, local: netip.AddrPortFrom(local.Addr(), port)}
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
	c.listener, c.network, c.peer = l, l.network, p.sender
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
			return nil, opError("accept", l.network, nil, l.Addr(), net.ErrClosed)
		case l.limit.passed(l.m):
			return nil, opError("accept", l.network, nil, l.Addr(), os.ErrDeadlineExceeded)
		case len(l.waiting) > 0:
			c := l.waiting[0]
			l.waiting = l.waiting[1:]
			c.listener = nil
			l.m.sockets.opened(c)
			return c, nil
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
		return opError("close", l.network, nil, l.Addr(), net.ErrClosed)
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
	if l.closed {
		return net.ErrClosed
	}
	l.limit = l.m.deadlineAt(t)
	l.accepts.wake(l.m.w)
	return nil
}

// dialledFrom reports whether a connection that this machine began holds the port. Those that came in by a listener leave it
// to the next one.
func (m *machine) dialledFrom(local netip.AddrPort) bool {
	for _, c := range m.sockets.conns { // In any order: whether there is one does not depend on it.
		if c.dialled && c.local.Port() == local.Port() && clash(c.local.Addr(), local.Addr()) {
			return true
		}
	}
	return false
}

// bindable is the error of connecting from a port of one's choice, which nobody else may have.
func (m *machine) bindable(local netip.AddrPort) error {
	switch {
	case !local.Addr().IsUnspecified() && !m.local(local.Addr()):
		return os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)
	case local.Port() == 0:
	case m.dialledFrom(local), slices.ContainsFunc(m.sockets.listeners[local.Port()], func(l *listener) bool {
		return clash(l.local.Addr(), local.Addr())
	}):
		return os.NewSyscallError("bind", syscall.EADDRINUSE)
	}
	return nil
}

// dialTCP connects. A timeout of 0 is the kernel's own.
func (m *machine) dialTCP(network string, local, remote netip.AddrPort, limit deadline) (*tcpConn, error) {
	t := m.self()
	m.mayYield()
	if err := m.bindable(local); err != nil {
		return nil, err
	}
	if remote.Addr().IsUnspecified() { // That is to oneself.
		own := local.Addr()
		if own.IsUnspecified() {
			own = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
		remote = netip.AddrPortFrom(own, remote.Port())
	}
	source := local.Addr()
	if source.IsUnspecified() {
		var err error
		if source, err = m.source(remote.Addr()); err != nil {
			return nil, err
		}
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
		return nil, syscall.EADDRNOTAVAIL
	}
	c := m.newConn(netip.AddrPortFrom(source, port), remote, tcpSynSent)
	c.network, c.dialled = network, true
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
