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

func seed(n uint64, o *scenarios.Outcome) *scenarios.Outcome {
	o.Scenario.Seed = n
	return o
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
		{"another seed", 1, []*scenarios.Outcome{played(expect.Pass, 15), seed(2, played(expect.HazardSeen, 15))}, reports.Differs,
			"2 kernel plays at 1x, 1 differing"},
		{"most plays of a seed", 1, []*scenarios.Outcome{played(expect.HazardSeen, 15), played(expect.Pass, 15), played(expect.HazardSeen, 15)},
			reports.Differs, "DIFFERS: hazard, pass"},
		{"a tenth of the width above", 1, []*scenarios.Outcome{played(expect.Pass, 20.99)}, reports.Agrees, "990ms above, of 1s"},
		{"more than that above", 1, []*scenarios.Outcome{played(expect.Pass, 21.01)}, reports.Differs, "DIFFERS: 1.01s above, of 1s"},
		{"more than that below", 1, []*scenarios.Outcome{played(expect.Pass, 8.99)}, reports.Differs, "DIFFERS: 1.01s below, of 1s"},
		{"100 ms of real time above", 60, []*scenarios.Outcome{played(expect.Pass, 25.99)}, reports.Agrees, "5.99s above, of 6s"},
		{"more real time above", 60, []*scenarios.Outcome{played(expect.Pass, 26.01)}, reports.Differs, "6.01s above, of 6s"},
		{"a second seed is beyond", 1, []*scenarios.Outcome{played(expect.Pass, 15), seed(2, played(expect.Pass, 30))}, reports.Differs, "10s above"},
		{"not measured at all", 1, []*scenarios.Outcome{played(expect.Pass, -1)}, reports.Differs, "DIFFERS: in all 100 virtual seeds"},
		{"not measured in one of two", 1, []*scenarios.Outcome{played(expect.Pass, 15), seed(2, played(expect.Pass, -1))}, reports.Differs,
			"DIFFERS: in all 100 virtual seeds"},
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

// What most plays of a seed that can be believed say is what counts: one that differs and is not borne out is told, and no
// more. A seed is played until that is known, eight times at most.
func TestComparisonPlayedAgain(t *testing.T) {
	const agree, differ, doubt = 'a', 'd', '?'
	for _, x := range []struct {
		plays string
		want  reports.Agreement
		says  string
	}{
		{"", reports.Undecided, "0 kernel plays"},
		{"a", reports.Agrees, "1 kernel play at 1x\n"},
		{"?a", reports.Agrees, "not believed: the world was late"},
		{"dd", reports.Differs, "DIFFERS: hazard "},
		{"daa", reports.Agrees, "  once: hazard, pass  takeover: nas-b;"},
		{"dad", reports.Differs, "3 kernel plays at 1x, 2 differing"},
		{"d?d", reports.Differs, "2 kernel plays at 1x\n"},
		{"d?a?a", reports.Agrees, "3 kernel plays at 1x, 1 differing"},
		{"?d?a????", reports.Undecided, "2 kernel plays at 1x, 1 differing"},
		{"???????d", reports.Undecided, "once: hazard "},
		{"????????", reports.Undecided, "0 kernel plays"},
	} {
		t.Run(x.plays, func(t *testing.T) {
			c := reports.NewComparison("x/long", 1)
			seeds(c)
			for n, what := range x.plays {
				if c.Settled(0) {
					t.Errorf("settled after %d of %s", n, x.plays)
				}
				switch what {
				case agree:
					c.AddKernel(played(expect.Pass, 15))
				case differ:
					c.AddKernel(played(expect.HazardSeen, 15))
				case doubt:
					o := played(expect.Inconclusive, 15)
					o.Doubt = "the world was late"
					c.AddDoubt(o)
				}
			}
			if c.Settled(0) != (x.plays != "") || c.Settled(1) {
				t.Errorf("settled: %t, and of a seed that was not played %t", c.Settled(0), c.Settled(1))
			}
			if text := told(t, c); c.Agreement != x.want || !strings.Contains(text, x.says) {
				t.Errorf("it %s; want %s and %q\n%s", c.Agreement, x.want, x.says, text)
			}
		})
	}
}

// The last line of a comparison says what there is to say, and no more.
func TestComparedLast(t *testing.T) {
	agrees := reports.NewComparison("x/long", 1)
	seeds(agrees)
	agrees.AddKernel(played(expect.Pass, 15))
	differs := reports.NewComparison("x/short", 1)
	seeds(differs)
	differs.AddKernel(played(expect.HazardSeen, 25))
	unclear := reports.NewComparison("x/alone", 1)
	unclear.AddDoubt(&scenarios.Outcome{Scenario: &scenarios.Scenario{}, Doubt: "the world was late"})
	for _, test := range []struct {
		all         []*reports.Comparison
		interrupted bool
		want        string
	}{
		{nil, true, "0 cases compared in 2.0s, interrupted\n"},
		{[]*reports.Comparison{agrees}, true, "1 case compared in 2.0s, interrupted: 1 agrees\n"},
		{[]*reports.Comparison{agrees}, false, "1 case compared in 2.0s: 1 agrees\n"},
		{[]*reports.Comparison{differs, agrees, unclear}, false,
			"differs  x/short: hazard of verdict; hazard of takeover: nas-b; takeover_detect\n  5s above, of 1s\n" +
				"inconclusive  x/alone: the world was late\n3 cases compared in 2.0s: 1 differs, 1 inconclusive, 1 agrees\n"},
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
