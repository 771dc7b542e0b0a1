package faults

import (
	"slices"
	"time"

	"firedrill/nodes"
	"firedrill/sim"
)

// Entry is a fault that was injected, as the report shows it.
type Entry struct {
	Step    string // the step's name
	Fault   Fault
	From    time.Duration // true time
	Until   time.Duration // when it was over; below zero: not yet
	Undoing bool          // it put something right, and needs no receipt
	Chance  bool          // it has a probability, and has to hit only once in a batch
	Receipt Receipt       // what it did, as of the last Settle or its end
	effect  Effect
}

// Hit reports whether the fault did anything, as of its Receipt.
func (e *Entry) Hit() bool { return !e.Receipt.Empty() }

// Board keeps the faults of a run, so that each is undone once: by its own step, by a heal, or at the end. It also keeps the
// trace told who can reach whom by the network, whatever nodes believe.
type Board struct {
	World sim.World
	// Paths are the segments that join others. Who can be reached over them is noted too.
	Paths []string

	entries    []*Entry
	drifts     map[string][]*nodes.Drift           // by machine: its own, and those of the faults in force
	disks      map[string][]*replaced              // by machine: replacements in force
	copies     map[string]map[string]*sim.Snapshot // by step, then machine
	unfinished []unfinished
	injecting  *Entry        // the one whose fault is being injected
	apart      map[path]bool // paths that were not reachable when last asked
}

// path is a way from one machine to another on a segment.
type path struct{ segment, from, to string }

// NewBoard makes the board of a run. At the start all are taken to be reachable.
func NewBoard(w sim.World) *Board {
	return &Board{World: w, drifts: map[string][]*nodes.Drift{}, disks: map[string][]*replaced{},
		copies: map[string]map[string]*sim.Snapshot{}, apart: map[path]bool{}}
}

// Inject lets a fault happen now, for a step. Names in it are those of machines.
func (b *Board) Inject(step string, f Fault) *Entry {
	e := &Entry{Step: step, Fault: f, From: b.World.Now(), Until: -1}
	b.entries = append(b.entries, e)
	b.injecting = e
	e.effect = f.Inject(b)
	e.Undoing, e.Chance = e.effect.Undoing, e.effect.Chance
	if e.Undoing {
		e.Until = e.From
	}
	if ends := e.effect.Ends; ends != nil {
		for _, other := range b.entries {
			if other.Until < 0 && ends(other.Fault) {
				b.end(other)
			}
		}
	}
	b.changed()
	return e
}

// Undo lifts a fault, where it is still in force.
func (b *Board) Undo(e *Entry) {
	b.lift(e)
	b.changed()
}

// HealAll ends the drill: every fault is undone, the last one first; what is powered off stays off.
func (b *Board) HealAll() {
	for _, e := range slices.Backward(b.entries) {
		if !e.effect.Stays {
			b.lift(e)
		}
	}
	b.changed()
}

// Entries are the faults so far, in the order in which they were injected.
func (b *Board) Entries() []*Entry { return b.entries }

// Settle ends the book: the receipts are what they are now, and nothing can be undone any more. The entries may outlive
// the world after that.
func (b *Board) Settle() []*Entry {
	b.changed()
	for _, e := range b.entries {
		if e.Until < 0 {
			b.take(e)
		}
		e.effect = Effect{}
	}
	return b.entries
}

// heal undoes what acts on a segment or a machine; the last one first.
func (b *Board) heal(target string) {
	for _, e := range slices.Backward(b.entries) {
		on := e.effect.Segment != "" || e.effect.Machines != nil
		if on && (target == "all" || e.effect.Segment == target || slices.Contains(e.effect.Machines, target)) {
			b.lift(e)
		}
	}
}

// lift undoes a fault once.
func (b *Board) lift(e *Entry) {
	if e.Until >= 0 {
		return
	}
	if e.effect.Undo != nil {
		e.effect.Undo()
	}
	b.end(e)
}

// end closes the entry of a fault that is over.
func (b *Board) end(e *Entry) {
	e.Until = b.World.Now()
	b.take(e)
}

// take reads the receipt of a fault.
func (b *Board) take(e *Entry) {
	if e.effect.Receipt == nil {
		return
	}
	e.Receipt = e.effect.Receipt()
	until := e.Until
	if until < 0 {
		until = b.World.Now()
	}
	if e.effect.Lasting != "" && e.Hit() {
		e.Receipt = append(e.Receipt, Count{N: int64(until - e.From), What: e.effect.Lasting, Time: true})
	}
}

// changed brings the book up to date after something was injected or undone.
func (b *Board) changed() {
	b.finishAll()
	for _, e := range b.entries {
		if e.Until < 0 && e.effect.Lasts != nil && !e.effect.Lasts() {
			b.end(e)
		}
	}
	b.askReachable()
}

// askReachable notes which paths the network opened or closed.
func (b *Board) askReachable() {
	machines := b.World.Machines()
	for _, from := range machines {
		for _, i := range from.Interfaces() {
			for _, to := range machines {
				if from.Name() == to.Name() || !slices.ContainsFunc(to.Interfaces(), func(other sim.Interface) bool {
					return other.Segment == i.Segment
				}) {
					continue
				}
				b.askPath(path{i.Segment, from.Name(), to.Name()})
			}
		}
	}
	for _, segment := range b.Paths {
		for _, l := range b.World.Links(segment) {
			b.askPath(path{segment, l.From, l.To})
		}
	}
}

func (b *Board) askPath(p path) {
	open := b.World.Reachable(p.segment, p.from, p.to)
	if open != b.apart[p] {
		return
	}
	name := sim.FactReachable
	if !open {
		name = sim.FactUnreachable
	}
	b.apart[p] = !open
	b.World.Trace().Add(b.World.Now(), p.from, nodes.Fact{Name: name, Scope: p.segment, Value: p.to})
}
