package pair

import (
	"fmt"
	"time"

	"firedrill/nodes"
	"firedrill/scenarios/expect"
)

// ruling is a finding in the making: how often the rule was put to the test, and what broke it.
type ruling struct {
	run      *expect.Run
	tried    int
	breaches []expect.Breach
	notes    []string // evidence of a rule that held
}

func (u *ruling) breach(b expect.Breach, format string, args ...any) {
	b.Text = fmt.Sprintf(format, args...)
	b.Until = max(b.From, b.Until)
	u.breaches = append(u.breaches, b)
}

// finding is vacuous where the rule was never put to the test, and says then why.
func (u *ruling) finding(vacuous string) expect.Finding {
	f := expect.Finding{Verdict: expect.Pass, Subject: "all", Evidence: u.notes, Breaches: u.breaches}
	switch {
	case len(u.breaches) > 0:
		f.Verdict, f.Evidence = expect.Violation, nil
		for _, b := range u.breaches {
			f.Evidence = append(append(f.Evidence, b.Text), u.run.Lines(b.Events)...)
		}
	case u.tried == 0:
		f.Verdict, f.Evidence = expect.Vacuous, []string{vacuous}
	}
	return f
}

// told prints a time of the run for people.
func told(t time.Duration) string { return nodes.FormatDuration(t) }

// answeredOK reports whether the step is a `do` of this verb that was acknowledged.
func answeredOK(s *expect.Fired, verb string) bool {
	return s.Verb == verb && s.Answer != nil && s.Answer.Status/100 == 2
}

// refusedStep reports whether the step is a `do` that was answered with a no.
func refusedStep(s *expect.Fired) bool {
	return s.Verb != "" && s.Answer != nil && s.Answer.Status/100 == 4
}
