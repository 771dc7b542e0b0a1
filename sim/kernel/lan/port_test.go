//go:build linux

package lan

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"firedrill/sim"
	"firedrill/sim/kernel/netns"
)

// device is the machine's interface as its kernel shows it.
func (m *machine) device() netlink.Link {
	m.rig.t.Helper()
	return must(in(m, func() (netlink.Link, error) { return netlink.LinkByName(lan0) }))(m.rig.t)
}

// What a machine finds: an interface with the segment's name, its own address and a hardware address that never changes, and a
// kernel that answers ARP as several machines on several segments must.
func TestInterface(t *testing.T) {
	r := newRig(t, 1, sim.Condition{})
	a := r.machines["a"]
	attrs := a.device().Attrs()
	if attrs.HardwareAddr.String() != MAC(lan0, "a").String() || attrs.MTU != 1500 || attrs.TxQLen != 20000 {
		t.Errorf("have %v, mtu %d, txqueuelen %d", attrs.HardwareAddr, attrs.MTU, attrs.TxQLen)
	}
	for name, want := range map[string]string{"ipv6/conf/lan/disable_ipv6": "1", "ipv4/conf/lan/arp_ignore": "1",
		"ipv4/conf/lan/arp_announce": "2", "ipv4/conf/lan/rp_filter": "0", "ipv4/conf/all/rp_filter": "0"} {
		got := must(in(a, func() ([]byte, error) { return os.ReadFile("/proc/sys/net/" + name) }))(t)
		if string(bytes.TrimSpace(got)) != want {
			t.Errorf("%s: want %s, have %s", name, want, got)
		}
	}
	one, other := MAC("lan", "a"), MAC("lan", "b")
	if one.String() == other.String() || one.String() == MAC("heartbeat", "a").String() || one[0]&3 != 2 {
		t.Errorf("want addresses of one station each, given locally, and different, have %v, %v", one, other)
	}
}

// Without its cable a machine hears nothing and has no carrier.
func TestUnplug(t *testing.T) {
	_, a, b, ua, ub := pair(t)
	check(t, b.port.Unplug())
	ua.WriteTo([]byte("lost"), b.at(9))
	ub.WriteTo([]byte("lost too"), a.at(9))
	if here, there := hears(t, ua, silence), hears(t, ub, silence); here != "" || there != "" {
		t.Errorf("want nothing, have %q and %q", here, there)
	}
	if b.device().Attrs().RawFlags&unix.IFF_LOWER_UP != 0 {
		t.Error("want no carrier")
	}
	check(t, b.port.Plug())
	for end := time.Now().Add(patience); b.device().Attrs().RawFlags&unix.IFF_LOWER_UP == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("want a carrier")
		}
	}
	ub.WriteTo([]byte("found"), a.at(9))
	if got := hears(t, ua, patience); got != "found" {
		t.Errorf("want found, have %q", got)
	}
}

// A machine that is frozen hears nothing and is not heard. When it thaws, all of it comes, in order.
func TestFreeze(t *testing.T) {
	_, a, b, ua, ub := pair(t)
	b.port.Freeze()
	for n := range byte(50) {
		ua.WriteTo([]byte{'a', n}, b.at(9))
		ub.WriteTo([]byte{'b', n}, a.at(9))
	}
	if here, there := hears(t, ua, silence), hears(t, ub, silence); here != "" || there != "" {
		t.Errorf("want nothing, have %q and %q", here, there)
	}
	b.port.Thaw()
	for n := range byte(50) {
		if got := hears(t, ub, patience); got != string([]byte{'a', n}) {
			t.Fatalf("to it: want %d next, have %q", n, got)
		}
		if got := hears(t, ua, patience); got != string([]byte{'b', n}) {
			t.Fatalf("from it: want %d next, have %q", n, got)
		}
	}
}

// After a loss of power there is silence. What was held for the machine comes to its next boot, which has the same hardware
// address: the neighbours' ARP entries are right.
func TestPowerOff(t *testing.T) {
	r, a, b, ua, ub := pair(t)
	first, release := r.impose("a", "b", sim.Condition{Hold: true})
	ua.WriteTo([]byte("held"), b.at(9))
	for held := false; !held; time.Sleep(time.Millisecond) { // The switch has it, and not the interface.
		r.lock.Lock()
		held = first.Held > 0
		r.lock.Unlock()
	}
	b.port.Freeze()
	ub.WriteTo([]byte("never sent"), a.at(9))
	ub.Close()
	b.powerOff()
	b.port.Thaw() // Nothing of it is left to thaw.
	release()
	_, release = r.impose("a", "b", sim.Condition{Hold: true})
	ua.WriteTo([]byte("kept"), b.at(9))
	if got := hears(t, ua, silence); got != "" {
		t.Errorf("want silence, have %q", got)
	}
	if by := r.ServedBy(netip.AddrPort{}, netip.AddrPort{}); by != "" {
		t.Errorf("want nobody, have %q", by)
	}
	b.boot()
	ub = b.listen(9)
	release()
	if got := hears(t, ub, patience); got != "kept" {
		t.Errorf("want what was held while it was off, have %q", got)
	}
	ub.WriteTo([]byte("back"), a.at(9))
	if got := hears(t, ua, patience); got != "back" {
		t.Errorf("want back, have %q", got)
	}
}

// A machine has one port on a segment, and what cannot be attached leaves nothing.
func TestAttachRefuses(t *testing.T) {
	r := newRig(t, 1, sim.Condition{})
	ns := must(netns.New())(t)
	defer ns.Close()
	for _, one := range []struct{ segment, machine, address, want string }{
		{lan0, "a", "10.1.0.9/16", "attach a to lan: its port is in use"},
		{"wan", "b", "10.1.0.9/16", `attach b to wan: no segment "wan"`},
		{lan0, "b", "fd00::1/64", "attach b to lan: want an IPv4 address, have fd00::1/64"},
	} {
		_, err := r.Attach(ns, one.segment, one.machine, netip.MustParsePrefix(one.address))
		if err == nil || err.Error() != one.want {
			t.Errorf("want %q, have %v", one.want, err)
		}
	}
	names := must(in(&machine{ns: ns}, net.Interfaces))(t)
	if len(names) != 1 {
		t.Errorf("want lo alone, have %v", names)
	}
	for _, one := range []struct {
		spec sim.Segment
		want string
	}{
		{sim.Segment{Name: lan0}, `segment "lan" is there already`},
		{sim.Segment{Name: "far", Subnet: netip.MustParsePrefix("10.2.0.0/24")}, ""},
		{sim.Segment{Name: "a-name-too-long-"}, `segment "a-name-too-long-": want a name of 1 to 15 bytes, which interfaces bear`},
		{sim.Segment{Name: "wan", Joins: []string{lan0, "dmz"}}, `segment "wan" joins "dmz", which is no segment of its own`},
		{sim.Segment{Name: "wan", Joins: []string{lan0, "far"}}, ""},
		{sim.Segment{Name: "wan", Joins: []string{lan0, "far"}}, `segment "wan" is there already`},
		{sim.Segment{Name: "way", Joins: []string{lan0, "wan"}}, `segment "way" joins "wan", which is no segment of its own`},
		{sim.Segment{Name: "way", Joins: []string{"far", lan0}}, `segments "wan" and "way" join the same two; want one way between two segments`},
	} {
		if err := r.AddSegment(one.spec); err == nil && one.want != "" || err != nil && err.Error() != one.want {
			t.Errorf("want %q, have %v", one.want, err)
		}
	}
}

// An address moves from one machine to another. Whoever has an ARP entry goes to the old one until it hears of the new one, and the
// switch tells both times who answered.
func TestAddressMoves(t *testing.T) {
	r := newRig(t, 3, sim.Condition{})
	a, b, c := r.machines["a"], r.machines["b"], r.machines["c"]
	virtual := netip.MustParseAddr("10.1.9.9")
	for _, m := range []*machine{b, c} {
		m.bind(virtual, true)
		m.serve(80, echo)
		m.bind(virtual, false)
	}
	served := func() string {
		conn := must(a.dial(virtual, 80, patience))(t)
		defer conn.Close()
		return r.ServedBy(addrPort(conn.LocalAddr()), addrPort(conn.RemoteAddr()))
	}
	b.bind(virtual, true)
	if by := served(); by != "b" {
		t.Errorf("want b, have %q", by)
	}
	c.bind(virtual, true)
	if by := served(); by != "b" {
		t.Errorf("without a word of c: want b still, have %q", by)
	}
	b.bind(virtual, false)
	c.announce(virtual)
	if by := served(); by != "c" {
		t.Errorf("after the announcement: want c, have %q", by)
	}
}

// bind adds an address to the machine's interface, or takes it away.
func (m *machine) bind(a netip.Addr, there bool) {
	t := m.rig.t
	t.Helper()
	check(t, m.ns.Do(func() error {
		device, err := netlink.LinkByName(m.on())
		if err != nil {
			return err
		}
		address, err := netlink.ParseAddr(a.String() + "/32")
		if err != nil {
			return err
		}
		if there {
			return netlink.AddrAdd(device, address)
		}
		return netlink.AddrDel(device, address)
	}))
}

// Two owners of an address both answer, and Who tells of both.
func TestWho(t *testing.T) {
	r := newRig(t, 4, sim.Condition{})
	virtual := netip.MustParseAddr("10.1.9.9")
	r.machines["b"].bind(virtual, true)
	r.machines["c"].bind(virtual, true)
	a := r.machines["a"]
	a.answered(virtual, "b", "c")
	r.impose("a", "b", sim.Condition{Cut: true})
	a.answered(virtual, "c")
	a.answered(netip.MustParseAddr("10.1.9.10"))
}

// Broadcast and multicast reach everybody; what is for one machine reaches that one, as soon as the switch has seen it.
func TestFlood(t *testing.T) {
	r := newRig(t, 4, sim.Condition{})
	a := r.machines["a"]
	group := &net.UDPAddr{IP: net.IPv4(224, 0, 0, 18), Port: 9}
	all := map[string]*net.UDPConn{}
	for _, name := range []string{"b", "c", "d"} {
		m := r.machines[name]
		all[name] = must(in(m, func() (*net.UDPConn, error) {
			device, err := net.InterfaceByName(lan0)
			if err != nil {
				return nil, err
			}
			return net.ListenMulticastUDP("udp4", device, group)
		}))(t)
		defer all[name].Close()
	}
	ua := a.listen(9)
	for _, to := range []*net.UDPAddr{group, {IP: net.IPv4(10, 1, 255, 255), Port: 9}} {
		if to == group {
			check(t, a.ns.Do(func() error { // Multicast needs to know the way.
				return netlink.RouteAdd(&netlink.Route{LinkIndex: a.port.tap.index, Dst: &net.IPNet{IP: group.IP, Mask: net.CIDRMask(32, 32)}})
			}))
		}
		if _, err := ua.WriteTo([]byte(to.IP.String()), to); err != nil {
			t.Fatal(err)
		}
		for name, c := range all {
			if got := hears(t, c, patience); got != to.IP.String() && to == group {
				t.Errorf("%s: want what was sent to %v, have %q", name, to, got)
			}
		}
	}
	received := func(name string) uint64 { return r.machines[name].device().Attrs().Statistics.RxPackets }
	ua.WriteTo([]byte("meet"), r.machines["b"].at(9))
	before := received("c")
	for range 100 {
		ua.WriteTo([]byte("for b alone"), r.machines["b"].at(9))
	}
	time.Sleep(silence)
	if more := received("c") - before; more > 5 {
		t.Errorf("c has received %d frames of 100 that were for b", more)
	}
}

// An address that no machine was given is found by what comes from it.
func TestLearnsAddresses(t *testing.T) {
	r, a, b, ua, ub := pair(t)
	strange := net.HardwareAddr{2, 0, 0, 0, 0, 99}
	check(t, b.ns.Do(func() error {
		device, err := netlink.LinkByName(lan0)
		if err != nil {
			return err
		}
		return netlink.LinkSetHardwareAddr(device, strange)
	}))
	b.announce(b.addr) // By its old address: the entry of a is wrong, and the switch's right.
	check(t, a.ns.Do(func() error {
		return netlink.NeighSet(&netlink.Neigh{LinkIndex: a.port.tap.index, State: netlink.NUD_PERMANENT, IP: b.addr.AsSlice(),
			HardwareAddr: strange})
	}))
	ua.WriteTo([]byte("flooded"), b.at(9))
	if got := hears(t, ub, patience); got != "flooded" {
		t.Errorf("want flooded, have %q", got)
	}
	ub.WriteTo([]byte("seen"), a.at(9))
	if got := hears(t, ua, patience); got != "seen" {
		t.Errorf("want seen, have %q", got)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if j := r.segment(lan0).at[hardware(strange)]; j == nil || j.machine != "b" {
		t.Errorf("want the address where b is, have %v", j)
	}
}

// A switch that is kept from its work says by how much it was late.
func TestLateWhenKept(t *testing.T) {
	r, _, b, ua, ub := pair(t)
	const kept = 400 * time.Millisecond
	if worst := r.Late().Worst; worst >= kept {
		t.Skip("the machine is loaded as it is: late by", worst)
	}
	r.lock.Lock()
	ua.WriteTo([]byte("late"), b.at(9))
	time.Sleep(kept)
	r.lock.Unlock()
	if got := hears(t, ub, patience); got != "late" {
		t.Errorf("want late, have %q", got)
	}
	for end := time.Now().Add(patience); r.Late().Worst < kept-2*tick; time.Sleep(tick) { // It may have to wait for a processor.
		if time.Now().After(end) {
			t.Fatalf("want some %v, have %v", kept, r.Late().Worst)
		}
	}
}

// On a loaded machine the switch is late, and says so without a single frame.
func TestLateWhenLoaded(t *testing.T) {
	r := newRig(t, 1, sim.Condition{})
	var all sync.WaitGroup
	end := time.Now().Add(500 * time.Millisecond)
	for range 16 * runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for time.Now().Before(end) {
			}
		})
	}
	all.Wait()
	time.Sleep(3 * tick)
	if worst := r.Late().Worst; worst < tick {
		t.Errorf("want it late by more than %v, have %v", tick, worst)
	}
}

// What a kernel has no room for is counted, also after its machine is off.
func TestDropped(t *testing.T) {
	r, a, b, ua, _ := pair(t)
	if n := r.Late().Dropped; n > 0 {
		t.Errorf("want none dropped yet, have %d", n)
	}
	before := overflow(t, r, a, ua, b)
	a.powerOff()
	if after := r.Late().Dropped; after < before {
		t.Errorf("want %d still, have %d", before, after)
	}
}

// What a machine sends without a cable its kernel drops. Nobody has lost that; what comes after is counted again.
func TestDroppedWithoutCable(t *testing.T) {
	r, a, b, ua, ub := pair(t)
	for round := range 2 {
		check(t, a.port.Unplug())
		r.lock.Lock()
		before := a.port.tap.dropped()
		r.lock.Unlock()
		for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) { // The kernel sees a moment later what is missing.
			a.announce(a.port.address)
			r.lock.Lock()
			n := a.port.tap.dropped() - before
			r.lock.Unlock()
			if n > 5 {
				break
			}
			if time.Now().After(end) {
				t.Skip("this kernel does not count what is sent without a carrier")
			}
		}
		if n := r.Late().Dropped; n > 0 {
			t.Errorf("round %d: want none dropped, have %d", round, n)
		}
		check(t, a.port.Plug())
		for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			r.lock.Lock()
			dark := a.port.dark
			r.lock.Unlock()
			if !dark {
				break
			}
			if time.Now().After(end) {
				t.Fatal("the cable is not noticed")
			}
		}
		if n := r.Late().Dropped; n > 0 {
			t.Errorf("round %d, plugged in: want none dropped, have %d", round, n)
		}
	}
	ua.WriteTo([]byte("known again"), b.at(9))
	if got := hears(t, ub, patience); got != "known again" {
		t.Errorf("want it known again, have %q", got)
	}
	before := overflow(t, r, a, ua, b)
	check(t, a.port.Unplug())
	a.powerOff()
	if after := r.Late().Dropped; after != before {
		t.Errorf("want %d still, have %d", before, after)
	}
}

// overflow makes a machine's queue too short for what it sends while the switch stands still, and returns what Late says.
func overflow(t *testing.T, r *rig, from *machine, socket *net.UDPConn, to *machine) uint64 {
	t.Helper()
	check(t, from.ns.Do(func() error {
		device, err := netlink.LinkByName(lan0)
		if err != nil {
			return err
		}
		return netlink.LinkSetTxQLen(device, 10)
	}))
	r.lock.Lock()
	for range 100 {
		socket.WriteTo([]byte("x"), to.at(9))
	}
	r.lock.Unlock()
	dropped := r.Late().Dropped
	if dropped < 50 {
		t.Errorf("want most of 100 dropped, have %d", dropped)
	}
	return dropped
}

// After Close no device is left, nor a descriptor, nor a thread that listens. What was unplugged, frozen or held is no hindrance.
func TestNothingIsLeft(t *testing.T) {
	before := descriptors(t)
	r := newRig(t, 5, sim.Condition{})
	r.machines["b"].port.Unplug()
	r.machines["c"].port.Freeze()
	r.impose("a", "d", sim.Condition{Hold: true})
	r.impose("a", "e", sim.Condition{Latency: ptr(time.Hour)})
	ua := r.machines["a"].listen(9)
	for name := range r.machines {
		ua.WriteTo([]byte("x"), r.machines[name].at(9))
	}
	time.Sleep(silence)
	ua.Close()
	check(t, r.Close())
	for name, m := range r.machines {
		left := must(in(m, net.Interfaces))(t)
		if len(left) != 1 || left[0].Name != "lo" {
			t.Errorf("%s: want lo alone, have %v", name, left)
		}
		m.ns.Close()
	}
	if err := r.Close(); err == nil {
		t.Error("want an error of the second Close")
	}
	here := must(netns.Current())(t)
	_, err := r.Attach(here, lan0, "a", netip.MustParsePrefix("10.1.0.1/16"))
	here.Close()
	if err == nil {
		t.Error("want an error of Attach after Close")
	}
	r.machines = nil
	if after := descriptors(t); after > before {
		t.Errorf("want %d descriptors as before, have %d", before, after)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	return len(must(os.ReadDir("/proc/self/fd"))(t))
}

// A namespace may go before its ports are closed: the switch carries on for the others.
func TestNamespaceGoesFirst(t *testing.T) {
	r := newRig(t, 3, sim.Condition{})
	c := r.machines["c"]
	c.port.tap.inner.Close() // It would keep the namespace.
	c.ns.Close()
	c.ns = nil
	time.Sleep(silence)
	a, b := r.machines["a"], r.machines["b"]
	ua, ub := a.listen(9), b.listen(9)
	meet(t, ua, ub, a, b)
	busy := r.Late().Frames
	time.Sleep(silence)
	if r.Late().Frames > busy+10 {
		t.Error("the loop is busy with what is gone")
	}
}
