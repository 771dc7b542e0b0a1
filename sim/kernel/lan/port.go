//go:build linux

package lan

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"firedrill/sim/kernel/netns"
)

// Port is the switch's end of a machine's interface, from a boot to the loss of power.
type Port struct {
	s       *Switch
	jack    *jack
	tap     *tap
	plugged bool
	dark    bool   // the machine's kernel may not have noticed yet that the cable is in again
	before  uint64 // what it had dropped when that began
	excused uint64 // what it dropped in the dark, all told
	frozen  bool
	closed  bool
	gone    bool       // the device is, with its namespace
	waiting []*arrival // for a thaw, in order
	address netip.Addr
	asked   []*question
}

// Attach gives the namespace of a machine an interface that bears the name of the segment, with this address and a
// hardware address that is the same at every boot, and plugs it in. The machine has no other port on the segment then:
// the one of an earlier boot is closed before. The world's network has the machine on this segment already.
func (s *Switch) Attach(ns *netns.Namespace, segment, machine string, address netip.Prefix) (*Port, error) {
	if !address.Addr().Is4() {
		return nil, fmt.Errorf("attach %s to %s: want an IPv4 address, have %v", machine, segment, address)
	}
	t, err := newTap(ns, outfit{segment, hardwareOf(segment, machine), address, s.routes(segment), s.options.Scale})
	if err != nil {
		return nil, fmt.Errorf("attach %s to %s: %w", machine, segment, err)
	}
	p, err := s.connect(t, segment, machine, address.Addr())
	if err != nil {
		t.close()
		return nil, fmt.Errorf("attach %s to %s: %w", machine, segment, err)
	}
	s.wake()
	return p, nil
}

// connect gives a device its place at the switch.
func (s *Switch) connect(t *tap, segment, machine string, address netip.Addr) (*Port, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.segment(segment)
	switch {
	case s.closed:
		return nil, errors.New("the switch is closed")
	case g == nil:
		return nil, fmt.Errorf("no segment %q", segment)
	}
	j := g.jack(machine)
	if j.port != nil {
		return nil, errors.New("its port is in use")
	}
	p := &Port{s: s, jack: j, tap: t, plugged: true, address: address}
	j.port = p
	g.at[hardwareOf(segment, machine)] = j
	s.ports = append(s.ports, p)
	s.changed = true
	return p, nil
}

// MAC is the hardware address of a machine's interface on a segment: the same in every run.
func MAC(segment, machine string) net.HardwareAddr {
	h := hardwareOf(segment, machine)
	return h[:]
}

// Unplug takes the cable out: no frame passes, and the machine sees that it has no carrier.
func (p *Port) Unplug() error { return p.plug(false) }

// Plug puts the cable in again.
func (p *Port) Plug() error { return p.plug(true) }

func (p *Port) plug(in bool) error {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	if p.closed || p.plugged == in {
		return nil
	}
	p.plugged = in
	if !in {
		return p.pull()
	}
	if err := p.tap.carrier(true); err != nil {
		return err
	}
	p.s.closing.Go(p.noticed)
	return nil
}

// pull takes the carrier away. What the machine sends from now on its kernel drops, and counts: nobody has lost it.
func (p *Port) pull() error {
	if !p.dark {
		p.dark, p.before = true, p.tap.dropped()
	}
	return p.tap.carrier(false)
}

// Until a kernel notices a carrier it drops what is sent. It does so at once as a rule.
const (
	noticedWithin = time.Second
	lookAgain     = time.Millisecond
)

// noticed waits until the machine's kernel uses the cable that is in again; from then on every drop counts.
func (p *Port) noticed() {
	for limit := time.Now().Add(noticedWithin); ; time.Sleep(lookAgain) {
		p.s.mu.Lock()
		if p.closed || !p.plugged || !p.dark {
			p.s.mu.Unlock()
			return
		}
		if p.tap.up() || time.Now().After(limit) {
			p.excused += p.tap.dropped() - p.before
			p.dark = false
			p.s.mu.Unlock()
			return
		}
		p.s.mu.Unlock()
	}
}

// dropped is how many frames the machine's kernel had no room for, while there was a cable.
func (p *Port) dropped() uint64 {
	if p.dark {
		return p.before - p.excused
	}
	return max(p.tap.dropped(), p.excused) - p.excused
}

// Freeze lets frames to and from the machine wait, in order.
func (p *Port) Freeze() {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	if !p.closed && !p.frozen {
		p.frozen, p.s.changed = true, true
		p.s.wake()
	}
}

// Thaw lets them go on.
func (p *Port) Thaw() {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	if p.closed || !p.frozen {
		return
	}
	p.frozen, p.s.changed = false, true
	now := p.s.options.Now()
	for _, a := range p.waiting {
		p.s.coming.add(a, now)
	}
	p.waiting = nil
	p.s.wake()
}

// Close is the loss of power: silence at once, and the interface is gone some milliseconds later.
func (p *Port) Close() {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.close()
	p.s.wake()
}

// close leaves the device to the loop, which may be about to use it.
func (p *Port) close() {
	if p.closed {
		return
	}
	p.s.lost += p.dropped()
	p.closed, p.s.changed = true, true
	p.jack.port = nil
	for _, a := range p.waiting {
		a.spent()
	}
	p.waiting, p.asked = nil, nil
}
