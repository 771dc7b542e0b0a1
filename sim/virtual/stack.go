package virtual

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/pion/transport/v3"

	"firedrill/sim"
)

// stack implements transport.Net for one machine.
type stack struct {
	sim.Resolver
	m *machine
}

var _ transport.Net = stack{}

func isTCP(network string) bool { return network == "tcp" || network == "tcp4" }
func isUDP(network string) bool { return network == "udp" || network == "udp4" }

// ListenPacket implements transport.Net.
func (s stack) ListenPacket(network, address string) (net.PacketConn, error) {
	a, err := sim.ParseAddress(network, address)
	switch {
	case err != nil:
		return nil, opError("listen", network, nil, nil, err)
	case isTCP(network):
		return nil, opError("listen", network, nil, net.TCPAddrFromAddrPort(a),
			&net.AddrError{Err: "unexpected address type", Addr: address})
	}
	return s.ListenUDP(network, net.UDPAddrFromAddrPort(a))
}

var errMissingAddress = errors.New("missing address")

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

// ListenUDP implements transport.Net.
func (s stack) ListenUDP(network string, local *net.UDPAddr) (transport.UDPConn, error) {
	s.m.self()
	if !isUDP(network) {
		return nil, opError("listen", network, nil, orNil(local), net.UnknownNetworkError(network))
	}
	if local == nil {
		local = &net.UDPAddr{}
	}
	u, err := s.m.listenUDP(network, toAddrPort(local.IP, local.Port), netip.AddrPort{})
	if err != nil {
		return nil, opError("listen", network, nil, local, err)
	}
	return u, nil
}

// ListenTCP implements transport.Net.
func (s stack) ListenTCP(network string, local *net.TCPAddr) (transport.TCPListener, error) {
	s.m.self()
	if !isTCP(network) {
		return nil, opError("listen", network, nil, orNil(local), net.UnknownNetworkError(network))
	}
	if local == nil {
		local = &net.TCPAddr{}
	}
	l, err := s.m.listenTCP(network, toAddrPort(local.IP, local.Port))
	if err != nil {
		return nil, opError("listen", network, nil, local, err)
	}
	return l, nil
}

// Dial implements transport.Net.
func (s stack) Dial(network, address string) (net.Conn, error) {
	return s.CreateDialer(&net.Dialer{}).Dial(network, address)
}

// DialUDP implements transport.Net.
func (s stack) DialUDP(network string, local, remote *net.UDPAddr) (transport.UDPConn, error) {
	s.m.self()
	chosen := orNil(local)
	switch {
	case !isUDP(network):
		return nil, opError("dial", network, chosen, orNil(remote), net.UnknownNetworkError(network))
	case remote == nil:
		return nil, opError("dial", network, chosen, nil, errMissingAddress)
	case local == nil:
		local = &net.UDPAddr{}
	}
	to, from := toAddrPort(remote.IP, remote.Port), toAddrPort(local.IP, local.Port)
	if from.Addr().IsUnspecified() {
		source, err := s.m.source(to.Addr())
		if err != nil {
			return nil, opError("dial", network, chosen, remote, err)
		}
		from = netip.AddrPortFrom(source, from.Port())
	}
	u, err := s.m.listenUDP(network, from, to)
	if err != nil {
		return nil, opError("dial", network, chosen, remote, os.NewSyscallError("bind", err))
	}
	return u, nil
}

// DialTCP implements transport.Net.
func (s stack) DialTCP(network string, local, remote *net.TCPAddr) (transport.TCPConn, error) {
	return s.dialTCP(network, local, remote, deadline{})
}

func (s stack) dialTCP(network string, local, remote *net.TCPAddr, limit deadline) (transport.TCPConn, error) {
	chosen := orNil(local)
	switch {
	case !isTCP(network):
		return nil, opError("dial", network, chosen, orNil(remote), net.UnknownNetworkError(network))
	case remote == nil:
		return nil, opError("dial", network, chosen, nil, errMissingAddress)
	case local == nil:
		local = &net.TCPAddr{}
	}
	c, err := s.m.dialTCP(network, toAddrPort(local.IP, local.Port), toAddrPort(remote.IP, remote.Port), limit)
	if err != nil {
		return nil, opError("dial", network, chosen, remote, err)
	}
	return c, nil
}

// Interfaces implements transport.Net.
func (s stack) Interfaces() ([]*transport.Interface, error) {
	all := make([]*transport.Interface, len(s.m.interfaces))
	for n, i := range s.m.interfaces {
		all[n] = i.show(n)
	}
	return all, nil
}

func (i *iface) show(n int) *transport.Interface {
	flags := net.FlagUp | net.FlagBroadcast | net.FlagMulticast
	if i.plugged {
		flags |= net.FlagRunning
	}
	shown := transport.NewInterface(net.Interface{Index: n + 1, MTU: 1500, Name: i.segment.name, Flags: flags,
		HardwareAddr: net.HardwareAddr{2, 0, 0, 0, byte(i.place >> 8), byte(i.place)}})
	for _, a := range i.addresses {
		shown.AddAddress(&net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(i.segment.subnet.Bits(), 32)})
	}
	return shown
}

// InterfaceByIndex implements transport.Net.
func (s stack) InterfaceByIndex(index int) (*transport.Interface, error) {
	if index < 1 || index > len(s.m.interfaces) {
		return nil, fmt.Errorf("%w: index=%d", transport.ErrInterfaceNotFound, index)
	}
	return s.m.interfaces[index-1].show(index - 1), nil
}

// InterfaceByName implements transport.Net.
func (s stack) InterfaceByName(name string) (*transport.Interface, error) {
	for n, i := range s.m.interfaces {
		if i.segment.name == name {
			return i.show(n), nil
		}
	}
	return nil, fmt.Errorf("%w: %s", transport.ErrInterfaceNotFound, name)
}

// CreateDialer implements transport.Net. Of the dialer it uses Timeout, Deadline and LocalAddr.
func (s stack) CreateDialer(d *net.Dialer) transport.Dialer { return dialer{s, d} }

type dialer struct {
	s stack
	d *net.Dialer
}

// Dial implements transport.Dialer.
func (d dialer) Dial(network, address string) (net.Conn, error) {
	d.s.m.self()
	to, err := sim.ParseAddress(network, address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	limit := d.s.m.deadlineAt(d.d.Deadline)
	if d.d.Timeout > 0 {
		due := d.s.m.Clock().Local(d.s.m.w.now) + d.d.Timeout
		if !limit.set || due < limit.due {
			limit = deadline{true, due}
		}
	}
	if isUDP(network) {
		local, _ := d.d.LocalAddr.(*net.UDPAddr)
		u, err := d.s.DialUDP(network, local, net.UDPAddrFromAddrPort(to))
		if err != nil {
			return nil, err
		}
		return u.(net.Conn), nil
	}
	local, fits := d.d.LocalAddr.(*net.TCPAddr)
	if d.d.LocalAddr != nil && !fits {
		return nil, opError("dial", network, nil, nil,
			&net.AddrError{Err: "mismatched local address type", Addr: d.d.LocalAddr.String()})
	}
	c, err := d.s.dialTCP(network, local, net.TCPAddrFromAddrPort(to), limit)
	if err != nil {
		return nil, err
	}
	return c, nil
}
