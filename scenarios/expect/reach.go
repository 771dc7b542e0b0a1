package expect

import (
	"cmp"
	"slices"
	"time"

	"firedrill/sim"
)

// Direction is one way over a segment, from one machine to another.
type Direction struct{ Segment, From, To string }

// Reach is when the network would not have carried a frame from whom to whom. It comes from the world's own facts:
// what nodes believe about each other has no part in it.
type Reach struct {
	lost map[Direction][]Interval
}

// Reach reads the world's facts about reachability into intervals, once a run. At the start everybody reaches
// everybody.
func (r *Run) Reach() *Reach {
	if r.reach == nil {
		r.reach = newReach(r)
	}
	return r.reach
}

func newReach(r *Run) *Reach {
	reach := &Reach{lost: map[Direction][]Interval{}}
	open := map[Direction]bool{}
	for i := range r.Events {
		e := &r.Events[i]
		if e.Name != sim.FactReachable && e.Name != sim.FactUnreachable {
			continue
		}
		d := Direction{e.Scope, e.Machine, e.Value}
		switch gone := e.Name == sim.FactUnreachable; {
		case gone && !open[d]:
			open[d] = true
			reach.lost[d] = append(reach.lost[d], Interval{
				From: e.At, Until: r.End, Machine: e.Machine, Scope: e.Scope, Value: e.Value, Begun: e.Seq, Ended: -1})
		case !gone && open[d]:
			open[d] = false
			last := &reach.lost[d][len(reach.lost[d])-1]
			last.Until, last.Ended = e.At, e.Seq
		}
	}
	return reach
}

// Lost are the stretches in which no frame came through this way.
func (r *Reach) Lost(d Direction) []Interval { return r.lost[d] }

// Apart are the stretches in which two machines could not both speak and be answered over the segment: one way or
// the other was lost.
func (r *Reach) Apart(segment, a, b string) []Interval {
	return Union(r.Lost(Direction{segment, a, b}), r.Lost(Direction{segment, b, a}))
}

// Union is the time that is covered by any of the lists, as intervals in order that do not touch. What began a
// stretch is what began its first interval, and likewise for its end.
func Union(lists ...[]Interval) []Interval {
	all := slices.Concat(lists...)
	slices.SortStableFunc(all, func(a, b Interval) int { return cmp.Compare(a.From, b.From) })
	var union []Interval
	for _, i := range all {
		n := len(union)
		if n == 0 || union[n-1].Until < i.From {
			union = append(union, i)
			continue
		}
		if i.Until > union[n-1].Until {
			union[n-1].Until, union[n-1].Ended = i.Until, i.Ended
		}
	}
	return union
}

// Within are the intervals of the list that have time in common with from..until, cut to it.
func Within(intervals []Interval, from, until time.Duration) []Interval {
	return Clip(intervals, []Interval{{From: from, Until: until, Begun: -1, Ended: -1}})
}
