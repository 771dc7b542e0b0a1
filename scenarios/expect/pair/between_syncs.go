package pair

import (
	"firedrill/nodes"
	"firedrill/nodes/pair"
	"firedrill/scenarios/expect"
)

// betweenSyncs is HZ-D3: a takeover from an image leaves behind what was written after its snapshot instant.
// Preconditions, by the world: the standby could not hear its active, which did not go on serving beside it (that
// is HZ-D1), and an image had been committed. Observation: acknowledged writes that are lost, or that were until a
// client wrote the same path again. It accounts for those that are newer than the snapshot, and for no others.
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
		i := t.instance(t.Image.Snapshot, t.Serving,
			"%s took over from %s at %s with image %s, whose snapshot was at %s: "+
				"%s acknowledged by %s in the %s between are not served, the first under %s",
			t.Standby, t.Active, nodes.FormatDuration(t.At), t.Image.ID, nodes.FormatDuration(t.Image.Snapshot),
			expect.Told(lost), t.Active, nodes.FormatDuration(t.At-t.Image.Snapshot), lost[0].Path)
		i.Lost, i.Operations, i.Events = ids(left), ids(lost), []int{t.Image.Event}
		i.Measures = []expect.Measure{
			{Name: "left_writes", Value: float64(len(lost)), Unit: "operations"},
			{Name: "left_bytes", Value: float64(expect.Bytes(lost)), Unit: "bytes"},
			{Name: "left_age", Value: (t.At - lost[0].Done).Seconds(), Unit: "s"},
		}
		found = append(found, i)
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

// unavailable are those writes that the unit which took over did not have: lost to the end, or written anew by
// clients.
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

// mixedImage is HZ-D4: a takeover interrupts a sync that works in place. Preconditions: the standby is configured
// so, and a sync was under way. Observation: what it serves has writes that are newer than its last image, beside
// others that it lost.
func mixedImage(r *expect.Run) []expect.Instance {
	var found []expect.Instance
	for _, t := range takeovers(r) {
		config := t.config(t.Standby, t.At)
		if config == nil || config.Sync != "in-place" || t.Image == nil || !t.syncing(t.At) {
			continue
		}
		left := t.leftWrites()
		var newer, lost []*nodes.Operation
		for _, op := range left {
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
		i := t.instance(t.Image.Snapshot, t.Serving,
			"%s took over at %s in the middle of a sync in place: "+
				"of what is newer than image %s it serves %s, and has lost %s",
			t.Standby, nodes.FormatDuration(t.At), t.Image.ID, expect.Told(newer), expect.Told(lost))
		i.Lost, i.Operations = ids(left), ids(newer)
		i.Measures = []expect.Measure{{Name: "mixed_writes", Value: float64(len(newer)), Unit: "operations"}}
		found = append(found, i)
	}
	return found
}

// newestErased is HZ-D5: after a takeover the units are set up again with the old active as active, and the
// survivor, which has the newest data, is erased. It accounts for what the survivor had acknowledged.
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
			at := erased[0].At
			lost := r.WritesIn(t.Standby, t.At, at)
			i := t.instance(p.From, at,
				"%s, which had served since %s, was set up as standby of %s and erased at %s: %s",
				t.Standby, nodes.FormatDuration(t.Serving), t.Active, nodes.FormatDuration(at), expect.Told(lost))
			i.Over, i.Lost, i.Events = r.End, ids(lost), []int{erased[0].Seq}
			i.Measures = []expect.Measure{
				{Name: "erased_writes", Value: float64(len(lost)), Unit: "operations"},
				{Name: "erased_bytes", Value: float64(expect.Bytes(lost)), Unit: "bytes"},
			}
			found = append(found, i)
			break
		}
	}
	return found
}
