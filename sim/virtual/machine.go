package virtual

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"firedrill/nodes"
	"firedrill/sim"
)

// stillness is how much of a machine stands still, apart from its software.
type stillness int

const (
	running   stillness = iota
	frozen              // frames and timers wait
	suspended           // and so does its uptime
)

// software is what became of the software of a machine that is on.
type software int

const (
	softwareUp software = iota
	softwareCrashed
	softwareStopped
)

// machine implements sim.Machine. What it has of a boot is void in the next one.
type machine struct {
	w      *World
	name   string
	kind   *nodes.Kind
	config any
	specs  []sim.Interface

	on     bool
	boot   int // counts boots and losses of power
	soft   software
	paused bool
	broken bool // a task has panicked
	still  stillness
	kept   []*event  // what fell due while it, or its software, stood still
	frames []*packet // that wait for a thaw

	tasks []*task
	main  *task
	role  nodes.Fact // the last fact role, without a scope

	clock      *sim.Clock
	disk       *sim.Disk
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
	m := &machine{
		w: w, name: spec.Name, kind: spec.Kind, config: spec.Config, specs: spec.Interfaces,
		clock: sim.NewClock(spec.Clock, spec.Start),
		disk:  sim.NewDisk(spec.Disk, w.Stream("disk "+spec.Name)),
		rand:  w.Stream("machine " + spec.Name),
		whim:  whim{rand: w.Stream("whim " + spec.Name)},
	}
	m.clock.Changed = m.retime
	m.disk.SetNow(func() time.Time { return m.clock.Now(w.now) })
	m.disk.SetElapsed(func() time.Duration { return w.now })
	m.disk.OnCrash = func() {
		t := m.self()
		m.PowerOff()
		t.unwind()
	}
	m.disk.OnSync = func(path string) {
		w.Glimpse(w.now, m.name, nodes.Fact{Name: sim.FactDiskSync, Value: path})
	}
	m.sockets.init(w.Stream("ports " + spec.Name))
	return m
}

// Name implements sim.Machine.
func (m *machine) Name() string { return m.name }

// Kind implements sim.Machine.
func (m *machine) Kind() *nodes.Kind { return m.kind }

// Interfaces implements sim.Machine.
func (m *machine) Interfaces() []sim.Interface { return m.specs }

// Disk implements sim.Machine.
func (m *machine) Disk() *sim.Disk { return m.disk }

// Clock implements sim.Machine.
func (m *machine) Clock() *sim.Clock { return m.clock }

// State implements sim.Machine.
func (m *machine) State() sim.State {
	switch {
	case !m.on:
		return sim.StateOff
	case m.still == suspended:
		return sim.StateSuspended
	case m.still == frozen:
		return sim.StateFrozen
	case m.soft == softwareCrashed:
		return sim.StateCrashed
	case m.soft == softwareStopped:
		return sim.StateStopped
	case m.paused:
		return sim.StatePaused
	}
	return sim.StateUp
}

// Addresses implements sim.Machine.
func (m *machine) Addresses(segment string) []netip.Addr {
	if i := m.iface(segment); i != nil && m.on {
		return slices.Clone(i.addresses)
	}
	return nil
}

// Boot implements sim.Machine.
func (m *machine) Boot(config any) bool {
	if m.on {
		return false
	}
	m.on = true
	m.boot++
	m.clock.Boot(m.w.now)
	for _, i := range m.interfaces {
		i.reset()
	}
	m.note(nodes.Fact{Name: sim.FactBooted})
	m.start(config)
	return true
}

// start lets the software run, with a new config if there is one.
func (m *machine) start(config any) {
	if config != nil {
		m.config = config
	}
	m.soft, m.broken, m.paused = softwareUp, false, false
	if m.kind == nil {
		return
	}
	node := m.kind.New(m.config)
	m.main = m.newTask("main", func() {
		value := "ended by itself"
		if err := node.Run(env{m}); err != nil {
			value = err.Error()
		}
		m.note(nodes.Fact{Name: sim.FactStopped, Value: value})
	})
}

// PowerOff implements sim.Machine.
func (m *machine) PowerOff() bool {
	if !m.on {
		return false
	}
	m.lights(false)
	return true
}

// lights ends a machine at once; in good order means that its disk has everything.
func (m *machine) lights(goodOrder bool) {
	m.on = false
	m.killAll()
	if goodOrder {
		m.disk.SyncAll()
	} else {
		m.disk.PowerLoss()
	}
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
	if m.still == suspended {
		m.clock.Wake(m.w.now)
	}
	m.kept, m.frames, m.still, m.paused, m.role = nil, nil, running, false, nodes.Fact{}
	m.note(nodes.Fact{Name: sim.FactPoweredOff})
}

// halt is a shutdown in good order.
func (m *machine) halt(reboot bool) {
	m.lights(true)
	if reboot {
		m.w.after(sim.RebootTime, nil, func() { m.Boot(nil) })
	}
}

// Crash implements sim.Machine.
func (m *machine) Crash() bool {
	if !m.on || m.kind == nil || m.soft != softwareUp {
		return false
	}
	m.note(nodes.Fact{Name: sim.FactCrashed})
	m.stop(softwareCrashed)
	return true
}

// stop drops the software; its kernel closes what it had open.
func (m *machine) stop(how software) {
	m.soft, m.paused, m.role = how, false, nodes.Fact{}
	m.killAll()
	m.disk.CloseAll()
	m.sockets.abandon()
}

// ended takes a task that is done off the list. With the main task, or a panic, the software ends.
func (m *machine) ended(t *task) {
	if i := slices.Index(m.tasks, t); i >= 0 {
		m.tasks = slices.Delete(m.tasks, i, i+1)
	}
	if (t == m.main || m.broken) && m.on && m.soft == softwareUp && !t.killed && m.kind != nil {
		m.stop(softwareStopped)
	}
}

// Restart implements sim.Machine.
func (m *machine) Restart(config any) bool {
	if !m.on || m.kind == nil || m.soft == softwareUp {
		return false
	}
	m.start(config)
	m.note(nodes.Fact{Name: sim.FactRestarted})
	return true
}

// killAll drops every task, in the order in which they began.
func (m *machine) killAll() {
	for _, t := range slices.Clone(m.tasks) {
		m.w.kill(t)
	}
	m.tasks = slices.DeleteFunc(m.tasks, func(t *task) bool { return t.done })
	m.main = nil
}

// Pause implements sim.Machine.
func (m *machine) Pause() bool {
	if m.State() != sim.StateUp {
		return false
	}
	m.paused = true
	m.note(nodes.Fact{Name: sim.FactPaused, Value: string(sim.StatePaused)})
	return true
}

// Resume implements sim.Machine.
func (m *machine) Resume() bool {
	if !m.on || !m.paused || m.still != running {
		return false
	}
	m.paused = false
	m.goOn(sim.StatePaused)
	return true
}

// Freeze implements sim.Machine.
func (m *machine) Freeze() bool { return m.standStill(frozen, sim.StateFrozen) }

// Thaw implements sim.Machine.
func (m *machine) Thaw() bool { return m.move(frozen, sim.StateFrozen) }

// Suspend implements sim.Machine.
func (m *machine) Suspend() bool {
	if !m.standStill(suspended, sim.StateSuspended) {
		return false
	}
	m.clock.Suspend(m.w.now)
	return true
}

// Wake implements sim.Machine. Timers go by uptime, so that none of them has moved on.
func (m *machine) Wake() bool {
	if m.still != suspended {
		return false
	}
	m.clock.Wake(m.w.now)
	m.retime()
	return m.move(suspended, sim.StateSuspended)
}

func (m *machine) standStill(how stillness, state sim.State) bool {
	if !m.on || m.still != running {
		return false
	}
	m.still = how
	m.note(nodes.Fact{Name: sim.FactPaused, Value: string(state)})
	return true
}

func (m *machine) move(from stillness, state sim.State) bool {
	if m.still != from {
		return false
	}
	m.still = running
	m.goOn(state)
	waiting := m.frames
	m.frames = nil
	for _, p := range waiting {
		m.w.receive(p)
	}
	return true
}

// goOn lets happen what fell due while the machine stood still.
func (m *machine) goOn(after sim.State) {
	m.note(nodes.Fact{Name: sim.FactResumed, Value: string(after)})
	due := m.kept
	m.kept = nil
	for _, e := range due {
		m.w.seq++
		e.at, e.seq = m.w.now, m.w.seq
		m.w.events.push(e)
	}
}

// retime sets the timers of sleeping tasks anew, after the rate of the clock has changed.
func (m *machine) retime() {
	for _, t := range m.tasks {
		t.rearm()
	}
}

// Plug implements sim.Machine.
func (m *machine) Plug(segment string) bool { return m.carrier(segment, true) }

// Unplug implements sim.Machine.
func (m *machine) Unplug(segment string) bool { return m.carrier(segment, false) }

func (m *machine) carrier(segment string, plugged bool) bool {
	i := m.iface(segment)
	if i == nil || i.plugged == plugged {
		return false
	}
	i.plugged = plugged
	return true
}

// Go implements sim.Machine.
func (m *machine) Go(name string, body func(nodes.Env)) {
	if m.on {
		m.newTask(name, func() { body(env{m}) })
	} else {
		m.w.after(0, nil, func() { // Machines boot at the first instant of a run.
			if m.on {
				m.newTask(name, func() { body(env{m}) })
			}
		})
	}
}

func (m *machine) note(f nodes.Fact) {
	if f.Name == nodes.FactRole && f.Scope == "" {
		m.role = f
	}
	m.w.note(m.name, f)
}

func (m *machine) iface(segment string) *iface {
	for _, i := range m.interfaces {
		if i.segment.name == segment {
			return i
		}
	}
	return nil
}

func (w *World) machine(name string) *machine {
	for _, m := range w.machines {
		if m.name == name {
			return m
		}
	}
	return nil
}

// text is a panic's value as one reads it.
func text(v any) string { return fmt.Sprint(v) }
