//go:build linux

package kernel

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"
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
	check := func(err error) {
		if err != nil {
			w.fail(fmt.Errorf("machine %s: %w", machine, err))
		}
	}
	if err := m.openLog(); err != nil {
		check(err)
		return
	}
	number, err := m.log.Mark(at, what, silences)
	check(err)
	if silences { // Whoever reads along waits for its place.
		w.At(w.Now()+silence*time.Duration(w.scale), func() { check(m.log.Settle(number)) })
	}
}

// silence is by when all has come, in real time, that a program said before it was silenced.
const silence = time.Second

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
		if len(text) > 0 { // Whoever asked for the log of a machine that never was on has made one.
			w.logs[m.Name()] = text
		}
		m.log.Close()
	}
	close(w.told)
}

// readable is the log of a machine, for somebody who reads along and can do nothing else. It is called with the lock.
func (m *machine) readable() (*os.File, error) {
	if !m.runsProgram() {
		var names []string
		for _, o := range m.w.machines {
			if o.runsProgram() {
				names = append(names, o.Name())
			}
		}
		if len(names) == 0 {
			return nil, fmt.Errorf("%s has no log: it runs no program, and nor does any other machine of the play", m.Name())
		}
		return nil, fmt.Errorf("%s has no log: it runs no program; those that do are %s", m.Name(), strings.Join(names, ", "))
	}
	if err := m.openLog(); err != nil {
		return nil, err
	}
	return os.Open(fmt.Sprintf("/proc/self/fd/%d", m.log.File().Fd()))
}

// readAlong is how often the log of a run that is up is looked at, in ms.
const readAlong = 100

// CopyLog writes the log of a machine of a run that is up to a file, as far as it has come, and with follow until it is over.
// Where nobody reads what is written any more, it ends with EPIPE. The run does not notice.
func CopyLog(to, log *os.File, over <-chan struct{}, follow bool) error {
	for r := supervisor.NewReader(log); ; {
		last := !follow || isClosed(over) // What was written until then is read below.
		text, err := r.Next(over)
		if err != nil {
			return err
		}
		if _, err := to.Write(text); err != nil || last {
			return err
		}
		// Of a reader that goes while there is nothing to be read no write tells.
		if gone, _ := unix.Poll([]unix.PollFd{{Fd: int32(to.Fd())}}, readAlong); gone > 0 {
			return unix.EPIPE
		}
	}
}

func isClosed(over <-chan struct{}) bool {
	select {
	case <-over:
		return true
	default:
		return false
	}
}

// Logs implements sim.Logkeeper: up to 8 MiB from the beginning of each log, and as much from its end.
func (w *World) Logs() map[string][]byte { return w.logs }
