//go:build linux

package kernel

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"firedrill/sim/kernel/door"
	"firedrill/sim/kernel/room"
)

// entrance is what a world has for those who look into it.
type entrance struct {
	// Title says what is played here, and Held that it goes on until somebody says so. Whoever looks into the run is told.
	Title string
	Held  bool

	number int
	asked  chan func() // called by Run, with the lock
	gone   chan struct{}
	told   chan struct{} // closed when the logs say no more
}

func newEntrance() entrance {
	return entrance{asked: make(chan func()), gone: make(chan struct{}), told: make(chan struct{})}
}

// ask calls act as Run calls a timer, and reports whether it did. A world that nobody lets go on answers nobody.
func (e *entrance) ask(act func()) bool {
	done := make(chan struct{})
	limit := time.NewTimer(door.Patience)
	defer limit.Stop()
	select {
	case e.asked <- func() { act(); close(done) }:
		<-done
		return true
	case <-e.gone:
	case <-limit.C:
	}
	return false
}

// lobby is what is behind the door: the worlds of this process that are up.
type lobby struct {
	mu     sync.Mutex
	count  int
	worlds []*World
}

var behindDoor lobby

// reception answers for it.
var reception = door.Server{House: &behindDoor, Again: roleKey + "=" + roleCompany}

func (l *lobby) enter(w *World) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count++
	w.number = l.count
	l.worlds = append(l.worlds, w)
}

func (l *lobby) leave(w *World) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.worlds = slices.DeleteFunc(l.worlds, func(o *World) bool { return o == w })
	close(w.gone)
}

func (l *lobby) all() []*World {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.worlds)
}

// Plays implements door.House.
func (l *lobby) Plays(tell func(door.Play, []*os.File) error) error {
	for _, w := range l.all() {
		var p door.Play
		var processes []*os.File
		if !w.ask(func() { p, processes = w.standing() }) {
			continue
		}
		if err := tell(p, processes); err != nil {
			return err
		}
	}
	return nil
}

// standing is how the world stands, with the process of each machine that has one. It is called with the lock.
func (w *World) standing() (p door.Play, processes []*os.File) {
	p = door.Play{Number: w.number, Title: w.Title, Seed: w.seed, At: w.Now(), Held: w.Held}
	for _, m := range w.machines {
		s := door.Standing{Name: m.Name(), State: m.State(), Log: m.runsProgram()}
		if m.Kind() != nil {
			s.Kind = m.Kind().Name
		}
		for _, i := range m.Interfaces() {
			for _, a := range m.Addresses(i.Segment) {
				i.Address = netip.PrefixFrom(a, i.Address.Bits())
				s.Addresses = append(s.Addresses, i)
			}
		}
		process, _ := m.process.open() // Without it there is no number to be told.
		p.Machines = append(p.Machines, s)
		processes = append(processes, process)
	}
	return p, processes
}

// open is a descriptor of the process, which is nil if there is none. It is called with the lock.
func (p *process) open() (file *os.File, err error) {
	if p == nil || p.cmd == nil || p.gone {
		return nil, nil
	}
	var fd int
	again := func(handle uintptr) { fd, err = unix.FcntlInt(handle, unix.F_DUPFD_CLOEXEC, 0) }
	if unheld := p.cmd.Process.WithHandle(again); unheld != nil || err != nil {
		err = cmp.Or(unheld, err)
		return nil, fmt.Errorf("find its process: %w", err)
	}
	return os.NewFile(uintptr(fd), "process"), nil
}

// Admit implements door.House. The world of the machine waits for the visit when it is closed.
func (l *lobby) Admit(play int, name string, visit func(*door.Way)) error {
	over := make(chan struct{})
	_, err := l.ask(play, name, func(m *machine) error {
		way, err := m.way()
		if err != nil {
			return err
		}
		m.w.aside(func() {
			defer close(over)
			visit(way)
		})
		return nil
	})
	if err != nil {
		return err
	}
	<-over
	return nil
}

// Log implements door.House.
func (l *lobby) Log(play int, name string) (log *os.File, over <-chan struct{}, err error) {
	w, err := l.ask(play, name, func(m *machine) (err error) {
		log, err = m.readable()
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return log, w.told, nil
}

// ask calls act for a machine of a play, with the lock of its world, which it returns.
func (l *lobby) ask(play int, name string, act func(*machine) error) (*World, error) {
	worlds := l.all()
	n := slices.IndexFunc(worlds, func(w *World) bool { return w.number == play })
	if n < 0 {
		return nil, errors.New("the play has ended")
	}
	w := worlds[n]
	var refusal error
	if !w.ask(func() {
		var m *machine
		if m, refusal = w.named(name); refusal == nil {
			refusal = act(m)
		}
	}) {
		return nil, errors.New("the play has ended")
	}
	return w, refusal
}

// named is the machine of a name. It is called with the lock.
func (w *World) named(name string) (*machine, error) {
	if m := w.machine(name); m != nil {
		return m, nil
	}
	var names []string
	for _, o := range w.machines {
		names = append(names, o.Name())
	}
	return nil, fmt.Errorf("no machine %q; the machines are %s", name, strings.Join(names, ", "))
}

// way finds out how to get onto the machine. It is called with the lock.
func (m *machine) way() (*door.Way, error) {
	l := m.life
	switch {
	case !m.On():
		return nil, fmt.Errorf("%s is powered off: nothing runs there", m.Name())
	case l == nil || l.own == nil || m.process != nil && !m.process.ready:
		return nil, fmt.Errorf("%s is coming up; try again in a moment", m.Name())
	}
	process, err := m.process.open()
	if err != nil {
		return nil, err
	}
	network, err := l.ns.Again()
	if err != nil {
		process.Close()
		return nil, err
	}
	return &door.Way{Machine: m.Name(), Hosts: m.hosts(), Environment: m.surroundings(), Network: network, Process: process,
		Program: m.runsProgram(), Down: l.down}, nil
}

// surroundings is the environment of a command on the machine.
func (m *machine) surroundings() []string {
	if !m.runsProgram() {
		return room.Environment(nil)
	}
	return room.Environment(m.Kind().Program(m.Config).Environment)
}
