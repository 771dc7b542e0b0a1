package faults

import "firedrill/sim"

// Pause lets software stand still. Its kernel answers ARP and completes TCP handshakes; the software wakes with stale beliefs.
type Pause struct {
	Machines []string `yaml:"pause" ref:"machine clients" doc:"the machines or clients whose software stands still"`
}

func (f *Pause) String() string { return Print(f) }

// Inject lets the software stand still until it is undone or resumed.
func (f *Pause) Inject(b *Board) Effect {
	return b.stop(f.Machines, stop{
		begin: sim.Machine.Pause, end: sim.Machine.Resume,
		state: sim.StatePaused, what: "paused", lasting: "software still",
	})
}

// Resume lets software go on that was paused.
type Resume struct {
	Machines []string `yaml:"resume" ref:"machine clients" doc:"the machines or clients whose software goes on"`
}

func (f *Resume) String() string { return Print(f) }

// Inject lets the software go on.
func (f *Resume) Inject(b *Board) Effect { return b.start(f.Machines, sim.Machine.Resume) }
