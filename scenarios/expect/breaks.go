package expect

import (
	"fmt"
	"slices"
)

// Breaks claims that another claim does not hold in this run: the drill is there to show it. The breach is then no violation of
// the run; that there is none is one. No hazard has to account for it, and what one does account for is no breach.
type Breaks struct {
	Claim string `yaml:"breaks" ref:"claim" doc:"the claim that fails here"`
}

func (c *Breaks) reflects() {}

// Check finds a claim that cannot be broken by what happens in a run.
func (c *Breaks) Check() error {
	switch c.Claim {
	case c.Name(), (&HazardShows{}).Name(), (&Undocumented{}).Name(), (&Slips{}).Name():
		return fmt.Errorf("%s speaks of other claims; want one that speaks of the run", c.Claim)
	}
	return wantSubject(c.Name(), c.Claim, "a claim")
}

// Name implements Claim.
func (c *Breaks) Name() string { return "breaks" }

// Judge implements Claim. It speaks of what the other claims found, and is asked after them.
func (c *Breaks) Judge(r *Run) Finding {
	f := Finding{Verdict: Pass, Subject: c.Claim}
	broken, undecided := false, false
	for _, j := range r.shown.judged {
		if j.Claim != c.Claim {
			continue
		}
		undecided = undecided || j.Verdict == Inconclusive
		if j.Verdict == Violation {
			broken = true
			f.Evidence = append(f.Evidence, j.Evidence...)
		}
	}
	switch {
	case broken:
	case undecided:
		f.Verdict, f.Evidence = Inconclusive, []string{c.Claim + " could not be decided"}
	default:
		f.Breaches = []Breach{{From: r.End, Until: r.End, Firm: true, Text: c.Claim + " was to break here, and did not"}}
		return f.broken(r)
	}
	return f
}

// forgive takes the breaches that were asked for out of the others' findings.
func forgive(asked []Claim, judged []Judged) {
	for _, a := range asked {
		c, ok := a.(*Breaks)
		if !ok {
			continue
		}
		for n := range judged {
			if j := &judged[n]; j.Claim == c.Claim && j.Verdict == Violation {
				j.forgive("the scenario wants it to break here")
			}
		}
	}
}

// forgive makes of a violation what the scenario wants to see.
func (j *Judged) forgive(why string) {
	j.Verdict = HazardSeen
	j.Evidence = append(slices.Clip(j.Evidence), why)
	j.Excused, j.Breaches = append(j.Excused, j.Breaches...), nil
}
