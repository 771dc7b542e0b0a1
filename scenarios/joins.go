package scenarios

import (
	"slices"
	"strings"

	"firedrill/faults"
	"firedrill/sim"
)

// A segment either is a broadcast domain, with a subnet, or joins such segments: a routed path between each two of them. Machines
// sit on the former only, and reach what is one path away.

// checkJoins checks the segments that join others, when all are known.
func (b *builder) checkJoins() {
	by := map[[2]string]string{} // the path between two segments
	for _, e := range b.section("segments").named() {
		joins := e.value.get("joins")
		if joins == nil {
			continue
		}
		var known []string
		for _, n := range joins.list() {
			segment := b.segment(n.text)
			switch {
			case n.shape != scalar:
				b.fault(n.at, "want a segment in joins, have %s", n.shape)
			case segment == nil && b.root.get("segments").lost:
			case segment == nil:
				b.fault(n.at, "%s", no("segment", n.text, b.domains()))
			case b.joins(n.text) != nil:
				b.fault(n.at, "segment %s joins others itself; want segments that have a subnet: there is no transit", n.text)
			case slices.Contains(known, n.text):
				b.fault(n.at, "segment %s is joined already", n.text)
			default:
				b.checkOnePath(n, e.key, known, by)
				known = append(known, n.text)
			}
		}
		if len(joins.list()) < 2 {
			b.fault(joins.at, "want at least two segments in joins, have %d", len(joins.list()))
		}
	}
}

// checkOnePath checks that there is one path only between a segment and those that the path joins already.
func (b *builder) checkOnePath(n *node, path string, known []string, by map[[2]string]string) {
	for _, other := range known {
		pair := [2]string{min(other, n.text), max(other, n.text)}
		if by[pair] != "" {
			b.fault(n.at, "segments %s and %s are joined by %s already; want one path between two segments", pair[0], pair[1], by[pair])
			continue
		}
		by[pair] = path
	}
}

// joins are the segments that a segment joins, as the file has them; nil: it is one of its own.
func (b *builder) joins(segment string) []string {
	if s := b.segment(segment); s != nil {
		return s.Joins
	}
	return nil
}

// domains are the segments on which machines can sit.
func (b *builder) domains() []string {
	var names []string
	for _, s := range b.s.Segments {
		if s.Joins == nil {
			names = append(names, s.Name)
		}
	}
	return names
}

// sit checks that machines or clients can sit on a segment.
func (b *builder) sit(at place, who, segment string) bool {
	joined := b.joins(segment)
	if joined == nil {
		return true
	}
	b.fault(at, "segment %s joins %s; want %s on one of these", segment, strings.Join(joined, ", "), who)
	return false
}

// beside are the segments from which a segment can be reached: itself, and those that a path joins to it.
func beside(segments []sim.Segment, segment string) []string {
	all := []string{segment}
	for _, s := range segments {
		if !slices.Contains(s.Joins, segment) {
			continue
		}
		for _, other := range s.Joins {
			if !slices.Contains(all, other) {
				all = append(all, other)
			}
		}
	}
	return all
}

// nearest is the interface by which something on a segment reaches a machine: one on that segment, or else one on a segment that
// is joined to it. Nil: there is none.
func nearest(segments []sim.Segment, nets []sim.Interface, from string) *sim.Interface {
	for _, segment := range beside(segments, from) {
		for i := range nets {
			if nets[i].Segment == segment {
				return &nets[i]
			}
		}
	}
	return nil
}

// paths are the names of the segments that join others.
func paths(segments []sim.Segment) []string {
	var names []string
	for _, s := range segments {
		if s.Joins != nil {
			names = append(names, s.Name)
		}
	}
	return names
}

// checkPathFault checks that there is anything in the scope of a fault of a segment that joins others.
func (b *builder) checkPathFault(n *node, path *sim.Segment, fault faults.Fault) {
	fields := faults.Fields(fault)
	sides := 0
	for _, segment := range path.Joins {
		if b.population(segment) > 1 { // One is who routes.
			sides++
		}
	}
	switch fault.(type) {
	case *faults.Unplug, *faults.Plug:
		b.fault(n.get(fields[0].Key).at, "segment %s joins others, and no machine has a cable there", path.Name)
		return
	}
	if sides < 2 && b.settled() {
		b.fault(n.get(fields[0].Key).at, "segment %s has no link: want machines or clients on two of %s", path.Name,
			strings.Join(path.Joins, ", "))
	}
	for _, f := range fields[1:] {
		if !slices.Contains(f.Refs, "machine") {
			continue
		}
		for _, word := range n.get(f.Key).words() {
			if !slices.ContainsFunc(path.Joins, func(segment string) bool { return b.on(word.text, segment) }) {
				b.fault(word.at, "%s is on none of %s, which %s joins, so there is no link", word.text, strings.Join(path.Joins, ", "),
					path.Name)
			}
		}
	}
}
