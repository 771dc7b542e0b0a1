package faults

import "firedrill/sim"

// Cut is silence: frames are lost, those in flight too. `cut: lan, frames: gratuitous-arp` loses the announcements of an address
// and nothing else.
type Cut struct {
	Segment string `yaml:"cut" ref:"segment" doc:"the segment that falls silent"`
	Scope   `yaml:",inline"`
}

func (f *Cut) String() string { return Print(f) }

// Inject lets frames be lost until it is undone.
func (f *Cut) Inject(b *Board) Effect {
	return f.impose(b, f.Segment, sim.Condition{Cut: true})
}
