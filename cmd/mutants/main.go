// Command mutants plants bugs and fails unless each is caught: a check that has never failed is not trusted.
//
//	go run ./cmd/mutants [PATCH...]
//
// A bug is a patch, by default any testdata/mutants/*.patch of the module. It is built in as an
// overlay; the work tree is not touched. Lines before the patch say how it must die:
//
//	# bug: the standby takes over one check early
//	# play: active-power-off/during-check --seeds 1..3
//	# kills: takeover
//
// The play is what stands after `firedrill run`, and there may be several such lines; the claims
// that it kills turn red in these plays, and are not red without the bug. A bug in the world or in
// a claim may be killed by a test instead:
//
//	# test: ./scenarios/expect -run TestTakeoverWindow
//
// A crash is no kill, nor is a claim that nobody named: such a bug dies by chance.
package main

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	alive, err := hunt(".", os.Args[1:], os.Stdout)
	if err != nil {
		fmt.Fprintf(os.Stderr, "mutants: %v\n", err)
		os.Exit(2)
	}
	if alive > 0 {
		os.Exit(1)
	}
}

// hunt plants the bugs of these patches, or of all, in the module at root, one after the other. It
// returns how many were not killed as they should. The error is for what keeps it from going on.
func hunt(root string, patches []string, w io.Writer) (alive int, err error) {
	if root, err = filepath.Abs(root); err != nil {
		return 0, err
	}
	if len(patches) == 0 {
		if patches, err = findPatches(root); err != nil {
			return 0, err
		}
	}
	temporary, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(temporary) }() // What is left lies where the system sweeps.
	l := &lab{root: root, dir: temporary, clean: map[string]*record{}}
	out := bufio.NewWriter(w)
	for _, patch := range patches {
		begin := time.Now()
		bug, kill, err := l.try(patch)
		word, lines := "killed", make([]string, len(kill))
		for i, claim := range kill {
			lines[i] = "by " + claim
		}
		if err != nil {
			alive++
			word, lines = "ALIVE", append(strings.Split(err.Error(), "\n"), "in "+patch)
		}
		fmt.Fprintf(out, "%-6s %5.1fs  %s\n", word, time.Since(begin).Seconds(), bug)
		for _, line := range lines {
			fmt.Fprintf(out, "               %s\n", line)
		}
		if err := out.Flush(); err != nil {
			return alive, err
		}
	}
	fmt.Fprintf(out, "%d bugs planted, %d killed, %d alive\n", len(patches), len(patches)-alive, alive)
	return alive, out.Flush()
}

// findPatches lists the patches of the module, relative to its root.
func findPatches(root string) ([]string, error) {
	var patches []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if filepath.Ext(path) == ".patch" && strings.HasSuffix(filepath.Dir(path), filepath.Join("testdata", "mutants")) {
			path, err = filepath.Rel(root, path)
			patches = append(patches, path)
		}
		return err
	})
	if err == nil && len(patches) == 0 {
		err = fmt.Errorf("no testdata/mutants/*.patch below %s", root)
	}
	slices.Sort(patches)
	return patches, err
}
