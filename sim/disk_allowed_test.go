package sim

import (
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/spf13/afero"

	"firedrill/nodes"
)

// This file says, apart from the disk's own code and as simply as can be, which states a power loss may leave behind.
//
// A history is a list of changes. Those that a sync covers must survive; data whose sync failed must not; each other
// one may or may not. A set of survivors makes sense when, done in order on an empty disk, each change of names finds
// what it found when it was made, removes no directory that has something in it, and moves nothing to where the root
// does not lead. Every set that makes sense is an allowed state.

// must says whether a change has to survive.
type must int

const (
	mayDo must = iota
	mustStay
	mustGo
)

type ledgerEntry struct {
	dir  int
	name string
}

type ledgerStep struct {
	at       ledgerEntry
	from, to int // 0: nothing
}

// ledgerChange is one change: of names where it has steps, else of the data of a file.
type ledgerChange struct {
	must  must
	steps []ledgerStep
	file  int
	cut   bool
	off   int
	text  string
}

// state is a whole file system. Node 1 is the root.
type state struct {
	entries map[ledgerEntry]int
	data    map[int]string
}

func newState() *state { return &state{map[ledgerEntry]int{}, map[int]string{}} }

// ledger is the history of a disk, and its state if nothing is lost.
type ledger struct {
	now     *state
	dirs    map[int]bool
	nodes   int
	changes []ledgerChange
}

func newLedger() *ledger {
	return &ledger{now: newState(), dirs: map[int]bool{1: true}, nodes: 1}
}

// do makes a change, and reports whether it makes sense.
func (s *state) do(c *ledgerChange, dirs map[int]bool) bool {
	if c.steps == nil {
		have := s.data[c.file]
		size := max(len(have), c.off+len(c.text))
		if c.cut {
			size = c.off
		}
		next := make([]byte, size)
		copy(next, have)
		copy(next[min(c.off, size):], c.text)
		s.data[c.file] = string(next)
		return true
	}
	for _, step := range c.steps {
		if s.entries[step.at] != step.from {
			return false
		}
	}
	moved := map[int]bool{}
	for _, step := range c.steps {
		if delete(s.entries, step.at); step.to != 0 {
			s.entries[step.at] = step.to
		}
		moved[step.to] = true
	}
	for _, step := range c.steps {
		if step.from != 0 && !moved[step.from] && dirs[step.from] {
			for e := range s.entries {
				if e.dir == step.from {
					return false
				}
			}
		}
	}
	return len(c.steps) == 1 || c.steps[0].at.dir == c.steps[1].at.dir || s.leadsTo(1, c.steps[1].at.dir)
}

func (s *state) leadsTo(from, to int) bool {
	if from == to {
		return true
	}
	for e, n := range s.entries {
		if e.dir == from && s.leadsTo(n, to) {
			return true
		}
	}
	return false
}

// String is all paths with what is there.
func (s *state) String() string {
	var lines []string
	var visit func(dir int, prefix string)
	visit = func(dir int, prefix string) {
		for e, n := range s.entries {
			if e.dir == dir {
				lines = append(lines, fmt.Sprintf("%s=%q", prefix+"/"+e.name, s.data[n]))
				visit(n, prefix+"/"+e.name)
			}
		}
	}
	visit(1, "")
	slices.Sort(lines)
	return strings.Join(lines, " ")
}

// find is where a path leads: the entry, and what is there. It fails where a directory on the way is missing.
func (l *ledger) find(p string) (ledgerEntry, int, bool) {
	if p == "/" {
		return ledgerEntry{}, 1, true
	}
	_, dir, ok := l.find(path.Dir(p))
	e := ledgerEntry{dir, path.Base(p)}
	return e, l.now.entries[e], ok && dir != 0 && l.dirs[dir]
}

func (l *ledger) add(c ledgerChange) {
	l.now.do(&c, l.dirs)
	l.changes = append(l.changes, c)
}

// play does one operation if it can be done, and reports whether it was.
//
//	create P, mkdir P, write P OFF TEXT, truncate P N, remove P, rename P Q, sync P, fail P (a sync that fails)
func (l *ledger) play(line string) bool {
	w := append(strings.Fields(line), "", "")
	at, node, ok := l.find(w[1])
	if !ok {
		return false
	}
	isFile := node != 0 && !l.dirs[node]
	switch w[0] {
	case "create", "mkdir":
		if node != 0 {
			return false
		}
		l.nodes++
		l.dirs[l.nodes] = w[0] == "mkdir"
		l.add(ledgerChange{steps: []ledgerStep{{at, 0, l.nodes}}})
	case "write":
		off, _ := strconv.Atoi(w[2])
		if isFile {
			l.add(ledgerChange{file: node, off: off, text: w[3]})
		}
		return isFile
	case "truncate":
		off, _ := strconv.Atoi(w[2])
		if isFile && off != len(l.now.data[node]) {
			l.add(ledgerChange{file: node, off: off, cut: true})
		}
		return isFile
	case "remove":
		for e := range l.now.entries {
			if e.dir == node {
				return false
			}
		}
		if node > 1 {
			l.add(ledgerChange{steps: []ledgerStep{{at, node, 0}}})
		}
		return node > 1
	case "rename":
		to, target, ok := l.find(w[2])
		if !ok || node <= 1 || target == node || l.dirs[target] ||
			l.dirs[node] && (target != 0 || l.now.leadsTo(node, to.dir)) {
			return false
		}
		l.add(ledgerChange{steps: []ledgerStep{{at, node, 0}, {to, target, node}}})
	case "sync", "fail":
		verdict := mustStay
		if w[0] == "fail" {
			verdict = mustGo
		}
		for i := range l.changes {
			c := &l.changes[i]
			covered := slices.ContainsFunc(c.steps, func(s ledgerStep) bool { return s.at.dir == node })
			if node > 0 && c.must == mayDo && (c.file == node || covered && verdict == mustStay) {
				c.must = verdict
			}
		}
		return node > 0
	}
	return true
}

// allowed are all states that a power loss may leave. With strict, un-synced data is lost.
func (l *ledger) allowed(strict bool) map[string]bool {
	var free []int
	for i, c := range l.changes {
		if c.must == mayDo && !(strict && c.steps == nil) {
			free = append(free, i)
		}
	}
	states := map[string]bool{}
	for set := range 1 << len(free) {
		s, sense := newState(), true
		for i, c := range l.changes {
			bit := slices.Index(free, i)
			if c.must == mustStay || bit >= 0 && set>>bit&1 == 1 {
				sense = sense && s.do(&c, l.dirs)
			}
		}
		if sense {
			states[s.String()] = true
		}
	}
	return states
}

// onDisk does the same operation on a disk.
func onDisk(d *Disk, line string) error {
	w := append(strings.Fields(line), "", "")
	fs := d.Fs(idlePacer{})
	use := func(flag int, act func(f afero.File) error) error {
		f, err := fs.OpenFile(w[1], flag, 0o644)
		if err != nil {
			return err
		}
		defer f.Close()
		return act(f)
	}
	off, _ := strconv.Atoi(w[2])
	switch w[0] {
	case "create":
		return use(os.O_CREATE|os.O_EXCL|os.O_WRONLY, func(afero.File) error { return nil })
	case "mkdir":
		return fs.Mkdir(w[1], 0o755)
	case "write":
		return use(os.O_WRONLY, func(f afero.File) error { _, err := f.WriteAt([]byte(w[3]), int64(off)); return err })
	case "truncate":
		return use(os.O_WRONLY, func(f afero.File) error { return f.Truncate(int64(off)) })
	case "remove":
		return fs.Remove(w[1])
	case "rename":
		return fs.Rename(w[1], w[2])
	case "fail":
		i := &DiskImposition{DiskCondition: DiskCondition{How: DiskEIO, Operations: []DiskOperation{DiskSync}}}
		d.Impose(i)
		defer d.Lift(i)
		if err := use(os.O_RDONLY, afero.File.Sync); err == nil {
			return nil
		}
		if i.Failed == 0 {
			return os.ErrNotExist
		}
		return nil
	}
	return use(os.O_RDONLY, afero.File.Sync)
}

// idlePacer is that of a machine on which nothing else runs.
type idlePacer struct{}

func (idlePacer) Pause(time.Duration)    {}
func (idlePacer) Hang(func(wake func())) {}

// shownDisk is a disk as state.String has it.
func shownDisk(fs afero.Fs) string {
	var lines []string
	err := afero.Walk(fs, "/", func(p string, i os.FileInfo, err error) error {
		if err != nil || p == "/" {
			return err
		}
		var text []byte
		if !i.IsDir() {
			text, err = afero.ReadFile(fs, p)
		}
		lines = append(lines, fmt.Sprintf("%s=%q", p, text))
		return err
	})
	if err != nil {
		return err.Error()
	}
	slices.Sort(lines)
	return strings.Join(lines, " ")
}

// playBoth plays lines on a disk and in a ledger, and reports where they disagree while the power is there.
func playBoth(steps []string, seed uint64) (*Disk, *ledger, string) {
	return playMerging(steps, seed, 100)
}

// playMerging is playBoth on a disk that merges changes after so many.
func playMerging(steps []string, seed uint64, mergeAfter int) (*Disk, *ledger, string) {
	d, l := NewDisk(DiskSpec{}, Stream(seed, "disk")), newLedger()
	d.mergeAfter = mergeAfter
	for _, step := range steps {
		done := l.play(step)
		if err := onDisk(d, step); done != (err == nil) {
			return d, l, fmt.Sprintf("%s: done %v, disk %v", step, done, err)
		}
		if have, want := shownDisk(d.Fs(nil)), l.now.String(); have != want {
			return d, l, fmt.Sprintf("after %s the disk has %s, want %s", step, have, want)
		}
	}
	return d, l, ""
}

var powerWords = func() []any {
	var all []any
	files := []string{"/a", "/b", "/d/a", "/e/a", "/e/d/a"}
	dirs := []string{"/d", "/e", "/e/d", "/d/e"}
	for _, f := range files {
		for _, verb := range []string{"create %s", "write %s 0 one", "write %s 2 two", "write %s 1 xyz",
			"truncate %s 1", "truncate %s 4", "truncate %s 0", "remove %s", "sync %s", "sync %s", "fail %s"} {
			all = append(all, fmt.Sprintf(verb, f))
		}
		for _, g := range files {
			if f != g {
				all = append(all, "rename "+f+" "+g)
			}
		}
	}
	for _, f := range dirs {
		all = append(all, "mkdir "+f, "mkdir "+f, "remove "+f, "sync "+f, "fail "+f)
		for _, g := range dirs {
			if f != g {
				all = append(all, "rename "+f+" "+g)
			}
		}
	}
	return append(all, "sync /", "mkdir /d", "mkdir /e", "create /a")
}()

// lively puts a small tree in front, so that few random words go to waste.
func lively(steps []string) []string {
	return append([]string{"mkdir /d", "mkdir /e", "create /a", "create /d/a", "sync /", "sync /d"}, steps...)
}

// hold checks a property of random sequences of up to most words. The seed is fixed, so that what fails once fails
// again; what fails is shrunk by leaving words out.
func hold(t *testing.T, words []any, tests, most int, property func(steps []string) string) {
	t.Helper()
	parameters := gopter.DefaultTestParametersWithSeed(20260105)
	parameters.MinSuccessfulTests, parameters.MaxSize = tests, most
	properties := gopter.NewProperties(parameters)
	properties.Property(t.Name(), prop.ForAll(property, gen.SliceOf(gen.OneConstOf(words...))))
	properties.TestingRun(t)
}

func TestDiskPowerLossKeepsTheSyncRules(t *testing.T) {
	lossy := func() *DiskImposition {
		return &DiskImposition{DiskCondition: DiskCondition{How: DiskUnsyncedLoss}}
	}
	hold(t, powerWords, 3000, 26, func(steps []string) string {
		steps = lively(steps)
		d, l, wrong := playMerging(steps, 1, 1+len(steps)%5)
		if wrong != "" {
			return wrong
		}
		strict := l.allowed(true)
		durable, snapshot := shownDisk(d.Durable()), d.Snapshot()
		if have := shownDisk(d.Fs(nil)); have != l.now.String() {
			return "looking at what is durable changed the disk: " + have
		}
		if wrong := used(d); wrong != "" {
			return wrong
		}
		d.PowerLoss()
		after := shownDisk(d.Fs(nil))
		if !strict[after] {
			return fmt.Sprintf("left behind %s, allowed are %s", after, slices.Sorted(maps.Keys(strict)))
		}
		if durable != after {
			return fmt.Sprintf("durable was said to be %s, left behind %s", durable, after)
		}
		if wrong := used(d); wrong != "" {
			return wrong
		}
		d.Restore(snapshot)
		if have := shownDisk(d.Fs(nil)); have != after {
			return fmt.Sprintf("the snapshot has %s, left behind %s", have, after)
		}
		loose := l.allowed(false)
		for seed := range uint64(8) {
			d, _, _ := playMerging(steps, seed, []int{100, 3}[seed%2])
			d.Impose(lossy())
			d.PowerLoss()
			if have := shownDisk(d.Fs(nil)); !loose[have] {
				return fmt.Sprintf("with seed %d left behind %s, allowed are %s", seed, have, slices.Sorted(maps.Keys(loose)))
			}
			if wrong := used(d); wrong != "" {
				return wrong
			}
		}
		return ""
	})
}

// used checks the disk's own counts of its files, and of what they take.
func used(d *Disk) string {
	var sum int64
	files := int64(len(d.orphans))
	d.walk(func(_ string, n *inode) {
		files++
		for _, k := range n.data.chunks {
			sum += int64(len(k.bytes))
		}
	})
	for _, n := range d.orphans {
		sum += n.data.room
	}
	if d.Used() != sum {
		return fmt.Sprintf("used %d, the files take %d", d.Used(), sum)
	}
	if d.files != files {
		return fmt.Sprintf("%d files are counted, there are %d", d.files, files)
	}
	return ""
}

func TestDiskShutdownKeepsEverything(t *testing.T) {
	words := slices.DeleteFunc(slices.Clone(powerWords), func(w any) bool { return strings.HasPrefix(w.(string), "fail") })
	hold(t, words, 500, 40, func(steps []string) string {
		d, l, wrong := playBoth(lively(steps), 1)
		d.SyncAll()
		if have, want := shownDisk(d.Fs(nil)), l.now.String(); wrong == "" && have != want {
			return fmt.Sprintf("left behind %s, want %s", have, want)
		}
		return wrong
	})
}

// Every allowed state of these small cases is reached by some seed, and with one that lets all or nothing through,
// the extremes.
func TestDiskPowerLossReachesEveryAllowedState(t *testing.T) {
	for _, text := range []string{
		"create /a",
		"create /a; sync /; write /a 0 one; write /a 1 two; write /a 3 six",
		"create /a; sync /; write /a 0 one; sync /a; truncate /a 1; write /a 2 x; truncate /a 5",
		"create /a; create /b; write /a 0 x; write /b 0 y",
		"create /a; write /a 0 old; sync /a; sync /; create /b; write /b 0 new; rename /b /a",
		"mkdir /d; mkdir /e; create /d/a; sync /; sync /d; rename /d/a /e/a; create /e/b; remove /d",
		"mkdir /d; mkdir /e; create /d/a; sync /; sync /d; rename /d /e/d; create /d; sync /d; write /e/d/a 0 x",
		"create /a; sync /; write /a 0 one; fail /a; write /a 1 two; sync /a; write /a 4 x",
		"create /a; sync /; rename /a /b; create /a; remove /b",
		"create /a; sync /; write /a 0 longer; sync /a; write /a 0 x; fail /a; truncate /a 1; truncate /a 6; sync /a; " +
			"write /a 0 y",
		"mkdir /d; mkdir /e; create /d/a; sync /; sync /d; rename /d/a /e/a; remove /d; sync /; create /b",
	} {
		steps := stepsOf(text)
		_, l, wrong := playBoth(steps, 0)
		if wrong != "" {
			t.Fatalf("%s: %s", text, wrong)
		}
		want := l.allowed(false)
		reached := map[string]bool{}
		for seed := range uint64(400) {
			d, _, _ := playBoth(steps, seed)
			d.Impose(&DiskImposition{DiskCondition: DiskCondition{How: DiskUnsyncedLoss}})
			d.PowerLoss()
			reached[shownDisk(d.Fs(nil))] = true
		}
		if !maps.Equal(reached, want) || len(want) < 2 {
			t.Errorf("%s: reached %q, allowed are %q", text, slices.Sorted(maps.Keys(reached)), slices.Sorted(maps.Keys(want)))
		}
		all, none := nodes.ShareAll, nodes.Share(0)
		if have := leftBehind(steps, &all); !l.allowed(true)[have] {
			t.Errorf("%s: all is lost, yet there is %s", text, have)
		}
		if have := leftBehind(steps, &none); have != l.now.String() && !strings.Contains(text, "fail") {
			t.Errorf("%s: nothing is lost, yet there is %s", text, have)
		}
	}
}

// leftBehind is a disk after a power loss that takes this share of what was not synced.
func leftBehind(steps []string, share *nodes.Share) string {
	d, _, _ := playBoth(steps, 1)
	d.Impose(&DiskImposition{DiskCondition: DiskCondition{How: DiskUnsyncedLoss, Share: share}})
	d.PowerLoss()
	return shownDisk(d.Fs(nil))
}
