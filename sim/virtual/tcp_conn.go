package virtual

import (
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"
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
	return opError(op, c.network, c.LocalAddr(), c.RemoteAddr(), err)
}

// told is why the connection is dead, which the software learns once: from then on it only is at its end.
func (c *tcpConn) told() error {
	err := c.err
	c.err = nil
	return err
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
		case len(c.in) > 0:
			return c.take(b), nil
		case c.eof:
			return 0, io.EOF
		case c.state == tcpDead && c.err != nil:
			return 0, c.fail("read", c.told())
		case c.state == tcpDead || c.shutRead:
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

// Write implements net.Conn. It returns when everything is in the send buffer. Of several tasks that write, one waits until
// the other is through.
func (c *tcpConn) Write(b []byte) (int, error) {
	t := c.m.self()
	c.m.mayYield()
	for c.writing && !c.closed {
		t.wait(&c.turn, -1)
	}
	c.writing = true
	n, err := c.put(t, b)
	c.writing = false
	c.turn.wakeOne(c.m.w)
	return n, err
}

// put is Write for the task whose turn it is.
func (c *tcpConn) put(t *task, b []byte) (int, error) {
	written := 0
	for {
		switch {
		case c.closed:
			return written, c.fail("write", net.ErrClosed)
		case c.write.passed(c.m):
			return written, c.fail("write", os.ErrDeadlineExceeded)
		case c.state == tcpDead && c.err != nil:
			return written, c.fail("write", c.told())
		case c.state == tcpDead || c.fin:
			return written, c.fail("write", syscall.EPIPE)
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
	if err := c.open(); err != nil {
		return err
	}
	c.fin = true
	c.push()
	return nil
}

// CloseRead implements transport.TCPConn. A reader that finds nothing is at the end, but what is there, and what still comes,
// is read all the same: so does Linux.
func (c *tcpConn) CloseRead() error {
	c.m.self()
	if err := c.open(); err != nil {
		return err
	}
	c.shutRead = true
	c.readers.wake(c.m.w)
	return nil
}

// open is the error of a connection of which no half can be closed any more.
func (c *tcpConn) open() error {
	switch {
	case c.closed:
		return c.fail("close", net.ErrClosed)
	case c.state != tcpEstablished:
		return c.fail("close", os.NewSyscallError("shutdown", syscall.ENOTCONN))
	}
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
		return c.noSetting()
	}
	c.read = c.m.deadlineAt(t)
	c.readers.wake(c.m.w)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (c *tcpConn) SetWriteDeadline(t time.Time) error {
	if c.closed {
		return c.noSetting()
	}
	c.write = c.m.deadlineAt(t)
	c.writers.wake(c.m.w)
	return nil
}

// noSetting is the error of setting a deadline or a buffer of a connection that is closed: package net names the own end of
// it, and not the other one.
func (c *tcpConn) noSetting() error {
	return opError("set", c.network, nil, c.LocalAddr(), net.ErrClosed)
}

// noOption is the error of setting anything else.
func (c *tcpConn) noOption() error {
	if c.closed {
		return c.fail("set", net.ErrClosed)
	}
	return nil
}

// SetLinger implements transport.TCPConn: with 0, Close resets. Other values are as none.
func (c *tcpConn) SetLinger(seconds int) error {
	c.linger0 = seconds == 0
	return c.noOption()
}

// SetNoDelay implements transport.TCPConn. Nothing is ever delayed here.
func (c *tcpConn) SetNoDelay(bool) error { return c.noOption() }

// SetWriteBuffer implements transport.TCPConn.
func (c *tcpConn) SetWriteBuffer(bytes int) error {
	if c.closed {
		return c.noSetting()
	}
	c.room = max(bytes, tcpSegmentMax)
	return nil
}

// SetReadBuffer implements transport.TCPConn.
func (c *tcpConn) SetReadBuffer(bytes int) error {
	if c.closed {
		return c.noSetting()
	}
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
	if !enabled && !c.closed {
		c.keepAlive = 0
		c.m.w.cancel(c.keepAliveTimer)
		c.keepAliveTimer = nil
		return nil
	}
	return c.SetKeepAlivePeriod(keepAliveDefault)
}

// SetKeepAlivePeriod implements transport.TCPConn.
func (c *tcpConn) SetKeepAlivePeriod(d time.Duration) error {
	switch {
	case c.closed:
		return c.noOption()
	case d <= 0:
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
