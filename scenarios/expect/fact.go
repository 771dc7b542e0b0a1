package expect

import (
	"fmt"
	"slices"
	"strings"

	"firedrill/nodes"
	"firedrill/sim"
)

// FactQuery says which facts a claim or a step means.
type FactQuery struct {
	Fact string // a fact's name, or a state that was entered, or, where no kind has such a state, a role that was taken
	Of   string // a machine, a role, or of a fact of the harness its step or procedure; "": anybody
	Like string // what the fact's value contains
}

// Facts are the events that the query means, in order. A role in Of is whoever has it when the fact comes. Client
// operations that were served are not in the trace; they are made into facts from the history.
func (r *Run) Facts(q FactQuery) []sim.Event {
	if q.Fact == sim.FactServed {
		return r.servedFacts(q)
	}
	var found []sim.Event
	for i := range r.Events {
		if r.means(q, &r.Events[i]) {
			found = append(found, r.Events[i])
		}
	}
	return found
}

// untold is the moment from which facts that the query means may have come without being told; false: there is none.
func (r *Run) untold(q FactQuery) (*sim.Event, bool) {
	if q.Fact != sim.FactLogLine {
		return nil, false
	}
	q.Like = ""
	for i := range r.Events {
		if e := &r.Events[i]; e.Name == sim.FactLogLine && e.Attr(sim.AttrUntold) != "" && r.means(q, e) {
			return e, true
		}
	}
	return nil, false
}

// unsure makes a finding one that more facts could change.
func (f *Finding) unsure(from *sim.Event) {
	f.Verdict = Inconclusive
	f.Evidence = append([]string{fmt.Sprintf("what %s logged after %s was not told", from.Machine, clock(from.At))}, f.Evidence...)
}

// servedFacts are in the order of the history.
func (r *Run) servedFacts(q FactQuery) []sim.Event {
	var found []sim.Event
	for i := range r.History {
		op := &r.History[i]
		if op.Result != nodes.ResultOK {
			continue
		}
		e := sim.Event{At: op.Done, Seq: -1, Machine: op.ServedBy,
			Fact: nodes.Fact{Name: sim.FactServed, Scope: op.Group, Value: op.Verb + " " + op.Path}}
		if r.means(q, &e) {
			found = append(found, e)
		}
	}
	return found
}

func (r *Run) means(q FactQuery, e *sim.Event) bool {
	switch {
	case e.Name == q.Fact:
	case e.Value != q.Fact:
		return false
	case e.Name == nodes.FactPhase:
	case e.Name != nodes.FactRole || r.isState(q.Fact):
		return false
	}
	switch {
	case q.Of == "" || e.Machine == q.Of:
	case e.Machine == "":
		if e.Scope != q.Of {
			return false
		}
	case r.Machine(q.Of) != nil || !r.hasRole(e, q.Of):
		return false
	}
	return strings.Contains(e.Value, q.Like)
}

// isState reports whether any kind present has a state of this name.
func (r *Run) isState(word string) bool {
	for _, m := range r.Machines {
		if m.Kind != nil && slices.Contains(m.Kind.States, word) {
			return true
		}
	}
	return false
}

// hasRole reports whether the machine of the event had the role when it came. A fact that ends the software, and
// the role with it, is still one of that role.
func (r *Run) hasRole(e *sim.Event, role string) bool {
	for _, i := range around(r.Timeline().Lane(e.Machine).Role, e.At-1, e.At+1) {
		if i.Value != role {
			continue
		}
		begun := i.From < e.At || i.Begun <= e.Seq || e.Seq < 0
		ended := i.Until < e.At || i.Until == e.At && i.Ended >= 0 && i.Ended < e.Seq
		if begun && !ended {
			return true
		}
	}
	return false
}

func (q FactQuery) String() string {
	text := q.Fact
	if q.Of != "" {
		text += " of " + q.Of
	}
	if q.Like != "" {
		text += fmt.Sprintf(" like %q", q.Like)
	}
	return text
}

// line prints an event for people: `6m40.002s nas-b access: read-write`.
func line(e *sim.Event) string {
	text := clock(e.At)
	if e.Machine != "" {
		text += " " + e.Machine
	}
	text += " " + e.Name
	if e.Value != "" {
		text += ": " + e.Value
	}
	if e.Scope != "" {
		text += " (" + e.Scope + ")"
	}
	return text
}
