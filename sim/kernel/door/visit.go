//go:build linux

package door

import (
	"encoding/gob"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Statuses of a command that did not run, as shells have them, or was killed.
const (
	statusNot     = 2 // firedrill's own: there is nowhere to run it
	statusCannot  = 126
	statusUnknown = 127
	statusSignal  = 128 // and the signal's number
)

// visit is a command on a machine, from outside.
type visit struct {
	*Way
	c       *net.UnixConn
	files   []*os.File // the standard ones, as the request has them
	again   string
	company company
}

// run is the whole visit.
func (v *visit) run(r *request) {
	defer func() {
		_ = v.Network.Close() // Only a descriptor is given back.
		v.Process.Close()
	}()
	v.company = company{Machine: v.Machine, Hosts: v.Hosts, Command: r.Command, Environment: v.Environment,
		Terminal: r.Terminal, Errors: len(v.files) > 0, Join: v.Process != nil, Program: v.Program}
	if r.Term != "" {
		v.company.Environment = append(v.company.Environment, "TERM="+r.Term)
	}
	_ = v.c.SetDeadline(time.Time{}) // It may take as long as it likes.
	c, err := v.start()
	if err != nil {
		_ = say(v.c, answer{Error: fmt.Sprintf("%s: start the command: %v", v.Machine, err), Status: statusNot})
		return
	}
	ended := make(chan struct{})
	go func() {
		select {
		case <-v.Down:
			_ = c.Process.Kill() // Of machines without software this is the first process, and with it all end.
		case <-ended:
		}
	}()
	err = c.Wait()
	close(ended)
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		_ = say(v.c, answer{Error: v.Machine + " went down, or its software did, and the command with it",
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
	c.Args = append([]string{os.Args[0], "exec", v.Machine, "--"}, v.company.Command...) // For ps.
	c.Env = []string{v.again}
	if v.company.Terminal == nil {
		c.Stdin, c.Stdout = v.files[0], v.files[1]
	}
	if v.company.Errors {
		c.Stderr = v.files[len(v.files)-1]
	}
	c.ExtraFiles = []*os.File{conn, told} // As callerFD and so on.
	const shared = unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC
	if v.Process == nil {
		c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: shared | unix.CLONE_NEWNS}
	} else {
		c.ExtraFiles = append(c.ExtraFiles, v.Process)
	}
	err = v.Network.Do(func() error {
		if v.Process != nil {
			if err := unix.Setns(int(v.Process.Fd()), shared); err != nil {
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
