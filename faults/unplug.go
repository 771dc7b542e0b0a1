package faults

import "firedrill/sim"

// Unplug pulls a machine's cable: its interface has no carrier.
type Unplug struct {
	Segment string `yaml:"unplug" ref:"segment" doc:"the segment whose cable is pulled"`
	Machine string `yaml:"machine" ref:"machine" doc:"the machine that it is pulled from"`
}

func (f *Unplug) String() string { return Print(f) }

// Check finds a missing machine.
func (f *Unplug) Check() error { return wantMachine("unplug", f.Machine) }

// Inject pulls the cable until it is undone or plugged.
func (f *Unplug) Inject(b *Board) Effect {
	effect := b.stop([]string{f.Machine}, stop{
		begin: func(m sim.Machine) bool { return m.Unplug(f.Segment) },
		end:   func(m sim.Machine) bool { return m.Plug(f.Segment) },
		what:  "unplugged", lasting: "without carrier",
	})
	effect.Segment, effect.Machines = f.Segment, []string{f.Machine}
	return effect
}

// Plug puts the cable back.
type Plug struct {
	Segment string `yaml:"plug" ref:"segment" doc:"the segment whose cable is put back"`
	Machine string `yaml:"machine" ref:"machine" doc:"the machine that it is put into"`
}

func (f *Plug) String() string { return Print(f) }

// Check finds a missing machine.
func (f *Plug) Check() error { return wantMachine("plug", f.Machine) }

// Inject puts the cable back.
func (f *Plug) Inject(b *Board) Effect {
	if m := b.World.Machine(f.Machine); m != nil {
		m.Plug(f.Segment)
	}
	return Effect{Undoing: true, Ends: func(other Fault) bool {
		u, ok := other.(*Unplug)
		return ok && u.Segment == f.Segment && u.Machine == f.Machine
	}}
}
