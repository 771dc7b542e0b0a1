package virtual

import (
	"fmt"
	"net/netip"
	"slices"

	"firedrill/sim"
)

// A segment that joins others is a router with an interface on each of them, and a way between these that has links of its
// own, one for each pair of machines. Nothing is routed over two such segments.

// addPath adds a segment that joins others.
func (w *World) addPath(s sim.Segment) error {
	path := &segment{name: s.Name, rand: w.Stream("segment " + s.Name)}
	for _, name := range s.Joins {
		if w.segment(name) == nil || w.segment(name).router != nil {
			return fmt.Errorf("segment %q joins %q, which is no segment of its own", s.Name, name)
		}
	}
	for _, other := range w.segments {
		if other.router == nil {
			continue
		}
		both := func(i *iface) bool { return slices.Contains(s.Joins, i.segment.name) }
		if n := len(slices.DeleteFunc(slices.Clone(other.router.interfaces), func(i *iface) bool { return !both(i) })); n > 1 {
			return fmt.Errorf("segments %q and %q join the same two; want one way between two segments", other.name, s.Name)
		}
	}
	path.router = &machine{w: w, routes: path, whim: whim{rand: path.rand}}
	path.router.Chassis.Init(w, path.router, sim.MachineSpec{Name: s.Name})
	w.network.AddSegment(s)
	w.segments = append(w.segments, path)
	for _, name := range s.Joins {
		if err := path.router.attach(sim.Interface{Segment: name}); err != nil {
			return err
		}
	}
	return nil
}

// wayTo is the interface by which an address is reached, and the router on its segment if the address lies behind one.
func (m *machine) wayTo(a netip.Addr) (way, router *iface) {
	if i := m.route(a); i != nil {
		return i, nil
	}
	for _, i := range m.interfaces {
		for _, s := range m.w.segments {
			if s.router == nil {
				continue
			}
			if here := s.router.iface(i.segment.name); here != nil && s.router.route(a) != nil {
				return i, here
			}
		}
	}
	return nil, nil
}

// way is the links over which an address is reached, as far as somebody knows where it is.
type way struct {
	links [3]*sim.Link
	n     int
	known bool
}

func (y *way) add(l *sim.Link) {
	if l != nil {
		y.links[y.n] = l
		y.n++
	}
}

func (m *machine) way(a netip.Addr) (y way) {
	if m.local(a) {
		y.known = true
		return y
	}
	i, router := m.wayTo(a)
	if i == nil {
		return y
	}
	if router != nil {
		y.add(i.link(router))
		exit := router.m.route(a)
		to := exit.segment.owner(a)
		if to == nil {
			return y
		}
		y.add(m.w.network.Link(router.m.Name(), m.Name(), to.m.Name()))
		i = exit
	}
	if n := i.neighbours[a]; n != nil && n.at != nil {
		y.add(i.link(n.at))
		y.known = true
	}
	return y
}

// owner is the first interface that has an address, or nil.
func (s *segment) owner(a netip.Addr) *iface {
	for _, i := range s.interfaces {
		if i.m.powered() && i.has(a) {
			return i
		}
	}
	return nil
}

// cross takes a packet that reached the router over the routed part of its way. Which of the links that is depends on
// the machine that has the address; if nobody has it, the packet ends here.
func (m *machine) cross(p *packet) {
	exit := m.route(p.dst.Addr())
	if exit == nil || exit == p.to {
		m.w.lose(p)
		return
	}
	to := exit.segment.owner(p.dst.Addr())
	if to == nil {
		m.w.lose(p)
		return
	}
	l := m.w.network.Link(m.Name(), p.from.m.Name(), to.m.Name())
	if l == nil { // The address is on both sides.
		m.w.lose(p)
		return
	}
	p.exit = exit
	m.w.carry(p, l)
}

// forward sends a packet on that has crossed.
func (i *iface) forward(p *packet) {
	p.exit = nil
	i.sendTo(p, p.dst.Addr())
}

// reachableVia reports whether all three parts of the way are open.
func (w *World) reachableVia(path *segment, from, to string) bool {
	for _, enter := range path.router.interfaces {
		for _, exit := range path.router.interfaces {
			a, b := enter.segment.of(from), exit.segment.of(to)
			if enter == exit || a == nil || b == nil {
				continue
			}
			l := w.network.Link(path.name, from, to)
			if l != nil && l.Open() && a.open(enter) && exit.open(b) {
				return true
			}
		}
	}
	return false
}
