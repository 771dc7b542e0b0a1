//go:build linux

package virtual

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/pion/transport/v3"
	"github.com/spf13/afero"

	"firedrill/nodes"
)

// twin is a machine on the operating system that the tests run on: nodes.Env by goroutines of which one runs at a time, by
// sockets on an address of the loopback interface, and by a directory. It is what the virtual world is compared with.
//
// It has no kernel of its own. Bind, Unbind, Arping and Halt are missing, and the other addresses of 127.0.0.0/8 are
// local to it too.
type twin struct {
	address netip.Addr
	disk    afero.Fs
	start   time.Time
	rand    *rand.Rand
	alive   context.Context // until the software has ended
	end     context.CancelFunc
	tasks   sync.WaitGroup

	mu     sync.Mutex
	busy   bool            // a task runs
	ready  []chan struct{} // those that wait for their turn, in order
	open   map[interface{ Close() error }]bool
	facts  []nodes.Fact
	panics []string
}

func newTwin(address netip.Addr, dir string, seed uint64) *twin {
	m := &twin{address: address, disk: afero.NewBasePathFs(afero.NewOsFs(), dir), start: time.Now(),
		rand: rand.New(rand.NewPCG(seed, 1)), open: map[interface{ Close() error }]bool{}}
	m.alive, m.end = context.WithCancel(context.Background())
	return m
}

// run plays the software until it ends by itself, and then drops its other tasks.
func (m *twin) run(body run) {
	m.task(func() {
		defer m.stop()
		if err := body(m); err != nil {
			m.facts = append(m.facts, nodes.Fact{Name: "error", Value: err.Error()})
		}
	})
	m.tasks.Wait()
}

// task starts a goroutine, whose first turn comes behind those that are ready.
func (m *twin) task(body func()) {
	turn := m.queue()
	m.tasks.Add(1)
	go func() {
		defer m.tasks.Done()
		<-turn
		defer m.yield()
		defer func() {
			if r := recover(); r != nil {
				m.panics = append(m.panics, fmt.Sprintf("%v\n%s", r, debug.Stack()))
				m.stop()
			}
		}()
		if m.alive.Err() == nil {
			body()
		}
	}()
}

// stop does what a kernel does for a process that ended. Whoever waits finds out at the end of the wait.
func (m *twin) stop() {
	m.end()
	m.mu.Lock()
	defer m.mu.Unlock()
	for c := range m.open {
		c.Close()
	}
}

// queue takes a place in the line of those that want to run, and the turn itself if nobody has it.
func (m *twin) queue() chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	turn := make(chan struct{})
	if m.busy {
		m.ready = append(m.ready, turn)
	} else {
		m.busy = true
		close(turn)
	}
	return turn
}

// yield passes the turn on.
func (m *twin) yield() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.ready) == 0 {
		m.busy = false
		return
	}
	close(m.ready[0])
	m.ready = m.ready[1:]
}

// wait lets others run during a call that may block. A task of software that has ended gets no further.
func (m *twin) wait(call func()) {
	m.check()
	m.yield()
	call()
	<-m.queue()
	m.check()
}

func (m *twin) check() {
	if m.alive.Err() != nil {
		runtime.Goexit()
	}
}

// keep makes a socket one that ends with the software.
func (m *twin) keep(c interface{ Close() error }) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open[c] = true
}

// Now implements nodes.Env.
func (m *twin) Now() time.Time { return time.Now() }

// Uptime implements nodes.Env.
func (m *twin) Uptime() time.Duration { return time.Since(m.start) }

// Sleep implements nodes.Env.
func (m *twin) Sleep(d time.Duration) {
	m.wait(func() {
		if d > 0 {
			timer := time.NewTimer(d)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-m.alive.Done():
			}
		}
	})
}

// Go implements nodes.Env.
func (m *twin) Go(_ string, task func()) {
	m.check()
	m.task(task)
}

// NewSignal implements nodes.Env.
func (m *twin) NewSignal() nodes.Signal { return &twinSignal{m: m, next: make(chan struct{})} }

// twinSignal is broadcast by closing a channel, which those that wait hold in hand. It is used with the turn held.
type twinSignal struct {
	m    *twin
	next chan struct{}
}

// Wait implements nodes.Signal.
func (s *twinSignal) Wait(timeout time.Duration) bool {
	next, woken := s.next, false
	s.m.wait(func() {
		var up <-chan time.Time
		if timeout >= 0 {
			timer := time.NewTimer(timeout)
			defer timer.Stop()
			up = timer.C
		}
		select {
		case <-next:
			woken = true
		case <-up:
		case <-s.m.alive.Done():
		}
	})
	return woken
}

// Broadcast implements nodes.Signal.
func (s *twinSignal) Broadcast() {
	close(s.next)
	s.next = make(chan struct{})
}

// Net implements nodes.Env.
func (m *twin) Net() transport.Net { return twinNet{m: m} }

const kernelsBusiness = "the twin has no kernel of its own"

// Bind implements nodes.Env.
func (m *twin) Bind(string, netip.Prefix) error { panic(kernelsBusiness) }

// Unbind implements nodes.Env.
func (m *twin) Unbind(string, netip.Prefix) error { panic(kernelsBusiness) }

// Arping implements nodes.Env.
func (m *twin) Arping(string, netip.Addr, time.Duration) bool { panic(kernelsBusiness) }

// Halt implements nodes.Env.
func (m *twin) Halt(bool) { panic(kernelsBusiness) }

// Disk implements nodes.Env. Its operations are too short to give way.
func (m *twin) Disk() afero.Fs { return m.disk }

// Rand implements nodes.Env.
func (m *twin) Rand() *rand.Rand { return m.rand }

// Log implements nodes.Env.
func (m *twin) Log() *slog.Logger { return slog.New(twinLog{m}) }

type twinLog struct{ m *twin }

// Enabled implements slog.Handler.
func (l twinLog) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (l twinLog) Handle(_ context.Context, r slog.Record) error {
	l.m.Note(nodes.Fact{Name: "log-line", Value: r.Message})
	return nil
}

// WithAttrs implements slog.Handler.
func (l twinLog) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup implements slog.Handler.
func (l twinLog) WithGroup(string) slog.Handler { return l }

// Note implements nodes.Env.
func (m *twin) Note(f nodes.Fact) {
	m.check()
	m.facts = append(m.facts, f)
}
