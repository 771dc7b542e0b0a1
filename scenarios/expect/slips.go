package expect

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"firedrill/nodes"
)

// Slip is what somebody got wrong in a procedure, in a case that `each_step_of` made.
type Slip struct {
	Procedure, Step string
	What            string        // skip, twice, swap or late
	Next            string        // of swap: the step that it changed places with
	Late            time.Duration // of late: by how much
	// Passed are steps, and the procedure itself, of which any shows by acting, or by being done, that the procedure got beyond
	// the slip. Empty: the step is none of this case anyway.
	Passed []string
}

// String names the slip: `step point-agents of promote was left out`.
func (s *Slip) String() string {
	step := fmt.Sprintf("step %s of %s ", s.Step, s.Procedure)
	switch s.What {
	case "skip":
		return step + "was left out"
	case "twice":
		return step + "was done twice"
	case "swap":
		return step + "was done after " + s.Next
	}
	return step + "came " + nodes.FormatDuration(s.Late) + " late"
}

// Slips claims what came of a step that `each_step_of` left out, doubled, moved behind the next one or delayed.
//
//   - named: it did damage, and the evidence names the slip with all that broke. What broke is then no violation of the run, as
//     with `breaks`; a node that panics or spins is one all the same, since no operator may bring that about.
//   - harmless: nothing broke.
//
// Damage is a claim that does not hold, an answer that is not what its step wants, and a hazard that shows itself, but not what
// the case as written is to show: a hazard that it expects, or one that comes with every takeover. Nor is a claim damage of which
// `breaks` says that it fails here. Where both are claimed in one case, named tells that there was no damage, as harmless
// wants it.
//
// Idle in the case as written: nobody slips. Vacuous where the procedure never got beyond the slip, or where nothing broke but
// steps missed, so that the drill was another one; inconclusive where nothing broke and some claim could not be decided.
//
// Source: G-10, SC-05; the scenario.
type Slips struct {
	Slips string `yaml:"slips" choices:"named harmless" doc:"it did damage, which is told with it, or it did none"`
}

// The choices of Slips.
const (
	SlipsNamed    = "named"
	SlipsHarmless = "harmless"
)

// Check finds what is wrong with the claim as a whole.
func (c *Slips) Check() error { return wantSubject(c.Name(), c.Slips, "named or harmless") }

// Name implements Claim.
func (c *Slips) Name() string { return "slips" }

// Judge implements Claim. It speaks of all that the others found, and is asked last.
func (c *Slips) Judge(r *Run) Finding {
	f := Finding{Verdict: Pass, Subject: c.Slips}
	if len(r.Slips) == 0 {
		f.Verdict, f.Evidence = Idle, []string{"nobody slips in this case"}
		return f
	}
	var slips []string
	for i := range r.Slips {
		s := &r.Slips[i]
		if !r.passed(s) {
			f.Verdict, f.Evidence = Vacuous, []string{s.String() + ", but the procedure did not get so far"}
			return f
		}
		slips = append(slips, s.String())
	}
	slip := strings.Join(slips, ", and ")
	damage := r.shown.damage
	if len(damage) == 0 {
		return c.unharmed(r, f, slip)
	}
	head := fmt.Sprintf("%s: %d things broke", slip, len(damage))
	if len(damage) == 1 {
		head = slip + ": 1 thing broke"
	}
	f.Evidence = append([]string{head}, damage...)
	if c.Slips == SlipsHarmless {
		f.Verdict = Violation
		f.Breaches = []Breach{{From: r.End, Until: r.End, Firm: true, Text: head + ": " + strings.Join(damage, "; ")}}
	}
	return f
}

// unharmed is the finding where nothing broke.
func (c *Slips) unharmed(r *Run, f Finding, slip string) Finding {
	switch {
	case r.shown.undecided != "":
		f.Verdict, f.Evidence = Inconclusive, []string{fmt.Sprintf("%s, and %s could not be decided", slip, r.shown.undecided)}
	case len(r.Missed) > 0:
		f.Verdict, f.Evidence = Vacuous, []string{fmt.Sprintf("%s, and the drill was then another one: %s", slip, r.Missed[0])}
	case c.Slips == SlipsHarmless || r.shown.harmless:
		f.Evidence = []string{slip + ": no damage"}
	default:
		f.Breaches = []Breach{{From: r.End, Until: r.End, Firm: true,
			Text: slip + ", and nothing broke; where that is as it should be, claim slips: harmless"}}
		return f.broken(r)
	}
	return f
}

// passed reports whether the procedure got beyond the slip.
func (r *Run) passed(s *Slip) bool {
	return slices.ContainsFunc(s.Passed, func(word string) bool {
		return r.Step(word) != nil || len(r.Facts(FactQuery{Fact: factProcedureDone, Of: word})) > 0
	})
}

// judgeSlips asks what came of slips, when all that broke is known, and takes damage that was to be named out of the
// others' findings.
func (j *Judgement) judgeSlips(r *Run, asked []Claim) {
	var claims []int
	for n := range asked {
		if c, ok := asked[n].(*Slips); ok {
			claims = append(claims, n)
			r.shown.harmless = r.shown.harmless || c.Slips == SlipsHarmless
		}
	}
	if claims == nil {
		return
	}
	broken := j.broken(r, asked)
	named := false
	for _, n := range claims {
		j.Claims[n] = r.judge(asked[n], true)
		named = named || asked[n].(*Slips).Slips == SlipsNamed && j.Claims[n].Verdict == Pass
	}
	if !named || r.shown.harmless {
		return
	}
	for _, c := range broken {
		if c.Claim != (&SoftwareSound{}).Name() {
			c.forgive("the slip that brought it about is named")
		}
	}
}

// broken finds out what the slips of the run may have brought about, and returns those findings that are violations for it.
func (j *Judgement) broken(r *Run, asked []Claim) []*Judged {
	var broken []*Judged
	for n := range j.Claims {
		c := &j.Claims[n]
		if n < len(asked) && rank(asked[n]) > 0 {
			continue // It is about other claims.
		}
		hazard := c.Claim == (&HazardShows{}).Name()
		switch {
		case hazard && slices.Contains(r.Usual, c.Subject):
		case c.Verdict == Violation:
			broken = append(broken, c)
			r.shown.damage = append(r.shown.damage, fmt.Sprintf("%s: %s", c.title(), first(c.Evidence)))
		case c.Verdict == Inconclusive && c.Asked:
			r.shown.undecided = c.title()
		}
	}
	for _, h := range j.Hazards {
		if h.Asked && !h.Inferred && !slices.Contains(r.Usual, h.Hazard) {
			r.shown.damage = append(r.shown.damage, fmt.Sprintf("hazard: %s: %s", h.Hazard, h.Instances[0].Text))
		}
	}
	return broken
}
