//go:build linux

package door

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"firedrill/sim/kernel/room"
)

// Descriptors of a process that keeps a command company.
const (
	callerFD  = 3 // to whoever wants the command
	companyFD = 4 // what to do
	softFD    = 5 // the machine's process
)

// company is what a process is told that starts a command on a machine and stays with it.
type company struct {
	Machine     string
	Hosts       []string
	Command     []string
	Environment []string
	Terminal    *unix.Winsize // the size of the one that it gets; nil: it has the standard files of this process
	Errors      bool          // but for standard error, which it has in any case
	Join        bool          // there is a process whose namespaces are entered
	Program     bool          // and it looks after a program
}

// KeepCompany is the whole of a process that starts a command on a machine, and stays with it: it passes signals on, tells how
// the command ended, and ends with it whatever the command started. When its caller is gone the command ends as well.
func KeepCompany() {
	// Nor is what the harness was started with for the command.
	if err := unix.CloseRange(callerFD, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		os.Exit(1)
	}
	c, err := packets(callerFD)
	if err != nil {
		os.Exit(1)
	}
	var with company
	told := os.NewFile(companyFD, "company")
	if err := gob.NewDecoder(told).Decode(&with); err != nil {
		os.Exit(1) // The harness is gone.
	}
	told.Close()
	a := with.attend(c)
	_ = say(c, a) // The caller may be gone by now.
	os.Exit(0)
}

// attend starts the command and waits for its end.
func (with *company) attend(c *net.UnixConn) answer {
	pid, proc, err := with.begin(c)
	if err != nil {
		status := statusCannot
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound) {
			status = statusUnknown
		}
		return answer{Error: with.Machine + ": " + err.Error(), Status: status}
	}
	ended, gone := make(chan unix.WaitStatus, 1), make(chan struct{})
	go reapAll(pid, ended)
	go func() {
		defer close(gone)
		for {
			var f follow
			if _, err := hear(c, &f, 0); err != nil {
				return
			}
			_ = unix.Kill(-pid, f.Signal) // It leads its group. One that has just ended hears nothing.
		}
	}()
	a := answer{Done: true}
	select {
	case s := <-ended:
		a.Status = s.ExitStatus()
		if s.Signaled() {
			a.Status = statusSignal + int(s.Signal())
		}
	case <-gone:
	}
	clearAway(proc)
	return a
}

// begin starts the command. Proc is where the processes of the machine are seen.
func (with *company) begin(c *net.UnixConn) (pid int, proc *os.Root, err error) {
	if !with.Join {
		place := room.Room{Machine: with.Machine, Hosts: with.Hosts}
		if err := place.Visit(); err != nil {
			return 0, nil, err
		}
	}
	os.Clearenv()
	for _, e := range with.Environment {
		key, value, _ := strings.Cut(e, "=")
		if err := os.Setenv(key, value); err != nil {
			return 0, nil, fmt.Errorf("set the environment: %w", err)
		}
	}
	// What the command leaves behind comes to this process, and not to the first one of the machine.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return 0, nil, fmt.Errorf("become a reaper: %w", err)
	}
	attr := &syscall.ProcAttr{Dir: "/", Env: os.Environ(), Files: []uintptr{0, 1, 2},
		Sys: &syscall.SysProcAttr{Setsid: true, Setctty: with.Terminal != nil, Ctty: 0}}
	err = room.Confined(func() error {
		if with.Join {
			if err := room.Enter(softFD, with.Program); err != nil {
				return err
			}
		}
		if proc, err = os.OpenRoot("/proc"); err != nil {
			return err
		}
		path, err := room.LookPath(with.Command[0])
		if err != nil {
			return err
		}
		if with.Terminal != nil {
			slave, err := with.giveTerminal(c)
			if err != nil {
				return err
			}
			defer slave.Close() // With the command's own the terminal ends.
			attr.Files[0], attr.Files[1] = slave.Fd(), slave.Fd()
			if !with.Errors {
				attr.Files[2] = slave.Fd()
			}
		}
		pid, err = syscall.ForkExec(path, with.Command, attr)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return nil
	})
	return pid, proc, err
}

// giveTerminal makes a terminal of the machine, and gives the other side of it to the caller.
func (with *company) giveTerminal(c *net.UnixConn) (slave *os.File, err error) {
	master, slave, err := newTerminal(with.Terminal)
	if err == nil {
		defer master.Close() // When the caller's is closed the command hears of it.
		if err = say(c, answer{Terminal: true}, int(master.Fd())); err != nil {
			slave.Close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("make a terminal: %v", err) // It is not the command that there is none of.
	}
	return slave, nil
}

// reapAll waits for every child that ends. Ended is told how the one did.
func reapAll(pid int, ended chan<- unix.WaitStatus) {
	for {
		var status unix.WaitStatus
		one, err := unix.Wait4(-1, &status, 0, nil)
		if errors.Is(err, unix.ECHILD) {
			return
		}
		if one == pid {
			ended <- status
		}
	}
}

// clearAway kills all children, and those that come to this process by that, until none is left. One that waits for a disk
// that hangs is killed and not waited for.
func clearAway(proc *os.Root) {
	for limit := time.Now().Add(time.Second); time.Now().Before(limit); time.Sleep(time.Millisecond) {
		left := children(proc)
		if len(left) == 0 {
			return
		}
		for _, pid := range left {
			_ = unix.Kill(pid, unix.SIGKILL) // It may have just ended.
		}
	}
}

// children are those of this process that have not been waited for.
func children(proc *os.Root) (pids []int) {
	self := strconv.Itoa(os.Getpid())
	entries, _ := fs.ReadDir(proc.FS(), ".") // Of what can be read.
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		text, err := proc.ReadFile(e.Name() + "/stat")
		if err != nil {
			continue // It has just ended.
		}
		// The name of a program is in brackets, and may itself have some. State and parent follow.
		_, rest, _ := strings.Cut(string(text[strings.LastIndexByte(string(text), ')')+1:]), " ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == self {
			pids = append(pids, pid)
		}
	}
	return pids
}
