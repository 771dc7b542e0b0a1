package faults

import (
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/prop"
	"github.com/spf13/afero"

	"firedrill/nodes"
	"firedrill/sim"
)

// anyFault draws a fault of the verb, about any of the three talkers.
func anyFault(r *rand.Rand, verb string) Fault {
	names := []string{"a", "b", "c"}
	r.Shuffle(3, func(i, j int) { names[i], names[j] = names[j], names[i] })
	one := names[:1]
	switch f := (map[string]Fault{
		"split":        &Split{Segment: "lan", Into: [][]string{names[:1], names[1:2]}},
		"unplug":       &Unplug{Segment: "lan", Machine: names[0]},
		"power_off":    &PowerOff{Machines: names[:1+r.Intn(2)]},
		"crash":        &Crash{Machines: one},
		"pause":        &Pause{Machines: one},
		"freeze":       &Freeze{Machines: one},
		"suspend":      &Suspend{Machines: one},
		"break_disk":   &BreakDisk{Machine: names[0], How: []string{"full", "eio", "read-only"}[r.Intn(3)]},
		"replace_disk": &ReplaceDisk{Machine: names[0], How: DiskEmpty},
		"step_clock":   &StepClock{Machine: names[0], Offset: time.Duration(r.Intn(100)-50) * time.Minute},
		"drift_clock":  &DriftClock{Machine: names[0]},
		"disturb":      &Disturb{Targets: []string{"all"}, Every: time.Duration(1+r.Intn(3)) * time.Second},
	}[verb]).(type) {
	case nil:
	case *DriftClock:
		f.Drift = 1000
		return f
	default:
		return f
	}
	for {
		if f := anyNetworkFault(r); Fields(f)[0].Key == verb {
			return f
		}
	}
}

// mishaps are faults with the times at which they begin and end, in seconds.
type mishaps struct {
	faults      []Fault
	begin, over []int
}

// TestEveryFaultUndoneLeavesThingsAsTheyWere injects faults of all verbs into one world, and undoes each when its time has come,
// in whatever order that is.
func TestEveryFaultUndoneLeavesThingsAsTheyWere(t *testing.T) {
	var verbs []string
	for _, v := range All() {
		if !v.Undoing {
			verbs = append(verbs, v.Verb)
		}
	}
	parameters := gopter.DefaultTestParametersWithSeed(3)
	parameters.MinSuccessfulTests = 150
	properties := gopter.NewProperties(parameters)
	drawn := map[string]int{}
	properties.Property("links, disks, clocks and machines are as they were", prop.ForAll(func(m mishaps) (string, error) {
		return m.play(t), nil
	}, func(p *gopter.GenParameters) *gopter.GenResult {
		var m mishaps
		for range 2 + p.Rng.Intn(5) {
			verb := verbs[p.Rng.Intn(len(verbs))]
			drawn[verb]++
			begin := 2 + p.Rng.Intn(8)
			m.faults = append(m.faults, anyFault(p.Rng, verb))
			m.begin, m.over = append(m.begin, begin), append(m.over, begin+1+p.Rng.Intn(8))
		}
		return gopter.NewGenResult(m, gopter.NoShrinker)
	}))
	properties.TestingRun(t)
	for _, v := range verbs {
		if drawn[v] < 10 {
			t.Errorf("%s was drawn %d times only", v, drawn[v])
		}
	}
}

func (m mishaps) play(t *testing.T) string {
	w := talkers(t, 1)
	b := NewBoard(w)
	run(t, w, time.Second)
	before := stateOf(w)
	drifted := false
	entries := make([]*Entry, len(m.faults))
	for second := 2; second < 20; second++ {
		run(t, w, time.Duration(second)*time.Second)
		for i, f := range m.faults {
			if m.begin[i] == second {
				_, drifts := f.(*DriftClock)
				drifted = drifted || drifts
				entries[i] = b.Inject(fmt.Sprint("step-", i), f)
			}
			if m.over[i] == second {
				b.Undo(entries[i])
			}
		}
	}
	run(t, w, 21*time.Second)
	if after := stateOf(w); !slices.Equal(without(before, drifted), without(after, drifted)) {
		return fmt.Sprintf("%v from %v to %v: %s", m.faults, m.begin, m.over, cmp.Diff(before, after))
	}
	return ""
}

func TestAnotherDisk(t *testing.T) {
	lines := func(b *Board) int {
		text, _ := afero.ReadFile(b.World.Machine("a").Disk().Durable(), "lines")
		return len(text)
	}
	prepare := func() *Board {
		w := talkers(t, 1)
		b := NewBoard(w)
		run(t, w, 5*time.Second)
		b.Copy("early", []string{"a", "b"})
		run(t, w, 10*time.Second)
		return b
	}
	empty := &ReplaceDisk{Machine: "a", How: DiskEmpty}
	earlier := &ReplaceDisk{Machine: "a", How: DiskEarlierCopy, AsOf: "early"}
	for _, test := range []struct {
		name  string
		act   func(*Board)
		lines int
	}{
		{"its own", func(*Board) {}, 9},
		{"empty", func(b *Board) { b.Inject("x", empty) }, 0},
		{"an earlier copy", func(b *Board) { b.Inject("x", earlier) }, 4},
		{"a copy of no step", func(b *Board) {
			if e := b.Inject("x", &ReplaceDisk{Machine: "a", How: DiskEarlierCopy, AsOf: "late"}); e.Hit() {
				t.Error("a copy of a step that never fired was put in")
			}
		}, 9},
		{"undone", func(b *Board) { b.Undo(b.Inject("x", empty)) }, 9},
		{"healed", func(b *Board) {
			b.Inject("x", empty)
			b.Inject("heal", &Heal{Target: "all"})
		}, 0},
		{"the end of the drill", func(b *Board) {
			b.Inject("x", empty)
			b.HealAll()
		}, 0},
		{"two, the first undone", func(b *Board) {
			first := b.Inject("x", earlier)
			b.Inject("y", empty)
			b.Undo(first)
		}, 0},
		{"two, the second undone", func(b *Board) {
			b.Inject("x", earlier)
			b.Undo(b.Inject("y", empty))
		}, 4},
		{"two, both undone", func(b *Board) {
			first, second := b.Inject("x", earlier), b.Inject("y", empty)
			b.Undo(first)
			b.Undo(second)
		}, 9},
		{"too late to undo", func(b *Board) {
			e := b.Inject("x", empty)
			b.Inject("boot", &Boot{Machines: []string{"a"}})
			b.Undo(e)
		}, 0},
	} {
		b := prepare()
		b.Inject("off", &PowerOff{Machines: []string{"a"}})
		test.act(b)
		if have := lines(b); have != test.lines {
			t.Errorf("%s: %d lines, want %d", test.name, have, test.lines)
		}
	}
	b := prepare()
	if e := b.Inject("x", empty); e.Receipt.Empty() != true || e.Hit() || lines(b) != 9 {
		t.Errorf("the disk of a machine that is on: %q, %d lines", e.Receipt, lines(b))
	}
}

// What was wrong with a disk is not with the one that replaces it, nor with that of another machine mended.
func TestAnotherDiskIsInOrder(t *testing.T) {
	w := threeWriters(t)
	b := NewBoard(w)
	run(t, w, 10500*time.Millisecond)
	broken := b.Inject("break", &BreakDisk{Machine: "a", How: "full"})
	other := b.Inject("other", &BreakDisk{Machine: "b", How: "full"})
	run(t, w, 12600*time.Millisecond)
	b.Inject("off", &PowerOff{Machines: []string{"a"}})
	b.Inject("new", &ReplaceDisk{Machine: "a", How: DiskEmpty})
	if broken.Until != w.Now() || other.Until >= 0 {
		t.Errorf("the faults ended at %s and %s, want now (%s) and not", broken.Until, other.Until, w.Now())
	}
	b.Inject("boot", &Boot{Machines: []string{"a"}})
	run(t, w, 20*time.Second)
	if lastLine(w, "a").Value != "true" || lastLine(w, "b").Value != "false" {
		t.Errorf("a writes %s, b %s; want true, false", lastLine(w, "a").Value, lastLine(w, "b").Value)
	}
}

func TestDisturbances(t *testing.T) {
	for seed := range uint64(20) {
		w := talkers(t, seed)
		b := NewBoard(w)
		run(t, w, 2*time.Second)
		f := &Disturb{Targets: []string{"lan"}, Every: 3 * time.Second, For: 30 * time.Second}
		own := b.Inject("shaken", f)
		run(t, w, 60*time.Second)
		b.Settle()
		drawn := b.Entries()[1:]
		if len(drawn) != 10 || own.Until != 32*time.Second || !own.Chance {
			t.Fatalf("seed %d: %d faults until %s, want one in each of 10 stretches until 32s", seed, len(drawn), own.Until)
		}
		for i, e := range drawn {
			begin := 2*time.Second + time.Duration(i)*f.Every
			if e.From < begin || e.Until < e.From+f.Every/4 || e.Until >= begin+f.Every || e.Step != "shaken" || !e.Chance {
				t.Errorf("seed %d: %s from %s to %s, want it in the stretch from %s", seed, e.Fault, e.From, e.Until, begin)
			}
		}
		noted := 0
		for _, e := range w.Trace().Events() {
			if e.Scope == "shaken" && (e.Name == FactDisturbed || e.Name == FactUndone) {
				noted++
			}
		}
		if noted != 20 {
			t.Errorf("seed %d: %d facts, want one for each beginning and end", seed, noted)
		}
	}
}

func TestADisturbanceEndsWithItsStep(t *testing.T) {
	w := talkers(t, 1)
	b := NewBoard(w)
	run(t, w, 2*time.Second)
	b.Inject("shaken", &Disturb{Targets: []string{"all"}, With: []string{"power_off"}, Every: 10 * time.Second})
	run(t, w, 15*time.Second) // The second one is under way.
	before := len(b.Entries())
	b.HealAll()
	run(t, w, time.Minute)
	if last := b.Entries()[len(b.Entries())-1]; len(b.Entries()) != before || last.Until != 15*time.Second {
		t.Errorf("%d faults after the end, want %d; the last one was over at %s", len(b.Entries()), before, last.Until)
	}
	for _, m := range w.Machines() {
		if m.State() != "up" {
			t.Errorf("%s is %s: what was drawn is undone at the end", m.Name(), m.State())
		}
	}
}

// programsOnly is a world in which the software of every machine is a program.
type programsOnly struct{ sim.World }

func (w programsOnly) Machine(name string) sim.Machine { return foreign{w.World.Machine(name)} }

type foreign struct{ sim.Machine }

func (foreign) Kind() *nodes.Kind {
	return &nodes.Kind{Program: func(any) nodes.Program { return nodes.Program{} }}
}

// TestADisturbanceLetsNoProgramSleep: what would suspend one of our nodes freezes a program.
func TestADisturbanceLetsNoProgramSleep(t *testing.T) {
	for _, test := range []struct {
		of   func(sim.World) sim.World
		want string
	}{
		{func(w sim.World) sim.World { return w }, "suspend: "},
		{func(w sim.World) sim.World { return programsOnly{w} }, "freeze: "},
	} {
		w := talkers(t, 1)
		b := NewBoard(test.of(w))
		run(t, w, 2*time.Second)
		b.Inject("shaken", &Disturb{Targets: []string{"all"}, With: []string{"suspend"}, Every: 3 * time.Second, For: 30 * time.Second})
		run(t, w, 60*time.Second)
		b.Settle()
		for _, e := range b.Entries()[1:] {
			if !strings.HasPrefix(e.Fault.String(), test.want) || !e.Hit() {
				t.Errorf("want %s, have %s: %s", test.want, e.Fault, e.Receipt)
			}
		}
		if len(b.Entries()) != 11 {
			t.Errorf("%d entries, want the disturbance and 10 faults", len(b.Entries()))
		}
	}
}
