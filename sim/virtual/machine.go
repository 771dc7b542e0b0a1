package virtual

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"

	"firedrill/nodes"
	"firedrill/sim"
)

// machine implements sim.Machine, and sim.Works for its chassis. What it has of a boot is void in the next one.
type machine struct {
	sim.Chassis
	w *World

	boot   int       // counts boots and losses of power
	broken bool      // a task has panicked
	kept   []*event  // what fell due while it, or its software, stood still
	frames []*packet // that wait for a thaw

	tasks []*task
	main  *task

	rand       *rand.Rand
	whim       whim
	interfaces []*iface

	sockets sockets
	routes  *segment // of a router: the segment that it is; nil: an ordinary machine
}

// whim decides when a task that need not give way does so all the same.
type whim struct {
	rand *rand.Rand
	bits uint64
	left int
}

// strikes is true once in eight times.
func (w *whim) strikes() bool {
	if w.left == 0 {
		w.bits, w.left = w.rand.Uint64(), 21
	}
	w.left--
	struck := w.bits&7 == 0
	w.bits >>= 3
	return struck
}

func newMachine(w *World, spec sim.MachineSpec) *machine {
	m := &machine{w: w, rand: w.Stream("machine " + spec.Name), whim: whim{rand: w.Stream("whim " + spec.Name)}}
	m.Chassis.Init(w, m, spec)
	m.Clock().Changed = m.retime
	m.Disk().OnCrash = func() {
		t := m.self()
		m.PowerOff()
		t.unwind()
	}
	m.sockets.init(w.Stream("ports " + spec.Name))
	return m
}

// powered reports whether the machine takes part in the network. A router is always on.
func (m *machine) powered() bool { return m.On() || m.routes != nil }

// Addresses implements sim.Machine.
func (m *machine) Addresses(segment string) []netip.Addr {
	if i := m.iface(segment); i != nil && m.On() {
		return slices.Clone(i.addresses)
	}
	return nil
}

// Up implements sim.Works.
func (m *machine) Up() {
	m.boot++
	for _, i := range m.interfaces {
		i.reset()
	}
}

// Start implements sim.Works.
func (m *machine) Start() {
	m.broken = false
	if m.Kind() == nil {
		return
	}
	node := m.Kind().New(m.Config)
	m.main = m.newTask("main", func() {
		value := "ended by itself"
		if err := node.Run(env{m}); err != nil {
			value = err.Error()
		}
		m.Note(nodes.Fact{Name: sim.FactStopped, Value: value})
	})
}

// Down implements sim.Works.
func (m *machine) Down() {
	m.killAll()
	m.boot++
	m.sockets.vanish()
	for _, i := range m.interfaces {
		i.reset()
	}
	for _, e := range m.kept {
		m.w.recycle(e)
	}
	for _, p := range m.frames {
		m.w.lose(p)
	}
	m.kept, m.frames = nil, nil
}

// Drop implements sim.Works.
func (m *machine) Drop() {
	m.killAll()
	m.Disk().CloseAll()
	m.sockets.abandon()
}

// ended takes a task that is done off the list. With the main task, or a panic, the software ends.
func (m *machine) ended(t *task) {
	if i := slices.Index(m.tasks, t); i >= 0 {
		m.tasks = slices.Delete(m.tasks, i, i+1)
	}
	if (t == m.main || m.broken) && !t.killed {
		m.Ended(sim.StateStopped)
	}
}

// killAll drops every task, in the order in which they began.
func (m *machine) killAll() {
	for _, t := range slices.Clone(m.tasks) {
		m.w.kill(t)
	}
	m.tasks = slices.DeleteFunc(m.tasks, func(t *task) bool { return t.done })
	m.main = nil
}

// Hold implements sim.Works: whatever falls due asks whether it has to wait.
func (m *machine) Hold() {}

// Release implements sim.Works.
func (m *machine) Release() {
	if m.Still() {
		return
	}
	due := m.kept
	m.kept = nil
	for _, e := range due {
		m.w.seq++
		e.at, e.seq = m.w.now, m.w.seq
		m.w.events.push(e)
	}
	waiting := m.frames
	m.frames = nil
	for _, p := range waiting {
		m.w.receive(p)
	}
}

// retime sets the timers of sleeping tasks anew, after the rate of the clock has changed, or it has gone on.
func (m *machine) retime() {
	for _, t := range m.tasks {
		t.rearm()
	}
}

// Cable implements sim.Works.
func (m *machine) Cable(segment string, in bool) { m.iface(segment).plugged = in }

// Go implements sim.Machine.
func (m *machine) Go(name string, body func(nodes.Env)) {
	if m.On() {
		m.newTask(name, func() { body(env{m}) })
	} else {
		m.w.after(0, nil, func() { // Machines boot at the first instant of a run.
			if m.On() {
				m.newTask(name, func() { body(env{m}) })
			}
		})
	}
}

func (m *machine) iface(segment string) *iface {
	for _, i := range m.interfaces {
		if i.segment.name == segment {
			return i
		}
	}
	return nil
}

// text is a panic's value as one reads it.
func text(v any) string { return fmt.Sprint(v) }
