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

// hidden reports whether the machine as a whole stands still, so that its state does not tell what its software does.
func (s *stop) hidden(m sim.Machine) bool {
	software := s.state == sim.StateCrashed || s.state == sim.StatePaused
	return software && (m.State() == sim.StateFrozen || m.State() == sim.StateSuspended)
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
				b.finish(m, s.end)
			}
		},
		Receipt: func() Receipt { return Receipt{count(len(hit), "machine", "machines", s.what)} },
		Lasting: s.lasting,
	}
	if s.state != "" {
		effect.Lasts = func() bool {
			return slices.ContainsFunc(hit, func(m sim.Machine) bool { return m.State() == s.state || s.hidden(m) })
		}
	}
	return effect
}

// unfinished is an end that has to wait: the machine stands still by another fault.
type unfinished struct {
	machine sim.Machine
	end     func(sim.Machine) bool
}

// finish ends a stop: now, or as soon as the machine does not stand still any more. Where the end does not fit then (the machine
// was off, say, and booted) it changes nothing.
func (b *Board) finish(m sim.Machine, end func(sim.Machine) bool) {
	if !end(m) && standsStill(m) {
		b.unfinished = append(b.unfinished, unfinished{m, end})
	}
}

// finishAll tries what had to wait.
func (b *Board) finishAll() {
	b.unfinished = slices.DeleteFunc(b.unfinished, func(u unfinished) bool { return u.end(u.machine) || !standsStill(u.machine) })
}

func standsStill(m sim.Machine) bool {
	switch m.State() {
	case sim.StatePaused, sim.StateFrozen, sim.StateSuspended:
		return true
	}
	return false
}

// start is the undoing of a stop, as a step of its own.
func (b *Board) start(names []string, begin func(sim.Machine) bool) Effect {
	for _, name := range names {
		if m := b.World.Machine(name); m != nil {
			b.finish(m, begin)
		}
	}
	return Effect{Undoing: true}
}

// Config is what a boot or a restart changes of its machines' configuration, from then on.
type Config struct {
	With nodes.Values `yaml:"with" nested:"yes" doc:"keys of the kind that are changed from then on"`
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
