package faults

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/afero"

	"firedrill/nodes"
	"firedrill/sim"
	"firedrill/sim/virtual"
)

// talker is software that once a second speaks to its neighbours and writes a line, and then says whom it heard since, whether
// the write was a success, and what time it takes it to be.
type talker struct {
	others []string      // addresses
	pause  time.Duration // before it writes: no two machines speak at the same time
	names  map[string]string
}

func (k *talker) Run(env nodes.Env) error {
	heard := map[string]int{}
	socket, err := env.Net().ListenUDP("udp4", &net.UDPAddr{Port: 9})
	if err != nil {
		return err
	}
	env.Go("listen", func() {
		b := make([]byte, 100)
		for {
			_, from, err := socket.ReadFrom(b)
			if err != nil {
				continue // What was sent before was turned away.
			}
			host, _, _ := net.SplitHostPort(from.String())
			heard[k.names[host]]++
		}
	})
	for {
		env.Sleep(time.Second - env.Uptime()%time.Second)
		sent := 0
		for _, address := range k.others {
			if _, err := socket.WriteTo([]byte("here I am"), &net.UDPAddr{IP: net.ParseIP(address), Port: 9}); err == nil {
				sent++
			}
		}
		env.Sleep(k.pause)
		wrote := k.write(env)
		var who []string
		for _, name := range []string{"a", "b", "c"} {
			if n := heard[name]; n == 1 {
				who = append(who, name)
			} else if n > 1 {
				who = append(who, fmt.Sprintf("%s (%d times)", name, n))
			}
		}
		clear(heard)
		lines, _ := afero.ReadFile(env.Disk(), "lines")
		env.Note(nodes.Fact{Name: "line", Value: fmt.Sprintf("hears %-3s %s, %2d lines, %s up %s", strings.Join(who, " "), wrote, len(lines),
			env.Now().Format("15:04:05.0"), env.Uptime().Round(100*time.Millisecond))})
	}
}

// write adds to the file of lines, and syncs it.
func (k *talker) write(env nodes.Env) string {
	f, err := env.Disk().OpenFile("lines", os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err == nil {
		_, err = f.Write([]byte("x"))
		if e := f.Sync(); err == nil {
			err = e
		}
		f.Close()
	}
	if err == nil {
		var dir afero.File
		if dir, err = env.Disk().Open("/"); err == nil {
			err = dir.Sync()
			dir.Close()
		}
	}
	if err != nil {
		return "cannot write"
	}
	return "writes"
}

func talkers(t testing.TB, seed uint64) *virtual.World {
	t.Helper()
	w := virtual.New(seed)
	if err := w.AddSegment(sim.Segment{Name: "lan", Subnet: netip.MustParsePrefix("10.0.0.0/24")}); err != nil {
		t.Fatal(err)
	}
	names := map[string]string{"10.0.0.1": "a", "10.0.0.2": "b", "10.0.0.3": "c"}
	for i, address := range []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"} {
		k := &talker{names: names, pause: time.Duration(500+100*i) * time.Millisecond}
		for _, other := range []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"} {
			if other != address {
				k.others = append(k.others, other)
			}
		}
		kind := &nodes.Kind{Name: "talker", New: func(any) nodes.Node { return k }}
		if err := w.AddMachine(sim.MachineSpec{Name: names[address], Kind: kind, Start: time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC),
			Interfaces: []sim.Interface{{Segment: "lan", Address: netip.MustParsePrefix(address + "/24")}}}); err != nil {
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

// drill is how a verb is shown: what comes before it, one of it, and what undoes it.
type drill struct {
	before  Fault // ten seconds earlier
	fault   Fault
	undoing Fault // another verb, the other half of the pair; nil: the end of its `for`

}

func drills() map[string]drill {
	latency := 600 * time.Millisecond
	one := []string{"a"}
	cut, hold := &Cut{Segment: "lan", Scope: Scope{From: "a", To: "b"}}, &Hold{Segment: "lan", Scope: Scope{To: "a"}}
	unplug := &Unplug{Segment: "lan", Machine: "a"}
	off := &PowerOff{Machines: one}
	return map[string]drill{
		"cut":          {fault: cut, undoing: &Heal{Target: "lan"}},
		"refuse":       {fault: &Refuse{Segment: "lan", Scope: Scope{Between: []string{"a", "b"}}}},
		"degrade":      {fault: &Degrade{Segment: "lan", Scope: Scope{From: "a"}, Latency: &latency}},
		"hold":         {fault: hold},
		"release":      {fault: hold, undoing: &Release{Segment: "lan"}},
		"split":        {fault: &Split{Segment: "lan", Into: [][]string{{"a"}, {"b"}}}},
		"unplug":       {fault: unplug},
		"plug":         {fault: unplug, undoing: &Plug{Segment: "lan", Machine: "a"}},
		"heal":         {before: &Unplug{Segment: "lan", Machine: "c"}, fault: cut, undoing: &Heal{Target: "all"}},
		"power_off":    {fault: off},
		"boot":         {fault: off, undoing: &Boot{Machines: one}},
		"crash":        {fault: &Crash{Machines: one}},
		"restart":      {fault: &Crash{Machines: one}, undoing: &Restart{Machines: one}},
		"pause":        {fault: &Pause{Machines: one}},
		"resume":       {fault: &Pause{Machines: one}, undoing: &Resume{Machines: one}},
		"freeze":       {fault: &Freeze{Machines: one}},
		"thaw":         {fault: &Freeze{Machines: one}, undoing: &Thaw{Machines: one}},
		"suspend":      {fault: &Suspend{Machines: one}},
		"wake":         {fault: &Suspend{Machines: one}, undoing: &Wake{Machines: one}},
		"break_disk":   {fault: &BreakDisk{Machine: "a", How: "full"}, undoing: &Heal{Target: "a"}},
		"replace_disk": {before: off, fault: &ReplaceDisk{Machine: "a", How: DiskEmpty}, undoing: &Boot{Machines: one}},
		"step_clock":   {fault: &StepClock{Machine: "a", Offset: time.Hour}},
		"drift_clock":  {fault: &DriftClock{Machine: "a", Drift: 100_000}},
		"disturb": {fault: &Disturb{Targets: []string{"lan"}, With: []string{"cut", "crash"}, Every: 2 * time.Second,
			For: 6 * time.Second}},
	}
}

// TestEveryVerbHasItsDrill plays every verb in a small world: what happens is in testdata/VERB.golden, with the receipt. A fault
// has to hit something, and what undoes it leaves everything as it was. UPDATE_GOLDEN=1 writes the transcripts anew.
func TestEveryVerbHasItsDrill(t *testing.T) {
	all := drills()
	for _, v := range All() {
		t.Run(v.Verb, func(t *testing.T) {
			d, there := all[v.Verb]
			if !there {
				t.Fatalf("%s has no drill", v.Verb)
			}
			delete(all, v.Verb)
			shown := d.fault
			if v.Undoing {
				shown = d.undoing
			}
			if first := Fields(shown)[0].Key; first != v.Verb {
				t.Fatalf("its drill shows %s", first)
			}
			have := d.play(t)
			path := filepath.Join("testdata", v.Verb+".golden")
			if os.Getenv("UPDATE_GOLDEN") != "" {
				if err := os.WriteFile(path, []byte(have), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil || string(want) != have {
				t.Errorf("%v: UPDATE_GOLDEN=1 writes it anew; %s", err, cmp.Diff(string(want), have))
			}
		})
	}
	for verb := range all {
		t.Errorf("a drill for %s, which is no verb", verb)
	}
}

// play injects the fault at 10 s, and undoes it at 14.2 s.
func (d drill) play(t *testing.T) string {
	t.Helper()
	w := talkers(t, 1)
	b := NewBoard(w)
	run(t, w, time.Second)
	before := stateOf(w)
	if d.before != nil {
		run(t, w, 5*time.Second)
		b.Inject("before", d.before)
	}
	run(t, w, 10*time.Second)
	e := b.Inject("fault", d.fault)
	run(t, w, 14200*time.Millisecond)
	switch f := d.fault.(type) {
	case *Disturb:
		run(t, w, e.From+f.For)
	default:
		if d.undoing == nil {
			b.Undo(e)
		} else if undone := b.Inject("undoing", d.undoing); !undone.Undoing {
			t.Errorf("%s puts nothing right", d.undoing)
		}
	}
	run(t, w, 17600*time.Millisecond)
	_, replaced := d.fault.(*ReplaceDisk) // The new disk stays.
	_, drifted := d.fault.(*DriftClock)   // What it gained stays.
	b.Settle()
	if e.Until < 0 && !replaced {
		t.Errorf("%s is not over", d.fault)
	}
	if !e.Hit() {
		t.Errorf("%s hit nothing", d.fault)
	}
	if after := stateOf(w); !slices.Equal(without(before, drifted), without(after, drifted)) {
		t.Errorf("%s left things otherwise: %s", d.fault, cmp.Diff(before, after))
	}
	return d.transcript(w, b)
}

// transcript tells the fault in its own words, what the machines said from 9 s on, and the receipts.
func (d drill) transcript(w *virtual.World, b *Board) string {
	var out strings.Builder
	tell := func(at time.Duration, text string) {
		fmt.Fprintf(&out, "%7.3fs  %s\n", at.Seconds(), strings.TrimRight(text, " "))
	}
	told := 0
	entries := func(until time.Duration) {
		for ; told < len(b.Entries()) && b.Entries()[told].From <= until; told++ {
			tell(b.Entries()[told].From, b.Entries()[told].Fault.String())
		}
	}
	for _, e := range w.Trace().Events() {
		if e.At < 9*time.Second || !slices.Contains([]string{"line", FactUndone, sim.FactBooted, sim.FactPoweredOff, sim.FactCrashed,
			sim.FactRestarted, sim.FactPaused, "frozen", "suspended", sim.FactResumed}, e.Name) {
			continue
		}
		entries(e.At)
		text := e.Machine + " " + e.Value
		if e.Name != "line" {
			text = strings.TrimSpace(e.Machine + " " + e.Name + " " + e.Value)
		}
		tell(e.At, text)
	}
	out.WriteByte('\n')
	for _, e := range b.Entries() {
		if !e.Undoing {
			fmt.Fprintf(&out, "%s: %s\n", e.Fault, e.Receipt)
		}
	}
	return out.String()
}

// stateOf is all that faults can change for good: how frames fare, what acts on disks, the clocks, and the machines.
func stateOf(w *virtual.World) []string {
	var state []string
	for _, l := range w.Links("lan") {
		state = append(state, fmt.Sprintf("%s>%s open %v, %d conditions, latency %s, reachable %v", l.From, l.To, l.Open(),
			len(l.Imposed()), l.Latency(), w.Reachable("lan", l.From, l.To)))
	}
	for _, m := range w.Machines() {
		wall := m.Clock().Now(w.Now()).Sub(time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)) - w.Now()
		state = append(state, fmt.Sprintf("%s %s, %d disk conditions, drift %s", m.Name(), m.State(), len(m.Disk().Imposed()),
			m.Clock().Drift()), fmt.Sprintf("%s %s ahead", m.Name(), wall))
	}
	return state
}

// without leaves what clocks gained out of a state, where they drifted.
func without(state []string, drifted bool) []string {
	return slices.DeleteFunc(slices.Clone(state), func(line string) bool { return drifted && strings.HasSuffix(line, " ahead") })
}
