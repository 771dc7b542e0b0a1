//go:build linux

// Package supervisor looks after a foreign program in the process of its machine, which is the first one there: it
// starts the program, reaps what is left behind, tells when the program is ready and what it writes, lets it stand still
// and end, and kills what it leaves.
package supervisor

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"firedrill/nodes"
	"firedrill/sim"
	"firedrill/sim/kernel/room"
)

// Grace is how long a program that is asked to end may take, in real time.
const Grace = 2 * time.Second

// Config is what a supervisor needs.
type Config struct {
	Program *nodes.Program
	Log     *Log                 // gets all that the program writes
	Clock   func() int64         // CLOCK_MONOTONIC, in ns
	Now     func() time.Duration // the true time
	Tell    func([]Told)         // takes facts, in their order, and returns when they have been acted on
}

// Told is a fact and when it was seen, by Config.Clock.
type Told struct {
	At   int64
	Fact nodes.Fact
}

// Supervisor looks after a program.
type Supervisor struct {
	config Config
	out    *output
	syslog *syslog

	mu       sync.Mutex
	released *sync.Cond // held has become false
	held     bool       // everything stands still
	asked    bool       // to end
	pid      int        // 0: does not run
	waiting  map[int]chan unix.WaitStatus
	stale    version // of the file that is to show that it is ready
	warned   bool    // that it cannot be found out whether it is ready
}

// New makes the supervisor of this process, in a room that is furnished. From now on it is where daemons log.
func New(c Config) (*Supervisor, error) {
	s := &Supervisor{config: c, out: newOutput(&c), waiting: map[int]chan unix.WaitStatus{}}
	s.released = sync.NewCond(&s.mu)
	var err error
	s.syslog, err = listenSyslog(s.out)
	return s, err
}

// Run runs the program once; wrong is why it cannot be, or nil. It returns when nothing of the program is left and all of
// it is told, with its end in words and when that was, by Config.Clock.
func (s *Supervisor) Run(wrong error) (at int64, end string) {
	end = sim.CannotStart
	if wrong != nil {
		end += wrong.Error()
	} else if ended, err := s.begin(); err != nil {
		end += err.Error()
	} else {
		end = inWords(<-ended)
	}
	at = s.config.Clock()
	s.mu.Lock()
	s.pid = 0
	s.mu.Unlock()
	_ = unix.Kill(-1, unix.SIGKILL) // What it left behind would run without anybody who looks after it.
	s.syslog.end()
	s.out.drain()
	s.config.Log.note(s.config.Now(), end)
	return at, end
}

// begin starts the program and what watches it. Ended gets how it ends.
func (s *Supervisor) begin() (ended chan unix.WaitStatus, err error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer write.Close()
	s.stale = versionOf(string(s.config.Program.Ready.File))
	s.config.Log.note(s.config.Now(), strings.Join(s.config.Program.Command, " "))
	pid, ended, err := s.start(s.config.Program.Command, room.Disk, write)
	if err != nil {
		read.Close()
		return nil, err
	}
	s.mu.Lock()
	s.pid = pid
	if s.asked {
		s.askToEnd()
	}
	s.mu.Unlock()
	go s.reap()
	if err := s.out.follow(read); err != nil {
		return nil, err
	}
	go s.watch()
	return ended, nil
}

// start starts a command on the machine, as soon as it does not stand still.
func (s *Supervisor) start(command []string, in string, out *os.File) (pid int, ended chan unix.WaitStatus, err error) {
	path, err := s.find(command[0])
	if err != nil {
		return 0, nil, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, nil, err
	}
	defer null.Close()
	if out == nil {
		out = null
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.held {
		s.released.Wait()
	}
	err = room.Confined(func() (err error) {
		pid, err = syscall.ForkExec(path, command, &syscall.ProcAttr{Dir: in, Env: os.Environ(),
			Files: []uintptr{null.Fd(), out.Fd(), out.Fd()}, Sys: &syscall.SysProcAttr{Setsid: true}})
		return err
	})
	if err != nil {
		return 0, nil, fmt.Errorf("%s: %w", path, s.onlyScripts(path, why(path, err)))
	}
	ended = make(chan unix.WaitStatus, 1)
	s.waiting[pid] = ended
	return pid, ended, nil
}

// reap waits for every process that ends, whoever started it.
func (s *Supervisor) reap() {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return // The program and all that it left behind are gone.
		}
		s.mu.Lock() // Start has told by then what it waits for.
		ended := s.waiting[pid]
		delete(s.waiting, pid)
		s.mu.Unlock()
		if ended != nil {
			ended <- status
		}
	}
}

// mistakes are the signals by which a kernel, or a program's own library, ends what cannot go on.
var mistakes = []unix.Signal{unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE, unix.SIGILL, unix.SIGABRT, unix.SIGSYS, unix.SIGTRAP}

// inWords is how a process ended.
func inWords(status unix.WaitStatus) string {
	switch s := status.Signal(); {
	case slices.Contains(mistakes, s):
		return sim.Broke + s.String()
	case status.Signaled():
		return "signal: " + s.String()
	}
	return fmt.Sprintf("exit status %d", status.ExitStatus())
}

// Hold stops every process of the machine but this one, or lets them go on. The kernel does it to all of them at once:
// none is born in between.
func (s *Supervisor) Hold(yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = yes
	if yes {
		_ = unix.Kill(-1, unix.SIGSTOP) // Where there is none there is nothing to stop.
		return
	}
	_ = unix.Kill(-1, unix.SIGCONT)
	s.released.Broadcast()
}

// Dismiss asks the program to end, and ends it after the grace period.
func (s *Supervisor) Dismiss() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.asked && s.pid != 0 {
		s.askToEnd()
	}
	s.asked = true
}

// askToEnd is called with the lock.
func (s *Supervisor) askToEnd() {
	ask, name := StopSignal(s.config.Program)
	s.config.Log.note(s.config.Now(), "the drill is over, and it is asked to end by "+name)
	_ = unix.Kill(s.pid, ask) // It is not reaped yet, or its end is known: Run waits for this lock.
	time.AfterFunc(Grace, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.pid != 0 {
			s.config.Log.note(s.config.Now(), fmt.Sprintf("has not ended within %s of %s, and is killed", Grace, name))
			_ = unix.Kill(-1, unix.SIGKILL)
		}
	})
}

// StopSignal is what asks a program to end, TERM where it does not say, and its name; 0: there is no such signal.
func StopSignal(p *nodes.Program) (unix.Signal, string) {
	name := p.StopSignal
	if name == "" {
		name = "TERM"
	}
	return unix.SignalNum("SIG" + name), name
}

// ready says that the program is ready, behind what it wrote before that.
func (s *Supervisor) ready() {
	s.out.catchUp()
	s.out.tell(nodes.Fact{Name: nodes.FactReady})
}

// still reports whether the machine stands still.
func (s *Supervisor) still() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held
}
