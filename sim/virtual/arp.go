package virtual

import (
	"net/netip"
	"slices"
	"time"

	"firedrill/sim"
)

// arp is what an ARP frame says.
type arp struct {
	reply          bool
	sender, target netip.Addr
}

const arpSize = 60

// neighbourState follows the kernel's, as far as one sees them from outside.
type neighbourState int

const (
	neighbourIncomplete neighbourState = iota // asked, no answer yet
	neighbourKnown                            // trusted until, stale after
	neighbourDelay                            // used while stale: to be asked for soon
	neighbourProbe                            // asked for at its old place
)

// neighbour is an entry of an ARP cache.
type neighbour struct {
	i       *iface
	address netip.Addr
	state   neighbourState
	at      *iface
	known   time.Duration // when somebody last confirmed it
	set     time.Duration // when at last changed
	tries   int
	timer   *event
	waiting []*packet
}

// reachableTime is how long an entry is trusted.
func (i *iface) reachableTime() time.Duration { return i.trust.Lasts(i.m.w.now, i.segment.rand) }

// sendTo puts an IP packet on its way to an address of the segment.
func (i *iface) sendTo(p *packet, a netip.Addr) {
	w := i.m.w
	n := i.neighbours[a]
	if n == nil {
		n = &neighbour{i: i, address: a}
		i.neighbours[a] = n
		n.waiting = append(n.waiting, p)
		n.resolve()
		return
	}
	switch n.state {
	case neighbourIncomplete:
		if len(n.waiting) >= sim.ARPQueue {
			w.lose(n.waiting[0])
			n.waiting = slices.Delete(n.waiting, 0, 1)
		}
		n.waiting = append(n.waiting, p)
		return
	case neighbourKnown:
		if w.now-n.known >= i.reachableTime() {
			n.state = neighbourDelay
			n.after(sim.ARPDelay, n.probe)
		}
	}
	w.transmit(p, i, n.at)
}

func (n *neighbour) after(d time.Duration, act func()) {
	w := n.i.m.w
	w.cancel(n.timer)
	n.timer = w.after(d, n.i.m, func() {
		n.timer = nil
		act()
	})
}

// resolve asks everybody, three times.
func (n *neighbour) resolve() {
	n.state = neighbourIncomplete
	n.tries = 0
	n.askAll()
}

func (n *neighbour) askAll() {
	if n.tries == sim.ARPTries {
		n.fail()
		return
	}
	n.tries++
	n.i.ask(n.address)
	n.after(sim.ARPRetry, n.askAll)
}

// probe asks at the place that is known, three times, and then forgets it.
func (n *neighbour) probe() {
	n.state = neighbourProbe
	n.tries = 0
	n.askOne()
}

func (n *neighbour) askOne() {
	if n.tries == sim.ARPTries {
		n.fail()
		return
	}
	n.tries++
	n.i.m.w.sendARP(n.i, n.at, arp{sender: n.i.own.Addr(), target: n.address}, sim.FrameARP)
	n.after(sim.ARPRetry, n.askOne)
}

// fail gives an entry up. Whatever waits for it hears "no route to host".
func (n *neighbour) fail() {
	delete(n.i.neighbours, n.address)
	for _, p := range n.waiting {
		if n.i.m.routes != nil {
			n.i.m.w.lose(p) // Silence further away: routers do not say that a host is not there.
		} else {
			n.i.m.unreachable(p)
		}
	}
}

// confirm is what a connection does that hears from the other side: the entry is right.
func (i *iface) confirm(a netip.Addr) {
	n := i.neighbours[a]
	if n == nil || n.state == neighbourIncomplete {
		return
	}
	n.known = i.m.w.now
	if n.state != neighbourKnown {
		n.state = neighbourKnown
		i.m.w.cancel(n.timer)
		n.timer = nil
	}
}

// learn takes in that an address is at a place. A confirmed answer is trusted; hearsay is used, but asked for again soon.
func (i *iface) learn(a netip.Addr, at *iface, confirmed, create bool) {
	w := i.m.w
	n := i.neighbours[a]
	if n == nil {
		if !create {
			return
		}
		n = &neighbour{i: i, address: a}
		i.neighbours[a] = n
	} else if n.state != neighbourIncomplete && n.at != at && w.now-n.set < sim.ARPLock {
		return // Of two owners the first to answer keeps the entry.
	}
	if n.at != at {
		n.at, n.set = at, w.now
	} else if !confirmed && n.state == neighbourKnown {
		return
	}
	w.cancel(n.timer)
	n.timer = nil
	n.state = neighbourKnown
	n.known = w.now
	if !confirmed {
		n.known = w.now - i.reachableTime()
	}
	waiting := n.waiting
	n.waiting = nil
	for _, p := range waiting {
		i.sendTo(p, a)
	}
}

// ask broadcasts who has the address.
func (i *iface) ask(a netip.Addr) {
	i.broadcast(arp{sender: i.own.Addr(), target: a}, sim.FrameARP)
}

// announce broadcasts that the address is here.
func (i *iface) announce(a netip.Addr) {
	i.broadcast(arp{sender: a, target: a}, sim.FrameGratuitousARP)
}

// broadcast sends to every other interface, beginning at one that the seed draws.
func (i *iface) broadcast(a arp, class sim.FrameClass) {
	all := i.segment.interfaces
	first := i.segment.rand.IntN(len(all))
	for k := range all {
		if to := all[(first+k)%len(all)]; to != i {
			i.m.w.sendARP(i, to, a, class)
		}
	}
}

func (w *World) sendARP(from, to *iface, a arp, class sim.FrameClass) {
	p := w.newPacket()
	p.arp = a
	p.frame = sim.Frame{Class: class, Size: arpSize}
	w.transmit(p, from, to)
}

// receiveARP takes in a frame from the interface that sent it.
func (i *iface) receiveARP(from *iface, a *arp) {
	if a.reply {
		for _, q := range i.questions {
			if q.address == a.sender {
				q.answers = append(q.answers, from.m.Name())
				q.waiting.wake(i.m.w)
			}
		}
		i.learn(a.sender, from, true, false)
		return
	}
	mine := a.target != a.sender && i.has(a.target)
	if a.sender.IsValid() && !i.has(a.sender) { // Whoever else has an address of ours does not get into our own cache by saying so.
		i.learn(a.sender, from, false, mine)
	}
	if mine {
		i.m.w.sendARP(i, from, arp{reply: true, sender: a.target, target: a.sender}, sim.FrameARP)
	}
}

// question is a task's or the harness's own, outside of the cache.
type question struct {
	address netip.Addr
	answers []string // machines, in the order in which they answered
	waiting queue
}

func (i *iface) forget(q *question) {
	i.questions = slices.DeleteFunc(i.questions, func(o *question) bool { return o == q })
}

// Who implements sim.Machine.
func (m *machine) Who(segment string, address netip.Addr, wait time.Duration, answered func([]string)) {
	i := m.iface(segment)
	if i == nil || !m.On() {
		m.w.after(wait, nil, func() { answered(nil) })
		return
	}
	q := &question{address: address}
	i.questions = append(i.questions, q)
	i.ask(address)
	m.w.after(wait, nil, func() {
		i.forget(q)
		seen := []string{}
		for _, name := range q.answers {
			if !slices.Contains(seen, name) {
				seen = append(seen, name)
			}
		}
		answered(seen)
	})
}
