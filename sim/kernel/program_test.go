//go:build linux

package kernel

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"firedrill/nodes"
	"firedrill/sim"
	"firedrill/sim/kernel/room"
	"firedrill/sim/kernel/supervisor"
)

var programKind = &nodes.Kind{Name: "program", Config: func() any { return new(nodes.Program) },
	Program: func(config any) nodes.Program { return *config.(*nodes.Program) }}

// script is a program of the shell.
func script(text string) nodes.Program { return nodes.Program{Command: []string{"sh", "-c", text}} }

// newShop is a world of machines with programs, named one, two and three, and a visitor.
func newShop(t *testing.T, programs ...nodes.Program) *hall {
	t.Helper()
	h := newHall(t)
	for i, p := range programs {
		h.open([]string{"one", "two", "three"}[i], i+1, p, sim.DiskSpec{})
	}
	return h
}

// open adds a machine.
func (h *hall) open(name string, n int, p nodes.Program, disk sim.DiskSpec) {
	h.t.Helper()
	h.must(h.AddMachine(sim.MachineSpec{Name: name, Kind: programKind, Config: &p, Disk: disk,
		Interfaces: []sim.Interface{{Segment: "lan", Address: prefix(fmt.Sprintf("10.0.0.%d/24", n))}}}))
}

// lines are those that a machine's program has written, as far as they were told.
func (h *hall) lines(machine string) []string {
	var all []string
	for _, e := range h.Trace().Events() {
		if e.Machine == machine && e.Name == sim.FactLogLine {
			all = append(all, e.Value)
		}
	}
	return all
}

// says waits until a line with this text has come so many times.
func (h *hall) says(machine, text string, times int) {
	h.t.Helper()
	h.until(fmt.Sprintf("%q of %s", text, machine), func() bool {
		n := 0
		for _, line := range h.lines(machine) {
			if strings.Contains(line, text) {
				n++
			}
		}
		return n >= times
	})
}

// at is when a machine noted a fact first.
func (h *hall) at(machine, name, value string) time.Duration {
	h.t.Helper()
	for _, e := range h.Trace().Events() {
		if e.Machine == machine && e.Name == name && e.Value == value {
			return e.At
		}
	}
	h.t.Fatalf("%s never noted %s %s:\n%s", machine, name, value, h.story())
	return 0
}

// value is that of the last fact of this name.
func (h *hall) value(machine, name string) string {
	value := ""
	for _, e := range h.Trace().Events() {
		if e.Machine == machine && e.Name == name {
			value = e.Value
		}
	}
	return value
}

// endOf waits for the end of a program, and returns what it was.
func (h *hall) endOf(machine string, times int) string {
	h.t.Helper()
	h.until("its end", func() bool { return h.noted(machine, sim.FactStopped) == times })
	return h.value(machine, sim.FactStopped)
}

// close closes the world and returns what a machine's programs wrote.
func (h *hall) close(machine string) string {
	h.t.Helper()
	h.must(h.Close())
	return string(h.Logs()[machine])
}

// processes are all that there are in the tree, but for this one.
func processes() int {
	all, _ := filepath.Glob("/proc/[0-9]*")
	return len(all) - 1
}

// A program finds the names of the world and its files, is root, and what it writes is told and kept.
func TestProgram(t *testing.T) {
	p := script("hostname; id -u; grep -c 10.0.0.2 /etc/hosts; cat /etc/hostname /etc/deep/down/file; pwd; echo $HOME $WORD; " +
		"echo an error >&2; sleep 0.1; exit 3")
	p.Files = map[string]string{"/etc/deep/down/file": "a file\n"}
	p.Environment = map[string]string{"WORD": "a word"}
	h := newShop(t, p, script("exec sleep 100"))
	if have := h.endOf("one", 1); have != "exit status 3" {
		t.Errorf("it ended with %q", have)
	}
	const want = "one 0 1 one a file /srv /run/home a word an error"
	if have := strings.Join(h.lines("one"), " "); have != want {
		t.Errorf("it says %q, want %q", have, want)
	}
	if h.noted("one", nodes.FactReady) != 1 || h.noted("two", nodes.FactReady) != 1 {
		t.Errorf("want one ready each:\n%s", h.story())
	}
	if text := h.close("one"); !regexp.MustCompile(`\nan error\n=== (0\.[1-9]|[1-9])[0-9.]*s exit status 3\n`).MatchString(text) {
		t.Errorf("its log has\n%s", text)
	}
}

// A program is ready when it shows what it is to show, once after each start, and not for what an earlier start has
// left.
func TestReady(t *testing.T) {
	const show = "sleep 0.2; echo now; echo up > /run/up; echo now; exec sleep 100"
	listen := actor("wait 200ms", "listen 10.0.0.1:8080")
	for name, x := range map[string]struct {
		program nodes.Program
		ready   nodes.Ready
		shows   string // the line before which it is not ready; "": it is at once
	}{
		"at start": {script(show), nodes.Ready{}, ""},
		"log":      {script(show), nodes.Ready{Log: "no"}, "now"},
		"file":     {script(show), nodes.Ready{File: "/run/up"}, "now"},
		"command":  {script("rm -f /run/up; " + show), nodes.Ready{Command: []string{"test", "-s", "/run/up"}}, "now"},
		"port":     {listen, nodes.Ready{Port: 8080}, "wait 200ms <nil>"},
	} {
		t.Run(name, func(t *testing.T) {
			x.program.Ready = x.ready
			h := newShop(t, x.program)
			h.until("it", ready(h, "one", 1))
			if x.shows == "" {
				return
			}
			h.must(h.Run(h.Now() + 50*time.Millisecond))
			if at, shown := h.at("one", nodes.FactReady, ""), h.at("one", sim.FactLogLine, x.shows); at < shown {
				t.Errorf("ready at %s, and shows it at %s", at, shown)
			}
			h.Machine("one").Crash()
			h.Machine("one").Restart(nil)
			h.says("one", x.shows, 2)
			before := h.noted("one", nodes.FactReady)
			h.until("it again", ready(h, "one", 2))
			h.must(h.Run(h.Now() + 250*time.Millisecond))
			if n := h.noted("one", nodes.FactReady); n != 2 || before == 2 && name == "file" {
				t.Errorf("ready %d times, want 2:\n%s", n, h.story())
			}
		})
	}
}

// What never becomes ready does not hold up the end, nor does a command that never says whether it is.
func TestNeverReady(t *testing.T) {
	for name, r := range map[string]nodes.Ready{"log": {Log: "nowhere"}, "port": {Port: 81}, "file": {File: "/run/nowhere"},
		"command": {Command: []string{"false"}}, "command that hangs": {Command: []string{"sleep", "100"}},
		"command that is not there": {Command: []string{"no-such-command"}}} {
		t.Run(name, func(t *testing.T) {
			p := script("echo up; exec sleep 100")
			p.Ready = r
			h := newShop(t, p)
			h.says("one", "up", 1)
			h.must(h.Run(h.Now() + 300*time.Millisecond))
			if h.noted("one", nodes.FactReady) != 0 || h.Machine("one").State() != sim.StateUp {
				t.Errorf("it is ready, or not up:\n%s", h.story())
			}
			if name == "command that is not there" {
				h.says("one", "no-such-command is not in /usr/local/sbin", 1)
			}
			begin := time.Now()
			h.must(h.Close())
			if took := time.Since(begin); took > 10*time.Second { // Of what would take 100.
				t.Errorf("the end took %s", took)
			}
		})
	}
}

// Each way in which a program ends, or cannot begin, is told in words; its machine lives on, and it can be started
// again.
func TestHowProgramsEnd(t *testing.T) {
	command := func(words ...string) nodes.Program { return nodes.Program{Command: words} }
	file := func(path, text string) nodes.Program {
		return nodes.Program{Command: []string{path}, Files: map[string]string{path: text}}
	}
	for name, x := range map[string]struct {
		program nodes.Program
		want    string
	}{
		"at once":     {command("true"), "exit status 0"},
		"status":      {script("exit 3"), "exit status 3"},
		"signal":      {script("kill -9 $$"), "signal: killed"},
		"breaks":      {script("kill -SEGV $$"), "broke by signal: segmentation fault"},
		"gives up":    {script("kill -ABRT $$"), "broke by signal: aborted"},
		"kills all":   {script("kill -9 -1; exit 7"), "exit status 7"},
		"script":      {file("/srv/program", "#!/bin/sh\nexit 5\n"), "exit status 5"},
		"not in path": {command("no-such-program"), "cannot be started: no-such-program is not in " + room.SearchPath},
		"not there":   {command("/opt/no/such"), "cannot be started: /opt/no/such: no such file or directory"},
		"hidden": {command("/tmp/mine"),
			"cannot be started: there is no /tmp/mine: of that folder a machine has one of its own"},
		"folder": {command("/usr"), "cannot be started: /usr: is a directory"},
		"not executable": {file("/srv/program", "text"), "cannot be started: /srv/program: permission denied: " +
			"of the files that a program brings only those that begin with #! can be run"},
		"no interpreter": {file("/srv/program", "#! /no/such -x\n"), `cannot be started: /srv/program: its interpreter "/no/such" is not there`},
		"of Windows":     {file("/srv/program", "#!/bin/sh\r\n"), `cannot be started: /srv/program: its interpreter "/bin/sh\r" is not there`},
		"not a program": {file("/srv/program", "#!\n"), "cannot be started: /srv/program: exec format error: " +
			"it is no program for this system, and no text that begins with #! and an interpreter"},
		"empty path": {nodes.Program{Command: []string{"true"}, Environment: map[string]string{"PATH": ""}},
			"cannot be started: true is not in PATH, which is empty"},
		"file in a file": {nodes.Program{Command: []string{"true"}, Files: map[string]string{"/etc/hosts/x": ""}},
			"cannot be started: file /etc/hosts/x: not a directory"},
		"closes its output": {script("exec >&- 2>&-; sleep 0.1; exit 4"), "exit status 4"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newShop(t, x.program)
			if have := h.endOf("one", 1); have != x.want {
				t.Errorf("it ends with %q, want %q", have, x.want)
			}
			m := h.Machine("one")
			if m.State() != sim.StateStopped || !m.Restart(nil) {
				t.Errorf("it is %s, or cannot be started again", m.State())
			}
			if have := h.endOf("one", 2); have != x.want {
				t.Errorf("it ends the second time with %q", have)
			}
			if h.noted("one", sim.FactCrashed) != 0 {
				t.Errorf("it is said to have crashed:\n%s", h.story())
			}
		})
	}
}

// What a program leaves behind when it ends is killed, whatever session it has fled to; what it leaves behind while it
// runs is reaped.
func TestNothingOutlivesAProgram(t *testing.T) {
	h := newShop(t, script(`
		flee() { setsid sh -c 'trap "" TERM HUP INT; (while :; do echo "$1" >> /srv/alive; sleep 0.02; done) &' - $1 & }
		flee a; flee b; (true &) ; (true &)
		sleep 0.3; cat /proc/[0-9]*/stat 2>/dev/null | grep ') Z 1 '; echo ends`)) // Zombies whose parent is the first process.
	h.says("one", "ends", 1)
	if n := len(h.lines("one")); n != 1 {
		t.Errorf("there are zombies: %v", h.lines("one"))
	}
	h.endOf("one", 1)
	h.until("their end", func() bool { return processes() == 0 })
	size := func() int64 {
		info, err := h.Machine("one").Disk().Fs(nil).Stat("/alive")
		h.must(err)
		return info.Size()
	}
	before := size()
	h.must(h.Run(h.Now() + 100*time.Millisecond))
	if size() != before {
		t.Error("somebody still writes")
	}
}

// At the end of the drill programs get their signal, all at once, and so long to obey it; who does not is killed, and
// its log says so. What they do then is no part of the drill.
func TestLeaving(t *testing.T) {
	polite := script("trap 'echo bye; ip addr add 10.0.0.50/24 dev lan; exit 0' INT; echo up; while :; do sleep 0.01; done")
	polite.StopSignal = "INT"
	deaf := script("trap '' TERM; echo up; while :; do sleep 0.01; done")
	for name, x := range map[string]struct {
		programs []nodes.Program
		least    time.Duration
		log      string
	}{
		"obey":   {[]nodes.Program{polite, polite}, 0, "bye\n==="},
		"ignore": {[]nodes.Program{deaf, deaf, deaf}, supervisor.Grace, "has not ended within 2s of TERM, and is killed\n==="},
	} {
		t.Run(name, func(t *testing.T) {
			h := newShop(t, x.programs...)
			for _, m := range []string{"one", "two", "three"}[:len(x.programs)] {
				h.says(m, "up", 1)
			}
			events, begin := len(h.Trace().Events()), time.Now()
			text := h.close("one")
			if took := time.Since(begin); took < x.least || took > x.least+3*time.Second {
				t.Errorf("the end took %s, want %s", took, x.least)
			}
			if !strings.Contains(text, x.log) {
				t.Errorf("want %q in the log, have\n%s", x.log, text)
			}
			if len(h.Trace().Events()) != events {
				t.Errorf("the drill goes on:\n%s", h.story())
			}
			if n := processes(); n != 0 {
				t.Errorf("%d processes are left", n)
			}
		})
	}
}

// What stands still hears no signal, and is not waited for.
func TestLeavingWhatStandsStill(t *testing.T) {
	h := newShop(t, script("echo up; exec sleep 100"))
	h.says("one", "up", 1)
	h.Machine("one").Pause()
	begin := time.Now()
	h.must(h.Close())
	if took := time.Since(begin); took > supervisor.Grace {
		t.Errorf("the end took %s", took)
	}
}

// A crash leaves what its kernel had: addresses, the page cache, files in memory. A loss of power leaves what was
// synced. Files are as written at each start.
func TestWhatAProgramLeaves(t *testing.T) {
	p := script(`cat /etc/p/conf /srv/conf /tmp/kept /srv/unsynced 2>/dev/null; echo .
		test $$ -lt 300 && echo a low number; test -e /run/pid && kill -0 $(cat /run/pid) 2>/dev/null && echo runs already
		echo $$ > /run/pid; echo changed > /etc/p/conf; echo changed > /srv/conf
		echo kept > /tmp/kept; echo unsynced > /srv/unsynced; ip addr add 10.0.0.50/24 dev lan 2>/dev/null; echo up; exec sleep 100`)
	p.Files = map[string]string{"/etc/p/conf": "conf\n", "/srv/conf": "conf\n"}
	for name, x := range map[string]struct {
		fall, rise func(sim.Machine) bool
		want       string
		addresses  int
	}{
		"crash":     {sim.Machine.Crash, func(m sim.Machine) bool { return m.Restart(nil) }, "conf conf kept unsynced . up", 2},
		"power off": {sim.Machine.PowerOff, func(m sim.Machine) bool { return m.Boot(nil) }, "conf conf . up", 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := newShop(t, p)
			h.says("one", "up", 1)
			h.until("the address", func() bool { return len(h.Machine("one").Addresses("lan")) == 2 })
			x.fall(h.Machine("one"))
			h.must(h.Run(h.Now() + 50*time.Millisecond))
			if n := len(h.Machine("one").Addresses("lan")); n != x.addresses {
				t.Errorf("it has %d addresses, want %d", n, x.addresses)
			}
			before := len(h.lines("one"))
			x.rise(h.Machine("one"))
			h.says("one", "up", 2)
			if have := strings.Join(h.lines("one")[before:], " "); have != x.want {
				t.Errorf("it finds %q, want %q", have, x.want)
			}
		})
	}
}

// All that a program has started stands still with it, in whatever session; the kernel of a paused machine takes
// connections, that of a frozen one does not.
func TestProgramStandsStill(t *testing.T) {
	for _, x := range []struct {
		name        string
		hold, leave func(sim.Machine) bool
		answers     string
	}{
		{"pause", sim.Machine.Pause, sim.Machine.Resume, "i/o timeout"}, // Of the read: the connection stands.
		{"freeze", sim.Machine.Freeze, sim.Machine.Thaw, "i/o timeout"},
	} {
		t.Run(x.name, func(t *testing.T) {
			p := actor("listen 10.0.0.1:80")
			p.Command = []string{"sh", "-c", `for n in a b c; do setsid sh -c "while :; do echo tick $n; sleep 0.01; done" & done
				exec ` + stage + "/actor"}
			h := newShop(t, p)
			for _, n := range []string{"a", "b", "c"} {
				h.says("one", "tick "+n, 2)
			}
			h.says("one", "listen 10.0.0.1:80 <nil>", 1)
			if have := h.ask("10.0.0.1", ""); have != "hello" {
				t.Errorf("it answers %q", have)
			}
			m := h.Machine("one")
			if !x.hold(m) || x.hold(m) {
				t.Error("does not stand still, once")
			}
			ticks := -1
			h.until("silence", func() bool { // It hears of it in its time, and what was written is read.
				before := ticks
				ticks = len(h.lines("one"))
				h.must(h.Run(h.Now() + 100*time.Millisecond))
				return ticks == before
			})
			if have := h.ask("10.0.0.1", ""); !strings.Contains(have, x.answers) {
				t.Errorf("it answers %q", have)
			}
			if n := len(h.lines("one")); n != ticks {
				t.Errorf("%d lines while it stands still", n-ticks)
			}
			if !x.leave(m) {
				t.Error("does not go on")
			}
			for _, n := range []string{"a", "b", "c"} {
				h.says("one", "tick "+n, 2+strings.Count(strings.Join(h.lines("one"), "\n"), "tick "+n))
			}
		})
	}
}

// A program that is to start while its machine stands still starts when that goes on.
func TestStartWaitsForResume(t *testing.T) {
	h := newShop(t, script("echo up; exec sleep 100"))
	h.says("one", "up", 1)
	m := h.Machine("one")
	m.Crash()
	m.Restart(nil)
	m.Freeze()
	h.must(h.Run(h.Now() + 200*time.Millisecond))
	if n := len(h.lines("one")); n != 1 {
		t.Errorf("it has started on a frozen machine:\n%s", h.story())
	}
	m.Thaw()
	h.says("one", "up", 2)
}

// The uptime of a program is the host's: it cannot stand still.
func TestProgramCannotBeSuspended(t *testing.T) {
	h := newShop(t, script("echo up; exec sleep 100"))
	h.says("one", "up", 1)
	if m := h.Machine("one"); m.Suspend() || m.State() != sim.StateUp {
		t.Errorf("it is %s", m.State())
	}
}

// Addresses are told whoever takes them, and not the machine's own; of many at once the last state counts.
func TestAddressesOfAProgram(t *testing.T) {
	h := newShop(t, script(`ip addr add 10.0.0.50/24 dev lan; ip addr add 10.9.0.1/32 dev lo; ip addr del 10.0.0.50/24 dev lan
		ip addr del 10.0.0.1/24 dev lan; ip addr add 10.0.0.1/24 dev lan; ip link add vmac link lan type macvlan
		ip addr add 10.0.0.52/32 dev vmac; sleep 0.3; ip link del vmac; ip addr add 10.0.0.51/32 dev lan; echo few; sleep 0.5
		for n in $(seq 2000); do echo addr add 10.1.$((n / 200)).$((n % 200))/32 dev lan; done > /tmp/batch
		ip -batch /tmp/batch; echo many
		exec sleep 100`))
	h.says("one", "few", 1)
	h.until("the addresses", func() bool { return h.noted("one", sim.FactAddressBound) >= 3 })
	var first []string
	for _, e := range h.Trace().Events() {
		if e.Name == sim.FactAddressBound || e.Name == sim.FactAddressReleased {
			if e.Scope != "lan" {
				t.Errorf("%s is told of %q", e.Value, e.Scope)
			}
			first = append(first, e.Name+" "+e.Value)
		}
	}
	want := "[address-bound 10.0.0.50 address-released 10.0.0.50 address-bound 10.0.0.52 address-released 10.0.0.52 " +
		"address-bound 10.0.0.51"
	if have := fmt.Sprint(first); !strings.HasPrefix(have, want) {
		t.Errorf("have %s, want %s", have, want)
	}
	h.At(h.Now(), func() { time.Sleep(time.Second) }) // Meanwhile nobody listens, and the kernel does not keep so many.
	h.says("one", "many", 1)
	h.until("all addresses", func() bool { return len(h.Machine("one").Addresses("lan")) == 2002 })
}

// exists reports whether the host has a file.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
