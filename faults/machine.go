package faults

import (
	"fmt"
	"slices"

	"firedrill/nodes"
	"firedrill/sim"
)

// stop is a fault of whole machines, with the way back.
type stop struct {
	begin, end func(sim.Machine) bool
	state      sim.State // the machine's while the fault is in force; "": it has none of its own
	what       string    // for the receipt: `powered off`
	lasting    string    // likewise, for how long: `down`
}

// stop stops those of the machines that can be stopped; only these count as hit, and only these are undone.
func (b *Board) stop(names []string, s stop) Effect {
	var hit []sim.Machine
	for _, name := range names {
		if m := b.World.Machine(name); m != nil && s.begin(m) {
			hit = append(hit, m)
		}
	}
	effect := Effect{
		Undo: func() {
			for _, m := range hit {
				s.end(m) // Where it does not fit any more, it changes nothing.
			}
		},
		Receipt: func() Receipt { return Receipt{count(len(hit), "machine", "machines", s.what)} },
		Lasting: s.lasting,
	}
	if s.state != "" {
		effect.Lasts = func() bool {
			return slices.ContainsFunc(hit, func(m sim.Machine) bool { return m.State() == s.state })
		}
	}
	return effect
}

// start is the undoing of a stop, as a step of its own.
func (b *Board) start(names []string, begin func(sim.Machine) bool) Effect {
	for _, name := range names {
		if m := b.World.Machine(name); m != nil {
			begin(m)
		}
	}
	return Effect{Undoing: true}
}

// Config is what a boot or a restart changes of its machines' configuration, from then on.
type Config struct {
	With nodes.Values `yaml:"with" doc:"keys of the kind that are changed from then on"`
	// Configs are, by machine, the declared configuration with With laid over it: whoever read With made them.
	Configs map[string]any `yaml:"-"`
}

// of returns the machine's new configuration, or nil.
func (c *Config) of(machine string) any {
	if c.Configs == nil {
		return nil
	}
	return c.Configs[machine]
}

func wantMachine(verb, machine string) error {
	if machine == "" {
		return fmt.Errorf("%s wants a machine: `%s: SEGMENT, machine: MACHINE`", verb, verb)
	}
	return nil
}
