//go:build linux

package env

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/pion/transport/v3"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// link is the machine's way to its interfaces. Both sockets are opened when they are first needed, and kept: to open and close a
// packet socket takes the kernel milliseconds.
type link struct {
	mu     sync.Mutex
	handle *netlink.Handle
	packet int // sends ARP, hears nothing; 0: not open
	closed bool
}

// use opens what is not open yet.
func (m *Machine) use() error {
	l := &m.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrDropped
	}
	if l.handle != nil {
		return nil
	}
	return m.in(func() error {
		h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return fmt.Errorf("open a netlink socket: %w", err)
		}
		if l.packet, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
			h.Close()
			return fmt.Errorf("open a packet socket: %w", err)
		}
		l.handle = h
		return nil
	})
}

func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.handle != nil {
		l.handle.Close()
		unix.Close(l.packet) //nolint:errcheck // It holds nothing that could be lost.
		l.handle = nil
	}
}

// iface is an interface as it is now.
type iface struct {
	netlink.Link
	addresses []netlink.Addr // the own one first
}

var errNoInterface = errors.New("no such interface")

// iface reads an interface anew.
func (m *Machine) iface(name string) (*iface, error) {
	if !slices.Contains(m.c.Interfaces, name) {
		return nil, errNoInterface
	}
	if err := m.use(); err != nil {
		return nil, err
	}
	l, err := m.link.handle.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", name, err)
	}
	for {
		all, err := m.link.handle.AddrList(l, netlink.FAMILY_V4)
		switch {
		case err == nil:
			return &iface{l, all}, nil
		case !errors.Is(err, netlink.ErrDumpInterrupted):
			return nil, fmt.Errorf("addresses of interface %s: %w", name, err)
		}
	}
}

// lowerUp is the flag of an interface whose cable is plugged in.
const lowerUp = unix.IFF_UP | unix.IFF_LOWER_UP

func (i *iface) plugged() bool { return i.Attrs().RawFlags&lowerUp == lowerUp }

// find is the index of an address, or -1.
func (i *iface) find(a netip.Addr) int {
	return slices.IndexFunc(i.addresses, func(o netlink.Addr) bool { return o.IP.Equal(a.AsSlice()) })
}

// own is the interface's own address: the kernel puts those that were added later behind it.
func (i *iface) own() (netip.Addr, bool) {
	if len(i.addresses) == 0 {
		return netip.Addr{}, false
	}
	a, ok := netip.AddrFromSlice(i.addresses[0].IP)
	return a.Unmap(), ok
}

// Bind implements nodes.Env. The address brings no route: one for its prefix would make the machine speak from it to everybody
// there.
func (e env) Bind(name string, address netip.Prefix) error {
	e.m.check()
	i, err := e.m.iface(name)
	if err != nil {
		return err
	}
	if !address.IsValid() || !address.Addr().Is4() {
		return fmt.Errorf("bind on %s: want an IPv4 address with its prefix, have %s", name, address)
	}
	if i.find(address.Addr()) < 0 {
		err := e.m.link.handle.AddrAdd(i, &netlink.Addr{Flags: unix.IFA_F_NOPREFIXROUTE, IPNet: &net.IPNet{
			IP: address.Addr().AsSlice(), Mask: net.CIDRMask(address.Bits(), 32)}})
		if err != nil {
			return fmt.Errorf("bind %s on %s: %w", address, name, err)
		}
		e.m.bound(name, address.Addr(), true)
	}
	return e.m.announce(i, address.Addr())
}

// bound tells whoever looks after the machine, who may drop it for that.
func (m *Machine) bound(name string, a netip.Addr, bound bool) {
	if m.c.Bound != nil {
		m.c.Bound(name, a, bound)
		m.check()
	}
}

// Unbind implements nodes.Env.
func (e env) Unbind(name string, address netip.Prefix) error {
	e.m.check()
	i, err := e.m.iface(name)
	if err != nil {
		return err
	}
	switch n := i.find(address.Addr()); n {
	case -1:
		return nil
	case 0:
		return errors.New("the interface's own address stays")
	default:
		if err := e.m.link.handle.AddrDel(i, &i.addresses[n]); err != nil {
			return fmt.Errorf("unbind %s on %s: %w", address.Addr(), name, err)
		}
	}
	e.m.bound(name, address.Addr(), false)
	return nil
}

// Interfaces implements transport.Net. They are read anew each time.
func (s stack) Interfaces() ([]*transport.Interface, error) {
	all := []*transport.Interface{}
	for _, name := range s.m.c.Interfaces {
		i, err := s.m.iface(name)
		if err != nil {
			return nil, err
		}
		all = append(all, i.show())
	}
	return all, nil
}

func (i *iface) show() *transport.Interface {
	a := i.Attrs()
	flags := a.Flags &^ net.FlagRunning
	if i.plugged() {
		flags |= net.FlagRunning
	}
	shown := transport.NewInterface(net.Interface{Index: a.Index, MTU: a.MTU, Name: a.Name, Flags: flags,
		HardwareAddr: a.HardwareAddr})
	for _, address := range i.addresses {
		shown.AddAddress(address.IPNet)
	}
	return shown
}

// InterfaceByIndex implements transport.Net.
func (s stack) InterfaceByIndex(index int) (*transport.Interface, error) {
	all, err := s.Interfaces()
	if err != nil {
		return nil, err
	}
	for _, i := range all {
		if i.Index == index {
			return i, nil
		}
	}
	return nil, fmt.Errorf("%w: index=%d", transport.ErrInterfaceNotFound, index)
}

// InterfaceByName implements transport.Net.
func (s stack) InterfaceByName(name string) (*transport.Interface, error) {
	i, err := s.m.iface(name)
	if errors.Is(err, errNoInterface) {
		return nil, fmt.Errorf("%w: %s", transport.ErrInterfaceNotFound, name)
	}
	if err != nil {
		return nil, err
	}
	return i.show(), nil
}

// bigEndian turns a number of 16 bits into the order of the network.
func bigEndian(n uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], n)
	return binary.NativeEndian.Uint16(b[:])
}
