package reports_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"firedrill/reports"
	"firedrill/scenarios"
	"firedrill/scenarios/expect"
)

// played is a play in which a takeover claim came to a verdict and took so many seconds; below zero it was not measured.
func played(v expect.Verdict, seconds float64) *scenarios.Outcome {
	f := expect.Finding{Verdict: v, Evidence: []string{"it took 61.000000001s"}}
	if seconds >= 0 {
		f.Measures = []expect.Measure{{Name: "takeover_detect", Value: seconds, Unit: "s"},
			{Name: "lost", Value: 1000 * seconds, Unit: "operations"}}
	}
	standing := expect.Finding{Verdict: expect.Pass, Measures: f.Measures}
	return &scenarios.Outcome{Scenario: &scenarios.Scenario{Name: "x", Case: "x/long"}, Verdict: v, Judgement: &expect.Judgement{},
		Claims: []scenarios.Judged{{Name: "takeover", Text: "takeover: nas-b", Asked: true, Finding: f},
			{Name: "takeover", Text: "takeover", Finding: standing}, {Name: "choices", Text: "choices: all", Finding: expect.Finding{
				Verdict: expect.Idle}}}}
}

// seeds are a hundred virtual plays: between 10 and 20 s, and broken in twelve.
func seeds(c *reports.Comparison) {
	for n := range 100 {
		v := expect.Pass
		if n < 12 {
			v = expect.Violation
		}
		c.AddVirtual(played(v, 10+float64(n)/9.9))
	}
}

func TestComparison(t *testing.T) {
	hazard := func(o *scenarios.Outcome) *scenarios.Outcome {
		o.Judgement.Hazards = []expect.Shown{{Hazard: "HZ-D1"}}
		return o
	}
	want := func(o *scenarios.Outcome) *scenarios.Outcome {
		o.Claims = append(o.Claims, scenarios.Judged{Name: "want", Text: "want", Asked: true, Finding: expect.Finding{Verdict: expect.Violation}})
		return o
	}
	for _, x := range []struct {
		name   string
		scale  scenarios.Scale
		kernel []*scenarios.Outcome
		want   reports.Agreement
		says   string
	}{
		{"within", 1, []*scenarios.Outcome{played(expect.Pass, 15)}, reports.Agrees, "within"},
		{"broken as in some seeds", 1, []*scenarios.Outcome{played(expect.Violation, 15)}, reports.Agrees, "pass in 88 of 100, violation in 12"},
		{"as in no seed", 1, []*scenarios.Outcome{played(expect.HazardSeen, 15)}, reports.Differs,
			"DIFFERS: hazard        takeover: nas-b; virtual: pass in 88 of 100"},
		{"evidence of a difference", 1, []*scenarios.Outcome{played(expect.HazardSeen, 15)}, reports.Differs, "it took 1m1s"},
		{"one of two plays", 1, []*scenarios.Outcome{played(expect.Pass, 15), played(expect.HazardSeen, 15)}, reports.Differs, ""},
		{"a tenth of the width above", 1, []*scenarios.Outcome{played(expect.Pass, 20.99)}, reports.Agrees, "990ms above, of 1s"},
		{"more than that above", 1, []*scenarios.Outcome{played(expect.Pass, 21.01)}, reports.Differs, "DIFFERS: 1.01s above, of 1s"},
		{"more than that below", 1, []*scenarios.Outcome{played(expect.Pass, 8.99)}, reports.Differs, "DIFFERS: 1.01s below, of 1s"},
		{"100 ms of real time above", 60, []*scenarios.Outcome{played(expect.Pass, 25.99)}, reports.Agrees, "5.99s above, of 6s"},
		{"more real time above", 60, []*scenarios.Outcome{played(expect.Pass, 26.01)}, reports.Differs, "6.01s above, of 6s"},
		{"the second play is beyond", 1, []*scenarios.Outcome{played(expect.Pass, 15), played(expect.Pass, 30)}, reports.Differs, "10s above"},
		{"not measured at all", 1, []*scenarios.Outcome{played(expect.Pass, -1)}, reports.Differs, "in all 100 virtual seeds"},
		{"a hazard of no seed", 1, []*scenarios.Outcome{hazard(played(expect.Pass, 15))}, reports.Differs, "HZ-D1; virtual: idle in all 100"},
		{"an answer that no seed gave", 1, []*scenarios.Outcome{want(played(expect.Pass, 15))}, reports.Differs, "want; virtual: idle in all 100"},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := reports.NewComparison("x/long", x.scale)
			seeds(c)
			for n, o := range x.kernel {
				if have := c.AddKernel(o); n == len(x.kernel)-1 && have != (x.want == reports.Agrees) {
					t.Errorf("the last play agrees: %t", have)
				}
			}
			text := told(t, c)
			if c.Agreement != x.want || !strings.Contains(text, x.says) {
				t.Errorf("%s, want %s and %q\n%s", c.Agreement, x.want, x.says, text)
			}
			if strings.Count(text, "takeover_detect") != 1 || strings.Contains(text, "lost") {
				t.Errorf("want the time of the claim that is asked for, and no counts\n%s", text)
			}
		})
	}
}

// A claim that only some virtual seeds speak of may be left out in the kernel world, and a time that only some of them measured.
func TestComparisonOfWhatIsNotAlwaysThere(t *testing.T) {
	c := reports.NewComparison("x", 1)
	c.AddVirtual(played(expect.Pass, -1))
	c.AddVirtual(played(expect.Pass, 5))
	for n, seconds := range []float64{-1, 5, 5.09} {
		if !c.AddKernel(played(expect.Pass, seconds)) {
			t.Errorf("play %d differs\n%s", n, told(t, c))
		}
	}
	never := reports.NewComparison("x", 1)
	never.AddVirtual(played(expect.Pass, -1))
	if never.AddKernel(played(expect.Pass, 5)) {
		t.Errorf("a time that no virtual seed has agrees\n%s", told(t, never))
	}
}

// What cannot be believed decides nothing, and does not hide a difference.
func TestComparisonInDoubt(t *testing.T) {
	doubted := played(expect.Inconclusive, 15)
	doubted.Doubt = "the world was late"
	c := reports.NewComparison("x", 1)
	seeds(c)
	if c.Agreement != reports.Undecided {
		t.Errorf("before any play in the kernel world it %s", c.Agreement)
	}
	c.AddDoubt(doubted)
	c.AddKernel(played(expect.Pass, 15))
	if text := told(t, c); c.Agreement != reports.Agrees || !strings.Contains(text, "not believed: the world was late") {
		t.Errorf("played again it %s\n%s", c.Agreement, text)
	}
	c.GiveUp()
	c.AddKernel(played(expect.Pass, 15))
	if c.Agreement != reports.Undecided {
		t.Errorf("with a play that was given up it %s", c.Agreement)
	}
	c.AddKernel(played(expect.HazardSeen, 15))
	if c.Agreement != reports.Differs {
		t.Errorf("with a play that differs it %s", c.Agreement)
	}
}

// The last line of a comparison says what there is to say, and no more.
func TestComparedLast(t *testing.T) {
	agrees := reports.NewComparison("x/long", 1)
	seeds(agrees)
	agrees.AddKernel(played(expect.Pass, 15))
	for _, test := range []struct {
		all         []*reports.Comparison
		interrupted bool
		want        string
	}{
		{nil, true, "0 cases compared in 2.0s, interrupted\n"},
		{[]*reports.Comparison{agrees}, true, "1 case compared in 2.0s, interrupted: 1 agrees\n"},
		{[]*reports.Comparison{agrees}, false, "1 case compared in 2.0s: 1 agrees\n"},
	} {
		var text bytes.Buffer
		out := reports.NewText(&text, false)
		out.Compared(test.all, 2*time.Second, test.interrupted)
		if err := out.Flush(); err != nil || text.String() != test.want {
			t.Errorf("%q, %v; want %q", text.String(), err, test.want)
		}
	}
}

// told is the comparison as text, which fits a terminal, and checks that as JSON it says the same.
func told(t *testing.T, c *reports.Comparison) string {
	t.Helper()
	var text, line bytes.Buffer
	out := reports.NewText(&text, false)
	out.Comparison(c)
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(text.String()) {
		if len([]rune(l)) > 81 {
			t.Errorf("%d columns: %s", len([]rune(l)), l)
		}
	}
	if err := reports.WriteComparison(&line, c); err != nil {
		t.Fatal(err)
	}
	var read struct {
		Case, Agreement string
	}
	if err := json.Unmarshal(line.Bytes(), &read); err != nil || read.Agreement != fmt.Sprint(c.Agreement) || read.Case != c.Case {
		t.Errorf("%v in %s", err, line.String())
	}
	return text.String()
}
