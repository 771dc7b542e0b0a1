package expect

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"firedrill/nodes"
)

// Gauge is a figure that a scenario wants to know: how long something takes, how many operations succeed meanwhile, or how much
// a segment carries.
type Gauge struct {
	Name       string `yaml:"-"`
	From       string `yaml:"from" ref:"step procedure fact" doc:"when it begins: a step, the end of a procedure, or a fact"`
	To         string `yaml:"to" ref:"step procedure fact" doc:"when it ends: the next of these since it began"`
	Of         string `yaml:"of" ref:"machine" doc:"only facts of this machine or role"`
	Operations string `yaml:"operations" ref:"clients" doc:"in place of a time: operations of these clients that succeed meanwhile"`
	Bytes      string `yaml:"bytes" ref:"segment" doc:"in place of a time: what is sent over this segment meanwhile, headers too"`
}

// Check finds a gauge without an end, or of two things.
func (g *Gauge) Check() error {
	switch {
	case g.From == "" || g.To == "":
		return errors.New("want from and to: the steps, procedures or facts between which it measures")
	case g.Operations != "" && g.Bytes != "":
		return errors.New("want operations or bytes, have both; write two measures")
	}
	return nil
}

// unit is that of its figure, as in Measure.
func (g *Gauge) unit() string {
	switch {
	case g.Operations != "":
		return unitOperations
	case g.Bytes != "":
		return unitBytes
	}
	return unitSeconds
}

// Volume is how many bytes a segment had carried at a moment: when a step acted, or a fact came.
type Volume struct {
	Segment string
	At      time.Duration
	Seq     int // of the event; of a step, how many events the trace held just before it acted
	Bytes   int64
}

// Amount is a bound of a measure: a time, a size, or a number of operations.
type Amount struct {
	Unit  string // as in Measure; "": there is no bound
	Value int64  // of a time in nanoseconds
}

// UnmarshalText reads 90s, 64MiB or 1200.
func (a *Amount) UnmarshalText(text []byte) error {
	var size nodes.Size
	n, notCounted := strconv.ParseUint(string(text), 10, 63)
	d, notTime := nodes.ParseDuration(string(text))
	switch notSize := size.UnmarshalText(text); {
	case notCounted == nil:
		*a = Amount{unitOperations, int64(n)}
	case notTime == nil && d >= 0:
		*a = Amount{unitSeconds, int64(d)}
	case notSize == nil:
		*a = Amount{unitBytes, int64(size)}
	default:
		return fmt.Errorf("want a time such as 90s, a size such as 64MiB or a number of operations, have %q", text)
	}
	return nil
}

func (a Amount) String() string {
	switch a.Unit {
	case unitSeconds:
		return nodes.FormatDuration(time.Duration(a.Value))
	case unitBytes:
		return nodes.Size(a.Value).String()
	case unitOperations:
		return strconv.FormatInt(a.Value, 10)
	}
	return ""
}

// MarshalText is String.
func (a Amount) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// Notation is what UnmarshalText reads.
func (Amount) Notation() nodes.Notation {
	time, size := nodes.DurationNotation(), nodes.Size(0).Notation()
	return nodes.Notation{Word: "T, SIZE or N", Example: "90s",
		Pattern: strings.TrimPrefix(time.Pattern, "-?") + "|" + size.Pattern + "|[0-9]+"}
}

// Measured claims that a measure of the scenario lies within bounds. Without bounds it only tells the figure, and every measure
// is told. Vacuous where what it measures did not begin or did not end.
//
// Source: the scenario.
type Measured struct {
	Measure string `yaml:"measured" ref:"measure" doc:"the measure"`
	AtLeast Amount `yaml:"at_least" doc:"not less than this"`
	AtMost  Amount `yaml:"at_most" doc:"not more than this"`
}

// Check finds what is wrong with the claim as a whole.
func (c *Measured) Check() error {
	low, high := c.AtLeast, c.AtMost
	if low.Unit != "" && high.Unit != "" && (low.Unit != high.Unit || low.Value > high.Value) {
		return fmt.Errorf("want at_least not above at_most, have %s and %s", low, high)
	}
	return wantSubject(c.Name(), c.Measure, "a measure")
}

// Fits finds bounds that are of another sort than the gauge.
func (c *Measured) Fits(g *Gauge) error {
	wanted := map[string]string{
		unitSeconds:    "is a time; want one such as 90s",
		unitBytes:      "counts bytes; want a size such as 64MiB",
		unitOperations: "counts operations; want a number",
	}
	for _, a := range []Amount{c.AtLeast, c.AtMost} {
		if a.Unit != "" && a.Unit != g.unit() {
			return fmt.Errorf("%s %s, have %s", g.Name, wanted[g.unit()], a)
		}
	}
	return nil
}

// everyMeasure tells each measure of the scenario.
func everyMeasure(r *Run) []Claim {
	claims := make([]Claim, len(r.Gauges))
	for i, g := range r.Gauges {
		claims[i] = &Measured{Measure: g.Name}
	}
	return claims
}

// Name implements Claim.
func (c *Measured) Name() string { return "measured" }

// tells reports whether the claim says all that another one would.
func (c *Measured) tells(other Claim) bool {
	m, ok := other.(*Measured)
	return ok && m.Measure == c.Measure
}

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
	figure := Amount{Unit: g.unit()}
	slack, meanwhile := int64(0), fmt.Sprintf("from %s to %s", clock(from.at), clock(to.at))
	text := ""
	switch figure.Unit {
	case unitOperations:
		figure.Value = int64(r.succeeded(g.Operations, from.at, to.at))
		text = fmt.Sprintf("%s: %s operations %s", g.Name, figure, meanwhile)
	case unitBytes:
		before, known := r.volume(g.Bytes, from)
		after, still := r.volume(g.Bytes, to)
		if !known || !still {
			f.Verdict, f.Evidence = Vacuous, []string{fmt.Sprintf("%s: nobody looked at %s %s", g.Name, g.Bytes, meanwhile)}
			return f
		}
		figure.Value = after - before
		text = fmt.Sprintf("%s: %s on %s %s", g.Name, figure, g.Bytes, meanwhile)
	default:
		figure.Value, slack = int64(to.at-from.at), int64(r.Slack)
		text = fmt.Sprintf("%s took %s, %s", g.Name, figure, meanwhile)
	}
	f.Evidence = []string{text}
	f.Measures = []Measure{figure.measure(g.Name)}
	switch {
	case c.AtLeast.Unit != "" && figure.Value+slack < c.AtLeast.Value:
		text += ", and was to be at least " + c.AtLeast.String()
	case c.AtMost.Unit != "" && figure.Value-slack > c.AtMost.Value:
		text += ", and was to be at most " + c.AtMost.String()
	default:
		return f
	}
	f.Breaches = []Breach{{From: from.at, Until: to.at, Text: text, Firm: true}}
	return f.broken(r)
}

// measure is the amount as a figure for the report.
func (a Amount) measure(name string) Measure {
	m := Measure{Name: name, Value: float64(a.Value), Unit: a.Unit}
	if a.Unit == unitSeconds {
		m.Value = time.Duration(a.Value).Seconds()
	}
	return m
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

// volume is what a segment had carried at a moment, if somebody has taken it down.
func (r *Run) volume(segment string, then since) (bytes int64, known bool) {
	for _, v := range r.Volumes {
		if v.Segment == segment && v.At == then.at && v.Seq == then.seq {
			return v.Bytes, true
		}
	}
	return 0, false
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
