//go:build linux

package disk

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"firedrill/sim"
	"firedrill/sim/internal/apart"
)

// softwareVar makes a process of these tests the software of a machine: see software_test.go.
const softwareVar = "FIREDRILL_TEST_SOFTWARE"

// unable is why no disk can be mounted here, or nil.
var unable error

// TestMain runs the tests in namespaces of their own, so that nothing of them is ever seen outside.
func TestMain(m *testing.M) {
	if os.Getenv(softwareVar) != "" {
		runSoftware()
		return
	}
	if unable = apart.Run(); unable != nil {
		os.Exit(m.Run())
	}
	goleak.VerifyTestMain(m)
}

func TestAsOrdinaryUser(t *testing.T) { apart.AsOrdinaryUser(t, 20) }

const cannotMount = apart.Unable + ", and /dev/fuse"

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
	if err := noPolling(m.at); err != nil {
		m.Fatal(err)
	}
}

// noPolling lets the kernel find out that these files cannot be polled. A Go program that opens one asks by a call that
// may block a whole processor of its runtime. These tests, unlike a world, are themselves who would have to answer.
func noPolling(at string) (err error) {
	// go-fuse answers for a file of this name by itself.
	file, err := unix.Open(filepath.Join(at, ".go-fuse-epoll-hack"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unix.Close(file)) }()
	for {
		_, err = unix.Poll([]unix.PollFd{{Fd: int32(file), Events: unix.POLLIN}}, 0)
		if err != unix.EINTR {
			return err
		}
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
