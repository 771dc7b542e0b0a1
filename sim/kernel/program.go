//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"firedrill/nodes"
	"firedrill/sim/kernel/room"
)

// grace is how long a program that is asked to end may take, in real time.
const grace = 2 * time.Second

// program is a foreign program in the process of its machine, which is the first one there: it starts it, reaps what is
// left behind, and tells the harness what becomes of it.
type program struct {
	h    *host
	spec *nodes.Program
	out  *output
	log  *logbook

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

// liveAs is live for a machine whose software is a program.
func (h *host) liveAs(b *birth) error {
	log, err := openLogbook(os.NewFile(logFD, "log"))
	if err != nil {
		return err
	}
	p := &program{h: h, spec: b.Program, log: log, waiting: map[int]chan unix.WaitStatus{}}
	p.released = sync.NewCond(&p.mu)
	p.out = newOutput(log, b.Program.Ready.Log, h.say)
	h.program, h.scale = p, b.Scale
	signal.Notify(make(chan os.Signal, 1)) // None that a program sends to this process ends it.
	os.Clearenv()
	for _, e := range room.Environment(b.Program.Environment) {
		key, value, _ := strings.Cut(e, "=")
		if err := os.Setenv(key, value); err != nil {
			return fmt.Errorf("set the environment: %w", err)
		}
	}
	fitting, err := b.room().Furnish()
	if err != nil {
		return err
	}
	if p.syslog, err = listenSyslog(p.out); err != nil {
		return err
	}
	wrong := fitting.Lay(b.Program.Files)
	if err := fitting.Close(); err != nil {
		return err
	}
	go h.listen()
	if err := h.tell(word{Ready: true}); err != nil {
		return err
	}
	h.epoch = <-h.begin
	p.live(wrong)
	return nil
}

// live is one run of the program; wrong is why there can be none.
func (p *program) live(wrong error) {
	end := "cannot be started: "
	if wrong != nil {
		end += wrong.Error()
	} else if ended, err := p.begin(); err != nil {
		end += err.Error()
	} else {
		end = inWords(<-ended)
	}
	at := monotonic()
	p.mu.Lock()
	p.pid = 0
	p.mu.Unlock()
	_ = unix.Kill(-1, unix.SIGKILL) // What it left behind would run without anybody who looks after it.
	p.syslog.end()
	p.out.drain()
	p.log.note(p.h.now(), end)
	p.h.say(word{At: at, Stopped: &end})
}

// begin starts the program and what watches it. Ended gets how it ends.
func (p *program) begin() (ended chan unix.WaitStatus, err error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer write.Close()
	p.stale = versionOf(p.spec.Ready.File)
	p.log.note(p.h.now(), strings.Join(p.spec.Command, " "))
	pid, ended, err := p.start(p.spec.Command, room.Disk, write)
	if err != nil {
		read.Close()
		return nil, err
	}
	p.mu.Lock()
	p.pid = pid
	if p.asked {
		p.askToEnd()
	}
	p.mu.Unlock()
	go p.reap()
	p.out.follow(read)
	go p.watch()
	return ended, nil
}

// start starts a command on the machine, as soon as it does not stand still.
func (p *program) start(command []string, in string, out *os.File) (pid int, ended chan unix.WaitStatus, err error) {
	path, err := find(command[0])
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
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.held {
		p.released.Wait()
	}
	err = room.Confined(func() (err error) {
		pid, err = syscall.ForkExec(path, command, &syscall.ProcAttr{Dir: in, Env: os.Environ(),
			Files: []uintptr{null.Fd(), out.Fd(), out.Fd()}, Sys: &syscall.SysProcAttr{Setsid: true}})
		return err
	})
	if err != nil {
		return 0, nil, fmt.Errorf("%s: %w", path, err)
	}
	ended = make(chan unix.WaitStatus, 1)
	p.waiting[pid] = ended
	return pid, ended, nil
}

// find is the file of a program.
func find(name string) (string, error) {
	if strings.Contains(name, "/") && !filepath.IsAbs(name) {
		name = filepath.Join(room.Disk, name)
	}
	path, err := room.LookPath(name)
	switch {
	case err == nil:
		return path, nil
	case !filepath.IsAbs(name):
		return "", fmt.Errorf("%s is not in %s", name, os.Getenv("PATH"))
	case errors.Is(err, os.ErrNotExist) && room.Own(name):
		return "", fmt.Errorf("there is no %s: of that folder a machine has one of its own", name)
	}
	return "", err
}

// reap waits for every process that ends, whoever started it.
func (p *program) reap() {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return // The program and all that it left behind are gone.
		}
		p.mu.Lock() // Start has told by then what it waits for.
		ended := p.waiting[pid]
		delete(p.waiting, pid)
		p.mu.Unlock()
		if ended != nil {
			ended <- status
		}
	}
}

// inWords is how a process ended.
func inWords(s unix.WaitStatus) string {
	if s.Signaled() {
		return "signal: " + s.Signal().String()
	}
	return fmt.Sprintf("exit status %d", s.ExitStatus())
}

// hold stops every process of the machine but this one, or lets them go on. The kernel does it to all of them at once:
// none is born in between.
func (p *program) hold(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = yes
	if yes {
		_ = unix.Kill(-1, unix.SIGSTOP) // Where there is none there is nothing to stop.
		return
	}
	_ = unix.Kill(-1, unix.SIGCONT)
	p.released.Broadcast()
}

// dismiss asks the program to end, and ends it after the grace period.
func (p *program) dismiss() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.asked && p.pid != 0 {
		p.askToEnd()
	}
	p.asked = true
}

// askToEnd is called with the lock.
func (p *program) askToEnd() {
	s, name := stopSignal(p.spec)
	_ = unix.Kill(p.pid, s) // It is not reaped yet, or its end is known: live waits for this lock.
	time.AfterFunc(grace, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.pid != 0 {
			p.log.note(p.h.now(), fmt.Sprintf("has not ended within %s of %s, and is killed", grace, name))
			_ = unix.Kill(-1, unix.SIGKILL)
		}
	})
}

// stopSignal is what asks a program to end, TERM where it does not say.
func stopSignal(p *nodes.Program) (unix.Signal, string) {
	name := p.StopSignal
	if name == "" {
		name = "TERM"
	}
	return unix.SignalNum("SIG" + name), name
}

// ready says that the program is ready.
func (p *program) ready() { p.out.tell(nodes.Fact{Name: nodes.FactReady}) }

// still reports whether the machine stands still.
func (p *program) still() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}
