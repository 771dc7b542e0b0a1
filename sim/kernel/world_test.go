//go:build linux

package kernel

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"

	"firedrill/nodes"
	"firedrill/sim"
	"firedrill/sim/kernel/room"
)

func ready(h *hall, machine string, n int) func() bool {
	return func() bool { return h.noted(machine, nodes.FactReady) == n }
}

// Each way to stop software leaves what it is to leave, and each way back finds that.
func TestWaysToStop(t *testing.T) {
	for _, x := range []struct {
		name      string
		stop      func(sim.Machine) bool
		state     sim.State
		back      func(sim.Machine) bool
		unsynced  bool // is there before the way back
		refuses   string
		addresses int
	}{
		{"crash", sim.Machine.Crash, sim.StateCrashed, func(m sim.Machine) bool { return m.Restart(nil) }, true, "connection refused", 1},
		{"power off", sim.Machine.PowerOff, sim.StateOff, func(m sim.Machine) bool { return m.Boot(nil) }, false, "timeout", 0},
	} {
		t.Run(x.name, func(t *testing.T) {
			h := newHall(t, "one", "two")
			m := h.Machine("one")
			h.until("both", func() bool { return ready(h, "one", 1)() && ready(h, "two", 1)() })
			if have := h.ask("10.0.0.1", "hi"); have != "hello from one, start 1" {
				t.Errorf("answers %q", have)
			}
			if !x.stop(m) || x.stop(m) || m.State() != x.state {
				t.Errorf("is %s, want %s, once", m.State(), x.state)
			}
			_, err := m.Disk().Fs(nil).Stat("/unsynced")
			if (err == nil) != x.unsynced {
				t.Errorf("what was not synced is there: %v", err == nil)
			}
			if n := len(m.Addresses("lan")); n != x.addresses {
				t.Errorf("has %d addresses, want %d", n, x.addresses)
			}
			ticks := h.noted("one", "tick")
			h.until("its "+x.refuses, func() bool { // What is killed has its sockets for a moment.
				return strings.Contains(h.ask("10.0.0.1", "hi"), x.refuses)
			})
			if h.noted("one", "tick") != ticks {
				t.Error("its software goes on")
			}
			if have := h.ask("10.0.0.2", "hi"); have != "hello from two, start 1" {
				t.Errorf("the other machine says %q", have)
			}
			if !x.back(m) || x.back(m) {
				t.Error("does not come back, or twice")
			}
			h.until("its return", ready(h, "one", 2))
			if have := h.ask("10.0.0.1", "hi"); have != "hello from one, start 2" {
				t.Errorf("answers %q after its return", have)
			}
		})
	}
}

// Software ends by itself in several ways, and the trace says which.
func TestEndsByItself(t *testing.T) {
	for word, x := range map[string]struct {
		fact, value string
		state       sim.State
	}{
		"panic":    {sim.FactPanicked, "as told", sim.StateStopped},
		"break":    {sim.FactPanicked, "fatal error: sync: unlock of unlocked mutex", sim.StateStopped},
		"overflow": {sim.FactPanicked, "fatal error: stack overflow", sim.StateStopped},
		"stray":    {sim.FactPanicked, "panic: a goroutine of nobody's", sim.StateStopped},
		"give up":  {sim.FactPanicked, "its process ended with exit status 3", sim.StateStopped},
		"stop":     {sim.FactStopped, "as told", sim.StateStopped},
		"halt":     {sim.FactPoweredOff, "", sim.StateOff},
	} {
		t.Run(word, func(t *testing.T) {
			h := newHall(t, "one")
			h.until("it", ready(h, "one", 1))
			h.ask("10.0.0.1", word)
			h.until("its end", func() bool { return h.noted("one", x.fact) == 1 })
			if m := h.Machine("one"); m.State() != x.state {
				t.Errorf("is %s, want %s", m.State(), x.state)
			}
			for _, e := range h.Trace().Events() {
				if e.Name == x.fact && e.Value != x.value {
					t.Errorf("%s says %q, want %q", e.Name, e.Value, x.value)
				}
			}
			if h.noted("one", sim.FactCrashed) != 0 || strings.Contains(h.Doubt(), "ended") {
				t.Errorf("is said to have crashed, in doubt: %q\n%s", h.Doubt(), h.story())
			}
		})
	}
}

// A paused process still has a kernel that answers; a frozen machine has not, and a suspended one has lost no uptime.
func TestStandsStill(t *testing.T) {
	for _, x := range []struct {
		name        string
		hold, leave func(sim.Machine) bool
		state       sim.State
		uptime      bool // goes on
	}{
		{"pause", sim.Machine.Pause, sim.Machine.Resume, sim.StatePaused, true},
		{"freeze", sim.Machine.Freeze, sim.Machine.Thaw, sim.StateFrozen, true},
		{"suspend", sim.Machine.Suspend, sim.Machine.Wake, sim.StateSuspended, false},
	} {
		t.Run(x.name, func(t *testing.T) {
			h := newHall(t, "one")
			m := h.Machine("one")
			h.until("some ticks", func() bool { return h.noted("one", "tick") > 2 })
			if !x.hold(m) || x.hold(m) || m.State() != x.state {
				t.Errorf("is %s, want %s, once", m.State(), x.state)
			}
			h.must(h.Run(h.Now() + 30*time.Millisecond))
			from, before := lastTick(h)
			ticks := h.noted("one", "tick")
			h.must(h.Run(h.Now() + 300*time.Millisecond))
			if n := h.noted("one", "tick") - ticks; n > 1 { // One may have been on its way.
				t.Errorf("ticks %d times while it stands still", n)
			}
			if !x.leave(m) || x.leave(m) || m.State() != sim.StateUp {
				t.Errorf("is %s after all", m.State())
			}
			h.until("more ticks", func() bool { return h.noted("one", "tick") > ticks+2 })
			to, after := lastTick(h)
			if lost := (to - from) - (after - before); (lost < 250*time.Millisecond) != x.uptime {
				t.Errorf("%v of uptime are lost", lost)
			}
			if have := h.ask("10.0.0.1", "hi"); have != "hello from one, start 1" {
				t.Errorf("answers %q", have)
			}
		})
	}
}

// lastTick is when software ticked last, and its uptime then.
func lastTick(h *hall) (at, uptime time.Duration) {
	for _, e := range h.Trace().Events() {
		if e.Name == "tick" {
			at = e.At
			uptime, _ = time.ParseDuration(e.Value)
		}
	}
	return at, uptime
}

// Whoever waits for a fact acts before the software goes on: what it does next is never done.
func TestAStepActsBeforeTheSoftwareGoesOn(t *testing.T) {
	h := newHall(t, "one")
	m := h.machine("one")
	m.Config = &beaconConfig{Address: "10.0.0.40/24"}
	h.OnFact(func(e sim.Event) bool { return e.Name == nodes.FactRole }, func(sim.Event) { m.PowerOff() })
	h.until("the role", func() bool { return h.noted("one", nodes.FactRole) == 1 })
	h.must(h.Run(h.Now() + 200*time.Millisecond))
	if h.noted("one", sim.FactAddressBound) != 0 || m.State() != sim.StateOff {
		t.Errorf("it went on:\n%s", h.story())
	}
}

// A step that waits for a transition and takes the power ends with a machine that is off, and boots again as any other.
func TestPowerGoesInATransition(t *testing.T) {
	for name, x := range map[string]struct {
		begin, act func(sim.Machine) bool
		fact       string
	}{
		"pause":   {nil, sim.Machine.Pause, sim.FactPaused},
		"suspend": {nil, sim.Machine.Suspend, sim.FactPaused},
		"thaw":    {sim.Machine.Freeze, sim.Machine.Thaw, sim.FactResumed},
		"crash":   {nil, sim.Machine.Crash, sim.FactCrashed},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHall(t, "one")
			m := h.machine("one")
			h.until("it", ready(h, "one", 1))
			if x.begin != nil {
				x.begin(m)
			}
			h.OnFact(func(e sim.Event) bool { return e.Name == x.fact }, func(sim.Event) { m.PowerOff() })
			if !x.act(m) || m.State() != sim.StateOff {
				t.Errorf("is %s, want %s", m.State(), sim.StateOff)
			}
			m.Boot(nil)
			h.until("its return", ready(h, "one", 2))
			ticks := h.noted("one", "tick")
			h.until("more ticks", func() bool { return h.noted("one", "tick") > ticks+1 })
		})
	}
}

// An address that software binds is the machine's until its power is lost, and whoever asks by ARP hears so.
func TestBoundAddress(t *testing.T) {
	h := newHall(t, "one", "two")
	for _, name := range []string{"one", "two"} {
		h.machine(name).Config = &beaconConfig{Greeting: name, Address: "10.0.0.40/24"}
	}
	shared := netip.MustParseAddr("10.0.0.40")
	h.until("both", func() bool { return ready(h, "one", 1)() && ready(h, "two", 1)() })
	who := func() string {
		var names []string
		over := false
		h.Machine("visitor").Who("lan", shared, 500*time.Millisecond, func(n []string) { names, over = n, true })
		h.until("ARP", func() bool { return over })
		if owners := h.Owners("lan", shared); len(owners) != len(names) {
			t.Errorf("answered by %v, owned by %v", names, owners)
		}
		return strings.Join(names, " ")
	}
	if have := who(); have != "one two" && have != "two one" {
		t.Errorf("answered by %q, want both", have)
	}
	h.Machine("one").Crash()
	if have := who(); !strings.Contains(have, "one") {
		t.Errorf("answered by %q: the kernel of crashed software keeps the address", have)
	}
	h.Machine("one").PowerOff()
	if have := who(); have != "two" {
		t.Errorf("answered by %q, want two alone", have)
	}
	h.Machine("two").Freeze()
	if have := who(); have != "" {
		t.Errorf("answered by %q, though it is frozen", have)
	}
}

// A clock that is stepped in the harness is stepped in the machine's process.
func TestSteppedClock(t *testing.T) {
	h := newHall(t, "one")
	h.until("it", ready(h, "one", 1))
	year := func() string {
		text := h.ask("10.0.0.1", "time")
		return text[:min(len(text), 4)]
	}
	if have := year(); have != "1767" { // 2026 begins at 1767225600.
		t.Errorf("it is %s", have)
	}
	h.Machine("one").Clock().Step(30 * 365 * 24 * time.Hour)
	h.until("the step", func() bool { return year() == "2713" })
}

// Changes of a clock act on the machine's process in their order, however close they are. However many there are, they wait for
// one that stands still, and the world does not.
func TestManyChangesOfAClock(t *testing.T) {
	const most = 5000 // More than a channel holds.
	for name, x := range map[string]struct {
		changes    int
		hold, free func(sim.Machine) bool
	}{
		"running":   {2, func(sim.Machine) bool { return true }, func(sim.Machine) bool { return true }},
		"paused":    {most, sim.Machine.Pause, sim.Machine.Resume},
		"frozen":    {most, sim.Machine.Freeze, sim.Machine.Thaw},
		"suspended": {most, sim.Machine.Suspend, sim.Machine.Wake},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHall(t, "one")
			h.until("it", ready(h, "one", 1))
			m := h.Machine("one")
			for round := 1; round <= 20; round++ {
				if !x.hold(m) {
					t.Fatal("it does not get into this state")
				}
				if name == "suspended" {
					h.until("its end of time", func() bool { return h.machine("one").process.held })
				}
				for range x.changes - 1 {
					m.Clock().Step(-time.Hour)
				}
				m.Clock().Step(time.Duration(x.changes) * time.Hour) // One is left.
				x.free(m)
				h.until(fmt.Sprintf("its clock to be %d hours ahead", round), func() bool {
					have, err := strconv.Atoi(h.ask("10.0.0.1", "time"))
					return err == nil && (have-1767571200)/3600 == round
				})
			}
		})
	}
}

// A machine that is off or stands still before it is up does nothing of what it was to do.
func TestOvertakenByItsOwner(t *testing.T) {
	for name, x := range map[string]struct {
		hold, free func(sim.Machine) bool
		runs       bool // after that
	}{
		"off":       {sim.Machine.PowerOff, func(m sim.Machine) bool { return m.Boot(nil) }, false},
		"paused":    {sim.Machine.Pause, sim.Machine.Resume, true},
		"frozen":    {sim.Machine.Freeze, sim.Machine.Thaw, true},
		"suspended": {sim.Machine.Suspend, sim.Machine.Wake, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHall(t)
			h.until("time", func() bool { return h.Now() > 0 })
			m, ran := h.Machine("visitor"), false
			if !m.PowerOff() || !m.Boot(nil) {
				t.Fatal("it does not boot")
			}
			m.Go("look", func(nodes.Env) { ran = true })
			if !x.hold(m) {
				t.Fatal("it does not get into this state")
			}
			h.must(h.Run(h.Now() + 100*time.Millisecond))
			if ran {
				t.Error("a task has run meanwhile")
			}
			if !x.free(m) {
				t.Fatal("it does not leave this state")
			}
			h.must(h.Run(h.Now() + 100*time.Millisecond))
			if ran != x.runs {
				t.Errorf("the task has run afterwards: %v, want %v", ran, x.runs)
			}
		})
	}
}

// Who is booted before the drill begins comes up once, with all others at its begin; so does a machine that was to be off.
func TestBootBeforeTheBegin(t *testing.T) {
	h := newHall(t, "one")
	h.must(h.AddMachine(sim.MachineSpec{Name: "spare", Kind: beaconKind, Config: &beaconConfig{}, Off: true,
		Interfaces: []sim.Interface{{Segment: "lan", Address: prefix("10.0.0.3/24")}}}))
	for _, name := range []string{"one", "spare", "visitor"} {
		if m := h.Machine(name); !m.Boot(nil) || m.Boot(nil) {
			t.Errorf("%s does not boot, or twice", name)
		}
	}
	h.until("both", func() bool { return ready(h, "one", 1)() && ready(h, "spare", 1)() })
	h.until("their time", func() bool { return h.noted("one", "tick") > 0 && h.noted("spare", "tick") > 0 })
	for _, e := range h.Trace().Events() {
		if up, err := time.ParseDuration(e.Value); e.Name == "tick" && (err != nil || up > e.At) {
			t.Errorf("%s is up for %s at %s", e.Machine, e.Value, e.At)
		}
	}
	if have := h.ask("10.0.0.1", "hi"); have != "hello from one, start 1" || h.noted("one", sim.FactBooted) != 1 {
		t.Errorf("answers %q:\n%s", have, h.story())
	}
}

// Who stands still before the drill begins does so until somebody lets it go on, and holds up nobody else.
func TestStandsStillBeforeTheBegin(t *testing.T) {
	for name, x := range map[string]struct{ hold, free func(sim.Machine) bool }{
		"paused":    {sim.Machine.Pause, sim.Machine.Resume},
		"frozen":    {sim.Machine.Freeze, sim.Machine.Thaw},
		"suspended": {sim.Machine.Suspend, sim.Machine.Wake},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHall(t, "one", "two")
			m := h.Machine("one")
			if !m.Boot(nil) || !x.hold(m) {
				t.Fatal("it does not get into this state")
			}
			begun := h.begins("one")
			h.until("the other", ready(h, "two", 1))
			begun()
			if n := h.noted("one", nodes.FactReady); n != 0 || !x.free(m) {
				t.Errorf("is ready %d times, or does not leave this state", n)
			}
			h.until("it", ready(h, "one", 1))
		})
	}
}

// A machine can lose power at any moment of its coming up, and its software crash before: it leaves no process and no mount, and
// comes up again.
func TestPowerGoesInABoot(t *testing.T) {
	h := newHall(t, "one")
	h.until("it", ready(h, "one", 1))
	m := h.Machine("one")
	for after := range 20 {
		if !m.PowerOff() || !m.Boot(nil) {
			t.Fatal("it does not boot")
		}
		h.must(h.Run(h.Now() + time.Duration(after)*time.Millisecond))
		if after%2 == 0 {
			m.Crash()
		}
	}
	was := h.noted("one", nodes.FactReady)
	m.PowerOff()
	m.Boot(nil)
	h.until("its return", ready(h, "one", was+1))
	h.must(h.Close())
	if n := processes(); n != 0 {
		t.Errorf("%d processes are left", n)
	}
	if left, err := os.ReadDir(room.Store); err != nil || len(left) > 0 {
		t.Errorf("of its boots is left: %v %v", left, err)
	}
}

// A machine whose process is killed by somebody else has crashed, and says what it wrote last.
func TestKilledFromOutside(t *testing.T) {
	h := newHall(t, "one")
	h.until("it", ready(h, "one", 1))
	if why := h.Doubt(); strings.Contains(why, "outside") {
		t.Errorf("in doubt before that: %s", why)
	}
	if err := h.machine("one").process.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	h.until("the crash", func() bool { return h.Machine("one").State() == sim.StateCrashed })
	if why := h.Doubt(); !strings.Contains(why, "something outside of the drill ended the process of one") {
		t.Errorf("the run is in doubt: %q", why)
	}
	if !h.Machine("one").Restart(nil) {
		t.Error("cannot be started again")
	}
	h.until("its return", ready(h, "one", 2))
	if _, err := afero.ReadFile(h.Machine("one").Disk().Fs(nil), "/unsynced"); err != nil {
		t.Errorf("a crash loses what its kernel had: %v", err)
	}
}

// A process that gives up says why, and its last word is in the trace, though it may take longer to arrive than its end.
func TestLastWords(t *testing.T) {
	h := newHall(t, "one")
	h.until("it", ready(h, "one", 1))
	tail := &h.machine("one").process.tail
	tail.mu.Lock() // What it writes does not get on until then.
	time.AfterFunc(200*time.Millisecond, tail.mu.Unlock)
	h.ask("10.0.0.1", "give up")
	h.until("its end", func() bool { return h.Machine("one").State() == sim.StateStopped })
	for _, e := range h.Trace().Events() {
		if e.Name == sim.FactPanicked && (len(e.Attrs) != 1 || !strings.HasSuffix(e.Attrs[0].Value, "because last words\n")) {
			t.Errorf("it says %s", e.Attrs)
		}
	}
}

// Worlds are played side by side, with machines of the same names, and each machine has a disk of its own.
func TestSideBySide(t *testing.T) {
	a, b := newHall(t, "one"), newHall(t, "one")
	for _, h := range []*hall{a, b} {
		h.until("it", ready(h, "one", 1))
	}
	if !a.Machine("one").Crash() || !a.Machine("one").Restart(nil) {
		t.Fatal("cannot be started again")
	}
	a.until("its return", ready(a, "one", 2))
	for _, x := range []struct {
		*hall
		want string
	}{{a, "hello from one, start 2"}, {b, "hello from one, start 1"}} {
		if have := x.ask("10.0.0.1", "hi"); have != x.want {
			t.Errorf("answers %q, want %q", have, x.want)
		}
	}
}
