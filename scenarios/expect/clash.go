package expect

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"time"

	"firedrill/nodes"
)

// Clash is two machines that did at one time what only one may do.
type Clash struct {
	A, B        Interval // what each of them held
	From, Until time.Duration
	Length      time.Duration // of From to Until, without the pauses in which one of them could not do it
}

// clashes finds each pair of intervals that overlap while both machines do what they can do in these: doA and doB
// are when. All lists are in order. The pauses between are part of a clash: a writer that stood still goes on with
// what it believed.
func clashes(a, b, doA, doB []Interval, from time.Duration) []Clash {
	var found []Clash
	for i, j := 0, 0; i < len(a) && j < len(b); {
		if begin, end, any := a[i].Overlap(b[j]); any && end > from {
			window := []Interval{{From: max(begin, from), Until: end}}
			pieces := Clip(Clip(window, around(doA, begin, end)), around(doB, begin, end))
			if n := len(pieces); n > 0 {
				c := Clash{A: a[i], B: b[j], From: pieces[0].From, Until: pieces[n-1].Until}
				for _, p := range pieces {
					c.Length += p.Length()
				}
				found = append(found, c)
			}
		}
		if a[i].Until < b[j].Until {
			i++
		} else {
			j++
		}
	}
	return found
}

// around is the part of an ordered list that has to do with from..until.
func around(list []Interval, from, until time.Duration) []Interval {
	first := sort.Search(len(list), func(i int) bool { return list[i].Until > from })
	last := sort.Search(len(list), func(i int) bool { return list[i].From >= until })
	return list[first:max(first, last)]
}

// EventsOf are the ends of intervals that the trace shows, in its order and each once.
func EventsOf(intervals ...Interval) []int {
	var events []int
	for _, i := range intervals {
		for _, seq := range []int{i.Begun, i.Ended} {
			if seq >= 0 {
				events = append(events, seq)
			}
		}
	}
	slices.Sort(events)
	return slices.Compact(events)
}

// Writes are the acknowledged puts and deletes that the machine served, in the order in which they were acknowledged.
func (r *Run) Writes(machine string) []*nodes.Operation {
	if r.writes == nil {
		r.writes = map[string][]*nodes.Operation{}
		for i := range r.History {
			op := &r.History[i]
			if op.Result == nodes.ResultOK && op.Verb != "get" && op.ServedBy != "" {
				r.writes[op.ServedBy] = append(r.writes[op.ServedBy], op)
			}
		}
		for _, list := range r.writes {
			slices.SortStableFunc(list, func(a, b *nodes.Operation) int { return cmp.Compare(a.Done, b.Done) })
		}
	}
	return r.writes[machine]
}

// WritesIn are those of Writes that were acknowledged from..until, both included.
func (r *Run) WritesIn(machine string, from, until time.Duration) []*nodes.Operation {
	list := r.Writes(machine)
	first := sort.Search(len(list), func(i int) bool { return list[i].Done >= from })
	last := sort.Search(len(list), func(i int) bool { return list[i].Done > until })
	return list[first:last]
}

// Told counts operations for people: how many, how much, the first and the last.
func Told(ops []*nodes.Operation) string {
	switch len(ops) {
	case 0:
		return "no write"
	case 1:
		return fmt.Sprintf("1 write (%s), at %s", sizeOf(ops), about(ops[0].Done))
	}
	return fmt.Sprintf("%d writes (%s), the first at %s, the last at %s",
		len(ops), sizeOf(ops), about(ops[0].Done), about(ops[len(ops)-1].Done))
}

// Bytes is how much the operations put.
func Bytes(ops []*nodes.Operation) int64 {
	var sum int64
	for _, op := range ops {
		sum += op.Size
	}
	return sum
}

func sizeOf(ops []*nodes.Operation) nodes.Size { return nodes.Size(Bytes(ops)) }

func idsOf(ops []*nodes.Operation) []uint64 {
	ids := make([]uint64, len(ops))
	for i, op := range ops {
		ids[i] = op.ID
	}
	return ids
}

// show prints an event of the trace for people.
func (r *Run) show(seq int) string {
	if seq < 0 || seq >= len(r.Events) {
		return ""
	}
	return line(&r.Events[seq])
}

// Lines prints events of the trace as evidence, each under the line that says what they show.
func (r *Run) Lines(events []int) []string {
	var lines []string
	for _, seq := range events {
		if text := r.show(seq); text != "" {
			lines = append(lines, "  "+text)
		}
	}
	return lines
}
