package main

import (
	"os"
	"os/exec"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

// mayEnter reports whether the kernel world can be entered here: user namespaces, TAP and FUSE devices.
func mayEnter() bool {
	c := exec.Command("true")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET}
	for _, device := range []string{"/dev/net/tun", "/dev/fuse"} {
		f, err := os.OpenFile(device, os.O_RDWR, 0)
		if err != nil {
			return false
		}
		f.Close()
	}
	return c.Run() == nil
}

// cmdTmpfs makes a directory with a small disk of its own: tmpfs DIR SIZE.
func cmdTmpfs(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o755))
	ts.Check(syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+args[1]))
	ts.Defer(func() { ts.Check(syscall.Unmount(dir, 0)) })
}
