package faults

import (
	"slices"

	"firedrill/sim"
)

// Hold keeps frames waiting; none is lost.
type Hold struct {
	Segment string `yaml:"hold" ref:"segment" doc:"the segment whose frames wait"`
	Scope   `yaml:",inline"`
}

func (f *Hold) String() string { return Print(f) }

// Inject keeps frames until it is undone or released.
func (f *Hold) Inject(b *Board) Effect {
	return f.impose(b, f.Segment, sim.Condition{Hold: true})
}

// Release lets the frames go that holds keep, in the order in which they came. It lifts holds on the paths of its scope;
// with `frames`, only holds of just these frames.
type Release struct {
	Segment string `yaml:"release" ref:"segment" doc:"the segment whose frames go on"`
	Scope   `yaml:",inline"`
}

func (f *Release) String() string { return Print(f) }

// Inject lifts the holds.
func (f *Release) Inject(b *Board) Effect {
	for _, l := range b.World.Links(f.Segment) {
		if !f.covers(l) {
			continue
		}
		for _, i := range slices.Clone(l.Imposed()) {
			if i.Hold && (f.Frames == nil || slices.Equal(f.Frames, i.Frames)) {
				l.Lift(i)
			}
		}
	}
	return Effect{Undoing: true}
}
