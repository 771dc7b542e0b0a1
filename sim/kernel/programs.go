//go:build linux

package kernel

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"firedrill/nodes"
	"firedrill/sim"
	"firedrill/sim/kernel/room"
	"firedrill/sim/kernel/supervisor"
)

// runsProgram reports whether the machine's software is one that nobody here wrote.
func (m *machine) runsProgram() bool { return m.Kind() != nil && m.Kind().Program != nil }

// sayProgram tells a process what program to run, and where its output goes.
func (m *machine) sayProgram(b *birth) error {
	program := m.Kind().Program(m.Config)
	if stop, name := supervisor.StopSignal(&program); stop == 0 {
		return fmt.Errorf("want a stop signal such as TERM or INT, have %q", name)
	}
	if len(program.Command) == 0 {
		return fmt.Errorf("want a command: the program and its arguments")
	}
	b.Program = &program
	err := m.openLog()
	if err != nil {
		return err
	}
	b.Memory, err = m.life.remember(fmt.Sprintf("%s-%d-memory-", m.Name(), b.Birth))
	return err
}

// openLog makes the machine's log, unless there is one.
func (m *machine) openLog() (err error) {
	if m.log == nil {
		m.log, err = supervisor.NewLog()
	}
	return err
}

// mark has the log of a machine with a program say what befell it. What becomes of the program itself it has from the
// supervisor, which does not live to tell of this.
func (w *World) mark(at time.Duration, machine string, f nodes.Fact) {
	what, silences := inLog(f)
	m := w.machine(machine)
	if what == "" || m == nil || !m.runsProgram() {
		return
	}
	err := m.openLog()
	if err == nil {
		err = m.log.Mark(at, what, silences)
	}
	if err != nil {
		w.fail(fmt.Errorf("machine %s: %w", machine, err))
	}
}

// inLog is what a log says of a fact, "" if nothing, and whether the program is silent after it.
func inLog(f nodes.Fact) (what string, silences bool) {
	switch f.Name {
	case sim.FactBooted:
		return "booted", false
	case sim.FactRestarted:
		return "restarted", false
	case sim.FactResumed:
		if f.Value == string(sim.StateFrozen) {
			return "thawed", false
		}
		return "resumed", false
	case sim.FactPaused:
		return f.Value, true // Or frozen.
	case sim.FactCrashed:
		return cmp.Or(f.Value, "killed (software crash)"), true
	case sim.FactPoweredOff:
		return "power cut", true
	}
	return "", false
}

// remember mounts what a machine has in memory. It outlives software that crashes.
func (l *life) remember(name string) (string, error) {
	if l.memory != "" {
		return l.memory, nil
	}
	at, err := os.MkdirTemp(room.Store, name) // Other worlds of this process may have machines of this name.
	if err != nil {
		return "", err
	}
	if err := room.NewMemory(at); err != nil {
		return "", err
	}
	l.memory = at
	return at, nil
}

// forget gives back what a machine had in memory, when all its processes are gone. It is called without the lock.
func (m *machine) forget(l *life) {
	if l.memory == "" {
		return
	}
	if err := errors.Join(unix.Unmount(l.memory, unix.MNT_DETACH), os.Remove(l.memory)); err != nil {
		m.w.mu.Lock()
		m.w.fail(fmt.Errorf("machine %s: %w", m.Name(), err))
		m.w.mu.Unlock()
	}
}

// farewellTime is how long the world waits for programs that were asked to end: a little longer than these may take.
const farewellTime = supervisor.Grace + time.Second

// farewell lets programs end in good order, all at once. What they do is for their logs alone: the drill is over.
func (w *World) farewell() {
	w.leaving = true
	var all []*process
	for _, m := range w.machines {
		if p := m.process; p != nil && p.dismiss() {
			all = append(all, p)
		}
	}
	if len(all) == 0 {
		return
	}
	for _, m := range w.machines {
		if m.life != nil && m.life.own != nil {
			m.life.own.Stop()
		}
	}
	w.mu.Unlock()
	defer w.mu.Lock()
	limit := time.After(farewellTime)
	for _, p := range all {
		select {
		case <-p.left:
		case <-limit:
			return
		}
	}
}

// keepLogs reads the logs of all programs, whose processes have ended.
func (w *World) keepLogs() {
	w.logs = map[string][]byte{}
	for _, m := range w.machines {
		if m.log == nil {
			continue
		}
		text, err := m.log.Text()
		if err != nil {
			text = append(text, err.Error()...)
		}
		w.logs[m.Name()] = text
		m.log.Close()
	}
}

// Logs implements sim.Logkeeper: up to 8 MiB from the beginning of each log, and as much from its end.
func (w *World) Logs() map[string][]byte { return w.logs }
