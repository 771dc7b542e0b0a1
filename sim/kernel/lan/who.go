//go:build linux

package lan

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/gopacket/gopacket/layers"

	"firedrill/sim"
)

// question is the harness's own, outside of the ARP cache of the machine.
type question struct {
	address netip.Addr
	answers []string // machines, in the order in which they answered
}

// Who asks by ARP who has the address, as from this machine, and by the same links. What it returns ends the question
// and tells the machines that said so until then, in the order of their answers. It is called with the world's lock
// held.
func (p *Port) Who(address netip.Addr) (answers func() []string) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	if p.closed || !address.Is4() {
		return func() []string { return nil }
	}
	q := &question{address: address}
	p.asked = append(p.asked, q)
	if p.plugged {
		p.s.emit(p.s.options.Now(), p.jack, p.request(address))
		p.s.wake()
	}
	return func() []string {
		p.s.mu.Lock()
		defer p.s.mu.Unlock()
		p.asked = slices.DeleteFunc(p.asked, func(o *question) bool { return o == q })
		return q.answers
	}
}

// request is the frame that asks.
func (p *Port) request(address netip.Addr) wire {
	own := MAC(p.jack.segment.name, p.jack.machine)
	return render(
		&layers.Ethernet{SrcMAC: own, DstMAC: layers.EthernetBroadcast, EthernetType: layers.EthernetTypeARP},
		&layers.ARP{AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4,
			Operation: layers.ARPRequest, SourceHwAddress: own, SourceProtAddress: p.address.AsSlice(),
			DstHwAddress: make([]byte, 6), DstProtAddress: address.AsSlice()})
}

// hear takes down who answers what was asked.
func (p *Port) hear(a *arrival) {
	if len(p.asked) == 0 || a.link == nil || a.frame.Class != sim.FrameARP && a.frame.Class != sim.FrameGratuitousARP {
		return
	}
	b := a.wire.frame()[etherLen:]
	if len(b) < arpLen || binary.BigEndian.Uint16(b[6:]) != layers.ARPReply {
		return
	}
	for _, q := range p.asked {
		if q.address == netip.AddrFrom4([4]byte(b[14:18])) && !slices.Contains(q.answers, a.from.machine) {
			q.answers = append(q.answers, a.from.machine)
		}
	}
}
