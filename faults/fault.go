// Package faults holds what can go wrong, one file per fault. A fault is a value: the struct that the scenario's YAML is read
// into, which prints again as the user writes it. Its fields carry the tags of nodes.Kind.Config, and ref, which names what a
// word refers to, one or several of: segment, machine (a role too), clients, all. Values with the tag nested may hold maps. The
// first field is the verb and its subject. A struct that can be wrong as a whole has a method Check() error.
package faults

import (
	"fmt"
	"time"

	"firedrill/nodes"
)

// Fault is one thing that goes wrong, or that is put right again.
type Fault interface {
	// String is the fault in the scenario's own words: `cut: heartbeat, from: nas-a, to: nas-b`.
	fmt.Stringer
	// Inject lets it happen now. Names are those of machines by then: see Resolve.
	Inject(*Board) Effect
}

// Checker is a fault that can be wrong as a whole, though each of its values is right.
type Checker interface{ Check() error }

// Verb is a fault's word in the language.
type Verb struct {
	Verb, Doc string
	Undoing   bool         // it puts something right, and needs no receipt
	New       func() Fault // a pointer to an empty one, for YAML to be read into
}

// All lists the verbs, in the order in which help and schema show them.
func All() []Verb {
	return []Verb{
		{"cut", "frames on a segment are lost, those in flight too", false, func() Fault { return new(Cut) }},
		{"refuse", "frames on a segment are turned away aloud", false, func() Fault { return new(Refuse) }},
		{"degrade", "a segment is slower or worse than it should be", false, func() Fault { return new(Degrade) }},
		{"hold", "frames on a segment wait for the release", false, func() Fault { return new(Hold) }},
		{"release", "frames that a hold keeps go on", true, func() Fault { return new(Release) }},
		{"split", "a segment falls apart into groups", false, func() Fault { return new(Split) }},
		{"unplug", "a machine's cable is pulled: its interface has no carrier", false, func() Fault { return new(Unplug) }},
		{"plug", "the cable is back", true, func() Fault { return new(Plug) }},
		{"heal", "network, disk and clock faults of a segment or a machine are undone", true, func() Fault { return new(Heal) }},
		{"power_off", "silence at once, and what was not synced is lost", false, func() Fault { return new(PowerOff) }},
		{"boot", "a machine is powered on", true, func() Fault { return new(Boot) }},
		{"crash", "the software ends where it stands; its kernel answers", false, func() Fault { return new(Crash) }},
		{"restart", "software that crashed or stopped starts anew", true, func() Fault { return new(Restart) }},
		{"pause", "the software stands still; its kernel answers", false, func() Fault { return new(Pause) }},
		{"resume", "software that was paused goes on", true, func() Fault { return new(Resume) }},
		{"freeze", "the whole machine stands still, and frames to it wait", false, func() Fault { return new(Freeze) }},
		{"thaw", "a frozen machine goes on", true, func() Fault { return new(Thaw) }},
		{"suspend", "the machine sleeps, and its uptime stands still", false, func() Fault { return new(Suspend) }},
		{"wake", "a suspended machine goes on", true, func() Fault { return new(Wake) }},
		{"break_disk", "operations on a machine's disk go wrong", false, func() Fault { return new(BreakDisk) }},
		{"replace_disk", "a machine that is off gets another disk", false, func() Fault { return new(ReplaceDisk) }},
		{"step_clock", "a machine's wall clock jumps", false, func() Fault { return new(StepClock) }},
		{"drift_clock", "a machine's clock runs at another rate", false, func() Fault { return new(DriftClock) }},
		{"disturb", "faults that the seed draws, one after the other", false, func() Fault { return new(Disturb) }},
	}
}

// Effect is a fault in force.
type Effect struct {
	// Undo lifts it; nil where there is nothing to lift.
	Undo func()
	// Receipt says what it did so far; nil where it can do nothing that would have to be counted.
	Receipt func() Receipt
	// Lasts reports whether it is still in force, where something else than Undo may end it; nil: until Undo.
	Lasts func() bool
	// Ends reports, of an undoing, which faults in force are over now without their own Undo; nil: none.
	Ends func(Fault) bool
	// Lasting is what a receipt calls the time for which it was in force: `software down`; "": no time is told.
	Lasting string

	// Heal undoes it by the segment on which it acts, or by one of the machines; where both are empty, it does not.
	Segment  string
	Machines []string
	// Stays: the end of the drill does not undo it.
	Stays bool
	// Undoing: it put something right, and needs no receipt.
	Undoing bool
	// Chance: it has a probability, and has to hit only once in a batch.
	Chance bool
}

// Receipt is what a fault did. A fault with an empty one hit nothing.
type Receipt []Count

// Count is one figure of a receipt: `38 frames lost`; of a time: `software down 35.02s`.
type Count struct {
	N    int64  // how many; of a time, nanoseconds
	What string // of what
	Time bool
}

func (c Count) String() string {
	if c.Time {
		return c.What + " " + nodes.FormatDuration(time.Duration(c.N))
	}
	return fmt.Sprintf("%d %s", c.N, c.What)
}

// Empty reports whether nothing was hit.
func (r Receipt) Empty() bool {
	for _, c := range r {
		if c.N != 0 {
			return false
		}
	}
	return true
}

// String is what was hit, or `nothing`.
func (r Receipt) String() string {
	text := ""
	for _, c := range r {
		if c.N == 0 {
			continue
		}
		if text != "" {
			text += ", "
		}
		text += c.String()
	}
	if text == "" {
		return "nothing"
	}
	return text
}

// count is a figure with its word in the singular or the plural: the words that follow are the same.
func count(n int, one, many, what string) Count {
	if n == 1 {
		return Count{N: 1, What: one + " " + what}
	}
	return Count{N: int64(n), What: many + " " + what}
}
