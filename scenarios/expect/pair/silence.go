package pair

import (
	"cmp"
	"slices"
	"sort"
	"strings"
	"time"

	"firedrill/faults"
	"firedrill/nodes/pair"
	"firedrill/scenarios/expect"
	"firedrill/sim"
)

// cause is why a standby could not hear its active.
type cause string

// The causes.
const (
	cut     cause = "cut"     // the heartbeat path was lost, one way or both
	dead    cause = "dead"    // the active had no power, or its software was gone
	still   cause = "still"   // the active stood still, and may go on
	unaware cause = "unaware" // the active ran, and its disk told it of no pair
)

// silence is a stretch of time in which the world itself kept the standby from hearing its active. It may have
// several causes, one after the other or at once.
type silence struct {
	From, Until time.Duration
	Parts       []part // in order of time
}

// part is one cause of a silence, for as long as it lasted.
type part struct {
	Cause cause
	State sim.State // the active's, where it is dead or still
	expect.Interval
}

// has reports whether the cause was at work at t, or up to t.
func (s *silence) has(c cause, t time.Duration) (part, bool) {
	for _, p := range s.Parts {
		if p.Cause == c && p.From <= t && t <= p.Until {
			return p, true
		}
	}
	return part{}, false
}

// allSilences are those of the pairing, in order. Silences with a gap too short for a check between them are one:
// the standby cannot have heard anything meanwhile.
func (p *pairing) allSilences() []silence {
	if !p.known {
		p.silences, p.known = p.findSilences(), true
	}
	return p.silences
}

func (p *pairing) findSilences() []silence {
	var parts []part
	for _, i := range p.cuts() {
		parts = append(parts, part{Cause: cut, Interval: i})
	}
	for _, i := range p.lane(p.Active).States {
		switch state := sim.State(i.Value); state {
		case sim.StateUp:
		case sim.StatePaused, sim.StateFrozen, sim.StateSuspended:
			parts = append(parts, part{still, state, i})
		default:
			parts = append(parts, part{dead, state, i})
		}
	}
	for _, i := range p.unaware() {
		parts = append(parts, part{Cause: unaware, Interval: i})
	}
	slices.SortStableFunc(parts, func(a, b part) int { return cmp.Compare(a.From, b.From) })
	var found []silence
	for _, part := range parts {
		if part.Until <= p.From || part.From >= p.Until {
			continue
		}
		n := len(found)
		if n == 0 || !p.unheard(found[n-1].Until, part.From) {
			found = append(found, silence{From: part.From, Until: part.Until})
			n++
		}
		s := &found[n-1]
		s.Until = max(s.Until, part.Until)
		s.Parts = append(s.Parts, part)
	}
	return found
}

// unheard reports whether a gap between two silences was too short for a check: shorter than the time between two,
// and without an answer in it.
func (p *pairing) unheard(from, until time.Duration) bool {
	if until <= from {
		return true
	}
	return until-from < p.checking(until).Interval && len(p.facts(pair.FactCheckAnswered, p.Standby, from, until)) == 0
}

// cuts are when the heartbeat path was lost in either direction, for everything or for the frames that checks are.
func (p *pairing) cuts() []expect.Interval {
	apart := p.run.Reach().Apart(p.Heartbeat, p.Active, p.Standby)
	var filtered []expect.Interval
	for _, e := range p.run.Faults {
		if scope, frames := severs(e.Fault, p.Heartbeat); frames && p.between(scope) {
			until := e.Until
			if until < 0 {
				until = p.run.End
			}
			if e.From < until {
				filtered = append(filtered, expect.Interval{From: e.From, Until: until,
					Machine: p.Active, Scope: p.Heartbeat, Value: p.Standby, Begun: -1, Ended: -1})
			}
		}
	}
	return expect.Union(apart, filtered)
}

// severs reports whether the fault loses chosen frames on the segment, checks among them. One that loses all of
// them shows itself in who can reach whom.
func severs(f faults.Fault, segment string) (faults.Scope, bool) {
	on, scope := acts(f)
	_, degrades := f.(*faults.Degrade)
	checks := slices.ContainsFunc(scope.Frames, func(word string) bool {
		return word == string(sim.FrameUDP) || word == string(sim.FrameARP) || strings.HasPrefix(word, "udp/")
	})
	return scope, on == segment && checks && !degrades
}

// acts is the segment on which a fault acts, and what of it is meant; "" for a fault that acts on none.
func acts(f faults.Fault) (segment string, scope faults.Scope) {
	switch f := f.(type) {
	case *faults.Cut:
		return f.Segment, f.Scope
	case *faults.Refuse:
		return f.Segment, f.Scope
	case *faults.Hold:
		return f.Segment, f.Scope
	case *faults.Degrade:
		return f.Segment, f.Scope
	case *faults.Unplug:
		return f.Segment, faults.Scope{}
	}
	return "", faults.Scope{}
}

// between reports whether a scope covers the way from one unit of the pair to the other, in either direction.
func (p *pairing) between(s faults.Scope) bool {
	if s.Between != nil {
		return slices.Contains(s.Between, p.Active) && slices.Contains(s.Between, p.Standby)
	}
	covers := func(from, to string) bool {
		return (s.From == "" || s.From == from) && (s.To == "" || s.To == to)
	}
	return covers(p.Active, p.Standby) || covers(p.Standby, p.Active)
}

// facts are the events of this name on a machine from..until, both included.
func (p *pairing) facts(name, machine string, from, until time.Duration) []*sim.Event {
	named := p.run.Named(name)
	first := sort.Search(len(named), func(i int) bool { return p.run.Events[named[i]].At >= from })
	var found []*sim.Event
	for _, n := range named[first:] {
		e := &p.run.Events[n]
		if e.At > until {
			break
		}
		if e.Machine == machine {
			found = append(found, e)
		}
	}
	return found
}

// disturbed reports whether anything but silence may have lost or delayed a check over the heartbeat path at some
// time of from..until: a fault of the segment, or a segment that is lossy from the start.
func (p *pairing) disturbed(from, until time.Duration) bool {
	for _, s := range p.run.Segments {
		loses := s.Base.Loss != nil && *s.Base.Loss > 0 || s.Base.Corrupt != nil && *s.Base.Corrupt > 0
		if s.Name == p.Heartbeat && loses {
			return true
		}
	}
	for _, s := range p.allSilences() {
		if s.From <= until && from <= s.Until {
			return true
		}
	}
	return p.faultOn(p.Heartbeat, from, until) != nil
}

// faultOn is a fault on a segment that was in force at some time of from..until, or nil.
func (p *pairing) faultOn(segment string, from, until time.Duration) *faults.Entry {
	for _, e := range p.run.Faults {
		if e.Undoing || e.From > until || e.Until >= 0 && e.Until < from {
			continue
		}
		if on, scope := acts(e.Fault); on == segment && segment != "" && p.between(scope) {
			return e
		}
	}
	return nil
}
