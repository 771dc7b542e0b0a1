//go:build linux

// Package apart lets the tests of a package run in namespaces of their own, where nothing of them is seen from outside
// and where an ordinary user may do what only root may do elsewhere.
package apart

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Words in the environment tell a test binary that was started again what it is.
const (
	insideKey   = "FIREDRILL_TEST_INSIDE"   // it has its namespaces
	ordinaryKey = "FIREDRILL_TEST_ORDINARY" // AsOrdinaryUser started it
)

// Run is for TestMain: it starts the tests again, in new mount and network namespaces, and for an ordinary user in a
// user namespace in which that user is root. There it returns nil. Outside it does not return, but ends as those tests
// do; unless they cannot be started, and then the error says why.
func Run() error {
	if os.Getenv(insideKey) != "" {
		return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	}
	runtime.LockOSThread() // What is started dies with this thread.
	again := exec.Command("/proc/self/exe", os.Args[1:]...)
	again.Args[0] = os.Args[0]
	again.Stdin, again.Stdout, again.Stderr = os.Stdin, os.Stdout, os.Stderr
	again.Env = append(os.Environ(), insideKey+"=1")
	again.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET, Pdeathsig: unix.SIGKILL}
	if os.Geteuid() != 0 {
		again.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		again.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		again.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	err := again.Run()
	if ended := new(exec.ExitError); err == nil || errors.As(err, &ended) {
		os.Exit(again.ProcessState.ExitCode())
	}
	return fmt.Errorf("start the tests in namespaces of their own: %w", err)
}

// nobody is the id of the user who has nothing.
const nobody = 65534

// AsOrdinaryUser runs all other tests of the package once more as nobody. At least so many have to be run and to pass there.
func AsOrdinaryUser(t *testing.T, least int) {
	t.Helper()
	if os.Getenv(ordinaryKey) != "" || os.Geteuid() != 0 {
		t.Skip("the tests run as an ordinary user already")
	}
	again := exec.Command("/proc/self/exe", "-test.v", "-test.timeout=5m")
	if testing.Short() {
		again.Args = append(again.Args, "-test.short")
	}
	again.Dir = "/"
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, insideKey) && !strings.HasPrefix(v, "TMPDIR=") {
			again.Env = append(again.Env, v)
		}
	}
	again.Env = append(again.Env, ordinaryKey+"=1")
	again.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, Pdeathsig: unix.SIGKILL}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	out, err := again.CombinedOutput()
	text := string(out)
	switch {
	case strings.Contains(text, Unable):
		t.Skipf("SKIPPED: an ordinary user cannot do this here:\n%s", text)
	case err != nil:
		t.Errorf("%v\n%s", err, text)
	case strings.Count(text, "--- PASS: Test") < least:
		t.Errorf("want %d tests to be run and to pass at least:\n%s", least, text)
	}
}

// Unable is what a package prints where its tests need namespaces and have none.
const Unable = "these tests need root or user namespaces"
