//go:build linux

package room

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// devices are those that belong to no host. There are no others on a machine: to be root there may be to own the host's
// disks.
var devices = []string{"null", "zero", "full", "random", "urandom", "tty", "net/tun"}

// coverDevices covers /dev with a folder, which may have been filled before. It is bound or moved there.
func coverDevices(dev string, how uintptr) error {
	for _, name := range devices {
		if _, err := os.Stat("/dev/" + name); err != nil {
			continue
		}
		at := filepath.Join(dev, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(at, nil, 0o666); err != nil {
			return err
		}
		if err := bind("/dev/"+name, at); err != nil {
			return err
		}
	}
	for name, to := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1",
		"stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx"} {
		if err := unless(os.ErrExist, os.Symlink(to, filepath.Join(dev, name))); err != nil {
			return err
		}
	}
	if err := makeFolder(filepath.Join(dev, "shm"), 0o777|os.ModeSticky); err != nil {
		return err
	}
	if err := makeFolder(filepath.Join(dev, "pts"), 0o755); err != nil {
		return err
	}
	if err := unix.Mount(dev, "/dev", "", how, ""); err != nil {
		return fmt.Errorf("cover /dev: %w", err)
	}
	const options = "newinstance,ptmxmode=0666,mode=0620"
	if err := unix.Mount("devpts", "/dev/pts", "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, options); err != nil {
		return fmt.Errorf("mount /dev/pts: %w", err)
	}
	return nil
}
