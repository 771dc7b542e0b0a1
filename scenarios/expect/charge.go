package expect

import (
	"fmt"
	"slices"
)

// charge takes from a finding the breaches for which a hazard accounts, each by the first hazard of the catalogue
// that fits. A claim without any breach left is no violation.
//
// A hazard accounts for what began while its preconditions held, between machines that it is about, until
// redundancy was set up again; what lasts longer is a breach from then on. A loss it accounts for write by write.
func (r *Run) charge(j *Judged) {
	var rest []Breach
	for _, b := range j.Breaches {
		found, charged := b, false
		for n := range r.shown.hazards {
			h := &r.shown.hazards[n]
			for i := range h.Instances {
				if b.spent || !h.mayExcuse(j.Claim, &h.Instances[i]) {
					continue
				}
				b = h.Instances[i].excuse(b, func(text string) {
					charged = true
					j.Evidence = append(j.Evidence, fmt.Sprintf("%s accounts for %s", h.Hazard, text))
					if !slices.Contains(j.Charged, h.Hazard) {
						j.Charged = append(j.Charged, h.Hazard)
					}
				})
			}
		}
		if charged {
			j.Excused = append(j.Excused, found)
		}
		if !b.spent {
			rest = append(rest, b)
		}
	}
	if len(j.Charged) == 0 {
		return
	}
	j.Breaches = rest
	if len(rest) == 0 {
		j.Verdict = HazardSeen
		return
	}
	for _, b := range rest {
		j.Evidence = append(j.Evidence, "no hazard accounts for "+b.Text)
	}
}

// mayExcuse reports whether the hazard may account for breaches of the claim at all.
func (s *Shown) mayExcuse(claim string, i *Instance) bool {
	return slices.Contains(s.excuses, claim) && (i.Excuses == nil || slices.Contains(i.Excuses, claim))
}

// excuse returns what is left of a breach when the instance has accounted for its part, and says for what.
func (i *Instance) excuse(b Breach, say func(text string)) Breach {
	switch {
	case b.Firm:
	case len(b.Lost) > 0:
		left := i.notLost(b.Lost)
		if n := len(b.Lost) - len(left); n > 0 {
			say(fmt.Sprintf("%d of %d lost writes", n, len(b.Lost)))
			b.Text = fmt.Sprintf("%d lost writes of: %s", len(left), b.Text)
			b.Lost, b.Operations, b.spent = left, left, len(left) == 0
		}
	case b.From < i.From || b.From > i.Until || !i.covers(b.Machines):
	case b.Until <= i.Over:
		say("what began at " + clock(b.From))
		b.spent = true
	case b.From < i.Over:
		say(fmt.Sprintf("what began at %s, until %s", clock(b.From), clock(i.Over)))
		b.From, b.Text = i.Over, fmt.Sprintf("what was after %s of: %s", clock(i.Over), b.Text)
	}
	return b
}

func (i *Instance) covers(machines []string) bool {
	return !slices.ContainsFunc(machines, func(m string) bool { return !slices.Contains(i.Machines, m) })
}

// notLost are those operations whose loss the instance does not account for.
func (i *Instance) notLost(operations []uint64) []uint64 {
	if i.lost == nil {
		i.lost = map[uint64]bool{}
		for _, id := range i.Lost {
			i.lost[id] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(operations), func(id uint64) bool { return i.lost[id] })
}
