package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TestInDoubt plays runs on a system that is kept from being what the kernel world needs, each in its own way: they show
// nothing, say why, and end with the status of what shows nothing. A run is believed where nothing is done to it.
func TestInDoubt(t *testing.T) {
	inBoxes(t, func(b *box) {
		var status int
		for range 20 { // Others work here, too: of so many brief ones there is one that they do not disturb.
			d := b.drill("run", "brief.yaml", "--world", "kernel", "--out", kept).start()
			if status = d.end(); status != statusUnclear {
				break
			}
		}
		if status != statusPass {
			b.Fatalf("want a run that is let alone to be believed, have status %d", status)
		}
		text := strings.NewReplacer("10x", "1x", "stop: 2s", "stop: 4s").Replace(brief)
		b.must(os.WriteFile(filepath.Join(b.dir, "brief.yaml"), []byte(text), 0o644))
		for name, x := range map[string]struct {
			hinder func(*drill)
			why    string
		}{
			"the harness stands still": {(*drill).standStill, "the world was late by"},
			"a processor is crowded":   {(*drill).crowd, "the world was late by"},
			"queues overflow":          {(*drill).overflow, "the kernel lost"},
		} {
			d := b.drill("run", "brief.yaml", "--world", "kernel", "--out", kept)
			d.start()
			for _, machines := d.tree(); len(machines) < 2; _, machines = d.tree() {
				if d.over() {
					b.Fatalf("%s: it is over already, and said\n%s", name, &d.out)
				}
				time.Sleep(time.Millisecond)
			}
			time.Sleep(300 * time.Millisecond) // Its time runs.
			x.hinder(d)
			d.ends(statusUnclear)
			d.says("inconclusive", x.why)
		}
	})
}

// standStill stops the harness, and with it the switch, for three times as long as it may be late.
func (d *drill) standStill() {
	inner, _ := d.tree()
	d.must(unix.Kill(inner[0], unix.SIGSTOP))
	time.Sleep(300 * time.Millisecond)
	d.must(unix.Kill(inner[0], unix.SIGCONT))
}

// crowd puts the harness on one processor, behind so many others who want it that it comes too late, for a second.
func (d *drill) crowd() {
	inner, _ := d.tree()
	var all, one unix.CPUSet
	d.must(unix.SchedGetaffinity(0, &all))
	for cpu := 0; one.Count() == 0; cpu++ {
		if all.IsSet(cpu) {
			one.Set(cpu)
		}
	}
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", inner[0]))
	d.must(err)
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		d.must(err)
		_ = unix.SchedSetaffinity(id, &one) // One that has ended is not missed.
		_ = unix.Setpriority(unix.PRIO_PROCESS, id, 19)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var crowd sync.WaitGroup
	for range 40 {
		worker := exec.CommandContext(ctx, "/bin/sh", "-c", "while :; do :; done")
		d.must(worker.Start())
		d.must(unix.SchedSetaffinity(worker.Process.Pid, &one))
		crowd.Go(func() { _ = worker.Wait() }) // It is killed when its time is over.
	}
	time.Sleep(time.Second) // Of all of them: on a busy system it takes as long to start them.
	stop()
	crowd.Wait()
}

// overflow lets a machine send more than its queue has room for, when that is made small: the interface loses most of it.
func (d *drill) overflow() {
	_, machines := d.tree()
	own, err := os.Open("/proc/thread-self/ns/net")
	d.must(err)
	defer own.Close()
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", machines[0]))
	d.must(err)
	defer ns.Close()
	over := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread() // It must not end: a command may have been started from this thread, and would end with it.
		err := flood(int(ns.Fd()))
		over <- errors.Join(err, unix.Setns(int(own.Fd()), unix.CLONE_NEWNET))
	}()
	d.must(<-over)
}

// flood sends datagrams as fast as it can, from a network namespace in which the calling thread then is.
func flood(namespace int) error {
	if err := unix.Setns(namespace, unix.CLONE_NEWNET); err != nil {
		return err
	}
	lan, err := netlink.LinkByName("lan")
	if err != nil {
		return err
	}
	if err := netlink.LinkSetTxQLen(lan, 1); err != nil {
		return err
	}
	c, err := net.Dial("udp4", "10.0.0.255:9")
	if err != nil {
		return err
	}
	defer c.Close()
	for range 20000 {
		_, _ = c.Write([]byte("more")) // Nobody listens.
	}
	return nil
}
