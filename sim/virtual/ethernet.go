package virtual

import (
	"math/rand/v2"
	"net/netip"
	"slices"

	"firedrill/sim"
)

// segment is one broadcast domain: a switch without limits of its own.
type segment struct {
	name       string
	subnet     netip.Prefix
	interfaces []*iface
	rand       *rand.Rand // in which order the ports of the switch get a broadcast
	router     *machine   // of a segment that joins others, which has no interfaces of its own
}

func (s *segment) of(machine string) *iface {
	for _, i := range s.interfaces {
		if i.m.Name() == machine {
			return i
		}
	}
	return nil
}

// iface is a machine's place on a segment.
type iface struct {
	m         *machine
	segment   *segment
	place     int // among the segment's interfaces; stands for its hardware address
	own       netip.Prefix
	addresses []netip.Addr // the own one first
	plugged   bool
	links     []*sim.Link // to the interface of that place

	neighbours map[netip.Addr]*neighbour // never iterated
	trust      sim.Trust                 // how long an entry is trusted
	questions  []*question
}

// packet is a frame on its way.
type packet struct {
	from, to *iface
	link     *sim.Link
	cuts     int // of the link, when it was sent
	frame    sim.Frame
	corrupt  bool
	exit     *iface // where it leaves the routed part of its way; nil: it is not on one

	arp      arp
	src, dst netip.AddrPort
	data     []byte // of UDP
	tcp      tcpSegment
	// unsure is the connection that has to send again if this frame does not get through; nil: none.
	unsure *tcpConn
	icmp   *icmp
	sender *tcpConn // of a TCP segment
}

func (m *machine) attach(spec sim.Interface) error {
	s := m.w.segment(spec.Segment)
	if s == nil {
		return errNoSegment(spec.Segment)
	}
	i := &iface{m: m, segment: s, place: len(s.interfaces), own: spec.Address, plugged: true}
	s.interfaces = append(s.interfaces, i)
	m.interfaces = append(m.interfaces, i)
	m.w.network.Attach(s.name, m.Name())
	for _, l := range m.w.network.Links(s.name) {
		if l.From == m.Name() || l.To == m.Name() {
			l.Release = func() { m.w.release(l) }
		}
	}
	i.reset()
	return nil
}

type errNoSegment string

func (e errNoSegment) Error() string { return "no segment " + string(e) }

// reset is what a power cycle does to an interface.
func (i *iface) reset() {
	i.addresses = []netip.Addr{i.own.Addr()}
	i.neighbours = map[netip.Addr]*neighbour{}
	i.questions = nil
}

// open reports whether a frame of no special class would get to another interface of the segment.
func (i *iface) open(to *iface) bool { return i.plugged && to.plugged && i.link(to).Open() }

func (i *iface) has(a netip.Addr) bool { return slices.Contains(i.addresses, a) }

func (i *iface) drop(a netip.Addr) bool {
	n := slices.Index(i.addresses, a)
	if n > 0 {
		i.addresses = slices.Delete(i.addresses, n, n+1)
	}
	return n > 0
}

// link is the path to another interface of the segment.
func (i *iface) link(to *iface) *sim.Link {
	for len(i.links) <= to.place {
		i.links = append(i.links, nil)
	}
	if i.links[to.place] == nil {
		i.links[to.place] = i.m.w.network.Link(i.segment.name, i.m.Name(), to.m.Name())
	}
	return i.links[to.place]
}

func (w *World) newPacket() *packet {
	if n := len(w.packets); n > 0 {
		p := w.packets[n-1]
		w.packets = w.packets[:n-1]
		return p
	}
	return new(packet)
}

// spent gives a packet back that nobody has a use for any more.
func (w *World) spent(p *packet) {
	*p = packet{}
	w.packets = append(w.packets, p)
}

// transmit puts a frame on the wire to one interface of the segment.
func (w *World) transmit(p *packet, from, to *iface) {
	p.from, p.to = from, to
	w.hashFrame(p)
	if !from.plugged || !from.m.powered() { // It does not get as far as the wire.
		w.lose(p)
		return
	}
	if w.tap != nil {
		w.tap(p)
	}
	w.carry(p, from.link(to))
}

// carry lets a link decide a frame's fate.
func (w *World) carry(p *packet, l *sim.Link) {
	p.link = l
	p.cuts = l.Cuts()
	fate := p.link.Carry(w.now, &p.frame)
	switch {
	case fate.Lost:
		w.lose(p)
		return
	case fate.Refuse != "":
		w.refuse(p, fate.Refuse)
		return
	case fate.Held:
		w.doubt(p)
		p.link.Held = append(p.link.Held, p)
		return
	}
	p.corrupt = fate.Corrupt
	w.Trace().Hash().Word(uint64(fate.Arrive))
	if fate.Copy > 0 {
		twin := w.newPacket()
		*twin = *p
		twin.unsure = nil // The first one is who is missed.
		w.schedule(fate.Copy, nil).packet = twin
	}
	w.schedule(fate.Arrive, nil).packet = p
}

// hashFrame lets the frame count in the hash of the run.
func (w *World) hashFrame(p *packet) {
	h := w.Trace().Hash()
	h.Word(uint64(w.now))
	h.Word(uint64(p.from.place)<<32 | uint64(p.to.place)<<16 | uint64(p.frame.Size)<<40 | uint64(p.tcp.flags))
	h.Word(uint64(p.frame.FromPort)<<16 | uint64(p.frame.ToPort) | p.tcp.seq<<32)
	if p.data != nil {
		h.Bytes(p.data)
	}
	if p.tcp.data != nil {
		h.Bytes(p.tcp.data)
	}
}

// release sends on what a hold kept back.
func (w *World) release(l *sim.Link) {
	held := l.Held
	l.Held = nil
	for _, h := range held {
		w.carry(h.(*packet), l)
	}
}

// arrive is the end of a frame's way.
func (w *World) arrive(p *packet) {
	switch {
	case p.link.Severed(&p.frame, p.cuts), p.corrupt, !p.to.plugged, !p.to.m.powered():
		// A checksum finds what was corrupted; what is off receives nothing.
		w.lose(p)
	case p.exit != nil:
		p.exit.forward(p)
	case p.to.m.Still():
		w.doubt(p)
		p.to.m.frames = append(p.to.m.frames, p)
	default:
		w.receive(p)
	}
}

// receive hands a frame to the kernel of the machine that it reached.
func (w *World) receive(p *packet) {
	i := p.to
	switch {
	case p.frame.Class == sim.FrameARP || p.frame.Class == sim.FrameGratuitousARP:
		i.receiveARP(p.from, &p.arp)
	case i.m.routes != nil:
		i.m.cross(p)
		return
	case !i.m.local(p.dst.Addr()):
		// Somebody believes that the address is here. A machine that does not forward packets says nothing.
		w.lose(p)
		return
	case p.icmp != nil:
		i.m.receiveICMP(p)
	case p.frame.Class == sim.FrameUDP:
		i.m.receiveUDP(p)
	default:
		i.m.receiveTCP(p)
		return // It gives the packet back itself: a connection may keep the bytes.
	}
	w.spent(p)
}

// doubt tells the sender's connection that this frame will not be answered soon.
func (w *World) doubt(p *packet) {
	if c := p.unsure; c != nil {
		p.unsure = nil
		c.miss()
	}
}

// lose is the end of a frame that nobody receives.
func (w *World) lose(p *packet) {
	w.doubt(p)
	w.spent(p)
}

// local reports whether an address is one of the machine's own, on any interface.
func (m *machine) local(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	for _, i := range m.interfaces {
		if i.has(a) {
			return true
		}
	}
	return false
}

// route is the interface on whose subnet an address lies.
func (m *machine) route(a netip.Addr) *iface {
	for _, i := range m.interfaces {
		if i.segment.subnet.Contains(a) {
			return i
		}
	}
	return nil
}
