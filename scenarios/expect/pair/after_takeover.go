package pair

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"firedrill/nodes"
	"firedrill/nodes/pair"
	"firedrill/scenarios/expect"
	"firedrill/sim"
)

// leftBehind is HZ-D6: modules and devices stay with the machine that they are on. Precondition: the old active had some that
// the unit which took over has not, as the scenario declares them. Observation: nobody is served with them.
func leftBehind(r *expect.Run) []expect.Instance {
	var found []expect.Instance
	for _, t := range takeovers(r) {
		missing, config := t.missing(), t.config(t.Standby, t.At)
		conjured := func(op nodes.Operation) bool { return t.conjured(&op, config) }
		if len(missing) == 0 || slices.ContainsFunc(r.History, conjured) {
			continue
		}
		found = append(found, t.instance(t.At, t.Over, "%s took over at %s, and %s stayed with %s", t.Standby, told(t.At),
			strings.Join(missing, ", "), t.Active))
	}
	return found
}

// noRedundancy is HZ-D7: from a takeover until the units are set up again there is no second leg. What it accounts
// for is that clients are not served after a second failure, that of the unit which took over.
func noRedundancy(r *expect.Run) []expect.Instance {
	var found []expect.Instance
	for _, t := range takeovers(r) {
		alone := t.instance(t.At, t.Over, "%s served without redundancy from %s to %s", t.Standby,
			nodes.FormatDuration(t.Serving), nodes.FormatDuration(t.Over))
		alone.Excuses = []string{converged} // To be without redundancy takes the service from nobody yet.
		alone.Measures = []expect.Measure{{Name: "without_redundancy", Value: (t.Over - t.At).Seconds(), Unit: "s"}}
		found = append(found, alone)
		for _, off := range t.lane(t.Standby).States {
			if off.From > t.At && off.From <= t.Over && sim.State(off.Value) == sim.StateOff {
				i := t.instance(off.From, t.Over, "%s failed too, at %s", t.Standby, nodes.FormatDuration(off.From))
				i.Events = expect.EventsOf(off)
				found = append(found, i)
			}
		}
	}
	return found
}

// diedInFirstSync is HZ-D8. Precondition: the active dies before the standby, erased already, has its first image.
// Observation: the standby lets no client in, since it has nothing to serve.
func diedInFirstSync(r *expect.Run) []expect.Instance {
	var found []expect.Instance
	for _, p := range pairings(r) {
		erased := p.facts(pair.FactErased, p.Standby, p.From, p.Until)
		if len(erased) == 0 {
			continue
		}
		first := p.Until
		for _, i := range r.Images().Committed {
			if i.To == p.Standby && i.Committed >= p.From {
				first = min(first, i.Committed)
			}
		}
		for _, off := range p.lane(p.Active).States {
			died := sim.State(off.Value) == sim.StateOff && off.From > erased[0].At && off.From < first
			if !died || p.open(p.Standby, off.From, min(off.Until, p.Until)) {
				continue
			}
			found = append(found, expect.Instance{Over: p.backToService(off), Breach: expect.Breach{
				From: off.From, Until: off.Until, Machines: []string{p.Active, p.Standby},
				Events: append([]int{erased[0].Seq}, expect.EventsOf(off)...),
				Text: fmt.Sprintf("%s died at %s, before %s, erased at %s, had its first image", p.Active,
					nodes.FormatDuration(off.From), p.Standby, nodes.FormatDuration(erased[0].At)),
			}})
			break
		}
	}
	return found
}

// open reports whether a unit gave clients any access at some time of from..until.
func (p *pairing) open(machine string, from, until time.Duration) bool {
	return slices.ContainsFunc(expect.Within(p.lane(machine).Access, from, until), func(i expect.Interval) bool {
		return i.Value != pair.NoAccess
	})
}

// backToService is when the active serves again after it was off.
func (p *pairing) backToService(off expect.Interval) time.Duration {
	for _, i := range p.run.Writers(p.Active) {
		if i.From >= off.Until {
			return i.From
		}
	}
	return p.run.End
}
