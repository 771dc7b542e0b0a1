//go:build linux

package env

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"firedrill/nodes"
	"firedrill/sim"
	"firedrill/sim/kernel/netns"
)

// began is the start of all clocks here.
var began = time.Now()

// machine is a machine under test, and what it says.
type machine struct {
	*Machine
	lock  sync.Mutex
	scale time.Duration
	clock *sim.Clock

	facts  []nodes.Fact
	lines  []string
	bound  []string
	panics []string
	halted []bool
}

// newMachine makes a machine in the host's own namespace, unless change says otherwise.
func newMachine(t testing.TB, change func(*machine, *Config)) *machine {
	m := &machine{clock: sim.NewClock(sim.ClockSpec{}, time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)), scale: 1}
	c := Config{
		Lock: &m.lock, Clock: m.clock, True: m.now,
		Rand: rand.New(rand.NewPCG(1, 2)),
		Note: func(f nodes.Fact) { m.facts = append(m.facts, f) },
		Log: func(level, text string, attrs []nodes.Attr) {
			m.lines = append(m.lines, fmt.Sprint(level, " ", text, " ", attrs))
		},
		Bound:    func(iface string, a netip.Addr, b bool) { m.bound = append(m.bound, fmt.Sprint(iface, " ", a, " ", b)) },
		Halt:     func(reboot bool) { m.halted = append(m.halted, reboot) },
		Panicked: func(task, value, stack string) { m.panics = append(m.panics, task+": "+value+"\n"+stack) },
	}
	if t != nil {
		c.Root = t.TempDir()
	}
	if change != nil {
		change(m, &c)
	}
	c.Scale = int64(m.scale)
	m.Machine = New(c)
	m.locked(func() { m.clock.Boot(m.now()) })
	return m
}

func (m *machine) now() time.Duration { return time.Since(began) * m.scale }

func (m *machine) locked(act func()) {
	m.lock.Lock()
	defer m.lock.Unlock()
	act()
}

// software makes a node of a function.
type software func(nodes.Env) error

func (s software) Run(env nodes.Env) error { return s(env) }

// end waits for everything of the machine to end.
func (m *machine) end(t testing.TB) {
	t.Helper()
	over := make(chan struct{})
	go func() {
		m.Wait()
		close(over)
	}()
	select {
	case <-over:
	case <-time.After(time.Minute):
		t.Fatal("the machine does not come to an end")
	}
	for _, p := range m.panics {
		t.Errorf("panic of %s", p)
	}
}

// cable is two network namespaces, each with one end of a cable as its interface lan: 10.0.0.1 and 10.0.0.2.
type cable [2]*netns.Namespace

var ends = [2]netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")}

// newCable skips the test where namespaces cannot be made.
func newCable(t testing.TB) cable {
	t.Helper()
	var c cable
	for i := range c {
		n, err := netns.New()
		if errors.Is(err, os.ErrPermission) {
			t.Skip("making a network namespace needs root or a user namespace:", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close() })
		c[i] = n
	}
	err := c[0].Do(func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "lan"
		return netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "lan", PeerNamespace: netlink.NsFd(c[1].File().Fd())})
	})
	if err != nil {
		t.Fatal("lay a cable:", err)
	}
	for i, n := range c {
		if err := n.Do(func() error { return furnish(ends[i]) }); err != nil {
			t.Fatal(err)
		}
	}
	c.ready(t)
	return c
}

// furnish sets up the calling thread's namespace.
func furnish(own netip.Addr) error {
	for name, value := range map[string]string{
		"ipv6/conf/all/disable_ipv6": "1", "ipv4/conf/all/arp_ignore": "1", "ipv4/conf/all/arp_announce": "2",
		"ipv4/conf/all/rp_filter": "0",
	} {
		if err := os.WriteFile("/proc/sys/net/"+name, []byte(value), 0); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	if err := up("lo"); err != nil {
		return err
	}
	l, err := netlink.LinkByName("lan")
	if err != nil {
		return err
	}
	a := &netlink.Addr{IPNet: &net.IPNet{IP: own.AsSlice(), Mask: net.CIDRMask(24, 32)}}
	return errors.Join(netlink.AddrAdd(l, a), netlink.LinkSetUp(l))
}

// up switches an interface on.
func up(name string) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(l)
}

// ready waits until both ends carry frames: for a moment after an interface is up, what is sent on it is dropped.
func (c cable) ready(t testing.TB) {
	t.Helper()
	for _, n := range c {
		err := n.Do(func() error {
			for limit := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
				l, err := netlink.LinkByName("lan")
				if err != nil || l.Attrs().OperState == netlink.OperUp {
					return err
				}
				if time.Now().After(limit) {
					return errors.New("the cable carries nothing")
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// carrier plugs the cable in at one end, or pulls it out.
func (c cable) carrier(t testing.TB, end int, plugged bool) {
	t.Helper()
	err := c[end].Do(func() error {
		if plugged {
			return up("lan")
		}
		l, err := netlink.LinkByName("lan")
		if err != nil {
			return err
		}
		return netlink.LinkSetDown(l)
	})
	if err != nil {
		t.Error(err)
	}
}

// machine makes a machine at one end.
func (c cable) machine(t testing.TB, end int, change func(*machine, *Config)) *machine {
	return newMachine(t, func(m *machine, config *Config) {
		config.In, config.Interfaces = c[end].Do, []string{"lan"}
		if change != nil {
			change(m, config)
		}
	})
}
