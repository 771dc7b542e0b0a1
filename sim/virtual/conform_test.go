//go:build linux

package virtual

import (
	"net/netip"
	"testing"
	"time"

	"firedrill/sim"
	"firedrill/sim/internal/conform"
)

// Whatever the seed, the virtual world has to show what the golden file says; package sim/kernel/env holds Linux against it.
func TestConformance(t *testing.T) { conform.Test(t, conform.Virtual, conformRow) }

// conformRow plays a row with several seeds, which must not matter.
func conformRow(t *testing.T, r conform.Row) string {
	t.Helper()
	first := ""
	for seed := uint64(1); seed <= 10; seed++ {
		p := r.Cast(conform.Stage{Addresses: [2]netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")}})
		w := newPair(t, seed, p.Parts[0], p.Parts[1])
		for _, l := range w.Links("lan") { // On a cable between two machines datagrams keep their order.
			l.Impose(&sim.Imposition{Condition: sim.Condition{Jitter: new(time.Duration)}})
		}
		w.OnFact(func(e sim.Event) bool { return e.Name == sim.FactPanicked },
			func(e sim.Event) { t.Errorf("seed %d: %s: %s %v", seed, e.Machine, e.Value, e.Attrs) })
		if err := w.Run(10 * time.Minute); err != nil {
			t.Fatal(err)
		}
		for i, m := range w.Machines() {
			if p.Parts[i] != nil && m.State() == sim.StateUp {
				t.Errorf("seed %d: machine %s does not come to an end", seed, m.Name())
			}
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		switch shown := p.Shown(); {
		case seed == 1:
			first = shown
		case shown != first:
			t.Errorf("seed 1 shows\n%sseed %d shows\n%s", first, seed, shown)
		}
		if r.Once() {
			break
		}
	}
	return first
}
