//go:build linux

package disk

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/spf13/afero"
	"golang.org/x/sys/unix"

	"firedrill/sim"
)

// loses ends the machine as a power loss does, with all that uses its disk.
func (m *machine) loses(users ...*software) {
	m.Helper()
	m.lock.Lock()
	m.mount.Cut()
	m.disk.PowerLoss()
	m.lock.Unlock()
	for _, s := range users {
		s.dies("the power fails", func() { s.signal(unix.SIGKILL) })
	}
	m.end()
}

// powerWords are what a process does before the power fails, in the words of a player.
var powerWords = func() []any {
	var all []any
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	files, dirs := []string{"/a", "/b", "/d/a", "/d/e/a"}, []string{"/d", "/d/e", "/f"}
	for _, f := range files {
		add("put %s one", f)
		add("put %s x*3000", f)
		for _, verb := range []string{"append %s more", "append %s y*1500", "cut %s 2", "cut %s 700", "unlink %s", "sync-path %s",
			"sync-path %s"} {
			add(verb, f)
		}
		for _, g := range files {
			add("rename %s %s", f, g)
		}
	}
	for _, d := range dirs {
		for _, verb := range []string{"mkdir %s", "mkdir %s", "rmdir %s", "sync-path %s"} {
			add(verb, d)
		}
		for _, e := range dirs {
			add("rename %s %s noreplace", d, e) // Package os replaces no directory, and so in memory none is.
		}
	}
	add("sync-path /")
	return append(all, "sync-path /")
}()

// inMemory makes the call of a player on a disk that nobody has mounted.
func inMemory(disk afero.Fs, line string) {
	w := append(strings.Fields(line), "", "")
	use := func(flag int, act func(afero.File) error) {
		if f, err := disk.OpenFile(w[1], flag, 0o644); err == nil {
			_ = act(f) // What fails is for the other tests.
			_ = f.Close()
		}
	}
	write := func(f afero.File) error { _, err := f.Write(textOf(w[2])); return err }
	switch w[0] {
	case "put":
		use(os.O_WRONLY|os.O_CREATE|os.O_TRUNC, write)
	case "append":
		use(os.O_WRONLY|os.O_APPEND, write)
	case "cut":
		use(os.O_WRONLY, func(f afero.File) error { return f.Truncate(number(w[2])) })
	case "sync-path":
		use(os.O_RDONLY, afero.File.Sync)
	case "mkdir":
		_ = disk.Mkdir(w[1], 0o755)
	case "rename":
		if _, err := disk.Stat(w[2]); err != nil || w[3] == "" {
			_ = disk.Rename(w[1], w[2])
		}
	case "unlink", "rmdir":
		if i, err := disk.Stat(w[1]); err == nil && i.IsDir() == (w[0] == "rmdir") {
			_ = disk.Remove(w[1])
		}
	}
}

// idle is the pacer of a machine on which nothing else runs.
type idle struct{}

func (idle) Pause(time.Duration)    {}
func (idle) Hang(func(wake func())) {}

// Whatever a process does before the power fails, and whatever the disk does to what was not synced: what is left is what
// is left of the same calls in memory, of which package sim shows that it is among the states that are allowed.
func TestPowerLossLeavesWhatTheModelDoes(t *testing.T) {
	faults := []sim.DiskFault{"", sim.DiskUnsyncedLoss, sim.DiskTornWrite, sim.DiskLyingSync}
	tests, most := 120, 40
	if testing.Short() {
		tests = 20
	}
	if m := newMachine(t, sim.DiskSpec{}); m.mount != nil { // Skips where no disk can be mounted.
		t.Fatal("a disk is mounted already")
	}
	seed, lost := uint64(0), 0
	property := func(steps []string) string {
		seed++
		fault := faults[seed%uint64(len(faults))]
		none := time.Duration(0)
		m := &machine{TB: t, disk: sim.NewDisk(sim.DiskSpec{Sync: &none}, sim.Stream(seed, "disk")), at: t.TempDir()}
		memory := sim.NewDisk(sim.DiskSpec{Sync: &none}, sim.Stream(seed, "disk"))
		for _, d := range []*sim.Disk{m.disk, memory} {
			if fault != "" {
				d.Impose(&sim.DiskImposition{DiskCondition: sim.DiskCondition{How: fault}})
			}
		}
		m.boot(Options{})
		s := m.start()
		for _, step := range append([]string{"mkdir /d", "put /d/a first", "sync-path /d/a", "sync-path /d"}, steps...) {
			s.play(step)
			inMemory(memory.Fs(idle{}), step)
		}
		before := m.shown()
		if have := shown(t, memory); have != before {
			m.loses(s)
			return fmt.Sprintf("before the loss there is\n%s\nin memory\n%s", before, have)
		}
		m.loses(s)
		memory.PowerLoss()
		have, want := m.shown(), shown(t, memory)
		if have != before {
			lost++
		}
		if have != want {
			return fmt.Sprintf("%s: left behind is\n%s\nin memory\n%s", fault, have, want)
		}
		return ""
	}
	parameters := gopter.DefaultTestParametersWithSeed(20260105)
	parameters.MinSuccessfulTests, parameters.MaxSize = tests, most
	properties := gopter.NewProperties(parameters)
	properties.Property(t.Name(), prop.ForAll(property, gen.SliceOf(gen.OneConstOf(powerWords...))))
	properties.TestingRun(t)
	if lost < tests/4 {
		t.Errorf("the power took something in %d of %d cases only", lost, tests)
	}
}

// ledger is a program that commits one number after the other to a database, and says so each time.
const ledger = `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
for p in sys.argv[2:]: db.execute("pragma " + p)
db.execute("create table if not exists t (n integer primary key, text blob)")
n = db.execute("select coalesce(max(n), 0) from t").fetchone()[0]
print("check", db.execute("pragma integrity_check").fetchone()[0], n, db.execute("select count(*) from t").fetchone()[0], flush=True)
while True:
    n += 1
    db.execute("begin")
    db.execute("insert into t values (?, zeroblob(2000))", (n,))
    db.execute("commit")
    print(n, flush=True)
`

// SQLite, which asks for all that a disk can do, loses no transaction that it has committed when the power fails, however
// the disk takes what was not synced. Told not to sync it does: the loss is real.
func TestSQLite(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed: ", err)
	}
	if exec.Command(python, "-c", "import sqlite3").Run() != nil {
		t.Skip("python3 has no sqlite3")
	}
	for _, x := range []struct {
		name    string
		pragmas []string
		fault   sim.DiskFault
		loses   bool
	}{
		{"with a journal that is removed", []string{"journal_mode=delete", "synchronous=extra"}, "", false},
		{"with a journal that is kept", []string{"journal_mode=persist", "synchronous=full"}, sim.DiskUnsyncedLoss, false},
		{"with a log that is written ahead", []string{"journal_mode=wal", "synchronous=full"}, sim.DiskUnsyncedLoss, false},
		{"with a log, and writes that are torn", []string{"journal_mode=wal", "synchronous=full"}, sim.DiskTornWrite, false},
		{"with a mapped database", []string{"mmap_size=1000000", "journal_mode=delete", "synchronous=extra"}, "", false},
		{"without syncs", []string{"journal_mode=wal", "synchronous=off"}, "", true},
	} {
		t.Run(x.name, func(t *testing.T) {
			short := 200 * time.Microsecond
			m := newMachine(t, sim.DiskSpec{Sync: &short})
			if x.fault != "" {
				m.disk.Impose(&sim.DiskImposition{DiskCondition: sim.DiskCondition{How: x.fault}})
			}
			committed, lost := 0, false
			draw := sim.Stream(1, t.Name())
			for round := range 4 {
				m.boot(Options{})
				c := exec.Command(python, append([]string{"-c", ledger, m.at + "/db"}, x.pragmas...)...)
				c.Stderr = os.Stderr
				out, err := c.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := c.Start(); err != nil {
					t.Fatal(err)
				}
				lines := bufio.NewScanner(out)
				told := func() string {
					if !lines.Scan() {
						m.mount.Fail()
						t.Fatal("the program has ended: ", lines.Err(), c.Wait())
					}
					return lines.Text()
				}
				w := append(strings.Fields(told()), "", "", "", "")
				if found, _ := strconv.Atoi(w[2]); w[1] != "ok" || w[2] != w[3] || found < committed {
					lost = true
					if !x.loses {
						t.Errorf("round %d: %d transactions were committed, found: %v", round, committed, w)
					}
				} else {
					committed = found
				}
				for range 3 + draw.IntN(20) {
					committed, _ = strconv.Atoi(told())
				}
				m.lock.Lock() // At whatever it does just now.
				m.mount.Cut()
				m.disk.PowerLoss()
				m.lock.Unlock()
				_ = c.Process.Kill()
				for lines.Scan() { // What it had said by then counts.
					committed, _ = strconv.Atoi(lines.Text())
				}
				_ = c.Wait()
				m.end()
			}
			if lost != x.loses {
				t.Errorf("lost: %t, want %t, after %d transactions", lost, x.loses, committed)
			}
		})
	}
}
