package sim

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"

	"firedrill/nodes"
)

// bench is a world of one machine, of which it tells what is asked of it, facts and works in their order.
type bench struct {
	Chronicle
	*Streams
	Chassis
	now   time.Duration
	later []func()
	story []string
}

func newBench(kind *nodes.Kind) *bench {
	b := &bench{Streams: NewStreams(1)}
	b.Init(b, b, MachineSpec{Name: "one", Kind: kind, Config: "first",
		Interfaces: []Interface{{Segment: "lan"}}})
	b.OnFact(func(Event) bool { return true }, func(e Event) {
		b.tell(strings.TrimSuffix(e.Name+"="+e.Value, "="))
	})
	return b
}

func (b *bench) tell(what string)               { b.story = append(b.story, what) }
func (b *bench) Now() time.Duration             { return b.now }
func (b *bench) At(_ time.Duration, act func()) { b.later = append(b.later, act) }

func (b *bench) Up()      { b.tell("Up") }
func (b *bench) Start()   { b.tell("Start") }
func (b *bench) Drop()    { b.tell("Drop") }
func (b *bench) Down()    { b.tell("Down") }
func (b *bench) Hold()    { b.tell("Hold") }
func (b *bench) Release() { b.tell("Release") }
func (b *bench) Cable(segment string, in bool) {
	if in {
		b.tell("Cable " + segment + " in")
	} else {
		b.tell("Cable " + segment + " out")
	}
}

// when lets act happen once, at the first fact of this name.
func (b *bench) when(fact string, act func()) {
	var cancel func()
	cancel = b.OnFact(func(e Event) bool { return e.Name == fact }, func(Event) {
		cancel()
		act()
	})
}

// did is the story since the last call.
func (b *bench) did() string {
	s := strings.Join(b.story, ", ")
	b.story = nil
	return s
}

// lever is one thing that can be done to a machine.
type lever struct {
	name string
	act  func(*bench) bool
	does string
}

func named(name string) func(lever) bool { return func(l lever) bool { return l.name == name } }

// switches are what anybody can do to a machine, each with what it does wherever it does anything.
var switches = []lever{
	{"boot", func(b *bench) bool { return b.Boot(nil) }, "Up, booted, Start"},
	{"power-off", func(b *bench) bool { return b.PowerOff() }, "Down, powered-off"},
	{"crash", func(b *bench) bool { return b.Crash() }, "crashed, Drop"},
	{"restart", func(b *bench) bool { return b.Restart(nil) }, "restarted, Start"},
	{"pause", func(b *bench) bool { return b.Pause() }, "paused=paused, Hold"},
	{"resume", func(b *bench) bool { return b.Resume() }, "resumed=paused, Release"},
	{"freeze", func(b *bench) bool { return b.Freeze() }, "paused=frozen, Hold"},
	{"thaw", func(b *bench) bool { return b.Thaw() }, "resumed=frozen, Release"},
	{"suspend", func(b *bench) bool { return b.Suspend() }, "paused=suspended, Hold"},
	{"wake", func(b *bench) bool { return b.Wake() }, "resumed=suspended, Release"},
	{"stop", func(b *bench) bool { b.Ended(StateStopped); return len(b.story) > 0 }, "Drop"},
	{"halt", func(b *bench) bool { b.Halt(false); return len(b.story) > 0 }, "Down, powered-off"},
	{"unplug", func(b *bench) bool { return b.Unplug("lan") }, "Cable lan out"},
	{"plug", func(b *bench) bool { return b.Plug("lan") }, "Cable lan in"},
}

// do works a switch, and shows the state after it: "" where the switch did nothing.
func (b *bench) do(t *testing.T, name string) string {
	t.Helper()
	n := slices.IndexFunc(switches, named(name))
	b.story = nil
	if !switches[n].act(b) {
		if did := b.did(); did != "" {
			t.Errorf("%s says that it did nothing, and did %s", name, did)
		}
		return ""
	}
	if did := b.did(); did != switches[n].does {
		t.Errorf("%s: %s; want %s", name, did, switches[n].does)
	}
	return string(b.State())
}

// Every switch in every state: what is not named does nothing. A machine gets into a state by the switches before the colon.
func TestChassis(t *testing.T) {
	for _, x := range []struct{ way, state, leads string }{
		// Software that waits for the first boot may end before it.
		{"", "powered-off", "boot=up stop=powered-off unplug=powered-off"},
		{"boot", "up",
			"power-off=powered-off crash=crashed pause=paused freeze=frozen suspend=suspended stop=stopped halt=powered-off unplug=up"},
		{"boot unplug", "up",
			"power-off=powered-off crash=crashed pause=paused freeze=frozen suspend=suspended stop=stopped halt=powered-off plug=up"},
		{"boot pause", "paused",
			"power-off=powered-off crash=crashed resume=up freeze=frozen suspend=suspended stop=stopped halt=powered-off unplug=paused"},
		{"boot crash", "crashed",
			"power-off=powered-off restart=up freeze=frozen suspend=suspended halt=powered-off unplug=crashed"},
		{"boot stop", "stopped",
			"power-off=powered-off restart=up freeze=frozen suspend=suspended halt=powered-off unplug=stopped"},
		{"boot freeze", "frozen",
			"power-off=powered-off crash=frozen thaw=up stop=frozen halt=powered-off unplug=frozen"},
		{"boot suspend", "suspended",
			"power-off=powered-off crash=suspended wake=up stop=suspended halt=powered-off unplug=suspended"},
		{"boot pause freeze", "frozen",
			"power-off=powered-off crash=frozen thaw=paused stop=frozen halt=powered-off unplug=frozen"},
		{"boot pause suspend", "suspended",
			"power-off=powered-off crash=suspended wake=paused stop=suspended halt=powered-off unplug=suspended"},
		{"boot crash freeze", "frozen",
			"power-off=powered-off restart=frozen thaw=crashed halt=powered-off unplug=frozen"},
		{"boot stop suspend", "suspended",
			"power-off=powered-off restart=suspended wake=stopped halt=powered-off unplug=suspended"},
		{"boot pause crash restart", "up", // The pause went with the software that was paused.
			"power-off=powered-off crash=crashed pause=paused freeze=frozen suspend=suspended stop=stopped halt=powered-off unplug=up"},
		{"boot pause freeze power-off boot", "up",
			"power-off=powered-off crash=crashed pause=paused freeze=frozen suspend=suspended stop=stopped halt=powered-off unplug=up"},
		{"boot crash power-off boot", "up",
			"power-off=powered-off crash=crashed pause=paused freeze=frozen suspend=suspended stop=stopped halt=powered-off unplug=up"},
		{"boot unplug power-off", "powered-off", "boot=up stop=powered-off plug=powered-off"},
	} {
		t.Run(x.way, func(t *testing.T) { leads(t, &nodes.Kind{Name: "web"}, x.way, x.state, x.leads) })
	}
	for _, x := range []struct{ way, state, leads string }{
		{"boot", "up", "power-off=powered-off pause=paused freeze=frozen suspend=suspended halt=powered-off unplug=up"},
		{"boot pause", "paused", "power-off=powered-off resume=up freeze=frozen suspend=suspended halt=powered-off unplug=paused"},
	} {
		t.Run(x.way+" without software", func(t *testing.T) { leads(t, nil, x.way, x.state, x.leads) })
	}
}

// leads works every switch of a machine that got into a state, and judges where each leads.
func leads(t *testing.T, kind *nodes.Kind, way, state, want string) {
	var have []string
	for _, s := range switches {
		b := newBench(kind)
		for _, name := range strings.Fields(way) {
			if b.do(t, name) == "" {
				t.Fatalf("on the way %q, %s did nothing", way, name)
			}
		}
		if have := string(b.State()); have != state {
			t.Fatalf("is %s, want %s", have, state)
		}
		if to := b.do(t, s.name); to != "" {
			have = append(have, s.name+"="+to)
		} else if have := string(b.State()); have != state {
			t.Errorf("%s did nothing, and led to %s", s.name, have)
		}
	}
	if have := strings.Join(have, " "); have != want {
		t.Errorf("leads\n%s, want\n%s", have, want)
	}
}

// Whoever waits for a fact acts on the machine before what follows the fact, which goes by what is true then.
func TestChassisWhileAFactIsTold(t *testing.T) {
	for _, x := range []struct{ way, act, fact, then, does, state string }{
		{"", "boot", FactBooted, "power-off", "Up, booted, Down, powered-off", "powered-off"},
		{"", "boot", FactBooted, "crash", "Up, booted, crashed, Drop", "crashed"},
		{"", "boot", FactBooted, "power-off boot", "Up, booted, Down, powered-off, Up, booted, Start", "up"},
		{"", "boot", FactBooted, "pause", "Up, booted, paused=paused, Hold, Start", "paused"},
		{"boot crash", "restart", FactRestarted, "crash", "restarted, crashed, Drop", "crashed"},
		{"boot crash", "restart", FactRestarted, "crash restart", "restarted, crashed, Drop, restarted, Start", "up"},
		{"boot", "crash", FactCrashed, "power-off", "crashed, Down, powered-off", "powered-off"},
		{"boot", "crash", FactCrashed, "power-off boot", "crashed, Down, powered-off, Up, booted, Start", "up"},
		{"boot", "crash", FactCrashed, "freeze", "crashed, paused=frozen, Hold, Drop", "frozen"},
		{"boot", "suspend", FactPaused, "power-off", "paused=suspended, Down, powered-off, Hold", "powered-off"},
		{"boot freeze", "thaw", FactResumed, "freeze", "resumed=frozen, paused=frozen, Hold, Release", "frozen"},
		{"boot", "power-off", FactPoweredOff, "boot", "Down, powered-off, Up, booted, Start", "up"},
	} {
		t.Run(x.act+", "+x.then, func(t *testing.T) {
			b := newBench(&nodes.Kind{Name: "web"})
			work := func(names string) {
				for _, name := range strings.Fields(names) {
					if n := slices.IndexFunc(switches, named(name)); !switches[n].act(b) {
						t.Errorf("%s did nothing", name)
					}
				}
			}
			work(x.way)
			b.when(x.fact, func() { work(x.then) })
			b.story = nil
			work(x.act)
			if did := b.did(); did != x.does || string(b.State()) != x.state {
				t.Errorf("%s, and is %s; want %s, and %s", did, b.State(), x.does, x.state)
			}
			before := b.Clock().Local(b.now)
			b.now += time.Second
			if passes := b.Clock().Local(b.now) > before; !passes {
				t.Error("its clock stands still")
			}
		})
	}
}

// A machine keeps its role as long as its software has not ended, and a config until the next.
func TestChassisRemembers(t *testing.T) {
	b := newBench(&nodes.Kind{Name: "web"})
	role := func() string {
		var op nodes.Operation
		b.Sign(&op)
		return op.ServedBy + " " + op.Role
	}
	serve := func() {
		b.Note(nodes.Fact{Name: nodes.FactRole, Value: "active", Epoch: 3})
		b.Note(nodes.Fact{Name: nodes.FactRole, Scope: "other", Value: "standby"})
	}
	for _, end := range []func() bool{b.Crash, func() bool { b.Ended(StateStopped); return true }, b.PowerOff} {
		if !b.Boot("second") {
			b.Restart(nil)
		}
		serve()
		if have := role(); have != "one active" {
			t.Errorf("signs as %q, want the last role without a scope", have)
		}
		b.Pause()
		b.Freeze()
		if have := role(); have != "one active" {
			t.Errorf("signs as %q, though its role has not ended", have)
		}
		b.Thaw()
		end()
		if have := role(); have != "one " {
			t.Errorf("signs as %q after its software has ended", have)
		}
	}
	if b.Config != "second" {
		t.Errorf("has config %v, want that of the last boot that gave one", b.Config)
	}
	b.Restart("third") // In vain: it is off.
	if b.Config != "second" {
		t.Errorf("has config %v by a restart that did nothing", b.Config)
	}
}

// A machine that boots again by itself does so after RebootTime, if nobody was faster; one that has left its world, never.
func TestChassisHalts(t *testing.T) {
	b := newBench(nil)
	b.Boot(nil)
	b.Halt(false)
	if len(b.later) != 0 {
		t.Error("a machine that halts boots again")
	}
	b.Boot(nil)
	b.did()
	b.Halt(true)
	b.later[0]()
	b.later[0]()
	if did := b.did(); did != "Down, powered-off, Up, booted, Start" {
		t.Errorf("reboots by %s", did)
	}
	b.Retire()
	if b.Boot(nil) || b.PowerOff() || b.Freeze() || b.did() != "" {
		t.Error("a machine that has left its world can be switched on")
	}
}

// A disk knows the difference between software that is gone, a loss of power, and a shutdown in good order.
func TestChassisDisk(t *testing.T) {
	for _, x := range []struct {
		way  string
		kept bool
	}{{"crash", true}, {"freeze", true}, {"halt", true}, {"power-off", false}, {"crash power-off", false}} {
		b := newBench(&nodes.Kind{Name: "web"})
		b.Boot(nil)
		if err := afero.WriteFile(b.Disk().Fs(idlePacer{}), "/note", []byte("unsynced"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, name := range strings.Fields(x.way) {
			b.do(t, name)
		}
		_, err := b.Disk().Fs(idlePacer{}).Stat("/note")
		if kept := err == nil; kept != x.kept {
			t.Errorf("%s: the file is kept: %v, want %v", x.way, kept, x.kept)
		}
	}
}

// The uptime of a machine stands still in suspension alone, and begins anew with each boot.
func TestChassisClock(t *testing.T) {
	b := newBench(nil)
	changed := 0
	b.Clock().Changed = func() { changed++ }
	pass := func(want time.Duration) {
		t.Helper()
		before := b.Clock().Uptime(b.now)
		b.now += time.Second
		if have := b.Clock().Uptime(b.now) - before; have != want {
			t.Errorf("%s of uptime in a second, want %s", have, want)
		}
	}
	b.now = time.Minute
	b.Boot(nil)
	if up := b.Clock().Uptime(b.now); up != 0 {
		t.Errorf("is up for %s when it boots", up)
	}
	b.Freeze()
	pass(time.Second)
	b.Thaw()
	b.Suspend()
	pass(0)
	if changed != 0 {
		t.Error("timers were set anew in suspension")
	}
	b.Wake()
	pass(time.Second)
	if changed != 1 {
		t.Errorf("timers were set anew %d times after the wake, want once", changed)
	}
	b.Suspend()
	b.PowerOff()
	b.Boot(nil)
	pass(time.Second)
}
