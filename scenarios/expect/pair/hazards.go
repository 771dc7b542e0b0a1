package pair

import (
	"fmt"
	"slices"
	"time"

	"firedrill/nodes"
	"firedrill/scenarios/expect"
	"firedrill/sim"
)

// Names of the claims that hazards account for.
const (
	dualWriters = "no_dual_writers"
	twoOwners   = "single_address_owner"
	lostWrites  = "lost_writes"
	takeover    = "takeover"
	serving     = "serving"
	servedImage = "served_image"

	newestCopy    = "newest_copy_kept"
	movesWithRole = "moves_with_role"
	converged     = "converged"
)

// Hazards are those of system D, in the order in which a breach is charged to them (spec 6.2).
func Hazards() []expect.Hazard {
	return []expect.Hazard{
		{
			ID: "HZ-D1", Kinds: kinds, Find: splitBrain, Excuses: []string{dualWriters, twoOwners, lostWrites},
			Doc: "checks fail although the active lives: the standby takes over, and both serve",
		},
		{
			ID: "HZ-D2", Kinds: kinds, Find: returned, Inferred: true,
			Excuses: []string{dualWriters, twoOwners, lostWrites},
			Doc:     "a failed active returns and takes its address without hearing the new owner",
		},
		{
			ID: "HZ-D3", Kinds: kinds, Find: betweenSyncs, Excuses: []string{lostWrites},
			Doc: "a takeover between syncs: what was written since the last image is not served",
		},
		{
			ID: "HZ-D4", Kinds: kinds, Find: mixedImage, Inferred: true,
			Excuses: []string{lostWrites, servedImage},
			Doc:     "a takeover interrupts a sync that works in place: old and new files are mixed",
		},
		{
			ID: "HZ-D5", Kinds: kinds, Find: newestErased, Excuses: []string{lostWrites, newestCopy},
			Doc: "set up again with the roles swapped: the newest data is erased",
		},
		{
			ID: "HZ-D6", Kinds: kinds, Find: leftBehind, WithTakeover: true, Excuses: []string{movesWithRole},
			Doc: "after a takeover modules and devices of the old active are not there",
		},
		{
			ID: "HZ-D7", Kinds: kinds, Find: noRedundancy, WithTakeover: true,
			Excuses: []string{serving, converged},
			Doc:     "after a takeover there is no redundancy until the units are set up again",
		},
		{
			ID: "HZ-D8", Kinds: kinds, Find: diedInFirstSync,
			Excuses: []string{serving, converged},
			Doc:     "the active dies during the initial sync: the standby is erased and has nothing to serve",
		},
		{
			ID: "HZ-D9", Kinds: kinds, Find: lateChecks,
			Excuses: []string{dualWriters, twoOwners, lostWrites, takeover},
			Doc:     "checks are lost or late on a busy or bad heartbeat path: a false takeover",
		},
	}
}

// taken is a takeover of a run, with what the hazards ask about it.
type taken struct {
	*pairing
	At      time.Duration // its first sign
	Serving time.Duration // when it was complete; At where it never was
	Silence *silence      // of which it came; nil: the active could be heard
	Image   *expect.Image // what the standby had committed; nil: nothing
	Over    time.Duration // when redundancy was set up again, or the end of the run
}

// takeovers are those of every pairing, in order.
func takeovers(r *expect.Run) []*taken {
	var all []*taken
	for _, p := range pairings(r) {
		at, s := p.takeover()
		if at < 0 {
			continue
		}
		t := &taken{pairing: p, At: at, Serving: p.signs(p.Standby, at, r.End+1).Serving, Silence: s, Over: r.End}
		if t.Serving < 0 {
			t.Serving = at
		}
		t.Image = p.imageAt(at)
		for _, n := range r.Named(nodes.FactReady) {
			if e := &r.Events[n]; p.has(e.Machine) && e.At > at {
				t.Over = min(t.Over, e.At)
			}
		}
		all = append(all, t)
	}
	return all
}

// instance is one of a hazard that came with the takeover, and lasts until redundancy is set up again.
func (t *taken) instance(from, until time.Duration, format string, args ...any) expect.Instance {
	return expect.Instance{Over: t.Over, Breach: expect.Breach{
		From: from, Until: until, Machines: []string{t.Active, t.Standby}, Text: fmt.Sprintf(format, args...)}}
}

// leftWrites are the old active's acknowledged writes that the image cannot have, from its snapshot instant until
// the end of the hazard. Without an image there are none: then nothing should have been served at all.
func (t *taken) leftWrites() []*nodes.Operation {
	if t.Image == nil {
		return nil
	}
	return t.run.WritesIn(t.Active, t.Image.Snapshot, t.Over)
}

// clashes are the stretches in which both units held the address or both were writers, that began from..until.
func (t *taken) clashes(from, until time.Duration) (owners, writers []expect.Clash) {
	began := func(all []expect.Clash) []expect.Clash {
		return slices.DeleteFunc(all, func(c expect.Clash) bool { return c.From < from || c.From > until })
	}
	return began(t.run.OwnerClashes(t.Active, t.Standby, t.Segment, t.Address, 0)),
		began(t.run.WriterClashes(t.Active, t.Standby, 0))
}

// extent describes what both units did while both served.
func (t *taken) extent(owners, writers []expect.Clash) (text string, measures []expect.Measure, shown expect.Breach) {
	var owned, wrote time.Duration
	var a, b []*nodes.Operation
	var intervals []expect.Interval
	for _, c := range owners {
		owned += c.Length
		intervals = append(intervals, c.A, c.B)
	}
	for _, c := range writers {
		wrote += c.Length
		intervals = append(intervals, c.A, c.B)
		a = append(a, t.run.WritesIn(c.A.Machine, c.From, c.Until)...)
		b = append(b, t.run.WritesIn(c.B.Machine, c.From, c.Until)...)
	}
	text = fmt.Sprintf("both had %s for %s, and both were writers for %s: %s acknowledged %s; %s acknowledged %s",
		t.Address, nodes.FormatDuration(owned), nodes.FormatDuration(wrote),
		t.Active, expect.Told(a), t.Standby, expect.Told(b))
	shown.Events = expect.EventsOf(intervals...)
	for _, op := range append(slices.Clone(a), b...) {
		shown.Operations = append(shown.Operations, op.ID)
	}
	return text, []expect.Measure{
		{Name: "dual_owner_time", Value: owned.Seconds(), Unit: "s"},
		{Name: "dual_writer_time", Value: wrote.Seconds(), Unit: "s"},
		{Name: "dual_writes", Value: float64(len(a) + len(b)), Unit: "operations"},
		{Name: "dual_bytes", Value: float64(expect.Bytes(a) + expect.Bytes(b)), Unit: "bytes"},
	}, shown
}

// alive reports whether the active's software was there at t, running or standing still.
func (t *taken) alive(at time.Duration) bool {
	switch t.lane(t.Active).State(at) {
	case sim.StateOff, sim.StateCrashed, sim.StateStopped:
		return false
	}
	return true
}

func ids(ops []*nodes.Operation) []uint64 {
	all := make([]uint64, len(ops))
	for i, op := range ops {
		all[i] = op.ID
	}
	return all
}

// starts are the times at which a unit's software started again.
func (p *pairing) starts(machine string) []time.Duration {
	var times []time.Duration
	for _, name := range []string{sim.FactBooted, sim.FactRestarted} {
		for _, e := range p.facts(name, machine, p.From, p.Until) {
			times = append(times, e.At)
		}
	}
	slices.Sort(times)
	return times
}
