//go:build linux

package lan

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"
	"golang.org/x/sys/unix"

	"firedrill/nodes"
	"firedrill/sim"
)

// sites are machines a and d in eu, b and e in us, c in asia: wan joins eu and us, pacific us and asia.
type sites struct {
	*rig
	owner map[netip.Addr]string // whom routers take an address to; guarded by lock
}

var sitesOf = map[string]string{"a": "eu 10.1.0.1", "d": "eu 10.1.0.2", "b": "us 10.2.0.1", "e": "us 10.2.0.2", "c": "asia 10.3.0.1"}

func newSites(t *testing.T, scale int64) *sites {
	t.Helper()
	start := time.Now()
	s := &sites{&rig{t: t, network: sim.NewNetwork(1), machines: map[string]*machine{}}, map[netip.Addr]string{}}
	var err error
	s.Switch, err = New(Options{Network: s.network, Lock: &s.lock, Scale: scale, Rand: sim.Stream(1, "switch"),
		Owner: func(_ string, a netip.Addr) string { return s.owner[a] },
		Now:   func() time.Duration { return time.Since(start) * time.Duration(scale) }})
	check(t, err)
	t.Cleanup(func() { s.close() })
	for _, spec := range []sim.Segment{
		{Name: "eu", Subnet: netip.MustParsePrefix("10.1.0.0/24")},
		{Name: "us", Subnet: netip.MustParsePrefix("10.2.0.0/24")},
		{Name: "asia", Subnet: netip.MustParsePrefix("10.3.0.0/24")},
		{Name: "wan", Joins: []string{"eu", "us"}, Base: sim.Condition{Latency: ptr(5 * time.Millisecond)}},
		{Name: "pacific", Joins: []string{"us", "asia"}},
	} {
		check(t, s.AddSegment(spec))
		s.network.AddSegment(spec)
		for _, name := range spec.Joins {
			s.network.Attach(name, spec.Name)
		}
	}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		segment, address, _ := bytes.Cut([]byte(sitesOf[name]), []byte(" "))
		m := &machine{rig: s.rig, name: name, segment: string(segment), addr: netip.MustParseAddr(string(address)), bits: 24}
		s.machines[name], s.owner[m.addr] = m, name
		s.network.Attach(m.segment, name)
		m.boot()
	}
	return s
}

// asks reports whether a frame is a question of ARP.
func asks(e ether) bool {
	return binary.BigEndian.Uint16(e[12:]) == etherARP && binary.BigEndian.Uint16(e[20:]) == layers.ARPRequest
}

// What is one way away is reached, by datagrams and by a connection whose end is known; what is two ways away is not.
func TestRouted(t *testing.T) {
	s := newSites(t, 1)
	a, b, c := s.machines["a"], s.machines["b"], s.machines["c"]
	var lock sync.Mutex
	asked := map[string]bool{} // for which addresses machines asked by ARP
	s.Capture(func(segment string, _ time.Duration, frame []byte) {
		lock.Lock()
		defer lock.Unlock()
		if e := ether(frame); asks(e) && e.from() != hardwareOf(segment, "wan") {
			asked[netip.AddrFrom4([4]byte(e[38:42])).String()] = true
		}
	})
	ua, ub := a.listen(9), b.listen(9)
	start := time.Now()
	meet(t, ua, ub, a, b)
	if took := time.Since(start); took < 10*time.Millisecond {
		t.Errorf("want two times 5 ms at least, have %v", took)
	}
	if _, err := ua.WriteTo([]byte("far"), c.at(9)); !errors.Is(err, syscall.ENETUNREACH) {
		t.Errorf("want nothing to lead over two ways, have %v", err)
	}
	b.serve(80, echo)
	conn := must(a.dial(b.addr, 80, patience))(t)
	defer conn.Close()
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	go conn.Write(sent)
	got := make([]byte, len(sent))
	conn.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("want the megabyte back, have %v, equal %v", err, bytes.Equal(got, sent))
	}
	if by := s.ServedBy(addrPort(conn.LocalAddr()), addrPort(conn.RemoteAddr())); by != "b" {
		t.Errorf("want b to have served, have %q", by)
	}
	lock.Lock()
	defer lock.Unlock()
	if len(asked) > 0 {
		t.Errorf("want no machine to ask for anything, have %v", asked)
	}
}

// A cut of any part of the way keeps packets from their goal, and is counted there; what stays on its segment goes on.
func TestRoutedFaults(t *testing.T) {
	for _, x := range []struct {
		name, segment, from, to string
		condition               sim.Condition
		comes                   bool
	}{
		{"the way", "wan", "a", "b", sim.Condition{Cut: true}, false},
		{"the way back", "wan", "b", "a", sim.Condition{Cut: true}, true},
		{"another's way", "wan", "d", "b", sim.Condition{Cut: true}, true},
		{"to the router", "eu", "a", "wan", sim.Condition{Cut: true}, false},
		{"from the router", "us", "wan", "b", sim.Condition{Cut: true}, false},
		{"corrupted on the way", "wan", "a", "b", sim.Condition{Corrupt: ptr(nodes.ShareAll)}, false},
		{"corrupted before", "eu", "a", "wan", sim.Condition{Corrupt: ptr(nodes.ShareAll)}, false},
		{"corrupted after", "us", "wan", "b", sim.Condition{Corrupt: ptr(nodes.ShareAll)}, false},
		{"held on the way", "wan", "a", "b", sim.Condition{Hold: true}, false},
		{"twice on the way", "wan", "a", "b", sim.Condition{Duplicate: ptr(nodes.ShareAll)}, true},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := newSites(t, 1)
			a, b, d := s.machines["a"], s.machines["b"], s.machines["d"]
			ua, ub, ud := a.listen(9), b.listen(9), d.listen(9)
			meet(t, ua, ub, a, b)
			i, lift := s.imposeOn(x.segment, x.from, x.to, x.condition)
			ua.WriteTo([]byte("far"), b.at(9))
			ua.WriteTo([]byte("near"), d.at(9))
			if got := hears(t, ud, patience); got != "near" {
				t.Errorf("on the segment: want near, have %q", got)
			}
			wait, want := silence, ""
			if x.comes {
				wait, want = patience, "far"
			}
			if got := hears(t, ub, wait); got != want {
				t.Errorf("over the way: want %q, have %q", want, got)
			}
			if x.condition.Duplicate != nil && hears(t, ub, patience) != "far" {
				t.Error("want it twice")
			}
			if x.from == "a" || x.from == "wan" {
				s.until("want the fault to hit", func() bool { return i.Hits() > 0 })
			} else if hits := s.hits(i); hits > 0 {
				t.Errorf("the fault has hit %d", hits)
			}
			lift()
			if x.condition.Hold {
				if got := hears(t, ub, patience); got != "far" {
					t.Errorf("after the release: want far, have %q", got)
				}
			}
			ua.WriteTo([]byte("again"), b.at(9))
			if got := hears(t, ub, patience); got != "again" {
				t.Errorf("after the fault: want again, have %q", got)
			}
		})
	}
}

func (r *rig) hits(i *sim.Imposition) int64 {
	r.lock.Lock()
	defer r.lock.Unlock()
	return i.Hits()
}

// A way that refuses says so to who sent, as a segment does.
func TestRoutedRefusal(t *testing.T) {
	for how, want := range map[sim.Refusal]error{sim.RefuseReset: syscall.ECONNREFUSED, sim.RefuseUnreachable: syscall.EHOSTUNREACH} {
		t.Run(string(how), func(t *testing.T) {
			s := newSites(t, 1)
			a, b := s.machines["a"], s.machines["b"]
			b.serve(80, echo)
			_, lift := s.imposeOn("wan", "a", "b", sim.Condition{Refuse: how})
			if _, err := a.dial(b.addr, 80, patience); !errors.Is(err, want) {
				t.Errorf("want %v, have %v", want, err)
			}
			lift()
			conn := must(a.dial(b.addr, 80, patience))(t)
			conn.Close()
		})
	}
}

// Further away nobody says that a host is not there: a connect ends by its own patience. On the segment it is known
// after 3 s. Both are of true time, which is 60 times faster than life here, and the first in life as short as a kernel
// can be told.
func TestNobodyAnswers(t *testing.T) {
	s := newSites(t, 60)
	for _, x := range []struct {
		address     string
		err         error
		least, most time.Duration
	}{
		{"10.1.0.9", syscall.EHOSTUNREACH, 2900 * time.Millisecond, 2 * time.Minute},
		{"10.2.0.9", syscall.ETIMEDOUT, 127 * time.Second, 10 * time.Minute},
	} {
		start := s.options.Now()
		_, err := s.machines["a"].dial(netip.MustParseAddr(x.address), 80, time.Minute)
		if took := s.options.Now() - start; !errors.Is(err, x.err) || took < x.least || took > x.most {
			t.Errorf("%s: want %v after %v to %v, have %v after %v", x.address, x.err, x.least, x.most, err, took)
		}
	}
}

// A router goes on sending to who had the address, as long as it trusts its entry: 15 to 45 s of true time, then 5 s and three
// questions. Where it is told of the change it follows at once.
func TestRouterBelievesItsEntry(t *testing.T) {
	for announced, scale := range map[bool]int64{false: 20, true: 1} { // What is to come at once may be late here.
		s := newSites(t, scale)
		a, b, e := s.machines["a"], s.machines["b"], s.machines["e"]
		ua, ub := a.listen(9), b.listen(9)
		meet(t, ua, ub, a, b)
		for known := s.options.Now(); s.options.Now() < known+2*sim.ARPLock; time.Sleep(time.Millisecond) {
		}
		start := s.options.Now()
		b.powerOff()
		s.lock.Lock()
		s.owner[b.addr] = "e"
		s.lock.Unlock()
		e.bind(b.addr, true)
		ue := e.listen(9)
		if announced {
			e.announce(b.addr)
		}
		var got string
		for got == "" && s.options.Now() < start+3*time.Minute {
			ua.WriteTo([]byte("whose"), b.at(9))
			got = hears(t, ue, 2*time.Millisecond)
		}
		took := s.options.Now() - start
		if got == "" || announced && took > 15*time.Second || !announced && took < 15*time.Second {
			t.Errorf("announced %v: want the new owner found, before or after 15 s, have %q after %v", announced, got, took)
		}
	}
}

// A packet that has gone over too many routers ends, and its sender is told.
func TestTimeToLive(t *testing.T) {
	s := newSites(t, 1)
	a, b := s.machines["a"], s.machines["b"]
	ua, ub := a.listen(9), b.listen(9)
	meet(t, ua, ub, a, b)
	raw := must(ua.SyscallConn())(t)
	var failed error
	check(t, raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TTL, 1) }))
	check(t, failed)
	ua.WriteTo([]byte("tired"), b.at(9))
	if got := hears(t, ub, silence); got != "" {
		t.Errorf("want nothing, have %q", got)
	}
	s.until("want the sender to be told", func() bool { return a.snmp("Icmp: InTimeExcds") == 1 })
}
