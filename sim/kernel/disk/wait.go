//go:build linux

package disk

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// call is one question of the kernel, on behalf of a thread or by itself, until it is answered.
type call struct {
	m        *Mount
	thread   uint32          // as this process sees it; 0: it does not
	signal   <-chan struct{} // closed: the thread has a signal to hear
	byKernel bool            // it writes out what was changed of a mapped file
	dead     bool            // the thread is being killed
}

// dropped is what a call panics with that is not to go on.
type dropped struct{}

// do is one call: act runs with the lock held, but for the time that it waits.
func (m *Mount) do(signal <-chan struct{}, in *fuse.InHeader, act func() error) fuse.Status {
	return (&call{m: m, thread: in.Pid, signal: signal}).do(act)
}

func (c *call) do(act func() error) (status fuse.Status) {
	c.m.lock.Lock()
	defer c.m.lock.Unlock()
	c.m.turn = c
	defer func() {
		if r := recover(); r != nil {
			if r != any(dropped{}) {
				panic(r)
			}
			status = fuse.EIO
		}
	}()
	if c.byKernel && c.m.hold == nobody {
		return fuse.OK // The process that changed it dies, and must not have to wait.
	}
	c.alive()
	err := act()
	c.alive() // The power may have failed in the midst of it.
	return statusOf(err)
}

// alive returns if the call may go on. If nobody is to hear of it, it waits until nobody can.
func (c *call) alive() {
	if c.m.hold > kernelOnly || c.m.hold == kernelOnly && !c.byKernel {
		c.wait(nil)
	}
	select {
	case <-c.m.over:
		panic(dropped{})
	default:
	}
	if c.dead {
		panic(dropped{})
	}
}

// wait gives up the lock until something has come, or the call has no future.
func (c *call) wait(come <-chan struct{}) {
	c.m.lock.Unlock()
	c.rest(come)
	c.m.lock.Lock()
	c.m.turn = c
}

// glance is how often a thread that has a signal is looked at.
const glance = 20 * time.Millisecond

// rest waits as a disk lets threads wait: a signal ends it only where it kills. Of a second signal nobody is told, so a
// thread that has one is looked at again and again.
func (c *call) rest(come <-chan struct{}) {
	select {
	case <-come:
		return
	case <-c.m.over:
		return
	case <-c.signal:
	}
	again := time.NewTicker(glance)
	defer again.Stop()
	for {
		if c.dead = dying(c.thread); c.dead {
			return
		}
		select {
		case <-come:
			return
		case <-c.m.over:
			return
		case <-again.C:
		}
	}
}

// dying reports whether a thread has SIGKILL to hear, which any signal becomes that ends its process.
func dying(thread uint32) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", thread))
	if err != nil {
		return os.IsNotExist(err) && thread != 0
	}
	_, pending, _ := bytes.Cut(status, []byte("\nSigPnd:\t"))
	pending, _, _ = bytes.Cut(pending, []byte("\n"))
	signals, err := strconv.ParseUint(string(pending), 16, 64)
	return err == nil && signals>>(unix.SIGKILL-1)&1 == 1
}

// pacer implements sim.Pacer: it waits without the lock.
type pacer struct{ m *Mount }

// exact is the shortest time for which a timer of the runtime will do: it waits whole milliseconds where nothing else goes on,
// and a sync of 5 ms takes a twelfth of one at 60x.
const exact = 5 * time.Millisecond

// Pause implements sim.Pacer. A short one is not cut short, whatever comes meanwhile.
func (p pacer) Pause(d time.Duration) {
	real := d / p.m.scale
	if real <= 0 {
		return
	}
	if real < exact {
		c := p.m.turn
		p.m.lock.Unlock()
		nap(real)
		p.m.lock.Lock()
		p.m.turn = c
		c.alive()
		return
	}
	passed := make(chan struct{})
	timer := time.AfterFunc(real, func() { close(passed) })
	defer timer.Stop()
	p.wait(passed)
}

// nap sleeps by the kernel's own timer.
func nap(d time.Duration) {
	left := unix.NsecToTimespec(int64(d))
	for unix.Nanosleep(&left, &left) == unix.EINTR {
	}
}

// Hang implements sim.Pacer.
func (p pacer) Hang(register func(wake func())) {
	woken := make(chan struct{})
	register(func() { close(woken) })
	p.wait(woken)
}

func (p pacer) wait(come <-chan struct{}) {
	c := p.m.turn
	c.wait(come)
	c.alive()
}
