//go:build linux

package lan

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// loop is what the switch's thread works with.
type loop struct {
	epoll   int             // listens to all that the switch waits for: what it costs does not grow with the ports
	heard   map[int32]*Port // whom it listens to, by descriptor
	rung    bool            // the bell has
	events  [64]unix.EpollEvent
	room    wire    // what is read
	scratch wire    // what is cut
	passing arrival // what arrives at once need not be kept
	ready   []delivery
}

// turnMax is how many frames or bursts are read from one port before the others have their turn.
const turnMax = 16

// run is the thread of the switch. It is never unlocked: it ends here, and its slack with it.
func (s *Switch) run() {
	defer close(s.over)
	runtime.LockOSThread()
	hurry()
	s.rung = true // There may be ports already.
	for s.refresh() {
		events := s.listen()
		s.settleDue()
		for _, e := range events {
			switch p := s.heard[e.Fd]; {
			case e.Fd == int32(s.bell):
				s.rung = true
			case e.Fd == int32(s.ticker.fd):
				s.sample()
			case e.Events&unix.EPOLLIN != 0:
				s.drain(p)
			default:
				s.abandon(p)
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.follow() // All are closed: they are taken away.
	if s.more != nil {
		close(s.more) // Nobody sends any more.
	}
}

// slice is for how long the switch wants a processor at a time.
const slice = 100 * time.Microsecond

// hurry asks the system to let this thread run soon. What it does not know, or does not allow, makes the switch later,
// and is no reason to end.
func hurry() {
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // Without it every delay would be 50 us longer.
	// From Linux 6.12 on, whoever wants little at a time is put before the others.
	if now, err := unix.SchedGetAttr(0, 0); err == nil {
		now.Runtime = uint64(slice.Nanoseconds())
		_ = unix.SchedSetAttr(0, now, 0)
	}
}

// listen waits until there is something to do, and returns what there is to read. Only ppoll sleeps to the nanosecond.
func (s *Switch) listen() []unix.EpollEvent {
	n, err := unix.EpollWait(s.epoll, s.events[:], 0)
	if n == 0 && err == nil {
		all := [1]unix.PollFd{{Fd: int32(s.epoll), Events: unix.POLLIN}}
		if n, err = unix.Ppoll(all[:], s.patience(), nil); n > 0 && err == nil {
			n, err = unix.EpollWait(s.epoll, s.events[:], 0)
		}
	}
	if err != nil {
		return nil // A signal; nothing was looked at.
	}
	return s.events[:n]
}

// hear adds a descriptor to those that the loop listens to.
func (s *Switch) hear(fd int) error {
	if err := unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}); err != nil {
		return fmt.Errorf("listen to a descriptor: %w", err)
	}
	return nil
}

// refresh looks at what changed, if the bell rang, and reports whether the switch is to go on.
func (s *Switch) refresh() bool {
	if !s.rung {
		return true
	}
	s.rung = false
	var count [8]byte
	_, _ = unix.Read(s.bell, count[:]) // At the start it has not rung.
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed {
		s.changed = false
		s.follow()
	}
	return !s.closed
}

// follow listens to the ports that may send, and to no others. Devices of closed ports are taken away on the side: their kernel
// may wait for others.
func (s *Switch) follow() {
	s.ports = slices.DeleteFunc(s.ports, func(p *Port) bool {
		fd := int32(p.tap.fd)
		is, want := s.heard[fd] == p, !p.closed && !p.frozen && !p.gone
		switch {
		case want && !is:
			if s.hear(p.tap.fd) == nil { // As good as gone, otherwise.
				s.heard[fd] = p
			}
		case is && !want:
			_ = unix.EpollCtl(s.epoll, unix.EPOLL_CTL_DEL, p.tap.fd, nil) // It is there.
			delete(s.heard, fd)
		}
		if p.closed {
			s.closing.Go(p.tap.close)
		}
		return p.closed
	})
}

// patience is how long nothing is due; nil: until something is sent.
func (s *Switch) patience() *unix.Timespec {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.coming.first()
	if a == nil {
		return nil
	}
	wait := unix.NsecToTimespec(int64(max(0, a.due-s.options.Now())) / s.options.Scale)
	return &wait
}

// settleDue lets all arrive that is due.
func (s *Switch) settleDue() {
	s.mu.Lock()
	now := s.options.Now()
	a := s.coming.first()
	due := a != nil && a.due <= now
	s.mu.Unlock()
	if !due {
		return
	}
	s.options.Lock.Lock()
	s.mu.Lock()
	s.settle(s.options.Now())
	s.mu.Unlock()
	s.options.Lock.Unlock()
	s.deliver()
}

// drain reads what a machine's kernel sends, as long as it is this port's turn.
func (s *Switch) drain(p *Port) {
	for range turnMax {
		n, err := s.read(p)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			s.abandon(p)
			return
		}
		s.take(p, s.room[:n])
	}
}

// read reads one frame or burst. It holds the lock, so that whatever it reads was sent before the machine was frozen.
func (s *Switch) read(p *Port) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.frozen || p.closed {
		return 0, unix.EAGAIN
	}
	return unix.Read(p.tap.fd, s.room)
}

// abandon stops listening to a port whose device is gone, with its namespace.
func (s *Switch) abandon(p *Port) {
	s.mu.Lock()
	p.gone, s.changed = true, true
	s.mu.Unlock()
	s.wake()
}

// deliver hands the kernels what they are to have. No lock is held.
func (s *Switch) deliver() {
	for i := range s.ready {
		d := &s.ready[i]
		_, err := unix.Write(d.fd, d.wire)
		switch {
		case err == nil, errors.Is(err, unix.EIO), errors.Is(err, unix.EBADFD):
			// An interface that the machine has set down hears nothing, and is no fault of ours.
		default:
			s.unwritten.Add(1)
		}
		if d.own != nil {
			d.own.spent()
		}
		*d = delivery{}
	}
	s.ready = s.ready[:0]
}

// tick is how often the switch looks whether it is late, whatever there is to do.
const tick = 10 * time.Millisecond

// ticker wakes the loop at even times. By how much it was late then a frame would have been late too: it shows a loaded
// machine even where no link has a latency by which it could be seen.
type ticker struct {
	fd   int
	next time.Time
}

func newTicker() (ticker, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return ticker{}, fmt.Errorf("open a timerfd: %w", err)
	}
	every := unix.NsecToTimespec(int64(tick))
	t := ticker{fd: fd, next: time.Now().Add(tick)}
	if err := unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Interval: every, Value: every}, nil); err != nil {
		_ = unix.Close(fd) // What is wrong is known.
		return ticker{}, fmt.Errorf("set a timerfd: %w", err)
	}
	return t, nil
}

// late is for how long the oldest tick that was not seen has been over.
func (t *ticker) late() time.Duration {
	var count [8]byte
	if _, err := unix.Read(t.fd, count[:]); err != nil {
		return 0
	}
	late := time.Since(t.next)
	t.next = t.next.Add(tick * time.Duration(binary.NativeEndian.Uint64(count[:])))
	return late
}

func (t *ticker) close() error { return unix.Close(t.fd) }

// sample takes down how late the switch is.
func (s *Switch) sample() {
	late := s.ticker.late() * time.Duration(s.options.Scale)
	s.mu.Lock()
	s.late.Worst = max(s.late.Worst, late)
	s.mu.Unlock()
}
