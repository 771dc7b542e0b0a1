package scenarios

import (
	"slices"

	"firedrill/scenarios/expect"
	"firedrill/sim"
)

// readMeasures reads the figures that the scenario wants to know.
func (b *builder) readMeasures() {
	b.step = len(b.steps)
	for _, e := range b.section("measure").named() {
		if !namePattern.MatchString(e.key) {
			b.fault(e.at, "want a measure's name of small letters, digits and hyphens, 64 at most, have %q", e.key)
		}
		g := expect.Gauge{Name: e.key}
		b.fields(e.value, "measure/"+e.key, "measure "+e.key, nil, &g)
		b.s.Measures = append(b.s.Measures, g)
	}
}

// weighs reports whether a fact is one of the moments at which somebody has to look what a segment has carried.
func (p *play) weighs(e *sim.Event) bool {
	return slices.ContainsFunc(p.Measures, func(g expect.Gauge) bool {
		return g.Bytes != "" && (p.marks(g.From, e) || p.marks(g.To, e))
	})
}

// marks reports whether a fact is what a measure means by a word. Of whom it is, judging finds out.
func (p *play) marks(word string, e *sim.Event) bool {
	return p.names(word, e) || e.Name == FactProcedureDone && e.Scope == word
}

// weigh takes down what the segments of those measures have carried that begin or end at this moment.
func (p *play) weigh(then moment, marks func(word string) bool) {
	for i := range p.Measures {
		g := &p.Measures[i]
		if g.Bytes == "" || !marks(g.From) && !marks(g.To) {
			continue
		}
		v := expect.Volume{Segment: g.Bytes, At: then.at, Seq: then.seq}
		for _, l := range p.world.Links(g.Bytes) {
			v.Bytes += l.Carried()
		}
		p.volumes = append(p.volumes, v)
	}
}

// checkMeasured checks that the bounds of a claim are of the sort of its measure.
func (b *builder) checkMeasured(n *node, c *expect.Measured) {
	for i := range b.s.Measures {
		if g := &b.s.Measures[i]; g.Name == c.Measure {
			if err := c.Fits(g); err != nil {
				b.fault(n.at, "%s", err)
			}
		}
	}
}
