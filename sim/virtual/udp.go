package virtual

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"firedrill/sim"
)

const (
	udpHeaders = 14 + 20 + 8
	udpMax     = 65507
	udpBuffer  = 212_992 // bytes that wait to be read, unless told otherwise; more are dropped
	udpLeast   = 2304    // the shortest buffer that there is
	udpCut     = 0x20    // MSG_TRUNC of Linux, whatever this is played on
)

// udpConn implements transport.UDPConn and net.PacketConn.
type udpConn struct {
	m             *machine
	network       string         // as it was opened: udp, udp4
	local, remote netip.AddrPort // remote is not valid where it is not connected
	queue         []datagram
	bytes, room   int
	readers       queue
	read, write   deadline
	failure       error // what ICMP said, to be returned once
	closed        bool
}

type datagram struct {
	from netip.AddrPort
	data []byte
}

// listenUDP opens a socket on a local address, port 0 for any.
func (m *machine) listenUDP(network string, local, remote netip.AddrPort) (*udpConn, error) {
	if !local.Addr().IsUnspecified() && !m.local(local.Addr()) {
		return nil, syscall.EADDRNOTAVAIL
	}
	s := &m.sockets
	taken := func(port uint16) bool {
		return slices.ContainsFunc(s.udp[port], func(u *udpConn) bool { return clash(u.local.Addr(), local.Addr()) })
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
	u := &udpConn{m: m, network: network, room: udpBuffer, local: netip.AddrPortFrom(local.Addr(), port), remote: remote}
	s.udp[port] = append(s.udp[port], u)
	s.opened(u)
	return u, nil
}

// clash reports whether two sockets on one port are in each other's way.
func clash(a, b netip.Addr) bool { return a == b || a.IsUnspecified() || b.IsUnspecified() }

func (u *udpConn) abandon() { u.shut() }

func (u *udpConn) shut() {
	u.closed = true
	s := &u.m.sockets
	port := u.local.Port()
	s.udp[port] = slices.DeleteFunc(s.udp[port], func(o *udpConn) bool { return o == u })
	u.queue = nil
	u.readers.wake(u.m.w)
}

// Close implements net.Conn.
func (u *udpConn) Close() error {
	u.m.self()
	if u.closed {
		return opError("close", u.network, u.LocalAddr(), u.RemoteAddr(), net.ErrClosed)
	}
	u.m.sockets.closed(u)
	u.shut()
	return nil
}

// receiveUDP puts a datagram where it belongs: a connected socket, one on the address, one on all.
func (m *machine) receiveUDP(p *packet) {
	var best *udpConn
	rank := 0
	for _, u := range m.sockets.udp[p.dst.Port()] {
		switch {
		case u.remote == p.src && rank < 3:
			best, rank = u, 3
		case !u.remote.IsValid() && u.local.Addr() == p.dst.Addr() && rank < 2:
			best, rank = u, 2
		case !u.remote.IsValid() && u.local.Addr().IsUnspecified() && rank < 1:
			best, rank = u, 1
		}
	}
	switch {
	case best == nil:
		m.complain(p, syscall.ECONNREFUSED)
	case best.bytes+len(p.data) <= best.room:
		best.queue = append(best.queue, datagram{p.src, p.data})
		best.bytes += len(p.data)
		best.readers.wakeOne(m.w)
	}
}

func (u *udpConn) fail(err syscall.Errno) {
	u.failure = err
	u.readers.wake(u.m.w)
}

// receive takes the next datagram, by the system call of that name.
func (u *udpConn) receive(call string) (datagram, error) {
	t := u.m.self()
	u.m.mayYield()
	fail := func(err error) (datagram, error) {
		return datagram{}, opError("read", u.network, u.LocalAddr(), u.RemoteAddr(), err)
	}
	for {
		switch {
		case u.closed:
			return fail(net.ErrClosed)
		case u.read.passed(u.m):
			return fail(os.ErrDeadlineExceeded)
		case u.failure != nil:
			err := u.failure
			u.failure = nil
			return fail(os.NewSyscallError(call, err))
		case len(u.queue) > 0:
			d := u.queue[0]
			u.queue = u.queue[1:]
			u.bytes -= len(d.data)
			return d, nil
		}
		u.read.wait(t, &u.readers)
	}
}

// transmit sends a datagram, by the system call of that name.
func (u *udpConn) transmit(call string, b []byte, to netip.AddrPort) (int, error) {
	u.m.self()
	u.m.mayYield()
	fail := func(err error) (int, error) {
		if errno, ok := err.(syscall.Errno); ok {
			err = os.NewSyscallError(call, errno)
		}
		return 0, opError("write", u.network, u.LocalAddr(), net.UDPAddrFromAddrPort(to), err)
	}
	source := u.local.Addr()
	switch {
	case u.closed:
		return fail(net.ErrClosed)
	case u.write.passed(u.m):
		return fail(os.ErrDeadlineExceeded)
	case u.failure != nil:
		err := u.failure
		u.failure = nil
		return fail(err)
	case len(b) > udpMax:
		return fail(syscall.EMSGSIZE)
	case source.IsUnspecified():
		var err error
		if source, err = u.m.source(to.Addr()); err != nil {
			return fail(err)
		}
	default:
		if _, err := u.m.source(to.Addr()); err != nil {
			return fail(err)
		}
	}
	p := u.m.w.newPacket()
	p.src, p.dst = netip.AddrPortFrom(source, u.local.Port()), to
	p.data = slices.Clone(b)
	if p.data == nil {
		p.data = []byte{}
	}
	p.frame = sim.Frame{Class: sim.FrameUDP, FromPort: u.local.Port(), ToPort: to.Port(), Size: udpHeaders + len(b)}
	u.m.send(p)
	return len(b), nil
}

// Read implements net.Conn. What does not fit into b is lost, as with any datagram.
func (u *udpConn) Read(b []byte) (int, error) {
	if len(b) == 0 && !u.closed { // Package net asks for nothing then, and no datagram is lost.
		u.m.self()
		return 0, nil
	}
	d, err := u.receive("read")
	return copy(b, d.data), err
}

// ReadFromUDP implements transport.UDPConn.
func (u *udpConn) ReadFromUDP(b []byte) (int, *net.UDPAddr, error) {
	d, err := u.receive("recvfrom")
	if err != nil {
		return 0, nil, err
	}
	return copy(b, d.data), net.UDPAddrFromAddrPort(d.from), nil
}

// ReadFrom implements net.PacketConn.
func (u *udpConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := u.ReadFromUDP(b)
	if err != nil {
		return n, nil, err
	}
	return n, from, nil
}

// ReadMsgUDP implements transport.UDPConn. There is no out-of-band data.
func (u *udpConn) ReadMsgUDP(b, _ []byte) (n, oobn, flags int, addr *net.UDPAddr, err error) {
	d, err := u.receive("recvmsg")
	if err != nil {
		return 0, 0, 0, nil, err
	}
	if n = copy(b, d.data); n < len(d.data) {
		flags = udpCut
	}
	return n, 0, flags, net.UDPAddrFromAddrPort(d.from), nil
}

// Write implements net.Conn.
func (u *udpConn) Write(b []byte) (int, error) {
	if !u.remote.IsValid() {
		return 0, u.unsent(nil, syscall.EDESTADDRREQ)
	}
	return u.transmit("write", b, u.remote)
}

// unsent is the error of a datagram that does not even begin its way.
func (u *udpConn) unsent(to net.Addr, err error) error {
	return opError("write", u.network, u.LocalAddr(), to, err)
}

// WriteToUDP implements transport.UDPConn.
func (u *udpConn) WriteToUDP(b []byte, to *net.UDPAddr) (int, error) {
	return u.writeTo("sendto", b, to)
}

func (u *udpConn) writeTo(call string, b []byte, to *net.UDPAddr) (int, error) {
	switch {
	case u.remote.IsValid():
		return 0, u.unsent(orNil(to), net.ErrWriteToConnected)
	case to == nil:
		return 0, u.unsent(nil, errMissingAddress)
	}
	return u.transmit(call, b, toAddrPort(to.IP, to.Port))
}

// WriteTo implements net.PacketConn.
func (u *udpConn) WriteTo(b []byte, to net.Addr) (int, error) {
	addr, ok := to.(*net.UDPAddr)
	if !ok { // Package net refuses it before it asks the system.
		return 0, &net.OpError{Op: "write", Net: u.network, Source: u.LocalAddr(), Addr: to, Err: syscall.EINVAL}
	}
	return u.WriteToUDP(b, addr)
}

// WriteMsgUDP implements transport.UDPConn. Out-of-band data is dropped.
func (u *udpConn) WriteMsgUDP(b, _ []byte, to *net.UDPAddr) (n, oobn int, err error) {
	if to == nil && u.remote.IsValid() {
		n, err = u.transmit("sendmsg", b, u.remote)
	} else {
		n, err = u.writeTo("sendmsg", b, to)
	}
	return n, 0, err
}

// LocalAddr implements net.Conn.
func (u *udpConn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(u.local) }

// RemoteAddr implements net.Conn.
func (u *udpConn) RemoteAddr() net.Addr {
	if !u.remote.IsValid() {
		return nil
	}
	return net.UDPAddrFromAddrPort(u.remote)
}

// setting is the error of setting anything of a socket that is closed.
func (u *udpConn) setting() error {
	if u.closed {
		return opError("set", u.network, nil, u.LocalAddr(), net.ErrClosed)
	}
	return nil
}

// SetDeadline implements net.Conn.
func (u *udpConn) SetDeadline(t time.Time) error {
	u.write = u.m.deadlineAt(t)
	return u.SetReadDeadline(t)
}

// SetReadDeadline implements net.Conn. It also holds for a read that waits already.
func (u *udpConn) SetReadDeadline(t time.Time) error {
	u.read = u.m.deadlineAt(t)
	u.readers.wake(u.m.w)
	return u.setting()
}

// SetWriteDeadline implements net.Conn.
func (u *udpConn) SetWriteDeadline(t time.Time) error {
	u.write = u.m.deadlineAt(t)
	return u.setting()
}

// SetReadBuffer implements transport.UDPConn.
func (u *udpConn) SetReadBuffer(bytes int) error {
	u.room = max(bytes, udpLeast)
	return u.setting()
}

// SetWriteBuffer implements transport.UDPConn. Datagrams do not wait at their sender.
func (u *udpConn) SetWriteBuffer(int) error { return u.setting() }
