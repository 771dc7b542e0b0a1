//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"firedrill/nodes"
	"firedrill/sim"
	"firedrill/sim/kernel/disk"
	"firedrill/sim/kernel/room"
)

// process is the software of a machine, from its start to its end. What it has is guarded by the world's lock, as all is.
type process struct {
	m *machine
	l *life

	at    string      // where its disk is mounted
	mount *disk.Mount // nil: not yet
	line  *line       // both of them nil: it does not live yet
	cmd   *exec.Cmd
	tail  tail          // the last that it wrote
	made  chan struct{} // closed when it lives, or never will
	ended sync.Once

	ready, begun   bool // it can run; it may
	gone           bool // killed, or ended
	held           bool // it is to stand still
	clocks         int  // how often it was told of its clock
	stale          bool // its clock was changed while it stood still
	holdAfterClock bool // hold it once it has set its clock

	released int64 // CLOCK_MONOTONIC when it went on after it had stood still; 0: it never has

	program bool          // its software is a program: then it stands still with all that the program started
	left    chan struct{} // closed when the program has ended at the end of the drill
}

// start makes the process, and returns when it is ready or never will be. It is called once, without the lock.
func (p *process) start(b birth) error {
	err := p.create(b)
	close(p.made)
	if err != nil || p.cmd == nil {
		return err
	}
	up := make(chan struct{})
	p.m.w.aside(func() { p.listen(up) })
	<-up
	return nil
}

// create makes the process and its disk. Without an error there may be neither: it was killed before it lived.
func (p *process) create(b birth) error {
	m := p.m
	// Other worlds of this process may have machines of this name, and it must never look into what it serves itself.
	at, err := os.MkdirTemp(room.Store, fmt.Sprintf("%s-%d-", m.Name(), b.Birth))
	if err != nil {
		return err
	}
	mount, err := disk.New(m.Disk(), &m.w.mu, at, disk.Options{Scale: m.w.scale})
	if err != nil {
		return errors.Join(err, os.Remove(at))
	}
	m.w.mu.Lock()
	p.at, p.mount = at, mount
	gone := p.gone
	m.w.mu.Unlock()
	if gone {
		return p.unmount()
	}
	b.Disk = at
	ours, c, err := p.spawn(b)
	if err != nil {
		return errors.Join(fmt.Errorf("start its process: %w", err), p.unmount())
	}
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	p.line, p.cmd = ours, c
	switch {
	case p.gone:
		p.kill()
	case p.held:
		p.hold(true)
	}
	return nil
}

// spawn starts the program again, as the software of the machine, and tells it what to be.
func (p *process) spawn(b birth) (*line, *exec.Cmd, error) {
	ours, theirs, err := pair()
	if err != nil {
		return nil, nil, err
	}
	defer theirs.Close()
	c := exec.Command("/proc/self/exe")
	c.Args = []string{os.Args[0], "machine", p.m.Name()} // For ps; Host reads no arguments.
	c.Env = hostEnvironment()
	c.ExtraFiles = []*os.File{theirs}
	if p.program {
		c.ExtraFiles = append(c.ExtraFiles, p.m.log.File()) // As logFD.
	}
	c.Stdout, c.Stderr = &p.tail, &p.tail
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC}
	if err := p.l.ns.Do(c.Start); err != nil {
		ours.conn.Close()
		return nil, nil, err
	}
	if err := ours.out.Encode(b); err != nil {
		_ = c.Process.Kill()
		ours.conn.Close()
		return nil, nil, errors.Join(err, c.Wait())
	}
	return ours, c, nil
}

// hostEnvironment is that of a machine's process: what the harness was told about itself is not for it.
func hostEnvironment() []string {
	var out []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, roleKey+"=") {
			out = append(out, e)
		}
	}
	return append(out, roleKey+"="+roleHost)
}

// listen takes what the process says, until it ends. Up is closed when it is ready, or never will be.
func (p *process) listen(up chan struct{}) {
	for {
		var w word
		err := p.line.in.Decode(&w)
		now := p.m.w.Now()
		if err != nil {
			p.end() // After that all is there that it wrote.
		}
		p.m.w.mu.Lock()
		switch {
		case p.gone:
		case p.m.w.leaving && (err != nil || w.Stopped != nil):
			p.gone = true
			if p.left != nil {
				close(p.left)
			}
		case p.m.w.leaving: // What still happens is for its log alone.
		case err != nil:
			p.died(now)
		default:
			p.heard(&w)
		}
		over := p.gone
		if !over && w.waits() {
			p.order(order{Done: true})
		}
		p.m.w.mu.Unlock()
		if up != nil && (over || w.Ready) {
			close(up)
			up = nil
		}
		if over {
			return
		}
	}
}

// heard acts on a word. The process may be dead after that.
func (p *process) heard(w *word) {
	m := p.m
	at := p.when(w.At)
	switch {
	case w.Failed != "":
		m.w.fail(fmt.Errorf("machine %s: %s", m.Name(), w.Failed))
	case w.Ready:
		p.ready = true
		m.light()
	case w.Clocked > 0:
		if p.holdAfterClock && w.Clocked == p.clocks {
			p.hold(true)
		}
	case w.Late != nil:
		p.wasLate(*w.Late)
	case w.Bound != nil:
		if a, err := netip.ParseAddr(w.Bound.Address); err == nil {
			m.bind(w.Bound.Segment, a, w.Bound.Bound)
		}
	case w.Halt:
		m.Halt(w.Reboot)
	case w.Stopped != nil:
		m.NoteAt(at, nodes.Fact{Name: sim.FactStopped, Value: *w.Stopped})
		if !p.gone {
			m.Ended(sim.StateStopped)
		}
	case w.Told != nil:
		for _, t := range w.Told {
			if !p.gone {
				m.NoteAt(p.when(t.At), t.Fact)
			}
		}
	case w.Fact != nil:
		m.NoteAt(at, *w.Fact)
		if w.Panicked != nil && !p.gone {
			m.Ended(sim.StateStopped)
		}
	}
}

// when is the true time at a moment that the process tells.
func (p *process) when(at int64) time.Duration {
	return min(elapsed(at, p.m.w.epoch.Load(), p.m.w.scale), p.m.w.Now())
}

// died is told when the process ended without a word: its software broke in a way that Go does not let it survive, or somebody
// ended it who is no part of the drill, after which the run shows nothing.
func (p *process) died(at time.Duration) {
	m, text := p.m, p.tail.String()
	f, state := nodes.Fact{Name: sim.FactPanicked, Value: gaveUp(p.cmd.ProcessState, text)}, sim.StateStopped
	if f.Value == "" || p.program {
		f, state = nodes.Fact{Name: sim.FactCrashed, Value: "its process ended from outside"}, sim.StateCrashed
		m.w.killed = append(m.w.killed, m.Name())
	}
	if text != "" {
		f.Attrs = []nodes.Attr{{Key: "stack", Value: text}}
	}
	m.NoteAt(at, f)
	if !p.gone {
		m.Ended(state)
	}
}

// mistakes begin the line in which Go says what ended the process, such as two writers of one map.
var mistakes = []string{"fatal error: ", "panic: "}

// gaveUp says how a process ended itself; "": it did not.
func gaveUp(state *os.ProcessState, text string) string {
	status := state.Sys().(syscall.WaitStatus)
	if status.Signaled() && status.Signal() != unix.SIGABRT { // GOTRACEBACK may ask for that one.
		return ""
	}
	for line := range strings.Lines(text) {
		if slices.ContainsFunc(mistakes, func(begin string) bool { return strings.HasPrefix(line, begin) }) {
			return strings.TrimSpace(line)
		}
	}
	if status.Signaled() || status.ExitStatus() == uncaught {
		return ""
	}
	return "its process ended with " + state.String()
}

// begin lets the software run, once both sides are ready.
func (p *process) begin() {
	if p.ready && !p.begun && !p.gone {
		p.begun = true
		p.setClock(p.m.Clock().State())
		p.order(order{Go: true, Epoch: p.m.w.epoch.Load()})
	}
}

// setClock tells the process what its machine's clock is. One that stands still would not read that, and is told when it goes
// on; one that looks after a program has no use for it.
func (p *process) setClock(s sim.ClockState) {
	switch {
	case !p.ready || p.program:
	case p.held:
		p.stale = true
	default:
		p.clocks++
		p.order(order{Clock: &s, Clocks: p.clocks})
	}
}

// order says something to the process. One that cannot be reached is dead, and its end is seen elsewhere.
func (p *process) order(o order) {
	if !p.gone {
		_ = p.line.out.Encode(o)
	}
}

// hold lets the process stand still, or go on. One that looks after a program lets that stand still.
func (p *process) hold(yes bool) {
	p.held = yes
	switch {
	case p.cmd == nil:
	case p.program:
		p.order(order{Hold: yes, Resume: !yes})
	case yes:
		_ = p.cmd.Process.Signal(unix.SIGSTOP) // One that has just ended hears nothing.
	default:
		p.released = monotonic()
		if p.stale {
			p.stale = false
			p.setClock(p.m.Clock().State())
		}
		_ = p.cmd.Process.Signal(unix.SIGCONT)
	}
}

// dismiss asks a program that can hear it to end, and reports whether there is one.
func (p *process) dismiss() bool {
	if !p.program || !p.begun || p.gone || p.held {
		return false
	}
	p.left = make(chan struct{})
	p.order(order{Leave: true})
	return true
}

// kill ends the process and its hold on the disk, at once: no call of it acts any more, and none is answered while it lives.
func (p *process) kill() {
	p.gone = true
	switch {
	case p.mount == nil:
	case p.m.On(): // Its kernel lives on, and has what it wrote.
		p.mount.Drop()
	default:
		p.mount.Cut()
	}
	if p.cmd != nil {
		_ = p.cmd.Process.Kill()
	}
}

// agony is how long processes that were killed may wait for their disk. As a rule they do not: the disk lets those go that
// die. Where it cannot know of them, it fails then.
const agony = 100 * time.Millisecond

// bury waits for the end of a process that was killed, and gives back what it had. It is called once, without the lock.
func (p *process) bury() {
	<-p.made
	if p.cmd == nil {
		return // It never lived, and has nothing.
	}
	p.end()
	p.line.conn.Close()
	if err := p.unmount(); err != nil {
		p.m.w.mu.Lock()
		p.m.w.fail(fmt.Errorf("machine %s: %w", p.m.Name(), err))
		p.m.w.mu.Unlock()
	}
}

// end waits for the end of the process, which it brings about where it must, and of what it wrote. It is called without the lock.
func (p *process) end() {
	p.ended.Do(func() {
		stuck := time.AfterFunc(agony, p.mount.Fail)
		defer stuck.Stop()
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait() // How it ended is known.
	})
}

// unmount takes the disk away from a process that is no more. It is called without the lock.
func (p *process) unmount() error {
	if err := p.mount.End(); err != nil {
		return err
	}
	return os.Remove(p.at)
}

// tail keeps the begin and the end of what is written to it: Go says first what broke, and then where every task was.
type tail struct {
	mu   sync.Mutex
	head []byte // full before there is any text
	text []byte
	more bool // than both
}

// How much of a machine's output is worth keeping, in bytes.
const (
	headSize = 1 << 10
	tailSize = 8 << 10
)

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	first := min(len(b), headSize-len(t.head))
	t.head = append(t.head, b[:first]...)
	t.text = append(t.text, b[first:]...)
	if over := len(t.text) - tailSize; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
		t.more = true
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	gap := ""
	if t.more {
		gap = "\n..\n"
	}
	return string(t.head) + gap + string(t.text)
}
