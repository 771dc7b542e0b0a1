package main

import (
	"errors"
	"slices"
	"strings"

	"firedrill/reports"
	"firedrill/scenarios"
	"firedrill/sim/kernel"
)

// skip is cases of a scenario that are not played, since this system has not got a program of theirs.
type skip struct {
	scenario string
	cases    []string // their names
	all      bool     // none of those that were asked for is left
	why      string
}

// String is the line that says so: what is skipped, and what is missing.
func (s *skip) String() string {
	what := s.scenario
	if !s.all {
		what = strings.Join(s.cases, ", ")
	}
	return what + "  skipped: " + s.why + "; install the package that has it"
}

// atHand keeps the cases of which this system has the programs. A case that cannot be read is kept: its play says why.
func atHand(list []selection) (kept []selection, skips []*skip) {
	for _, s := range list {
		var left []*scenarios.Case
		var mine []*skip
		for _, c := range s.cases {
			why := lacking(c)
			if why == "" {
				left = append(left, c)
				continue
			}
			n := slices.IndexFunc(mine, func(m *skip) bool { return m.why == why })
			if n < 0 {
				n, mine = len(mine), append(mine, &skip{scenario: s.file.Name, why: why})
			}
			mine[n].cases = append(mine[n].cases, c.Name)
		}
		for _, m := range mine {
			m.all = len(left) == 0 && len(mine) == 1
		}
		skips = append(skips, mine...)
		if s.cases = left; len(left) > 0 {
			kept = append(kept, s)
		}
	}
	return kept, skips
}

// lacking says which programs of a case are not there, each once; "": none.
func lacking(c *scenarios.Case) string {
	s, err := c.ScenarioIn(scenarios.WorldKernel, c.Seeds.First)
	if err != nil {
		return ""
	}
	var lacks []string
	for _, p := range s.Programs() {
		for _, command := range [][]string{p.Command, p.Ready.Command} {
			if len(command) == 0 {
				continue
			}
			if err := kernel.Find(&p, command[0]); err != nil && !slices.Contains(lacks, err.Error()) {
				lacks = append(lacks, err.Error())
			}
		}
	}
	return strings.Join(lacks, "; ")
}

// skip tells of what is not played: a line for people, or one of JSON for each case.
func (r *results) skip(skips []*skip) error {
	var wrong []error
	for _, s := range skips {
		for _, name := range s.cases {
			r.skipped++
			if r.exports.junit != nil {
				r.exports.junit.Skip(s.scenario, name, s.why)
			}
			if r.text == nil {
				wrong = append(wrong, unwritten(reports.WriteSkip(r.stdout, s.scenario, name, s.why)))
			}
		}
		if r.text != nil {
			r.text.Skipped(s.String())
			wrong = append(wrong, unwritten(r.text.Flush()))
		}
	}
	return errors.Join(wrong...)
}
