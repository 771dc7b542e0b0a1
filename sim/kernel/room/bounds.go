//go:build linux

package room

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// processesMax is how many processes and threads a machine with a program may have.
const processesMax = 4096

// ProcessesMax is how many processes and threads a machine with a program may have; 0: as many as the host lets it. The
// kernel has to count them by PID namespace. There is no other way: a limit by user does not hold for root, and would
// count other machines.
func ProcessesMax() int {
	if countsByNamespace() {
		return processesMax
	}
	return 0
}

// keepInBounds sees to it that a program that runs wild harms the host as little as can be. Its machine inherits all of
// it.
func keepInBounds() error {
	// Where memory runs out it is the first to go.
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0); err != nil {
		return err
	}
	// A core would be handed to the host, wherever the host's settings say. With 1 it never is: 0 would allow pipes.
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: 1, Max: 1}); err != nil {
		return err
	}
	if !countsByNamespace() {
		return nil
	}
	makeThreads()
	return os.WriteFile("/proc/sys/kernel/pid_max", []byte(strconv.Itoa(processesMax)), 0)
}

// makeThreads makes threads that are idle until they are of use. Once a program has taken all that there may be, the
// process that looks after it would not get another one, and the Go runtime ends a process that does not.
func makeThreads() {
	const enough = 16
	var there, gone sync.WaitGroup
	there.Add(enough)
	for range enough {
		gone.Go(func() {
			runtime.LockOSThread() // Each has one of its own, until all are there.
			defer runtime.UnlockOSThread()
			there.Done()
			there.Wait()
		})
	}
	gone.Wait()
}

// countsByNamespace reports whether pid_max is one of the PID namespace, as since Linux 6.14. It cannot be tried:
// elsewhere it is the host's.
func countsByNamespace() bool {
	var u unix.Utsname
	var major, minor int
	if unix.Uname(&u) != nil {
		return false
	}
	n, _ := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor)
	return n == 2 && (major > 6 || major == 6 && minor >= 14)
}

// The numbers of the processes of two births of a machine's software begin so far apart, above those of the threads of
// their first process, and are as they were after so many births: a machine with a program has processesMax numbers.
const (
	pidsFrom   = 300
	pidsApart  = 500
	pidsRepeat = 7
)

// number lets the processes of this birth have other numbers than those of the birth before. Its software runs in a
// namespace of its own, whose numbers would begin at 1 again, while the kernel of a machine counts on when software
// crashes: a daemon that finds its own number in the file that its predecessor left takes itself for running already. A
// kernel that cannot do it lets numbers begin again.
func number(birth int) {
	first := pidsFrom + pidsApart*(birth%pidsRepeat)
	_ = os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(strconv.Itoa(first)), 0)
}
