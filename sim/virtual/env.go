package virtual

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/pion/transport/v3"
	"github.com/spf13/afero"

	"firedrill/nodes"
	"firedrill/sim"
)

// env implements nodes.Env for the tasks of one machine.
type env struct{ m *machine }

// self is the task that makes the call. It ends here if it was killed.
func (m *machine) self() *task {
	t := m.w.current
	if t == nil || t.m != m {
		panic("a call for machine " + m.Name() + " from outside of its tasks")
	}
	t.alive()
	return t
}

// mayYield gives way if the whim strikes.
func (m *machine) mayYield() {
	t := m.self()
	if m.whim.strikes() {
		m.w.turn(t)
		t.park()
	}
}

// Now implements nodes.Env.
func (e env) Now() time.Time { return e.m.Clock().Now(e.m.w.now) }

// Uptime implements nodes.Env.
func (e env) Uptime() time.Duration { return e.m.Clock().Uptime(e.m.w.now) }

// Sleep implements nodes.Env.
func (e env) Sleep(d time.Duration) {
	t := e.m.self()
	if d <= 0 {
		e.m.w.turn(t)
		t.park()
		return
	}
	t.sleep(e.m.Clock().Local(e.m.w.now) + d)
}

// Go implements nodes.Env.
func (e env) Go(name string, body func()) {
	e.m.self()
	e.m.newTask(name, body)
}

// NewSignal implements nodes.Env.
func (e env) NewSignal() nodes.Signal { return &signal{m: e.m} }

type signal struct {
	m       *machine
	waiting queue
}

// Wait implements nodes.Signal.
func (s *signal) Wait(timeout time.Duration) bool {
	t := s.m.self()
	due := time.Duration(-1)
	if timeout >= 0 {
		due = s.m.Clock().Local(s.m.w.now) + timeout
	}
	return t.wait(&s.waiting, due)
}

// Broadcast implements nodes.Signal.
func (s *signal) Broadcast() { s.waiting.wake(s.m.w) }

// Net implements nodes.Env.
func (e env) Net() transport.Net { return stack{m: e.m} }

var errNoInterface = errors.New("no such interface")

// Bind implements nodes.Env.
func (e env) Bind(name string, address netip.Prefix) error {
	e.m.self()
	i := e.m.iface(name)
	switch {
	case i == nil:
		return errNoInterface
	case !address.Addr().Is4():
		return fmt.Errorf("bind on %s: want an IPv4 address with its prefix, have %s", name, address)
	}
	if !i.has(address.Addr()) {
		i.addresses = append(i.addresses, address.Addr())
		e.m.Bound(name, address.Addr(), true)
		e.m.self()
	}
	i.announce(address.Addr())
	return nil
}

// Unbind implements nodes.Env.
func (e env) Unbind(name string, address netip.Prefix) error {
	e.m.self()
	i := e.m.iface(name)
	switch {
	case i == nil:
		return errNoInterface
	case address.Addr() == i.own.Addr():
		return errors.New("the interface's own address stays")
	case i.drop(address.Addr()):
		e.m.Bound(name, address.Addr(), false)
		e.m.self()
	}
	return nil
}

// Arping implements nodes.Env. It asks at once and then every second.
func (e env) Arping(name string, address netip.Addr, wait time.Duration) bool {
	t := e.m.self()
	i := e.m.iface(name)
	if i == nil || !i.plugged {
		return false
	}
	q := &question{address: address}
	i.questions = append(i.questions, q)
	defer i.forget(q)
	for end := e.m.Clock().Local(e.m.w.now) + wait; len(q.answers) == 0; {
		now := e.m.Clock().Local(e.m.w.now)
		if now >= end {
			return false
		}
		i.ask(address)
		t.wait(&q.waiting, min(now+sim.ARPRetry, end))
	}
	return true
}

// Disk implements nodes.Env.
func (e env) Disk() afero.Fs { return e.m.Disk().Fs(pacer{e.m}) }

// pacer implements sim.Pacer.
type pacer struct{ m *machine }

// Pause implements sim.Pacer. The disk keeps true time.
func (p pacer) Pause(d time.Duration) {
	if d <= 0 {
		p.m.mayYield()
		return
	}
	t := p.m.self()
	t.event = p.m.w.schedule(p.m.w.now+d, p.m)
	t.event.task = t
	t.park()
}

// Hang implements sim.Pacer.
func (p pacer) Hang(register func(wake func())) {
	t := p.m.self()
	q := &queue{}
	register(func() { q.wake(p.m.w) })
	t.wait(q, -1)
}

// Rand implements nodes.Env.
func (e env) Rand() *rand.Rand { return e.m.rand }

// Log implements nodes.Env. Lines go into the trace.
func (e env) Log() *slog.Logger { return sim.NewLogger(e.m.Chassis.Log) }

// Note implements nodes.Env. A step that waited for the fact may have ended this very task.
func (e env) Note(f nodes.Fact) {
	t := e.m.self()
	e.m.Note(f)
	t.alive()
}

// Halt implements nodes.Env.
func (e env) Halt(reboot bool) {
	t := e.m.self()
	e.m.Halt(reboot)
	t.unwind()
}
