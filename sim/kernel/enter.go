//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"firedrill/sim/kernel/door"
	"firedrill/sim/kernel/room"
)

// Words by which the program, started again, knows what it is to be. They are in its environment.
const (
	roleKey     = "FIREDRILL_KERNEL"
	roleTree    = "tree"    // the harness, inside of its namespaces
	roleHost    = "host"    // the process of one machine
	roleCompany = "company" // that of a command on a machine
)

// Descriptors of a process that Enter started.
const (
	lifelineFD = 3
	doorFD     = 4
	broughtFD  = 5 // the first of those that Enter was given
)

// Inside reports whether this process is the root of a tree that Enter made.
func Inside() bool { return os.Getenv(roleKey) == roleTree }

// Enter starts this program again, with the same arguments, as the root of a tree of its own: in new user, mount, PID, network,
// IPC and UTS namespaces, where it may make machines, as root and as an ordinary user. There Enter returns nil at once. In the
// process that calls it first it does not return: that one passes signals on, and exits as the inner one does. When it dies,
// however it dies, all of the tree dies with it, and what the tree made is gone.
//
// What can only be had outside, such as a socket of the host's network, is opened before and brought along: Brought has it
// inside.
//
// An error means that the system does not allow it, and says what is missing.
func Enter(with ...*os.File) error {
	if Inside() {
		return inhabit()
	}
	status, err := spawn(os.Args[1:], with...)
	if err != nil {
		return err
	}
	os.Exit(status)
	return nil
}

// Brought is the nth file, from 0, that Enter was given outside. It may be asked for once, inside of a tree alone.
func Brought(n int) *os.File {
	unix.CloseOnExec(broughtFD + n)
	return os.NewFile(uintptr(broughtFD+n), fmt.Sprintf("brought-%d", n))
}

// spawn starts the tree and waits for its end.
func spawn(args []string, with ...*os.File) (status int, err error) {
	runtime.LockOSThread() // The tree gets its signal of death when this thread ends, not when the process does.
	lifeline, ours, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer ours.Close()
	callers, err := door.Open()
	if err != nil {
		return 0, err
	}
	defer callers.Close()
	c := exec.Command("/proc/self/exe", args...)
	c.Args[0] = os.Args[0]
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.Env = append(os.Environ(), roleKey+"="+roleTree)
	c.ExtraFiles = append([]*os.File{lifeline, callers}, with...)
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC |
			unix.CLONE_NEWUTS,
		UidMappings: identities(os.Geteuid()), GidMappings: identities(os.Getegid()),
		GidMappingsEnableSetgroups: identities(os.Geteuid())[0].Size > 1,
		Pdeathsig:                  unix.SIGKILL,
		Setpgid:                    true, // The terminal's interrupt comes here, and goes on from here once.
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, unix.SIGTERM, unix.SIGQUIT)
	if !signal.Ignored(unix.SIGHUP) { // As nohup has it, and the tree with it.
		signal.Notify(signals, unix.SIGHUP)
	}
	if err := c.Start(); err != nil {
		return 0, fmt.Errorf("start a tree of namespaces: %w%s", err, advice(err, "/proc/sys"))
	}
	lifeline.Close()
	callers.Close()
	var last atomic.Int64
	go func() {
		for s := range signals {
			last.Store(int64(s.(syscall.Signal)))
			passOn(c.Process, s.(syscall.Signal))
		}
	}()
	err = c.Wait()
	exit := new(exec.ExitError)
	if !errors.As(err, &exit) {
		return 0, err
	}
	w, passed := exit.Sys().(syscall.WaitStatus), int(last.Load())
	switch {
	case passed != 0 && (w.Signaled() || w.ExitStatus() == uncaught):
		return 128 + passed, nil
	case w.Signaled():
		return 128 + int(w.Signal()), nil
	}
	return w.ExitStatus(), nil
}

// uncaught is the exit status of a Go program that gets a signal that it has not asked for and that its kernel does not let it
// die of, as it does not the first process of a namespace.
const uncaught = 2

// passOn gives a signal to the root of the tree, whose end is seen elsewhere. The first process of a namespace does not even get
// those that it has no handler for, and at the begin there is none: then it is killed.
func passOn(p *os.Process, s syscall.Signal) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid))
	if err != nil {
		return // It has ended.
	}
	_, rest, _ := strings.Cut(string(text), "\nSigCgt:\t")
	mask, _, _ := strings.Cut(rest, "\n")
	if caught, err := strconv.ParseUint(mask, 16, 64); err == nil && caught&(1<<(s-1)) == 0 {
		s = unix.SIGKILL
	}
	_ = p.Signal(s)
}

// identities maps root inside to the user outside. Root itself keeps every user as it is, and files look as they did, unless
// it is root of a user namespace that does not have them all.
func identities(id int) []syscall.SysProcIDMap {
	if id == 0 && room.EveryUser() {
		return []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1<<32 - 1}}
	}
	return []syscall.SysProcIDMap{{ContainerID: 0, HostID: id, Size: 1}}
}

// advice says how to get what is missing, by the settings of the kernel that lie in a folder.
func advice(err error, settings string) string {
	if !errors.Is(err, os.ErrPermission) && !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EINVAL) {
		return ""
	}
	for _, one := range []struct{ path, bad, advice string }{
		{"kernel/apparmor_restrict_unprivileged_userns", "1",
			"AppArmor forbids user namespaces; allow them with sysctl kernel.apparmor_restrict_unprivileged_userns=0, or run as root"},
		{"kernel/unprivileged_userns_clone", "0",
			"user namespaces are for root alone here; allow them with sysctl kernel.unprivileged_userns_clone=1, or run as root"},
		{"user/max_user_namespaces", "0",
			"user namespaces are switched off; allow them with sysctl user.max_user_namespaces=10000"},
	} {
		if text, err := os.ReadFile(filepath.Join(settings, one.path)); err == nil && string(text) == one.bad+"\n" {
			return ": " + one.advice
		}
	}
	return ": the kernel does not allow user namespaces here (inside a container they may have to be allowed from outside)"
}

// inhabit makes the tree a place to live in: mounts do not get out, and whoever started it is watched.
func inhabit() error {
	unix.CloseOnExec(lifelineFD)
	unix.CloseOnExec(doorFD)
	lifeline := os.NewFile(lifelineFD, "lifeline")
	go func() {
		_, _ = lifeline.Read(make([]byte, 1)) // Nobody writes: it ends when the other side does.
		os.Exit(128 + int(unix.SIGKILL))
	}()
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep mounts to ourselves: %w%s", err, advice(err, "/proc/sys"))
	}
	if err := unix.Mount("tmpfs", room.Store, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0700"); err != nil {
		return fmt.Errorf("mount a tmpfs at %s: %w", room.Store, err)
	}
	// Its own view of processes: without it /proc/self means somebody else, or nobody.
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w (inside a container it may have to be unmasked from outside)", err)
	}
	if err := preflight(); err != nil {
		return err
	}
	return reception.Receive(doorFD)
}

// preflight tries what every machine needs.
func preflight() error {
	for _, path := range []string{"/dev/net/tun", "/dev/fuse"} {
		f, err := os.OpenFile(path, os.O_RDWR|unix.O_CLOEXEC, 0)
		switch {
		case errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENODEV):
			return fmt.Errorf("%w: the kernel world needs it; load it with modprobe %s as root", err, map[string]string{
				"/dev/net/tun": "tun", "/dev/fuse": "fuse"}[path])
		case errors.Is(err, os.ErrPermission):
			return fmt.Errorf("%w: the kernel world needs it; %s", err, leave(path))
		case err != nil:
			return fmt.Errorf("the kernel world needs %s: %w", path, err)
		}
		i, err := f.Stat()
		f.Close()
		if err != nil || i.Mode()&os.ModeCharDevice == 0 {
			return fmt.Errorf("%s is no device, and the kernel world needs it", path)
		}
	}
	return nil
}

// leave says how to get leave to open a device.
func leave(path string) string {
	if i, err := os.Stat(path); err == nil && i.Mode()&0o006 == 0o006 {
		return "its mode allows it, so what this system runs in does not: a container has to be given the device"
	}
	return fmt.Sprintf("open it to users with chmod 666 %s as root, or run as root", path)
}
