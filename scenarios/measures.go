package scenarios

import (
	"firedrill/scenarios/expect"
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
