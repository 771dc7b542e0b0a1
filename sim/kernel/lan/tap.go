//go:build linux

package lan

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"firedrill/sim/kernel/netns"
)

// mtu is that of Ethernet; queueLen is how many frames, or bursts, wait in a machine for the switch: far more than ever
// do, since a queue that overflows makes a run worthless.
const (
	mtu      = 1500
	queueLen = 20000
)

// tap is the device of a machine's interface, seen from both ends.
type tap struct {
	fd    int             // the end that the switch holds
	inner *netlink.Handle // a socket in the machine's namespace
	index int             // of the interface there
}

// outfit is what an interface is to have.
type outfit struct {
	name    string
	mac     hardware
	address netip.Prefix
	routes  []route
	scale   int64 // by how much true time is faster than the kernel's
}

// settings are what the kernel of a machine is told before it has an interface, and for all of its namespace.
var settings = []setting{
	{"ipv6/conf/all/disable_ipv6", "1"},
	{"ipv6/conf/default/disable_ipv6", "1"},
	{"ipv4/conf/all/arp_ignore", "1"}, // An address is answered for on its own segment alone.
	{"ipv4/conf/default/arp_ignore", "1"},
	{"ipv4/conf/all/arp_announce", "2"}, // Nor is one of another segment told.
	{"ipv4/conf/default/arp_announce", "2"},
	{"ipv4/conf/all/rp_filter", "0"},
	{"ipv4/conf/default/rp_filter", "0"},
	{"ipv4/tcp_syn_linear_timeouts", "0"}, // A connect to silence takes 127 s, as it does in the virtual world.
}

// newTap makes an interface, with its address, and sets it up.
func newTap(ns *netns.Namespace, o outfit) (*tap, error) {
	t := &tap{fd: -1}
	err := ns.Do(func() error {
		if err := tell(append(timing(o.scale), settings...)); err != nil {
			return err
		}
		if err := t.open(o.name); err != nil {
			return err
		}
		return t.furnish(o)
	})
	if err != nil {
		t.close()
		return nil, fmt.Errorf("make interface %s: %w", o.name, err)
	}
	return t, nil
}

// open makes the device, with the calling thread in its namespace.
func (t *tap) open(name string) error {
	var err error
	t.fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("open /dev/net/tun: %w", err)
	}
	ask, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	ask.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR | unix.IFF_TUN_EXCL)
	if err := unix.IoctlIfreq(t.fd, unix.TUNSETIFF, ask); err != nil {
		return fmt.Errorf("make a TAP device: %w", err)
	}
	if err := unix.IoctlSetInt(t.fd, unix.TUNSETOFFLOAD, unix.TUN_F_CSUM|unix.TUN_F_TSO4); err != nil {
		return fmt.Errorf("leave checksums and segments to the switch: %w", err)
	}
	return nil
}

// furnish gives the interface what it has, with the calling thread in its namespace.
func (t *tap) furnish(o outfit) error {
	var err error
	if t.inner, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("open a netlink socket: %w", err)
	}
	device, err := t.inner.LinkByName(o.name)
	if err != nil {
		return err
	}
	t.index = device.Attrs().Index
	own := &netlink.Addr{IPNet: network(o.address)}
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"hardware address", func() error { return t.inner.LinkSetHardwareAddr(device, o.mac[:]) }},
		{"mtu", func() error { return t.inner.LinkSetMTU(device, mtu) }},
		{"txqueuelen", func() error { return t.inner.LinkSetTxQLen(device, queueLen) }},
		{"ARP", func() error { return timeARP(t.index, o.scale) }},
		{"address " + o.address.String(), func() error { return t.inner.AddrAdd(device, own) }},
		{"up", func() error { return t.inner.LinkSetUp(device) }},
		{"routes", func() error { return t.lead(o.routes) }},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("set %s: %w", step.what, err)
		}
	}
	return nil
}

// lead tells the machine's kernel the ways to other segments, and where the routers are. What is on one of its own segments is
// reached there: those routes are better. Of two ways to a segment the one that was told first is taken.
func (t *tap) lead(routes []route) error {
	for _, r := range routes {
		way := &netlink.Route{LinkIndex: t.index, Dst: network(r.to), Gw: r.via.AsSlice(), Flags: int(netlink.FLAG_ONLINK), Priority: 1}
		at := &netlink.Neigh{LinkIndex: t.index, IP: r.via.AsSlice(), HardwareAddr: r.at[:], State: netlink.NUD_PERMANENT}
		if err := t.inner.NeighSet(at); err != nil {
			return fmt.Errorf("neighbour %v: %w", r.via, err)
		}
		if err := t.inner.RouteAdd(way); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("to %v: %w", r.to, err)
		}
	}
	return nil
}

func network(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), 32)}
}

// carrier says whether there is a cable in it.
func (t *tap) carrier(there bool) error {
	n := 0
	if there {
		n = 1
	}
	if err := unix.IoctlSetPointerInt(t.fd, unix.TUNSETCARRIER, n); err != nil {
		return fmt.Errorf("set carrier: %w", err)
	}
	return nil
}

// dropped is how many frames the machine's kernel had no room for. A device that is gone has none.
func (t *tap) dropped() uint64 {
	device, err := t.inner.LinkByIndex(t.index)
	if err != nil || device.Attrs().Statistics == nil {
		return 0
	}
	return device.Attrs().Statistics.TxDropped
}

// up reports whether the machine's kernel has noticed that there is a carrier.
func (t *tap) up() bool {
	device, err := t.inner.LinkByIndex(t.index)
	return err != nil || device.Attrs().OperState == netlink.OperUp
}

// close takes the device away, which may take the kernel some time.
func (t *tap) close() {
	if t.inner != nil {
		t.inner.Close()
	}
	if t.fd >= 0 {
		_ = unix.Close(t.fd) // Whatever it says, the descriptor is gone.
	}
}
