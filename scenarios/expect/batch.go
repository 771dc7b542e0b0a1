package expect

import (
	"fmt"
	"slices"
)

// Sighting is whether a hazard that is to be seen in some seed was seen in this one.
type Sighting struct {
	Hazard string
	Seen   bool
}

// Chance is whether a fault with a probability hit in this run.
type Chance struct {
	Step, Fault string
	Hit         bool
}

// Range gathers what no single run can be judged on, and keeps no run: a hazard that is to be seen in some seed has to be
// seen in one, and a fault with a probability has to hit once. It is told of all plays of one case, over the file's whole
// range of seeds.
type Range struct {
	Plays   uint64
	some    []Sighting
	chances []Chance // by step, in the order in which they were first taken
}

// Add tells of one more play.
func (r *Range) Add(j *Judgement) {
	r.Plays++
	for n, s := range j.Some {
		if n == len(r.some) {
			r.some = append(r.some, Sighting{Hazard: s.Hazard})
		}
		r.some[n].Seen = r.some[n].Seen || s.Seen
	}
	for _, c := range j.Chances {
		n := slices.IndexFunc(r.chances, func(known Chance) bool { return known.Step == c.Step })
		if n < 0 {
			r.chances = append(r.chances, c)
		} else {
			r.chances[n].Hit = r.chances[n].Hit || c.Hit
		}
	}
}

// Judge returns one finding for each thing that did not come about: a violation for a hazard, vacuous for a fault.
func (r *Range) Judge() []Judged {
	var found []Judged
	for _, s := range r.some {
		if !s.Seen {
			text := fmt.Sprintf("%s was to show itself in some seed, and did in none of %d", s.Hazard, r.Plays)
			found = append(found, Judged{Claim: (&HazardShows{}).Name(), Asked: true, Finding: Finding{
				Verdict: Violation, Subject: s.Hazard, Evidence: []string{text},
				Breaches: []Breach{{Text: text, Firm: true}}}})
		}
	}
	for _, c := range r.chances {
		if !c.Hit {
			text := fmt.Sprintf("step %s hit nothing in any of %d plays: %s", c.Step, r.Plays, c.Fault)
			found = append(found, Judged{Claim: "faults", Asked: true, Finding: Finding{
				Verdict: Vacuous, Subject: c.Step, Evidence: []string{text}}})
		}
	}
	return found
}
