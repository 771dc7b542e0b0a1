//go:build linux

package kernel

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// processesMax is how many processes and threads a machine with a program may have, where the kernel can count them by
// PID namespace. There is no other way: a limit by user does not hold for root, and would count other machines.
const processesMax = 4096

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

// denied are the capabilities that a command on a machine does not get, though it is root there: those by which it
// could undo what keeps the host's files from it, look into the process that looks after it, or turn to devices of the
// host.
var denied = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SYS_PTRACE, unix.CAP_SYS_MODULE, unix.CAP_SYS_RAWIO,
	unix.CAP_SYS_BOOT, unix.CAP_MKNOD, unix.CAP_BPF, unix.CAP_PERFMON, unix.CAP_CHECKPOINT_RESTORE}

// confined calls act on a thread of its own. A process that it starts there can never have what is denied, nor can its
// children.
func confined(act func() error) error {
	over := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // It is never unlocked: the thread ends with this.
		over <- func() error {
			for _, c := range denied {
				if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && err != unix.EINVAL {
					return fmt.Errorf("give up capability %d: %w", c, err)
				} // EINVAL: this kernel does not know it.
			}
			return act()
		}()
	}()
	return <-over
}
