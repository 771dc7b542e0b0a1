// Command mutants plants bugs and fails unless each is caught: a check that has never failed is not trusted.
//
//	go run ./cmd/mutants [PATCH...]
//	go run ./cmd/mutants --list
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
	var alive int
	var err error
	if slices.Equal(os.Args[1:], []string{"--list"}) {
		err = list(".", os.Stdout)
	} else {
		alive, err = hunt(".", os.Args[1:], os.Stdout)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "mutants: %v\n", err)
		os.Exit(2)
	}
	if alive > 0 {
		os.Exit(1)
	}
}

// atOnce is how many bugs are planted at a time: one builds while the other plays.
const atOnce = 2

// hunt plants the bugs of these patches, or of all, in the module at root, and prints them in their order. It returns
// how many were not killed as they should. The error is for what keeps it from going on.
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
	begin := time.Now()
	clean := &clean{root: root, dir: filepath.Join(temporary, "clean"), records: map[string]*record{}}
	fates := make([]chan fate, len(patches))
	places := make(chan int, atOnce)
	for n := range fates {
		fates[n] = make(chan fate, 1)
	}
	go func() {
		for n, patch := range patches {
			places <- n
			go func() {
				l := &lab{root: root, dir: filepath.Join(temporary, fmt.Sprint(n)), clean: clean}
				fates[n] <- l.fate(patch)
				<-places
			}()
		}
	}()
	out := bufio.NewWriter(w)
	for n := range patches {
		f := <-fates[n]
		if f.err != nil {
			alive++
		}
		f.print(out)
		if err := out.Flush(); err != nil {
			return alive, err
		}
	}
	fmt.Fprintf(out, "%d bugs planted, %d killed, %d alive, in %.1fs\n",
		len(patches), len(patches)-alive, alive, time.Since(begin).Seconds())
	return alive, out.Flush()
}

// fate is what became of one bug.
type fate struct {
	patch, bug string
	kill       []string // by what it was killed, and where
	err        error    // why it is alive
	took       time.Duration
}

// fate plants a bug, and sweeps up after it.
func (l *lab) fate(patch string) fate {
	begin := time.Now()
	f := fate{patch: patch}
	if f.err = os.MkdirAll(l.dir, 0o777); f.err == nil {
		f.bug, f.kill, f.err = l.try(patch)
	}
	_ = os.RemoveAll(l.dir) // A built command is large; what is left goes at the end.
	f.took = time.Since(begin)
	return f
}

func (f *fate) print(out *bufio.Writer) {
	word, lines := "killed", make([]string, len(f.kill))
	for i, claim := range f.kill {
		lines[i] = "by " + claim
	}
	if f.err != nil {
		word, lines = "ALIVE", append(strings.Split(f.err.Error(), "\n"), "in "+f.patch)
	}
	fmt.Fprintf(out, "%-6s %5.1fs  %s\n", word, f.took.Seconds(), f.bug)
	for _, line := range lines {
		fmt.Fprintf(out, "               %s\n", line)
	}
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
