package pair

import (
	"slices"
	"time"

	"firedrill/faults"
	"firedrill/nodes"
	"firedrill/nodes/pair"
	"firedrill/scenarios/expect"
)

// unaware are the lives of the active in which its software ran and could not be the active: another disk was in it, on
// which there is nothing of the pair, or it booted on a disk that could not be used. That the disk was broken is the
// world's doing; how long the unit needed to find itself again is its own word.
func (p *pairing) unaware() []expect.Interval {
	erased := p.facts(pair.FactErased, p.Standby, p.From, p.Until)
	if len(erased) == 0 {
		return nil // Nothing came of the set-up.
	}
	var found []expect.Interval
	for _, life := range p.lane(p.Active).Lives() {
		if life.From < erased[0].At || life.From >= p.Until {
			continue
		}
		switch {
		case !p.run.Images().Remembers(p.Active, erased[0].At, life.From):
			found = append(found, life)
		case brokenDisk(p.run, p.Active, life.From, life.From):
			if life.Until = p.foundItself(life); life.Until > life.From {
				found = append(found, life)
			}
		}
	}
	return found
}

// brokenDisk reports whether a fault acted on a unit's disk at some time of from..until.
func brokenDisk(r *expect.Run, unit string, from, until time.Duration) bool {
	return slices.ContainsFunc(r.Faults, func(e *faults.Entry) bool {
		f, ok := e.Fault.(*faults.BreakDisk)
		return ok && f.Machine == unit && e.From <= until && (e.Until < 0 || e.Until > from)
	})
}

// heavy is from which delay of each operation on a disk does not work any more: what a unit does takes several.
const heavy = 100 * time.Millisecond

// stalls reports whether a fault on a unit's disk kept it from working: operations failed, hung, or took very long.
func stalls(e *faults.Entry, unit string) bool {
	f, ok := e.Fault.(*faults.BreakDisk)
	if !ok || f.Machine != unit || !e.Hit() {
		return false
	}
	switch f.How {
	case "eio", "full", "read-only", "hang":
		return true
	}
	return f.How == "slow" && f.Latency >= heavy
}

// stalledDisk reports whether a fault kept a unit's disk from working at some time of from..until.
func stalledDisk(r *expect.Run, unit string, from, until time.Duration) bool {
	return slices.ContainsFunc(r.Faults, func(e *faults.Entry) bool {
		return stalls(e, unit) && e.From <= until && (e.Until < 0 || e.Until > from)
	})
}

// foundItself is when the active first said in this life what it is, or the end of the life.
func (p *pairing) foundItself(life expect.Interval) time.Duration {
	for _, e := range p.facts(nodes.FactPhase, p.Active, life.From, life.Until-1) {
		if e.Value != string(pair.DiskFailed) {
			return e.At
		}
	}
	return life.Until
}
