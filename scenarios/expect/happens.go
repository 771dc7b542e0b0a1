package expect

import (
	"fmt"
	"time"
)

// Happens claims that a fact comes: at least once, or exactly so many times; the first one not before a time, and
// as many as are claimed within a time. Both are counted from the step, or from the start.
//
// Vacuous where the step of its `since` never acted; inconclusive where the run ended before the time was up, and where
// lines of a log that would decide it were too many to be told.
//
// Source: the scenario.
type Happens struct {
	Fact      string `yaml:"happens" ref:"fact" doc:"the fact, or the state, that must come"`
	Of        string `yaml:"of" ref:"machine step" doc:"only of this machine, role or step"`
	Like      string `yaml:"like" doc:"only with this text"`
	Since     string `yaml:"since" ref:"step" doc:"only after this step"`
	Times     int    `yaml:"times" doc:"exactly so many times; without it, at least once"`
	NotBefore Bound  `yaml:"not_before" doc:"the first one not earlier than this"`
	Within    Bound  `yaml:"within" doc:"not later than this"`
}

// Name implements Claim.
func (c *Happens) Name() string { return "happens" }

// Check finds what is wrong with the claim as a whole.
func (c *Happens) Check() error {
	if c.Times < 0 {
		return fmt.Errorf("want times of at least 1, have %d", c.Times)
	}
	if c.NotBefore.Given && c.Within.Given && c.NotBefore.Time > c.Within.Time {
		return fmt.Errorf("want a within of at least not_before, have %s and %s", c.Within, c.NotBefore)
	}
	return wantSubject(c.Name(), c.Fact, "a fact")
}

// Judge implements Claim.
func (c *Happens) Judge(r *Run) Finding {
	q := FactQuery{c.Fact, c.Of, c.Like}
	since, missing := r.from(c.Since)
	if missing != nil {
		missing.Subject = q.String()
		return *missing
	}
	f := Finding{Verdict: Pass, Subject: q.String()}
	came := since.after(r.Facts(q))
	for n := range came {
		if n < linesMax {
			f.Evidence = append(f.Evidence, line(&came[n]))
		}
	}
	want := max(c.Times, 1)
	deadline := since.at + c.Within.Time + r.Slack
	fail := func(at time.Duration, format string, args ...any) Finding {
		f.Breaches = append(f.Breaches, Breach{From: at, Until: at, Text: fmt.Sprintf(format, args...)})
		f.Verdict = Violation
		f.Evidence = append([]string{f.Breaches[0].Text}, f.Evidence...)
		return f
	}
	last, silent := r.untold(q)
	switch {
	case len(came) > 0 && c.NotBefore.Given && came[0].At < since.at+c.NotBefore.Time-r.Slack:
		return fail(came[0].At, "came %s after %s, want not before %s",
			clock(came[0].At-since.at), origin(c.Since), c.NotBefore)
	case c.Times > 0 && len(came) > c.Times:
		return fail(came[c.Times].At, "came %d times, want %d", len(came), c.Times)
	case len(came) >= want && c.Within.Given && came[want-1].At > deadline:
		return fail(deadline, "came %s after %s, want within %s",
			clock(came[want-1].At-since.at), origin(c.Since), c.Within)
	case silent && (len(came) < want || c.Times > 0):
		f.unsure(last)
	case len(came) < want && c.Within.Given && r.End < deadline:
		f.Verdict = Inconclusive
		f.Evidence = append(f.Evidence, fmt.Sprintf("came %d times by the end at %s, before %s had passed",
			len(came), clock(r.End), c.Within))
	case len(came) < want:
		return fail(r.End, "came %d times, want %d", len(came), want)
	}
	return f
}

// origin names what a time is counted from.
func origin(step string) string {
	if step == "" {
		return "the start"
	}
	return "step " + step
}
