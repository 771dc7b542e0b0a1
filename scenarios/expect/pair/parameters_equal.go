package pair

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"firedrill/nodes"
	"firedrill/nodes/pair"
	"firedrill/scenarios/expect"
)

// ParametersEqual claims that both units of a pair go by the same interval, number of checks and schedule whenever
// they are connected: both run in their roles, and the heartbeat path carries frames both ways, undisturbed. They may
// differ for as long as it takes to find that out, which is two intervals and two timeouts. What an operator had
// acknowledged both units go by at that very moment, or the answer was a lie.
//
// What a unit goes by is what it notes when it changes; that it then really checks at that pace is judged by the
// claim takeover.
//
// Vacuous where the two units were never connected.
//
// Source: D-INV-7, D-36, D-41.
type ParametersEqual struct {
	All string `yaml:"parameters_equal" choices:"all" doc:"all"`
}

// Name implements expect.Claim.
func (c *ParametersEqual) Name() string { return "parameters_equal" }

// Judge implements expect.Claim.
func (c *ParametersEqual) Judge(r *expect.Run) expect.Finding {
	u := &ruling{run: r}
	for _, p := range pairings(r) {
		a, b := p.parameters(p.Active), p.parameters(p.Standby)
		for _, i := range p.connected() {
			u.tried++
			u.compare(p, a, b, i)
		}
		u.acknowledged(p, a, b)
	}
	return u.finding("no two units of a pair were ever connected")
}

// compare finds stretches of a connection in which the two went by different things for too long. A change that comes while
// they differ does not give them more time.
func (u *ruling) compare(p *pairing, a, b []expect.Interval, connected expect.Interval) {
	during := []expect.Interval{connected}
	for _, d := range differing(expect.Clip(a, during), expect.Clip(b, during)) {
		c := p.checking(d.from)
		if patience := 2*(c.Interval+c.Timeout) + u.run.Slack; d.until-d.from > patience {
			u.breach(expect.Breach{From: d.from + patience, Until: d.until, Machines: []string{p.Active, p.Standby},
				Events: expect.EventsOf(d.a, d.b), Firm: true},
				"%s went by %s and %s by %s at %s, and they differed until %s, though they were connected",
				p.Active, d.a.Value, p.Standby, d.b.Value, told(d.from), told(d.until))
		}
	}
}

// difference is a stretch in which two units went by different things: by these when it began.
type difference struct {
	from, until time.Duration
	a, b        expect.Interval
}

// differing are the stretches in which two lists have different values.
func differing(a, b []expect.Interval) []difference {
	var all []difference
	for _, x := range a {
		for _, y := range b {
			from, until, any := x.Overlap(y)
			switch n := len(all); {
			case !any || x.Value == y.Value:
			case n > 0 && all[n-1].until == from:
				all[n-1].until = until
			default:
				all = append(all, difference{from, until, x, y})
			}
		}
	}
	return all
}

// acknowledged holds every change that an operator had acknowledged against what both units went by then.
func (u *ruling) acknowledged(p *pairing, a, b []expect.Interval) {
	for _, s := range p.changes {
		for n, lane := range [][]expect.Interval{a, b} {
			unit := []string{p.Active, p.Standby}[n]
			i, any := expect.At(lane, s.Done)
			if !any || s.Done >= p.Until {
				continue // It has died meanwhile, and goes by nothing.
			}
			u.tried++
			for _, key := range []string{"interval", "checks", "schedule"} {
				if want := s.With.Get(key); want != "" && !sameParameter(key, want, valueOf(i.Value, key)) {
					u.breach(expect.Breach{From: s.Done, Machines: []string{unit}, Events: expect.EventsOf(i), Firm: true},
						"%s went by %s at %s, when the change to %s %s was acknowledged",
						unit, i.Value, told(s.Done), key, want)
				}
			}
		}
	}
}

// parameters are what a unit of the pairing noted that it goes by, as intervals with values such as
// `interval=30s checks=1 schedule=hourly`.
func (p *pairing) parameters(unit string) []expect.Interval {
	var all []expect.Interval
	for _, e := range p.facts(pair.FactSettings, unit, p.From, p.Until) {
		if n := len(all); n > 0 {
			all[n-1].Until, all[n-1].Ended = e.At, e.Seq
		}
		all = append(all, expect.Interval{From: e.At, Until: p.Until, Machine: unit, Begun: e.Seq, Ended: -1,
			Value: fmt.Sprintf("interval=%s checks=%s schedule=%s", e.Attr("interval"), e.Attr("checks"), e.Attr("schedule"))})
	}
	all = slices.DeleteFunc(all, func(i expect.Interval) bool { return i.Length() <= 0 })
	return expect.Clip(all, p.lane(unit).Lives())
}

// valueOf reads one of the words of such a value.
func valueOf(parameters, key string) string {
	for _, w := range strings.Fields(parameters) {
		if len(w) > len(key) && w[:len(key)] == key && w[len(key)] == '=' {
			return w[len(key)+1:]
		}
	}
	return ""
}

func sameParameter(key, want, have string) bool {
	if key != "interval" {
		return want == have
	}
	d, err := nodes.ParseDuration(want)
	e, err2 := nodes.ParseDuration(have)
	return err == nil && err2 == nil && d == e
}

// connected are the stretches in which both units ran, as active and standby of the pairing, and no fault of the
// heartbeat path and no silence kept them from hearing each other.
func (p *pairing) connected() []expect.Interval {
	standing := []expect.Interval{{From: p.From, Until: p.Until, Begun: -1, Ended: -1}}
	inRole := func(unit, role string) []expect.Interval {
		var held []expect.Interval
		for _, i := range p.lane(unit).Role {
			if i.Value == role {
				held = append(held, i)
			}
		}
		return expect.Clip(held, p.lane(unit).Runs())
	}
	both := expect.Clip(inRole(p.Active, pair.RoleActive), inRole(p.Standby, pair.RoleStandby))
	both = expect.Clip(both, standing)
	var apart []expect.Interval
	for _, s := range p.allSilences() {
		apart = append(apart, expect.Interval{From: s.From, Until: s.Until})
	}
	for _, e := range p.run.Faults {
		if on, scope := acts(e.Fault); !e.Undoing && on == p.Heartbeat && p.between(scope) {
			until := e.Until
			if until < 0 {
				until = p.run.End
			}
			apart = append(apart, expect.Interval{From: e.From, Until: until})
		}
	}
	return without(both, expect.Union(apart))
}

// without is the part of a list that has no time in common with the holes. Both are in order.
func without(list, holes []expect.Interval) []expect.Interval {
	var rest []expect.Interval
	for _, i := range list {
		for _, h := range holes {
			if h.Until <= i.From || h.From >= i.Until {
				continue
			}
			if h.From > i.From {
				before := i
				before.Until = h.From
				rest = append(rest, before)
			}
			i.From = h.Until
			if i.From >= i.Until {
				break
			}
		}
		if i.From < i.Until {
			rest = append(rest, i)
		}
	}
	return rest
}
