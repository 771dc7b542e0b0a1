//go:build linux

package disk

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"firedrill/sim"
)

// The environment tells a process of these tests what it is.
const (
	insideVar   = "FIREDRILL_TEST_INSIDE"   // it has a mount namespace of its own
	ordinaryVar = "FIREDRILL_TEST_ORDINARY" // it was started by TestAsOrdinaryUser
	softwareVar = "FIREDRILL_TEST_SOFTWARE" // it is the software of a machine: see software_test.go
)

// unable is why no disk can be mounted here, or nil.
var unable error

// TestMain runs the tests once more in a mount namespace of their own, so that nothing of them is ever seen outside; as
// an ordinary user that takes a user namespace too.
func TestMain(m *testing.M) {
	if os.Getenv(softwareVar) != "" {
		runSoftware()
		return
	}
	if os.Getenv(insideVar) == "" {
		if unable = runInside(); unable == nil {
			return
		}
		os.Exit(m.Run())
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		fmt.Fprintln(os.Stderr, "keep mounts private:", err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// runInside runs this test binary again, and ends with its status. It returns if that cannot be started.
func runInside() error {
	runtime.LockOSThread() // The child dies with this thread.
	again := exec.Command("/proc/self/exe", os.Args[1:]...)
	again.Stdin, again.Stdout, again.Stderr = os.Stdin, os.Stdout, os.Stderr
	again.Env = append(os.Environ(), insideVar+"=1")
	again.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	if os.Geteuid() != 0 {
		again.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		again.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		again.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	err := again.Run()
	var ended *exec.ExitError
	if err == nil || errors.As(err, &ended) {
		os.Exit(again.ProcessState.ExitCode())
	}
	return err
}

// TestAsOrdinaryUser runs all the others as nobody, in a user namespace.
func TestAsOrdinaryUser(t *testing.T) {
	if os.Getenv(ordinaryVar) != "" || os.Geteuid() != 0 {
		t.Skip("the tests run as an ordinary user already")
	}
	again := exec.Command("/proc/self/exe", "-test.v", "-test.timeout=5m")
	if testing.Short() {
		again.Args = append(again.Args, "-test.short")
	}
	again.Dir = "/"
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, insideVar) && !strings.HasPrefix(v, "TMPDIR=") {
			again.Env = append(again.Env, v)
		}
	}
	again.Env = append(again.Env, ordinaryVar+"=1")
	const nobody = 65534
	again.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := again.CombinedOutput()
	text := string(out)
	switch {
	case err != nil:
		t.Errorf("%v\n%s", err, text)
	case strings.Contains(text, cannotMount):
		t.Skipf("an ordinary user cannot mount a disk here:\n%s", text)
	case strings.Count(text, "--- PASS: Test") < 5:
		t.Errorf("hardly anything was run:\n%s", text)
	}
}

const cannotMount = "mounting a disk needs root, or user namespaces and /dev/fuse"

// machine is a disk that is mounted, and the lock of a world that has no other machine.
type machine struct {
	testing.TB
	disk  *sim.Disk
	lock  sync.Mutex
	mount *Mount
	at    string
}

// mounted mounts an empty disk that syncs in no time.
func mounted(t testing.TB) *machine {
	t.Helper()
	none := time.Duration(0)
	return mountedWith(t, sim.DiskSpec{Sync: &none}, Options{})
}

func mountedWith(t testing.TB, spec sim.DiskSpec, o Options) *machine {
	t.Helper()
	m := newMachine(t, spec)
	m.boot(o)
	return m
}

func newMachine(t testing.TB, spec sim.DiskSpec) *machine {
	t.Helper()
	if unable != nil {
		t.Skip(cannotMount+":", unable)
	}
	m := &machine{TB: t, disk: sim.NewDisk(spec, sim.Stream(1, t.Name())), at: t.TempDir()}
	m.disk.SetNow(time.Now)
	t.Cleanup(m.end)
	return m
}

// boot mounts the disk.
func (m *machine) boot(o Options) {
	m.Helper()
	var err error
	m.mount, err = New(m.disk, &m.lock, m.at, o)
	if errors.Is(err, os.ErrPermission) && os.Geteuid() != 0 {
		m.Skip(cannotMount+":", err)
	}
	if err != nil {
		m.Fatal(err)
	}
}

// end unmounts the disk.
func (m *machine) end() {
	m.Helper()
	if m.mount == nil {
		return
	}
	if err := m.mount.End(); err != nil {
		m.Error(err)
	}
	m.mount = nil
	if text, err := os.ReadFile("/proc/self/mountinfo"); err != nil || strings.Contains(string(text), m.at) {
		m.Errorf("still mounted (%v):\n%s", err, text)
	}
}

// impose breaks the disk until the function that it returns is called.
func (m *machine) impose(c sim.DiskCondition) (*sim.DiskImposition, func()) {
	m.Helper()
	if err := c.Check(); err != nil {
		m.Fatal(err)
	}
	i := &sim.DiskImposition{DiskCondition: c}
	m.lock.Lock()
	defer m.lock.Unlock()
	m.disk.Impose(i)
	return i, func() {
		m.lock.Lock()
		defer m.lock.Unlock()
		m.disk.Lift(i)
	}
}

// read looks at something that the lock guards.
func read[T any](m *machine, look func() T) T {
	m.lock.Lock()
	defer m.lock.Unlock()
	return look()
}
