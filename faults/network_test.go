package faults

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"
	"time"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/prop"

	"firedrill/nodes"
	"firedrill/sim"
)

// wires is a world that is nothing but a network.
type wires struct {
	sim.World
	network *sim.Network
	now     time.Duration
	trace   sim.Trace
}

func (w *wires) Now() time.Duration                { return w.now }
func (w *wires) Links(segment string) []*sim.Link  { return w.network.Links(segment) }
func (w *wires) Machines() []sim.Machine           { return nil }
func (w *wires) Trace() *sim.Trace                 { return &w.trace }
func (w *wires) Reachable(s, from, to string) bool { return w.network.Link(s, from, to).Open() }

func newWires() *wires {
	latency, bandwidth := time.Millisecond, nodes.Bandwidth(1e8)
	w := &wires{network: sim.NewNetwork(7)}
	w.network.AddSegment(sim.Segment{Name: "lan", Base: sim.Condition{Latency: &latency, Bandwidth: &bandwidth}})
	for _, m := range []string{"a", "b", "c"} {
		w.network.Attach("lan", m)
	}
	return w
}

// fates are those of a few hundred frames of every class on every link, a second after all else.
func (w *wires) fates() []string {
	var all []string
	classes := []sim.FrameClass{sim.FrameARP, sim.FrameGratuitousARP, sim.FrameUDP, sim.FrameTCP, sim.FrameVRRP}
	for i := range 20 {
		for _, l := range w.Links("lan") {
			for _, class := range classes {
				f := sim.Frame{Class: class, FromPort: 80, ToPort: 694, Size: 1500}
				all = append(all, fmt.Sprintf("%+v", l.Carry(time.Second+time.Duration(i)*time.Millisecond, &f)))
			}
		}
	}
	return all
}

// anyNetworkFault draws a fault of the network with any scope.
func anyNetworkFault(r *rand.Rand) Fault {
	scope := Scope{}
	switch r.Intn(4) {
	case 0:
		scope.From = "a"
	case 1:
		scope.From, scope.To = "a", "b"
	case 2:
		scope.Between = []string{"b", "c"}
	}
	if r.Intn(3) == 0 {
		scope.Frames = []string{[]string{"arp", "udp", "tcp/80", "gratuitous-arp"}[r.Intn(4)]}
	}
	latency, loss, bandwidth := time.Duration(r.Intn(100))*time.Millisecond, nodes.Share(r.Intn(2))*nodes.ShareAll,
		nodes.Bandwidth(1e6*(1+r.Int63n(10)))
	return []Fault{
		&Cut{Segment: "lan", Scope: scope}, &Hold{Segment: "lan", Scope: scope}, &Refuse{Segment: "lan", Scope: scope},
		&Degrade{Segment: "lan", Scope: scope, Latency: &latency}, &Degrade{Segment: "lan", Scope: scope, Loss: &loss},
		&Degrade{Segment: "lan", Scope: scope, Bandwidth: &bandwidth},
	}[r.Intn(6)]
}

// faultsAndOrder are faults of one network and the order in which they are undone; the last ones are not.
type faultsAndOrder struct {
	faults []Fault
	undone []int
}

func TestFaultsUndoneInAnyOrderLeaveTheOthersAsTheyAre(t *testing.T) {
	parameters := gopter.DefaultTestParametersWithSeed(2)
	parameters.MinSuccessfulTests = 500
	properties := gopter.NewProperties(parameters)
	properties.Property("undone in any order", prop.ForAll(func(c faultsAndOrder) (string, error) {
		some, rest := newWires(), newWires()
		board := NewBoard(some)
		var entries []*Entry
		for i, f := range c.faults {
			entries = append(entries, board.Inject("step", f))
			if !slices.Contains(c.undone, i) {
				NewBoard(rest).Inject("step", f)
			}
		}
		for _, i := range c.undone {
			board.Undo(entries[i])
			board.Undo(entries[i]) // Once is enough.
		}
		if a, b := some.fates(), rest.fates(); !slices.Equal(a, b) {
			return fmt.Sprintf("frames fare differently with %v", c.faults), nil
		}
		return "", nil
	}, func(p *gopter.GenParameters) *gopter.GenResult {
		var c faultsAndOrder
		for range 1 + p.Rng.Intn(5) {
			c.faults = append(c.faults, anyNetworkFault(p.Rng))
		}
		c.undone = p.Rng.Perm(len(c.faults))[:p.Rng.Intn(len(c.faults)+1)]
		return gopter.NewGenResult(c, gopter.NoShrinker)
	}))
	properties.TestingRun(t)
}

func TestAllFaultsUndoneLeaveTheNetworkAsItWas(t *testing.T) {
	for name, undo := range map[string]func(*Board){
		"heal the segment": func(b *Board) { b.Inject("heal", &Heal{Target: "lan"}) },
		"heal all":         func(b *Board) { b.Inject("heal", &Heal{Target: "all"}) },
		"end of the drill": func(b *Board) { b.HealAll() },
	} {
		w, untouched := newWires(), newWires()
		b := NewBoard(w)
		r := rand.New(rand.NewSource(3))
		for range 30 {
			b.Inject("step", anyNetworkFault(r))
		}
		undo(b)
		if !slices.Equal(w.fates(), untouched.fates()) {
			t.Errorf("%s: frames fare differently", name)
		}
	}
}

func TestHealOfAMachineLeavesTheFaultsOfOthers(t *testing.T) {
	w := newWires()
	b := NewBoard(w)
	b.Inject("one", &Cut{Segment: "lan", Scope: Scope{From: "a"}})
	b.Inject("two", &Cut{Segment: "lan", Scope: Scope{From: "b", To: "c"}})
	b.Inject("heal", &Heal{Target: "a"})
	if !w.Reachable("lan", "a", "b") || w.Reachable("lan", "b", "c") {
		t.Errorf("a to b %v, b to c %v; want only the first healed", w.Reachable("lan", "a", "b"), w.Reachable("lan", "b", "c"))
	}
}

func TestScope(t *testing.T) {
	for _, test := range []struct {
		scope Scope
		cut   []string
	}{
		{Scope{}, []string{"a>b", "a>c", "b>a", "b>c", "c>a", "c>b"}},
		{Scope{From: "a"}, []string{"a>b", "a>c"}},
		{Scope{To: "a"}, []string{"b>a", "c>a"}},
		{Scope{From: "a", To: "b"}, []string{"a>b"}},
		{Scope{Between: []string{"a", "b"}}, []string{"a>b", "b>a"}},
		{Scope{Frames: []string{"arp"}}, nil}, // Not a frame of no special class.
	} {
		w := newWires()
		NewBoard(w).Inject("step", &Cut{Segment: "lan", Scope: test.scope})
		var cut []string
		for _, l := range w.Links("lan") {
			if !l.Open() {
				cut = append(cut, l.From+">"+l.To)
			}
		}
		if !slices.Equal(cut, test.cut) {
			t.Errorf("%+v cuts %v, want %v", test.scope, cut, test.cut)
		}
	}
}

func TestReleaseLetsGoWhatItsScopeCovers(t *testing.T) {
	held := func(w *wires) (n int) {
		for _, l := range w.Links("lan") {
			f := sim.Frame{Class: sim.FrameTCP, Size: 100}
			if l.Carry(0, &f).Held {
				n++
			}
		}
		return n
	}
	for _, test := range []struct {
		hold, release Scope
		left          int
		over          bool
	}{
		{Scope{}, Scope{}, 0, true},
		{Scope{}, Scope{From: "a"}, 4, false},
		{Scope{From: "a"}, Scope{}, 0, true},
		{Scope{}, Scope{Frames: []string{"tcp"}}, 6, false},
		{Scope{Frames: []string{"tcp"}}, Scope{Frames: []string{"tcp"}}, 0, true},
	} {
		w := newWires()
		b := NewBoard(w)
		e := b.Inject("hold", &Hold{Segment: "lan", Scope: test.hold})
		if held(w) == 0 {
			t.Fatalf("%+v holds nothing", test.hold)
		}
		b.Inject("release", &Release{Segment: "lan", Scope: test.release})
		if n := held(w); n != test.left || e.Until >= 0 != test.over {
			t.Errorf("%+v, released %+v: %d links hold, over: %v; want %d, %v", test.hold, test.release,
				n, e.Until >= 0, test.left, test.over)
		}
	}
}

func TestReceiptsOfFrames(t *testing.T) {
	share := nodes.ShareAll / 2
	latency := time.Second
	for _, test := range []struct {
		fault   Fault
		frames  int
		receipt string
		chance  bool
	}{
		{&Cut{Segment: "lan"}, 38, "38 frames lost", false},
		{&Cut{Segment: "lan"}, 1, "1 frame lost", false},
		{&Cut{Segment: "lan"}, 0, "nothing", false},
		{&Cut{Segment: "lan", Scope: Scope{Frames: []string{"udp"}}}, 10, "nothing", false},
		{&Cut{Segment: "lan", Scope: Scope{Frames: []string{"arp"}}}, 10, "nothing", false},
		{&Cut{Segment: "lan", Scope: Scope{Frames: []string{"tcp/80"}}}, 10, "10 frames lost", false},
		{&Cut{Segment: "lan", Scope: Scope{Frames: []string{"tcp/81"}}}, 10, "nothing", false},
		{&Refuse{Segment: "lan"}, 2, "2 frames refused", false},
		{&Hold{Segment: "lan"}, 2, "2 frames held", false},
		{&Degrade{Segment: "lan", Latency: &latency}, 2, "2 frames delayed", false},
		{&Degrade{Segment: "lan", Loss: &share}, 0, "nothing", true},
	} {
		w := newWires()
		b := NewBoard(w)
		e := b.Inject("step", test.fault)
		for range test.frames {
			w.Links("lan")[0].Carry(0, &sim.Frame{Class: sim.FrameTCP, FromPort: 80, ToPort: 5000, Size: 100})
		}
		b.Settle()
		if e.Receipt.String() != test.receipt || e.Chance != test.chance || e.Hit() != (test.receipt != "nothing") {
			t.Errorf("%s, %d frames: %q, chance %v; want %q, %v", test.fault, test.frames, e.Receipt, e.Chance, test.receipt, test.chance)
		}
	}
}
