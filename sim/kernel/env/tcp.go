//go:build linux

package env

import (
	"io"
	"net"
	"time"

	"github.com/pion/transport/v3"
)

// listener implements transport.TCPListener.
type listener struct {
	*socket
	raw *net.TCPListener
}

var _ transport.TCPListener = (*listener)(nil)

// half is a listener as something of which only reads have deadlines.
type half struct{ *net.TCPListener }

func (h half) SetReadDeadline(t time.Time) error { return h.SetDeadline(t) }
func (h half) SetWriteDeadline(time.Time) error  { return nil }

func (m *Machine) listener(l *net.TCPListener, network string) *listener {
	return &listener{m.opened(half{l}, network), l}
}

// AcceptTCP implements transport.TCPListener.
func (l *listener) AcceptTCP() (transport.TCPConn, error) {
	var c *tcpConn
	err := l.reading(func() error {
		raw, err := l.raw.AcceptTCP()
		if err == nil {
			c = l.m.tcp(raw, l.network)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Close implements net.Listener.
func (l *listener) Close() error { return l.shut() }

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return l.raw.Addr() }

// SetDeadline implements transport.TCPListener. It also holds for an Accept that waits already.
func (l *listener) SetDeadline(t time.Time) error { return l.setReadDeadline(t) }

// tcpConn implements transport.TCPConn.
type tcpConn struct {
	*socket
	raw *net.TCPConn
}

var _ transport.TCPConn = (*tcpConn)(nil)

func (m *Machine) tcp(c *net.TCPConn, network string) *tcpConn {
	return &tcpConn{m.opened(c, network), c}
}

// Read implements net.Conn.
func (c *tcpConn) Read(b []byte) (n int, err error) {
	err = c.reading(func() (err error) {
		n, err = c.raw.Read(b)
		return err
	})
	return n, err
}

// Write implements net.Conn.
func (c *tcpConn) Write(b []byte) (int, error) { return c.writing(b, c.raw.Write) }

// ReadFrom implements io.ReaderFrom.
func (c *tcpConn) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{c}, r) // Package net would read and write without giving way.
}

// Close implements net.Conn.
func (c *tcpConn) Close() error { return c.shut() }

// CloseRead implements transport.TCPConn.
func (c *tcpConn) CloseRead() error {
	c.m.check()
	return c.named(c.raw.CloseRead())
}

// CloseWrite implements transport.TCPConn.
func (c *tcpConn) CloseWrite() error {
	c.m.check()
	return c.named(c.raw.CloseWrite())
}

// LocalAddr implements net.Conn.
func (c *tcpConn) LocalAddr() net.Addr { return c.raw.LocalAddr() }

// RemoteAddr implements net.Conn.
func (c *tcpConn) RemoteAddr() net.Addr { return c.raw.RemoteAddr() }

// SetDeadline implements net.Conn.
func (c *tcpConn) SetDeadline(t time.Time) error { return c.setDeadline(t) }

// SetReadDeadline implements net.Conn. It also holds for a read that waits already.
func (c *tcpConn) SetReadDeadline(t time.Time) error { return c.setReadDeadline(t) }

// SetWriteDeadline implements net.Conn. It also holds for a write that waits already.
func (c *tcpConn) SetWriteDeadline(t time.Time) error { return c.setWriteDeadline(t) }

// SetLinger implements transport.TCPConn: with 0, Close resets. Other values are as none, or Close would wait.
func (c *tcpConn) SetLinger(seconds int) error {
	if seconds > 0 {
		seconds = -1
	}
	return c.named(c.raw.SetLinger(seconds))
}

// SetNoDelay implements transport.TCPConn.
func (c *tcpConn) SetNoDelay(enabled bool) error { return c.named(c.raw.SetNoDelay(enabled)) }

// SetReadBuffer implements transport.TCPConn.
func (c *tcpConn) SetReadBuffer(bytes int) error { return c.named(c.raw.SetReadBuffer(bytes)) }

// SetWriteBuffer implements transport.TCPConn.
func (c *tcpConn) SetWriteBuffer(bytes int) error { return c.named(c.raw.SetWriteBuffer(bytes)) }

// The keep-alive probes of Linux, as Go sets them.
const (
	keepAliveDefault = 15 * time.Second
	keepAliveTries   = 9
)

// SetKeepAlive implements transport.TCPConn. Probes are off until asked for.
func (c *tcpConn) SetKeepAlive(enabled bool) error {
	if !enabled {
		return c.named(c.raw.SetKeepAlive(false))
	}
	return c.SetKeepAlivePeriod(keepAliveDefault)
}

// SetKeepAlivePeriod implements transport.TCPConn. The kernel counts in seconds of its own, which no scale makes faster: a
// period is at least one of them.
func (c *tcpConn) SetKeepAlivePeriod(d time.Duration) error {
	if d <= 0 {
		return c.named(c.raw.SetKeepAlivePeriod(d)) // What is refused there is refused here.
	}
	period := max(d/time.Duration(c.m.c.Scale), time.Second)
	return c.named(c.raw.SetKeepAliveConfig(
		net.KeepAliveConfig{Enable: true, Idle: period, Interval: period, Count: keepAliveTries}))
}
