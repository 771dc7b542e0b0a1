// Package faults holds what can go wrong, one file per fault. A fault is a value: the struct that the scenario's YAML is read
// into, which prints again as the user writes it. Its fields carry the tags of nodes.Kind.Config, and ref, which names what a
// word refers to: `ref:"segment"`, `ref:"machine"` (a role too), `ref:"clients"`, `ref:"step"`, `ref:"fact"`. The first field
// is the verb.
package faults

import (
	"fmt"
	"time"

	"firedrill/sim"
)

// Fault is one thing that goes wrong, or, as an Undoing, is put right again.
type Fault interface {
	// String is the fault in the scenario's own words: `cut: heartbeat, from: nas-a, to: nas-b`.
	fmt.Stringer
	// Inject lets it happen now. Names are those of machines by then: roles are resolved before.
	Inject(*Board) Effect
}

// Effect is a fault in force.
type Effect struct {
	// Undo lifts it; nil where there is nothing to lift.
	Undo func()
	// Receipt says what it did so far. Undoings need none.
	Receipt func() Receipt
}

// Receipt is what a fault did. A fault with an empty one hit nothing.
type Receipt []Count

// Count is one number of a receipt: `38 frames lost`.
type Count struct {
	N    int64
	What string
}

// Entry is a fault that was injected, as the report shows it.
type Entry struct {
	Step   string // the step's name
	Fault  Fault
	From   time.Duration // true time
	Until  time.Duration // when it was undone; below zero: not yet
	Chance bool          // it has a probability, and has to hit only once in a batch
	effect Effect
}

// Board keeps the faults of a run, so that each can be undone once, by its own step, by a heal or at the end.
type Board struct {
	World   sim.World
	entries []*Entry
}
