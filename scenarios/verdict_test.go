package scenarios

import (
	"slices"
	"testing"

	"firedrill/faults"
	"firedrill/scenarios/expect"
	"firedrill/sim/virtual"
)

// TestEveryFaultChangesAVerdict plays a drill with each fault and without it: without it the run passes.
func TestEveryFaultChangesAVerdict(t *testing.T) {
	put := []string{"then: 1s, put: /data/x, from: desk, want: ok", "then: 15s"}
	up := []string{"then: 1s, probe: up, machine: one, want: up", "then: 10s"}
	type drill struct {
		before []string
		fault  string
		after  []string
	}
	drills := map[string]drill{
		"cut":        {nil, "at: 5s, cut: lan", put},
		"refuse":     {nil, "at: 5s, refuse: lan", put},
		"degrade":    {nil, "at: 5s, degrade: lan, latency: 20s", put},
		"hold":       {nil, "at: 5s, hold: lan", put},
		"split":      {nil, "at: 5s, split: lan, into: [[one, two], desk]", put},
		"unplug":     {nil, "at: 5s, unplug: lan, machine: one", put},
		"power_off":  {nil, "at: 5s, power_off: one", up},
		"crash":      {nil, "at: 5s, crash: one", up},
		"pause":      {nil, "at: 5s, pause: one", up},
		"freeze":     {nil, "at: 5s, freeze: one", up},
		"suspend":    {nil, "at: 5s, suspend: one", up},
		"break_disk": {nil, "at: 5s, break_disk: one, how: full", put},
		"step_clock": {nil, "at: 5s, step_clock: one, offset: 13h", []string{"then: 1s, probe: clock, machine: one, want: morning"}},
		"drift_clock": {nil, "at: 5s, drift_clock: one, drift: -500000ppm", []string{"then: 1s, do: copy, machine: one",
			"after: sync, done: 100%", "at: 20s"}},
		"replace_disk": {[]string{"at: 2s, put: /data/kept, from: desk, want: ok", "then: 1s, power_off: one"},
			"at: 5s, replace_disk: one, how: empty", []string{"then: 1s, boot: one", "then: 5s, get: /data/kept, from: desk, want: {status: 200}"}},
		"disturb": {nil, "at: 5s, disturb: lan, with: crash, every: 4s, for: 30s", []string{
			"then: 0s, put: /data/x, from: desk, want: ok, every: 1s, times: 30"}},
	}
	for _, v := range faults.All() {
		if v.Undoing {
			continue
		}
		d, there := drills[v.Verb]
		if !there {
			t.Errorf("%s changes no verdict here", v.Verb)
			continue
		}
		with := lampDrill(t, slices.Concat(d.before, []string{d.fault}, d.after)...).Play(virtual.New(1), lampCatalogue)
		without := lampDrill(t, slices.Concat(d.before, []string{"at: 5s"}, d.after)...).Play(virtual.New(1), lampCatalogue)
		if with.Verdict == expect.Pass || without.Verdict != expect.Pass {
			t.Errorf("%s: %s with it and %s without\n%s\n%s", v.Verb, with.Verdict, without.Verdict, summary(with), summary(without))
		}
		for _, e := range with.Run.Faults {
			if !e.Undoing && !e.Hit() && !e.Chance {
				t.Errorf("%s hit nothing", e.Fault)
			}
		}
	}
}

func TestReplacedDisksInAScenario(t *testing.T) {
	for _, test := range []struct {
		disk    string
		get     string
		verdict expect.Verdict
	}{
		{"at: 10s, replace_disk: one, how: earlier-copy, as_of: full", "{status: 200}", expect.Pass},
		{"at: 10s, replace_disk: one, how: earlier-copy, as_of: blank", "{status: 404}", expect.Pass},
		{"at: 10s, replace_disk: two, how: empty", "{status: 200}", expect.Vacuous}, // Two is on: nobody changes its disk.
	} {
		o := lampDrill(t, "at: 2s, step: blank", "then: 1s, put: /data/kept, from: desk, want: ok", "then: 1s, step: full",
			"then: 1s, power_off: one", test.disk, "then: 1s, boot: one",
			"then: 5s, get: /data/kept, from: desk, want: "+test.get).Play(virtual.New(1), lampCatalogue)
		if o.Verdict != test.verdict {
			t.Errorf("%s: %s, want %s\n%s", test.disk, o.Verdict, test.verdict, summary(o))
		}
	}
}
