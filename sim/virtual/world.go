// Package virtual is the deterministic world: one thread of control, virtual time, and one seed that decides everything. The same
// seed gives the same bytes, and it runs thousands of times faster than life. It needs neither root nor a network.
package virtual

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"firedrill/nodes"
	"firedrill/sim"
)

// World implements sim.World.
type World struct {
	sim.Chronicle
	*sim.Streams
	now time.Duration

	events  eventHeap
	free    []*event
	seq     uint64
	instant int // events at this instant so far

	current *task
	fault   error
	closed  bool
	beat    atomic.Uint64 // events so far, for the watchdog
	label   string

	patience time.Duration // see patienceDefault

	network  *sim.Network
	segments []*segment
	machines sim.Fleet[*machine]
	packets  []*packet // to be used again
	tap      func(*packet)

	flows map[flow]string
}

var runs atomic.Uint64 // Tells runs apart in the goroutine profile, and decides nothing.

// New makes an empty world.
func New(seed uint64) *World {
	return &World{
		Streams: sim.NewStreams(seed), patience: patienceDefault,
		label:   strconv.FormatUint(runs.Add(1), 10),
		network: sim.NewNetwork(seed),
		flows:   map[flow]string{},
	}
}

// AddSegment implements sim.World. A segment that joins others is added after them.
func (w *World) AddSegment(s sim.Segment) error {
	switch {
	case w.segment(s.Name) != nil:
		return fmt.Errorf("segment %q is there already", s.Name)
	case len(s.Joins) > 0:
		return w.addPath(s)
	case !s.Subnet.Addr().Is4():
		return fmt.Errorf("segment %q: want an IPv4 subnet, have %v", s.Name, s.Subnet)
	}
	w.network.AddSegment(s)
	w.segments = append(w.segments, &segment{name: s.Name, subnet: s.Subnet.Masked(),
		rand: w.Stream("segment " + s.Name)})
	return nil
}

func (w *World) segment(name string) *segment {
	for _, s := range w.segments {
		if s.name == name {
			return s
		}
	}
	return nil
}

// AddMachine implements sim.World. A machine with software boots at the start of the next Run.
func (w *World) AddMachine(spec sim.MachineSpec) error {
	if w.Machine(spec.Name) != nil {
		return fmt.Errorf("machine %q is there already", spec.Name)
	}
	if spec.Kind != nil && spec.Kind.Program != nil {
		return fmt.Errorf("machine %q: programs of kind %s run in the kernel world only", spec.Name, spec.Kind.Name)
	}
	m := newMachine(w, spec)
	for _, i := range spec.Interfaces {
		if err := m.attach(i); err != nil {
			return fmt.Errorf("machine %q: %w", spec.Name, err)
		}
	}
	w.machines = append(w.machines, m)
	if !spec.Off {
		w.after(0, nil, func() { m.Boot(nil) })
	}
	return nil
}

// Now implements sim.World.
func (w *World) Now() time.Duration { return w.now }

// At implements sim.World.
func (w *World) At(t time.Duration, act func()) { w.schedule(t, nil).act = act }

// Machine implements sim.World.
func (w *World) Machine(name string) sim.Machine { return w.machines.Machine(name) }

func (w *World) machine(name string) *machine { return w.machines.Find(name) }

// Machines implements sim.World.
func (w *World) Machines() []sim.Machine { return w.machines.Machines() }

// Links implements sim.World.
func (w *World) Links(segment string) []*sim.Link { return w.network.Links(segment) }

// Reachable implements sim.World. A cable that is unplugged carries nothing.
func (w *World) Reachable(segment, from, to string) bool {
	for _, s := range w.segments {
		if segment != "" && segment != s.name {
			continue
		}
		if s.router != nil {
			if w.reachableVia(s, from, to) {
				return true
			}
		} else if a, b := s.of(from), s.of(to); a != nil && b != nil && a != b && a.open(b) {
			return true
		}
	}
	return false
}

// Owners implements sim.World.
func (w *World) Owners(segment string, address netip.Addr) []string {
	s := w.segment(segment)
	if s == nil {
		return nil
	}
	var names []string
	for _, i := range s.interfaces {
		if i.m.powered() && !i.m.Still() && i.plugged && i.has(address) {
			names = append(names, i.m.Name())
		}
	}
	return names
}

// Record implements sim.World.
func (w *World) Record(op nodes.Operation) {
	if by := w.flows[flowOf(op.Local, op.Remote)]; by != "" {
		w.machine(by).Sign(&op)
	}
	w.Enter(w.now, op)
}

// Note implements sim.World.
func (w *World) Note(f nodes.Fact) { w.Add(w.now, "", f) }

// Slack implements sim.World: virtual time is never late.
func (w *World) Slack() time.Duration { return 0 }

// patienceDefault is how long, in wall time, no event may happen before the run is taken for a spin.
const patienceDefault = 10 * time.Second

// Run implements sim.World. The run goes on in a goroutine of its own, so that a node which never gives way costs that
// goroutine, and not the caller.
func (w *World) Run(until time.Duration) error {
	switch {
	case w.closed:
		return errors.New("the world is closed")
	case w.fault != nil:
		return w.fault
	}
	over := make(chan error, 1)
	go func() {
		pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels(labelKey, w.label)))
		err := w.loop(until)
		w.unlabel()
		over <- err
	}()
	timer := time.NewTicker(w.patience) //nolint:forbidigo // The watchdog is of this world, not in it.
	defer timer.Stop()
	for last := w.beat.Load(); ; {
		select {
		case err := <-over:
			w.fault = err
			return err
		case <-timer.C:
			now := w.beat.Load()
			if now == last {
				// The goroutine is lost, and with it all that it holds: nobody may touch this world again.
				w.closed = true
				return fmt.Errorf("no event for %s of wall time: a task spins\n%s", w.patience, stacks(w.label))
			}
			last = now
		}
	}
}

const labelKey = "firedrill-run"

func (w *World) unlabel() { pprof.SetGoroutineLabels(context.Background()) }

// Close implements sim.World. It fails if a node has started goroutines that are still there.
func (w *World) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	over := make(chan struct{})
	go func() {
		defer close(over)
		for _, m := range w.machines {
			m.killAll()
		}
	}()
	<-over
	if s := stacks(w.label); s != "" {
		return fmt.Errorf("a node has started goroutines of its own, which are still there:\n%s", s)
	}
	return nil
}

// stacks returns the stacks of the goroutines that carry the label.
func stacks(label string) string {
	var b strings.Builder
	if runtime.NumGoroutine() > 1 {
		_ = pprof.Lookup("goroutine").WriteTo(&b, 1) // A Builder takes everything.
	}
	mark := fmt.Sprintf("%q:%q", labelKey, label)
	var found []string
	for _, part := range strings.Split(b.String(), "\n\n") {
		if strings.Contains(part, mark) {
			found = append(found, part)
		}
	}
	return strings.Join(found, "\n\n")
}
