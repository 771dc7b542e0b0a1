//go:build linux

package kernel

import (
	"encoding/gob"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"firedrill/sim/kernel/netns"
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
}

func newEntrance() entrance {
	return entrance{asked: make(chan func()), gone: make(chan struct{})}
}

// ask calls act as Run calls a timer, and reports whether it did. A world that nobody lets go on answers nobody.
func (e *entrance) ask(act func()) bool {
	done := make(chan struct{})
	limit := time.NewTimer(patience)
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

// receive takes those whom the process outside has let in.
func (l *lobby) receive(door *net.UnixConn) {
	for {
		var nothing any
		files, err := hear(door, &nothing, 1)
		if err != nil {
			return // The process outside is gone, and so will be this one.
		}
		for _, f := range files {
			go func() {
				defer f.Close()
				if c, err := net.FileConn(f); err == nil {
					l.serve(c.(*net.UnixConn)) // Nobody else hands anything in.
					c.Close()
				}
			}()
		}
	}
}

// serve answers one caller.
func (l *lobby) serve(c *net.UnixConn) {
	_ = c.SetDeadline(time.Now().Add(patience)) // Of a socket that is open.
	var r request
	files, err := hear(c, &r, 3)
	if err != nil {
		_ = say(c, answer{Error: "want a request: " + err.Error()}) // Whoever does not listen is not told.
		return
	}
	defer closeAll(files)
	if len(r.Command) == 0 {
		l.tell(c)
		return
	}
	if err := l.exec(c, &r, files); err != nil {
		_ = say(c, answer{Error: err.Error(), Status: statusNot})
	}
}

// tell tells what is up.
func (l *lobby) tell(c *net.UnixConn) {
	for _, w := range l.all() {
		var p Play
		var processes []*os.File
		if !w.ask(func() { p, processes = w.standing() }) {
			continue
		}
		err := say(c, answer{Play: &p})
		for i, m := range p.Machines {
			if err == nil {
				var with []int
				if f := processes[i]; f != nil {
					with = append(with, int(f.Fd()))
				}
				err = say(c, answer{Machine: &m}, with...)
			}
		}
		for _, f := range processes {
			f.Close() // Of a nil file this is an error, and nothing else.
		}
		if err != nil {
			return
		}
	}
	_ = say(c, answer{Done: true})
}

// standing is how the world stands, with the process of each machine that has one. It is called with the lock.
func (w *World) standing() (p Play, processes []*os.File) {
	p = Play{Number: w.number, Title: w.Title, Seed: w.seed, At: w.Now(), Held: w.Held}
	for _, m := range w.machines {
		s := Standing{Name: m.name, State: m.State()}
		if m.kind != nil {
			s.Kind = m.kind.Name
		}
		for _, i := range m.specs {
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
func (p *process) open() (*os.File, error) {
	if p == nil || p.cmd == nil || p.gone {
		return nil, nil
	}
	fd, err := unix.PidfdOpen(p.cmd.Process.Pid, 0) // Nobody has waited for it: the number is still its own.
	if err != nil {
		return nil, fmt.Errorf("find its process: %w", err)
	}
	return os.NewFile(uintptr(fd), "process"), nil
}

// Statuses of a command that did not run, as shells have them, or was killed.
const (
	statusNot     = 2 // firedrill's own: there is nowhere to run it
	statusCannot  = 126
	statusUnknown = 127
	statusSignal  = 128 // and the signal's number
)

// exec runs a command on a machine, and returns when it has ended.
func (l *lobby) exec(c *net.UnixConn, r *request, files []*os.File) error {
	if len(files) != 3 {
		return fmt.Errorf("want standard input, output and error with a command, have %d files", len(files))
	}
	worlds := l.all()
	n := slices.IndexFunc(worlds, func(w *World) bool { return w.number == r.Play })
	if n < 0 {
		return errors.New("the play has ended")
	}
	w := worlds[n]
	v := &visit{c: c, files: files, terminal: r.Terminal, over: make(chan struct{})}
	var refusal error
	if !w.ask(func() {
		if refusal = w.invite(v, r); refusal == nil {
			w.aside(v.run)
		}
	}) {
		return errors.New("the play has ended")
	}
	if refusal != nil {
		return refusal
	}
	<-v.over
	return nil
}

// visit is a command on a machine, from outside.
type visit struct {
	c        *net.UnixConn
	files    []*os.File // the standard ones
	terminal bool
	company  company
	ns       *netns.Namespace
	process  *os.File        // of the machine's software, whose namespaces are entered; nil: there is none
	down     <-chan struct{} // closed with the life of the machine
	over     chan struct{}
}

// company is what a process is told that starts a command on a machine and stays with it.
type company struct {
	Machine     string
	Hosts       []string
	Command     []string
	Environment []string
	Terminal    bool
	Join        bool // there is a process whose namespaces are entered
	Program     bool // and it looks after a program
}

// invite finds out how to get onto a machine. It is called with the lock.
func (w *World) invite(v *visit, r *request) error {
	m := w.machine(r.Machine)
	if m == nil {
		var names []string
		for _, o := range w.machines {
			names = append(names, o.name)
		}
		return fmt.Errorf("no machine %q; the machines are %s", r.Machine, strings.Join(names, ", "))
	}
	l := m.life
	switch {
	case !m.on:
		return fmt.Errorf("%s is powered off: nothing runs there", m.name)
	case l == nil || l.own == nil || m.process != nil && !m.process.ready:
		return fmt.Errorf("%s is coming up; try again in a moment", m.name)
	}
	process, err := m.process.open()
	if err != nil {
		return err
	}
	if v.ns, err = l.ns.Again(); err != nil {
		process.Close()
		return err
	}
	v.process, v.down = process, l.down
	v.company = company{Machine: m.name, Hosts: m.hosts(), Command: r.Command, Environment: m.surroundings(), Terminal: r.Terminal,
		Join: process != nil, Program: m.runsProgram()}
	if r.Term != "" {
		v.company.Environment = append(v.company.Environment, "TERM="+r.Term)
	}
	return nil
}

// surroundings is the environment of a command on the machine.
func (m *machine) surroundings() []string {
	if !m.runsProgram() {
		return room.Environment(nil)
	}
	return room.Environment(m.kind.Program(m.config).Environment)
}

// run is the whole visit.
func (v *visit) run() {
	defer close(v.over)
	defer func() {
		_ = v.ns.Close() // Only a descriptor is given back.
		v.process.Close()
	}()
	_ = v.c.SetDeadline(time.Time{}) // It may take as long as it likes.
	c, err := v.start()
	if err != nil {
		_ = say(v.c, answer{Error: fmt.Sprintf("%s: start the command: %v", v.company.Machine, err), Status: statusNot})
		return
	}
	ended := make(chan struct{})
	go func() {
		select {
		case <-v.down:
			_ = c.Process.Kill() // Of machines without software this is the first process, and with it all end.
		case <-ended:
		}
	}()
	err = c.Wait()
	close(ended)
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		_ = say(v.c, answer{Error: v.company.Machine + " went down, or its software did, and the command with it",
			Status: statusSignal + int(unix.SIGKILL)})
	}
}

// start starts the process that stays with the command: in the namespaces of the machine's software but for its mounts, which
// that process enters itself, or in new ones.
func (v *visit) start() (*exec.Cmd, error) {
	told, tell, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer told.Close()
	defer tell.Close()
	conn, err := v.c.File()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	c := exec.Command("/proc/self/exe")
	c.Args = append([]string{os.Args[0], "exec", v.company.Machine, "--"}, v.company.Command...) // For ps.
	c.Env = []string{roleKey + "=" + roleCompany}
	c.Stdin, c.Stdout, c.Stderr = v.files[0], v.files[1], v.files[2]
	c.ExtraFiles = []*os.File{conn, told} // As callerFD and so on.
	const shared = unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC
	if v.process == nil {
		c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: shared | unix.CLONE_NEWNS}
	} else {
		c.ExtraFiles = append(c.ExtraFiles, v.process)
	}
	err = v.ns.Do(func() error {
		if v.process != nil {
			if err := unix.Setns(int(v.process.Fd()), shared); err != nil {
				return fmt.Errorf("enter its namespaces: %w (Linux 5.8 can)", err)
			}
		}
		return c.Start()
	})
	if err != nil {
		return nil, err
	}
	if err := gob.NewEncoder(tell).Encode(v.company); err != nil {
		_ = c.Process.Kill()
		return nil, errors.Join(err, c.Wait())
	}
	return c, nil
}
