package pair

import (
	"fmt"
	"slices"
	"time"

	"firedrill/nodes"
	"firedrill/nodes/pair"
	"firedrill/scenarios/expect"
)

// signs are what a unit showed of a takeover; below zero: it did not. What it had taken and lost again before it served,
// since its software or its power ended, is a sign of the begin alone: the phases are those of the takeover that held.
type signs struct {
	Failed   time.Duration // the first failed check
	Decided  time.Duration // it entered the state takeover, for however short a time
	Promoted time.Duration // it had the role active
	Address  time.Duration // it bound the virtual address, as the world saw
	Writes   time.Duration // it gave read-write access in that role
	Client   time.Duration // the first client was served
	Began    time.Duration // it first decided, or had the role or the address
	First    time.Duration // the earlier of Began and any read-write access
	Serving  time.Duration // address, role and access were all there at once
	events   []int
}

// signs looks for a takeover by the machine, from..until.
func (p *pairing) signs(machine string, from, until time.Duration) signs {
	l := p.lane(machine)
	bound := valued(l.Bound, from, until, p.Address)
	active := valued(l.Role, from, until, pair.RoleActive)
	writers := valued(p.run.Writers(machine), from, until, "")
	s := signs{Failed: -1, Decided: -1, Client: -1, Serving: -1}
	if failed := p.facts(pair.FactCheckFailed, machine, from, until); len(failed) > 0 {
		s.Failed = failed[0].At
	}
	for _, e := range p.facts(nodes.FactPhase, machine, from, until-1) {
		if phase := pair.Phase(e.Value); phase == pair.Takeover || phase == pair.ActiveSolo {
			s.Decided, s.events = e.At, append(s.events, e.Seq)
			break
		}
	}
	s.Promoted, s.Address, s.Writes = begun(active), begun(bound), begun(writers)
	s.Began = earliest(s.Decided, s.Promoted, s.Address)
	s.First = earliest(s.Began, s.Writes)
	if b, w := together(bound, writers); b != nil {
		s.Address, s.Writes, s.Serving = b.From, w.From, max(b.From, w.From)
		bound, writers = []expect.Interval{*b}, []expect.Interval{*w}
		if role, any := expect.At(active, s.Serving); any {
			s.Promoted, active = role.From, []expect.Interval{role}
		}
	}
	for _, intervals := range [][]expect.Interval{active, bound, writers} {
		if len(intervals) > 0 && intervals[0].Begun >= 0 {
			s.events = append(s.events, intervals[0].Begun)
		}
	}
	slices.Sort(s.events)
	s.events = slices.Compact(s.events)
	if s.First >= 0 {
		s.Client = p.firstServed(machine, s.First)
	}
	return s
}

// valued are the intervals that begin in from..until, until left out, and have this value; "": any.
func valued(intervals []expect.Interval, from, until time.Duration, value string) []expect.Interval {
	return slices.DeleteFunc(slices.Clone(intervals), func(i expect.Interval) bool {
		return i.From < from || i.From >= until || value != "" && i.Value != value
	})
}

// begun is when the first of these intervals begins; below zero: there is none.
func begun(intervals []expect.Interval) time.Duration {
	if len(intervals) == 0 {
		return -1
	}
	return intervals[0].From
}

// earliest is the least of these times that is not below zero; below zero: all are.
func earliest(times ...time.Duration) time.Duration {
	first := time.Duration(-1)
	for _, t := range times {
		if t >= 0 && (first < 0 || t < first) {
			first = t
		}
	}
	return first
}

// together are the first intervals of both lists that overlap, or nil.
func together(a, b []expect.Interval) (inA, inB *expect.Interval) {
	at := time.Duration(-1)
	for n := range a {
		for m := range b {
			if from, _, any := a[n].Overlap(b[m]); any && (at < 0 || from < at) {
				at, inA, inB = from, &a[n], &b[m]
			}
		}
	}
	return inA, inB
}

// firstServed is when a client first had an answer from the machine that it had asked for at or after from.
func (p *pairing) firstServed(machine string, from time.Duration) time.Duration {
	first := time.Duration(-1)
	for i := range p.run.History {
		op := &p.run.History[i]
		if op.ServedBy == machine && op.Result == nodes.ResultOK && op.Done >= from && (first < 0 || op.Done < first) {
			first = op.Done
		}
	}
	return first
}

// measures split a takeover by phase: each lasts from the end of the one before it.
func (s signs) measures(start time.Duration) []expect.Measure {
	var measures []expect.Measure
	last := start
	for _, phase := range []struct {
		name string
		end  time.Duration
	}{
		{"takeover_detect", s.Failed}, {"takeover_decide", s.Decided}, {"takeover_promote", s.Promoted},
		{"takeover_address", s.Address}, {"takeover_access", s.Writes}, {"takeover_client", s.Client},
	} {
		if phase.end < 0 {
			continue
		}
		lasted := max(0, phase.end-last)
		measures = append(measures, expect.Measure{Name: phase.name, Value: lasted.Seconds(), Unit: "s"})
		last = max(last, phase.end)
	}
	if s.Serving >= 0 {
		measures = append(measures, expect.Measure{Name: "takeover", Value: (s.Serving - start).Seconds(), Unit: "s"})
	}
	return measures
}

// judge holds what a unit showed against a window.
func (p *pairing) judge(machine string, b bounds) expect.Finding {
	until := p.run.End + 1
	if b.Shown > 0 {
		until = b.Shown
	}
	s := p.signs(machine, b.Start, until)
	f := expect.Finding{Verdict: expect.Pass, Subject: machine, Measures: s.measures(b.Start)}
	if s.First >= 0 {
		f.Marks = []string{"check_semantics=" + b.Checking.Semantics}
	}
	breach := func(from, until time.Duration, format string, args ...any) {
		f.Verdict = expect.Violation
		f.Breaches = append(f.Breaches, expect.Breach{From: from, Until: until, Machines: []string{machine},
			Text: fmt.Sprintf(format, args...), Events: s.events})
	}
	after := func(t time.Duration) string { return nodes.FormatDuration(t - b.Start) }
	again := p.brokeOff(machine, s)
	switch {
	case s.First >= 0 && b.Waived == "" && s.First < b.Lower:
		breach(s.First, b.Lower, "%s began to take over %s after %s, %s too early", machine, after(s.First),
			nodes.FormatDuration(b.Start), nodes.FormatDuration(b.Lower-s.First))
	case again >= 0 && !b.Fixed:
		return p.judgeAgain(machine, again, b)
	case s.Serving > b.Upper:
		breach(b.Upper, s.Serving, "%s served %s after %s, %s too late", machine, after(s.Serving),
			nodes.FormatDuration(b.Start), nodes.FormatDuration(s.Serving-b.Upper))
	case (s.First < 0 || s.Serving < 0 && p.gaveUp(machine, s) >= 0) && b.Heard >= 0 && b.Heard <= b.Upper && b.Heard < p.run.End:
		f.Evidence = append(f.Evidence, fmt.Sprintf("%s could hear its active again at %s, and did not take over",
			machine, nodes.FormatDuration(b.Heard)))
	case s.Serving < 0 && p.run.End < b.Upper:
		f.Verdict = expect.Inconclusive
		f.Evidence = append(f.Evidence, fmt.Sprintf("the run ended at %s, before the window closed at %s",
			nodes.FormatDuration(p.run.End), nodes.FormatDuration(b.Upper)))
	case s.Serving < 0 && s.First >= 0:
		breach(b.Upper, p.run.End, "%s began to take over %s after %s, and never served", machine, after(s.First),
			nodes.FormatDuration(b.Start))
	case s.Serving < 0:
		breach(b.Upper, p.run.End, "%s never took over", machine)
	default:
		f.Evidence = append(f.Evidence, fmt.Sprintf("%s began to take over %s after %s and served after %s", machine,
			after(s.First), nodes.FormatDuration(b.Start), after(s.Serving)))
	}
	for _, breach := range f.Breaches {
		f.Evidence = append(f.Evidence, breach.Text)
		f.Evidence = append(f.Evidence, p.run.Lines(breach.Events)...)
	}
	f.Evidence = append(f.Evidence, "window: "+b.Why)
	if b.Waived != "" {
		f.Evidence = append(f.Evidence, "no lower bound: "+b.Waived)
	}
	return f
}

// brokeOff is when the unit started again as a standby, its software having ended in the middle of a takeover; below zero:
// that did not come about.
func (p *pairing) brokeOff(machine string, s signs) time.Duration {
	if s.First < 0 {
		return -1
	}
	l := p.lane(machine)
	for _, life := range l.Lives() {
		if life.From <= s.First || s.Serving >= 0 && life.From > s.Serving || life.From >= p.Until {
			continue // Set up anew it is a standby of another pairing.
		}
		for _, role := range l.Role {
			if role.From >= life.From && role.From < life.Until {
				if role.Value == pair.RoleStandby {
					return life.From
				}
				break
			}
		}
	}
	return -1
}

// gaveUp is when the unit was a standby again of its own accord, its first try having come to nothing, as where its disk does not
// take the new role; below zero: it did not give up.
func (p *pairing) gaveUp(machine string, s signs) time.Duration {
	if s.Decided < 0 || s.Promoted >= 0 && s.Promoted <= s.Decided {
		return -1
	}
	decided := false
	for _, e := range p.facts(nodes.FactPhase, machine, s.Decided, p.Until) {
		if decided && e.Value == string(pair.Standby) {
			return e.At
		}
		if decided {
			break
		}
		decided = e.Value == string(pair.Takeover)
	}
	return -1
}

// judgeAgain holds the next try against the window that counts from the start of the unit. Where nobody wants a takeover,
// the next try needs a silence too, and there need not be one where the active can be heard again.
func (p *pairing) judgeAgain(machine string, start time.Duration, before bounds) expect.Finding {
	heard := before.Heard
	if t := p.signs(machine, start, p.run.End+1).First; heard >= 0 && t >= 0 {
		s := p.silenceAt(t)
		if s == nil {
			return p.uncalledFor(t)
		}
		start, heard = max(start, s.From), s.Until
	}
	b, err := p.bounds(start)
	if err != nil {
		return expect.Finding{Verdict: expect.Inconclusive, Subject: machine, Evidence: []string{err.Error()}}
	}
	b.Heard = heard
	b.Why += ", the takeover before having broken off"
	return p.judge(machine, b)
}
