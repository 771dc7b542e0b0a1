package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ending is a way for a run to end, other than that something is killed at random. The drill is brief, or so slow that it is not
// over before something is done to it, or goes on until it is ended.
type ending struct {
	name, scenario string
	play           func(*drill)
}

var endings = []ending{
	{"Ctrl-C", "long", func(d *drill) {
		terminal := d.inTerminal()
		d.up()
		d.typed(terminal, "\x03")
		d.ends(statusInterrupted)
		d.says("interrupted; writing what is finished")
	}},
	{"Ctrl-C twice", "long", func(d *drill) {
		terminal := d.inTerminal()
		d.up()
		d.typed(terminal, "\x03\x03")
		d.ends(statusInterrupted)
	}},
	{"Ctrl-C before it is up", "long", func(d *drill) {
		for at := time.Duration(0); at < edge; at += edge / 12 {
			d = d.drill(d.Args[1:]...)
			d.start()
			time.Sleep(at)
			d.must(unix.Kill(-d.Process.Pid, unix.SIGINT))
			d.ends(statusInterrupted, -1) // Before Go itself is up, the signal does what signals do.
		}
	}},
	{"SIGTERM", "long", func(d *drill) {
		d.start().up()
		d.must(unix.Kill(d.Process.Pid, unix.SIGTERM))
		d.ends(statusInterrupted)
	}},
	{"closed terminal", "long", func(d *drill) {
		terminal := d.inTerminal()
		d.up()
		d.must(terminal.Close())
		d.ends(128 + int(unix.SIGHUP))
	}},
	{"full disk", "brief", func(d *drill) {
		filler := filepath.Join(d.dir, full, "filler")
		d.must(os.WriteFile(filler, make([]byte, fullSize-8<<10), 0o666))
		d.Args = append(d.Args, "--out", full, "--trace") // The last --out counts.
		d.start().ends(statusFault)
		d.says("results of brief, seed 1: ", full+"/brief/", ": no space left on device")
		d.must(os.Remove(filler))
		d.wholeFiles(full)
		d.again(full)
		d.must(os.RemoveAll(filepath.Join(d.dir, full, "brief")))
	}},
	{"a machine's process is killed", "slow", func(d *drill) {
		d.Args = append(d.Args, "--trace")
		machines := d.start().up()
		time.Sleep(50 * time.Millisecond)
		d.must(unix.Kill(machines[1], unix.SIGKILL))
		d.ends(statusUnclear)
		d.says("something outside of the drill ended the process of nas-")
		trace, err := os.ReadFile(filepath.Join(d.dir, kept, "slow", "seed-1", "trace.jsonl"))
		d.must(err)
		for _, want := range []string{"its process ended from outside", `"plug: lan`, `"drill-end"`} { // It goes on to its end.
			if !strings.Contains(string(trace), want) {
				d.Errorf("no %q in\n%s", want, trace)
			}
		}
	}},
	{"stopped for a while", "slow", func(d *drill) {
		machines := d.start().up()
		inner, _ := d.tree()
		all := append(append(machines, inner...), d.Process.Pid)
		for _, s := range []unix.Signal{unix.SIGSTOP, unix.SIGCONT} {
			for _, pid := range all {
				d.must(unix.Kill(pid, s))
			}
			time.Sleep(300 * time.Millisecond)
			slices.Reverse(all)
		}
		d.ends(statusUnclear)
		d.says("the world was late by")
	}},
	{"stopped and killed", "long", func(d *drill) {
		machines := d.start().up()
		inner, _ := d.tree()
		for _, pid := range append(append(machines, inner...), d.Process.Pid) {
			d.must(unix.Kill(pid, unix.SIGSTOP))
		}
		d.must(d.Process.Kill())
		d.ends(-1)
	}},
	{"nobody reads what it says", "brief", func(d *drill) { // As with `| head -1`.
		r, w, err := os.Pipe()
		d.must(err)
		d.Args = append(d.Args, "--seeds", "1..3", "--json")
		d.Stdout = w
		d.start()
		d.must(w.Close())
		line, err := bufio.NewReader(r).ReadString('\n')
		d.must(r.Close())
		if err != nil || !strings.Contains(line, `"seed":1`) {
			d.Errorf("its first line is %q, %v", line, err)
		}
		d.ends(statusUnread)
	}},
	{"no standard files", "brief", func(d *drill) {
		d.Stdin, d.Stdout, d.Stderr = nil, nil, nil
		d.began = time.Now()
		p, err := os.StartProcess(d.Path, d.Args, &os.ProcAttr{Dir: d.dir, Env: d.Env, Sys: d.SysProcAttr, Files: []*os.File{nil, nil, nil}})
		d.must(err)
		state, err := p.Wait()
		d.must(err)
		if status := state.ExitCode(); status != statusPass && status != statusUnclear {
			d.Errorf("status %d", status)
		}
	}},
}

// full is a folder on a disk of its own, of fullSize bytes.
const (
	full     = "full"
	fullSize = 256 << 10
)

// However else a run ends, nothing is left.
func TestNothingIsLeftByTheEnded(t *testing.T) {
	inBoxes(t, func(b *box) {
		for name, change := range map[string][]string{"long": {"stop: 2s", "stop: 10m"}, "slow": {"10x", "2x"}} {
			text := strings.NewReplacer(append(change, "name: brief", "name: "+name)...).Replace(brief)
			b.must(os.WriteFile(filepath.Join(b.dir, name+".yaml"), []byte(text), 0o644))
		}
		b.must(os.Mkdir(filepath.Join(b.dir, full), 0o755))
		b.must(unix.Mount("tmpfs", filepath.Join(b.dir, full), "tmpfs", 0, fmt.Sprintf("mode=1777,size=%d", fullSize)))
		before := b.look()
		for _, e := range endings {
			b.Run(e.name, func(t *testing.T) {
				here := &box{t, b.dir, b.uid}
				e.play(here.drill("run", e.scenario+".yaml", "--world", "kernel", "--out", kept))
				here.nothingLeft(before, e.name)
				here.wholeFiles(kept)
			})
		}
	})
}

// up waits until both machines have a process, and returns these.
func (d *drill) up() []int {
	d.Helper()
	for !d.over() {
		if _, machines := d.tree(); len(machines) == 2 {
			return machines
		}
		time.Sleep(time.Millisecond)
	}
	d.Fatalf("it ended by itself, and said\n%s", &d.out)
	return nil
}

// ends waits for the end, and demands one of these statuses; -1 is a signal that nobody caught.
func (d *drill) ends(want ...int) {
	d.Helper()
	if have := d.end(); !slices.Contains(want, have) {
		d.Errorf("want status %v, have %d, and it said\n%s", want, have, &d.out)
	}
}

func (d *drill) says(words ...string) {
	d.Helper()
	for _, word := range words {
		if !strings.Contains(d.out.String(), word) {
			d.Errorf("no %q in what it said:\n%s", word, &d.out)
		}
	}
}

// inTerminal begins the command in a terminal of its own, and returns the side of who sits there.
func (d *drill) inTerminal() *os.File {
	d.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	d.must(err)
	d.must(unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	d.must(err)
	d.terminal = os.NewFile(uintptr(fd), "terminal")
	d.Cleanup(func() { d.terminal.Close() })
	line, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	d.must(err)
	d.Stdin, d.Stdout, d.Stderr = line, line, line
	d.SysProcAttr.Setpgid, d.SysProcAttr.Setsid, d.SysProcAttr.Setctty = false, true, true
	d.start()
	d.must(line.Close())
	d.shown.Go(func() { _, _ = d.out.ReadFrom(d.terminal) }) // Until the last one who has the line has closed it.
	return d.terminal
}

// typed types keys.
func (d *drill) typed(terminal *os.File, keys string) {
	d.Helper()
	for _, key := range []byte(keys) {
		_, err := terminal.Write([]byte{key})
		d.must(err)
		time.Sleep(5 * time.Millisecond)
	}
}

// again plays the short drill once more, with its results where they were.
func (b *box) again(out string) {
	b.Helper()
	d := b.drill("run", "brief.yaml", "--world", "kernel", "--out", out)
	d.start().ends(statusPass, statusUnclear)
	b.wholeFiles(out)
}

// wholeFiles demands that what lies in a folder of results is whole, but for what was being written: its name says so.
func (b *box) wholeFiles(out string) {
	b.Helper()
	files := map[string]string{}
	paths, _ := filepath.Glob(filepath.Join(b.dir, out, "*", "*"))
	deeper, _ := filepath.Glob(filepath.Join(b.dir, out, "*", "*", "*"))
	for _, path := range append(paths, deeper...) {
		if text, err := os.ReadFile(path); err == nil && filepath.Ext(path) != ".new" && filepath.Ext(path) != ".part" {
			files[path] = string(text)
		}
	}
	if err := whole(files); err != nil {
		b.Error(err)
	}
}
