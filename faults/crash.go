package faults

import "firedrill/sim"

// Crash ends the software where it stands. Its kernel answers: addresses, and what was written without a sync, stay.
type Crash struct {
	Machines []string `yaml:"crash" ref:"machine" doc:"the machines whose software ends"`
}

func (f *Crash) String() string { return Print(f) }

// Inject ends the software until it is undone or restarted.
func (f *Crash) Inject(b *Board) Effect {
	return b.stop(f.Machines, stop{
		begin: sim.Machine.Crash,
		end:   func(m sim.Machine) bool { return m.Restart(nil) },
		state: sim.StateCrashed, what: "crashed", lasting: "software down",
	})
}

// Restart starts software anew that crashed or ended by itself.
type Restart struct {
	Machines []string `yaml:"restart" ref:"machine" doc:"the machines whose software starts anew"`
	Config   `yaml:",inline"`
}

func (f *Restart) String() string { return Print(f) }

// Inject starts the software.
func (f *Restart) Inject(b *Board) Effect {
	return b.start(f.Machines, func(m sim.Machine) bool { return m.Restart(f.of(m.Name())) })
}
