package scenarios

import (
	"slices"
	"strings"

	"firedrill/faults"
	"firedrill/scenarios/expect"
	"firedrill/sim"
)

// judge comes to the verdict on a run.
func (p *play) judge(run *expect.Run, cat *Catalogue) *Outcome {
	run.Start = p.Start
	j := expect.Judge(run, cat.Claims, p.Expect, cat.Hazards)
	o := &Outcome{Scenario: p.Scenario, Verdict: j.Verdict, Hash: p.hash, Virtual: run.End, Run: run, Judgement: &j, Err: p.fault,
		Undocumented: slices.Sorted(slices.Values(j.Undocumented))}
	if w, keeps := p.world.(sim.Logkeeper); keeps {
		o.Logs = w.Logs()
	}
	claims := 0
	for i, c := range j.Claims {
		one := Judged{Name: c.Claim, Text: c.Claim, Asked: c.Asked, Finding: c.Finding}
		switch {
		case i < len(p.Expect):
			one.Text = strings.TrimSuffix(faults.Print(p.Expect[i]), `: ""`) // A bare claim may have no subject.
		case c.Subject != "":
			one.Text += ": " + c.Subject
		case len(c.Breaches) > 0 && c.Breaches[0].Step != "":
			one.Text += ": " + c.Breaches[0].Step
		}
		if c.Asked && c.Verdict == expect.Vacuous {
			claims++
		}
		o.Claims = append(o.Claims, one)
	}
	o.Doubt = run.Doubt
	if p.fault != nil { // Whatever was judged then shows nothing.
		o.Verdict = expect.Inconclusive
	}
	// What vacuous claims say stands with them already.
	o.Misses = j.Vacuous[:len(j.Vacuous)-claims]
	return o
}
