package expect

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"firedrill/nodes"
)

// Gauge is a figure that a scenario wants to know: how long something takes, or how many operations succeed meanwhile.
type Gauge struct {
	Name       string `yaml:"-"`
	From       string `yaml:"from" ref:"step procedure fact" doc:"when it begins: a step, the end of a procedure, or a fact"`
	To         string `yaml:"to" ref:"step procedure fact" doc:"when it ends: the next of these since it began"`
	Of         string `yaml:"of" ref:"machine" doc:"only facts of this machine or role"`
	Operations string `yaml:"operations" ref:"clients" doc:"in place of a time: operations of these clients that succeed meanwhile"`
}

// Check finds a gauge without an end.
func (g *Gauge) Check() error {
	if g.From == "" || g.To == "" {
		return errors.New("want from and to: the steps, procedures or facts between which it measures")
	}
	return nil
}

// Amount is a bound of a measure: a time, or a number of operations.
type Amount struct {
	Given   bool
	IsTime  bool
	Time    time.Duration
	Counted int64
}

// UnmarshalText reads 90s, or 1200.
func (a *Amount) UnmarshalText(text []byte) error {
	if n, err := strconv.ParseUint(string(text), 10, 63); err == nil {
		*a = Amount{Given: true, Counted: int64(n)}
		return nil
	}
	d, err := nodes.ParseDuration(string(text))
	if err != nil || d < 0 {
		return fmt.Errorf("want a time such as 90s or a number of operations, have %q", text)
	}
	*a = Amount{Given: true, IsTime: true, Time: d}
	return nil
}

func (a Amount) String() string {
	if a.IsTime {
		return nodes.FormatDuration(a.Time)
	}
	return strconv.FormatInt(a.Counted, 10)
}

// MarshalText is String.
func (a Amount) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// Measured claims that a measure of the scenario lies within bounds. Without bounds it only tells the figure, and every measure
// is told. Vacuous where what it measures did not begin or did not end.
type Measured struct {
	Measure string `yaml:"measured" ref:"measure" doc:"the measure"`
	AtLeast Amount `yaml:"at_least" doc:"not less than this"`
	AtMost  Amount `yaml:"at_most" doc:"not more than this"`
}

// Check finds what is wrong with the claim as a whole.
func (c *Measured) Check() error {
	low, high := c.AtLeast, c.AtMost
	if low.Given && high.Given && (low.IsTime != high.IsTime || low.Time > high.Time || low.Counted > high.Counted) {
		return fmt.Errorf("want at_least not above at_most, have %s and %s", low, high)
	}
	return wantSubject(c.Name(), c.Measure, "a measure")
}

// Fits finds bounds that are of another sort than the gauge.
func (c *Measured) Fits(g *Gauge) error {
	for _, a := range []Amount{c.AtLeast, c.AtMost} {
		switch {
		case !a.Given || a.IsTime == (g.Operations == ""):
		case a.IsTime:
			return fmt.Errorf("%s counts operations; want a number, have %s", g.Name, a)
		default:
			return fmt.Errorf("%s is a time; want one such as 90s, have %s", g.Name, a)
		}
	}
	return nil
}

// Name implements Claim.
func (c *Measured) Name() string { return "measured" }

// Judge implements Claim.
func (c *Measured) Judge(r *Run) Finding {
	f := Finding{Verdict: Pass, Subject: c.Measure}
	for i := range r.Gauges {
		if r.Gauges[i].Name == c.Measure {
			return c.judge(r, &r.Gauges[i], f)
		}
	}
	f.Verdict, f.Evidence = Vacuous, []string{"there is no measure " + c.Measure}
	return f
}

func (c *Measured) judge(r *Run, g *Gauge, f Finding) Finding {
	from, begun := r.moment(g.From, g.Of, 0, -1)
	to, over := r.moment(g.To, g.Of, from.at, from.seq)
	if !begun || !over {
		missing := g.From
		if begun {
			missing = g.To
		}
		f.Verdict, f.Evidence = Vacuous, []string{fmt.Sprintf("%s: %s did not come", g.Name, missing)}
		return f
	}
	took := to.at - from.at
	value, low, high, unit := float64(took), float64(c.AtLeast.Time), float64(c.AtMost.Time), "s"
	text := fmt.Sprintf("%s took %s, from %s to %s", g.Name, nodes.FormatDuration(took), clock(from.at), clock(to.at))
	slack := float64(r.Slack)
	if g.Operations != "" {
		n := r.succeeded(g.Operations, from.at, to.at)
		value, low, high, unit, slack = float64(n), float64(c.AtLeast.Counted), float64(c.AtMost.Counted), "operations", 0
		text = fmt.Sprintf("%s: %d operations from %s to %s", g.Name, n, clock(from.at), clock(to.at))
	}
	f.Evidence = []string{text}
	m := Measure{Name: g.Name, Value: value, Unit: unit}
	if unit == "s" {
		m.Value = took.Seconds()
	}
	f.Measures = []Measure{m}
	switch {
	case c.AtLeast.Given && value+slack < low:
		text += ", and was to be at least " + c.AtLeast.String()
	case c.AtMost.Given && value-slack > high:
		text += ", and was to be at most " + c.AtMost.String()
	default:
		return f
	}
	f.Breaches = []Breach{{From: from.at, Until: to.at, Text: text, Firm: true}}
	return f.broken(r)
}

// factProcedureDone is noted by whoever plays, with the procedure as its scope.
const factProcedureDone = "procedure-done"

// moment is when a step acted, a procedure was done or a fact came, the first since another moment.
func (r *Run) moment(word, of string, after time.Duration, seq int) (since, bool) {
	for _, s := range r.Steps {
		if s.Name == word && s.At >= after {
			return since{s.At, s.Seq}, true
		}
	}
	for _, q := range []FactQuery{{Fact: factProcedureDone, Of: word}, {Fact: word, Of: of}} {
		for _, e := range r.Facts(q) {
			if e.At > after || e.At == after && e.Seq > seq {
				return since{e.At, e.Seq}, true
			}
		}
	}
	return since{}, false
}

// succeeded counts the operations of a group that were done with success in a stretch of time.
func (r *Run) succeeded(group string, from, to time.Duration) int {
	n := 0
	for i := range r.History {
		if op := &r.History[i]; op.Group == group && op.Result == nodes.ResultOK && op.Done >= from && op.Done <= to {
			n++
		}
	}
	return n
}
