//go:build linux

package kernel

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"firedrill/sim"
	"firedrill/sim/internal/conform"
)

// What software finds on its disk while that breaks, and afterwards, is what it finds in the virtual world. However calls of
// it hang, a world is closed soon, and nothing of it is left.
func TestDrills(t *testing.T) {
	before := belongings(t)
	conform.TestDrills(t, conform.Linux, func(seed uint64) sim.World { return &timed{New(seed, 1), t} })
	after := belongings(t)
	for end := time.Now().Add(10 * time.Second); after != before && time.Now().Before(end); after = belongings(t) {
		time.Sleep(5 * time.Millisecond) // What the kernel gives back when it finds the time.
	}
	if after != before {
		t.Errorf("before there was %s, and now there is %s", before, after)
	}
}

// timed is a world that must not take long to close.
type timed struct {
	*World
	t *testing.T
}

func (w *timed) Close() error {
	begun := time.Now()
	err := w.World.Close()
	if took := time.Since(begun); took > 10*time.Second {
		w.t.Errorf("the world took %v to close", took)
	}
	return err
}

// belongings are how much the harness has of what worlds are made of.
func belongings(t *testing.T) string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	count := func(dir, form string) int {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, e := range entries {
			if strings.Trim(e.Name(), form) == "" {
				n++
			}
		}
		return n
	}
	const digits = "0123456789"
	return fmt.Sprintf("%d disks, %d processes, %d descriptors", strings.Count(string(mounts), "fuse.firedrill"),
		count("/proc", digits), count("/proc/self/fd", digits))
}
