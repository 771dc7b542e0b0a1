package scenarios

import (
	"fmt"
	"testing"

	"firedrill/scenarios/expect"
)

const measuredLamps = `# What is measured.
name: measures
stop: 2m
settle: 30s
segments:
  lan: {subnet: 10.0.0.0/24, latency: 1ms}
  side: {subnet: 10.0.1.0/24}
machines:
  one: {kind: lamp, nets: {lan: 10.0.0.1}}
  two: {kind: lamp, nets: {lan: 10.0.0.2, side: 10.0.1.2}}
clients:
  desk: {net: lan, to: two, prefix: /data, rate: 10/s, put: 100%, begin: 0s}
timeline:
  - {at: 10s, step: from}
  - {at: 15s, put: /data/big, from: desk, to: one, size: 1MB, step: big}
  - {then: 1s, step: arrived}
  - {at: 20s, run: work, step: go}
  - {after: procedure-done, of: work, do: copy, machine: one, step: copy}
  - {after: sync, of: one, done: 100%, step: copied}
procedures:
  work:
    - {step: a, do: switch, machine: one, with: {to: lit}}
    - {step: b, then: 5s, do: switch, machine: one, with: {to: dark}}
measure:
  steps:      {from: from, to: copied}
  procedure:  {from: go, to: work}
  fact:       {from: from, to: lit, of: one}
  from-fact:  {from: lit, to: dark, of: one}
  operations: {operations: desk, from: from, to: go}
  none:       {from: from, to: lit, of: two}
  wire:       {bytes: lan, from: big, to: arrived}
  to-fact:    {bytes: lan, from: big, to: dark, of: one}
  procedural: {bytes: lan, from: lit, to: work}
  served:     {bytes: lan, from: big, to: served}
  elsewhere:  {bytes: side, from: big, to: arrived}
  unweighed:  {bytes: lan, from: big, to: lit, of: two}
expect:
  - {measured: MEASURED}
`

func TestMeasures(t *testing.T) {
	for _, test := range []struct {
		claim   string
		verdict expect.Verdict
	}{
		{"steps, at_least: 25s, at_most: 25.1s", expect.Pass},
		{"steps, at_most: 24.9s", expect.Violation},
		{"steps, at_least: 26s", expect.Violation},
		{"procedure, at_least: 5s, at_most: 5.1s", expect.Pass},
		{"procedure, at_most: 4s", expect.Violation},
		{"fact, at_least: 10s, at_most: 10.1s", expect.Pass},
		{"fact, at_least: 11s", expect.Violation},
		{"from-fact, at_least: 5s, at_most: 5.1s", expect.Pass},
		{"operations, at_least: 60, at_most: 140", expect.Pass},
		{"operations, at_most: 10", expect.Violation},
		{"operations, at_least: 1000", expect.Violation},
		{"none, at_least: 0s", expect.Vacuous},
		{"wire, at_least: 1MB, at_most: 1.2MB", expect.Pass}, // Ten small puts, and headers.
		{"wire, at_most: 1MB", expect.Violation},
		{"wire, at_least: 2MB", expect.Violation},
		{"to-fact, at_least: 1.4MB, at_most: 1.6MB", expect.Pass},
		{"procedural, at_least: 100KB, at_most: 300KB", expect.Pass},
		{"served, at_least: 4KB, at_most: 1.1MB", expect.Pass},
		{"elsewhere, at_most: 0B", expect.Pass},
		{"unweighed", expect.Vacuous},
		{"steps", expect.Pass},
	} {
		o := measuredOutcome(t, test.claim)
		if o.Claims[0].Verdict != test.verdict || o.Verdict != test.verdict {
			t.Errorf("%s: %s, %q; want %s", test.claim, o.Claims[0].Verdict, o.Claims[0].Evidence, test.verdict)
		}
	}
}

// measuredOutcome plays the file with this claim.
func measuredOutcome(t *testing.T, claim string) *Outcome {
	t.Helper()
	text := []byte(fmt.Sprintf("%s  - {measured: %s}\n", measuredLamps[:len(measuredLamps)-len("  - {measured: MEASURED}\n")], claim))
	return played(t, string(text))
}

func TestEveryMeasureIsTold(t *testing.T) {
	told := map[string]string{}
	for _, c := range measuredOutcome(t, "steps, at_least: 1s").Claims {
		for _, m := range c.Measures {
			if told[m.Name] != "" {
				t.Errorf("%s is told twice", m.Name)
			}
			told[m.Name] = m.Unit
		}
	}
	for name, unit := range map[string]string{"steps": "s", "procedure": "s", "fact": "s", "from-fact": "s", "operations": "operations", "wire": "bytes",
		"to-fact": "bytes", "procedural": "bytes", "served": "bytes", "elsewhere": "bytes"} {
		if told[name] != unit {
			t.Errorf("%s is told in %q, want %q", name, told[name], unit)
		}
	}
	if len(told) != 10 {
		t.Errorf("told %v, want ten measures; two did not come about", told)
	}
}

func TestWhatIsWrongWithMeasures(t *testing.T) {
	for _, test := range []struct{ rest, mistake string }{
		{"measure:\n  m: {from: a}\n", "want from and to: the steps, procedures or facts between which it measures"},
		{"measure:\n  m: {from: a, to: nowhere}\n", `no step, procedure or fact "nowhere"; the nearest of 25 are answered, booted, leader, phase`},
		{"measure:\n  m: {from: a, to: lit, bytes: desk}\n", `no segment "desk"; there are lan, management`},
		{"measure:\n  m: {from: a, to: lit, bytes: lan, operations: desk}\n", "want operations or bytes, have both; write two measures"},
		{"measure:\n  m: {from: a, to: lit, bytes: lan}\nexpect:\n  - {measured: m, at_most: 5}\n",
			"m counts bytes; want a size such as 64MiB, have 5"},
		{"measure:\n  m: {from: a, to: lit}\nexpect:\n  - {measured: m, at_most: 5MB}\n",
			"m is a time; want one such as 90s, have 5MB"},
		{"measure:\n  m: {from: a, to: lit}\nexpect:\n  - {measured: l}\n", `no measure "l"; the only one is m`},
		{"measure:\n  m: {from: a, to: lit}\nexpect:\n  - {measured: m, at_least: 5}\n", "m is a time; want one such as 90s, have 5"},
		{"measure:\n  m: {from: a, to: lit, operations: desk}\nexpect:\n  - {measured: m, at_least: 5s}\n",
			"m counts operations; want a number, have 5s"},
		{"measure:\n  m: {from: a, to: lit}\nexpect:\n  - {measured: m, at_least: 5s, at_most: 4s}\n",
			"want at_least not above at_most, have 5s and 4s"},
		{"measure:\n  m: {from: a, to: lit}\nexpect:\n  - {measured: m, at_most: -4s}\n",
			`want a time such as 90s, a size such as 64MiB or a number of operations, have "-4s"`},
	} {
		cat := &Catalogue{Kinds: lampCatalogue.Kinds, Claims: expect.Forms()}
		_, err := Parse("worked", []byte(worked+"timeline:\n  - {at: 1s, step: a}\n"+test.rest), cat)
		m, _ := err.(*Mistakes)
		if m == nil || len(m.List) != 1 || m.List[0].Message != test.mistake {
			t.Errorf("%s: %v, want %q", test.rest, err, test.mistake)
		}
	}
}
