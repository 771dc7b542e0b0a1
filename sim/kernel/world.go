//go:build linux

// Package kernel is the world on a real Linux kernel: a process per machine in namespaces of its own, a switch between their
// interfaces, disks behind FUSE, and the wall clock. All of it is one tree of processes that Enter makes, and ends with it.
package kernel

import (
	"container/heap"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"firedrill/nodes"
	"firedrill/sim"
	"firedrill/sim/kernel/lan"
)

// World implements sim.World. One lock guards all of it: it is the caller's except while Run waits. Then it belongs to whoever
// has something to say: the switch, a disk, a machine's process, a task of the harness.
type World struct {
	sim.Chronicle
	*sim.Streams
	entrance
	mu    sync.Mutex
	seed  uint64
	scale int64

	epoch   atomic.Int64  // CLOCK_MONOTONIC at time 0; 0: not begun
	ended   atomic.Int64  // CLOCK_MONOTONIC at the close; 0: not closed
	last    time.Duration // of the last event: the trace does not go back
	timers  timers
	seq     uint64
	wake    chan struct{} // there is a timer more, or a fault
	fault   error
	closed  bool
	leaving bool          // programs are asked to end: the trace is complete
	late    time.Duration // at worst: its timers, and the processes of its machines
	killed  []string      // machines whose processes were ended by somebody who is no part of the drill

	network  *sim.Network
	lan      *lan.Switch
	segments []sim.Segment
	machines sim.Fleet[*machine]
	logs     map[string][]byte // after Close
	work     sync.WaitGroup    // what goes on without the lock
}

// New makes an empty world, in a process that Enter has put into namespaces of its own. Node clocks, link latencies and disks run
// scale times faster than life. What goes wrong here is told by the first method that can fail.
func New(seed uint64, scale int) *World {
	w := &World{Streams: sim.NewStreams(seed), seed: seed, scale: int64(max(1, scale)), wake: make(chan struct{}, 1),
		network: sim.NewNetwork(seed), entrance: newEntrance()}
	w.mu.Lock()
	w.lan, w.fault = lan.New(lan.Options{Network: w.network, Lock: &w.mu, Now: w.Now, Scale: w.scale, Rand: w.Stream("switch"),
		Owner: w.owner})
	return w
}

// AddSegment implements sim.World. A segment that joins others is added after them.
func (w *World) AddSegment(s sim.Segment) error {
	if w.fault != nil {
		return w.fault
	}
	for _, o := range w.segments {
		if o.Name == s.Name {
			return fmt.Errorf("segment %q is there already", s.Name)
		}
	}
	if len(s.Joins) == 0 && !s.Subnet.Addr().Is4() {
		return fmt.Errorf("segment %q: want an IPv4 subnet, have %v", s.Name, s.Subnet)
	}
	if err := w.lan.AddSegment(s); err != nil {
		return err
	}
	w.segments = append(w.segments, s)
	w.network.AddSegment(s)
	for _, name := range s.Joins {
		w.network.Attach(name, s.Name) // The router.
	}
	return nil
}

// AddMachine implements sim.World. Machines boot, all at once, before time 0 of the first Run.
func (w *World) AddMachine(spec sim.MachineSpec) error {
	if w.machine(spec.Name) != nil {
		return fmt.Errorf("machine %q is there already", spec.Name)
	}
	m, err := newMachine(w, spec)
	if err != nil {
		return fmt.Errorf("machine %q: %w", spec.Name, err)
	}
	w.machines = append(w.machines, m)
	return nil
}

// Now implements sim.World.
func (w *World) Now() time.Duration {
	epoch, now := w.epoch.Load(), w.ended.Load()
	if epoch == 0 {
		return 0
	}
	if now == 0 {
		now = monotonic()
	}
	return elapsed(now, epoch, w.scale)
}

// At implements sim.World.
func (w *World) At(t time.Duration, act func()) {
	w.seq++
	heap.Push(&w.timers, &timer{max(t, w.Now()), w.seq, act})
	w.poke()
}

// poke lets Run look again at what it waits for.
func (w *World) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Machine implements sim.World.
func (w *World) Machine(name string) sim.Machine { return w.machines.Machine(name) }

func (w *World) machine(name string) *machine { return w.machines.Find(name) }

// Machines implements sim.World.
func (w *World) Machines() []sim.Machine { return w.machines.Machines() }

// Links implements sim.World.
func (w *World) Links(segment string) []*sim.Link { return w.network.Links(segment) }

// Reachable implements sim.World. A cable that is unplugged carries nothing.
func (w *World) Reachable(segment, from, to string) bool {
	a, b := w.machine(from), w.machine(to)
	for _, s := range w.segments {
		switch {
		case segment != "" && segment != s.Name:
		case len(s.Joins) > 0:
			if w.reachableVia(s, a, b) {
				return true
			}
		case w.network.Reachable(s.Name, from, to) && !a.Unplugged(s.Name) && !b.Unplugged(s.Name):
			return true
		}
	}
	return false
}

// Owners implements sim.World.
func (w *World) Owners(segment string, address netip.Addr) []string {
	var names []string
	for _, m := range w.machines {
		if m.answers(segment, address) {
			names = append(names, m.Name())
		}
	}
	return names
}

// Record implements sim.World.
func (w *World) Record(op nodes.Operation) {
	if m := w.machine(w.lan.ServedBy(op.Local, op.Remote)); m != nil {
		m.Sign(&op)
	}
	w.Enter(w.moment(w.Now()), op)
}

// Note implements sim.World.
func (w *World) Note(f nodes.Fact) { w.Add(w.Now(), "", f) }

// Add implements sim.Surroundings: what comes later is not earlier in the trace.
func (w *World) Add(at time.Duration, machine string, f nodes.Fact) {
	w.mark(at, machine, f)
	w.Chronicle.Add(w.moment(at), machine, f)
}

// moment is the time for the trace of what happened at a time: what comes later is not earlier.
func (w *World) moment(at time.Duration) time.Duration {
	w.last = max(w.last, at)
	return w.last
}

// Slack implements sim.World: by how much the world was late at worst, its own timers, the machines' processes and the switch.
func (w *World) Slack() time.Duration {
	if w.lan == nil {
		return 0
	}
	return max(w.late, w.lan.Late().Worst)
}

// What the world may do wrong before a run shows nothing, in real time and as a share of frames.
const (
	lateEnough = 100 * time.Millisecond
	lostEnough = 1000 // one in so many
)

// Doubt implements sim.Doubter.
func (w *World) Doubt() string {
	if w.lan == nil {
		return ""
	}
	l := w.lan.Late()
	var why []string
	if late := w.Slack() / time.Duration(w.scale); late > lateEnough {
		why = append(why, fmt.Sprintf("the world was late by %s of real time, more than %s: this system was too busy to play at %dx",
			late.Round(time.Millisecond), lateEnough, w.scale))
	}
	if l.Dropped*lostEnough > l.Frames {
		why = append(why, fmt.Sprintf("the kernel lost %d of %d frames that nobody was to lose", l.Dropped, l.Frames+l.Dropped))
	}
	for _, name := range w.killed {
		why = append(why, fmt.Sprintf("something outside of the drill ended the process of %s", name))
	}
	return strings.Join(why, "; ")
}

// fail ends the run: the harness could not do what it is there for. What Close cannot give back goes with the tree of processes.
func (w *World) fail(err error) {
	if w.fault == nil && !w.closed {
		w.fault = &sim.OwnFault{Err: err}
	}
	w.poke()
}

// Run implements sim.World, in real time.
func (w *World) Run(until time.Duration) error {
	if w.closed {
		return errors.New("the world is closed")
	}
	if w.epoch.Load() == 0 && w.fault == nil {
		w.begin()
	}
	for w.fault == nil {
		now := w.Now()
		w.fire(now)
		next := until
		if len(w.timers) > 0 {
			next = min(until, w.timers[0].at)
		}
		if w.fault != nil || now >= until && next >= until {
			break
		}
		w.sleep(next - now)
	}
	return w.fault
}

// fire does what is due.
func (w *World) fire(now time.Duration) {
	for len(w.timers) > 0 && w.timers[0].at <= now && w.fault == nil {
		t := heap.Pop(&w.timers).(*timer)
		w.late = max(w.late, w.Now()-t.at)
		t.act()
	}
}

// sleep gives the world to others for so much true time, or until there is something to do.
func (w *World) sleep(d time.Duration) {
	w.mu.Unlock()
	act := func() {}
	t := time.NewTimer(max(0, d/time.Duration(w.scale)))
	defer t.Stop()
	select {
	case <-t.C:
	case <-w.wake:
	case act = <-w.asked:
	}
	w.mu.Lock()
	act()
}

// begin brings all machines up, and lets time begin when the last one is.
func (w *World) begin() {
	behindDoor.enter(w)
	var lives []*life
	for _, m := range w.machines {
		if !m.off && m.life == nil { // Otherwise it was booted already.
			m.prepare()
		}
		if m.life != nil && !m.Held() { // What stands still is up when it goes on.
			lives = append(lives, m.life)
		}
	}
	w.mu.Unlock()
	for _, l := range lives {
		<-l.up
	}
	w.mu.Lock()
	w.epoch.Store(monotonic())
	w.lookOut()
	for _, m := range w.machines {
		if m.life != nil && !m.Boot(nil) {
			m.light()
		}
	}
}

// Close implements sim.World: when it returns, nothing of the world is left but what it remembers.
func (w *World) Close() error {
	if w.closed {
		return nil
	}
	behindDoor.leave(w)
	w.farewell()
	w.ended.Store(monotonic())
	w.closed = true
	for _, m := range w.machines {
		m.Retire()
		m.Down()
	}
	w.mu.Unlock()
	defer w.mu.Lock()
	w.work.Wait()
	w.keepLogs()
	if w.lan == nil {
		return nil
	}
	return w.lan.Close()
}

// aside does something slow without the lock. Close waits for it.
func (w *World) aside(slow func()) {
	w.work.Add(1)
	go func() {
		defer w.work.Done()
		slow()
	}()
}

// timer is something to be done at a time.
type timer struct {
	at  time.Duration
	seq uint64 // of equal times the first one asked for is the first served
	act func()
}

type timers []*timer

func (t timers) Len() int { return len(t) }
func (t timers) Less(i, j int) bool {
	return t[i].at < t[j].at || t[i].at == t[j].at && t[i].seq < t[j].seq
}
func (t timers) Swap(i, j int) { t[i], t[j] = t[j], t[i] }
func (t *timers) Push(x any)   { *t = append(*t, x.(*timer)) }
func (t *timers) Pop() any {
	all := *t
	last := all[len(all)-1]
	*t = all[:len(all)-1]
	return last
}
