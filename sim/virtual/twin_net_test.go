//go:build linux

package virtual

import (
	"io"
	"net"
	"os"
	"syscall"

	"github.com/pion/transport/v3"
)

// twinNet implements transport.Net by package net. Of several machines on one host each speaks from its own address, unless
// told otherwise. It cannot list interfaces.
type twinNet struct {
	transport.Net
	m *twin
}

// ListenPacket implements transport.Net.
func (n twinNet) ListenPacket(network, address string) (net.PacketConn, error) {
	c, err := net.ListenPacket(network, address)
	if err != nil {
		return nil, err
	}
	return n.m.udp(c.(*net.UDPConn)), nil
}

// ListenUDP implements transport.Net.
func (n twinNet) ListenUDP(network string, local *net.UDPAddr) (transport.UDPConn, error) {
	c, err := net.ListenUDP(network, local)
	if err != nil {
		return nil, err
	}
	return n.m.udp(c), nil
}

// ListenTCP implements transport.Net.
func (n twinNet) ListenTCP(network string, local *net.TCPAddr) (transport.TCPListener, error) {
	l, err := net.ListenTCP(network, local)
	if err != nil {
		return nil, err
	}
	n.m.keep(l)
	return &twinListener{l, n.m}, nil
}

// Dial implements transport.Net.
func (n twinNet) Dial(network, address string) (net.Conn, error) {
	return n.CreateDialer(&net.Dialer{}).Dial(network, address)
}

// DialUDP implements transport.Net.
func (n twinNet) DialUDP(network string, local, remote *net.UDPAddr) (transport.UDPConn, error) {
	if remote == nil {
		return net.DialUDP(network, local, nil)
	}
	d := &net.Dialer{}
	if local != nil {
		d.LocalAddr = local
	}
	c, err := n.CreateDialer(d).Dial(network, remote.String())
	if err != nil {
		return nil, err
	}
	return c.(transport.UDPConn), nil
}

// DialTCP implements transport.Net.
func (n twinNet) DialTCP(network string, local, remote *net.TCPAddr) (transport.TCPConn, error) {
	if remote == nil {
		return net.DialTCP(network, local, nil)
	}
	d := &net.Dialer{}
	if local != nil {
		d.LocalAddr = local
	}
	c, err := n.CreateDialer(d).Dial(network, remote.String())
	if err != nil {
		return nil, err
	}
	return c.(transport.TCPConn), nil
}

// ResolveUDPAddr implements transport.Net.
func (twinNet) ResolveUDPAddr(network, address string) (*net.UDPAddr, error) {
	return net.ResolveUDPAddr(network, address)
}

// ResolveTCPAddr implements transport.Net.
func (twinNet) ResolveTCPAddr(network, address string) (*net.TCPAddr, error) {
	return net.ResolveTCPAddr(network, address)
}

// CreateDialer implements transport.Net.
func (n twinNet) CreateDialer(d *net.Dialer) transport.Dialer { return twinDialer{n.m, *d} }

type twinDialer struct {
	m *twin
	d net.Dialer
}

// Dial implements transport.Dialer.
func (d twinDialer) Dial(network, address string) (c net.Conn, err error) {
	if d.d.LocalAddr == nil {
		// Done here and not by LocalAddr, of which errors would tell.
		d.d.Control = func(_, _ string, raw syscall.RawConn) (bound error) {
			err := raw.Control(func(fd uintptr) {
				bound = os.NewSyscallError("bind", syscall.Bind(int(fd), &syscall.SockaddrInet4{Addr: d.m.address.As4()}))
			})
			if err != nil {
				return err
			}
			return bound
		}
	}
	d.m.wait(func() { c, err = d.d.DialContext(d.m.alive, network, address) })
	switch c := c.(type) {
	case *net.TCPConn:
		return d.m.tcp(c), nil
	case *net.UDPConn:
		return d.m.udp(c), nil
	}
	return nil, err
}

// twinListener, twinTCP and twinUDP give way in the calls that may wait.
type twinListener struct {
	*net.TCPListener
	m *twin
}

// AcceptTCP implements transport.TCPListener.
func (l *twinListener) AcceptTCP() (transport.TCPConn, error) {
	var c *net.TCPConn
	var err error
	l.m.wait(func() { c, err = l.TCPListener.AcceptTCP() })
	if err != nil {
		return nil, err
	}
	return l.m.tcp(c), nil
}

// Accept implements net.Listener.
func (l *twinListener) Accept() (net.Conn, error) {
	c, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	return c, nil
}

// shrink makes the backlog as short as it can be.
func (l *twinListener) shrink() (err error) {
	raw, err := l.SyscallConn()
	if err != nil {
		return err
	}
	if e := raw.Control(func(fd uintptr) { err = syscall.Listen(int(fd), 0) }); e != nil {
		return e
	}
	return err
}

type twinTCP struct {
	*net.TCPConn
	m *twin
}

func (m *twin) tcp(c *net.TCPConn) *twinTCP {
	m.keep(c)
	return &twinTCP{c, m}
}

// Read implements net.Conn.
func (c *twinTCP) Read(b []byte) (n int, err error) {
	c.m.wait(func() { n, err = c.TCPConn.Read(b) })
	return
}

// Write implements net.Conn.
func (c *twinTCP) Write(b []byte) (n int, err error) {
	c.m.wait(func() { n, err = c.TCPConn.Write(b) })
	return
}

// ReadFrom implements io.ReaderFrom.
func (c *twinTCP) ReadFrom(r io.Reader) (int64, error) { return io.Copy(struct{ io.Writer }{c}, r) }

type twinUDP struct {
	*net.UDPConn
	m *twin
}

func (m *twin) udp(c *net.UDPConn) *twinUDP {
	m.keep(c)
	return &twinUDP{c, m}
}

// Read implements net.Conn.
func (c *twinUDP) Read(b []byte) (n int, err error) {
	c.m.wait(func() { n, err = c.UDPConn.Read(b) })
	return
}

// ReadFrom implements net.PacketConn.
func (c *twinUDP) ReadFrom(b []byte) (n int, from net.Addr, err error) {
	c.m.wait(func() { n, from, err = c.UDPConn.ReadFrom(b) })
	return
}

// ReadFromUDP implements transport.UDPConn.
func (c *twinUDP) ReadFromUDP(b []byte) (n int, from *net.UDPAddr, err error) {
	c.m.wait(func() { n, from, err = c.UDPConn.ReadFromUDP(b) })
	return
}

// ReadMsgUDP implements transport.UDPConn.
func (c *twinUDP) ReadMsgUDP(b, oob []byte) (n, oobn, flags int, from *net.UDPAddr, err error) {
	c.m.wait(func() { n, oobn, flags, from, err = c.UDPConn.ReadMsgUDP(b, oob) })
	return
}

// Write implements net.Conn.
func (c *twinUDP) Write(b []byte) (n int, err error) {
	c.m.wait(func() { n, err = c.UDPConn.Write(b) })
	return
}

// WriteTo implements net.PacketConn.
func (c *twinUDP) WriteTo(b []byte, to net.Addr) (n int, err error) {
	c.m.wait(func() { n, err = c.UDPConn.WriteTo(b, to) })
	return
}

// WriteToUDP implements transport.UDPConn.
func (c *twinUDP) WriteToUDP(b []byte, to *net.UDPAddr) (n int, err error) {
	c.m.wait(func() { n, err = c.UDPConn.WriteToUDP(b, to) })
	return
}

// WriteMsgUDP implements transport.UDPConn.
func (c *twinUDP) WriteMsgUDP(b, oob []byte, to *net.UDPAddr) (n, oobn int, err error) {
	c.m.wait(func() { n, oobn, err = c.UDPConn.WriteMsgUDP(b, oob, to) })
	return
}
