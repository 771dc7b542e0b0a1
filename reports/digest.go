package reports

import (
	"cmp"
	"slices"

	"firedrill/scenarios"
	"firedrill/scenarios/expect"
)

// Digest is a line of plays.jsonl: a play as far as a batch of thousands needs it.
type Digest struct {
	Case     string         `json:"case"`
	Seed     uint64         `json:"seed"`
	Verdict  expect.Verdict `json:"verdict"`
	Hash     string         `json:"hash"`
	Failed   []string       `json:"failed,omitempty"` // claims, and what kept it from showing anything
	Measures []Measure      `json:"measures,omitempty"`
}

// newDigest is the play in short. Of figures with one name it has the first: the claims that the
// scenario asks for come before those that are judged anyhow.
func newDigest(p *Play) Digest {
	d := Digest{Case: p.Case, Seed: p.Seed, Verdict: p.Verdict, Hash: p.Hash}
	if p.Error != "" {
		d.Failed = append(d.Failed, "firedrill")
	}
	for _, c := range p.Claims {
		switch c.Verdict {
		case expect.Violation, expect.Inconclusive, expect.Vacuous:
			if name := c.brief(); !slices.Contains(d.Failed, name) {
				d.Failed = append(d.Failed, name)
			}
		}
		for _, m := range c.Measures {
			if !slices.ContainsFunc(d.Measures, func(have Measure) bool {
				return have.Name == m.Name && have.Declared == m.Declared
			}) {
				d.Measures = append(d.Measures, m)
			}
		}
	}
	if p.Doubt != "" {
		d.Failed = append(d.Failed, "world")
	}
	if len(p.Missed) > 0 {
		d.Failed = append(d.Failed, "step")
	}
	return d
}

// brief is the name of a claim, with its subject where the name alone tells nobody what is wrong: that of a hazard is a verdict
// too, and answers that are not as wanted are told apart by their steps.
func (c *Claim) brief() string {
	switch c.Name {
	case "hazard", "want":
		return c.Text
	}
	return c.Name
}

// Results are the plays of one scenario: all of them in short, and those in full that are worth reading.
type Results struct {
	Name  string
	Axes  []scenarios.Axis
	Plays []Digest
	Runs  []*Run
	// Wrong is what all seeds of a case did not show, a line each.
	Wrong []string
}

// line is a line of plays.jsonl: the axes of the scenario, a play, or what all seeds of a case did not show.
type line struct {
	Name string           `json:"name"`
	Axes []scenarios.Axis `json:"axes,omitempty"`
	*Digest
	Wrong string `json:"wrong,omitempty"`
}

// encode is plays.jsonl.
func (r *Results) encode() ([]byte, error) {
	var text []byte
	add := func(l line) error {
		b, err := encode(l, "")
		text = append(text, b...)
		return err
	}
	if len(r.Axes) > 0 {
		if err := add(line{Name: r.Name, Axes: r.Axes}); err != nil {
			return nil, err
		}
	}
	for i := range r.Plays {
		if err := add(line{Name: r.Name, Digest: &r.Plays[i]}); err != nil {
			return nil, err
		}
	}
	for _, wrong := range r.Wrong {
		if err := add(line{Name: r.Name, Wrong: wrong}); err != nil {
			return nil, err
		}
	}
	return text, nil
}

// runsMax is how many plays a report shows in full.
const runsMax = 12

// keep adds a play that may be worth reading: of each case and what failed in it, the one with the
// lowest seed. Of more than a report can show, the mildest go.
func (r *Results) keep(run *Run) {
	same := slices.IndexFunc(r.Runs, func(have *Run) bool {
		return have.Case == run.Case && have.Verdict == run.Verdict &&
			slices.Equal(newDigest(&have.Play).Failed, newDigest(&run.Play).Failed)
	})
	if same >= 0 && r.Runs[same].Seed <= run.Seed {
		return
	}
	if same >= 0 {
		r.Runs = slices.Delete(r.Runs, same, same+1)
	}
	r.Runs = append(r.Runs, run)
	slices.SortFunc(r.Runs, compareRuns)
	r.Runs = r.Runs[:min(len(r.Runs), runsMax)]
}

// compareRuns puts the worst first.
func compareRuns(a, b *Run) int {
	return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.Case, b.Case), cmp.Compare(a.Seed, b.Seed))
}

// rank is how bad it went: less is worse. A verdict that nobody knows is taken for a bad one.
func (r *Run) rank() int {
	if r.Error != "" {
		return -1
	}
	return slices.Index(verdicts, r.Verdict)
}
