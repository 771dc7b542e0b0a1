package reports

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jstemmer/go-junit-report/v2/junit"

	"firedrill/scenarios"
	"firedrill/scenarios/expect"
)

// JUnit gathers plays for a JUnit XML file: a suite for each scenario, and in it a test case for each
// case and claim, over all seeds. A violation is a failure. What proved nothing, vacuous or inconclusive,
// is an error and not a skipped test: most servers stay green for these, and the exit status is not 0
// either. A claim that nobody asked for and that had nothing to judge in any seed is skipped, and so is a
// case of which a program is not installed. Times are virtual: those of the plays in which the claim was
// judged.
type JUnit struct {
	suites []*suite
}

type suite struct {
	name    string
	virtual time.Duration
	tests   []*test
}

// test is one claim of one case over the plays so far.
type test struct {
	of, claim string
	virtual   time.Duration
	verdict   expect.Verdict // the worst
	text      []string       // of the plays with that verdict: what was found, and how to play it again
	plays     int            // that had it
}

// toldPlays is how many plays a test case tells of, where more went the same way.
const toldPlays = 5

// Add counts a play; again is the command that plays it once more.
func (j *JUnit) Add(o *scenarios.Outcome, again string) {
	s := j.suite(o.Scenario.Name)
	s.virtual += o.Virtual
	if o.Err != nil {
		s.add(o, "firedrill", expect.Inconclusive, []string{o.Err.Error()}, again)
	}
	seen := map[string]int{}
	for i := range o.Claims {
		c := &o.Claims[i]
		claim := c.Text
		if seen[claim]++; seen[claim] > 1 { // Two broken wants may read the same.
			claim = fmt.Sprintf("%s (%d)", claim, seen[claim])
		}
		s.add(o, claim, c.Verdict, c.Evidence, again)
	}
	if o.Doubt != "" {
		s.add(o, "world", expect.Inconclusive, []string{o.Doubt}, again)
	}
	if len(o.Misses) > 0 {
		s.add(o, "steps", expect.Vacuous, o.Misses, again)
	}
}

// AddRange counts what the whole range of seeds of a case did not show.
func (j *JUnit) AddRange(scenario, of string, found scenarios.Judged) {
	s := j.suite(scenario)
	o := &scenarios.Outcome{Scenario: &scenarios.Scenario{Case: of}}
	s.add(o, found.Text+", all seeds", found.Verdict, found.Evidence, "firedrill run "+of)
}

// Skip counts a case that is not played, and says why.
func (j *JUnit) Skip(scenario, of, why string) {
	s := j.suite(scenario)
	s.tests = append(s.tests, &test{of: of, claim: "played", verdict: expect.Idle, text: []string{why}, plays: 1})
}

func (j *JUnit) suite(name string) *suite {
	n := slices.IndexFunc(j.suites, func(s *suite) bool { return s.name == name })
	if n < 0 {
		n = len(j.suites)
		j.suites = append(j.suites, &suite{name: name})
	}
	return j.suites[n]
}

func (s *suite) add(o *scenarios.Outcome, claim string, v expect.Verdict, evidence []string, again string) {
	var t *test
	for _, have := range slices.Backward(s.tests) { // The plays of a case follow each other.
		if have.of == o.Scenario.Case && have.claim == claim {
			t = have
			break
		}
	}
	if t == nil {
		t = &test{of: o.Scenario.Case, claim: claim, verdict: expect.Idle}
		s.tests = append(s.tests, t)
	}
	t.virtual += o.Virtual
	if v != t.verdict && expect.Worse(v, t.verdict) == v {
		t.verdict, t.text, t.plays = v, nil, 0
	}
	if v != t.verdict {
		return
	}
	if t.plays++; t.plays <= toldPlays {
		if t.plays > 1 {
			t.text = append(t.text, "")
		}
		t.text = append(append(t.text, evidence...), "again: "+again)
	}
}

// Write writes the file. Texts of nodes are made printable: control characters are no XML.
func (j *JUnit) Write(w io.Writer) error {
	var all junit.Testsuites
	for _, s := range j.suites {
		one := junit.Testsuite{Name: show(s.name), Time: virtualTime(s.virtual)}
		for _, t := range s.tests {
			one.AddTestcase(t.testcase())
		}
		all.AddSuite(one)
	}
	all.Time = ""
	if _, err := io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"); err != nil {
		return err
	}
	return all.WriteXML(w)
}

func (t *test) testcase() junit.Testcase {
	c := junit.Testcase{Name: show(t.claim), Classname: show(strings.ReplaceAll(t.of, "/", ".")),
		Time: virtualTime(t.virtual)}
	lines := make([]string, 0, len(t.text))
	for _, line := range t.text {
		lines = append(lines, show(line))
	}
	if more := t.plays - toldPlays; more > 0 {
		lines = append(lines, "", "and "+number(more, "more play"))
	}
	text, message := strings.Join(lines, "\n"), string(t.verdict)
	if len(lines) > 0 {
		message = lines[0]
	}
	result := &junit.Result{Message: message, Type: string(t.verdict), Data: text}
	switch t.verdict {
	case expect.Violation:
		c.Failure = result
	case expect.Inconclusive, expect.Vacuous:
		c.Error = result
	case expect.Idle:
		c.Skipped = &junit.Result{Message: message}
	case expect.HazardSeen:
		c.SystemOut = &junit.Output{Data: "hazard, documented and expected:\n" + text}
	}
	return c
}

// virtualTime is in seconds, as JUnit has it.
func virtualTime(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
