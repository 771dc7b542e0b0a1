package expect

import (
	"fmt"
	"reflect"
	"slices"
)

// Judgement is what judging one run came to.
type Judgement struct {
	Verdict Verdict
	// Claims are those that were asked for, in the order of the scenario, then broken wants, then standing claims
	// in the order of their forms, then hazards that nobody expected.
	Claims []Judged
	// Hazards are those that showed themselves, in the order of the catalogue.
	Hazards []Shown
	// Undocumented are the marks, each once: options with their values (`check_semantics=spaced`), and inferred
	// hazards.
	Undocumented []string
	// Vacuous says why the run proved nothing: steps that missed, faults that hit nothing, claims that had nothing
	// to judge.
	Vacuous []string
	// Some and Chances are what only a whole batch can be judged on: see Range.
	Some    []Sighting
	Chances []Chance
}

// Judged is a claim with its finding. The breaches are those that no hazard accounts for.
type Judged struct {
	Claim string // its name; `want` for the answers of steps
	Asked bool   // it stands under `expect`, or in a step
	Finding
	Charged []string // the hazards that account for its other breaches
	Excused []Breach // these other breaches, as they were found
}

// Shown is a hazard that showed itself in a run.
type Shown struct {
	Hazard    string
	Doc       string
	Inferred  bool
	Expected  bool // the scenario speaks of it, or it comes with every takeover
	Asked     bool // the scenario speaks of it
	Instances []Instance
	excuses   []string
}

// shown is what the hazards and the other claims made of a run, for the claims that speak of these.
type shown struct {
	hazards []Shown
	known   []string // ids
	marks   []string
	judged  []Judged // the claims that are judged so far

	// For the claim about slips:
	damage    []string // what broke, each in a line
	undecided string   // a claim that could not be decided
	harmless  bool     // it is claimed that nothing breaks
}

// reflection is a claim about what judging the others brought to light. It is judged after them.
type reflection interface {
	Claim
	reflects()
}

// rank is when a claim is judged: claims about the run first, then reflections. What came of slips is asked last, by
// itself: it hangs on all the rest.
func rank(c Claim) int {
	if _, slips := c.(*Slips); slips {
		return 2
	}
	if _, reflects := c.(reflection); reflects {
		return 1
	}
	return 0
}

// Judge comes to the verdict on a run: inconclusive where the world itself is in doubt, else worst first: a violation, which no
// hazard accounts for; what could not be decided; what proved nothing; a documented hazard that was expected; or a pass.
//
// All claims are judged that fit the kinds present, whoever asks for them. Those that nobody asked for are idle
// where they had nothing to judge.
func Judge(r *Run, forms []Form, asked []Claim, hazards []Hazard) Judgement {
	var j Judgement
	r.shown = findHazards(r, asked, hazards)
	claims := append(slices.Clone(asked), standing(r, forms, asked)...)
	judged := make([]Judged, len(claims))
	r.shown.judged = judged
	judge := func(n int) {
		judged[n] = r.judge(claims[n], n < len(asked))
		for _, m := range judged[n].Marks {
			r.shown.mark(m)
		}
	}
	for now := range 2 {
		for n := range claims {
			if rank(claims[n]) == now {
				judge(n)
			}
		}
	}
	forgive(asked, judged)
	j.Claims = slices.Clone(judged[:len(asked)])
	for _, b := range r.Wants {
		f := Finding{Breaches: []Breach{b}}
		j.Claims = append(j.Claims, Judged{Claim: "want", Asked: true, Finding: f.broken(r)})
	}
	j.Claims = append(j.Claims, judged[len(asked):]...)
	for _, h := range r.shown.hazards {
		if !h.Expected {
			j.Claims = append(j.Claims, unexpected(r, h))
		}
	}
	j.Hazards, j.Undocumented = r.shown.hazards, r.shown.marks
	j.judgeSlips(r, asked)
	j.weigh(r, asked)
	return j
}

// weigh gathers why the run may be vacuous and what is left to the batch, and comes to the verdict.
func (j *Judgement) weigh(r *Run, asked []Claim) {
	j.Vacuous = slices.Clone(r.Missed)
	for _, e := range r.Faults {
		switch {
		case e.Chance:
			j.Chances = append(j.Chances, Chance{Step: e.Step, Fault: e.Fault.String(), Hit: e.Hit()})
		case !e.Undoing && !e.Hit():
			j.Vacuous = append(j.Vacuous, fmt.Sprintf("step %s hit nothing: %s", e.Step, e.Fault))
		}
	}
	j.Verdict = Pass
	for n, c := range j.Claims {
		if c.Asked && c.Verdict == Vacuous {
			j.Vacuous = append(j.Vacuous, fmt.Sprintf("%s: %s", c.title(), first(c.Evidence)))
		}
		if c.Verdict != HazardSeen && c.Verdict != Idle {
			j.Verdict = Worse(j.Verdict, c.Verdict)
		}
		if n < len(asked) {
			if h, ok := asked[n].(*HazardShows); ok && h.Seen == SeenSomeSeed {
				j.Some = append(j.Some, Sighting{Hazard: h.Hazard, Seen: c.Verdict != Idle})
			}
		}
	}
	for _, h := range j.Hazards {
		if !h.Inferred && h.Asked {
			j.Verdict = Worse(j.Verdict, HazardSeen)
		}
	}
	if len(j.Vacuous) > 0 {
		j.Verdict = Worse(j.Verdict, Vacuous)
	}
	if r.Doubt != "" { // Even what looks like a violation may be the world's own doing.
		j.Verdict = Inconclusive
	}
}

// title is the claim with its subject, as the scenario has it.
func (j *Judged) title() string {
	if j.Subject == "" {
		return j.Claim
	}
	return j.Claim + ": " + j.Subject
}

func first(lines []string) string {
	if len(lines) == 0 {
		return "nothing to judge"
	}
	return lines[0]
}

// verdicts are worst first.
var verdicts = []Verdict{Violation, Inconclusive, Vacuous, HazardSeen, Pass, Idle}

// Worse returns the worse of two verdicts.
func Worse(a, b Verdict) Verdict {
	if slices.Index(verdicts, b) < slices.Index(verdicts, a) {
		return b
	}
	return a
}

// standing are the claims that nobody asked for and that fit the kinds present. One that is asked for in the same
// words, or whose measure is told already, is not judged twice.
func standing(r *Run, forms []Form, asked []Claim) []Claim {
	var claims []Claim
	for _, f := range forms {
		if f.Standing == nil || !r.has(f.Kinds) {
			continue
		}
		for _, c := range f.Standing(r) {
			if !slices.ContainsFunc(asked, func(a Claim) bool {
				m, measured := a.(*Measured)
				return reflect.DeepEqual(a, c) || measured && m.tells(c)
			}) {
				claims = append(claims, c)
			}
		}
	}
	return claims
}

// has reports whether any machine is of one of these kinds; nil: any.
func (r *Run) has(kinds []string) bool {
	return kinds == nil || slices.ContainsFunc(r.Machines, func(m Machine) bool {
		return m.Kind != nil && slices.Contains(kinds, m.Kind.Name)
	})
}

// judge asks one claim, and charges its breaches to the hazards.
func (r *Run) judge(c Claim, asked bool) Judged {
	j := Judged{Claim: c.Name(), Asked: asked, Finding: c.Judge(r)}
	if j.Verdict == Violation {
		r.charge(&j)
	}
	if !asked && (j.Verdict == Vacuous || j.Verdict == Inconclusive) {
		j.Verdict = Idle
	}
	return j
}

// findHazards asks every hazard of the kinds present whether it showed itself.
func findHazards(r *Run, asked []Claim, hazards []Hazard) *shown {
	s := &shown{}
	for _, h := range hazards {
		s.known = append(s.known, h.ID)
		if !r.has(h.Kinds) {
			continue
		}
		instances := h.Find(r)
		if len(instances) == 0 {
			continue
		}
		wanted := slices.ContainsFunc(asked, func(c Claim) bool {
			switch c := c.(type) {
			case *HazardShows:
				return c.Hazard == h.ID
			case *Undocumented:
				return c.Option == h.ID
			}
			return false
		})
		s.hazards = append(s.hazards, Shown{
			Hazard: h.ID, Doc: h.Doc, Inferred: h.Inferred, Asked: wanted, Expected: wanted || h.WithTakeover,
			Instances: instances, excuses: h.Excuses,
		})
		if h.Inferred {
			s.mark(h.ID)
		}
	}
	return s
}

func (s *shown) mark(mark string) {
	if !slices.Contains(s.marks, mark) {
		s.marks = append(s.marks, mark)
	}
}

// unexpected is the finding for a hazard of which the scenario does not speak.
func unexpected(r *Run, h Shown) Judged {
	f := Finding{Subject: h.Hazard}
	f.Evidence = []string{h.Hazard + " showed itself, and the scenario does not expect it"}
	for _, i := range h.Instances {
		f.Breaches = append(f.Breaches, i.Breach)
	}
	return Judged{Claim: (&HazardShows{}).Name(), Finding: f.broken(r)}
}
