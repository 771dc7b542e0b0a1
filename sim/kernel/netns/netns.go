//go:build linux

// Package netns holds network namespaces without a name: a descriptor keeps one alive, and nothing else does. With the last
// process that has it, the namespace is gone, and all that is in it.
package netns

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Namespace is one network namespace.
type Namespace struct{ file *os.File }

// New makes a namespace in which there is a loopback interface, down, and nothing else. It needs CAP_SYS_ADMIN in the user
// namespace of the process.
func New() (*Namespace, error) {
	var made *Namespace
	err := apart(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make a network namespace: %w", err)
		}
		var err error
		made, err = Current()
		return err
	})
	return made, err
}

// Current is the namespace of the calling thread.
func Current() (*Namespace, error) {
	f, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, fmt.Errorf("open a network namespace: %w", err)
	}
	return &Namespace{f}, nil
}

// Do calls act on a thread that is in the namespace. What is opened there stays there: sockets, TAP devices; so does a process
// that act starts. Goroutines that it starts are elsewhere.
func (n *Namespace) Do(act func() error) error {
	return apart(func() error {
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter a network namespace: %w", err)
		}
		return act()
	})
}

// Again is the same namespace by a descriptor of its own, which outlives the first.
func (n *Namespace) Again() (*Namespace, error) {
	fd, err := unix.FcntlInt(n.file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("keep a network namespace: %w", err)
	}
	return &Namespace{os.NewFile(uintptr(fd), n.file.Name())}, nil
}

// File is the descriptor that keeps the namespace.
func (n *Namespace) File() *os.File { return n.file }

// Close lets go of the namespace.
func (n *Namespace) Close() error { return n.file.Close() }

// apart calls act on a thread of its own, which ends with it: no other goroutine ever finds itself in the wrong namespace. The
// first thread of a process never ends: it would stay in there, and with it /proc/self, so it only waits for another.
func apart(act func() error) error {
	over := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			over <- apart(act)
			runtime.UnlockOSThread()
			return
		}
		over <- act() // The thread is never unlocked, and ends with the goroutine.
	}()
	return <-over
}
