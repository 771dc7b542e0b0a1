//go:build linux

package lan

import (
	"net/netip"
	"time"

	"firedrill/sim"
)

// burstMax is for how long a burst may keep a link busy and still go as one: nobody could tell, since delays are not met
// more exactly than that.
const burstMax = 50 * time.Microsecond

// delivery is what the loop is to hand to a kernel, as soon as it holds no lock.
type delivery struct {
	fd   int
	wire wire
	own  *arrival // to be given back then; nil: the bytes are in the room of the loop
}

// take sends what a machine's kernel has handed over on its ways.
func (s *Switch) take(p *Port, w wire) {
	if len(w) < hintLen+etherLen {
		return
	}
	s.options.Lock.Lock()
	s.mu.Lock()
	now := s.options.Now()
	s.settle(now)
	if p.plugged && !p.closed {
		s.late.Frames++
		s.direct = true
		s.emit(now, p.jack, w)
		s.direct = false
	}
	s.mu.Unlock()
	s.options.Lock.Unlock()
	s.deliver()
}

// emit puts a frame on the wire at a jack.
func (s *Switch) emit(now time.Duration, from *jack, w wire) {
	s.showWire(from.segment.name, now, w)
	s.forward(now, from, w)
}

// forward sends a frame where its address was last seen, and to everybody where that is not known or is that of many.
func (s *Switch) forward(now time.Duration, from *jack, w wire) {
	g := from.segment
	e := w.frame()
	if h := e.from(); g.at[h] != from && !h.group() {
		g.at[h] = from
	}
	frame := classify(e)
	frame.Count, frame.Size = w.count()
	if to := g.at[e.to()]; to != nil && !e.to().group() {
		if to != from {
			s.send(now, from, to, frame, w)
		}
		return
	}
	first := s.options.Rand.IntN(len(g.jacks)) // Or the same one would always be the first to answer.
	for i := range g.jacks {
		if to := g.jacks[(first+i)%len(g.jacks)]; to != from {
			s.send(now, from, to, frame, w)
		}
	}
}

// send gives a frame to the link between two jacks.
func (s *Switch) send(now time.Duration, from, to *jack, frame sim.Frame, w wire) {
	l := s.link(from, to)
	if l == nil {
		return // The world does not know the machine on this segment.
	}
	s.passing = arrival{from: from, origin: from, to: to, link: l, frame: frame, wire: w}
	s.launch(now, &s.passing)
}

// launch gives a frame to its link, or each frame of a burst where that has a fate for each.
func (s *Switch) launch(now time.Duration, a *arrival) {
	if a.frame.Count == 1 || a.frame.Size <= a.link.Burst(burstMax) {
		s.carry(now, a)
		return
	}
	whole := *a // What passes is overwritten meanwhile.
	a.wire.cut(s.scratch, func(one wire) {
		part := whole
		part.wire = one
		part.frame.Count, part.frame.Size = 1, max(etherMin, len(one.frame()))
		s.carry(now, part.keep())
	})
	a.spent()
}

// carry lets the link decide a frame's fate.
func (s *Switch) carry(now time.Duration, a *arrival) {
	a.cuts = a.link.Cuts()
	fate := a.link.Carry(now, &a.frame)
	switch {
	case fate.Lost:
		a.spent()
		return
	case fate.Refuse != "":
		s.refuse(now, a, fate.Refuse)
		a.spent()
		return
	case fate.Held:
		a.link.Held = append(a.link.Held, a.owned())
		return
	}
	if fate.Corrupt {
		a = a.owned()
		a.corrupt = true
		if a.to.side == nil && !s.spoil(a) {
			a.spent()
			return
		}
	}
	if fate.Copy > 0 {
		s.coming.add(a.keep(), fate.Copy)
	}
	if fate.Arrive <= now && s.direct {
		s.arrive(now, a)
		return
	}
	s.coming.add(a.owned(), fate.Arrive)
}

// spoil corrupts a frame on its way to a machine, and reports whether its kernel will find out.
func (s *Switch) spoil(a *arrival) bool {
	a.wire.finish()
	return a.wire.spoil(s.options.Rand)
}

// release sends on what a hold kept back. It is called with the world's lock held.
func (s *Switch) release(l *sim.Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := l.Held
	l.Held = nil
	now := s.options.Now()
	for _, h := range held {
		s.carry(now, h.(*arrival))
	}
	s.wake()
}

// settle lets all arrive that is due. Both locks are held.
func (s *Switch) settle(now time.Duration) {
	for a := s.coming.first(); a != nil && a.due <= now; a = s.coming.first() {
		s.coming.remove()
		s.late.Worst = max(s.late.Worst, now-a.due)
		if a.act != nil {
			a.act(now)
		} else {
			s.arrive(now, a)
		}
	}
}

// arrive is the end of a frame's way.
func (s *Switch) arrive(now time.Duration, a *arrival) {
	if a.link == nil {
		s.showWire(a.to.segment.name, now, a.wire)
	}
	p := a.to.port
	switch {
	case a.link != nil && a.link.Severed(&a.frame, a.cuts):
		a.spent()
	case a.exit != nil:
		a.exit.leave(now, a)
	case a.to.side != nil:
		a.to.side.enter(now, a)
	case p == nil, !p.plugged:
		a.spent()
	case p.frozen:
		p.waiting = append(p.waiting, a.owned())
	default:
		s.noteFlow(a)
		p.hear(a)
		d := delivery{fd: p.tap.fd, wire: a.wire}
		if a.kept {
			d.own = a
		}
		s.ready = append(s.ready, d)
	}
}

// noteFlow remembers who answers a connection.
func (s *Switch) noteFlow(a *arrival) {
	if a.frame.Class != sim.FrameTCP || a.link == nil {
		return
	}
	p := a.wire.frame().ip()
	t := p.tcp()
	if t == nil || t.flags()&(tcpSYN|tcpACK) != tcpSYN|tcpACK {
		return
	}
	s.flows[flow{netip.AddrPortFrom(p.to(), toPort(t)), netip.AddrPortFrom(p.from(), fromPort(t))}] = a.origin.machine
}

// shownFrame is what was sent on a segment.
type shownFrame struct {
	segment string
	at      time.Duration
	frame   []byte
}

// showWire takes down what was sent, for whoever captures.
func (s *Switch) showWire(segment string, now time.Duration, w wire) {
	if s.show == nil || s.closed {
		return
	}
	w.cut(s.scratch, func(one wire) {
		frame := make([]byte, max(etherMin, len(one.frame())))
		copy(frame, one.frame())
		s.shown = append(s.shown, shownFrame{segment, now, frame})
	})
	select {
	case s.more <- struct{}{}:
	default: // It is about to look anyway.
	}
}

// showAll shows what was taken down, until the switch has ended.
func (s *Switch) showAll() {
	for range s.more {
		s.mu.Lock()
		all, take := s.shown, s.show
		s.shown = nil
		s.mu.Unlock()
		for _, f := range all {
			take(f.segment, f.at, f.frame)
		}
	}
}
