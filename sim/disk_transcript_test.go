package sim

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/spf13/afero"

	"firedrill/nodes"
)

// transcript plays the commands of a golden file on one disk:
//
//	disk [size=N] [seed=N]      a new one, of 1 MB/s
//	do                          the lines that follow, in the words of script; with what each took
//	meanwhile                   the same lines and commands, while the next operation waits
//	look [durable]              all that is on the disk, or what would survive
//	impose NAME how=.. [operations=(..)] [path=..] [nth=N] [share=N] [latency=T], lift NAME, hits NAME
//	power-loss, shutdown, crash, erase, snapshot, restore
type transcript struct {
	disk     *Disk
	pacer    *busyPacer
	script   *script
	imposed  map[string]*DiskImposition
	snapshot *Snapshot
	out      strings.Builder
}

func (tr *transcript) renew(spec DiskSpec, seed uint64) {
	spec.Bandwidth = 8e6
	tr.disk, tr.pacer, tr.imposed = NewDisk(spec, Stream(seed, "disk")), &busyPacer{}, map[string]*DiskImposition{}
	tr.script = newScript(tr.disk.Fs(tr.pacer), "")
	tr.disk.OnCrash = func() {
		fmt.Fprintln(&tr.out, "(the power fails in the middle of a sync)")
		tr.disk.PowerLoss()
	}
}

func (tr *transcript) do(input string) {
	for _, line := range stepsOf(input) {
		if words := strings.Fields(line); tr.command(words[0], words[1:]) {
			fmt.Fprintf(&tr.out, "%s\n", line)
			continue
		}
		tr.pacer.paused = 0
		result := tr.script.play(line)
		fmt.Fprintf(&tr.out, "%s: %s", line, result)
		if tr.pacer.paused > 0 {
			fmt.Fprintf(&tr.out, " (%v)", tr.pacer.paused)
		}
		fmt.Fprintln(&tr.out)
	}
}

// command does what has no result.
func (tr *transcript) command(verb string, args []string) bool {
	switch verb {
	case "power-loss":
		tr.disk.PowerLoss()
	case "shutdown":
		tr.disk.SyncAll()
	case "crash":
		tr.disk.CloseAll()
	case "erase":
		tr.disk.Erase()
	case "snapshot":
		tr.snapshot = tr.disk.Snapshot()
	case "restore":
		tr.disk.Restore(tr.snapshot)
	case "lift":
		return tr.disk.Lift(tr.imposed[args[0]])
	default:
		return false
	}
	return true
}

func (tr *transcript) look(fs afero.Fs) {
	err := afero.Walk(fs, "/", func(path string, i os.FileInfo, err error) error {
		switch {
		case err != nil || path == "/":
		case i.IsDir():
			fmt.Fprintf(&tr.out, "%s/\n", path)
		default:
			var text []byte
			text, err = afero.ReadFile(fs, path)
			fmt.Fprintf(&tr.out, "%s: %s\n", path, shown(text))
		}
		return err
	})
	if err != nil {
		fmt.Fprintln(&tr.out, err)
	} else if tr.out.Len() == 0 {
		fmt.Fprintln(&tr.out, "nothing")
	}
}

func (tr *transcript) impose(t *testing.T, d *datadriven.TestData) {
	i := &DiskImposition{}
	for _, a := range d.CmdArgs[1:] {
		value := strings.Join(a.Vals, ",")
		switch a.Key {
		case "how":
			i.How = DiskFault(value)
		case "operations":
			for _, o := range a.Vals {
				i.Operations = append(i.Operations, DiskOperation(o))
			}
		case "path":
			i.Path = value
		case "nth":
			i.Nth = need[int](t)(strconv.Atoi(value))
		case "share":
			share := nodes.Share(need[int](t)(strconv.Atoi(value)) * 10_000)
			i.Share = &share
		case "latency":
			i.Latency = need[time.Duration](t)(time.ParseDuration(value))
		}
	}
	if err := i.Check(); err != nil {
		fmt.Fprintln(&tr.out, "error:", err)
		return
	}
	tr.disk.Impose(i)
	tr.imposed[d.CmdArgs[0].Key] = i
}

func (tr *transcript) hits(i *DiskImposition) {
	for _, c := range []struct {
		n    int64
		what string
	}{{i.Failed, "failed"}, {i.Delayed, "delayed"}, {i.Hung, "hung"}, {i.Torn, "torn"}, {i.Lost, "lost"}, {i.Lied, "lied"},
		{i.Crashed, "crashed"}, {i.Flipped, "flipped"}} {
		if c.n > 0 {
			fmt.Fprintf(&tr.out, "%d %s, ", c.n, c.what)
		}
	}
	fmt.Fprintf(&tr.out, "%d in all\n", i.Hits())
}

func (tr *transcript) handle(t *testing.T, d *datadriven.TestData) string {
	tr.out.Reset()
	switch d.Cmd {
	case "disk":
		spec, seed := DiskSpec{}, uint64(1)
		for _, a := range d.CmdArgs {
			n := need[int](t)(strconv.Atoi(a.Vals[0]))
			if a.Key == "seed" {
				seed = uint64(n)
			} else {
				spec.Size = nodes.Size(n)
			}
		}
		tr.renew(spec, seed)
	case "do":
		tr.do(d.Input)
	case "meanwhile":
		input := d.Input
		tr.pacer.meanwhile = func() { tr.do(input) }
	case "look":
		if d.HasArg("durable") {
			tr.look(tr.disk.Durable())
		} else {
			tr.look(tr.disk.Fs(nil))
		}
	case "impose":
		tr.impose(t, d)
	case "hits":
		tr.hits(tr.imposed[d.CmdArgs[0].Key])
	default:
		var args []string
		for _, a := range d.CmdArgs {
			args = append(args, a.Key)
		}
		if !tr.command(d.Cmd, args) {
			d.Fatalf(t, "%s did nothing", d.Cmd)
		}
	}
	return tr.out.String()
}

func TestDiskTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata/disk", func(t *testing.T, path string) {
		tr := &transcript{}
		tr.renew(DiskSpec{}, 1)
		datadriven.RunTest(t, path, tr.handle)
	})
}
