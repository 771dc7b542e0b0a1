//go:build linux

package supervisor

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// How often it is looked whether a program is ready, in real time. What costs a process is looked at less often.
const (
	lookEvery = 10 * time.Millisecond
	runEvery  = 100 * time.Millisecond
	runLimit  = 5 * time.Second // for one check by a command
)

// watch waits until the program is ready, and says so. A line of its output is waited for where that is read.
func (s *Supervisor) watch() {
	r := s.config.Program.Ready
	switch {
	case r.Log != "":
	case r.Port != 0:
		s.look(lookEvery, func() bool { return listening(int(r.Port)) })
	case r.File != "":
		s.look(lookEvery, func() bool { return s.stale.differs(string(r.File)) })
	case len(r.Command) > 0:
		s.look(runEvery, func() bool { return s.succeeds(r.Command) })
	default:
		s.ready()
	}
}

// look looks until there is something to be seen. It ends with the process at the latest.
func (s *Supervisor) look(every time.Duration, seen func() bool) {
	for s.still() || !seen() {
		time.Sleep(every)
	}
	s.ready()
}

// version is what tells a file from the one that is there later by the same name.
type version struct {
	info os.FileInfo // nil: there is none
}

func versionOf(path string) version {
	info, err := os.Stat(path)
	if err != nil {
		return version{}
	}
	return version{info}
}

// differs reports whether there is a file, and not this one: software that crashed may have left it.
func (v version) differs(path string) bool {
	now := versionOf(path).info
	return now != nil && (v.info == nil || !os.SameFile(v.info, now) || !v.info.ModTime().Equal(now.ModTime()))
}

// listening reports whether somebody on this machine listens at a TCP port. It is read from the kernel: a connection
// would disturb a program that counts them.
func listening(port int) bool {
	suffix := fmt.Sprintf(":%04X", port)
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			continue // There is no such protocol.
		}
		for line := range strings.Lines(string(text)) {
			const listen = "0A"
			if f := strings.Fields(line); len(f) > 3 && f[3] == listen && strings.HasSuffix(f[1], suffix) {
				return true
			}
		}
	}
	return false
}

// succeeds runs a command on the machine and reports whether its status is 0. One that cannot be run is told of once.
func (s *Supervisor) succeeds(command []string) bool {
	// Not on the disk: while one hangs, this process could do nothing else than wait for the start.
	pid, ended, err := s.start(command, "/", nil)
	if err != nil {
		if !s.warned {
			s.warned = true
			s.out.warn("the command that is to find out whether it is ready cannot be started: " + err.Error())
		}
		return false
	}
	limit := time.AfterFunc(runLimit, func() { _ = unix.Kill(-pid, unix.SIGKILL) }) // It leads a session of its own.
	defer limit.Stop()
	status := <-ended
	return status.Exited() && status.ExitStatus() == 0
}
