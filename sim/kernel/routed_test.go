//go:build linux

package kernel

import (
	"net/netip"
	"testing"

	"firedrill/nodes"
	"firedrill/sim"
)

// A machine on another segment answers over the way that joins them, and its answers are known to be its own. What is cut anywhere
// on the way, or unplugged, is not reachable, and does not answer.
func TestRoutedWay(t *testing.T) {
	h := &hall{New(1, 1), t}
	t.Cleanup(func() { h.must(h.Close()) })
	for _, s := range []sim.Segment{{Name: "lan", Subnet: prefix("10.0.0.0/24")}, {Name: "branch", Subnet: prefix("10.9.0.0/24")},
		{Name: "line", Joins: []string{"lan", "branch"}}} {
		h.must(h.AddSegment(s))
	}
	h.must(h.AddMachine(sim.MachineSpec{Name: "one", Kind: beaconKind,
		Config:     &beaconConfig{Greeting: "from afar", Address: "10.0.0.40/24"},
		Interfaces: []sim.Interface{{Segment: "lan", Address: prefix("10.0.0.1/24")}}}))
	h.must(h.AddMachine(sim.MachineSpec{Name: "visitor",
		Interfaces: []sim.Interface{{Segment: "branch", Address: prefix("10.9.0.100/24")}}}))
	h.until("it", ready(h, "one", 1))
	answers := func() bool { return h.ask("10.0.0.40", "hi") == "from afar, start 1" }
	reach := func() [3]bool {
		return [3]bool{h.Reachable("line", "visitor", "one"), h.Reachable("", "one", "visitor"), h.Reachable("lan", "visitor", "one")}
	}
	if !answers() || reach() != [3]bool{true, true, false} {
		t.Fatalf("want it reached over the way alone, have %v", reach())
	}
	for _, cut := range [][3]string{{"line", "visitor", "one"}, {"branch", "visitor", "line"}, {"lan", "line", "one"}} {
		fault := &sim.Imposition{Condition: sim.Condition{Cut: true}}
		for _, l := range h.Links(cut[0]) {
			if l.From == cut[1] && l.To == cut[2] {
				l.Impose(fault)
			}
		}
		if answers() || reach() != [3]bool{false, true, false} || fault.Lost == 0 {
			t.Errorf("%v: want silence from there on, have %v, %d lost", cut, reach(), fault.Lost)
		}
		for _, l := range h.Links(cut[0]) {
			l.Lift(fault)
		}
	}
	h.Machine("one").Unplug("lan")
	if reach() != [3]bool{} {
		t.Errorf("without a cable: have %v", reach())
	}
	h.Machine("one").Plug("lan")
	h.until("an answer again", answers)
	op := nodes.Operation{Remote: netip.MustParseAddrPort("10.0.0.40:80")}
	h.Machine("visitor").Go("ask", func(env nodes.Env) {
		if c, err := env.Net().Dial("tcp4", op.Remote.String()); err == nil {
			op.Local = netip.MustParseAddrPort(c.LocalAddr().String())
			c.Close()
		}
	})
	h.until("a connection", func() bool { return op.Local.IsValid() })
	h.Record(op)
	if last := h.History()[len(h.History())-1]; last.ServedBy != "one" || last.Role != "lit" {
		t.Errorf("served by %q as %q, want one, which is lit", last.ServedBy, last.Role)
	}
}
