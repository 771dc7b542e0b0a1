//go:build linux

package room

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Visit makes the mount namespace of this process a room for a command on a machine whose software does not run: as if
// that had settled in, but without a disk, and with the kernel to be looked at alone.
func (r *Room) Visit() error {
	if err := errors.Join(r.Settle(), setReadOnly(Disk, true), os.Mkdir(Home, 0o700)); err != nil {
		return err
	}
	return readOnlyKernel()
}

// Enter takes the calling thread, and no other, to the room of a process, by a descriptor of that. In one that is
// furnished nothing can be done that a command may not do. Otherwise the thread has mounts of its own there, and of the
// kernel as a whole it can look at everything and set nothing.
func Enter(process int, furnished bool) error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("leave the folder of other threads: %w", err)
	}
	if err := unix.Setns(process, unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("enter its files: %w", err)
	}
	if furnished {
		return nil
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("keep mounts from its software: %w", err)
	}
	return readOnlyKernel()
}

// names are the files by which a machine knows itself and others.
func (r *Room) names() map[string]string {
	hosts := "127.0.0.1 localhost\n"
	for _, h := range r.Hosts {
		hosts += h + "\n"
	}
	return map[string]string{"/etc/hosts": hosts, "/etc/hostname": r.Machine + "\n",
		"/etc/resolv.conf": "# Of the host's name servers none can be reached.\n"}
}

// coverNames covers the host's files of names with the machine's, which are in memory.
func (r *Room) coverNames() error {
	for path, text := range r.names() {
		if _, err := os.Stat(path); err != nil {
			continue // This system does without.
		}
		own := filepath.Join("/run", filepath.Base(path))
		if err := errors.Join(os.WriteFile(own, []byte(text), 0o644), bind(own, path), os.Remove(own)); err != nil {
			return err
		}
	}
	return nil
}

// readOnlyKernel lets what is of the kernel as a whole be read alone, since to be root of the machine may be to be root
// of the host there. What is of the machine's own network can be set.
func readOnlyKernel() error {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || e.Name()[0] >= '0' && e.Name()[0] <= '9' || e.Type()&os.ModeSymlink != 0 {
			continue // Processes, and links to what is theirs.
		}
		if !info.IsDir() && info.Mode()&0o222 == 0 {
			continue
		}
		if err := bindReadOnly("/proc/" + e.Name()); err != nil {
			return err
		}
	}
	const ownNetwork = "/proc/sys/net"
	if err := bind(ownNetwork, ownNetwork); err != nil {
		return err
	}
	if err := setReadOnly(ownNetwork, false); err != nil {
		return err
	}
	// The host's /sys shows the host's interfaces. Where there can be no other, that one stays: it cannot be written to
	// either.
	_ = unix.Mount("sysfs", "/sys", "sysfs", unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	return nil
}

func bindReadOnly(path string) error {
	if err := bind(path, path); err != nil {
		return err
	}
	return setReadOnly(path, true)
}
