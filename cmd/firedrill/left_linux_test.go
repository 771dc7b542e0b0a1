package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// kills is how often a run is killed in each box.
const kills = 51

// edge is about what the setup of a run takes, and what its end does.
const edge = 60 * time.Millisecond

// Whoever of a run is killed, at whatever moment of its setup, its play and its end: within a second nothing is left.
func TestNothingIsLeftByTheKilled(t *testing.T) {
	inBoxes(t, func(b *box) {
		seed := uint64(time.Now().UnixNano())
		if text := os.Getenv("FIREDRILL_TEST_SEED"); text != "" {
			var err error
			seed, err = strconv.ParseUint(text, 10, 64)
			b.must(err)
		}
		b.Cleanup(func() {
			if b.Failed() {
				b.Logf("the same moments again: FIREDRILL_TEST_SEED=%d", seed)
			}
		})
		moments := rand.New(rand.NewPCG(seed, 0))
		whole := max(b.untilItsEnd(), 3*edge)
		before := b.look()
		died := map[string]int{}
		for n, runs := 0, 0; n < kills; runs++ {
			if runs == 3*kills {
				b.Fatalf("%d runs had ended before they were killed", runs-n)
			}
			whom := []string{"harness", "inner process", "machine"}[n%3]
			from, to := [...]time.Duration{0, edge, whole - edge}[n/3%3], [...]time.Duration{edge, whole - edge, whole}[n/3%3]
			after := from + time.Duration(moments.Int64N(int64(to-from)))
			d := b.drill("run", "brief.yaml", "--world", "kernel", "--out", kept).start()
			phase := d.kill(whom, after)
			status, took := d.end(), time.Since(d.began)
			b.nothingLeft(before, fmt.Sprintf("%s killed after %s of %s, in %s", whom, after, whole, phase))
			unharmed := whom != "machine" && (status == statusPass || status == statusUnclear)
			if phase == "" || unharmed { // It had ended before: the system is not as busy as it was.
				whole = max(took, 3*edge)
				continue
			}
			if whom == "harness" && status != -1 || whom == "inner process" && status != 128+int(unix.SIGKILL) {
				b.Errorf("%s killed after %s: status %d, and it said\n%s", whom, after, status, &d.out)
			}
			died[phase]++
			n++
		}
		b.Logf("%d killed in runs of some %s: %v", kills, whole, died)
		if died["setup"] == 0 || died["play"] == 0 {
			b.Errorf("want kills in setup and in play, have %v", died)
		}
		b.untilItsEnd() // What the killed have left in the folder of results hinders nobody.
	})
}

// untilItsEnd lets a run end by itself, and says how long it took.
func (b *box) untilItsEnd() time.Duration {
	b.Helper()
	d := b.drill("run", "brief.yaml", "--world", "kernel", "--out", kept).start()
	if status := d.end(); status != statusPass && status != statusUnclear { // It is real time, and others work here, too.
		b.Fatalf("status %d, and it said\n%s", status, &d.out)
	}
	return time.Since(d.began)
}

// kill kills one of the processes of a run, so long after its begin, or as soon as there is one; "" is a run that ended before.
func (d *drill) kill(whom string, after time.Duration) (phase string) {
	time.Sleep(time.Until(d.began.Add(after)))
	for !d.over() {
		inner, machines := d.tree()
		phase = "setup"
		if len(machines) > 0 {
			phase = "play"
		}
		victims := map[string][]int{"harness": {d.Process.Pid}, "inner process": inner, "machine": machines}[whom]
		if len(victims) > 0 && unix.Kill(victims[len(victims)-1], unix.SIGKILL) == nil {
			return phase
		}
		time.Sleep(100 * time.Microsecond)
	}
	return ""
}

// tree finds the inner process, if there is one, and those of the machines.
func (d *drill) tree() (inner, machines []int) {
	if inner = children(d.Process.Pid); len(inner) > 0 {
		machines = children(inner[0])
	}
	return inner, machines
}

// over reports whether the command has ended, and leaves it to be waited for.
func (d *drill) over() bool {
	var info unix.Siginfo
	return unix.Waitid(unix.P_PID, d.Process.Pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil) != nil || info.Signo != 0
}
