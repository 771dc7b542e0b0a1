//go:build linux

package kernel

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"

	"firedrill/nodes"
	"firedrill/sim"
	"firedrill/sim/kernel/supervisor"
)

// breaks imposes a condition on the disk of a machine until the function that it returns is called.
func (h *hall) breaks(machine string, c sim.DiskCondition) (*sim.DiskImposition, func() bool) {
	h.t.Helper()
	h.must(c.Check())
	i := &sim.DiskImposition{DiskCondition: c}
	d := h.Machine(machine).Disk()
	d.Impose(i)
	return i, func() bool { return d.Lift(i) }
}

// begins fails the test if the world does not begin soon because of a machine. It is told when that is over.
func (h *hall) begins(machine string) (begun func() bool) {
	return time.AfterFunc(20*time.Second, func() { // Whoever waits does not hold the lock.
		h.mu.Lock()
		defer h.mu.Unlock()
		h.fail(fmt.Errorf("the world does not begin, and waits for %s", machine))
		if p := h.machine(machine).process; p != nil {
			p.kill()
		}
	}).Stop
}

// since are the lines that came behind the last one with this text.
func (h *hall) since(machine, text string) string {
	lines := h.lines(machine)
	for i := len(lines) - 1; i >= 0; i-- {
		if strings.Contains(lines[i], text) {
			return strings.Join(lines[i+1:], " ")
		}
	}
	return ""
}

// What programs of the system make durable is there after a power loss, and nothing else.
func TestProgramsMakeDurable(t *testing.T) {
	h := newShop(t, script(`echo finds $(ls /srv) $(cat /srv/kept /srv/named 2>/dev/null | wc -c)
		dd if=/dev/zero of=/srv/kept bs=1k count=40 conv=fsync status=none
		dd if=/dev/zero of=/srv/named bs=1k count=3 status=none
		sync /srv; echo x > /srv/lost; mv /srv/named /srv/moved; echo up; exec sleep 100`))
	h.says("one", "up", 1)
	m := h.Machine("one")
	if !m.PowerOff() || !m.Boot(nil) {
		t.Fatal("it does not boot")
	}
	h.says("one", "up", 2)
	const want = "finds kept named 40960"
	if have := strings.Join(h.lines("one"), ", "); !strings.Contains(have, want) {
		t.Errorf("it says %s, want %s", have, want)
	}
}

// What programs of the system are told by a disk that is broken; when it is whole again they go on.
func TestProgramsMeetFaults(t *testing.T) {
	for _, x := range []struct {
		how  sim.DiskFault
		want string
	}{
		{sim.DiskEIO, "Input/output error, Input/output error, Input/output error"},
		{sim.DiskFull, "No space left on device, hello, 0"},
		{sim.DiskReadOnly, "Read-only file system, hello, 1020"},
	} {
		t.Run(string(x.how), func(t *testing.T) {
			h := newHall(t)
			tell := "dd if=/dev/zero of=/srv/b bs=1k count=4 conv=fsync status=none; cat /srv/a; df --output=avail /srv | tail -n +2"
			h.open("one", 1, script(fmt.Sprintf("echo hello > /srv/a; echo up; sleep 0.5; (%s) 2>&1 | sed 's/.*: //; s/^ *//'; echo told; "+
				"sleep 0.5; (%s) 2>&1 | sed 's/^ *//'; echo over; exec sleep 100", tell, tell)), sim.DiskSpec{Size: 1 << 20})
			h.says("one", "up", 1)
			_, heal := h.breaks("one", sim.DiskCondition{How: x.how})
			h.says("one", "told", 1)
			heal()
			h.says("one", "over", 1)
			want := "up, " + x.want + ", told, hello, 1016, over"
			if have := strings.Join(h.lines("one"), ", "); have != want {
				t.Errorf("it says %q, want %q", have, want)
			}
		})
	}
}

// A program that hangs in a call of its disk is killed in it by another one of its machine; the rest goes on, and goes on
// hanging until the disk is healed.
func TestProgramsHang(t *testing.T) {
	h := newShop(t, script(`echo hello > /srv/a; sync /srv/a /srv; echo up; sleep 0.5
		timeout -s KILL 2 dd if=/dev/zero of=/srv/b bs=1k count=4 conv=fsync; echo killed by $(($? - 128))
		cat /srv/a; sync /srv/a && echo synced; exec sleep 100`))
	h.says("one", "up", 1)
	i, heal := h.breaks("one", sim.DiskCondition{How: sim.DiskHang, Operations: []sim.DiskOperation{sim.DiskSync}})
	h.says("one", "killed by 9", 1)
	h.says("one", "hello", 1)
	h.until("the second sync", func() bool { return i.Hung == 2 })
	h.must(h.Run(h.Now() + 100*time.Millisecond))
	if strings.Contains(h.since("one", "hello"), "synced") {
		t.Error("a sync that hangs is over")
	}
	heal()
	h.says("one", "synced", 1)
}

// A disk that hangs, or is slow, before the drill begins keeps its own machine waiting and nobody else: the program starts once
// its files are there. So it is when a machine boots with such a disk.
func TestFilesOnADiskThatHangs(t *testing.T) {
	p := script("cat /srv/conf; exec sleep 100")
	p.Files = map[string]string{"/srv/conf": "conf\n"}
	for _, c := range []sim.DiskCondition{{How: sim.DiskHang}, {How: sim.DiskSlow, Latency: time.Hour}} {
		t.Run(string(c.How), func(t *testing.T) {
			h := newShop(t, p, script("echo up; exec sleep 100"))
			_, heal := h.breaks("one", c)
			begun := h.begins("one")
			h.says("two", "up", 1)
			begun()
			if m := h.Machine("one"); m.State() != sim.StateUp || len(h.lines("one")) > 0 {
				t.Errorf("it is %s and says %q", m.State(), h.lines("one"))
			}
			if c.How == sim.DiskSlow { // What waits goes on waiting when the latency is gone.
				begin := time.Now()
				h.must(h.Close())
				if took := time.Since(begin); took > supervisor.Grace {
					t.Errorf("the end took %s, though no program has to be asked", took)
				}
				return
			}
			heal()
			h.says("one", "conf", 1)
			_, heal = h.breaks("one", c)
			if m := h.Machine("one"); !m.PowerOff() || !m.Boot(nil) {
				t.Error("it does not boot")
			}
			h.must(h.Run(h.Now() + 100*time.Millisecond))
			heal()
			h.says("one", "conf", 2)
		})
	}
}

// A machine that ends while its programs hang, each in a call of its own, ends soon; none of them is told of an error, and
// nothing of them is left.
func TestEndWhileProgramsHang(t *testing.T) {
	for name, end := range map[string]func(sim.Machine) bool{"crash": sim.Machine.Crash, "power off": sim.Machine.PowerOff} {
		t.Run(name, func(t *testing.T) {
			h := newShop(t, script(`mkdir /srv/d; echo x > /srv/a; echo x > /srv/d/b; sync /srv/a /srv; echo up; sleep 0.5
				try() { "$@" > /tmp/log 2>&1; echo failed $? $*; }
				try sync /srv/a & try cat /srv/d/b & try mv /srv/a /srv/e & try dd if=/dev/zero of=/srv/c & wait`))
			h.says("one", "up", 1)
			i, _ := h.breaks("one", sim.DiskCondition{How: sim.DiskHang})
			// Who makes a name keeps the directory to itself, as any file system has it: some hang in their kernel, not in a call.
			h.until("hanging calls", func() bool { return i.Hung >= 2 })
			h.must(h.Run(h.Now() + 100*time.Millisecond))
			if all := processes(); all < 9 {
				t.Errorf("%d processes are there", all)
			}
			end(h.Machine("one"))
			begun := h.Now()
			h.until("the end of its processes", func() bool { return processes() == 0 })
			if took := h.Now() - begun; took > 5*time.Second {
				t.Errorf("they take %v to end", took)
			}
			if have := h.since("one", "up"); have != "" {
				t.Errorf("says %s", have)
			}
		})
	}
}

// mapper is a program that changes a mapped file and, where it is told so, waits for that to be written.
const mapper = `import mmap, os, sys, time
f = open("/srv/a", "r+b")
os.fsync(f.fileno()); os.fsync(os.open("/srv", 0))
m = mmap.mmap(f.fileno(), 5)
m[0:1] = b"H"
print("changed", flush=True)
if sys.argv[1:]:
    time.sleep(0.5)
    m.flush()
time.sleep(1000)
`

// What a program changed of a mapped file is its kernel's: a crash leaves it, a power loss does not.
func TestMappedFilesOfAProgram(t *testing.T) {
	withPython(t, "mmap")
	for name, x := range map[string]struct {
		end  func(sim.Machine) bool
		want string
	}{"crash": {sim.Machine.Crash, "Hello"}, "power off": {sim.Machine.PowerOff, "hello"}} {
		t.Run(name, func(t *testing.T) {
			h := newHall(t)
			h.open("one", 1, nodes.Program{Command: []string{"python3", "-c", mapper}, Files: map[string]string{"/srv/a": "hello"}},
				sim.DiskSpec{})
			h.says("one", "changed", 1)
			x.end(h.Machine("one"))
			h.until("the end of its processes", func() bool { return processes() == 0 })
			if text, err := afero.ReadFile(h.Machine("one").Disk().Fs(nil), "/a"); string(text) != x.want {
				t.Errorf("the file has %q, %v; want %q", text, err, x.want)
			}
		})
	}
}

// A program that waits for its mapped file to be written hears no signal, and yet its machine ends soon.
func TestEndWhileAMappedFileHangs(t *testing.T) {
	withPython(t, "mmap")
	h := newHall(t)
	h.open("one", 1, nodes.Program{Command: []string{"python3", "-c", mapper, "flush"}, Files: map[string]string{"/srv/a": "hello"}},
		sim.DiskSpec{})
	h.says("one", "changed", 1)
	i, _ := h.breaks("one", sim.DiskCondition{How: sim.DiskHang, Operations: []sim.DiskOperation{sim.DiskWrite}})
	h.until("the call hangs", func() bool { return i.Hung > 0 })
	h.Machine("one").Crash()
	begun := h.Now()
	h.until("the end of its processes", func() bool { return processes() == 0 })
	if took := h.Now() - begun; took > 5*time.Second {
		t.Errorf("they take %v to end", took)
	}
}

// withPython skips a test where python3 is not installed, or a module of it.
func withPython(t *testing.T, module string) {
	t.Helper()
	if err := exec.Command("python3", "-c", "import "+module).Run(); err != nil {
		t.Skip("python3 with "+module+" is not installed: ", err)
	}
}

// ledger is a program that commits numbers to a database, and says each when it is there.
const ledger = `import sqlite3
db = sqlite3.connect("/srv/db", isolation_level=None)
db.execute("pragma journal_mode=%s"); db.execute("pragma synchronous=extra")
db.execute("create table if not exists t (n integer primary key, x text)")
n = db.execute("select coalesce(max(n), 0) from t").fetchone()[0]
print("found", db.execute("pragma integrity_check").fetchone()[0], n, flush=True)
while n < 10000:
    n += 1
    db.execute("insert into t values (?, hex(zeroblob(500)))", (n,))
    print("committed", n, flush=True)
`

// SQLite finds after the power failed in the middle of a sync, and some of what was not synced with it, all that it has said.
func TestDatabaseWhosePowerFails(t *testing.T) {
	withPython(t, "sqlite3")
	for _, mode := range []string{"delete", "wal"} {
		t.Run(mode, func(t *testing.T) {
			h := newHall(t)
			short := 500 * time.Microsecond
			h.open("one", 1, nodes.Program{Command: []string{"python3", "-c", fmt.Sprintf(ledger, mode)}}, sim.DiskSpec{Sync: &short})
			m := h.Machine("one")
			h.breaks("one", sim.DiskCondition{How: sim.DiskUnsyncedLoss})
			for boot := 1; boot <= 4; boot++ {
				h.says("one", "found ", boot)
				i, heal := h.breaks("one", sim.DiskCondition{How: sim.DiskCrashAtSync, Nth: 5 + 4*boot})
				h.until("the crash", func() bool { return m.State() == sim.StateOff })
				if heal(); i.Crashed != 1 {
					t.Errorf("the power failed at %d syncs", i.Crashed)
				}
				m.Boot(nil)
			}
			h.says("one", "found ", 5)
			said := 0
			for _, line := range h.lines("one") {
				w := strings.Fields(line)
				switch n, _ := strconv.Atoi(w[len(w)-1]); w[0] {
				case "committed":
					said = n
				case "found":
					if w[1] != "ok" || n < said {
						t.Errorf("%d was committed, and there is: %s", said, line)
					}
				}
			}
			if said < 8 {
				t.Errorf("only %d transactions were committed", said)
			}
		})
	}
}

// What a program writes is as old as it was written by the program's own clock, which is this system's.
func TestAgeOfAFile(t *testing.T) {
	h := newShop(t, script("find /srv -newermt '1 minute ago' -name made; echo x > /srv/made; find /srv -newermt '1 minute ago' -name made; "+
		"echo done; sleep 100"))
	h.says("one", "done", 1)
	if have := h.lines("one"); len(have) != 2 || have[0] != "/srv/made" {
		t.Errorf("of what was written in the last minute it finds %q", have)
	}
}
