package expect

import "fmt"

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

// JudgeBatch judges what no single run can be judged on: a hazard that is to be seen in some seed has to be seen in
// one, and a fault with a probability has to hit once. It is asked for all plays of one case, over the file's whole
// range of seeds, and returns one finding for each thing that did not come about: a violation for a hazard, vacuous
// for a fault.
func JudgeBatch(plays []Judgement) []Judged {
	var found []Judged
	if len(plays) == 0 {
		return nil
	}
	for n, s := range plays[0].Some {
		seen := false
		for _, p := range plays {
			seen = seen || n < len(p.Some) && p.Some[n].Seen
		}
		if !seen {
			text := fmt.Sprintf("%s was to show itself in some seed, and did in none of %d", s.Hazard, len(plays))
			found = append(found, Judged{Claim: (&HazardShows{}).Name(), Asked: true, Finding: Finding{
				Verdict: Violation, Subject: s.Hazard, Evidence: []string{text},
				Breaches: []Breach{{Text: text, Firm: true}}}})
		}
	}
	var steps []Chance
	hit := map[string]bool{}
	for _, p := range plays {
		for _, c := range p.Chances {
			if _, known := hit[c.Step]; !known {
				steps = append(steps, c)
			}
			hit[c.Step] = hit[c.Step] || c.Hit
		}
	}
	for _, c := range steps {
		if !hit[c.Step] {
			text := fmt.Sprintf("step %s hit nothing in any of %d plays: %s", c.Step, len(plays), c.Fault)
			found = append(found, Judged{Claim: "faults", Asked: true, Finding: Finding{
				Verdict: Vacuous, Subject: c.Step, Evidence: []string{text}}})
		}
	}
	return found
}
