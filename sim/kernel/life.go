//go:build linux

package kernel

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"sync"

	"github.com/vishvananda/netlink"

	"firedrill/nodes"
	"firedrill/sim/kernel/env"
	"firedrill/sim/kernel/lan"
	"firedrill/sim/kernel/netns"
)

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

// prepare begins a life, without light. One whose power went while it was being prepared is out of the way first: it may have
// the machine's ports.
func (m *machine) prepare() {
	before, l := m.latest, &life{up: make(chan struct{}), down: make(chan struct{})}
	m.life, m.latest = l, l
	m.w.aside(func() {
		defer close(l.up)
		if before != nil {
			<-before.up
		}
		if err := m.raise(l); err != nil {
			m.w.mu.Lock()
			m.w.fail(fmt.Errorf("machine %s: %w", m.Name(), err))
			m.w.mu.Unlock()
		}
	})
}

// raise makes the machine's kernel, and a process for its software.
func (m *machine) raise(l *life) error {
	ns, ports, err := m.connect()
	if err != nil {
		return err
	}
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	l.ns, l.ports = ns, ports
	if l.over { // Nobody else buries what was not there.
		m.bury(l, nil)
		return nil
	}
	if m.runsProgram() {
		if err := m.watchAddresses(l); err != nil {
			return err
		}
	}
	for i, p := range ports {
		if m.Unplugged(m.Interfaces()[i].Segment) {
			if err := p.Unplug(); err != nil {
				return err
			}
		}
		if m.Still() {
			p.Freeze()
		}
	}
	l.own = m.newOwn(l)
	if m.Held() {
		l.own.Pause()
	}
	if m.Kind() != nil && m.Fate() == "" {
		if err := m.launch(); err != nil {
			return err
		}
	}
	m.light()
	return nil
}

// connect makes a namespace with an interface on each of the machine's segments. It is called without the lock.
func (m *machine) connect() (ns *netns.Namespace, ports []*lan.Port, err error) {
	if ns, err = netns.New(); err != nil {
		return nil, nil, err
	}
	if err := ns.Do(loopbackUp); err != nil {
		return nil, nil, err
	}
	for _, i := range m.Interfaces() {
		p, err := m.w.lan.Attach(ns, i.Segment, m.Name(), i.Address)
		if err != nil {
			return nil, nil, err
		}
		ports = append(ports, p)
	}
	return ns, ports, nil
}

// newOwn makes what runs the tasks of the harness on the machine.
func (m *machine) newOwn(l *life) *env.Machine {
	return env.New(env.Config{
		Lock: &m.w.mu, Clock: m.Clock(), True: m.w.Now, Scale: m.w.scale, In: l.ns.Do, Disk: m.Disk().Fs, Interfaces: m.segments(),
		Rand:  m.w.Stream("machine " + m.Name()),
		Note:  m.Note,
		Log:   m.Log,
		Bound: m.bind,
		Halt:  func(bool) {},
		Panicked: func(task, value, stack string) {
			m.w.fail(fmt.Errorf("task %s of the harness on %s: %s\n%s", task, m.Name(), value, stack))
		},
	})
}

// segments are those of the machine's interfaces.
func (m *machine) segments() []string {
	names := make([]string, len(m.Interfaces()))
	for i, s := range m.Interfaces() {
		names[i] = s.Segment
	}
	return names
}

// loopbackUp lets the machine of the calling thread reach itself.
func loopbackUp() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find the loopback interface: %w", err)
	}
	return netlink.LinkSetUp(lo)
}

// launch starts the software in a process. It is called with the lock, and gives it up meanwhile; the process counts as the
// machine's from the first moment, so that it can be killed before it lives.
func (m *machine) launch() error {
	m.births++
	b := birth{Birth: m.births, Machine: m.Name(), Kind: m.Kind().Name, Scale: m.w.scale, Clock: m.Clock().State(),
		Segments: m.segments(), Seed: m.w.Stream("process " + m.Name()).Uint64(), Hosts: m.hosts()}
	p := &process{m: m, l: m.life, program: m.Kind().Program != nil, held: m.Held(), made: make(chan struct{})}
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
	if m.Kind().Program != nil {
		return m.sayProgram(b)
	}
	var config bytes.Buffer
	if err := gob.NewEncoder(&config).Encode(m.Config); err != nil {
		return fmt.Errorf("send the config to its process: %w", err)
	}
	b.Config = config.Bytes()
	return nil
}

// light lets run what is there and may, once time has begun.
func (m *machine) light() {
	l := m.life
	if l == nil || !l.lit || l.own == nil || m.w.epoch.Load() == 0 {
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
	dropped := m.dead
	m.w.aside(func() {
		if p != nil {
			p.bury()
		}
		if dropped != nil {
			<-dropped // It may be in the midst of its birth.
		}
		if l.own != nil {
			l.own.Wait()
		}
		l.watched.Wait()
		m.forget(l)
		_ = l.ns.Close() // Only a descriptor is given back.
	})
}
