//go:build linux

// Package disk shows a sim.Disk to processes as a file system, by FUSE. Faults, durability, space and times are the
// disk's own; this package translates, waits, and ends what waits.
//
// Nothing is cached by the kernel: no name, no state, and no content but that of mapped files, which becomes the disk's
// at msync, fsync, munmap and close, or when the kernel sees fit. What never reaches a FUSE file system cannot act here:
// sync(2) and syncfs(2) make nothing durable. Advisory locks are the kernel's. Holes cannot be asked for, space not
// be reserved (EOPNOTSUPP, which the C library makes up for by writing), and there are no extended attributes.
//
// The process that serves a disk may use it by package os. It must not map a file of it, nor start a program that lies
// there or in a directory there: it would wait for itself, where the runtime cannot know that it waits.
package disk

import (
	"fmt"
	"io"
	"log"
	"os"
	"sync"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"firedrill/sim"
)

// Options are how a disk is mounted.
type Options struct {
	// Scale is by how much the disk's time runs faster than the real one; 0 is 1.
	Scale int64
}

// Mount is a disk in the file system of one machine, from a boot of its software to the end of it.
type Mount struct {
	disk   *sim.Disk
	inodes *sim.Inodes
	at     string
	scale  time.Duration

	lock   sync.Locker // guards the disk, and what follows
	hold   hold
	turn   *call             // the one that has the lock
	known  map[uint64]*known // by the number that the kernel has for it
	open   map[uint64]*sim.DiskHandle
	opened uint64

	over   chan struct{} // closed: what waits fails
	fail   sync.Once
	served chan struct{} // closed: the kernel asks nothing more
	end    sync.Once
	ended  error
}

// hold is who may still act by the mount.
type hold int

const (
	everybody  hold = iota
	kernelOnly      // what mapped files were changed is still written out
	nobody
)

// known is an inode that the kernel holds on to.
type known struct {
	inode   sim.Inode
	lookups uint64 // how often it was told of it
}

// largest is how many bytes the kernel may read or write in one call; longer ones it splits.
const largest = 1 << 20

// New mounts d at a directory, in the mount namespace of the calling thread, for any process that sees it there. Every
// call of a process takes the lock for as long as it acts on the disk, not while it waits; New is called without it.
//
// It needs CAP_SYS_ADMIN in the user namespace that the mount namespace belongs to, and /dev/fuse open to the user.
// The process that calls New does not use the files itself, not even in passing: killed in a call that nobody but it would have
// answered, it would hang for good, since such a call waits for as long as /dev/fuse is open, and that for the thread that waits.
// Whoever has d.OnCrash turn the machine off calls Cut in it: the sync in which it strikes is then never answered.
func New(d *sim.Disk, lock sync.Locker, at string, o Options) (*Mount, error) {
	m := &Mount{disk: d, at: at, lock: lock, scale: time.Duration(max(1, o.Scale)), known: map[uint64]*known{},
		open: map[uint64]*sim.DiskHandle{}, over: make(chan struct{}), served: make(chan struct{})}
	m.inodes = d.Inodes(pacer{m})
	device, err := attach(at)
	if err != nil {
		return nil, err
	}
	lock.Lock()
	m.known[fuse.FUSE_ROOT_ID] = &known{inode: m.inodes.Root(), lookups: 1}
	lock.Unlock()
	server, err := fuse.NewServer(&calls{RawFileSystem: fuse.NewDefaultRawFileSystem(), m: m},
		fmt.Sprintf("/dev/fd/%d", device), &fuse.MountOptions{
			MaxWrite:           largest,
			MaxBackground:      1024, // Calls that hang must not be in the way of those that do not.
			DisableXAttrs:      true,
			DisableReadDirPlus: true, // It would look up what nobody asked for.
			DisableSplice:      true,
			ExtraCapabilities:  fuse.CAP_ATOMIC_O_TRUNC | fuse.CAP_DIRECT_IO_ALLOW_MMAP,
			// A call that is answered when the mount is gone is nobody's concern; a panic is ours.
			Logger:       log.New(io.Discard, "", 0),
			PanicHandler: func(v any) fuse.Status { panic(v) },
		})
	if err != nil {
		m.restore()
		return nil, fmt.Errorf("serve the disk at %s: %w", at, errorOf(unmount(at), err))
	}
	go func() {
		defer close(m.served)
		server.Serve()
	}()
	return m, nil
}

// errorOf is the error of cleaning up after another, which it does not hide.
func errorOf(cleaning, before error) error {
	if cleaning != nil {
		return fmt.Errorf("%w; and then: %w", before, cleaning)
	}
	return before
}

// attach mounts a file system and returns the descriptor by which it is served. It is opened here and not by go-fuse,
// which would leave it to every process that is started meanwhile.
func attach(at string) (int, error) {
	device, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("open /dev/fuse, which machines have their disks by: %w", err)
	}
	data := fmt.Sprintf("fd=%d,rootmode=%o,user_id=%d,group_id=%d,allow_other,max_read=%d",
		device, unix.S_IFDIR, os.Geteuid(), os.Getegid(), largest)
	if err := unix.Mount("firedrill", at, "fuse.firedrill", unix.MS_NOSUID|unix.MS_NODEV, data); err != nil {
		return 0, errorOf(unix.Close(device), fmt.Errorf("mount a disk at %s: %w", at, err))
	}
	return device, nil
}

// Cut stops the mount at once, as when the power fails: from then on no call has an effect, and none is answered to a
// process that lives, those that wait included. It is called with the lock held, and whoever uses the disk is killed then.
func (m *Mount) Cut() { m.hold = nobody }

// Drop is Cut as when the software is killed and its kernel lives: what it changed of mapped files is still written, as
// its processes end.
func (m *Mount) Drop() { m.hold = max(m.hold, kernelOnly) }

// Fail answers every call that waits or hangs, and those that come, with an input/output error. A process that was
// killed needs that only where something that no signal reaches is in its way, as a mapped file that cannot be written
// out. It may be called with the lock or without.
func (m *Mount) Fail() { m.fail.Do(func() { close(m.over) }) }

// patience is how long End waits for calls to end that were told to.
const patience = 10 * time.Second

// End is Fail, and then unmounts. What processes still had open is closed; nothing becomes durable by it. Afterwards
// no call touches the disk. It is called without the lock, in the mount namespace of New, once the processes that use
// the mount have been killed.
func (m *Mount) End() error {
	m.end.Do(func() {
		m.Fail()
		err := unmount(m.at)
		select {
		case <-m.served:
			m.ended = err
		case <-time.After(patience):
			m.ended = errorOf(err, fmt.Errorf("unmount the disk at %s: it is still in use", m.at))
		}
		m.restore()
	})
	return m.ended
}

// unmount aborts what is under way and takes the mount away, though it may be in use.
func unmount(at string) error {
	err := unix.Unmount(at, unix.MNT_FORCE|unix.MNT_DETACH)
	if err == unix.EPERM {
		err = unix.Unmount(at, unix.MNT_DETACH)
	}
	if err != nil {
		return fmt.Errorf("unmount the disk at %s: %w", at, err)
	}
	return nil
}

// restore gives the disk back.
func (m *Mount) restore() {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.Cut()
	for _, h := range m.open { // In any order: none of it is seen.
		h.Close()
	}
	clear(m.open)
}
