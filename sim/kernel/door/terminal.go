//go:build linux

package door

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is that of this process while it shows one that a command has. The command cannot have the former as its
// controlling one: a terminal is that of one session, and the command's is another. Nor would it know its name.
type terminal struct {
	keys, screen *os.File      // of this process
	before       *unix.Termios // how it was set
	lent         bool          // it is set for the command
	master       *os.File      // the other side of the command's; nil: it has none yet
	shown        chan struct{} // closed when nothing more will come from the command
}

// ownTerminal is the terminal of this process, or nil where its files are none or are another job's at the moment.
func ownTerminal(e *Errand) *terminal {
	before, err := unix.IoctlGetTermios(int(e.Stdin.Fd()), unix.TCGETS)
	if err != nil || !isTerminal(e.Stdout) || !foreground(e.Stdin) {
		return nil
	}
	return &terminal{keys: e.Stdin, screen: e.Stdout, before: before, shown: make(chan struct{})}
}

// newTerminal makes a terminal where the calling thread is, of a size. The slave is for whoever is to have it.
func newTerminal(size *unix.Winsize) (master, slave *os.File, err error) {
	master, err = os.OpenFile("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	fd, err := peer(master)
	if err != nil {
		master.Close()
		return nil, nil, err
	}
	_ = unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, size) // It is then of another size, and all else is well.
	return master, os.NewFile(uintptr(fd), "terminal"), nil
}

// peer opens the other side of a terminal.
func peer(master *os.File) (slave int, err error) {
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		return 0, err
	}
	fd, _, errno := unix.Syscall(unix.SYS_IOCTL, master.Fd(), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		return 0, fmt.Errorf("%w (Linux 4.13 can)", errno)
	}
	return int(fd), nil
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// foreground reports whether a terminal is this job's at the moment. Another job would be disturbed, or this one stopped.
func foreground(terminal *os.File) bool {
	group, err := unix.IoctlGetInt(int(terminal.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// PassKeys makes standard input a pipe, where it is a terminal, for the process that Enter starts: that one is not the terminal's
// foreground job, and would be stopped if it read what is typed. This process does so, as long as its job is in the foreground.
// It is called before Enter, and not inside of the tree.
func PassKeys() error {
	keys := os.Stdin
	if !isTerminal(keys) {
		return nil
	}
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	os.Stdin = read
	go func() {
		defer write.Close()
		buffer := make([]byte, 4096)
		for {
			const soon = 200 // ms
			typed, _ := unix.Poll([]unix.PollFd{{Fd: int32(keys.Fd()), Events: unix.POLLIN}}, soon)
			if !foreground(keys) { // Then it is for somebody else.
				time.Sleep(soon * time.Millisecond)
				continue
			}
			if typed <= 0 {
				continue
			}
			n, err := keys.Read(buffer)
			if err != nil {
				return
			}
			if _, err := write.Write(buffer[:n]); err != nil {
				return
			}
		}
	}()
	return nil
}

// size is that of the own terminal; nil: there is none.
func (t *terminal) size() *unix.Winsize {
	if t == nil {
		return nil
	}
	size, err := unix.IoctlGetWinsize(int(t.keys.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return new(unix.Winsize)
	}
	return size
}

// files are those that go with the request.
func (t *terminal) files(e *Errand) []int {
	switch {
	case t == nil:
		return []int{int(e.Stdin.Fd()), int(e.Stdout.Fd()), int(e.Stderr.Fd())}
	case isTerminal(e.Stderr):
		return nil
	}
	return []int{int(e.Stderr.Fd())}
}

// lend makes keys those of the command, before there is one: what is typed from now on is for it.
func (t *terminal) lend() {
	if t == nil {
		return
	}
	t.lent = true
	raw := *t.before
	raw.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	raw.Oflag &^= unix.OPOST
	raw.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	raw.Cflag = raw.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	_ = unix.IoctlSetTermios(int(t.keys.Fd()), unix.TCSETSW, &raw) // As it is it can be used, too.
}

// show lets keys get to the terminal of a command, and shows what that writes there.
func (t *terminal) show(master *os.File) {
	t.master = master
	t.resize() // It may have changed since it was told.
	go func() { _, _ = io.Copy(master, t.keys) }()
	go func() {
		defer close(t.shown)
		_, _ = io.Copy(t.screen, master) // It ends with an error: nobody has the other side open any more.
	}()
}

// resize gives the command's terminal the size of the own one.
func (t *terminal) resize() {
	if t != nil && t.master != nil {
		_ = unix.IoctlSetWinsize(int(t.master.Fd()), unix.TIOCSWINSZ, t.size()) // It is then of another size, and all else is well.
	}
}

// close shows what there is still to show, and sets the own terminal as it was.
func (t *terminal) close() {
	if t == nil {
		return
	}
	if t.master != nil {
		select {
		case <-t.shown:
		case <-time.After(time.Second): // Somebody else has it open.
		}
		t.master.Close()
	}
	if t.lent {
		_ = unix.IoctlSetTermios(int(t.keys.Fd()), unix.TCSETSW, t.before) // If it cannot be set it is gone.
	}
}
