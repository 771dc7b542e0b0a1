//go:build linux

// Package env is nodes.Env on a real kernel: tasks are goroutines of which one runs at a time, the network is package net, the
// disk a directory.
//
// Whoever runs code of a machine has its turn: a lock that the caller brings, so that several machines can share one with what
// looks after them. It is released in every call that may give way, and in no other.
package env

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/afero"

	"firedrill/nodes"
	"firedrill/sim"
)

// Config says what a machine is made of. Functions that are called with the turn held may block, and must not give way.
type Config struct {
	// Lock is the turn. It also guards Clock and Rand.
	Lock  sync.Locker
	Clock *sim.Clock
	// True is the true time since the start of the drill, Scale by how much it is faster than CLOCK_MONOTONIC.
	True  func() time.Duration
	Scale int64
	// In calls act on a thread that is in the machine's network namespace; nil: this process is.
	In func(act func() error) error
	// Root is the directory at which the machine's disk is mounted. Where it is "", Disk makes the file system.
	Root string
	Disk func(sim.Pacer) afero.Fs
	// Interfaces are the machine's, by the names of their segments; others are hidden from it.
	Interfaces []string
	Rand       *rand.Rand

	// Note takes the facts and Log the lines that the software says. Both are called with the turn held.
	Note func(nodes.Fact)
	Log  func(level, text string, attrs []nodes.Attr)
	// Bound is told after an address was added and before it is announced, and after one was removed. With the turn held;
	// may be nil.
	Bound func(iface string, address netip.Addr, bound bool)
	// Halt takes the machine off the network, and does what else it takes: sockets are open until it returns. With the turn
	// held.
	Halt func(reboot bool)
	// Panicked is told that a task ended by a panic, which ends the software. With the turn held.
	Panicked func(task, value, stack string)
}

// Machine is the software's side of one machine, from one start of the software to its end.
type Machine struct {
	c       Config
	link    link
	tasks   sync.WaitGroup
	dropped atomic.Bool
	alive   context.Context // until the software is dropped
	end     context.CancelFunc

	mu       sync.Mutex // guards what follows; no other lock is taken under it
	busy     bool       // a task has the turn, or was given it
	paused   bool
	ready    []*waiter           // tasks that want the turn, in order
	alarms   map[*alarm]struct{} // what waits for a time
	open     map[closer]uint64   // by the order in which they were opened
	openings uint64
}

// ErrDropped is what became of software that did not end by itself: by Stop, Halt, or a panic of one of its tasks.
var ErrDropped = errors.New("the software was dropped")

// New makes a machine without a task.
func New(c Config) *Machine {
	m := &Machine{c: c, alarms: map[*alarm]struct{}{}, open: map[closer]uint64{}}
	m.alive, m.end = context.WithCancel(context.Background())
	return m
}

// Run plays the software until its main task ends, and drops the other ones. It is called without the turn.
func (m *Machine) Run(node nodes.Node) error {
	err := ErrDropped
	<-m.start("main", func() {
		err = node.Run(env{m})
		m.Stop()
	})
	return err
}

// Go starts a task, which gets the turn when its caller and those that wait for it have given it up.
func (m *Machine) Go(name string, task func(nodes.Env)) {
	m.start(name, func() { task(env{m}) })
}

// start makes a task, whose place in line it takes at once. The channel is closed when the task has ended.
func (m *Machine) start(name string, body func()) <-chan struct{} {
	w := m.newWaiter()
	m.queue(w)
	over := make(chan struct{})
	m.tasks.Go(func() {
		defer close(over)
		<-w.turn
		m.c.Lock.Lock()
		defer m.yield()
		defer m.recover(name)
		m.check()
		body()
	})
	return over
}

// recover ends the software with a task that panicked.
func (m *Machine) recover(name string) {
	if r := recover(); r != nil && !m.dropped.Load() {
		m.c.Panicked(name, fmt.Sprint(r), string(debug.Stack()))
		m.Stop()
	}
}

// Stop drops every task: at its next call of Env it unwinds, deferred functions included, and one that waits is woken for it.
// Sockets and files are closed, as by a kernel whose process ended. Bound addresses stay. It is called with the turn held and
// does not wait for the tasks, which need the turn to unwind.
func (m *Machine) Stop() {
	m.drop()
	m.close()
}

// Wait returns when all tasks have ended and all is closed. It is called after Stop, without the turn.
func (m *Machine) Wait() { m.tasks.Wait() }

// drop lets no task get any further.
func (m *Machine) drop() {
	if m.dropped.Swap(true) {
		return
	}
	m.mu.Lock()
	alarms := m.alarms
	m.alarms = nil
	m.mu.Unlock()
	for a := range alarms {
		a.ring()
	}
	m.end()
	m.Resume()
}

// close closes everything that the software has open, in the order in which it was opened, as a kernel does: whoever sees that a
// connection has ended finds its listener gone.
func (m *Machine) close() {
	m.mu.Lock()
	order := m.open
	m.open = nil
	m.mu.Unlock()
	open := slices.SortedFunc(maps.Keys(order), func(a, b closer) int { return cmp.Compare(order[a], order[b]) })
	for _, o := range open {
		if f, ok := o.(*file); ok {
			m.tasks.Go(f.abandon) // A disk may let it hang.
		} else {
			o.abandon()
		}
	}
	m.tasks.Go(m.link.close) // The kernel takes a while for a packet socket.
}

// closer is a socket or a file. The kernel closes it when the software is gone, and nobody is left who could be told of an error.
type closer interface{ abandon() }

// keep makes o one that ends with the software.
func (m *Machine) keep(o closer) {
	m.mu.Lock()
	kept := m.open != nil
	if kept {
		m.openings++
		m.open[o] = m.openings
	}
	m.mu.Unlock()
	if !kept {
		o.abandon()
	}
}

// forget is keep undone.
func (m *Machine) forget(o closer) {
	m.mu.Lock()
	delete(m.open, o)
	m.mu.Unlock()
}

// Pause keeps tasks from getting the turn until Resume; what falls due meanwhile waits. The task that has the turn goes on to
// where it gives way. Both are called with the turn held.
func (m *Machine) Pause() {
	m.mu.Lock()
	m.paused = !m.dropped.Load()
	m.mu.Unlock()
}

// Resume ends Pause.
func (m *Machine) Resume() {
	m.mu.Lock()
	m.paused = false
	if !m.busy {
		m.next()
	}
	m.mu.Unlock()
}

// Env is what the machine's tasks may touch.
func (m *Machine) Env() nodes.Env { return env{m} }
