//go:build linux

package lan

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"firedrill/sim"
)

// A segment that joins others is a router with a jack on each of them, and a way between these that has links of its
// own, one for each pair of machines. Nothing is routed over two such segments. Machines are told where it is when they
// are attached, and have no need to ask by ARP.

// router is a segment that joins others.
type router struct {
	name  string
	sides []*side
}

// side is a router's place on one of the segments.
type side struct {
	s       *Switch
	router  *router
	jack    *jack
	subnet  netip.Prefix
	mac     hardware
	address netip.Addr // on that segment no machine has it: it is link-local

	neighbours map[netip.Addr]*neighbour // never iterated
	trust      sim.Trust                 // how long an entry is trusted
}

// route is how a machine on one segment reaches another.
type route struct {
	to  netip.Prefix
	via netip.Addr
	at  hardware
}

// addRouter adds a segment that joins others, which are there already.
func (s *Switch) addRouter(spec sim.Segment) error {
	var joined []*segment
	for _, name := range spec.Joins {
		g := s.segment(name)
		if g == nil {
			return fmt.Errorf("segment %q joins %q, which is no segment of its own", spec.Name, name)
		}
		joined = append(joined, g)
	}
	for _, r := range s.routers {
		if n := len(slices.DeleteFunc(slices.Clone(joined), func(g *segment) bool { return r.on(g) == nil })); n > 1 {
			return fmt.Errorf("segments %q and %q join the same two; want one way between two segments", r.name, spec.Name)
		}
	}
	s.routers = append(s.routers, &router{name: spec.Name})
	r, n := s.routers[len(s.routers)-1], len(s.routers)
	for _, g := range joined {
		d := &side{s: s, router: r, jack: g.jack(spec.Name), subnet: g.subnet, mac: hardwareOf(g.name, spec.Name),
			address: netip.AddrFrom4([4]byte{169, 254, byte(n >> 8), byte(n)}), neighbours: map[netip.Addr]*neighbour{}}
		d.jack.side = d
		r.sides = append(r.sides, d)
	}
	return nil
}

// on is the router's side on a segment, or nil.
func (r *router) on(g *segment) *side {
	for _, d := range r.sides {
		if d.jack.segment == g {
			return d
		}
	}
	return nil
}

// exit is the side on whose subnet an address lies, or nil.
func (r *router) exit(a netip.Addr) *side {
	for _, d := range r.sides {
		if d.subnet.Contains(a) {
			return d
		}
	}
	return nil
}

// routes are how a machine on this segment reaches those that are joined to it.
func (s *Switch) routes(segment string) (all []route) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.segment(segment)
	for _, r := range s.routers {
		here := r.on(g)
		if here == nil {
			continue
		}
		for _, d := range r.sides {
			if d != here {
				all = append(all, route{d.subnet.Masked(), here.address, here.mac})
			}
		}
	}
	return all
}

// enter takes a frame that reached the router. A packet goes on over the routed part of its way: which of the links that
// is depends on the machine that has the address; if nobody has it, the packet ends here. What was corrupted ends here
// too: every hop checks what its wire has brought.
func (d *side) enter(now time.Duration, a *arrival) {
	e := a.wire.frame()
	if a.frame.Class == sim.FrameARP || a.frame.Class == sim.FrameGratuitousARP {
		if !a.corrupt {
			d.hearARP(now, e)
		}
		a.spent()
		return
	}
	p := e.ip()
	if p == nil || a.corrupt || a.link == nil || e.to() != d.mac {
		a.spent() // Answers to a router's own frames are for nobody.
		return
	}
	exit := d.router.exit(p.to())
	if exit == nil || exit == d {
		a.spent()
		return
	}
	if p.ttl() <= 1 {
		d.expire(now, a)
		a.spent()
		return
	}
	l := d.s.options.Network.Link(d.router.name, a.origin.machine, d.s.options.Owner(exit.jack.segment.name, p.to()))
	if l == nil { // Nobody has the address, or it is on both sides.
		a.spent()
		return
	}
	d.s.tend(l)
	a = a.owned()
	a.link, a.exit = l, exit
	d.s.launch(now, a)
}

// leave sends a packet on that has crossed.
func (d *side) leave(now time.Duration, a *arrival) {
	if a.corrupt {
		a.spent()
		return
	}
	a = a.owned()
	a.exit = nil
	p := a.wire.frame().ip()
	p.age()
	d.sendTo(now, a, p.to())
}

// transmit puts a packet on the wire to a place on the segment.
func (d *side) transmit(now time.Duration, a *arrival, at hardware) {
	e := a.wire.frame()
	copy(e[0:6], at[:])
	copy(e[6:12], d.mac[:])
	d.s.showWire(d.jack.segment.name, now, a.wire)
	to := d.jack.segment.at[at]
	if to == nil || to == d.jack {
		a.spent()
		return
	}
	a.from, a.to, a.link = d.jack, to, d.s.link(d.jack, to)
	if a.link == nil {
		a.spent()
		return
	}
	d.s.launch(now, a)
}

// expire tells a sender that its packet went over too many routers.
func (d *side) expire(now time.Duration, a *arrival) {
	e := a.wire.frame()
	p := e.ip()
	if p.later() || icmpError(p) {
		return
	}
	head := answerHead(p, layers.IPProtocolICMPv4)
	head.SrcIP = net.IP(d.address.AsSlice())
	d.s.emit(now, d.jack, render(turned(e), head,
		&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeTimeExceeded, layers.ICMPv4CodeTTLExceeded)},
		gopacket.Payload(p[:min(len(p), p.header()+quoted)])))
}
