package virtual

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"github.com/pion/transport/v3"
)

// stack implements transport.Net for one machine.
type stack struct{ m *machine }

var _ transport.Net = stack{}

// split reads "address:port". An empty address is any; names are not resolved.
func split(network, address string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, &net.AddrError{Err: "want a port number", Addr: address}
	}
	if host == "" {
		return netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(n)), nil
	}
	a, err := netip.ParseAddr(host)
	if err != nil || !a.Unmap().Is4() {
		return netip.AddrPort{}, &net.DNSError{Err: "names are not resolved here: want an IPv4 address", Name: host}
	}
	if !strings.HasSuffix(network, "4") && !known(network) {
		return netip.AddrPort{}, net.UnknownNetworkError(network)
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), nil
}

func known(network string) bool { return network == "tcp" || network == "udp" }

func isTCP(network string) bool { return network == "tcp" || network == "tcp4" }
func isUDP(network string) bool { return network == "udp" || network == "udp4" }

// ListenPacket implements transport.Net.
func (s stack) ListenPacket(network, address string) (net.PacketConn, error) {
	a, err := split(network, address)
	if err != nil || !isUDP(network) {
		return nil, orUnknown(err, network)
	}
	return s.ListenUDP(network, net.UDPAddrFromAddrPort(a))
}

func orUnknown(err error, network string) error {
	if err == nil {
		err = net.UnknownNetworkError(network)
	}
	return err
}

// ListenUDP implements transport.Net.
func (s stack) ListenUDP(network string, local *net.UDPAddr) (transport.UDPConn, error) {
	s.m.self()
	if !isUDP(network) {
		return nil, net.UnknownNetworkError(network)
	}
	if local == nil {
		local = &net.UDPAddr{}
	}
	u, err := s.m.listenUDP(toAddrPort(local.IP, local.Port), netip.AddrPort{})
	if err != nil {
		return nil, opError("listen", network, nil, local, err)
	}
	return u, nil
}

// ListenTCP implements transport.Net.
func (s stack) ListenTCP(network string, local *net.TCPAddr) (transport.TCPListener, error) {
	s.m.self()
	if !isTCP(network) {
		return nil, net.UnknownNetworkError(network)
	}
	if local == nil {
		local = &net.TCPAddr{}
	}
	l, err := s.m.listenTCP(toAddrPort(local.IP, local.Port))
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
	switch {
	case !isUDP(network):
		return nil, net.UnknownNetworkError(network)
	case remote == nil:
		return nil, opError("dial", network, nil, nil, &net.AddrError{Err: "missing address"})
	case local == nil:
		local = &net.UDPAddr{}
	}
	to, from := toAddrPort(remote.IP, remote.Port), toAddrPort(local.IP, local.Port)
	if from.Addr().IsUnspecified() {
		source, err := s.m.source(to.Addr())
		if err != nil {
			return nil, opError("dial", network, nil, remote, err)
		}
		from = netip.AddrPortFrom(source, from.Port())
	}
	u, err := s.m.listenUDP(from, to)
	if err != nil {
		return nil, opError("dial", network, nil, remote, err)
	}
	return u, nil
}

// DialTCP implements transport.Net.
func (s stack) DialTCP(network string, local, remote *net.TCPAddr) (transport.TCPConn, error) {
	return s.dialTCP(network, local, remote, deadline{})
}

func (s stack) dialTCP(network string, local, remote *net.TCPAddr, limit deadline) (transport.TCPConn, error) {
	switch {
	case !isTCP(network):
		return nil, net.UnknownNetworkError(network)
	case remote == nil:
		return nil, opError("dial", network, nil, nil, &net.AddrError{Err: "missing address"})
	case local == nil:
		local = &net.TCPAddr{}
	}
	c, err := s.m.dialTCP(toAddrPort(local.IP, local.Port), toAddrPort(remote.IP, remote.Port), limit)
	if err != nil {
		return nil, opError("dial", network, nil, remote, err)
	}
	return c, nil
}

// ResolveIPAddr implements transport.Net.
func (s stack) ResolveIPAddr(_, address string) (*net.IPAddr, error) {
	a, err := split("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		return nil, err
	}
	return &net.IPAddr{IP: a.Addr().AsSlice()}, nil
}

// ResolveUDPAddr implements transport.Net.
func (s stack) ResolveUDPAddr(network, address string) (*net.UDPAddr, error) {
	a, err := split(network, address)
	if err != nil {
		return nil, err
	}
	return net.UDPAddrFromAddrPort(a), nil
}

// ResolveTCPAddr implements transport.Net.
func (s stack) ResolveTCPAddr(network, address string) (*net.TCPAddr, error) {
	a, err := split(network, address)
	if err != nil {
		return nil, err
	}
	return net.TCPAddrFromAddrPort(a), nil
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
	to, err := split(network, address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	limit := d.s.m.deadlineAt(d.d.Deadline)
	if d.d.Timeout > 0 {
		due := d.s.m.clock.Local(d.s.m.w.now) + d.d.Timeout
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
	local, wrong := d.d.LocalAddr.(*net.TCPAddr)
	if d.d.LocalAddr != nil && !wrong {
		return nil, opError("dial", network, d.d.LocalAddr, nil, syscall.EINVAL)
	}
	c, err := d.s.dialTCP(network, local, net.TCPAddrFromAddrPort(to), limit)
	if err != nil {
		return nil, err
	}
	return c, nil
}
