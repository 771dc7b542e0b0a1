//go:build linux

package kernel

import (
	"regexp"
	"testing"

	"golang.org/x/sys/unix"

	"firedrill/sim"
)

// Whoever reads the log of a machine alone sees what befell it, when, and what its program wrote before and after.
func TestLogTellsWhatBefell(t *testing.T) {
	const up = `=== T sh -c echo up; while :; do sleep 0\.01; done\nup\n`
	h := newShop(t, script("echo up; while :; do sleep 0.01; done"), script("echo up; exec sleep 100"))
	h.must(h.AddMachine(sim.MachineSpec{Name: "spare", Off: true, Kind: programKind, Config: new(script("exit 3")),
		Interfaces: []sim.Interface{{Segment: "lan", Address: prefix("10.0.0.9/24")}}}))
	h.says("one", "up", 1)
	h.says("two", "up", 1)
	m := h.Machine("one")
	starts := 1
	for _, act := range []func(sim.Machine) bool{sim.Machine.Pause, sim.Machine.Resume, sim.Machine.Freeze, sim.Machine.Thaw, sim.Machine.Crash,
		func(m sim.Machine) bool { return m.Restart(nil) }, sim.Machine.PowerOff, func(m sim.Machine) bool { return m.Boot(nil) }} {
		if !act(m) {
			t.Fatalf("an act has no effect:\n%s", h.story())
		}
		if m.State() == sim.StateUp && h.noted("one", sim.FactBooted)+h.noted("one", sim.FactRestarted) > starts {
			starts++
			h.says("one", "up", starts)
		}
	}
	h.must(unix.Kill(m.(*machine).process.cmd.Process.Pid, unix.SIGKILL))
	h.until("its end", func() bool { return m.State() == sim.StateCrashed })
	m.PowerOff()
	h.Machine("spare").Boot(nil)
	h.endOf("spare", 1)
	h.must(h.Close())
	for name, want := range map[string]string{
		"one": `=== T booted\n` + up + `=== T paused\n=== T resumed\n=== T frozen\n=== T thawed\n=== T killed \(software crash\)\n` +
			`=== T restarted\n` + up + `=== T power cut\n=== T booted\n` + up + `=== T its process ended from outside\n=== T power cut\n`,
		"two": `=== T booted\n=== T sh -c echo up; exec sleep 100\nup\n=== T the drill is over, and it is asked to end by TERM\n` +
			`=== T signal: terminated\n`,
		"spare": `=== T booted\n=== T sh -c exit 3\n=== T exit status 3\n`,
	} {
		pattern := regexp.MustCompile("^" + regexp.MustCompile(`\bT\b`).ReplaceAllString(want, `[0-9]+\.[0-9]{3}s`) + "$")
		if have := string(h.Logs()[name]); !pattern.MatchString(have) {
			t.Errorf("the log of %s is\n%s\nwant\n%s", name, have, pattern)
		}
	}
	if _, has := h.Logs()["visitor"]; has {
		t.Error("a machine without a program has a log")
	}
}
