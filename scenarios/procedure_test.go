package scenarios

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"firedrill/nodes"
	"firedrill/scenarios/expect"
	"firedrill/sim/virtual"
)

// manual is a kind of lamp that ships with a runbook.
func manual() *Catalogue {
	kind := *lampKind
	kind.Procedures = []nodes.Procedure{{Name: "light-up", Doc: "lights lamp one", Steps: []string{
		"{step: shipped-dark, do: switch, machine: one, with: {to: dark}}",
		"{step: shipped-lit, do: switch, machine: one, with: {to: lit}, want: ok}",
	}}}
	return &Catalogue{Kinds: []*nodes.Kind{&kind}, Claims: expect.Forms()}
}

const worked = `# Somebody works through procedures.
name: worked
stop: 5m
settle: 30s
segments:
  lan: {subnet: 10.0.0.0/24, latency: 1ms}
machines:
  one: {kind: lamp, nets: {lan: 10.0.0.1}}
  two: {kind: lamp, nets: {lan: 10.0.0.2}}
clients:
  desk: {net: lan, to: one, prefix: /data, rate: 1/s, put: 100%, begin: 1h}
`

// workedThrough plays the case of a file with this timeline and these procedures.
func workedThrough(t *testing.T, rest, values string) *Outcome {
	t.Helper()
	f, err := Parse("worked", []byte(worked+rest), manual())
	if err != nil {
		t.Fatal(err)
	}
	cases, err := f.Select(values)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := Parse("worked", []byte(cases[0].YAML()), manual())
	if err != nil {
		t.Fatalf("printed: %v\n%s", err, cases[0].YAML())
	}
	var outcomes []*Outcome
	for _, c := range []*Case{cases[0], plain.Cases[0]} {
		s, err := c.Scenario(1)
		if err != nil {
			t.Fatal(err)
		}
		outcomes = append(outcomes, s.Play(virtual.New(1), manual()))
	}
	if o := outcomes[0]; o.Err != nil || outcomes[1].Hash != o.Hash {
		t.Fatalf("error %v, hash %x, printed and read again %x", o.Err, o.Hash, outcomes[1].Hash)
	}
	return outcomes[0]
}

// when are the steps that acted, with the second in which they did.
func when(o *Outcome) string {
	var steps []string
	for _, s := range o.Run.Steps {
		steps = append(steps, fmt.Sprintf("%s %d", s.Name, s.At/time.Second))
	}
	return strings.Join(steps, ", ")
}

func TestProcedures(t *testing.T) {
	const ends = "  - {after: procedure-done, of: p, step: end}\n"
	for _, test := range []struct {
		name, rest string
		steps      string
		verdict    expect.Verdict
		missed     string
	}{
		{"each waits for the answer above", "timeline:\n  - {at: 10s, run: p, if_refused: go-on, step: go}\n" + ends + `procedures:
  p:
    - {step: a, do: copy, machine: one}
    - {step: b, probe: state, machine: two, want: lit, within: 1m}
    - {step: c, do: switch, machine: one, with: {to: lit}, want: ok}
`, "go 10, a 10, b 10, c 70, end 70", expect.Violation, ""},
		{"until it is met", "timeline:\n  - {at: 10s, run: p, step: go}\n  - {then: 20s, do: switch, machine: two, with: {to: lit}, step: press}\n" + ends +
			`procedures:
  p:
    - {step: b, probe: state, machine: two, want: lit, within: 1m}
    - {step: c, do: switch, machine: one, with: {to: lit}, want: ok}
`, "go 10, b 10, press 30, c 31, end 31", expect.Pass, ""},
		{"at a pace, with times of their own", "timeline:\n  - {at: 10s, run: p, pace: 1s, step: go}\n" + ends + `procedures:
  p:
    - {step: a, do: copy, machine: one}
    - {step: b, then: 3s, crash: two}
    - {step: c, after: sync, of: one, plus: 1s, restart: two}
`, "go 10, a 10, b 14, c 17, end 17", expect.Pass, ""},
		{"one after the other, and one of the kind's", "timeline:\n  - {at: 10s, run: [light-up, p], pace: 5s, step: go}\n" + ends + `procedures:
  p:
    - {step: a, probe: state, machine: one, want: lit}
`, "go 10, shipped-dark 10, shipped-lit 15, a 20, end 20", expect.Pass, ""},
		{"beside the timeline", "timeline:\n  - {at: 10s, run: p, pace: 10s, step: go}\n  - {at: 15s, step: beside}\n" + ends + `procedures:
  p:
    - {step: a, do: copy, machine: one}
    - {step: b, do: copy, machine: two}
`, "go 10, a 10, beside 15, b 20, end 20", expect.Pass, ""},
		{"stops where it is refused", "timeline:\n  - {at: 10s, run: p, step: go}\n  - {after: procedure-stopped, of: p, step: end}\n" + `procedures:
  p:
    - {step: a, do: switch, machine: one, with: {to: red}}
    - {step: b, do: copy, machine: one}
`, "go 10, a 10, end 10", expect.Vacuous, "procedure p stopped at step a: its answer was not as wanted"},
		{"or goes on", "timeline:\n  - {at: 10s, run: p, if_refused: go-on, step: go}\n" + ends + `procedures:
  p:
    - {step: a, do: switch, machine: one, with: {to: red}}
    - {step: b, do: copy, machine: one}
`, "go 10, a 10, b 10, end 10", expect.Pass, ""},
		{"a want counts all the same", "timeline:\n  - {at: 10s, run: p, if_refused: go-on, step: go}\n" + ends + `procedures:
  p:
    - {step: a, do: switch, machine: one, with: {to: red}, want: ok}
    - {step: b, do: copy, machine: one}
`, "go 10, a 10, b 10, end 10", expect.Violation, ""},
		{"unfinished", "timeline:\n  - {at: 10s, run: p, step: go}\n" + `procedures:
  p:
    - {step: a, after: lit, of: two, do: copy, machine: one}
`, "go 10", expect.Vacuous, "procedure p was at step a when the drill ended"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := workedThrough(t, test.rest, "")
			if when(o) != test.steps || o.Verdict != test.verdict {
				t.Errorf("%s: %s; want %s: %s\n%s", o.Verdict, when(o), test.verdict, test.steps, summary(o))
			}
			if test.missed != "" && !slices.Contains(o.Misses, test.missed) {
				t.Errorf("missed %q, want %q", o.Misses, test.missed)
			}
		})
	}
}

func TestSlips(t *testing.T) {
	file := func(is string) string {
		return `timeline:
  - {at: 10s, run: [p, light-up], pace: 5s, if_refused: go-on, step: go}
  - {after: procedure-done, of: light-up, step: end}
  - {then: 1s, probe: state, machine: two, want: lit, except: skip-b, step: look}
procedures:
  p:
    - {step: a, do: copy, machine: one}
    - {step: b, then: 1s, do: switch, machine: two, with: {to: lit}}
variants:
  slip: {each_step_of: [p, light-up], is: ` + is + "}\n"
	}
	for _, test := range []struct{ is, value, steps string }{
		{"skip", "as-written", "go 10, a 10, b 16, shipped-dark 21, shipped-lit 26, end 26, look 27"},
		{"skip", "skip-b", "go 10, a 10, shipped-dark 15, shipped-lit 20, end 20"},
		{"skip", "skip-shipped-dark", "go 10, a 10, b 16, shipped-lit 21, end 21, look 22"},
		{"twice", "twice-a", "go 10, a 10, a-again 15, b 21, shipped-dark 26, shipped-lit 31, end 31, look 32"},
		{"swap", "swap-shipped-dark", "go 10, a 10, b 16, shipped-lit 21, shipped-dark 26, end 26, look 27"},
		{"20s", "late-a", "go 10, a 30, b 36, shipped-dark 41, shipped-lit 46, end 46, look 47"},
		{"20s", "late-b", "go 10, a 10, b 36, shipped-dark 41, shipped-lit 46, end 46, look 47"},
	} {
		text := file(test.is)
		if test.is != "skip" {
			text = strings.Replace(text, ", except: skip-b", "", 1)
		}
		if o := workedThrough(t, text, test.value); when(o) != test.steps || o.Verdict != expect.Pass {
			t.Errorf("%s: %s, %s; want %s\n%s", test.value, o.Verdict, when(o), test.steps, summary(o))
		}
	}
	for _, test := range []struct{ value, steps string }{
		{"as-written", "go 10, a 10, b 16, shipped-dark 21, shipped-lit 26, end 26, look 27"},
		{"twice-b", "go 10, a 10, b 16, b-again 21, shipped-dark 26, shipped-lit 31, end 31, look 32"},
		{"late-shipped-lit", "go 10, a 10, b 16, shipped-dark 21, shipped-lit 46, end 46, look 47"},
	} {
		text := strings.Replace(file("[twice, 20s]"), ", except: skip-b", "", 1)
		if o := workedThrough(t, text, test.value); when(o) != test.steps {
			t.Errorf("%s, of several slips: %s; want %s", test.value, when(o), test.steps)
		}
	}
	f, err := Parse("worked", []byte(worked+file("skip")), manual())
	if err != nil || len(f.Cases) != 5 {
		t.Errorf("%v: want as-written and four steps that are skipped", err)
	}
}

// TestSlipsAreJudged plays each case of a file whose steps slip: those that do damage name it, the others say that there is none.
func TestSlipsAreJudged(t *testing.T) {
	file := func(is, harmless string) string {
		return `timeline:
  - {at: 10s, run: [p, light-up], pace: 5s, if_refused: go-on, step: go}
  - {after: procedure-done, of: light-up, step: end}
  - {then: 1s, probe: state, machine: one, want: lit, step: look-one}
  - {then: 1s, probe: state, machine: two, want: lit, step: look-two}
procedures:
  p:
    - {step: a, do: copy, machine: one}
    - {step: b, then: 1s, do: switch, machine: two, with: {to: lit}, except: never-b}
expect:
  - {slips: named}
  - {slips: harmless, only: [` + harmless + `]}
variants:
  slip: {each_step_of: [p, light-up], is: ` + is + `}
  other: {always-b: {}, never-b: {}}
except: [skip-a/never-b, skip-shipped-dark/never-b, skip-shipped-lit/never-b]
`
	}
	skip := file("skip", "skip-a, skip-shipped-dark")
	with := func(is, harmless string) string { // In each case all of the steps.
		text := strings.Replace(file(is, harmless), ", except: never-b", "", 1)
		return text[:strings.Index(text, "  other:")]
	}
	for _, test := range []struct {
		text, values, says string
		slips, verdict     expect.Verdict
	}{
		{skip, "as-written/always-b", "nobody slips in this case", expect.Idle, expect.Pass},
		{skip, "skip-b/always-b", "step b of p was left out: 1 thing broke\nwant: step look-two", expect.Pass, expect.Pass},
		{skip, "skip-shipped-lit", "step shipped-lit of light-up was left out: 1 thing broke\nwant: step look-one", expect.Pass, expect.Pass},
		{skip, "skip-a", "step a of p was left out: no damage", expect.Pass, expect.Pass},
		{skip, "skip-shipped-dark", "step shipped-dark of light-up was left out: no damage", expect.Pass, expect.Pass},
		{skip, "skip-b/never-b", "step b of p was left out, but the procedure did not get so far", expect.Vacuous, expect.Violation},
		{file("skip", "skip-b"), "skip-a", "step a of p was left out, and nothing broke", expect.Violation, expect.Violation},
		{with("swap", "swap-a"), "swap-a", "step a of p was done after b: no damage", expect.Pass, expect.Pass},
		{with("swap", "swap-a"), "swap-shipped-dark", "step shipped-dark of light-up was done after shipped-lit: 1 thing broke\n" +
			"want: step look-one", expect.Pass, expect.Pass},
		{with("twice", "twice-a"), "twice-a", "step a of p was done twice: no damage", expect.Pass, expect.Pass},
		{with("30s", "late-b"), "late-b", "step b of p came 30s late: no damage", expect.Pass, expect.Pass},
	} {
		o := workedThrough(t, test.text, test.values)
		var slips *Judged
		for i := range o.Claims {
			if c := &o.Claims[i]; c.Name == "slips" && slips == nil {
				slips = c
			}
		}
		if slips.Verdict != test.slips || o.Verdict != test.verdict || !strings.Contains(strings.Join(slips.Evidence, "\n"), test.says) {
			t.Errorf("%s: %s, run %s: %q; want %s, %s: %q\n%s", test.values, slips.Verdict, o.Verdict, slips.Evidence, test.slips,
				test.verdict, test.says, summary(o))
		}
	}
	o := workedThrough(t, file("skip", "skip-b"), "skip-b/always-b")
	if o.Verdict != expect.Violation || o.Claims[1].Verdict != expect.Violation ||
		!strings.Contains(strings.Join(o.Claims[1].Evidence, "\n"), "step b of p was left out: 1 thing broke\nwant: step look-two") {
		t.Errorf("a slip that was to be harmless: %s, %q", o.Verdict, o.Claims[1].Evidence)
	}
}

func TestWhatIsWrongWithSlips(t *testing.T) {
	const timeline = "timeline:\n  - {at: 1s, run: light-up}\n"
	for _, test := range []struct{ rest, mistake string }{
		{"expect:\n  - {slips: named}\n", `"slips" is about a step that each_step_of leaves out, doubles, swaps or delays; no axis of the file does`},
		{"expect:\n  - {slips: named}\nvariants:\n  slip: {skip-it: {steps: {shipped-lit: skip}}}\n",
			`"slips" is about a step that each_step_of leaves out, doubles, swaps or delays; no axis of the file does`},
		{"expect:\n  - slips\nvariants:\n  slip: {each_step_of: light-up, is: skip}\n", "want slips: named or harmless"},
		{"expect:\n  - {slips: nmaed}\nvariants:\n  slip: {each_step_of: light-up, is: skip}\n", `want named or harmless for "slips", have "nmaed"`},
		{"expect:\n  - {breaks: slips}\n", "slips speaks of other claims; want one that speaks of the run"},
	} {
		_, err := Parse("worked", []byte(worked+timeline+test.rest), manual())
		m, _ := err.(*Mistakes)
		if m == nil || len(m.List) != 1 || m.List[0].Message != test.mistake {
			t.Errorf("%s: %v, want %q", test.rest, err, test.mistake)
		}
	}
}
