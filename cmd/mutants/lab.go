package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// patience is how long one play line or one test may take. A bug that hangs has not been killed.
const patience = 5 * time.Minute

// lab builds and plays with one bug.
type lab struct {
	root, dir string
	clean     *clean
}

// clean plays without any bug, each line once, for all labs.
type clean struct {
	root, dir string
	mutex     sync.Mutex
	built     string // the command; "": not yet
	records   map[string]*record
}

// record is what came of one play line.
type record struct {
	status int
	said   string // on standard error
	plays  []play
}

// play is what a line of `firedrill run --json` says, as far as it matters here.
type play struct {
	Case   string
	Seed   uint64
	Error  string
	Claims []struct{ Name, Text, Verdict string }
}

// try plants one bug. It returns what the bug is and by what it was killed; the error says why it is alive.
func (l *lab) try(patch string) (bug string, kill []string, err error) {
	if !filepath.IsAbs(patch) {
		patch = filepath.Join(l.root, patch)
	}
	m, err := readMutant(patch)
	if err != nil {
		return filepath.Base(patch), nil, err
	}
	files, err := apply(l.root, m.changes)
	if err != nil {
		return m.bug, nil, err
	}
	overlay, err := l.overlay(files)
	if err != nil {
		return m.bug, nil, err
	}
	if len(m.plays) > 0 {
		if kill, err = l.play(m, overlay); err != nil {
			return m.bug, nil, err
		}
	}
	for _, test := range m.tests {
		if err := l.test(test, overlay); err != nil {
			return m.bug, nil, err
		}
		kill = append(kill, "go test "+test)
	}
	return m.bug, kill, nil
}

// overlay writes the patched files, and the list of them that the go command reads.
func (l *lab) overlay(files map[string]string) (string, error) {
	replace := map[string]string{}
	for name, text := range files {
		there := filepath.Join(l.dir, fmt.Sprintf("patched%d.go", len(replace)))
		if err := os.WriteFile(there, []byte(text), 0o666); err != nil {
			return "", err
		}
		replace[name] = there
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	name := filepath.Join(l.dir, "overlay.json")
	return name, os.WriteFile(name, list, 0o666)
}

// build builds the command, with an overlay or without.
func (l *lab) build(name, overlay string) (string, error) {
	binary := filepath.Join(l.dir, name)
	args := []string{"build", "-o", binary}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	build := exec.Command("go", append(args, "./cmd/firedrill")...)
	build.Dir = l.root
	if said, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("it does not build: %s", head(string(said)))
	}
	return binary, nil
}

// play plays a mutant's lines, and demands that each claim that it names turns red in at least one play.
func (l *lab) play(m *mutant, overlay string) (kill []string, err error) {
	binary, err := l.build("mutant", overlay)
	if err != nil {
		return nil, err
	}
	red := map[string]string{} // Each claim that turned red with its subject, and where first.
	for _, line := range m.plays {
		before, err := l.clean.play(line)
		if err != nil {
			return nil, err
		}
		after, err := l.run(binary, line)
		if err == nil {
			err = after.crashed()
		}
		if err != nil {
			return nil, err
		}
		for _, p := range after.plays {
			for _, claim := range p.red() {
				if red[claim] != "" {
					continue
				}
				if before.isRed(claim) {
					return nil, fmt.Errorf("%s is red in `%s` without the bug", claim, line)
				}
				red[claim] = fmt.Sprintf("%s in %s, seed %d", claim, p.Case, p.Seed)
			}
		}
	}
	return m.verdict(red)
}

// soundness is the claim that a node's software neither panicked nor span. It is red in a crash, which is no kill.
const soundness = "software_sound"

// verdict is where the claims that had to turn red did so, or why the bug is alive.
func (m *mutant) verdict(red map[string]string) (kill []string, err error) {
	have := slices.Sorted(maps.Keys(red))
	if n := slices.IndexFunc(have, is(soundness)); n >= 0 && !slices.ContainsFunc(m.kills, is(soundness)) {
		return nil, fmt.Errorf("it dies by another cause: %s", red[have[n]])
	}
	for _, claim := range m.kills {
		n := slices.IndexFunc(have, is(claim))
		switch {
		case len(have) == 0:
			return nil, fmt.Errorf("no claim turned red; want %s", strings.Join(m.kills, ", "))
		case n < 0:
			return nil, fmt.Errorf("want %s red, have %s", claim, strings.Join(have, ", "))
		}
		kill = append(kill, red[have[n]])
	}
	return kill, nil
}

// is reports whether a claim, with its subject if it has one, is the one that a patch names with or without a subject.
func is(named string) func(claim string) bool {
	return func(claim string) bool { return claim == named || strings.HasPrefix(claim, named+": ") }
}

// play is what comes of a play line in the code as it is. Whoever needs the same line meanwhile waits for it.
func (c *clean) play(line string) (*record, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if r := c.records[line]; r != nil {
		return r, nil
	}
	l := &lab{root: c.root, dir: c.dir}
	if c.built == "" {
		err := os.MkdirAll(c.dir, 0o777)
		if err == nil {
			c.built, err = l.build("firedrill", "")
		}
		if err != nil {
			c.built = ""
			return nil, fmt.Errorf("without any bug: %w", err)
		}
	}
	r, err := l.run(c.built, line)
	if err == nil {
		err = r.crashed()
	}
	if err != nil {
		return nil, fmt.Errorf("without any bug: %w", err)
	}
	c.records[line] = r
	return r, nil
}

// run plays a line.
func (l *lab) run(binary, line string) (*record, error) {
	out := filepath.Join(l.dir, "out")
	if err := os.RemoveAll(out); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	args := append([]string{"run", "--json", "--out", out}, strings.Fields(line)...)
	command := exec.CommandContext(ctx, binary, args...)
	command.Dir = l.root
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	var exit *exec.ExitError
	if ctx.Err() != nil {
		return nil, fmt.Errorf("`firedrill run %s` did not end within %s", line, patience)
	}
	if err != nil && !errors.As(err, &exit) {
		return nil, err
	}
	r := &record{status: command.ProcessState.ExitCode(), said: stderr.String()}
	for text := range strings.Lines(stdout.String()) {
		var p play
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			return nil, fmt.Errorf("`firedrill run %s` printed %q: %w; it said %s", line, head(text), err, head(r.said))
		}
		r.plays = append(r.plays, p)
	}
	return r, nil
}

// crashed is an error where the plays say nothing of the claims: firedrill or the software of a node broke down.
func (r *record) crashed() error {
	for _, p := range r.plays {
		if p.Error != "" {
			return fmt.Errorf("it dies by another cause, in %s, seed %d: %s", p.Case, p.Seed, head(p.Error))
		}
	}
	if r.status != 0 && r.status != 1 && r.status != 3 {
		return fmt.Errorf("it dies by another cause, with status %d: %s", r.status, head(r.said))
	}
	if len(r.plays) == 0 {
		return fmt.Errorf("nothing was played: %s", head(r.said))
	}
	return nil
}

func (r *record) isRed(claim string) bool {
	return slices.ContainsFunc(r.plays, func(p play) bool { return slices.Contains(p.red(), claim) })
}

// red are the claims that the play violates, each with its subject: `hazard: HZ-D1`.
func (p play) red() []string {
	var claims []string
	for _, c := range p.Claims {
		if c.Verdict != "violation" {
			continue
		}
		claim, _, _ := strings.Cut(c.Text, ", ") // What follows are its bounds.
		claims = append(claims, cmp.Or(claim, c.Name))
	}
	return claims
}

// test demands that a test fails with the overlay, by its own judgement: it is neither a build that
// fails nor a panic. Without the overlay it passes, or `make test` would tell.
func (l *lab) test(line, overlay string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	args := append([]string{"test", "-count=1", "-overlay", overlay}, strings.Fields(line)...)
	command := exec.CommandContext(ctx, "go", args...)
	command.Dir = l.root
	said, err := command.CombinedOutput()
	text := string(said)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("`go test %s` did not end within %s", line, patience)
	case strings.Contains(text, "[build failed]") || strings.Contains(text, "[setup failed]"):
		return fmt.Errorf("it does not build: %s", head(text))
	case strings.Contains(text, "[no tests to run]") || strings.Contains(text, "[no test files]"):
		return fmt.Errorf("`go test %s` runs no test", line)
	case err == nil:
		return fmt.Errorf("`go test %s` passes", line)
	case strings.Contains(text, "panic: ") || !strings.Contains(text, "--- FAIL: "):
		return fmt.Errorf("it dies by another cause: %s", head(text))
	}
	return nil
}

// head is the beginning of what a program said.
func head(text string) string {
	lines := slices.Collect(strings.Lines(strings.TrimSpace(text)))
	if len(lines) == 0 {
		return "nothing"
	}
	return strings.TrimSpace(strings.Join(lines[:min(len(lines), 5)], ""))
}
