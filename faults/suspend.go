package faults

import "firedrill/sim"

// Suspend lets machines sleep: as Freeze, and their uptime stands still too.
type Suspend struct {
	Machines []string `yaml:"suspend" ref:"machine" doc:"the machines that sleep"`
}

func (f *Suspend) String() string { return Print(f) }

// Inject lets the machines sleep until it is undone or they wake.
func (f *Suspend) Inject(b *Board) Effect {
	return b.stop(f.Machines, stop{
		begin: sim.Machine.Suspend, end: sim.Machine.Wake,
		state: sim.StateSuspended, what: "suspended", lasting: "asleep",
	})
}

// Wake lets suspended machines go on.
type Wake struct {
	Machines []string `yaml:"wake" ref:"machine" doc:"the machines that go on"`
}

func (f *Wake) String() string { return Print(f) }

// Inject lets the machines go on.
func (f *Wake) Inject(b *Board) Effect { return b.start(f.Machines, sim.Machine.Wake) }
