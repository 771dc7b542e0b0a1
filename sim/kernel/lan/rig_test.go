//go:build linux

package lan

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"firedrill/sim"
	"firedrill/sim/internal/apart"
	"firedrill/sim/kernel/netns"
)

// TestMain runs the tests in namespaces of their own: as an ordinary user too, and with nothing of the host in sight.
func TestMain(m *testing.M) {
	if err := apart.Run(); err != nil {
		fmt.Println("SKIP:", apart.Unable+":", err)
	}
	goleak.VerifyTestMain(m)
}

func TestAsOrdinaryUser(t *testing.T) { apart.AsOrdinaryUser(t, 20) }

// rig is a switch with machines, which are namespaces and nothing else.
type rig struct {
	*Switch
	t        testing.TB
	lock     sync.Mutex
	network  *sim.Network
	machines map[string]*machine
}

type machine struct {
	rig     *rig
	name    string
	ns      *netns.Namespace
	port    *Port
	segment string // "": lan0
	addr    netip.Addr
	bits    int // 0: those of lan0's subnet
}

const lan0 = "lan"

var subnet = netip.MustParsePrefix("10.1.0.0/16")

// newRig makes a segment with machines a, b, c and so on.
func newRig(t testing.TB, machines int, base sim.Condition) *rig {
	start := time.Now()
	return newScaledRig(t, machines, base, 1, func() time.Duration { return time.Since(start) })
}

func newScaledRig(t testing.TB, machines int, base sim.Condition, scale int64, now func() time.Duration) *rig {
	t.Helper()
	r := &rig{t: t, network: sim.NewNetwork(1), machines: map[string]*machine{}}
	var err error
	r.Switch, err = New(Options{Network: r.network, Lock: &r.lock, Now: now, Scale: scale, Rand: sim.Stream(1, "switch")})
	if err != nil {
		t.Fatal(err)
	}
	spec := sim.Segment{Name: lan0, Subnet: subnet, Base: base}
	r.network.AddSegment(spec)
	if err := r.AddSegment(spec); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.close() })
	for i := range machines {
		m := &machine{rig: r, name: name(i), addr: netip.AddrFrom4([4]byte{10, 1, 0, byte(i + 1)})}
		r.machines[m.name] = m
		r.network.Attach(lan0, m.name)
		m.boot()
	}
	return r
}

func name(i int) string {
	if i < 26 {
		return string(rune('a' + i))
	}
	return fmt.Sprintf("m%d", i)
}

// boot gives the machine a namespace and an interface.
func (m *machine) boot() {
	t := m.rig.t
	t.Helper()
	var err error
	m.ns, err = netns.New()
	if errors.Is(err, os.ErrPermission) {
		t.Skip("making a network namespace needs root or a user namespace:", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	check(t, m.ns.Do(func() error { // Its kernel tells itself what it learns.
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(lo)
	}))
	own := netip.PrefixFrom(m.addr, cmp.Or(m.bits, subnet.Bits()))
	if m.port, err = m.rig.Attach(m.ns, m.on(), m.name, own); err != nil {
		t.Fatal(err)
	}
}

// on is the segment of the machine.
func (m *machine) on() string { return cmp.Or(m.segment, lan0) }

// powerOff takes both away.
func (m *machine) powerOff() {
	m.port.Close()
	m.ns.Close()
	m.ns = nil
}

func (r *rig) close() {
	if r.machines == nil {
		return
	}
	if err := r.Close(); err != nil {
		r.t.Error(err)
	}
	for _, m := range r.machines {
		if m.ns != nil {
			m.ns.Close()
		}
	}
	r.machines = nil
}

// impose puts a condition on the links of the segment from one machine to another; "" is every one.
func (r *rig) impose(from, to string, c sim.Condition) (i *sim.Imposition, lift func()) {
	return r.imposeOn(lan0, from, to, c)
}

func (r *rig) imposeOn(segment, from, to string, c sim.Condition) (i *sim.Imposition, lift func()) {
	i = &sim.Imposition{Condition: c}
	r.lock.Lock()
	defer r.lock.Unlock()
	var links []*sim.Link
	for _, l := range r.network.Links(segment) {
		if (from == "" || l.From == from) && (to == "" || l.To == to) {
			l.Impose(i)
			links = append(links, l)
		}
	}
	return i, func() {
		r.lock.Lock()
		defer r.lock.Unlock()
		for _, l := range links {
			l.Lift(i)
		}
	}
}

// must is for what a test has no doubt about.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// in calls act inside of the machine.
func in[T any](m *machine, act func() (T, error)) (T, error) {
	var v T
	err := m.ns.Do(func() (err error) {
		v, err = act()
		return err
	})
	return v, err
}

// listen opens a UDP socket that is closed with the test.
func (m *machine) listen(port uint16) *net.UDPConn {
	m.rig.t.Helper()
	c := must(in(m, func() (*net.UDPConn, error) {
		return net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.IPv4Unspecified(), port)))
	}))(m.rig.t)
	m.rig.t.Cleanup(func() { c.Close() })
	return c
}

// serve opens a TCP listener that is closed with the test, and calls each for every connection.
func (m *machine) serve(port uint16, each func(net.Conn)) {
	m.rig.t.Helper()
	l := must(in(m, func() (net.Listener, error) {
		return net.Listen("tcp4", fmt.Sprintf("0.0.0.0:%d", port))
	}))(m.rig.t)
	var all sync.WaitGroup
	over := make(chan struct{})
	m.rig.t.Cleanup(func() {
		l.Close()
		close(over)
		all.Wait()
	})
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			ended := make(chan struct{})
			all.Go(func() {
				defer close(ended)
				each(c)
			})
			all.Go(func() {
				select {
				case <-over: // Its peer may be gone without a word.
				case <-ended:
				}
				c.Close()
			})
		}
	})
}

// dial connects to a port of another machine.
func (m *machine) dial(to netip.Addr, port uint16, timeout time.Duration) (net.Conn, error) {
	return in(m, func() (net.Conn, error) {
		return net.DialTimeout("tcp4", netip.AddrPortFrom(to, port).String(), timeout)
	})
}

// reach is dial for where true time goes so fast that a kernel gives up ARP within milliseconds: where the switch is late, it is
// asked again.
func (m *machine) reach(to *machine, port uint16) (c net.Conn, err error) {
	for end := time.Now().Add(patience); ; {
		c, err = m.dial(to.addr, port, patience)
		if !errors.Is(err, unix.EHOSTUNREACH) || time.Now().After(end) {
			return c, err
		}
	}
}

func (m *machine) at(port uint16) *net.UDPAddr {
	return net.UDPAddrFromAddrPort(netip.AddrPortFrom(m.addr, port))
}

// hears waits for one datagram; "" is silence for as long as that. Where this process had no processor meanwhile it has not
// listened, and begins again.
func hears(t testing.TB, c *net.UDPConn, wait time.Duration) string {
	t.Helper()
	b := make([]byte, 2048)
	for {
		limit := time.Now().Add(wait)
		c.SetReadDeadline(limit)
		n, _, err := c.ReadFromUDPAddrPort(b)
		switch {
		case err == nil:
			return string(b[:n])
		case !errors.Is(err, os.ErrDeadlineExceeded):
			t.Fatal(err)
		case time.Since(limit) < max(tick, wait/2):
			return ""
		}
	}
}

// until waits for what has to come about; holds is called with the rig's lock.
func (r *rig) until(what string, holds func() bool) {
	r.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		late := time.Now().After(end) // Known before looking: there may have been no processor since.
		r.lock.Lock()
		is := holds()
		r.lock.Unlock()
		if is {
			return
		}
		if late {
			r.t.Fatal("waits in vain: ", what)
		}
	}
}

// answered asks by ARP from a port, and wants these to answer, and nobody else. Who is too slow is asked again.
func (m *machine) answered(a netip.Addr, want ...string) {
	r := m.rig
	r.t.Helper()
	for end := time.Now().Add(patience); ; {
		r.lock.Lock()
		answers := m.port.Who(a)
		r.lock.Unlock()
		time.Sleep(silence)
		r.lock.Lock()
		have := slices.Sorted(slices.Values(answers()))
		r.lock.Unlock()
		if slices.Equal(have, want) {
			return
		}
		more := slices.ContainsFunc(have, func(by string) bool { return !slices.Contains(want, by) })
		if more || time.Now().After(end) {
			r.t.Errorf("want answers for %v from %v, have %v", a, want, have)
			return
		}
	}
}

// announce sends a gratuitous question of ARP: the address is here.
func (m *machine) announce(a netip.Addr) {
	t := m.rig.t
	t.Helper()
	check(t, m.ns.Do(func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		device, err := net.InterfaceByName(m.on())
		if err != nil {
			return err
		}
		p := *m.port
		p.address = a
		return unix.Sendto(fd, p.request(a).frame(), 0, &unix.SockaddrLinklayer{Ifindex: device.Index, Protocol: 0x0608})
	}))
}

// Waits in tests: patience is for what has to come about, silence for what must not.
const (
	patience = 5 * time.Second
	silence  = 100 * time.Millisecond
)

func echo(c net.Conn) {
	b := make([]byte, 1<<16)
	for {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		if _, err := c.Write(b[:n]); err != nil {
			return
		}
	}
}
