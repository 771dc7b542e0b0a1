//go:build linux

package kernel

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// diskAt is where a machine finds its disk.
const diskAt = "/srv"

// settleIn makes the mount namespace of this process that of a machine: the host's files can be read and nothing else, its own
// disk is at /srv, or an empty folder where disk is "", and processes are its own.
func settleIn(machine, disk string) error {
	if err := unix.Sethostname([]byte(machine)); err != nil {
		return fmt.Errorf("set the host name: %w", err)
	}
	if err := mountDisk(disk); err != nil {
		return err
	}
	if err := unix.Unmount(store, unix.MNT_DETACH); err != nil { // Other machines' disks are there.
		return fmt.Errorf("unmount %s: %w", store, err)
	}
	if err := setReadOnly("/", true); err != nil {
		return err
	}
	if err := setReadOnly(diskAt, false); err != nil {
		return err
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	return nil
}

// mountDisk shows the disk where it belongs.
func mountDisk(disk string) error {
	kind, flags := "", uintptr(unix.MS_BIND)
	if disk == "" {
		disk, kind, flags = "tmpfs", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV
	}
	if err := unix.Mount(disk, diskAt, kind, flags, ""); err != nil {
		return fmt.Errorf("mount the disk at %s: %w", diskAt, err)
	}
	return nil
}

// emptyFolders gives a machine what software of ours may need: /run and /tmp are empty, in memory, and gone with it.
func emptyFolders() error {
	for _, at := range []string{store, "/run", "/tmp"} {
		if err := unix.Mount("tmpfs", at, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777"); err != nil {
			return fmt.Errorf("mount a tmpfs at %s: %w", at, err)
		}
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
