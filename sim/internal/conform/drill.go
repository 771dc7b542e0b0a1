//go:build linux

package conform

import (
	_ "embed" // For the golden file.
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
)

// drill is a row that is played by a whole world: one machine, whose software makes calls of its disk while things happen
// to both.
type drill struct {
	sim.World
	sim.Machine
	t     *testing.T
	lines []string
	noted map[string]int // how often each fact was
	syncs []string       // what was synced, and may be told so
}

// drillMachine is the machine of every drill.
const drillMachine = "one"

//go:embed testdata/drills.golden
var drillsGolden string

// TestDrills plays all drills in a world. The virtual one rewrites the golden file where UPDATE_GOLDEN says so.
func TestDrills(t *testing.T, w World, anew func(seed uint64) sim.World) {
	f := table{rows: diskDrills, golden: drillsGolden, path: "../internal/conform/testdata/drills.golden"}
	f.test(t, w, func(t *testing.T, r Row) string {
		first := playDrill(t, r, anew(1))
		for seed := uint64(2); seed <= 5 && !r.once && w == Virtual; seed++ {
			if shown := playDrill(t, r, anew(seed)); shown != first {
				t.Errorf("seed 1 shows\n%sseed %d shows\n%s", first, seed, shown)
			}
		}
		return first
	})
}

func playDrill(t *testing.T, r Row, w sim.World) string {
	t.Helper()
	d := &drill{World: w, t: t, noted: map[string]int{}}
	w.OnFact(func(sim.Event) bool { return true }, d.see)
	defer func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}()
	d.must(w.AddSegment(sim.Segment{Name: "lan", Subnet: netip.MustParsePrefix("10.0.0.0/24")}))
	d.must(w.AddMachine(sim.MachineSpec{Name: drillMachine, Kind: DrillKind, Config: &calls{}, Off: true,
		Disk:       sim.DiskSpec{Size: 1 << 20},
		Interfaces: []sim.Interface{{Segment: "lan", Address: netip.MustParsePrefix("10.0.0.1/24")}}}))
	d.Machine = w.Machine(drillMachine)
	r.drill(d)
	return strings.Join(d.lines, "\n") + "\n"
}

func (d *drill) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// see shows what the software has come to.
func (d *drill) see(e sim.Event) {
	d.noted[e.Name]++
	switch e.Name {
	case factCame, sim.FactStopped, sim.FactPanicked:
		d.lines = append(d.lines, e.Value)
	case sim.FactDiskSync:
		d.syncs = append(d.syncs, e.Value)
	}
}

// say shows a line of the harness, apart from those of the software.
func (d *drill) say(format string, args ...any) {
	d.lines = append(d.lines, "* "+fmt.Sprintf(format, args...))
}

// until lets the world go on until a condition holds.
func (d *drill) until(what string, holds func() bool) {
	d.t.Helper()
	for limit := d.Now() + 20*time.Second; !holds(); {
		if d.Now() > limit {
			d.say("%s for %s", inVain, what)
			d.t.Fatalf("%s for %s; so far\n%s", inVain, what, strings.Join(d.lines, "\n"))
		}
		d.must(d.Run(d.Now() + 2*time.Millisecond))
	}
}

// begin lets the software begin, on a machine that is off or has lost its software, with these calls.
func (d *drill) begin(lines ...string) {
	d.t.Helper()
	config := &calls{Lines: lines}
	if !d.Boot(config) && !d.Restart(config) {
		d.t.Fatal("the machine is ", d.State())
	}
}

// plays is begin, and then waits for the last call to be over.
func (d *drill) plays(lines ...string) {
	d.t.Helper()
	over := d.noted[nodes.FactReady]
	d.begin(lines...)
	d.until("the software", func() bool { return d.noted[nodes.FactReady] > over })
}

// power is a loss of it, after which the software plays more.
func (d *drill) power(lines ...string) {
	d.t.Helper()
	d.off()
	d.plays(lines...)
}

// off turns the machine off.
func (d *drill) off() {
	d.t.Helper()
	if !d.PowerOff() {
		d.t.Fatal("the machine is ", d.State())
	}
	d.say("power off")
}

// breaks imposes a condition, which the function that it returns lifts, showing its receipt.
func (d *drill) breaks(c sim.DiskCondition) (i *sim.DiskImposition, heal func()) {
	d.t.Helper()
	d.must(c.Check())
	i = &sim.DiskImposition{DiskCondition: c}
	d.Disk().Impose(i)
	d.say("%s", c.How)
	return i, func() {
		d.Disk().Lift(i)
		receipt := ""
		for _, r := range []struct {
			count int64
			of    string
		}{{i.Failed, "failed"}, {i.Delayed, "delayed"}, {i.Hung, "hung"}, {i.Torn, "torn"}, {i.Lost, "lost"}, {i.Lied, "lied"},
			{i.Crashed, "crashed"}, {i.Flipped, "flipped"}} {
			if r.count > 0 {
				receipt += fmt.Sprintf(", %d %s", r.count, r.of)
			}
		}
		d.say("healed%s", receipt)
	}
}

// factCame says what a call came to.
const factCame = "came"

// calls is the config of a drill's software: what it calls, one after the other.
//
//	put PATH TEXT, append PATH TEXT, write PATH OFF TEXT, cut PATH N, cat PATH, sync PATH, list PATH, mkdir PATH,
//	rename PATH PATH, remove PATH, stat PATH
//
// A TEXT of the form x*N is N times x.
type calls struct {
	Lines []string
}

// DrillKind is the software of drills. A world that has processes has to be able to start it in one.
var DrillKind = &nodes.Kind{Name: "drill", Config: func() any { return new(calls) },
	New: func(config any) nodes.Node { return config.(*calls) }}

// Run implements nodes.Node. The software is ready when it has made its calls.
func (c *calls) Run(env nodes.Env) error {
	for _, line := range c.Lines {
		came := diskCall(env.Disk(), line)
		env.Note(nodes.Fact{Name: factCame, Value: line + ": " + came})
	}
	env.Note(nodes.Fact{Name: nodes.FactReady})
	env.NewSignal().Wait(-1)
	return nil
}

// diskCall makes one call and says what it came to.
func diskCall(disk afero.Fs, line string) string {
	w := append(strings.Fields(line), "", "")
	use := func(flag int, act func(afero.File) error) string {
		f, err := disk.OpenFile(w[1], flag, 0o644)
		if err == nil {
			err = act(f)
			_ = f.Close() // Nothing can go wrong with that.
		}
		return said(err)
	}
	write := func(text string) func(afero.File) error {
		return func(f afero.File) error { _, err := f.Write(textOf(text)); return err }
	}
	at, _ := strconv.ParseInt(w[2], 0, 64)
	switch w[0] {
	case "put":
		return use(os.O_WRONLY|os.O_CREATE|os.O_TRUNC, write(w[2]))
	case "append":
		return use(os.O_WRONLY|os.O_APPEND, write(w[2]))
	case "write":
		return use(os.O_WRONLY, func(f afero.File) error { _, err := f.WriteAt(textOf(w[3]), at); return err })
	case "cut":
		return use(os.O_WRONLY, func(f afero.File) error { return f.Truncate(at) })
	case "sync":
		return use(os.O_RDONLY, afero.File.Sync)
	case "cat":
		b, err := afero.ReadFile(disk, w[1])
		return briefly(b) + ", " + said(err)
	case "list":
		f, err := disk.Open(w[1])
		if err != nil {
			return said(err)
		}
		defer f.Close()
		names, err := f.Readdirnames(0)
		return strings.Join(names, " ") + ", " + said(err)
	case "mkdir":
		return said(disk.Mkdir(w[1], 0o755))
	case "rename":
		return said(disk.Rename(w[1], w[2]))
	case "remove":
		return said(disk.Remove(w[1]))
	case "stat":
		i, err := disk.Stat(w[1])
		if err != nil {
			return said(err)
		}
		return fmt.Sprintf("%d bytes", i.Size())
	}
	panic("no such call: " + line)
}

// said is an error as rows show it.
func said(err error) string { return (&side{}).outcome(err) }

func textOf(word string) []byte {
	if what, times, ok := strings.Cut(word, "*"); ok {
		if n, err := strconv.Atoi(times); err == nil {
			return []byte(strings.Repeat(what, n))
		}
	}
	return []byte(word)
}

// briefly is text again: long runs of one byte are counted.
func briefly(b []byte) string {
	var out strings.Builder
	for i := 0; i < len(b); {
		n := 1
		for i+n < len(b) && b[i+n] == b[i] {
			n++
		}
		if n > 8 {
			fmt.Fprintf(&out, "[%q*%d]", b[i], n)
		} else {
			out.WriteString(strings.Trim(strconv.Quote(string(b[i:i+n])), `"`))
		}
		i += n
	}
	return fmt.Sprintf("%d bytes `%s`", len(b), out.String())
}
