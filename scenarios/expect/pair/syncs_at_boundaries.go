package pair

import (
	"slices"
	"time"

	"firedrill/faults"
	"firedrill/nodes/pair"
	"firedrill/scenarios/expect"
	"firedrill/sim"
)

// SyncsAtBoundaries claims that a sync starts at each boundary of the schedule while both units run in their roles
// and can hear each other: the full hour, midnight, or that before Sunday, by the active's wall clock and in its zone.
// It may take a moment to ask for the standby first, and as long as a schedule sleeps where the wall clock was
// stepped. A boundary at which a sync is still under way is skipped, and so is one at which a fault acts on the active's disk:
// the number of the image has to be durable there before it is begun. A boundary that the clock shows again, since it was set
// back, may have had its sync: it runs once.
//
// What the wall clock showed is worked out from the scenario, its drifts and its steps. Vacuous where no boundary was
// reached while the two units were connected.
//
// Source: D-LIV-2, D-16, D-28, D-Q6, D-Q7.
type SyncsAtBoundaries struct {
	All string `yaml:"syncs_at_boundaries" choices:"all" doc:"all"`
}

// Name implements expect.Claim.
func (c *SyncsAtBoundaries) Name() string { return "syncs_at_boundaries" }

const (
	// syncAsks is how long a sync may take from its boundary to its snapshot: it asks for the standby, and saves.
	syncAsks = 5 * time.Second
	// syncWakes is the longest that a schedule sleeps: the clock may be stepped meanwhile.
	syncWakes = time.Minute
)

// Judge implements expect.Claim.
func (c *SyncsAtBoundaries) Judge(r *expect.Run) expect.Finding {
	u := &ruling{run: r}
	for _, p := range pairings(r) {
		w := p.wallClock()
		if w == nil {
			continue
		}
		parameters := p.parameters(p.Active)
		for _, i := range p.connected() {
			at := i.From
			if len(p.facts(pair.FactSyncCommitted, p.Active, p.From, at)) == 0 {
				first := p.facts(pair.FactSyncCommitted, p.Active, at, i.Until)
				if len(first) == 0 {
					continue // The initial sync is not over yet.
				}
				at = first[0].At
			}
			u.boundaries(p, w, parameters, at, i.Until)
		}
	}
	return u.finding("no boundary of a schedule came while the units of a pair were connected")
}

// boundaries looks for a sync at every boundary of from..until.
func (u *ruling) boundaries(p *pairing, w *wallClock, parameters []expect.Interval, from, until time.Duration) {
	for _, i := range expect.Within(parameters, from, until) {
		schedule := valueOf(i.Value, "schedule")
		for at := w.next(schedule, i.From); at >= 0 && at < i.Until; at = w.next(schedule, at) {
			patience := syncAsks + u.run.Slack
			if w.stepped(i.From, at) {
				patience += syncWakes
			}
			if at+patience >= i.Until || at-i.From < time.Second || p.syncing(at) || w.again(at) ||
				stalledDisk(u.run, p.Active, at, at+patience) {
				continue
			}
			u.tried++
			if begun := p.facts(pair.FactSyncBegun, p.Active, at, at+patience); len(begun) == 0 {
				u.breach(expect.Breach{From: at, Until: at + patience, Machines: []string{p.Active}, Events: expect.EventsOf(i)},
					"%s began no sync at %s, a boundary of its %s schedule: it was %s there", p.Active, told(at), schedule,
					w.now(at).Format("Mon 15:04:05"))
			}
		}
	}
}

// wallClock is what the active's wall clock showed, by the world.
type wallClock struct {
	clock *sim.Clock // as at the start, drifts applied
	steps []step
}

// step is a jump of the wall clock.
type step struct{ at, offset time.Duration }

// wallClock is nil where nobody knows it: the start of the drill is not told, or the unit's time stood still.
func (p *pairing) wallClock() *wallClock {
	m := p.run.Machine(p.Active)
	if p.run.Start.IsZero() || m == nil {
		return nil
	}
	w := &wallClock{clock: sim.NewClock(m.Clock, p.run.Start)}
	for _, i := range p.lane(p.Active).States {
		if state := sim.State(i.Value); state == sim.StateSuspended || state == sim.StateFrozen {
			return nil
		}
	}
	for _, e := range p.run.Faults {
		switch f := e.Fault.(type) {
		case *faults.DriftClock:
			if f.Machine == p.Active {
				return nil // When it ended is not told exactly enough for a boundary.
			}
		case *faults.StepClock:
			if f.Machine == p.Active {
				w.steps = append(w.steps, step{e.From, f.Offset})
				if e.Until >= 0 && e.Until < p.run.End {
					w.steps = append(w.steps, step{e.Until, -f.Offset})
				}
			}
		}
	}
	slices.SortStableFunc(w.steps, func(a, b step) int { return int(a.at - b.at) })
	return w
}

// now is what the wall clock showed at true time t.
func (w *wallClock) now(t time.Duration) time.Time {
	now := w.clock.Now(t)
	for _, s := range w.steps {
		if s.at <= t {
			now = now.Add(s.offset)
		}
	}
	return now
}

func (w *wallClock) stepped(from, until time.Duration) bool {
	return slices.ContainsFunc(w.steps, func(s step) bool { return from-syncWakes <= s.at && s.at <= until })
}

// again reports whether the clock has shown before what it shows at t, or was stepped over it.
func (w *wallClock) again(t time.Duration) bool {
	shows := w.now(t)
	return slices.ContainsFunc(w.steps, func(s step) bool {
		return 0 < s.at && s.at <= t && !w.now(s.at-1).Before(shows) && !w.now(0).After(shows)
	})
}

// next is the true time of the first boundary after t; below zero: the schedule has none. Where the clock is stepped
// before that, it is the step itself that may cross one, or what comes after it.
func (w *wallClock) next(schedule string, t time.Duration) time.Duration {
	now := w.now(t)
	boundary, ok := nextBoundary(schedule, now)
	if !ok {
		return -1
	}
	at := w.trueAfter(t, boundary.Sub(now))
	for _, s := range w.steps {
		if t < s.at && s.at <= at {
			before, _ := nextBoundary(schedule, w.now(s.at-1))
			if !w.now(s.at).Before(before) {
				return s.at // It went over the boundary.
			}
			return w.next(schedule, s.at)
		}
	}
	return at
}

// trueAfter is when the wall clock, without a step, has gone on by d since t.
func (w *wallClock) trueAfter(t, d time.Duration) time.Duration {
	return w.clock.True(w.clock.Local(t) + d)
}

// nextBoundary is the first boundary of the schedule after now, in now's zone. A calendar has it: no arithmetic with
// hours knows of the days on which clocks change.
func nextBoundary(schedule string, now time.Time) (time.Time, bool) {
	midnight := func(days int) time.Time {
		return time.Date(now.Year(), now.Month(), now.Day()+days, 0, 0, 0, 0, now.Location())
	}
	switch schedule {
	case "hourly":
		hour := now.Truncate(time.Minute)
		for hour = hour.Add(time.Minute); hour.Minute() != 0; {
			hour = hour.Add(time.Minute)
		}
		return hour, true
	case "daily":
		return midnight(1), true
	case "weekly":
		for days := 1; ; days++ {
			if day := midnight(days); day.Weekday() == time.Sunday {
				return day, true
			}
		}
	}
	return time.Time{}, false
}
