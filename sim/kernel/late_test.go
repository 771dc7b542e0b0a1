//go:build linux

package kernel

import (
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"firedrill/nodes"
	"firedrill/sim"
)

// A machine whose process the system does not let run is late, and so is the world: what happened shows nothing. One that the
// drill pauses is not late, however long that takes.
func TestLateMachine(t *testing.T) {
	const kept = 2 * time.Second // Longer than this system is late by itself.
	keep := func(_ *hall, m *machine) error { return unix.Kill(m.process.cmd.Process.Pid, unix.SIGSTOP) }
	let := func(_ *hall, m *machine) error { return unix.Kill(m.process.cmd.Process.Pid, unix.SIGCONT) }
	pause := func(_ *hall, m *machine) error { m.Pause(); return nil }
	resume := func(_ *hall, m *machine) error { m.Resume(); return nil }
	for name, x := range map[string]struct {
		stop, leave func(*hall, *machine) error
		late        bool
	}{
		"kept from running": {
			keep, let, true},
		"paused": {pause, resume, false},
		"kept from running after a longer pause": {func(h *hall, m *machine) error {
			return errors.Join(pause(h, m), h.Run(h.Now()+kept+time.Second), resume(h, m), h.Run(h.Now()+5*lookEvery), keep(h, m))
		}, let, true},
	} {
		for kind, open := range map[string]func(*hall){
			"node": func(h *hall) {
				h.must(h.AddMachine(sim.MachineSpec{Name: "one", Kind: beaconKind, Config: &beaconConfig{},
					Interfaces: []sim.Interface{{Segment: "lan", Address: prefix("10.0.0.1/24")}}}))
			},
			"program": func(h *hall) { h.open("one", 1, script("exec sleep 100"), sim.DiskSpec{}) },
		} {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				h := newHall(t)
				open(h)
				h.until("it", func() bool { return h.noted("one", nodes.FactReady) == 1 })
				h.must(x.stop(h, h.machine("one")))
				h.must(h.Run(h.Now() + kept))
				h.must(x.leave(h, h.machine("one")))
				if x.late {
					h.until("the world to be late", func() bool { return h.Slack() > kept-2*lookEvery })
				} else {
					h.must(h.Run(h.Now() + 5*lookEvery))
				}
				if late := h.Slack() > kept/2; late != x.late || x.late && !strings.Contains(h.Doubt(), "the world was late by") {
					t.Errorf("late by %s, and in doubt: %q", h.Slack(), h.Doubt())
				}
			})
		}
	}
}

// The harness is late where it has no time for what is due, though nothing is due but that it looks.
func TestLateHarness(t *testing.T) {
	const kept = 2 * time.Second
	h := newHall(t)
	h.must(h.Run(50 * time.Millisecond))
	time.Sleep(kept) // The world is the test's.
	if h.Slack() > kept/2 {
		t.Fatalf("late by %s before it could see that", h.Slack())
	}
	h.until("the world to be late", func() bool { return h.Slack() > kept-2*lookEvery })
}
