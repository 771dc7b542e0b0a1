//go:build linux

package env

import (
	"net"
	"time"

	"github.com/pion/transport/v3"
)

// udpConn implements transport.UDPConn.
type udpConn struct {
	*socket
	raw *net.UDPConn
}

var (
	_ transport.UDPConn = (*udpConn)(nil)
	_ net.Conn          = (*udpConn)(nil)
	_ net.PacketConn    = (*udpConn)(nil)
)

func (m *Machine) udp(c *net.UDPConn, network string) *udpConn {
	return &udpConn{m.opened(c, network), c}
}

// Read implements net.Conn.
func (u *udpConn) Read(b []byte) (n int, err error) {
	err = u.reading(func() (err error) {
		n, err = u.raw.Read(b)
		return err
	})
	return n, err
}

// ReadFrom implements net.PacketConn.
func (u *udpConn) ReadFrom(b []byte) (n int, from net.Addr, err error) {
	err = u.reading(func() (err error) {
		n, from, err = u.raw.ReadFrom(b)
		return err
	})
	return n, from, err
}

// ReadFromUDP implements transport.UDPConn.
func (u *udpConn) ReadFromUDP(b []byte) (n int, from *net.UDPAddr, err error) {
	err = u.reading(func() (err error) {
		n, from, err = u.raw.ReadFromUDP(b)
		return err
	})
	return n, from, err
}

// ReadMsgUDP implements transport.UDPConn.
func (u *udpConn) ReadMsgUDP(b, oob []byte) (n, oobn, flags int, from *net.UDPAddr, err error) {
	err = u.reading(func() (err error) {
		n, oobn, flags, from, err = u.raw.ReadMsgUDP(b, oob)
		return err
	})
	return n, oobn, flags, from, err
}

// Write implements net.Conn.
func (u *udpConn) Write(b []byte) (int, error) {
	return u.sending(func() (int, error) { return u.raw.Write(b) })
}

// WriteTo implements net.PacketConn.
func (u *udpConn) WriteTo(b []byte, to net.Addr) (int, error) {
	return u.sending(func() (int, error) { return u.raw.WriteTo(b, to) })
}

// WriteToUDP implements transport.UDPConn.
func (u *udpConn) WriteToUDP(b []byte, to *net.UDPAddr) (int, error) {
	return u.sending(func() (int, error) { return u.raw.WriteToUDP(b, to) })
}

// WriteMsgUDP implements transport.UDPConn.
func (u *udpConn) WriteMsgUDP(b, oob []byte, to *net.UDPAddr) (n, oobn int, err error) {
	n, err = u.sending(func() (n int, err error) {
		n, oobn, err = u.raw.WriteMsgUDP(b, oob, to)
		return n, err
	})
	return n, oobn, err
}

// sending sends one datagram: whole or not at all.
func (u *udpConn) sending(send func() (int, error)) (int, error) {
	return u.writing(nil, func([]byte) (int, error) { return send() })
}

// Close implements net.Conn.
func (u *udpConn) Close() error { return u.shut() }

// LocalAddr implements net.Conn.
func (u *udpConn) LocalAddr() net.Addr { return u.raw.LocalAddr() }

// RemoteAddr implements net.Conn.
func (u *udpConn) RemoteAddr() net.Addr { return u.raw.RemoteAddr() }

// SetDeadline implements net.Conn.
func (u *udpConn) SetDeadline(t time.Time) error { return u.setDeadline(t) }

// SetReadDeadline implements net.Conn. It also holds for a read that waits already.
func (u *udpConn) SetReadDeadline(t time.Time) error { return u.setReadDeadline(t) }

// SetWriteDeadline implements net.Conn.
func (u *udpConn) SetWriteDeadline(t time.Time) error { return u.setWriteDeadline(t) }

// SetReadBuffer implements transport.UDPConn.
func (u *udpConn) SetReadBuffer(bytes int) error { return u.named(u.raw.SetReadBuffer(bytes)) }

// SetWriteBuffer implements transport.UDPConn.
func (u *udpConn) SetWriteBuffer(bytes int) error { return u.named(u.raw.SetWriteBuffer(bytes)) }
