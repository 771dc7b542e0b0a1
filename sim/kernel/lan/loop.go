//go:build linux

package lan

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// loop is what the switch's thread works with.
type loop struct {
	fds     []unix.PollFd
	polled  []*Port // of fds, after the bell and the ticker
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
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // Without it every delay would be 50 us longer.
	for s.refresh() {
		if _, err := unix.Ppoll(s.fds, s.patience(), nil); err != nil {
			continue // A signal; nothing was looked at.
		}
		if s.fds[1].Revents != 0 {
			s.sample()
		}
		s.settleDue()
		for i, p := range s.polled {
			if events := s.fds[i+2].Revents; events&unix.POLLIN != 0 {
				s.drain(p)
			} else if events != 0 {
				s.abandon(p)
			}
		}
		s.showAll()
	}
	s.showAll()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readable() // All are closed: they are taken away.
}

// refresh looks at what changed, if the bell rang, and reports whether the switch is to go on.
func (s *Switch) refresh() bool {
	if s.fds != nil {
		if s.fds[0].Revents == 0 {
			return true
		}
		var count [8]byte
		_, _ = unix.Read(s.bell, count[:]) // It has rung.
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed || s.fds == nil {
		s.changed = false
		s.polled = s.readable()
		s.fds = append(s.fds[:0], unix.PollFd{Fd: int32(s.bell), Events: unix.POLLIN},
			unix.PollFd{Fd: int32(s.ticker.fd), Events: unix.POLLIN})
		for _, p := range s.polled {
			s.fds = append(s.fds, unix.PollFd{Fd: int32(p.tap.fd), Events: unix.POLLIN})
		}
	}
	return !s.closed
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
