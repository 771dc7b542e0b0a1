//go:build linux

// Package room makes the place in which the process of a machine lives, out of the mount, PID and UTS namespaces that it
// was started in: what it sees of the host's files, what is its own, by what names it knows itself and others, and how
// much it may do and take. Software of ours settles in a room that is as little as it needs; one for a program that
// nobody here wrote is furnished; and commands of people visit.
package room

import (
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"

	"golang.org/x/sys/unix"
)

// Room says what a process is to find.
type Room struct {
	Machine string   // its host name
	Hosts   []string // lines of /etc/hosts
	Disk    string   // where its disk is mounted; "": it has none, but an empty folder in its place
	Memory  string   // of a program: where what the machine has in memory is mounted, see NewMemory
	Birth   int      // of a program: how many processes the machine's software had before, and this one
}

// Places on every machine.
const (
	Disk = "/srv"      // its disk
	Home = "/run/home" // the home of commands
)

// Store is where the harness keeps what only it needs. It is a mount, and in no room.
const Store = "/dev/shm"

// memoryAt is where what a machine has in memory is mounted before its room is furnished.
const memoryAt = "/run"

// memoryOptions bound what a machine with a program has in memory beside its disk, all together.
const memoryOptions = "mode=0755,size=128m,nr_inodes=65536"

// SearchPath is where a command on a machine looks for others.
const SearchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Environment is that of a command on a machine, with what is its own.
func Environment(own map[string]string) []string {
	all := map[string]string{"PATH": SearchPath, "HOME": Home, "LANG": "C.UTF-8"}
	maps.Copy(all, own)
	var list []string
	for _, key := range slices.Sorted(maps.Keys(all)) {
		list = append(list, key+"="+all[key])
	}
	return list
}

// LookPath finds the file of a command as exec.LookPath does. Its errors name a path once.
func LookPath(command string) (string, error) {
	path, err := exec.LookPath(command)
	if wrong, is := errors.AsType[*exec.Error](err); is {
		return "", fmt.Errorf("%s: %w", wrong.Name, cause(wrong.Err))
	}
	return path, err
}

// NewMemory mounts, in a folder, what a machine with a program has in memory. It outlives the machine's processes.
func NewMemory(at string) error {
	return newTmpfs(at, memoryOptions)
}

// Settle makes the mount namespace of this process the room of software of ours: the host's files can be read and
// nothing else, its own disk is at Disk, processes are its own, /run and /tmp are empty, in memory, and gone with it,
// names are those of the world, for commands beside the software, and of devices there are those that belong to no host.
func (r *Room) Settle() error {
	if err := r.move(); err != nil {
		return err
	}
	for _, at := range []string{"/run", "/tmp"} {
		if err := newTmpfs(at, "mode=1777"); err != nil {
			return err
		}
	}
	if err := r.coverNames(); err != nil {
		return err
	}
	// Where the store was it is out of everybody's way until it is moved.
	if err := newTmpfs(Store, "mode=0755"); err != nil {
		return err
	}
	return coverDevices(Store, unix.MS_MOVE)
}

// move is what every room begins with.
func (r *Room) move() error {
	if err := unix.Sethostname([]byte(r.Machine)); err != nil {
		return fmt.Errorf("set the host name: %w", err)
	}
	if err := r.mountDisk(); err != nil {
		return err
	}
	if err := unix.Unmount(Store, unix.MNT_DETACH); err != nil { // Other machines' disks are there.
		return fmt.Errorf("unmount %s: %w", Store, err)
	}
	if err := setReadOnly("/", true); err != nil {
		return err
	}
	if err := setReadOnly(Disk, false); err != nil {
		return err
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	return nil
}

// mountDisk shows the disk where it belongs.
func (r *Room) mountDisk() error {
	disk, kind, flags := r.Disk, "", uintptr(unix.MS_BIND)
	if disk == "" {
		disk, kind, flags = "tmpfs", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV
	}
	if err := unix.Mount(disk, Disk, kind, flags, ""); err != nil {
		return fmt.Errorf("mount the disk at %s: %w", Disk, err)
	}
	return nil
}

// newTmpfs mounts an empty one.
func newTmpfs(at, options string) error {
	if err := unix.Mount("tmpfs", at, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return fmt.Errorf("mount a tmpfs at %s: %w", at, err)
	}
	return nil
}

// setReadOnly changes what may be done to a mount: for / with all that is below it.
func setReadOnly(at string, yes bool) error {
	attr, flags := unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}, uint(0)
	if yes {
		attr, flags = unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}, unix.AT_RECURSIVE
	}
	if err := unix.MountSetattr(unix.AT_FDCWD, at, flags, &attr); err != nil {
		return fmt.Errorf("set what may be done to the mount at %s: %w (Linux 5.12 can)", at, err)
	}
	return nil
}
