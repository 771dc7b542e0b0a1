//go:build linux

package env

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

const inside = "FIREDRILL_TEST_INSIDE"

// TestMain lets an ordinary user play too: the tests run again where that user is root, in a user namespace with a network and
// mounts of its own.
func TestMain(m *testing.M) {
	if os.Getenv(ticking) != "" {
		ticks()
		return
	}
	if os.Geteuid() != 0 && os.Getenv(inside) == "" {
		again := exec.Command("/proc/self/exe", os.Args[1:]...)
		again.Env = append(os.Environ(), inside+"=1")
		again.Stdin, again.Stdout, again.Stderr = os.Stdin, os.Stdout, os.Stderr
		again.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
			Pdeathsig:   syscall.SIGKILL,
		}
		err := again.Start()
		if err == nil {
			_ = again.Wait() // How it ended is its exit code.
			os.Exit(again.ProcessState.ExitCode())
		}
		fmt.Fprintln(os.Stderr, "no user namespace, so tests that need privileges are skipped:", err)
	}
	if os.Geteuid() == 0 && os.Getenv(inside) != "" {
		if err := up("lo"); err != nil {
			fmt.Fprintln(os.Stderr, "in a network namespace of one's own:", err)
			os.Exit(1)
		}
	}
	goleak.VerifyTestMain(m)
}
