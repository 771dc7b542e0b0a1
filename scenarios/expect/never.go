package expect

import (
	"fmt"

	"firedrill/sim"
)

// linesMax is how many events a finding shows one by one.
const linesMax = 5

// Never claims that a fact does not come. A rule of this sort needs a twin that shows that the fact can come at all.
//
// Vacuous where the step of its `since` never acted; inconclusive where more lines of a log came than were told.
//
// Source: the scenario.
type Never struct {
	Fact  string `yaml:"never" ref:"fact" doc:"the fact, or the state, that must not come"`
	Of    string `yaml:"of" ref:"machine step" doc:"only of this machine, role or step"`
	Like  string `yaml:"like" doc:"only with this text"`
	Since string `yaml:"since" ref:"step" doc:"only after this step"`
}

// Check finds what is wrong with the claim as a whole.
func (c *Never) Check() error { return wantSubject(c.Name(), c.Fact, "a fact") }

// Name implements Claim.
func (c *Never) Name() string { return "never" }

// Judge implements Claim.
func (c *Never) Judge(r *Run) Finding {
	q := FactQuery{c.Fact, c.Of, c.Like}
	since, missing := r.from(c.Since)
	if missing != nil {
		missing.Subject = q.String()
		return *missing
	}
	f := Finding{Verdict: Pass, Subject: q.String()}
	came := since.after(r.Facts(q))
	for n, e := range came {
		if n == linesMax {
			last := &f.Breaches[n-1]
			last.Text += fmt.Sprintf(", and %d more", len(came)-n)
			last.Until = came[len(came)-1].At
			break
		}
		f.Breaches = append(f.Breaches, arrival(&e))
	}
	if last, silent := r.untold(q); silent && len(came) == 0 {
		f.unsure(last)
		return f
	}
	return f.broken(r)
}

// arrival is the breach that one fact is.
func arrival(e *sim.Event) Breach {
	b := Breach{From: e.At, Until: e.At, Text: line(e)}
	if e.Machine != "" {
		b.Machines = []string{e.Machine}
	}
	return b
}

// after leaves out what came before the step acted.
func (s since) after(events []sim.Event) []sim.Event {
	for len(events) > 0 && s.before(&events[0]) {
		events = events[1:]
	}
	return events
}
