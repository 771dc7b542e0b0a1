package scenarios

import (
	"slices"
	"testing"

	"firedrill/nodes"
	"firedrill/scenarios/expect"
	"firedrill/sim/virtual"
)

func TestAnswersAndWants(t *testing.T) {
	lit := "do: switch, machine: one, with: {to: lit}"
	red := "do: switch, machine: one, with: {to: red}"
	for _, test := range []struct {
		name     string
		timeline []string
		verdict  expect.Verdict
		has      []string
	}{
		{"ok", []string{"at: 2s, " + lit + ", want: ok"}, expect.Pass, nil},
		{"not ok", []string{"at: 2s, " + red + ", want: ok, step: a"}, expect.Violation,
			[]string{"breach: step a, do: switch, machine: one, with: {to: red}: want ok, have 403, reason: no-such-colour"}},
		{"refused", []string{"at: 2s, " + red + ", want: refused"}, expect.Pass, nil},
		{"not refused", []string{"at: 2s, " + lit + ", want: refused"}, expect.Violation, []string{"want refused, have 200, light: lit"}},
		{"nothing wanted, and ok", []string{"at: 2s, " + lit}, expect.Pass, nil},
		{"nothing wanted, and refused", []string{"at: 2s, " + red + ", step: a"}, expect.Vacuous,
			[]string{"missed: step a: want ok, have 403, reason: no-such-colour"}},
		{"a breakdown is neither ok nor refused", []string{"at: 2s, do: break, machine: one, want: [ok, refused, failed]"},
			expect.Violation,
			[]string{"want ok or refused or failed, have 500"}},
		{"but it has a status", []string{"at: 2s, do: break, machine: one, want: {status: 500}"}, expect.Pass, nil},
		{"fields", []string{"at: 2s, " + red + ", want: {status: 403, reason: no-such-colour}"}, expect.Pass, nil},
		{"one field is wrong", []string{"at: 2s, " + red + ", want: {status: 403, reason: no-bulb}"}, expect.Violation,
			[]string{"want {status: 403, reason: no-bulb}, have 403"}},
		{"a field of the answer, and a warning", []string{"at: 2s, " + lit + ", want: {light: lit, warning: hot}"}, expect.Pass, nil},
		{"any of a list", []string{"at: 2s, " + red + ", want: [ok, {reason: no-such-colour}]"}, expect.Pass, nil},
		{"none of a list", []string{"at: 2s, " + red + ", want: [ok, {reason: no-bulb}]"}, expect.Violation, nil},
		{"failed", []string{"at: 2s, power_off: one", "then: 1s, " + lit + ", want: failed"}, expect.Pass, nil},
		{"not failed", []string{"at: 2s, " + lit + ", want: failed"}, expect.Violation, []string{"want failed, have 200"}},
		{"operators are cut off too", []string{"at: 2s, cut: management, to: one", "then: 1s, " + lit + ", want: failed"},
			expect.Pass, nil},
		{"no answer by the end", []string{"at: 2s, do: hang, machine: one, want: ok"}, expect.Violation,
			[]string{"want ok, have no answer by the end of the run"}},
		{"an answer after the end of the drill", []string{"at: 2s, pause: one", "then: 1m50s, " + lit + ", want: ok, step: a"}, expect.Pass, nil},
		{"retry until it is as wanted", []string{"at: 2s, crash: one", "then: 0s, " + lit + ", retry: 10s, want: ok, step: a",
			"then: 25s, restart: one",
			"after: answered, of: a, step: b"}, expect.Pass, []string{"32s b:"}},

		{"a probe of the kind's", []string{"at: 2s, " + lit, "then: 1s, probe: state, machine: one, want: lit"}, expect.Pass, nil},
		{"that finds something else", []string{"at: 2s, probe: state, machine: one, want: lit"}, expect.Violation,
			[]string{"want lit, have dark"}},
		{"within", []string{"at: 2s, probe: state, machine: one, want: lit, within: 10s", "then: 5s, " + lit}, expect.Pass, nil},
		{"not within", []string{"at: 2s, probe: state, machine: one, want: lit, within: 10s, step: a", "then: 15s, " + lit},
			expect.Violation, []string{"within: 10s: want lit, have dark"}},
		{"for", []string{"at: 2s, probe: state, machine: one, want: dark, for: 10s", "then: 15s, " + lit}, expect.Pass, nil},
		{"not for so long", []string{"at: 2s, probe: state, machine: one, want: dark, for: 10s", "then: 5s, " + lit}, expect.Violation,
			[]string{"for: 10s: want dark, have lit"}},
		{"within, and then for", []string{"at: 2s, probe: state, machine: one, want: lit, for: 10s, within: 20s", "then: 5s, " + lit,
			"then: 3s, do: switch, machine: one, with: {to: dark}", "then: 3s, " + lit}, expect.Pass, nil},
		{"within, and not for", []string{"at: 2s, probe: state, machine: one, want: lit, for: 10s, within: 4s", "then: 2s, " + lit,
			"then: 5s, do: switch, machine: one, with: {to: dark}"}, expect.Violation, []string{"want lit, have dark"}},
		{"up", []string{"at: 2s, probe: up, machine: one, want: up"}, expect.Pass, nil},
		{"down", []string{"at: 2s, crash: one", "then: 1s, probe: up, machine: one, want: down"}, expect.Pass, nil},
		{"not down", []string{"at: 2s, probe: up, machine: one, want: down"}, expect.Violation, []string{"want down, have up"}},
		{"owner", []string{"at: 2s, probe: owner, with: {address: 10.0.0.1}, want: one"}, expect.Pass, nil},
		{"no owner", []string{"at: 2s, power_off: one", "then: 1s, probe: owner, with: {address: 10.0.0.1}, want: nobody"}, expect.Pass,
			nil},
		{"another owner", []string{"at: 2s, probe: owner, with: {address: 10.0.0.2}, want: one"}, expect.Violation,
			[]string{"want one, have two"}},
		{"access: all", []string{"at: 2s, probe: access, machine: one, want: read-write"}, expect.Pass, nil},
		{"access: reading", []string{"at: 2s, " + lit, "then: 1s, probe: access, machine: one, want: read-only"}, expect.Pass, nil},
		{"access: nothing", []string{"at: 2s, crash: one", "then: 1s, probe: access, machine: one, want: none"}, expect.Pass, nil},
		{"access: not all", []string{"at: 2s, " + lit, "then: 1s, probe: access, machine: one, want: read-write"}, expect.Violation,
			[]string{"want read-write, have read-only (put: 403"}},

		{"put and get", []string{"at: 2s, put: /data/x, from: desk, want: ok, step: first",
			"then: 1s, get: /data/x, from: desk, want: {by: one, wrote: first}"}, expect.Pass, nil},
		{"another step wrote it", []string{"at: 2s, put: /data/x, from: desk, step: first",
			"then: 1s, put: /data/x, from: desk, step: second",
			"then: 1s, get: /data/x, from: desk, want: {wrote: first}"}, expect.Violation, []string{"want {wrote: first}, have 200 by one, wrote: second"}},
		{"another machine served it", []string{"at: 2s, put: /data/x, from: desk, to: two, want: {by: one}"}, expect.Violation,
			[]string{"want {by: one}, have 201 by two"}},
		{"put refused", []string{"at: 2s, " + lit, "then: 1s, put: /data/x, from: desk, want: refused"}, expect.Pass, nil},
		{"put failed", []string{"at: 2s, crash: one", "then: 1s, put: /data/x, from: desk, want: failed"}, expect.Pass, nil},
		{"nothing wanted, and not put", []string{"at: 2s, crash: one", "then: 1s, put: /data/x, from: desk, step: a"}, expect.Vacuous,
			[]string{"missed: step a: want ok, have no answer"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			wants(t, lampDrill(t, test.timeline...).Play(virtual.New(1), lampCatalogue), test.verdict, test.has)
		})
	}
}

// A want names whoever answers by its machine or by the role that it has.
func TestWantedBy(t *testing.T) {
	r := reply{word: wordOK, role: "active", field: func(string) string { return "nas-b" }}
	for by, want := range map[string]bool{"nas-b": true, "active": true, "nas-a": false, "standby": false} {
		one := WantOne{Fields: []nodes.Attr{{Key: "by", Value: by}}}
		if have := one.met(r); have != want {
			t.Errorf("by: %s is met: %v, want %v", by, have, want)
		}
	}
}

// Two answers that are not as wanted are two claims: each has its step's name.
func TestWantsAreToldByTheirSteps(t *testing.T) {
	o := lampDrill(t, "at: 2s, probe: state, machine: one, want: lit, step: a", "then: 1s, probe: state, machine: one, want: lit, step: b").
		Play(virtual.New(1), lampCatalogue)
	var have []string
	for _, c := range o.Claims {
		if c.Name == "want" {
			have = append(have, c.Text)
		}
	}
	if want := []string{"want: a", "want: b"}; !slices.Equal(have, want) {
		t.Errorf("want %q, have %q", want, have)
	}
}
