package faults

import "firedrill/sim"

// Refuse turns frames away aloud, which is another thing than silence: whoever sent them knows at once.
type Refuse struct {
	Segment string `yaml:"refuse" ref:"segment" doc:"the segment whose frames are turned away"`
	Scope   `yaml:",inline"`
	How     string `yaml:"how" choices:"reset unreachable" doc:"TCP RST and ICMP port unreachable, or ICMP host unreachable (reset)"`
}

func (f *Refuse) String() string { return Print(f) }

// Inject lets frames be turned away until it is undone.
func (f *Refuse) Inject(b *Board) Effect {
	how := sim.RefuseReset
	if f.How == string(sim.RefuseUnreachable) {
		how = sim.RefuseUnreachable
	}
	return f.impose(b, f.Segment, sim.Condition{Refuse: how})
}
