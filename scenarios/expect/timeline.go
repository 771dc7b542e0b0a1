package expect

import (
	"cmp"
	"slices"
	"time"

	"firedrill/nodes"
	"firedrill/sim"
)

// Interval is a stretch of time in which one thing was true of one machine: From is in it, Until is not.
type Interval struct {
	From, Until time.Duration
	Machine     string
	Scope       string // of a fact; of an address, its segment
	Value       string
	Begun       int // Seq of the event that began it, or -1: it held from the start
	Ended       int // Seq of the event that ended it, or -1: it held to the end
}

// Holds reports whether the interval is about this time.
func (i Interval) Holds(t time.Duration) bool { return i.From <= t && t < i.Until }

// Overlap is what two intervals have in common. Intervals that only touch have nothing in common.
func (i Interval) Overlap(other Interval) (from, until time.Duration, any bool) {
	from, until = max(i.From, other.From), min(i.Until, other.Until)
	return from, until, from < until
}

// Length is how long it held.
func (i Interval) Length() time.Duration { return i.Until - i.From }

// Lane is what was true of one machine, as intervals in order of time.
type Lane struct {
	Machine string
	States  []Interval // one after the other from start to end; the value is a sim.State
	Role    []Interval // what the software said of itself, for as long as it ran: values that are not ""
	Access  []Interval
	Phase   []Interval
	Serving []Interval
	Bound   []Interval // further addresses: the value is the address, the scope its segment
}

// At returns the interval that holds at t, or none.
func At(intervals []Interval, t time.Duration) (Interval, bool) {
	for _, i := range slices.Backward(intervals) { // The late ones are asked for most.
		if i.Holds(t) {
			return i, true
		}
	}
	return Interval{}, false
}

// State is the machine's state at t.
func (l *Lane) State(t time.Duration) sim.State {
	if i, ok := At(l.States, t); ok {
		return sim.State(i.Value)
	}
	if n := len(l.States); n > 0 {
		return sim.State(l.States[n-1].Value) // At the end itself.
	}
	return sim.StateUp
}

// Runs are the stretches in which the software ran, standing still left out.
func (l *Lane) Runs() []Interval { return l.in(sim.StateUp) }

// Lives are the stretches in which the software ran or stood still: it has beliefs, and may go on.
func (l *Lane) Lives() []Interval {
	return merge(l.in(sim.StateUp, sim.StatePaused, sim.StateFrozen, sim.StateSuspended))
}

// Answers are the stretches in which the machine's kernel answers whoever asks for its addresses.
func (l *Lane) Answers() []Interval {
	return merge(l.in(sim.StateUp, sim.StatePaused, sim.StateCrashed, sim.StateStopped))
}

func (l *Lane) in(states ...sim.State) []Interval {
	var found []Interval
	for _, i := range l.States {
		if slices.Contains(states, sim.State(i.Value)) {
			found = append(found, i)
		}
	}
	return found
}

// merge joins intervals that touch. They are in order.
func merge(intervals []Interval) []Interval {
	var merged []Interval
	for _, i := range intervals {
		if n := len(merged); n > 0 && merged[n-1].Until == i.From {
			merged[n-1].Until, merged[n-1].Ended = i.Until, i.Ended
			continue
		}
		merged = append(merged, i)
	}
	return merged
}

// Clip is what both lists have in common: pieces of the first, in order. Each list is in order and does not overlap
// itself.
func Clip(intervals, to []Interval) []Interval {
	var pieces []Interval
	first := 0
	for _, i := range intervals {
		for first < len(to) && to[first].Until <= i.From {
			first++
		}
		for _, other := range to[first:] {
			if other.From >= i.Until {
				break
			}
			piece := i
			if other.From > i.From || other.From == i.From && other.Begun > i.Begun {
				piece.From, piece.Begun = other.From, other.Begun
			}
			if other.Until < i.Until {
				piece.Until, piece.Ended = other.Until, other.Ended
			}
			pieces = append(pieces, piece)
		}
	}
	return pieces
}

// Timeline is what was true of every machine at every time, read from the trace in one pass.
type Timeline struct {
	Lanes []*Lane // in the order of Run.Machines
	by    map[string]*Lane
}

// Lane returns the named machine's lane; of an unknown machine, an empty one.
func (t *Timeline) Lane(machine string) *Lane {
	if l := t.by[machine]; l != nil {
		return l
	}
	return &Lane{Machine: machine}
}

// Holders are the machines that had the role at time at.
func (t *Timeline) Holders(role string, at time.Duration) []string {
	var holders []string
	for _, l := range t.Lanes {
		if slices.ContainsFunc(l.Role, func(i Interval) bool { return i.Value == role && i.Holds(at) }) {
			holders = append(holders, l.Machine)
		}
	}
	return holders
}

// Who resolves a word of a claim at a time: a machine is itself, a role whoever has it, "" nobody in particular.
func (r *Run) Who(word string, at time.Duration) []string {
	if word == "" {
		return nil
	}
	for i := range r.Machines {
		if r.Machines[i].Name == word {
			return []string{word}
		}
	}
	return r.Timeline().Holders(word, at)
}

// Named are the indexes of the events with this name, in order.
func (r *Run) Named(name string) []int {
	if r.named == nil {
		r.named = map[string][]int{}
		for i := range r.Events {
			r.named[r.Events[i].Name] = append(r.named[r.Events[i].Name], i)
		}
	}
	return r.named[name]
}

// Timeline reads the trace into intervals, once a run. A fact of the software ends with it: at power off, at a
// crash, and when it comes anew. An address ends at power off or when it is released, but stays when only the
// software ends.
func (r *Run) Timeline() *Timeline {
	if r.timeline == nil {
		r.timeline = newTimeline(r)
	}
	return r.timeline
}

func newTimeline(r *Run) *Timeline {
	t := &Timeline{by: map[string]*Lane{}}
	drawings := map[string]*drawing{}
	for _, m := range r.Machines {
		d := &drawing{Lane: &Lane{Machine: m.Name}, untouched: true}
		d.state = Interval{Machine: m.Name, Value: string(sim.StateUp), Begun: -1}
		drawings[m.Name], t.by[m.Name] = d, d.Lane
		t.Lanes = append(t.Lanes, d.Lane)
	}
	for i := range r.Events {
		if d := drawings[r.Events[i].Machine]; d != nil {
			d.add(&r.Events[i])
		}
	}
	for _, m := range r.Machines {
		drawings[m.Name].finish(r.End)
	}
	return t
}

// drawing is a lane with what is still open on it.
type drawing struct {
	*Lane
	untouched bool // no event about its power came so far
	state     Interval
	facts     []open // of the software
	bound     []open
}

// open is an interval that has not ended yet, and the list that it will stand in.
type open struct {
	Interval
	list *[]Interval
}

func (d *drawing) add(e *sim.Event) {
	switch e.Name {
	case sim.FactBooted:
		if d.untouched { // It was off before its first boot.
			d.state.Value = string(sim.StateOff)
		}
		d.forget(e)
		d.move(e, sim.StateUp)
	case sim.FactRestarted:
		d.forget(e)
		d.move(e, sim.StateUp)
	case sim.FactPoweredOff:
		d.forget(e)
		d.bound = d.close(d.bound, e)
		d.move(e, sim.StateOff)
	case sim.FactCrashed:
		d.forget(e)
		d.move(e, sim.StateCrashed)
	case sim.FactStopped, sim.FactPanicked:
		d.forget(e)
		d.move(e, sim.StateStopped)
	case sim.FactPaused:
		d.move(e, sim.State(e.Value))
	case sim.FactResumed:
		if d.state.Value == e.Value { // Software that died in its sleep does not go on.
			d.move(e, sim.StateUp)
		}
	case nodes.FactRole:
		d.say(e, &d.Role)
	case nodes.FactAccess:
		d.say(e, &d.Access)
	case nodes.FactPhase:
		d.say(e, &d.Phase)
	case nodes.FactServing:
		d.say(e, &d.Serving)
	case sim.FactAddressBound:
		d.bind(e)
	case sim.FactAddressReleased:
		d.release(e)
	}
}

// move begins the machine's next state.
func (d *drawing) move(e *sim.Event, to sim.State) {
	d.untouched = false
	if d.state.Value == string(to) {
		return
	}
	d.state.Until, d.state.Ended = e.At, e.Seq
	if d.state.Length() > 0 {
		d.States = append(d.States, d.state)
	}
	d.state = Interval{From: e.At, Machine: d.Machine, Value: string(to), Begun: e.Seq}
}

// say replaces what the software said before of the same thing.
func (d *drawing) say(e *sim.Event, list *[]Interval) {
	for i := range d.facts {
		if o := &d.facts[i]; o.list == list && o.Scope == e.Scope {
			if o.Value == e.Value {
				return
			}
			d.end(o, e)
			d.facts = slices.Delete(d.facts, i, i+1)
			break
		}
	}
	if e.Value != "" {
		d.facts = append(d.facts, open{d.begin(e), list})
	}
}

// bind opens an address, unless it was bound already and is only announced again.
func (d *drawing) bind(e *sim.Event) {
	if !slices.ContainsFunc(d.bound, func(o open) bool { return o.Scope == e.Scope && o.Value == e.Value }) {
		d.bound = append(d.bound, open{d.begin(e), &d.Bound})
	}
}

func (d *drawing) release(e *sim.Event) {
	for i := range d.bound {
		if o := &d.bound[i]; o.Scope == e.Scope && o.Value == e.Value {
			d.end(o, e)
			d.bound = slices.Delete(d.bound, i, i+1)
			return
		}
	}
}

func (d *drawing) begin(e *sim.Event) Interval {
	return Interval{From: e.At, Machine: d.Machine, Scope: e.Scope, Value: e.Value, Begun: e.Seq}
}

// end closes an interval. One that began and ended at the same instant was never true for any time, and is not kept.
func (d *drawing) end(o *open, e *sim.Event) {
	if o.Until, o.Ended = e.At, e.Seq; o.Length() > 0 {
		*o.list = append(*o.list, o.Interval)
	}
}

func (d *drawing) close(all []open, e *sim.Event) []open {
	for i := range all {
		d.end(&all[i], e)
	}
	return all[:0]
}

// forget ends what the software said: it is gone, or has begun anew and says it again.
func (d *drawing) forget(e *sim.Event) { d.facts = d.close(d.facts, e) }

// finish closes everything at the end of the run.
func (d *drawing) finish(end time.Duration) {
	e := &sim.Event{At: end, Seq: -1}
	d.forget(e)
	d.bound = d.close(d.bound, e)
	d.move(e, "")
	for _, list := range []*[]Interval{&d.Role, &d.Access, &d.Phase, &d.Serving, &d.Bound} {
		slices.SortStableFunc(*list, func(a, b Interval) int { return cmp.Compare(a.From, b.From) })
	}
}
