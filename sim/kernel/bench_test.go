//go:build linux

package kernel

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"firedrill/nodes"
	"firedrill/sim"
)

// ofMachine are the namespaces that a machine has of its own.
const ofMachine = unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC

// BenchmarkUpDown takes the time from an empty world to one in which the software of each machine has said that it is ready, and
// that of its end, to the last process; beside it that of as many processes of `true` in namespaces of their own, side by side.
// Three machines are to be up in 100 ms, ten in 300 ms, and down in 150 ms.
func BenchmarkUpDown(b *testing.B) {
	for _, machines := range []int{3, 10, 30} {
		b.Run(fmt.Sprintf("machines=%d", machines), func(b *testing.B) {
			var up, down, peer []time.Duration
			for b.Loop() {
				began := time.Now()
				w := manned(b, machines)
				up = append(up, time.Since(began))
				began = time.Now()
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
				down = append(down, time.Since(began))
				peer = append(peer, trueProcesses(b, machines))
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(medianMillis(up), "up-ms")
			b.ReportMetric(medianMillis(down), "down-ms")
			b.ReportMetric(medianMillis(peer), "true-ms")
		})
	}
}

// manned is a world in which all machines are ready.
func manned(b *testing.B, machines int) *World {
	w := New(1, 1)
	must := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	must(w.AddSegment(sim.Segment{Name: "lan", Subnet: prefix("10.0.0.0/24")}))
	for i := range machines {
		must(w.AddMachine(sim.MachineSpec{Name: fmt.Sprint("m", i), Kind: beaconKind, Config: &beaconConfig{},
			Interfaces: []sim.Interface{{Segment: "lan", Address: prefix(fmt.Sprintf("10.0.0.%d/24", i+1))}}}))
	}
	ready := 0
	w.OnFact(func(e sim.Event) bool { return e.Name == nodes.FactReady }, func(sim.Event) {
		ready++
		w.poke()
	})
	for ready < machines {
		must(w.Run(w.Now() + time.Millisecond))
	}
	return w
}

// trueProcesses is the time in which so many processes come and go that do nothing.
func trueProcesses(b *testing.B, n int) time.Duration {
	began := time.Now()
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			c := exec.Command("true")
			c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: ofMachine}
			if err := c.Run(); err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
	return time.Since(began)
}

// entering makes the test binary a program that enters, and ends.
const entering = "FIREDRILL_TEST_ENTERING"

// BenchmarkEnter takes the time of a program that enters and ends, beside that of `true` in the same namespaces.
func BenchmarkEnter(b *testing.B) {
	var ours, peer []time.Duration
	run := func(c *exec.Cmd) time.Duration {
		began := time.Now()
		if out, err := c.CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		return time.Since(began)
	}
	for b.Loop() {
		c := exec.Command("/proc/self/exe")
		c.Env = []string{entering + "=1"}
		ours = append(ours, run(c))
		c = exec.Command("true")
		c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: ofMachine | unix.CLONE_NEWUSER,
			UidMappings: identities(os.Geteuid()), GidMappings: identities(os.Getegid())}
		peer = append(peer, run(c))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(medianMillis(ours), "ms")
	b.ReportMetric(medianMillis(peer), "true-ms")
}

func medianMillis(all []time.Duration) float64 {
	slices.Sort(all)
	return float64(all[len(all)/2].Nanoseconds()) / 1e6
}
