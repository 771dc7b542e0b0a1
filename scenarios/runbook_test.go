package scenarios

import (
	"slices"
	"strings"
	"testing"

	"firedrill/nodes"
	"firedrill/scenarios/expect"
)

// asking is a kind of lamp with a runbook that asks which lamps it is about.
func asking() *Catalogue {
	kind := *lampKind
	kind.Procedures = []nodes.Procedure{{
		Name: "hand-over", Doc: "darkens one lamp and lights another",
		Args: []nodes.Arg{{Name: "old", Required: true}, {Name: "fresh", Required: true}, {Name: "colour"}, {Name: "words"}},
		Steps: []string{
			"{step: darken, do: switch, machine: $old, with: {to: dark}}",
			"{step: brighten, do: switch, machine: $fresh, with: {to: $colour}}",
			"{step: seen, probe: state, machine: $fresh, with: {words: [$words, more]}, want: lit}",
		},
	}}
	kind.Probes = slices.Clone(kind.Probes)
	kind.Probes[0].Args = []nodes.Arg{{Name: "words"}}
	return &Catalogue{Kinds: []*nodes.Kind{&kind}, Claims: expect.Forms()}
}

// TestRunbooksAskForValues: what a kind's procedure asks for stands in its steps, as if the file had brought them along; a blank
// without a value is left out, with its key.
func TestRunbooksAskForValues(t *testing.T) {
	f, err := Parse("worked", []byte(worked+`timeline:
  - {at: 10s, run: hand-over, with: {old: one, fresh: two, colour: lit}, pace: 5s, step: go}
  - {at: 1m, run: hand-over, step: once-more}
variants:
  which:
    written: {}
    other:   {steps: {brighten: {machine: one}}}
`), asking())
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"two", "one"} {
		s, err := f.Cases[i].Scenario(1)
		if err != nil {
			t.Fatal(err)
		}
		steps := s.Procedures[0].Steps
		if old, fresh := steps[0].Act.(*Do), steps[1].Act.(*Do); old.Machine != "one" || fresh.Machine != want ||
			fresh.With.Get("to") != "lit" {
			t.Errorf("darkens %s, brightens %s to %q; want one, %s, lit", old.Machine, fresh.Machine, fresh.With.Get("to"), want)
		}
		if words := steps[2].Act.(*Probe).With[0].List; len(words) != 1 || words[0] != "more" {
			t.Errorf("a word that nobody gave is %q", words)
		}
		if text := f.Cases[i].YAML(); strings.Contains(text, "$") || strings.Contains(text, "old:") {
			t.Errorf("printed with what it asks for:\n%s", text)
		}
		if _, err := Parse("worked", []byte(f.Cases[i].YAML()), asking()); err != nil {
			t.Errorf("printed: %v", err)
		}
	}
}

func TestRunbooksSayWhatTheyAskFor(t *testing.T) {
	const both = "{old: one, fresh: two}"
	for _, test := range []struct{ name, rest, want string }{
		{"nothing given", "timeline:\n  - {at: 1s, run: hand-over}\n",
			"worked:13:19: procedure hand-over asks for old, fresh; want with: {old: .., ..} where it is run"},
		{"one is missing", "timeline:\n  - {at: 1s, run: hand-over, with: {old: one}}\n", "procedure hand-over asks for fresh;"},
		{"unknown", "timeline:\n  - {at: 1s, run: hand-over, with: {old: one, fresh: two, color: lit}}\n",
			`worked:13:59: unknown key "color" of "with"; want colour`},
		{"no such machine", "timeline:\n  - {at: 1s, run: hand-over, with: {old: one, fresh: three}}\n", `worked:13:54: no machine or role "three"`},
		{"no map", "timeline:\n  - {at: 1s, run: hand-over, with: [one]}\n", "worked:13:19: want with as a map"},
		{"a map in the map", "timeline:\n  - {at: 1s, run: hand-over, with: {old: {a: b}, fresh: two}}\n", "worked:13:42: want a word or a list"},
		{"given twice", "timeline:\n  - {at: 1s, run: hand-over, with: " + both + "}\n  - {at: 2s, run: hand-over, with: " + both + "}\n",
			"worked:14:36: procedure hand-over is run further up, with what it asks for"},
		{"varied and not run", "timeline:\n  - {at: 1s}\nvariants:\n  slip: {each_step_of: hand-over, is: skip}\n",
			"worked:15:24: procedure hand-over asks for old, fresh;"},
		{"the file's own asks for nothing", "timeline:\n  - {at: 1s, run: mine, with: " + both + "}\nprocedures:\n  mine:\n    - {step: a, do: copy, machine: one}\n",
			"with is for runbooks that come with a kind"},
		{"nor is it varied", "timeline:\n  - {at: 1s, run: hand-over, with: " + both + ", step: go}\nvariants:\n  v: {w: {steps: {go: {with: " + both + "}}}}\n",
			"with is for runbooks that come with a kind"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse("worked", []byte(worked+test.rest), asking())
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("have %v\nwant %s", err, test.want)
			}
			if n := len(err.(*Mistakes).List); n != 1 { // The step that got the value is wrong too, and that is a consequence.
				t.Errorf("%d mistakes, want 1:\n%v", n, err)
			}
		})
	}
}

// TestRunbooksAreChecked: whoever brings a kind learns of a slip in its procedures from the first file that they parse.
func TestRunbooksAreChecked(t *testing.T) {
	for _, test := range []struct {
		step, want string
		args       []nodes.Arg
	}{
		{"{step: a, do: copy, machine: $unit}", "a step has $unit, for which it does not ask", nil},
		{"{step: a, do: copy, machine: one}", "no step has $unit, for which it asks", []nodes.Arg{{Name: "unit"}}},
		{"{step: a", "kind lamp: procedure p: ", nil},
	} {
		kind := *lampKind
		kind.Procedures = []nodes.Procedure{{Name: "p", Args: test.args, Steps: []string{test.step}}}
		c := &Catalogue{Kinds: []*nodes.Kind{&kind}}
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.step, err, test.want)
		}
	}
	if err := asking().Check(); err != nil {
		t.Error(err)
	}
}
