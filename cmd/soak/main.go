// Command soak looks for two answers from one seed. It plays one scenario with thousands of seeds in two processes, with one
// worker and with two, compares what they say of each play and what they write, and watches their memory.
//
//	go run ./cmd/soak [-seeds N] [SCENARIO]
//
// Before that it proves that it would notice: it builds firedrill with the wall clock, and with the order of a map, let into the
// virtual world, and demands that it finds each of them.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	seeds := flag.Int("seeds", 10_000, "how many seeds are played")
	flag.Parse()
	scenario := flag.Arg(0)
	if scenario == "" {
		scenario = filepath.Join("cmd", "soak", "testdata", "soak.yaml")
	}
	if err := soak(scenario, *seeds, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "soak: %v\n", err)
		os.Exit(1)
	}
}

// chaos is a source of it, let into the virtual world.
type chaos struct {
	what, file    string
	before, after string
}

var sources = []chaos{
	{"the wall clock", "sim/virtual/arp.go",
		"first := i.segment.rand.IntN(len(all))",
		"first := int(uint64(time.Now().UnixNano()/100) % uint64(len(all)))"},
	{"the order of a map", "sim/virtual/arp.go",
		"	for k := range all {",
		"	places := map[int]bool{}\n	for k := range all {\n		places[k] = true\n	}\n	for k := range places {"},
}

// chaosSeeds is how many seeds have to do to notice a source of chaos.
const chaosSeeds = 20

func soak(scenario string, seeds int, w io.Writer) error {
	say := func(format string, args ...any) {
		_, _ = fmt.Fprintf(w, format, args...) // Who cannot be told is told by the status.
	}
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // What is left lies where the system sweeps.
	for _, c := range sources {
		binary, err := c.build(dir)
		if err != nil {
			return fmt.Errorf("let in %s: %w", c.what, err)
		}
		r, err := compare(binary, scenario, dir, chaosSeeds)
		if err != nil {
			return err
		}
		say("%s let in: %d of %d plays differ\n", c.what, r.mismatches, chaosSeeds)
		if r.mismatches == 0 {
			return fmt.Errorf("%s was let into the world, and nobody noticed", c.what)
		}
	}
	binary, err := build(dir, "")
	if err != nil {
		return err
	}
	began := time.Now()
	r, err := compare(binary, scenario, dir, seeds)
	if err != nil {
		return err
	}
	say("%d seeds, each played in two processes: %d plays differ, and %d of %d files; %.0f s\n", seeds, r.mismatches,
		len(r.unlike), r.files, time.Since(began).Seconds())
	for i, p := range r.processes {
		if p.status == statusFault {
			err = errors.Join(err, fmt.Errorf("--jobs %d found a fault of firedrill's own", jobs[i]))
		}
		if p.late == 0 {
			say("  --jobs %d: too few plays to tell how its memory grows\n", jobs[i])
			continue
		}
		say("  --jobs %d: memory %.1f MB after %d plays, %.1f MB after %d\n", jobs[i],
			megabytes(p.early), earlyPlays, megabytes(p.late), latePlays(seeds))
		if p.late-p.early > memoryMax {
			err = errors.Join(err, fmt.Errorf("--jobs %d: memory grew by %.1f MB, want at most %.0f", jobs[i],
				megabytes(p.late-p.early), megabytes(memoryMax)))
		}
	}
	if r.mismatches > 0 {
		err = errors.Join(err, fmt.Errorf("%d plays differ, first %s", r.mismatches, r.first))
	}
	if len(r.unlike) > 0 {
		err = errors.Join(err, fmt.Errorf("%d files differ, first %s", len(r.unlike), r.unlike[0]))
	}
	return err
}

// build builds the command, with an overlay or without.
func build(dir, overlay string) (string, error) {
	binary := filepath.Join(dir, "firedrill")
	args := []string{"build", "-o", binary}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	said, err := exec.Command("go", append(args, "./cmd/firedrill")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w: %s", err, bytes.TrimSpace(said))
	}
	return binary, nil
}

// build builds the command with the chaos in it.
func (c *chaos) build(dir string) (string, error) {
	name, err := filepath.Abs(c.file)
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(text), c.before); n != 1 {
		return "", fmt.Errorf("%s has %q %d times, want once", c.file, c.before, n)
	}
	changed, list := filepath.Join(dir, "chaos.go"), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(changed, []byte(strings.Replace(string(text), c.before, c.after, 1)), 0o600); err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{name: changed}})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		return "", err
	}
	return build(dir, list)
}

// The two processes differ in how many workers they have.
var jobs = [2]int{1, 2}

const (
	earlyPlays = 100
	memoryMax  = 16 << 20 // bytes by which a process may be larger at the end than after earlyPlays
)

// latePlays is after how many plays memory is looked at again: near the end, but before the process can have ended. 0: not
// at all.
func latePlays(seeds int) int {
	if seeds < 10*earlyPlays {
		return 0
	}
	return seeds - seeds/50
}

type result struct {
	mismatches int
	first      string // the play that differed first
	files      int    // that both wrote
	unlike     []string
	processes  [2]*process
}

// process is one of the two.
type process struct {
	command     *exec.Cmd
	lines       *bufio.Scanner
	out         string
	said        bytes.Buffer
	early, late int64 // bytes of memory
	status      int   // that it ended with
}

// compare plays the seeds in two processes.
func compare(binary, scenario, dir string, seeds int) (*result, error) {
	r := new(result)
	for i := range jobs {
		p, err := start(binary, scenario, filepath.Join(dir, fmt.Sprintf("jobs-%d", jobs[i])), jobs[i], seeds)
		if err != nil {
			return nil, err
		}
		r.processes[i] = p
		defer p.stop()
	}
	for n := 1; n <= seeds; n++ {
		var told [2]string
		for i, p := range r.processes {
			text, err := p.next(n, seeds)
			if err != nil {
				return nil, fmt.Errorf("--jobs %d, play %d of %d: %w", jobs[i], n, seeds, err)
			}
			told[i] = text
		}
		if told[0] != told[1] {
			if r.mismatches++; r.first == "" {
				r.first = told[0]
			}
		}
	}
	for _, p := range r.processes {
		if err := p.end(); err != nil {
			return nil, err
		}
	}
	return r, r.compareFiles()
}

// compareFiles compares what the processes wrote, but for wall.json, which tells how long plays took in life.
func (r *result) compareFiles() error {
	one, two := r.processes[0].out, r.processes[1].out
	return filepath.WalkDir(one, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "wall.json" {
			return err
		}
		inside, err := filepath.Rel(one, name)
		if err != nil {
			return err
		}
		a, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(filepath.Join(two, inside))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if r.files++; err != nil || !bytes.Equal(a, b) {
			r.unlike = append(r.unlike, inside)
		}
		return nil
	})
}

func start(binary, scenario, out string, jobs, seeds int) (*process, error) {
	if err := os.RemoveAll(out); err != nil {
		return nil, err
	}
	p := &process{out: out, command: exec.Command(binary, "run", scenario, "--seeds", fmt.Sprintf("1..%d", seeds),
		"--jobs", strconv.Itoa(jobs), "--json", "--out", out)}
	p.command.Stderr = &p.said
	p.command.Env = append(os.Environ(), "GOGC=50") // Garbage that is not collected yet is not what a process keeps.
	stdout, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.lines = bufio.NewScanner(stdout)
	p.lines.Buffer(nil, 16<<20)
	return p, p.command.Start()
}

// next reads what the process says of play n: everything but how long it took in life.
func (p *process) next(n, seeds int) (string, error) {
	if !p.lines.Scan() {
		err := errors.Join(p.lines.Err(), p.command.Wait())
		return "", fmt.Errorf("it ended early: %w: %s", errors.Join(err, io.ErrUnexpectedEOF), bytes.TrimSpace(p.said.Bytes()))
	}
	if late := latePlays(seeds); late > 0 && (n == earlyPlays || n == late) {
		memory, err := p.memory()
		if err != nil {
			return "", err
		}
		if n == earlyPlays {
			p.early = memory
		} else {
			p.late = memory
		}
	}
	var line map[string]any
	if err := json.Unmarshal(p.lines.Bytes(), &line); err != nil {
		return "", err
	}
	delete(line, "wall_seconds")
	text, err := json.Marshal(line)
	return string(text), err
}

// memory is what the process holds now.
func (p *process) memory() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, found := strings.CutPrefix(line, "VmRSS:"); found {
			kilobytes, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, errors.New("no VmRSS in /proc")
}

// statusFault is how firedrill ends by a fault of its own: now and then it plays one of its plays twice too.
const statusFault = 4

// end waits for the process to write what is left. That plays go wrong under disturbance is no matter here.
func (p *process) end() error {
	err := p.command.Wait()
	switch p.status = p.command.ProcessState.ExitCode(); p.status {
	case 0, 1, 3, statusFault:
		return nil
	}
	return fmt.Errorf("%w: %s", err, bytes.TrimSpace(p.said.Bytes()))
}

// stop ends the process, if it has not ended by itself.
func (p *process) stop() {
	_ = p.command.Process.Kill()
	_ = p.command.Wait()
}

func megabytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }
