package expect

import (
	"slices"
)

// HazardShows claims that a hazard of the catalogue shows itself: its preconditions confirmed by the world, its
// observation made. One that is inferred counts too, as a mark.
//
// It is never vacuous: a hazard that was expected and did not show itself is a violation, in every seed, or over
// the whole batch where it is to be seen in some seed.
//
// Source: spec 6.2.
type HazardShows struct {
	Hazard string `yaml:"hazard" ref:"hazard" doc:"the hazard's id"`
	Seen   string `yaml:"seen" choices:"every-seed some-seed" doc:"in every seed, or in at least one of the file's"`
}

// The choices of Seen.
const (
	SeenEverySeed = "every-seed"
	SeenSomeSeed  = "some-seed"
)

func (c *HazardShows) reflects() {}

// Check finds what is wrong with the claim as a whole.
func (c *HazardShows) Check() error { return wantSubject(c.Name(), c.Hazard, "a hazard") }

// Name implements Claim.
func (c *HazardShows) Name() string { return "hazard" }

// Judge implements Claim. It speaks of what Judge found, and is asked after it.
func (c *HazardShows) Judge(r *Run) Finding {
	f := Finding{Verdict: HazardSeen, Subject: c.Hazard}
	if h := r.showed(c.Hazard); h != nil {
		f.show(h)
		return f
	}
	if c.Seen == SeenSomeSeed {
		f.Verdict, f.Evidence = Idle, []string{c.Hazard + " did not show itself in this seed"}
		return f
	}
	return notShown(r, f)
}

// show puts the extent of a hazard into the finding.
func (f *Finding) show(h *Shown) {
	if h.Inferred {
		f.Verdict, f.Marks = Pass, []string{h.Hazard}
	}
	for _, i := range h.Instances {
		f.Evidence = append(f.Evidence, i.Text)
		f.Measures = append(f.Measures, i.Measures...)
	}
}

func notShown(r *Run, f Finding) Finding {
	f.Breaches = []Breach{{From: r.End, Until: r.End, Firm: true,
		Text: f.Subject + " was expected, and its preconditions and its observation were not seen together"}}
	return f.broken(r)
}

// showed returns the hazard if it showed itself, or nil.
func (r *Run) showed(id string) *Shown {
	if r.shown == nil {
		return nil
	}
	n := slices.IndexFunc(r.shown.hazards, func(h Shown) bool { return h.Hazard == id })
	if n < 0 {
		return nil
	}
	return &r.shown.hazards[n]
}
