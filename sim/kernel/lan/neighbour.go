//go:build linux

package lan

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/gopacket/gopacket/layers"

	"firedrill/sim"
)

// neighbourState is where an entry is between a question and the next.
type neighbourState int

const (
	neighbourIncomplete neighbourState = iota // asked, no answer yet
	neighbourKnown                            // trusted for a while, stale after
	neighbourDelay                            // used while stale: to be asked for soon
	neighbourProbe                            // asked for at its old place
)

// neighbour is an entry of a router's ARP cache. It lives as one of the virtual world's routers does.
type neighbour struct {
	side    *side
	address netip.Addr
	state   neighbourState
	at      hardware
	known   time.Duration // when somebody last confirmed it
	set     time.Duration // when at last changed
	tries   int
	timer   *arrival // nil: nothing is to be done of itself
	waiting []*arrival
}

// reachableTime is how long an entry is trusted.
func (d *side) reachableTime(now time.Duration) time.Duration {
	return d.trust.Lasts(now, d.s.options.Rand)
}

// sendTo puts a packet on its way to an address of the segment.
func (d *side) sendTo(now time.Duration, a *arrival, address netip.Addr) {
	n := d.neighbours[address]
	if n == nil {
		n = &neighbour{side: d, address: address, waiting: []*arrival{a}}
		d.neighbours[address] = n
		n.askAll(now)
		return
	}
	switch n.state {
	case neighbourIncomplete:
		if len(n.waiting) >= sim.ARPQueue {
			n.waiting[0].spent()
			n.waiting = slices.Delete(n.waiting, 0, 1)
		}
		n.waiting = append(n.waiting, a)
		return
	case neighbourKnown:
		if now-n.known >= d.reachableTime(now) {
			n.state, n.tries = neighbourDelay, 0
			n.after(now+sim.ARPDelay, n.askOne)
		}
	}
	d.transmit(now, a, n.at)
}

// after does something at a time, in place of what was to be done.
func (n *neighbour) after(due time.Duration, act func(time.Duration)) {
	var own *arrival
	own = &arrival{act: func(now time.Duration) {
		if n.timer == own {
			n.timer = nil
			act(now)
		}
	}}
	n.timer = own
	n.side.s.coming.add(own, due)
}

// askAll asks everybody, three times.
func (n *neighbour) askAll(now time.Duration) {
	if n.tries == sim.ARPTries {
		n.fail()
		return
	}
	n.tries++
	n.side.ask(now, n.address, nil)
	n.after(now+sim.ARPRetry, n.askAll)
}

// askOne asks at the place that is known, three times, and then forgets it.
func (n *neighbour) askOne(now time.Duration) {
	if n.tries == sim.ARPTries {
		n.fail()
		return
	}
	n.state = neighbourProbe
	n.tries++
	n.side.ask(now, n.address, n.at[:])
	n.after(now+sim.ARPRetry, n.askOne)
}

// fail gives an entry up, and what waits for it is lost in silence: routers do not say that a host is not there.
func (n *neighbour) fail() {
	delete(n.side.neighbours, n.address)
	n.timer = nil
	for _, a := range n.waiting {
		a.spent()
	}
}

// learn takes in that an address is at a place. A confirmed answer is trusted; hearsay is used, but asked for again
// soon. Nobody but whom the router sends to is remembered.
func (d *side) learn(now time.Duration, address netip.Addr, at hardware, confirmed bool) {
	n := d.neighbours[address]
	switch {
	case n == nil, n.state != neighbourIncomplete && n.at != at && now-n.set < sim.ARPLock:
		return // Of two owners the first to answer keeps the entry.
	case n.at != at:
		n.at, n.set = at, now
	case !confirmed && n.state == neighbourKnown:
		return
	}
	n.timer, n.state, n.known = nil, neighbourKnown, now
	if !confirmed {
		n.known -= d.reachableTime(now)
	}
	waiting := n.waiting
	n.waiting = nil
	for _, a := range waiting {
		d.sendTo(now, a, address)
	}
}

// hearARP takes in what an ARP frame says.
func (d *side) hearARP(now time.Duration, e ether) {
	b := e[etherLen:]
	if len(b) < arpLen || binary.BigEndian.Uint16(b[2:]) != etherIPv4 {
		return
	}
	if sender := netip.AddrFrom4([4]byte(b[14:18])); !sender.IsUnspecified() {
		d.learn(now, sender, hardware(b[8:14]), binary.BigEndian.Uint16(b[6:]) == layers.ARPReply)
	}
}

// ask asks who has the address: at a place, or everybody where that is nil. The router tells no address of its own.
func (d *side) ask(now time.Duration, address netip.Addr, at net.HardwareAddr) {
	own := d.mac[:]
	to := at
	if to == nil {
		to = layers.EthernetBroadcast
	}
	d.s.emit(now, d.jack, render(
		&layers.Ethernet{SrcMAC: own, DstMAC: to, EthernetType: layers.EthernetTypeARP},
		&layers.ARP{AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4,
			Operation: layers.ARPRequest, SourceHwAddress: own, SourceProtAddress: make([]byte, 4),
			DstHwAddress: make([]byte, 6), DstProtAddress: address.AsSlice()}))
}
