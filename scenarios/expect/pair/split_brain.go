package pair

import (
	"fmt"
	"slices"
	"time"

	"firedrill/nodes"
	"firedrill/nodes/pair"
	"firedrill/scenarios/expect"
	"firedrill/sim"
)

// splitBrain is HZ-D1: the standby takes over though its active lives. Preconditions, by the world: the heartbeat
// path was cut while the active ran; or the active stood still for as long as D-46 wants and went on; or only its
// software was gone, or never went on, while its kernel kept the address, which breaks IDEAL-3 alone. Observation:
// both had the address, or both were writers, and that began while the preconditions held or in the work of the
// takeover that they led to, or when the survivor started again beside an active that had never stopped.
func splitBrain(r *expect.Run) []expect.Instance {
	var found []expect.Instance
	for _, t := range takeovers(r) {
		if t.Silence == nil {
			continue
		}
		for _, c := range t.livingCauses() {
			until := t.goesOn(max(c.until, t.Serving))
			owners, writers := t.clashes(c.from, until)
			if c.addressOnly {
				writers = nil
			}
			if len(owners)+len(writers) == 0 {
				continue
			}
			i := t.split(c.from, until, owners, writers, c.text)
			if c.addressOnly {
				i.Excuses, i.Lost = []string{twoOwners}, nil
			}
			found = append(found, i)
			found = append(found, t.resumed(t.At, i.Excuses)...)
			break // One cause accounts for the whole; a second one adds nothing.
		}
	}
	return found
}

// goesOn is when the standby goes on, if it stands still then: it is no writer before.
func (t *taken) goesOn(at time.Duration) time.Duration {
	if i, any := expect.At(t.lane(t.Standby).States, at); any {
		switch sim.State(i.Value) {
		case sim.StatePaused, sim.StateFrozen, sim.StateSuspended:
			return i.Until
		}
	}
	return at
}

// livingCause is a precondition of HZ-D1.
type livingCause struct {
	from, until time.Duration
	addressOnly bool
	text        string
}

// livingCauses are the preconditions that held when the standby took over, the strongest first.
func (t *taken) livingCauses() []livingCause {
	var causes []livingCause
	reach := t.At // A takeover in which a check was lost just before the path came back is still of that cut.
	if t.Silence.Until < reach {
		reach = t.Silence.Until
	}
	if p, any := t.Silence.has(cut, reach); any && t.alive(t.At) {
		causes = append(causes, livingCause{from: t.Silence.From, until: p.Until,
			text: fmt.Sprintf("%s was cut from %s to %s while %s lived", t.Heartbeat, nodes.FormatDuration(p.From),
				nodes.FormatDuration(p.Until), t.Active)})
	}
	if p, any := t.Silence.has(still, reach); any {
		end := "and went on"
		wentOn := p.Ended >= 0 && t.alive(p.Until)
		if !wentOn {
			end = "and never went on"
		}
		causes = append(causes, livingCause{from: t.Silence.From, until: p.Until, addressOnly: !wentOn,
			text: fmt.Sprintf("%s was %s from %s to %s %s", t.Active, p.State, nodes.FormatDuration(p.From),
				nodes.FormatDuration(p.Until), end)})
	}
	ended, over := reach, time.Duration(-1)
	if p, any := t.Silence.has(unaware, reach); any { // Its software runs again, and has not found itself yet.
		ended, over = p.From, p.Until
	}
	if p, any := t.Silence.has(dead, ended); any && p.State != sim.StateOff {
		causes = append(causes, livingCause{from: t.Silence.From, until: max(p.Until, over), addressOnly: true,
			text: fmt.Sprintf("the software of %s was gone from %s to %s, and its kernel kept the address", t.Active,
				nodes.FormatDuration(p.From), nodes.FormatDuration(p.Until))})
	}
	return causes
}

// split is an instance in which both units served.
func (t *taken) split(from, until time.Duration, owners, writers []expect.Clash, why string) expect.Instance {
	text, measures, shown := t.extent(owners, writers)
	i := t.instance(from, until, "%s; %s", why, text)
	i.Events, i.Operations, i.Measures = shown.Events, shown.Operations, measures
	i.Lost = ids(slices.Concat(t.leftWrites(), t.run.WritesIn(t.Standby, t.At, t.Over)))
	return i
}

// resumed are the instances that come of the survivor's own starts after a split: it boots as it was, with its address (5.3),
// beside an old active that has gone on since the split began. An old active that starts again has to ask first, and is
// excused by HZ-D2 or not at all.
func (t *taken) resumed(began time.Duration, excuses []string) []expect.Instance {
	var found []expect.Instance
	starts := slices.DeleteFunc(t.starts(t.Standby), func(at time.Duration) bool { return at <= began || at > t.Over })
	for n, at := range starts {
		until := t.Over
		if n+1 < len(starts) {
			until = starts[n+1] - 1
		}
		owners, writers := t.clashes(at, until)
		for _, c := range slices.Concat(owners, writers) {
			if c.A.From > began {
				until = min(until, c.From-1)
			}
		}
		if owners, writers = t.clashes(at, until); len(owners)+len(writers) == 0 {
			continue
		}
		i := t.split(at, until, owners, writers, fmt.Sprintf("%s started again at %s beside %s, which had gone on", t.Standby,
			nodes.FormatDuration(at), t.Active))
		i.Excuses = excuses
		found = append(found, i)
	}
	return found
}

// returned is HZ-D2: an active that was replaced starts again and serves beside the new owner. Preconditions: it is
// configured to take its address without asking, or it could not hear the new owner over the address's segment: a fault
// was in the way, or the owner was off as it asked, or was about to take the address. Observation: both had the
// address, or both were writers.
func returned(r *expect.Run) []expect.Instance {
	var found []expect.Instance
	for _, t := range takeovers(r) {
		for _, back := range t.starts(t.Active) {
			if back <= t.At && !t.justBack(back) || back > t.Over {
				continue
			}
			owners, writers := t.clashes(back, t.Over)
			if len(owners)+len(writers) == 0 {
				continue
			}
			began := t.Over
			for _, c := range slices.Concat(owners, writers) {
				began = min(began, c.From)
			}
			why := t.deafReturn(back, began)
			if why == "" {
				continue
			}
			i := t.split(back, began, owners, writers, why)
			// What the new owner had acknowledged before is lost on those clients that reach the old one now.
			i.Lost = ids(slices.Concat(r.WritesIn(t.Active, back, t.Over), r.WritesIn(t.Standby, t.At, t.Over)))
			found = append(append(found, i), t.resumed(began, nil)...)
		}
	}
	return found
}

// deafReturn says why a returned active did not find the new owner; "": it should have.
func (t *taken) deafReturn(back, began time.Duration) string {
	if config := t.config(t.Active, back); config != nil && config.Return == "naive" {
		return fmt.Sprintf("%s returned at %s in mode naive", t.Active, nodes.FormatDuration(back))
	}
	if t.justBack(back) {
		return fmt.Sprintf("%s returned at %s, while %s was about to take over", t.Active, nodes.FormatDuration(back), t.Standby)
	}
	if asked := t.askedUntil(back); len(without([]expect.Interval{{From: back, Until: asked}}, t.lane(t.Standby).Answers())) > 0 {
		return fmt.Sprintf("%s returned at %s, and %s was off as it asked", t.Active, nodes.FormatDuration(back), t.Standby)
	}
	apart := expect.Within(t.run.Reach().Apart(t.Segment, t.Active, t.Standby), back, began+1)
	if len(apart) > 0 || t.faultOn(t.Segment, back, began) != nil {
		return fmt.Sprintf("%s returned at %s and could not hear %s over %s", t.Active, nodes.FormatDuration(back),
			t.Standby, t.Segment)
	}
	return ""
}

// justBack reports whether the active started so shortly before the takeover that the check which led to it was lost already,
// and nobody had the address as it asked.
func (t *taken) justBack(back time.Duration) bool {
	return t.Silence != nil && back == t.Silence.Until && back <= t.At
}

// askedUntil is when a returned active had made up its mind: it took a role, or none, for what it had found.
func (t *taken) askedUntil(back time.Duration) time.Duration {
	for _, e := range t.facts(nodes.FactPhase, t.Active, back, t.run.End) {
		return e.At
	}
	return back
}

// lateChecks is HZ-D9: a takeover though the heartbeat path was not cut. Preconditions: the path is shared with
// clients under a limit of bandwidth, or lost or delayed frames by itself, while the checks failed, as many in a row as
// D-47 wants; and the active ran. Observation: the takeover.
func lateChecks(r *expect.Run) []expect.Instance {
	var found []expect.Instance
	for _, t := range takeovers(r) {
		if t.Silence != nil || !t.alive(t.At) || !t.failedInARow() {
			continue
		}
		w, err := t.checking(t.At).window()
		if err != nil {
			continue
		}
		from := max(t.From, t.At-w.Upper)
		why := t.badPath(from)
		if why == "" {
			continue
		}
		owners, writers := t.clashes(from, t.Serving)
		found = append(found, t.split(from, t.Serving, owners, writers, why))
		found = append(found, t.resumed(t.At, nil)...)
	}
	return found
}

// failedInARow reports whether as many checks had failed one after the other as a takeover needs. That the unit says so does
// not excuse it by itself, but a unit that does not even say so took over of its own accord.
func (t *taken) failedInARow() bool {
	c := t.checking(t.At)
	since := -1
	for _, e := range t.facts(pair.FactCheckAnswered, t.Standby, t.From, t.At) {
		since = e.Seq
	}
	failed := 0
	for _, e := range t.facts(pair.FactCheckFailed, t.Standby, t.From, t.At) {
		if e.Seq > since && e.Value != "0" { // In the grace of a boot none counts.
			failed++
		}
	}
	if c.Semantics == pair.Total {
		return failed >= c.Checks
	}
	return failed > c.Checks
}

// badPath says what may have lost or delayed checks since from; "": nothing.
func (t *taken) badPath(from time.Duration) string {
	if e := t.faultOn(t.Heartbeat, from, t.At); e != nil {
		return fmt.Sprintf("checks were lost or late: %s", e.Fault)
	}
	for _, s := range t.run.Segments {
		switch {
		case s.Name != t.Heartbeat:
		case s.Base.Loss != nil && *s.Base.Loss > 0:
			return fmt.Sprintf("%s loses %s of all frames", s.Name, *s.Base.Loss)
		case s.Base.Bandwidth != nil && *s.Base.Bandwidth > 0 && t.Heartbeat == t.Segment:
			return fmt.Sprintf("checks share %s with clients, at %s", s.Name, *s.Base.Bandwidth)
		}
	}
	return ""
}
