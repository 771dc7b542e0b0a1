package faults

import "firedrill/sim"

// Freeze lets whole machines stand still; frames to them wait, and they wake with stale beliefs.
type Freeze struct {
	Machines []string `yaml:"freeze" ref:"machine" doc:"the machines that stand still"`
}

func (f *Freeze) String() string { return Print(f) }

// Inject lets the machines stand still until it is undone or they thaw.
func (f *Freeze) Inject(b *Board) Effect {
	return b.stop(f.Machines, stop{
		begin: sim.Machine.Freeze, end: sim.Machine.Thaw,
		state: sim.StateFrozen, what: "frozen", lasting: "still",
	})
}

// Thaw lets frozen machines go on.
type Thaw struct {
	Machines []string `yaml:"thaw" ref:"machine" doc:"the machines that go on"`
}

func (f *Thaw) String() string { return Print(f) }

// Inject lets the machines go on.
func (f *Thaw) Inject(b *Board) Effect { return b.start(f.Machines, sim.Machine.Thaw) }
