package pair

import (
	"fmt"
	"time"

	"firedrill/nodes"
	"firedrill/nodes/pair"
	"firedrill/scenarios/expect"
	"firedrill/sim"
)

// betweenSyncs is HZ-D3: a takeover from an image leaves behind what was written after its snapshot instant. Preconditions, by
// the world: the standby could not hear its active, which did not go on serving beside it (that is HZ-D1), and an image had been
// committed. Observation: acknowledged writes that are lost, or that were until a client wrote the same path again. It accounts
// for those that are newer than the snapshot, and for no others.
func betweenSyncs(r *expect.Run) []expect.Instance {
	split := splitBrain(r)
	var found []expect.Instance
	for _, t := range takeovers(r) {
		if t.Silence == nil || t.Image == nil || t.servedBeside(split) {
			continue
		}
		left := t.leftWrites()
		lost := t.unavailable(left)
		if len(lost) == 0 {
			continue
		}
		b := expect.Breach{From: t.Image.Snapshot, Until: t.Serving, Machines: t.both(), Lost: ids(left), Operations: ids(lost),
			Events: []int{t.Image.Event},
			Text: fmt.Sprintf("%s took over from %s at %s with image %s, whose snapshot was at %s: %s acknowledged by %s in the %s between "+
				"are not served, the first under %s", t.Standby, t.Active, nodes.FormatDuration(t.At), t.Image.ID,
				nodes.FormatDuration(t.Image.Snapshot), expect.Told(lost), t.Active,
				nodes.FormatDuration(t.At-t.Image.Snapshot), lost[0].Path)}
		found = append(found, expect.Instance{Breach: b, Over: t.Over, Measures: []expect.Measure{
			{Name: "left_writes", Value: float64(len(lost)), Unit: "operations"},
			{Name: "left_bytes", Value: float64(expect.Bytes(lost)), Unit: "bytes"},
			{Name: "left_age", Value: (t.At - lost[0].Done).Seconds(), Unit: "s"},
		}})
	}
	return found
}

// servedBeside reports whether the takeover is one of HZ-D1 in which writes went both ways.
func (t *taken) servedBeside(split []expect.Instance) bool {
	for _, i := range split {
		if i.Excuses == nil && i.From == t.Silence.From && i.Machines[0] == t.Active && i.Machines[1] == t.Standby {
			return true
		}
	}
	return false
}

// unavailable are those writes that the unit which took over did not have: lost to the end, or written anew by clients.
func (t *taken) unavailable(left []*nodes.Operation) []*nodes.Operation {
	again := map[string]bool{}
	for _, op := range t.run.WritesIn(t.Standby, t.At, t.run.End) {
		again[op.Path] = true
	}
	var lost []*nodes.Operation
	for _, op := range left {
		fate := t.run.FateOf(op.ID)
		if op.Done <= t.At && (fate.Lost() || fate == expect.Superseded && again[op.Path]) {
			lost = append(lost, op)
		}
	}
	return lost
}

// mixedImage is HZ-D4: a takeover interrupts a sync that works in place. Preconditions: the standby is configured so, and a sync
// was under way. Observation: what it serves has writes that are newer than its last image, beside others that it lost.
func mixedImage(r *expect.Run) []expect.Instance {
	var found []expect.Instance
	for _, t := range takeovers(r) {
		config := t.config(t.Standby, t.At)
		if config == nil || config.Sync != "in-place" || t.Image == nil || !t.syncing(t.At) {
			continue
		}
		var newer, lost []*nodes.Operation
		for _, op := range t.leftWrites() {
			switch fate := r.FateOf(op.ID); {
			case op.Sent > t.Image.Snapshot && op.Done <= t.At && fate == expect.Present:
				newer = append(newer, op)
			case fate.Lost():
				lost = append(lost, op)
			}
		}
		if len(newer) == 0 {
			continue
		}
		b := expect.Breach{From: t.Image.Snapshot, Until: t.Serving, Machines: t.both(), Lost: ids(t.leftWrites()), Operations: ids(newer),
			Text: fmt.Sprintf("%s took over at %s in the middle of a sync in place: of what is newer than image %s it serves %s, and has lost %s",
				t.Standby, nodes.FormatDuration(t.At), t.Image.ID, expect.Told(newer), expect.Told(lost))}
		found = append(found, expect.Instance{Breach: b, Over: t.Over,
			Measures: []expect.Measure{{Name: "mixed_writes", Value: float64(len(newer)), Unit: "operations"}}})
	}
	return found
}

// newestErased is HZ-D5: after a takeover the units are set up again with the old active as active, and the survivor, which has the
// newest data, is erased. It accounts for what the survivor had acknowledged.
func newestErased(r *expect.Run) []expect.Instance {
	var found []expect.Instance
	for _, t := range takeovers(r) {
		for _, p := range pairings(r) {
			if p.From < t.Until || p.Active != t.Active || p.Standby != t.Standby {
				continue
			}
			erased := t.facts(pair.FactErased, t.Standby, p.From, p.Until)
			if len(erased) == 0 {
				continue
			}
			lost := r.WritesIn(t.Standby, t.At, erased[0].At)
			b := expect.Breach{From: p.From, Until: erased[0].At, Machines: t.both(), Events: []int{erased[0].Seq}, Lost: ids(lost),
				Text: fmt.Sprintf("%s, which had served since %s, was set up as standby of %s and erased at %s: %s", t.Standby,
					nodes.FormatDuration(t.Serving), t.Active, nodes.FormatDuration(erased[0].At), expect.Told(lost))}
			found = append(found, expect.Instance{Breach: b, Over: r.End, Measures: []expect.Measure{
				{Name: "erased_writes", Value: float64(len(lost)), Unit: "operations"},
				{Name: "erased_bytes", Value: float64(expect.Bytes(lost)), Unit: "bytes"},
			}})
			break
		}
	}
	return found
}

// leftBehind is HZ-D6: modules and devices stay with the machine that they are on.
func leftBehind(r *expect.Run) []expect.Instance {
	var found []expect.Instance
	for _, t := range takeovers(r) {
		config := t.config(t.Active, t.At)
		if config == nil || len(config.Modules)+len(config.Peripherals) == 0 {
			continue
		}
		found = append(found, expect.Instance{Over: t.Over, Breach: expect.Breach{From: t.At, Until: t.Over, Machines: t.both(),
			Text: fmt.Sprintf("%d modules and %d devices stayed with %s when %s took over", len(config.Modules),
				len(config.Peripherals), t.Active, t.Standby)}})
	}
	return found
}

// noRedundancy is HZ-D7: from a takeover until the units are set up again there is no second leg. What it accounts for is that
// clients are not served after a second failure, that of the unit which took over.
func noRedundancy(r *expect.Run) []expect.Instance {
	var found []expect.Instance
	for _, t := range takeovers(r) {
		found = append(found, expect.Instance{Over: t.Over, Excuses: []string{}, Breach: expect.Breach{From: t.At, Until: t.Over,
			Machines: t.both(), Text: fmt.Sprintf("%s served without redundancy from %s to %s", t.Standby,
				nodes.FormatDuration(t.Serving), nodes.FormatDuration(t.Over))},
			Measures: []expect.Measure{{Name: "without_redundancy", Value: (t.Over - t.At).Seconds(), Unit: "s"}}})
		for _, i := range t.lane(t.Standby).States {
			if i.From > t.At && i.From <= t.Over && sim.State(i.Value) == sim.StateOff {
				found = append(found, expect.Instance{Over: t.Over, Excuses: []string{serving}, Breach: expect.Breach{
					From: i.From, Until: t.Over, Machines: t.both(), Events: expect.EventsOf(i),
					Text: fmt.Sprintf("%s failed too, at %s", t.Standby, nodes.FormatDuration(i.From))}})
			}
		}
	}
	return found
}

// diedInFirstSync is HZ-D8: the active dies before the standby, erased already, has its first image. Nobody serves then.
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
		for _, i := range p.lane(p.Active).States {
			if sim.State(i.Value) == sim.StateOff && i.From > erased[0].At && i.From < first {
				found = append(found, expect.Instance{Over: p.backToService(i), Breach: expect.Breach{From: i.From, Until: i.Until,
					Machines: []string{p.Active, p.Standby}, Events: append([]int{erased[0].Seq}, expect.EventsOf(i)...),
					Text: fmt.Sprintf("%s died at %s, before %s, erased at %s, had its first image", p.Active,
						nodes.FormatDuration(i.From), p.Standby, nodes.FormatDuration(erased[0].At))}})
				break
			}
		}
	}
	return found
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
