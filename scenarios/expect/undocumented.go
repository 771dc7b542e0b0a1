package expect

import (
	"slices"
	"strings"
)

// Undocumented claims that the run exercised an option of which the vendor says nothing, so that its outcome hangs
// on the choice that was configured; or that an inferred hazard showed itself.
//
// Vacuous where nothing in the run asked for the option. For a hazard it is as the claim hazard.
//
// Source: spec, verdicts.
type Undocumented struct {
	Option string `yaml:"undocumented" doc:"an option of the kind, or the id of an inferred hazard"`
}

func (c *Undocumented) reflects() {}

// Check finds what is wrong with the claim as a whole.
func (c *Undocumented) Check() error { return wantSubject(c.Name(), c.Option, "an option or a hazard") }

// Name implements Claim.
func (c *Undocumented) Name() string { return "undocumented" }

// Judge implements Claim. It speaks of the marks that other claims left, and is asked after them.
func (c *Undocumented) Judge(r *Run) Finding {
	f := Finding{Verdict: Pass, Subject: c.Option}
	if h := r.showed(c.Option); h != nil {
		f.show(h)
		return f
	}
	if r.shown != nil && slices.Contains(r.shown.known, c.Option) {
		return notShown(r, f)
	}
	if r.shown != nil {
		for _, m := range r.shown.marks {
			if option, _, _ := strings.Cut(m, "="); option == c.Option {
				f.Evidence = append(f.Evidence, m)
			}
		}
	}
	if f.Evidence == nil {
		f.Verdict, f.Evidence = Vacuous, []string{"nothing exercised " + c.Option}
	}
	return f
}
