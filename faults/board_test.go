package faults

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"

	"firedrill/nodes"
	"firedrill/sim"
	"firedrill/sim/virtual"
)

// writer is software that writes a line every second, and says by its own clock when.
type writer struct{}

func (writer) Run(env nodes.Env) error {
	for {
		env.Sleep(time.Second)
		err := afero.WriteFile(env.Disk(), "line", []byte("x"), 0o600)
		env.Note(nodes.Fact{Name: "line", Value: fmt.Sprint(err == nil), Attrs: []nodes.Attr{
			{Key: "now", Value: env.Now().Format(time.TimeOnly)}, {Key: "uptime", Value: env.Uptime().Round(time.Second).String()}}})
	}
}

func threeWriters(t *testing.T) *virtual.World {
	t.Helper()
	w := virtual.New(1)
	if err := w.AddSegment(sim.Segment{Name: "lan", Subnet: netip.MustParsePrefix("10.0.0.0/24")}); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"a", "b", "c"} {
		address := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 24)
		kind := &nodes.Kind{Name: "writer", New: func(any) nodes.Node { return writer{} }}
		if err := w.AddMachine(sim.MachineSpec{Name: name, Kind: kind, Interfaces: []sim.Interface{{Segment: "lan", Address: address}},
			Start: time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)}); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func run(t *testing.T, w sim.World, until time.Duration) {
	t.Helper()
	if err := w.Run(until); err != nil {
		t.Fatal(err)
	}
}

func TestStopsAndTheirWayBack(t *testing.T) {
	for _, test := range []struct {
		fault, undoing Fault
		state          sim.State
		receipt        string
		stays          bool
	}{
		{&PowerOff{Machines: []string{"a"}}, &Boot{Machines: []string{"a"}}, sim.StateOff, "1 machine powered off, down 35s", true},
		{&Crash{Machines: []string{"a"}}, &Restart{Machines: []string{"a"}}, sim.StateCrashed,
			"1 machine crashed, software down 35s", false},
		{&Pause{Machines: []string{"a"}}, &Resume{Machines: []string{"a"}}, sim.StatePaused,
			"1 machine paused, software still 35s", false},
		{&Freeze{Machines: []string{"a"}}, &Thaw{Machines: []string{"a"}}, sim.StateFrozen, "1 machine frozen, still 35s", false},
		{&Suspend{Machines: []string{"a"}}, &Wake{Machines: []string{"a"}}, sim.StateSuspended,
			"1 machine suspended, asleep 35s", false},
	} {
		for _, way := range []string{"undo", "undoing", "end", "never"} {
			w := threeWriters(t)
			b := NewBoard(w)
			run(t, w, 10*time.Second)
			e := b.Inject("fault", test.fault)
			again := b.Inject("again", test.fault)
			if got := w.Machine("a").State(); got != test.state {
				t.Errorf("%s: %s, want %s", test.fault, got, test.state)
			}
			run(t, w, 45*time.Second)
			want, over := sim.StateUp, true
			switch way {
			case "undo":
				b.Undo(e)
			case "undoing":
				b.Inject("back", test.undoing)
			case "end":
				b.HealAll()
				if test.stays {
					want, over = test.state, false
				}
			case "never":
				want, over = test.state, false
			}
			if got := w.Machine("a").State(); got != want || w.Machine("b").State() != sim.StateUp {
				t.Errorf("%s, %s: %s, want %s", test.fault, way, got, want)
			}
			b.Settle()
			if e.Receipt.String() != test.receipt || again.Hit() || e.Until >= 0 != over {
				t.Errorf("%s, %s: %q, then %q; over: %v; want %q, then nothing; %v", test.fault, way, e.Receipt, again.Receipt, e.Until >= 0,
					test.receipt, over)
			}
		}
	}
}

func TestAFaultIsUndoneOnce(t *testing.T) {
	w := threeWriters(t)
	b := NewBoard(w)
	run(t, w, 10*time.Second)
	first := b.Inject("first", &Crash{Machines: []string{"a"}})
	b.Inject("back", &Restart{Machines: []string{"a"}})
	run(t, w, 20*time.Second)
	b.Inject("second", &Crash{Machines: []string{"a"}})
	b.Undo(first) // Its `for` is over; the second crash is none of its business.
	if got := w.Machine("a").State(); got != sim.StateCrashed {
		t.Errorf("%s, want %s", got, sim.StateCrashed)
	}
	b.Inject("heal", &Heal{Target: "all"}) // Heals network, disk and clock, not software.
	if got := w.Machine("a").State(); got != sim.StateCrashed {
		t.Errorf("healed: %s, want %s", got, sim.StateCrashed)
	}
}

// lines are what a machine noted since a time, the last one.
func lastLine(w sim.World, machine string) sim.Event {
	var last sim.Event
	for _, e := range w.Trace().Events() {
		if e.Machine == machine && e.Name == "line" {
			last = e
		}
	}
	return last
}

func TestBrokenDisk(t *testing.T) {
	w := threeWriters(t)
	b := NewBoard(w)
	run(t, w, 10500*time.Millisecond)
	e := b.Inject("break", &BreakDisk{Machine: "a", How: "full"})
	idle := b.Inject("idle", &BreakDisk{Machine: "a", How: "eio", Path: "/elsewhere"})
	run(t, w, 12600*time.Millisecond)
	if lastLine(w, "a").Value != "false" || lastLine(w, "b").Value != "true" {
		t.Errorf("a writes %s, b %s; want false, true", lastLine(w, "a").Value, lastLine(w, "b").Value)
	}
	b.Inject("heal", &Heal{Target: "a"})
	run(t, w, 15*time.Second)
	if lastLine(w, "a").Value != "true" {
		t.Error("a does not write after it was healed")
	}
	b.Settle()
	if e.Receipt.String() != "2 operations failed" || idle.Hit() {
		t.Errorf("receipts %q and %q, want 2 operations failed and nothing", e.Receipt, idle.Receipt)
	}
}

func TestClocks(t *testing.T) {
	w := threeWriters(t)
	b := NewBoard(w)
	run(t, w, 10100*time.Millisecond)
	b.Inject("step", &StepClock{Machine: "a", Offset: -time.Hour})
	run(t, w, 11100*time.Millisecond)
	if e := lastLine(w, "a"); e.Attr("now") != "23:00:11" || e.Attr("uptime") != "11s" {
		t.Errorf("stepped back an hour: %v", e)
	}
	b.Inject("heal", &Heal{Target: "a"})
	run(t, w, 12100*time.Millisecond)
	if e := lastLine(w, "a"); e.Attr("now") != "00:00:12" {
		t.Errorf("stepped, and healed: %v", e)
	}
	drift := func() nodes.Drift { return w.Machine("a").Clock().Drift() }
	fast := b.Inject("fast", &DriftClock{Machine: "a", Drift: 1000})
	slow := b.Inject("slow", &DriftClock{Machine: "a", Drift: -1000})
	none := b.Inject("none", &DriftClock{Machine: "b"})
	b.Undo(fast)
	if drift() != -1000 {
		t.Errorf("drift %s, want that of the fault in force, -1000ppm", drift())
	}
	b.Undo(slow)
	if drift() != 0 {
		t.Errorf("drift %s, want 0ppm", drift())
	}
	b.Settle()
	if !fast.Hit() || none.Hit() {
		t.Errorf("receipts %q, %q; want one clock, and nothing", fast.Receipt, none.Receipt)
	}
}

func TestReachabilityIsNotedWhenItChanges(t *testing.T) {
	w := threeWriters(t)
	b := NewBoard(w)
	told := 0
	expect := func(what string, want ...string) {
		t.Helper()
		var have []string
		for ; told < len(w.Trace().Events()); told++ {
			if e := w.Trace().Events()[told]; e.Name == sim.FactReachable || e.Name == sim.FactUnreachable {
				have = append(have, fmt.Sprintf("%s %s>%s %s", e.Name, e.Machine, e.Value, e.Scope))
			}
		}
		if strings.Join(have, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: %q, want %q", what, have, want)
		}
	}
	run(t, w, time.Second)
	one := b.Inject("one", &Cut{Segment: "lan", Scope: Scope{From: "a", To: "b"}})
	expect("cut", "unreachable a>b lan")
	b.Inject("two", &Cut{Segment: "lan", Scope: Scope{Between: []string{"a", "b"}}})
	expect("cut twice", "unreachable b>a lan")
	b.Undo(one)
	expect("still cut")
	b.Inject("off", &PowerOff{Machines: []string{"c"}})
	expect("a machine that is off is reachable by the network")
	b.Inject("heal", &Heal{Target: "lan"})
	expect("healed", "reachable a>b lan", "reachable b>a lan")
	b.Inject("pull", &Unplug{Segment: "lan", Machine: "c"})
	expect("unplugged", "unreachable a>c lan", "unreachable b>c lan", "unreachable c>a lan", "unreachable c>b lan")
	b.Inject("plug", &Plug{Segment: "lan", Machine: "c"})
	expect("plugged", "reachable a>c lan", "reachable b>c lan", "reachable c>a lan", "reachable c>b lan")
	if pulled := b.Entries()[4]; pulled.Until < 0 || pulled.Receipt.String() != "1 machine unplugged" {
		t.Errorf("unplugged until %s: %q", pulled.Until, pulled.Receipt)
	}
	share := nodes.ShareAll / 2
	b.Inject("lossy", &Degrade{Segment: "lan", Loss: &share})
	expect("lossy, and still a way")
}

func TestPrint(t *testing.T) {
	latency, share := 1500*time.Millisecond, nodes.Share(500)
	for want, f := range map[string]Fault{
		"cut: heartbeat, from: nas-a, to: nas-b":   &Cut{Segment: "heartbeat", Scope: Scope{From: "nas-a", To: "nas-b"}},
		"cut: lan, frames: gratuitous-arp":         &Cut{Segment: "lan", Scope: Scope{Frames: []string{"gratuitous-arp"}}},
		"hold: lan, between: [a, b]":               &Hold{Segment: "lan", Scope: Scope{Between: []string{"a", "b"}}},
		"degrade: lan, latency: 1.5s, loss: 0.05%": &Degrade{Segment: "lan", Latency: &latency, Loss: &share},
		"power_off: [a, b]":                        &PowerOff{Machines: []string{"a", "b"}},
		"boot: a, with: {return: naive, hosts: [x, z]}": &Boot{Machines: []string{"a"}, Config: Config{
			With: nodes.Values{{Key: "return", Text: "naive"}, {Key: "hosts", List: []string{"x", "z"}}}}},
		"step_clock: a, offset: -1h":                    &StepClock{Machine: "a", Offset: -time.Hour},
		`break_disk: a, how: eio, path: "a: b", nth: 2`: &BreakDisk{Machine: "a", How: "eio", Path: "a: b", Nth: 2},
		"heal: all": &Heal{Target: "all"},
	} {
		if f.String() != want {
			t.Errorf("%s, want %s", f, want)
		}
	}
}

func TestResolve(t *testing.T) {
	machines := func(word string) ([]string, error) {
		switch word {
		case "active":
			return []string{"a"}, nil
		case "all-roles":
			return []string{"a", "b"}, nil
		case "nobody":
			return nil, nil
		case "unknown":
			return nil, errors.New("no unknown")
		}
		return []string{word}, nil
	}
	for _, test := range []struct {
		fault     Fault
		want, err string
	}{
		{&PowerOff{Machines: []string{"active", "b", "all-roles"}}, "power_off: [a, b]", ""},
		{&Cut{Segment: "active", Scope: Scope{From: "active", To: "c"}}, "cut: active, from: a, to: c", ""},
		{&Cut{Segment: "lan", Scope: Scope{From: "active", To: "a"}}, "", "from and to are both a"},
		{&Cut{Segment: "lan", Scope: Scope{From: "all-roles"}}, "", "from: all-roles is to mean one machine, and means 2: a, b"},
		{&Cut{Segment: "lan", Scope: Scope{Between: []string{"active", "b"}}}, "cut: lan, between: [a, b]", ""},
		{&Cut{Segment: "lan", Scope: Scope{Between: []string{"active", "a"}}}, "", "between wants two machines, have [a]"},
		{&Crash{Machines: []string{"nobody"}}, "", "crash: nobody means nobody"},
		{&StepClock{Machine: "nobody", Offset: 1}, "", "means nobody"},
		{&Crash{Machines: []string{"unknown"}}, "", "no unknown"},
		{&Heal{Target: "all"}, "heal: all", ""},
		{&Heal{Target: "active"}, "heal: a", ""},
	} {
		before := test.fault.String()
		f, err := Resolve(test.fault, machines)
		switch {
		case err != nil && (test.err == "" || !strings.Contains(err.Error(), test.err)):
			t.Errorf("%s: error %v, want %q", before, err, test.err)
		case err == nil && f.String() != test.want:
			t.Errorf("%s: %s, want %s %s", before, f, test.want, test.err)
		}
		if test.fault.String() != before {
			t.Errorf("%s was changed to %s", before, test.fault)
		}
	}
}

func TestCheck(t *testing.T) {
	half, latency, negative := nodes.ShareAll/2, time.Second, -time.Second
	for _, test := range []struct {
		fault Fault
		err   string
	}{
		{&Cut{Scope: Scope{From: "a", To: "b"}}, ""},
		{&Cut{Scope: Scope{From: "a", Between: []string{"a", "b"}}}, "have both"},
		{&Cut{Scope: Scope{Between: []string{"a", "b", "c"}}}, "between wants two machines"},
		{&Cut{Scope: Scope{Frames: []string{"arp", "tcp/443", "udp/1"}}}, ""},
		{&Cut{Scope: Scope{Frames: []string{"tcp/0"}}}, "frames are"},
		{&Cut{Scope: Scope{Frames: []string{"tcp/65536"}}}, "frames are"},
		{&Cut{Scope: Scope{Frames: []string{"tcp/"}}}, "frames are"},
		{&Cut{Scope: Scope{Frames: []string{"icmp"}}}, "frames are"},
		{&Degrade{}, "at least one of"},
		{&Degrade{Latency: &latency}, ""},
		{&Degrade{Jitter: &negative}, "at least 0s"},
		{&BreakDisk{How: "eio"}, ""},
		{&BreakDisk{}, "wants a how"},
		{&BreakDisk{How: "eio", Nth: 1, Share: &half}, "nth or share"},
		{&BreakDisk{How: "slow"}, "latency above zero"},
		{&BreakDisk{How: "slow", Latency: latency}, ""},
		{&BreakDisk{How: "full", Operations: []string{"sync"}}, "full acts on"},
		{&StepClock{}, "wants an offset"},
		{&StepClock{Offset: -1}, ""},
		{&Unplug{Segment: "lan"}, "wants a machine"},
		{&Unplug{Segment: "lan", Machine: "a"}, ""},
	} {
		err := test.fault.(Checker).Check()
		if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %v, want %q", test.fault, err, test.err)
		}
	}
}

func TestEveryVerbIsTheFirstKeyOfItsFault(t *testing.T) {
	for _, v := range All() {
		if first := Fields(v.New())[0]; first.Key != v.Verb || v.Doc == "" {
			t.Errorf("verb %q begins with the key %q, doc %q", v.Verb, first.Key, v.Doc)
		}
		for _, f := range Fields(v.New()) {
			if f.Doc == "" {
				t.Errorf("key %q of %s has no doc", f.Key, v.Verb)
			}
		}
	}
}
