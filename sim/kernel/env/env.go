//go:build linux

package env

import (
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"github.com/pion/transport/v3"
	"github.com/spf13/afero"

	"firedrill/nodes"
	"firedrill/sim"
)

// env implements nodes.Env for the tasks of one machine.
type env struct{ m *Machine }

// Now implements nodes.Env.
func (e env) Now() time.Time { return e.m.c.Clock.Now(e.m.c.True()) }

// Uptime implements nodes.Env.
func (e env) Uptime() time.Duration { return e.m.c.Clock.Uptime(e.m.c.True()) }

// Sleep implements nodes.Env.
func (e env) Sleep(d time.Duration) {
	if d <= 0 {
		e.m.giveWay()
		return
	}
	e.m.check()
	e.m.wait(e.m.newWaiter(), e.m.after(d))
}

// giveWay lets those run that are ready to.
func (m *Machine) giveWay() {
	m.check()
	w := m.newWaiter()
	m.queue(w)
	m.yield()
	<-w.turn
	m.c.Lock.Lock()
	m.check()
}

// Go implements nodes.Env.
func (e env) Go(name string, task func()) {
	e.m.check()
	e.m.start(name, task)
}

// NewSignal implements nodes.Env.
func (e env) NewSignal() nodes.Signal { return &signal{m: e.m} }

type signal struct {
	m       *Machine
	waiting []*waiter
}

// Wait implements nodes.Signal.
func (s *signal) Wait(timeout time.Duration) bool {
	if timeout < 0 {
		return s.until(moment{})
	}
	return s.until(s.m.after(timeout))
}

// until is Wait for a moment.
func (s *signal) until(x moment) bool {
	w := s.m.newWaiter()
	s.waiting = append(s.waiting, w)
	defer s.leave(w)
	return s.m.wait(w, x)
}

func (s *signal) leave(w *waiter) {
	if i := slices.Index(s.waiting, w); i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
	}
}

// Broadcast implements nodes.Signal.
func (s *signal) Broadcast() {
	for _, w := range s.waiting {
		s.m.wake(w)
	}
	s.waiting = nil
}

// Net implements nodes.Env.
func (e env) Net() transport.Net { return stack{m: e.m} }

// Disk implements nodes.Env.
func (e env) Disk() afero.Fs {
	if e.m.c.Root != "" {
		return files{e.m}
	}
	return e.m.c.Disk(pacer{e.m})
}

// pacer implements sim.Pacer.
type pacer struct{ m *Machine }

var _ sim.Pacer = pacer{}

// Pause implements sim.Pacer. The disk keeps true time.
func (p pacer) Pause(d time.Duration) {
	if d <= 0 {
		p.m.giveWay()
		return
	}
	p.m.wait(p.m.newWaiter(), moment{set: true, true: true, at: p.m.c.True() + d})
}

// Hang implements sim.Pacer.
func (p pacer) Hang(register func(wake func())) {
	w := p.m.newWaiter()
	register(func() { p.m.wake(w) })
	p.m.wait(w, moment{})
}

// Rand implements nodes.Env.
func (e env) Rand() *rand.Rand { return e.m.c.Rand }

// Log implements nodes.Env.
func (e env) Log() *slog.Logger { return sim.NewLogger(e.m.c.Log) }

// Note implements nodes.Env. A step that waited for the fact may have dropped this very task.
func (e env) Note(f nodes.Fact) {
	e.m.check()
	e.m.c.Note(f)
	e.m.check()
}

// Halt implements nodes.Env.
func (e env) Halt(reboot bool) {
	e.m.check()
	e.m.drop()
	e.m.c.Halt(reboot)
	e.m.close()
	runtime.Goexit()
}
