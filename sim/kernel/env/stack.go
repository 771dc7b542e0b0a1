//go:build linux

package env

import (
	"context"
	"errors"
	"net"
	"os"

	"github.com/pion/transport/v3"

	"firedrill/sim"
)

// stack implements transport.Net by package net, in the machine's network namespace.
//
// Of package net only calls are used that take addresses and not names, so that nothing is resolved, and that open the socket
// on the calling thread: another one would be in another namespace.
type stack struct {
	sim.Resolver
	m *Machine
}

var _ transport.Net = stack{}

// in calls act in the machine's network namespace.
func (m *Machine) in(act func() error) error {
	if m.c.In == nil {
		return act()
	}
	return m.c.In(act)
}

func isTCP(network string) bool { return network == "tcp" || network == "tcp4" }
func isUDP(network string) bool { return network == "udp" || network == "udp4" }

// orNil makes of a nil pointer an address that is nil.
func orNil[T any, A interface {
	*T
	net.Addr
}](a A) net.Addr {
	if a == nil {
		return nil
	}
	return a
}

// renamed gives an error the network that the software asked for: tcp and udp are tcp4 and udp4 here, or package net would
// listen by IPv6 too.
func renamed(err error, network string) error {
	if e, ok := err.(*net.OpError); ok {
		e.Net = network
	}
	return err
}

// ListenPacket implements transport.Net.
func (s stack) ListenPacket(network, address string) (net.PacketConn, error) {
	a, err := sim.ParseAddress(network, address)
	switch {
	case err != nil:
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	case isTCP(network):
		return nil, &net.OpError{Op: "listen", Net: network, Addr: net.TCPAddrFromAddrPort(a),
			Err: &net.AddrError{Err: "unexpected address type", Addr: address}}
	}
	return s.ListenUDP(network, net.UDPAddrFromAddrPort(a))
}

// ListenUDP implements transport.Net.
func (s stack) ListenUDP(network string, local *net.UDPAddr) (transport.UDPConn, error) {
	s.m.check()
	if !isUDP(network) {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: orNil(local), Err: net.UnknownNetworkError(network)}
	}
	var c *net.UDPConn
	err := s.m.in(func() (err error) {
		c, err = net.ListenUDP("udp4", local)
		return err
	})
	if err != nil {
		return nil, renamed(err, network)
	}
	return s.m.udp(c, network), nil
}

// ListenTCP implements transport.Net.
func (s stack) ListenTCP(network string, local *net.TCPAddr) (transport.TCPListener, error) {
	s.m.check()
	if !isTCP(network) {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: orNil(local), Err: net.UnknownNetworkError(network)}
	}
	address := ":0"
	if local != nil {
		address = local.String()
	}
	config := net.ListenConfig{KeepAlive: -1} // Probes are off until asked for.
	config.SetMultipathTCP(false)
	var l net.Listener
	err := s.m.in(func() (err error) {
		l, err = config.Listen(context.Background(), "tcp4", address)
		return err
	})
	if err != nil {
		return nil, renamed(err, network)
	}
	return s.m.listener(l.(*net.TCPListener), network), nil
}

// Dial implements transport.Net.
func (s stack) Dial(network, address string) (net.Conn, error) {
	return s.CreateDialer(&net.Dialer{}).Dial(network, address)
}

// DialUDP implements transport.Net.
func (s stack) DialUDP(network string, local, remote *net.UDPAddr) (transport.UDPConn, error) {
	s.m.check()
	if !isUDP(network) {
		return nil, &net.OpError{Op: "dial", Net: network, Source: orNil(local), Addr: orNil(remote),
			Err: net.UnknownNetworkError(network)}
	}
	var c *net.UDPConn
	err := s.m.in(func() (err error) {
		c, err = net.DialUDP("udp4", local, remote)
		return err
	})
	if err != nil {
		return nil, renamed(err, network)
	}
	return s.m.udp(c, network), nil
}

// DialTCP implements transport.Net.
func (s stack) DialTCP(network string, local, remote *net.TCPAddr) (transport.TCPConn, error) {
	return s.dialTCP(network, local, remote, moment{})
}

var errMissingAddress = errors.New("missing address")

func (s stack) dialTCP(network string, local, remote *net.TCPAddr, limit moment) (transport.TCPConn, error) {
	s.m.check()
	fail := func(err error) (transport.TCPConn, error) {
		return nil, &net.OpError{Op: "dial", Net: network, Source: orNil(local), Addr: orNil(remote), Err: err}
	}
	switch {
	case !isTCP(network):
		return fail(net.UnknownNetworkError(network))
	case remote == nil:
		return fail(errMissingAddress)
	case s.m.passed(limit):
		return fail(os.ErrDeadlineExceeded)
	}
	d := net.Dialer{KeepAlive: -1} // Probes are off until asked for.
	if local != nil {
		d.LocalAddr = local
	}
	ctx, cancel := context.WithCancel(s.m.alive)
	defer cancel()
	a := s.m.timeout(ctx, limit, cancel)
	defer s.m.unset(a)
	var c *tcpConn
	var err error
	s.m.outside(func() {
		var raw *net.TCPConn
		if raw, err = s.m.connect(ctx, &d, remote.String()); err == nil {
			c = s.m.tcp(raw, network)
		}
	})
	switch {
	case err == nil:
		return c, nil
	case ctx.Err() != nil:
		return fail(os.ErrDeadlineExceeded)
	}
	return nil, renamed(err, network)
}

// timeout calls cancel when a moment has come, and not before.
func (m *Machine) timeout(ctx context.Context, limit moment, cancel func()) *alarm {
	a := &alarm{until: limit}
	a.ring = func() {
		if m.dropped.Load() {
			return
		}
		m.c.Lock.Lock()
		defer m.c.Lock.Unlock()
		switch {
		case ctx.Err() != nil: // The call is over.
		case m.passed(limit):
			cancel()
		default:
			m.arm(a)
		}
	}
	m.set(a)
	return a
}

// CreateDialer implements transport.Net. Of the dialer it uses Timeout, Deadline and LocalAddr.
func (s stack) CreateDialer(d *net.Dialer) transport.Dialer { return dialer{s, d} }

type dialer struct {
	s stack
	d *net.Dialer
}

// Dial implements transport.Dialer.
func (d dialer) Dial(network, address string) (net.Conn, error) {
	m := d.s.m
	m.check()
	fail := func(err error) (net.Conn, error) { return nil, &net.OpError{Op: "dial", Net: network, Err: err} }
	to, err := sim.ParseAddress(network, address)
	if err != nil {
		return fail(err)
	}
	if isUDP(network) {
		local, fits := d.d.LocalAddr.(*net.UDPAddr)
		if d.d.LocalAddr != nil && !fits {
			return fail(&net.AddrError{Err: "mismatched local address type", Addr: d.d.LocalAddr.String()})
		}
		u, err := d.s.DialUDP(network, local, net.UDPAddrFromAddrPort(to))
		if err != nil {
			return nil, err
		}
		return u.(*udpConn), nil
	}
	local, fits := d.d.LocalAddr.(*net.TCPAddr)
	if d.d.LocalAddr != nil && !fits {
		return fail(&net.AddrError{Err: "mismatched local address type", Addr: d.d.LocalAddr.String()})
	}
	c, err := d.s.dialTCP(network, local, net.TCPAddrFromAddrPort(to), d.limit(m))
	if err != nil {
		return nil, err
	}
	return c, nil
}

// limit is when the dialer gives up.
func (d dialer) limit(m *Machine) moment {
	limit := m.wallClock(d.d.Deadline)
	if d.d.Timeout > 0 {
		if t := m.after(d.d.Timeout); !limit.set || t.at < limit.at {
			limit = t
		}
	}
	return limit
}
