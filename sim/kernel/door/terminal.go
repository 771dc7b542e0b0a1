//go:build linux

package door

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is one that is made for a command, and shown on that of this process. The command cannot have the latter as its
// controlling one: a terminal is that of one session, and the command's is another.
type terminal struct {
	keys, screen  *os.File // of this process
	master, slave *os.File
	before        *unix.Termios // how the own one was set
	shown         chan struct{} // closed when nothing more will come from the command
}

// openTerminal makes a terminal for a command, or none where its files are no terminal or are another job's at the moment.
func openTerminal(e *Errand) (*terminal, error) {
	before, err := unix.IoctlGetTermios(int(e.Stdin.Fd()), unix.TCGETS)
	if err != nil || !isTerminal(e.Stdout) || !foreground(e.Stdin) {
		return nil, nil
	}
	master, err := os.OpenFile("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, fmt.Errorf("make a terminal: %w", err)
	}
	t := &terminal{keys: e.Stdin, screen: e.Stdout, master: master, before: before, shown: make(chan struct{})}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.close()
		return nil, fmt.Errorf("make a terminal: %w", err)
	}
	fd, _, errno := unix.Syscall(unix.SYS_IOCTL, master.Fd(), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		t.close()
		return nil, fmt.Errorf("make a terminal: %w (Linux 4.13 can)", errno)
	}
	t.slave = os.NewFile(fd, "terminal")
	return t, nil
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

// files are the command's standard ones.
func (t *terminal) files(e *Errand) []int {
	if t == nil {
		return []int{int(e.Stdin.Fd()), int(e.Stdout.Fd()), int(e.Stderr.Fd())}
	}
	list := []int{int(t.slave.Fd()), int(t.slave.Fd()), int(e.Stderr.Fd())}
	if isTerminal(e.Stderr) {
		list[2] = list[0]
	}
	return list
}

// lend makes keys those of the command, before there is one: what is typed from now on is for it.
func (t *terminal) lend() {
	if t == nil {
		return
	}
	raw := *t.before
	raw.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	raw.Oflag &^= unix.OPOST
	raw.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	raw.Cflag = raw.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	_ = unix.IoctlSetTermios(int(t.keys.Fd()), unix.TCSETSW, &raw) // As it is it can be used, too.
}

// show lets keys get to the command, which has its files, and shows what it writes.
func (t *terminal) show() {
	if t == nil {
		return
	}
	t.slave.Close() // With the command's own the terminal ends.
	go func() { _, _ = io.Copy(t.master, t.keys) }()
	go func() {
		defer close(t.shown)
		_, _ = io.Copy(t.screen, t.master) // It ends with an error: nobody has the other side open any more.
	}()
}

// resize gives the command's terminal the size of the own one.
func (t *terminal) resize() {
	if t == nil {
		return
	}
	if size, err := unix.IoctlGetWinsize(int(t.keys.Fd()), unix.TIOCGWINSZ); err == nil {
		_ = unix.IoctlSetWinsize(int(t.master.Fd()), unix.TIOCSWINSZ, size) // It is then of another size, and all else is well.
	}
}

// close shows what there is still to show, and sets the own terminal as it was.
func (t *terminal) close() {
	if t == nil {
		return
	}
	if t.slave != nil {
		t.slave.Close()
		select {
		case <-t.shown:
		case <-time.After(time.Second): // Somebody else has it open.
		}
		_ = unix.IoctlSetTermios(int(t.keys.Fd()), unix.TCSETSW, t.before) // If it cannot be set it is gone.
	}
	t.master.Close()
}
