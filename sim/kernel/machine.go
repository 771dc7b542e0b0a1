//go:build linux

package kernel

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"firedrill/nodes"
	"firedrill/sim"
	"firedrill/sim/kernel/lan"
	"firedrill/sim/kernel/supervisor"
)

// machine implements sim.Machine, and sim.Works for its chassis. Its methods are called with the world's lock held, and do what
// is slow aside.
type machine struct {
	sim.Chassis
	w   *World
	off bool // not powered on at the start

	births  int           // processes so far
	life    *life         // from one power-on to the next loss of power
	latest  *life         // the same, or the one that is over
	process *process      // the software, if it runs
	waiting []task        // for the machine to be up
	dead    chan struct{} // closed when the software that was dropped last is no more; nil: there was none

	bound map[string][]netip.Addr
	log   *supervisor.Log // of its programs; nil: there was none yet
}

// task is one of the harness on the machine.
type task struct {
	name string
	body func(nodes.Env)
}

func newMachine(w *World, spec sim.MachineSpec) (*machine, error) {
	for _, i := range spec.Interfaces {
		if !slices.ContainsFunc(w.segments, func(s sim.Segment) bool { return s.Name == i.Segment }) {
			return nil, fmt.Errorf("there is no segment %q", i.Segment)
		}
		w.network.Attach(i.Segment, spec.Name)
	}
	m := &machine{w: w, off: spec.Off}
	m.Chassis.Init(w, m, spec)
	if m.runsProgram() {
		m.Disk().SetNow(time.Now) // Its files are as old as this system says: the program asks that for the time.
	}
	m.Clock().Changed = func() {
		if m.life != nil && m.life.own != nil {
			m.life.own.Retime()
		}
	}
	m.Clock().Moved = func() {
		if m.process != nil {
			m.process.setClock(m.Clock().State())
		}
	}
	return m, nil
}

// Addresses implements sim.Machine.
func (m *machine) Addresses(segment string) []netip.Addr {
	if !m.On() {
		return nil
	}
	for _, i := range m.Interfaces() {
		if i.Segment == segment {
			return append([]netip.Addr{i.Address.Addr()}, m.bound[segment]...)
		}
	}
	return nil
}

// hosts are the addresses of all machines of the world with their names. Where a machine has several, those that this
// one shares a segment with come first, since the first is the one that is tried.
func (m *machine) hosts() []string {
	var lines []string
	for _, o := range m.w.machines {
		var near, far []string
		for _, i := range o.Interfaces() {
			line := i.Address.Addr().String() + " " + o.Name()
			if slices.ContainsFunc(m.Interfaces(), func(own sim.Interface) bool { return own.Segment == i.Segment }) {
				near = append(near, line)
			} else {
				far = append(far, line)
			}
		}
		lines = append(append(lines, near...), far...)
	}
	return lines
}

// answers reports whether the machine answers ARP for an address now.
func (m *machine) answers(segment string, a netip.Addr) bool {
	return !m.Still() && !m.Unplugged(segment) && slices.Contains(m.Addresses(segment), a)
}

// Up implements sim.Works. The kernel takes some milliseconds to be there, where it is not there already.
func (m *machine) Up() {
	if m.life == nil {
		m.prepare()
	}
	m.bound = map[string][]netip.Addr{}
	m.life.lit = true
}

// Start implements sim.Works.
func (m *machine) Start() {
	l, dead := m.life, m.dead
	if l.own != nil && m.Kind() != nil && m.process == nil { // Otherwise raise launches it.
		m.w.aside(func() {
			if dead != nil {
				<-dead // What is being killed has its sockets for a moment.
			}
			m.w.mu.Lock()
			defer m.w.mu.Unlock()
			if l.over || m.process != nil || m.Fate() != "" {
				return
			}
			if err := m.launch(); err != nil {
				m.w.fail(fmt.Errorf("machine %s: %w", m.Name(), err))
				return
			}
			m.light()
		})
	}
	m.light()
}

// Drop implements sim.Works.
func (m *machine) Drop() {
	if p := m.process; p != nil {
		dead := make(chan struct{})
		m.process, m.dead = nil, dead
		p.kill()
		m.w.aside(func() {
			p.bury() // It also closes what was open.
			close(dead)
		})
	}
}

// Down implements sim.Works.
func (m *machine) Down() {
	l, p := m.life, m.process
	m.life, m.process, m.waiting = nil, nil, nil
	if p != nil {
		p.kill()
	}
	if l != nil {
		m.bury(l, p)
	}
}

// Hold implements sim.Works. A process whose clock is to stand still is told of that first, so that it wakes with one that did.
func (m *machine) Hold() {
	if m.life == nil || !m.Held() {
		return
	}
	if m.Still() {
		for _, p := range m.life.ports {
			p.Freeze()
		}
	}
	if p := m.process; p != nil {
		if p.holdAfterClock = m.State() == sim.StateSuspended; !p.holdAfterClock {
			p.hold(true)
		}
	}
	if m.life.own != nil {
		m.life.own.Pause()
	}
}

// Release implements sim.Works.
func (m *machine) Release() {
	if m.life == nil || m.Still() {
		return
	}
	if m.process != nil {
		m.process.holdAfterClock = false
	}
	if !m.Held() {
		if m.process != nil {
			m.process.hold(false)
		}
		if m.life.own != nil {
			m.life.own.Resume()
		}
	}
	for _, p := range m.life.ports {
		p.Thaw()
	}
}

// Suspend implements sim.Machine. The uptime of a program is the kernel's, which never stands still.
func (m *machine) Suspend() bool { return !m.runsProgram() && m.Chassis.Suspend() }

// Cable implements sim.Works.
func (m *machine) Cable(segment string, in bool) {
	p := m.port(segment)
	if p == nil {
		return // It is told when it is there.
	}
	act := p.Unplug
	if in {
		act = p.Plug
	}
	if err := act(); err != nil {
		m.w.fail(fmt.Errorf("machine %s: %w", m.Name(), err))
	}
}

// port is the machine's place on a segment, or nil as long as there is none.
func (m *machine) port(segment string) *lan.Port {
	n := slices.IndexFunc(m.Interfaces(), func(i sim.Interface) bool { return i.Segment == segment })
	if n < 0 || m.life == nil || len(m.life.ports) == 0 {
		return nil
	}
	return m.life.ports[n]
}

// Go implements sim.Machine.
func (m *machine) Go(name string, body func(nodes.Env)) {
	if m.On() || m.w.epoch.Load() == 0 && !m.off {
		m.waiting = append(m.waiting, task{name, body})
		m.light()
	}
}

// Who implements sim.Machine.
func (m *machine) Who(segment string, address netip.Addr, wait time.Duration, answered func([]string)) {
	answers := func() []string { return nil }
	if p := m.port(segment); p != nil {
		answers = p.Who(address)
	}
	m.w.At(m.w.Now()+wait, func() { answered(answers()) })
}

// bind notes that an address was taken or given up.
func (m *machine) bind(segment string, a netip.Addr, bound bool) {
	if slices.Contains(m.bound[segment], a) == bound {
		return
	}
	if bound {
		m.bound[segment] = append(m.bound[segment], a)
	} else {
		m.bound[segment] = slices.DeleteFunc(slices.Clone(m.bound[segment]), func(o netip.Addr) bool { return o == a })
	}
	m.Bound(segment, a, bound)
}
