//go:build linux

package env

import (
	"runtime"
	"time"
)

// waiter is a task that waits for its turn, and perhaps for something else before.
type waiter struct {
	turn   chan struct{}
	queued bool // it is in line, or has the turn
	woken  bool
	over   bool // it waits no more
}

func (m *Machine) newWaiter() *waiter { return &waiter{turn: make(chan struct{}, 1)} }

// queue puts a waiter in line, once.
func (m *Machine) queue(w *waiter) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.line(w)
}

// line is queue with the lock held.
func (m *Machine) line(w *waiter) {
	if w.queued || w.over {
		return
	}
	w.queued = true
	m.ready = append(m.ready, w)
	if !m.busy {
		m.next()
	}
}

// next gives the turn to the first in line.
func (m *Machine) next() {
	m.busy = len(m.ready) > 0 && !m.paused
	if m.busy {
		m.ready[0].turn <- struct{}{}
		m.ready = m.ready[1:]
	}
}

// wake puts a waiter in line because what it waits for has happened.
func (m *Machine) wake(w *waiter) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w.woken = true
	m.line(w)
}

// yield gives up the turn.
func (m *Machine) yield() {
	m.c.Lock.Unlock()
	m.mu.Lock()
	m.next()
	m.mu.Unlock()
}

// take gets the turn back. If nobody wants it, it costs no switch.
func (m *Machine) take() {
	m.mu.Lock()
	if free := !m.busy && !m.paused; free {
		m.busy = true
		m.mu.Unlock()
	} else {
		w := m.newWaiter()
		m.line(w)
		m.mu.Unlock()
		<-w.turn
	}
	m.c.Lock.Lock()
}

// check is the beginning of every call of the Env: a task that was dropped gets no further.
func (m *Machine) check() {
	if m.dropped.Load() {
		runtime.Goexit()
	}
}

// outside lets others run during a call that may wait.
func (m *Machine) outside(call func()) {
	m.check()
	m.yield()
	func() {
		defer m.take() // Also where the call panics.
		call()
	}()
	m.check()
}

// wait gives way until w is woken, or the time has come. It reports whether it was woken.
func (m *Machine) wait(w *waiter, until moment) bool {
	m.check()
	a := &alarm{until: until, ring: func() { m.queue(w) }}
	m.set(a)
	defer m.unset(a)
	for {
		m.yield()
		<-w.turn
		m.c.Lock.Lock()
		m.mu.Lock()
		w.queued = false
		w.over = w.woken || m.dropped.Load() || m.passed(until)
		m.mu.Unlock()
		if w.over {
			m.check()
			return w.woken
		}
		m.arm(a) // It was woken too early: the clock has slowed down, or stands still.
	}
}

// moment is a time to wait for: by the machine's own clock, or by true time. The zero value never comes.
type moment struct {
	set  bool
	true bool
	at   time.Duration
}

// after is the moment that comes after d by the machine's own clock.
func (m *Machine) after(d time.Duration) moment {
	return moment{set: true, at: m.c.Clock.Local(m.c.True()) + d}
}

// wallClock is the moment at which the wall clock will show t, if nobody steps it: later steps do not move the moment.
func (m *Machine) wallClock(t time.Time) moment {
	if t.IsZero() {
		return moment{}
	}
	now := m.c.True()
	return moment{set: true, at: m.c.Clock.Local(now) + t.Sub(m.c.Clock.Now(now))}
}

func (m *Machine) passed(x moment) bool { return m.passedAt(x, m.c.True()) }

func (m *Machine) passedAt(x moment, now time.Duration) bool {
	switch {
	case !x.set:
		return false
	case x.true:
		return now >= x.at
	default:
		return m.c.Clock.Local(now) >= x.at
	}
}

// until is how long it takes, by this process's clock, until a moment comes; false: as things are, it does not.
func (m *Machine) until(x moment) (time.Duration, bool) {
	now := m.c.True() // Once: between two looks at the time the moment could come, as if the clock stood still.
	if !x.set || m.passedAt(x, now) {
		return 0, x.set
	}
	at := x.at
	if !x.true {
		at = m.c.Clock.True(at)
	}
	left := at - now
	if left <= 0 {
		return 0, false // The clock stands still. Retime tells when it goes on.
	}
	return (left + time.Duration(m.c.Scale) - 1) / time.Duration(m.c.Scale), true
}

// alarm calls ring when a moment has come, or somewhat before: whoever is called has to look, and arm it again. It is set,
// armed and unset with the turn held.
type alarm struct {
	until moment
	ring  func()
	timer *time.Timer
}

func (m *Machine) set(a *alarm) {
	m.mu.Lock()
	if m.alarms != nil {
		m.alarms[a] = struct{}{}
	}
	m.mu.Unlock()
	m.arm(a)
}

// arm sets the timer by the clock as it goes now.
func (m *Machine) arm(a *alarm) {
	switch d, comes := m.until(a.until); {
	case comes && a.timer == nil:
		a.timer = time.AfterFunc(d, a.ring)
	case comes:
		a.timer.Reset(d)
	case a.timer != nil:
		a.timer.Stop()
	}
}

func (m *Machine) unset(a *alarm) {
	if a.timer != nil {
		a.timer.Stop()
	}
	m.mu.Lock()
	delete(m.alarms, a)
	m.mu.Unlock()
}

// Retime is for whoever has changed the rate of the clock, or let it stand still or go on. It is called with the turn held.
func (m *Machine) Retime() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for a := range m.alarms {
		m.arm(a)
	}
	for o := range m.open {
		if s, ok := o.(*socket); ok {
			s.retime()
		}
	}
}
