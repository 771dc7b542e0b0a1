package faults

import (
	"slices"

	"firedrill/nodes"
)

// DriftClock lets a machine's clock run at another rate, its uptime too.
type DriftClock struct {
	Machine string      `yaml:"drift_clock" ref:"machine" doc:"the machine whose clock drifts"`
	Drift   nodes.Drift `yaml:"drift" doc:"what it gains, or below zero loses: 200ppm is 200us a second (0ppm)"`
}

func (f *DriftClock) String() string { return Print(f) }

// Inject changes the rate. Of several drifts of one clock the last that is still in force counts, whatever the order in
// which they are undone.
func (f *DriftClock) Inject(b *Board) Effect {
	m := b.World.Machine(f.Machine)
	if m == nil {
		return Effect{}
	}
	clock, own := m.Clock(), new(nodes.Drift)
	*own = f.Drift
	before := clock.Drift()
	if b.drifts[f.Machine] == nil {
		b.drifts[f.Machine] = []*nodes.Drift{&before} // What it has without any fault.
	}
	b.drifts[f.Machine] = append(b.drifts[f.Machine], own)
	clock.SetDrift(b.World.Now(), f.Drift)
	return Effect{
		Machines: []string{f.Machine},
		Undo: func() {
			left := slices.DeleteFunc(b.drifts[f.Machine], func(d *nodes.Drift) bool { return d == own })
			b.drifts[f.Machine] = left
			clock.SetDrift(b.World.Now(), *left[len(left)-1])
		},
		Receipt: func() Receipt {
			if before == f.Drift {
				return nil
			}
			return Receipt{count(1, "clock", "clocks", "drifting")}
		},
	}
}
