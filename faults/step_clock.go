package faults

import (
	"errors"
	"time"
)

// StepClock lets a machine's wall clock jump. Its uptime goes on evenly.
type StepClock struct {
	Machine string        `yaml:"step_clock" ref:"machine" doc:"the machine whose wall clock jumps"`
	Offset  time.Duration `yaml:"offset" doc:"by how much; below zero: back"`
}

func (f *StepClock) String() string { return Print(f) }

// Check finds a step that is none.
func (f *StepClock) Check() error {
	if f.Offset == 0 {
		return errors.New("step_clock wants an offset such as 90s or -1h")
	}
	return nil
}

// Inject steps the clock; undoing steps it back by as much.
func (f *StepClock) Inject(b *Board) Effect {
	m := b.World.Machine(f.Machine)
	if m == nil {
		return Effect{}
	}
	m.Clock().Step(f.Offset)
	return Effect{
		Machines: []string{f.Machine},
		Undo:     func() { m.Clock().Step(-f.Offset) },
		Receipt:  func() Receipt { return Receipt{count(1, "clock", "clocks", "stepped")} },
	}
}
