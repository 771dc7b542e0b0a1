//go:build linux

package env

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"firedrill/nodes"
)

// heard takes the ARP packets that have come to a socket.
func heard(t *testing.T, fd int) (all []arp) {
	t.Helper()
	for b := make([]byte, 64); ; {
		n, _, err := unix.Recvfrom(fd, b, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return all
		case err != nil:
			t.Fatal(err)
		}
		a, ok := parseARP(b[:n])
		if !ok {
			t.Errorf("no ARP of IPv4: % x", b[:n])
		}
		all = append(all, a)
	}
}

// Bind tells first whoever looks after the machine, and then everybody on the segment; bound again, an address is announced
// again, and nobody is told twice.
func TestBindAnnounces(t *testing.T) {
	c := newCable(t)
	var ear int
	err := c[1].Do(func() (err error) {
		ear, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, int(bigEndian(unix.ETH_P_ARP)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(ear)
	m := c.machine(t, 0, nil)
	tell := m.c.Bound
	m.c.Bound = func(iface string, a netip.Addr, bound bool) {
		tell(iface, a, bound)
		if early := heard(t, ear); bound && len(early) > 0 {
			t.Errorf("%v is announced before anybody was told", early)
		}
	}
	address := netip.MustParsePrefix("10.0.0.9/24")
	err = m.Run(software(func(env nodes.Env) error {
		i := must(env.Net().InterfaceByName("lan"))
		want := arp{operation: arpRequest, hardware: [6]byte(i.HardwareAddr), sender: address.Addr(), target: address.Addr()}
		for range 2 {
			if err := env.Bind("lan", address); err != nil {
				return err
			}
			m.hears(t, ear, want)
		}
		env.Arping("lan", netip.MustParseAddr("10.0.0.77"), 0)
		return env.Unbind("lan", address)
	}))
	m.end(t)
	if want := []string{"lan 10.0.0.9 true", "lan 10.0.0.9 false"}; err != nil || !slices.Equal(m.bound, want) {
		t.Errorf("want %q, have %q and %v", want, m.bound, err)
	}
	if rest := heard(t, ear); len(rest) > 0 {
		t.Errorf("more than the announcements was heard: %v", rest)
	}
}

// hears wants one packet and no other. On a cable between two namespaces a packet is there when it is sent, or soon after.
func (m *machine) hears(t *testing.T, ear int, want arp) {
	t.Helper()
	var have []arp
	env := m.Env()
	for limit := env.Uptime() + 20*time.Second; len(have) == 0 && env.Uptime() < limit; env.Sleep(time.Millisecond) {
		have = heard(t, ear)
	}
	if !slices.Equal(have, []arp{want}) {
		t.Errorf("want %v, have %v", want, have)
	}
}

// What is dropped by the one who is told of an address gets no further: it is not announced.
func TestBindMayDropItsTask(t *testing.T) {
	m := newCable(t).machine(t, 0, nil)
	m.c.Bound = func(string, netip.Addr, bool) { m.Stop() }
	err := m.Run(software(func(env nodes.Env) error {
		err := env.Bind("lan", netip.MustParsePrefix("10.0.0.9/24"))
		t.Error("this is not reached")
		return err
	}))
	m.end(t)
	if !errors.Is(err, ErrDropped) {
		t.Errorf("have %v", err)
	}
}

// Where the cable is out, nobody is asked and nothing is waited for; an address can be bound all the same.
func TestWithoutACable(t *testing.T) {
	c := newCable(t)
	c.carrier(t, 1, false)
	m := c.machine(t, 0, nil)
	err := m.Run(software(func(env nodes.Env) error {
		before := env.Uptime()
		if env.Arping("lan", ends[1], time.Hour) || env.Uptime()-before > time.Minute {
			t.Errorf("an answer, or a wait of %s", env.Uptime()-before)
		}
		if i := must(env.Net().InterfaceByName("lan")); i.Flags.String() != "up|broadcast|multicast" {
			t.Errorf("the interface is %s", i.Flags)
		}
		return env.Bind("lan", netip.MustParsePrefix("10.0.0.9/24"))
	}))
	m.end(t)
	if err != nil {
		t.Error(err)
	}
}

// A machine that was never off, and whose software starts again, finds its addresses as they were: the own one is still the first.
func TestAddressesOutliveTheSoftware(t *testing.T) {
	c := newCable(t)
	address := netip.MustParsePrefix("10.0.0.9/24")
	for _, act := range []func(env nodes.Env) error{
		func(env nodes.Env) error { return env.Bind("lan", address) },
		func(env nodes.Env) error {
			if all := must(must(env.Net().InterfaceByName("lan")).Addrs()); len(all) != 2 || all[0].String() != "10.0.0.1/24" {
				t.Errorf("have %v", all)
			}
			if err := env.Unbind("lan", netip.PrefixFrom(ends[0], 24)); err == nil {
				t.Error("the own address is given up")
			}
			return env.Unbind("lan", address)
		},
	} {
		m := c.machine(t, 0, nil)
		if err := m.Run(software(act)); err != nil {
			t.Error(err)
		}
		m.end(t)
	}
}

func TestParseARP(t *testing.T) {
	want := arp{operation: arpReply, hardware: [6]byte{2, 0, 0, 0, 0, 1}, sender: ends[0], target: ends[1]}
	b := want.bytes()
	if have, ok := parseARP(append(b, 0, 0)); !ok || have != want { // Short frames are padded.
		t.Errorf("want %v, have %v, %t", want, have, ok)
	}
	other := slices.Clone(b)
	other[3] = 0xdd // IPv6, which ARP is not for.
	for _, b := range [][]byte{nil, b[:arpSize-1], other} {
		if a, ok := parseARP(b); ok {
			t.Errorf("% x is taken for %v", b, a)
		}
	}
}
