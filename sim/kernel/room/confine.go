//go:build linux

package room

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// denied are the capabilities that a command on a machine does not get, though it is root there: those by which it
// could undo what keeps the host's files from it, look into the process that looks after it, or turn to devices of the
// host.
var denied = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SYS_PTRACE, unix.CAP_SYS_MODULE, unix.CAP_SYS_RAWIO,
	unix.CAP_SYS_BOOT, unix.CAP_MKNOD, unix.CAP_BPF, unix.CAP_PERFMON, unix.CAP_CHECKPOINT_RESTORE}

// Confined calls act on a thread of its own. A process that it starts there can never have what is denied, nor can its
// children; and where there is one user alone they stay that one.
func Confined(act func() error) error {
	over := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // It is never unlocked: the thread ends with this.
		over <- func() error {
			for _, c := range denied {
				if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && err != unix.EINVAL {
					return fmt.Errorf("give up capability %d: %w", c, err)
				} // EINVAL: this kernel does not know it.
			}
			if err := stayOneUser(); err != nil {
				return err
			}
			return act()
		}()
	}()
	return <-over
}
