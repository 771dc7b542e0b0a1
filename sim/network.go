package sim

import "slices"

// Network is the links of a world, by segment. It is shared by the worlds, and passive as they are.
type Network struct {
	seed     uint64
	segments []*segmentLinks
}

// segmentLinks are the links of one segment. On one that joins others a link leads from a machine of one of these to a
// machine of another; it is the part of the way between the two.
type segmentLinks struct {
	Segment
	machines []string
	sides    []*side // of each machine: its own interface, or the segment by which it reaches this one
	links    []*Link
	at       map[[2]string]*Link
}

// side is where frames come from and go to, one after the other.
type side struct {
	segment string // of those that are joined
	out, in port
}

// NewNetwork makes a network without segments.
func NewNetwork(seed uint64) *Network { return &Network{seed: seed} }

// AddSegment adds a segment without machines. Those that it joins are there before.
func (n *Network) AddSegment(s Segment) {
	n.segments = append(n.segments, &segmentLinks{Segment: s, at: map[[2]string]*Link{}})
}

// segment returns the named segment, or nil.
func (n *Network) segment(name string) *segmentLinks {
	for _, s := range n.segments {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Attach gives a machine an interface on a segment, with links to and from all that are there, and with them the way to
// every segment that is joined to this one.
func (n *Network) Attach(segment, machine string) {
	n.segment(segment).attach(n.seed, machine, &side{})
	for _, path := range n.segments {
		if path.Name == machine || !slices.Contains(path.Joins, segment) || slices.Contains(path.machines, machine) {
			continue // A router is no end of its own path.
		}
		own := &side{segment: segment}
		for _, other := range path.sides {
			if other.segment == segment {
				own = other // All machines of a segment share its way out.
			}
		}
		path.attach(n.seed, machine, own)
	}
}

// attach adds a machine, with links to and from all that are on other sides.
func (s *segmentLinks) attach(seed uint64, machine string, own *side) {
	for i, other := range s.machines {
		if s.sides[i] != own {
			s.link(seed, other, machine, s.sides[i], own)
			s.link(seed, machine, other, own, s.sides[i])
		}
	}
	s.machines = append(s.machines, machine)
	s.sides = append(s.sides, own)
	slices.SortStableFunc(s.links, func(a, b *Link) int {
		return compare(slices.Index(s.machines, a.From), slices.Index(s.machines, b.From),
			slices.Index(s.machines, a.To), slices.Index(s.machines, b.To))
	})
}

func compare(a, b, then, other int) int {
	if a != b {
		return a - b
	}
	return then - other
}

func (s *segmentLinks) link(seed uint64, from, to string, out, in *side) {
	l := &Link{Segment: s.Name, From: from, To: to, base: s.Base, out: &out.out, in: &in.in,
		rand: Stream(seed, "link "+s.Name+" "+from+">"+to)}
	l.settle()
	s.links = append(s.links, l)
	s.at[[2]string{from, to}] = l
}

// Links are those of a segment, by the order in which their machines were attached.
func (n *Network) Links(segment string) []*Link {
	if s := n.segment(segment); s != nil {
		return s.links
	}
	return nil
}

// Link is the one between two machines on a segment, or nil.
func (n *Network) Link(segment, from, to string) *Link {
	if s := n.segment(segment); s != nil {
		return s.at[[2]string{from, to}]
	}
	return nil
}

// Reachable reports whether a frame of no special class would get from one machine to the other over the links of this one
// segment; of one that joins others that is the part of the way between them.
func (n *Network) Reachable(segment, from, to string) bool {
	l := n.Link(segment, from, to)
	return l != nil && l.Open()
}
