//go:build linux

package kernel

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/vishvananda/netlink"

	"firedrill/nodes"
	"firedrill/sim"
	"firedrill/sim/kernel/env"
	"firedrill/sim/kernel/lan"
	"firedrill/sim/kernel/netns"
	"firedrill/sim/kernel/supervisor"
)

// stillness is how much of a machine stands still, apart from its software.
type stillness int

const (
	running   stillness = iota
	frozen              // frames wait
	suspended           // and its uptime stands still
)

// software is what became of the software of a machine that is on.
type software int

const (
	softwareUp software = iota
	softwareCrashed
	softwareStopped
)

// machine implements sim.Machine. Its methods are called with the world's lock held, and do what is slow aside.
type machine struct {
	w      *World
	name   string
	kind   *nodes.Kind
	config any
	specs  []sim.Interface
	off    bool // not powered on at the start

	on     bool
	births int // processes so far
	soft   software
	paused bool
	still  stillness

	life    *life    // from one power-on to the next loss of power
	process *process // the software, if it runs
	waiting []task   // for the machine to be up

	role      nodes.Fact // the last fact role, without a scope
	bound     map[string][]netip.Addr
	unplugged map[string]bool
	clock     *sim.Clock
	disk      *sim.Disk
	log       *supervisor.Log // of its programs; nil: there was none yet
}

// life is what a machine has of its kernel while it is on.
type life struct {
	up      chan struct{} // closed when all is there, or cannot be
	ns      *netns.Namespace
	ports   []*lan.Port // by the machine's interfaces; empty until all are there
	own     *env.Machine
	memory  string         // a mount: what programs have in memory; "": there was none yet
	down    chan struct{}  // closed when it is over
	watched sync.WaitGroup // addresses are watched in ns until then
	lit     bool           // software may run
	over    bool
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
	m := &machine{w: w, name: spec.Name, kind: spec.Kind, config: spec.Config, specs: spec.Interfaces, off: spec.Off,
		clock: sim.NewClock(spec.Clock, spec.Start), disk: sim.NewDisk(spec.Disk, w.Stream("disk "+spec.Name)),
		bound: map[string][]netip.Addr{}, unplugged: map[string]bool{}}
	m.clock.Changed = func() {
		if m.life != nil && m.life.own != nil {
			m.life.own.Retime()
		}
	}
	m.clock.Moved = func() {
		if m.process != nil {
			m.process.setClock(m.clock.State())
		}
	}
	m.disk.SetNow(func() time.Time { return m.clock.Now(w.Now()) })
	m.disk.SetElapsed(w.Now)
	m.disk.OnCrash = func() { m.PowerOff() }
	m.disk.OnSync = func(path string) {
		w.Glimpse(w.Now(), m.name, nodes.Fact{Name: sim.FactDiskSync, Value: path})
	}
	return m, nil
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
	if !m.on {
		return nil
	}
	for _, i := range m.specs {
		if i.Segment == segment {
			return append([]netip.Addr{i.Address.Addr()}, m.bound[segment]...)
		}
	}
	return nil
}

// answers reports whether the machine answers ARP for an address now.
func (m *machine) answers(segment string, a netip.Addr) bool {
	return m.still == running && !m.unplugged[segment] && slices.Contains(m.Addresses(segment), a)
}

// Boot implements sim.Machine. The machine counts as on from now; its kernel takes some milliseconds to be there.
func (m *machine) Boot(config any) bool {
	if m.on || m.w.closed {
		return false
	}
	if config != nil {
		m.config = config
	}
	m.prepare()
	m.switchOn()
	return true
}

// prepare begins a life, without light.
func (m *machine) prepare() {
	l := &life{up: make(chan struct{}), down: make(chan struct{})}
	m.life = l
	m.w.aside(func() {
		defer close(l.up)
		if err := m.raise(l); err != nil {
			m.w.mu.Lock()
			m.w.fail(fmt.Errorf("machine %s: %w", m.name, err))
			m.w.mu.Unlock()
		}
	})
}

// switchOn lets a life that is being prepared begin.
func (m *machine) switchOn() {
	m.on, m.soft, m.paused, m.still = true, softwareUp, false, running
	m.bound, m.role = map[string][]netip.Addr{}, nodes.Fact{}
	m.clock.Boot(m.w.Now())
	m.life.lit = true
	m.note(nodes.Fact{Name: sim.FactBooted})
	m.light()
}

// light lets run what is there and may.
func (m *machine) light() {
	l := m.life
	if l == nil || !l.lit || l.own == nil {
		return
	}
	for _, t := range m.waiting {
		l.own.Go(t.name, func(e nodes.Env) { t.body(e) })
	}
	m.waiting = nil
	if m.process != nil {
		m.process.begin()
	}
}

// raise makes the machine's kernel: a namespace, interfaces, and a process for its software.
func (m *machine) raise(l *life) error {
	ns, err := netns.New()
	if err != nil {
		return err
	}
	if err := ns.Do(loopbackUp); err != nil {
		return err
	}
	var ports []*lan.Port
	for _, i := range m.specs {
		p, err := m.w.lan.Attach(ns, i.Segment, m.name, i.Address)
		if err != nil {
			return err
		}
		ports = append(ports, p)
	}
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	l.ns, l.ports = ns, ports
	if m.runsProgram() {
		if err := m.watchAddresses(l); err != nil {
			return err
		}
	}
	if l.over || m.w.closed {
		m.bury(l, nil)
		return nil
	}
	for i, p := range ports {
		if m.unplugged[m.specs[i].Segment] {
			if err := p.Unplug(); err != nil {
				return err
			}
		}
		if m.still != running {
			p.Freeze()
		}
	}
	names := make([]string, len(m.specs))
	for i, s := range m.specs {
		names[i] = s.Segment
	}
	l.own = env.New(env.Config{
		Lock: &m.w.mu, Clock: m.clock, True: m.w.Now, Scale: m.w.scale, In: ns.Do, Disk: m.disk.Fs, Interfaces: names,
		Rand:  m.w.Stream("machine " + m.name),
		Note:  m.note,
		Log:   func(level, text string, attrs []nodes.Attr) { m.note(logLine(level, text, attrs)) },
		Bound: m.bind,
		Halt:  func(bool) {},
		Panicked: func(task, value, stack string) {
			m.w.fail(fmt.Errorf("task %s of the harness on %s: %s\n%s", task, m.name, value, stack))
		},
	})
	if m.kind != nil && m.soft == softwareUp {
		if err := m.launch(); err != nil {
			return err
		}
	}
	m.light()
	return nil
}

// loopbackUp lets the machine of the calling thread reach itself.
func loopbackUp() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find the loopback interface: %w", err)
	}
	return netlink.LinkSetUp(lo)
}

func logLine(level, text string, attrs []nodes.Attr) nodes.Fact {
	return nodes.Fact{Name: sim.FactLogLine, Value: text, Attrs: append([]nodes.Attr{{Key: "level", Value: level}}, attrs...)}
}

// launch starts the software in a process. It is called with the lock, and gives it up meanwhile; the process counts as the
// machine's from the first moment, so that it can be killed before it lives.
func (m *machine) launch() error {
	m.births++
	b := birth{Birth: m.births, Machine: m.name, Kind: m.kind.Name, Scale: m.w.scale, Clock: m.clock.State(),
		Seed: m.w.Stream("process " + m.name).Uint64()}
	for _, s := range m.specs {
		b.Segments = append(b.Segments, s.Segment)
	}
	p := &process{m: m, l: m.life, program: m.kind.Program != nil, held: m.paused || m.still != running}
	if err := m.say(&b); err != nil {
		return err
	}
	m.process = p
	m.w.mu.Unlock()
	err := p.start(b)
	m.w.mu.Lock()
	if err != nil && !p.gone {
		return err
	}
	return nil
}

// say tells a process what software to be.
func (m *machine) say(b *birth) error {
	if m.kind.Program != nil {
		return m.sayProgram(b)
	}
	var config bytes.Buffer
	if err := gob.NewEncoder(&config).Encode(m.config); err != nil {
		return fmt.Errorf("send the config to its process: %w", err)
	}
	b.Config = config.Bytes()
	return nil
}

// PowerOff implements sim.Machine.
func (m *machine) PowerOff() bool {
	if !m.on {
		return false
	}
	m.lights(false)
	return true
}

// lights ends a life at once; in good order means that its disk has everything.
func (m *machine) lights(goodOrder bool) {
	m.on = false
	l, p := m.life, m.process
	m.life, m.process = nil, nil
	if p != nil {
		p.kill()
	}
	if goodOrder {
		m.disk.SyncAll()
	} else {
		m.disk.PowerLoss()
	}
	if m.still == suspended {
		m.clock.Wake(m.w.Now())
	}
	m.still, m.paused, m.role = running, false, nodes.Fact{}
	m.bury(l, p)
	m.note(nodes.Fact{Name: sim.FactPoweredOff})
}

// bury gives back what a life had.
func (m *machine) bury(l *life, p *process) {
	if !l.over {
		close(l.down)
	}
	l.over = true
	for _, port := range l.ports {
		port.Close()
	}
	if l.own != nil {
		l.own.Stop()
	}
	if l.ns == nil {
		return // It is being prepared, and buried then.
	}
	m.w.aside(func() {
		if p != nil {
			p.bury()
		}
		if l.own != nil {
			l.own.Wait()
		}
		l.watched.Wait()
		m.forget(l)
		_ = l.ns.Close() // Only a descriptor is given back.
	})
}

// end is what Close does with a machine.
func (m *machine) end() {
	l, p := m.life, m.process
	m.life, m.process, m.on = nil, nil, false
	if p != nil {
		p.kill()
	}
	if l != nil {
		m.bury(l, p)
	}
}

// halt is a shutdown in good order, asked for by the software.
func (m *machine) halt(reboot bool) {
	m.lights(true)
	if reboot {
		m.w.At(m.w.Now()+sim.RebootTime, func() { m.Boot(nil) })
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
	if p := m.process; p != nil {
		m.process = nil
		p.kill()
		m.w.aside(p.bury) // It also closes what was open.
	}
}

// Restart implements sim.Machine.
func (m *machine) Restart(config any) bool {
	if !m.on || m.kind == nil || m.soft == softwareUp {
		return false
	}
	if config != nil {
		m.config = config
	}
	m.soft, m.paused = softwareUp, false
	m.note(nodes.Fact{Name: sim.FactRestarted})
	if l := m.life; l.own != nil { // Otherwise raise launches it.
		m.w.aside(func() {
			m.w.mu.Lock()
			defer m.w.mu.Unlock()
			if l.over || m.process != nil || m.soft != softwareUp {
				return
			}
			if err := m.launch(); err != nil {
				m.w.fail(fmt.Errorf("machine %s: %w", m.name, err))
				return
			}
			m.light()
		})
	}
	return true
}

// Pause implements sim.Machine.
func (m *machine) Pause() bool {
	if m.State() != sim.StateUp {
		return false
	}
	m.paused = true
	m.note(nodes.Fact{Name: sim.FactPaused, Value: string(sim.StatePaused)})
	m.hold()
	return true
}

// Resume implements sim.Machine.
func (m *machine) Resume() bool {
	if !m.on || !m.paused || m.still != running {
		return false
	}
	m.paused = false
	m.note(nodes.Fact{Name: sim.FactResumed, Value: string(sim.StatePaused)})
	m.release()
	return true
}

// hold stops the software where it stands.
func (m *machine) hold() {
	if m.process != nil {
		m.process.hold(true)
	}
	if m.life.own != nil {
		m.life.own.Pause()
	}
}

// release lets it go on, if nothing else holds it.
func (m *machine) release() {
	if m.paused || m.still != running {
		return
	}
	if m.process != nil {
		m.process.hold(false)
	}
	if m.life.own != nil {
		m.life.own.Resume()
	}
}

// Freeze implements sim.Machine.
func (m *machine) Freeze() bool {
	if !m.standStill(frozen, sim.StateFrozen) {
		return false
	}
	m.hold()
	return true
}

// Thaw implements sim.Machine.
func (m *machine) Thaw() bool { return m.move(frozen, sim.StateFrozen) }

// Suspend implements sim.Machine. The process is told of its clock first, so that it wakes with one that stood still. The uptime
// of a program is the kernel's, which never stands still.
func (m *machine) Suspend() bool {
	if m.runsProgram() || !m.standStill(suspended, sim.StateSuspended) {
		return false
	}
	if m.process != nil {
		m.process.holdAfterClock = true
	}
	m.clock.Suspend(m.w.Now())
	if m.life.own != nil {
		m.life.own.Pause()
	}
	return true
}

// Wake implements sim.Machine.
func (m *machine) Wake() bool {
	if m.still != suspended {
		return false
	}
	m.clock.Wake(m.w.Now())
	if m.life.own != nil {
		m.life.own.Retime()
	}
	return m.move(suspended, sim.StateSuspended)
}

func (m *machine) standStill(how stillness, state sim.State) bool {
	if !m.on || m.still != running {
		return false
	}
	m.still = how
	m.note(nodes.Fact{Name: sim.FactPaused, Value: string(state)})
	for _, p := range m.life.ports {
		p.Freeze()
	}
	return true
}

func (m *machine) move(from stillness, state sim.State) bool {
	if m.still != from {
		return false
	}
	m.still = running
	m.note(nodes.Fact{Name: sim.FactResumed, Value: string(state)})
	if m.process != nil {
		m.process.holdAfterClock = false
	}
	m.release()
	for _, p := range m.life.ports {
		p.Thaw()
	}
	return true
}

// Plug implements sim.Machine.
func (m *machine) Plug(segment string) bool { return m.carrier(segment, true) }

// Unplug implements sim.Machine.
func (m *machine) Unplug(segment string) bool { return m.carrier(segment, false) }

func (m *machine) carrier(segment string, plugged bool) bool {
	n := slices.IndexFunc(m.specs, func(i sim.Interface) bool { return i.Segment == segment })
	if n < 0 || m.unplugged[segment] != plugged {
		return false
	}
	m.unplugged[segment] = !plugged
	if m.life == nil || len(m.life.ports) == 0 {
		return true
	}
	act := m.life.ports[n].Unplug
	if plugged {
		act = m.life.ports[n].Plug
	}
	if err := act(); err != nil {
		m.w.fail(fmt.Errorf("machine %s: %w", m.name, err))
	}
	return true
}

// Go implements sim.Machine.
func (m *machine) Go(name string, body func(nodes.Env)) {
	if m.on || m.w.epoch.Load() == 0 && !m.off {
		m.waiting = append(m.waiting, task{name, body})
		m.light()
	}
}

// Who implements sim.Machine.
func (m *machine) Who(segment string, address netip.Addr, wait time.Duration, answered func([]string)) {
	answers := func() []string { return nil }
	n := slices.IndexFunc(m.specs, func(i sim.Interface) bool { return i.Segment == segment })
	if n >= 0 && m.life != nil && len(m.life.ports) > 0 {
		answers = m.life.ports[n].Who(address)
	}
	m.w.At(m.w.Now()+wait, func() { answered(answers()) })
}

// note adds a fact of the machine to the trace.
func (m *machine) note(f nodes.Fact) { m.noteAt(m.w.Now(), f) }

func (m *machine) noteAt(at time.Duration, f nodes.Fact) {
	if f.Name == nodes.FactRole && f.Scope == "" {
		m.role = f
	}
	m.w.note(m.name, at, f)
}

// bind notes that an address was taken or given up.
func (m *machine) bind(segment string, a netip.Addr, bound bool) {
	have := slices.Contains(m.bound[segment], a)
	switch {
	case bound && !have:
		m.bound[segment] = append(m.bound[segment], a)
		m.note(nodes.Fact{Name: sim.FactAddressBound, Scope: segment, Value: a.String()})
	case !bound && have:
		m.bound[segment] = slices.DeleteFunc(slices.Clone(m.bound[segment]), func(o netip.Addr) bool { return o == a })
		m.note(nodes.Fact{Name: sim.FactAddressReleased, Scope: segment, Value: a.String()})
	}
}
