package sim

import (
	"errors"
	"math"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/afero"
)

// umask is what a Linux machine takes away from the mode of new files, unless told otherwise.
const umask = 0o022

// Fs is the disk's file system as a task of the machine sees it. Results and errors are those of package os on Linux
// for a user who may do everything; relative paths are taken from the root. Every operation may give way. With a nil
// pacer nothing waits and no fault acts: the harness's own view.
func (d *Disk) Fs(p Pacer) afero.Fs { return &view{d, p} }

// Durable is what would be left if the power failed now, without a fault: a file system of its own, for looking at.
func (d *Disk) Durable() afero.Fs {
	other := NewDisk(DiskSpec{}, nil)
	other.Restore(d.Snapshot())
	return other.Fs(nil)
}

// view is a Disk by way of a Pacer.
type view struct {
	disk  *Disk
	pacer Pacer
}

// Name is that of the file system.
func (v *view) Name() string { return "disk" }

// Create is OpenFile for a new or emptied file to be read and written.
func (v *view) Create(name string) (afero.File, error) {
	return v.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
}

// Open is OpenFile for reading.
func (v *view) Open(name string) (afero.File, error) {
	return v.OpenFile(name, os.O_RDONLY, 0)
}

// OpenFile opens what is there or, with O_CREATE, makes a file.
func (v *view) OpenFile(name string, flag int, perm os.FileMode) (afero.File, error) {
	c := call{pacer: v.pacer, op: DiskOpen, path: name}
	if flag&os.O_CREATE != 0 && len(v.disk.imposed) > 0 {
		if at, err := v.disk.follow(name); err == nil && at.node == nil {
			c.op = DiskCreate
		}
	}
	err := v.disk.begin(&c, 0)
	if err == nil {
		var n *inode
		if n, err = v.disk.open(&c, flag, perm); err == nil {
			return v.opened(n, name, flag), nil
		}
	}
	return nil, &os.PathError{Op: "open", Path: name, Err: err}
}

// opened is a file that was opened by that name.
func (v *view) opened(n *inode, name string, flag int) *file {
	v.disk.opened(n)
	return &file{view: v, node: n, name: name, flag: flag, session: v.disk.sessions}
}

// open finds the file that is to be opened, and makes or empties it where that is asked for.
func (d *Disk) open(c *call, flag int, perm os.FileMode) (*inode, error) {
	look := d.follow
	if flag&os.O_CREATE != 0 && flag&os.O_EXCL != 0 {
		look = d.find
	}
	at, err := look(c.path)
	if err != nil {
		return nil, err
	}
	return d.openAt(c, at, flag, perm.Perm()&^umask)
}

// openAt is open where the place was found. The mode is that of a new file.
func (d *Disk) openAt(c *call, at place, flag int, mode os.FileMode) (*inode, error) {
	writes := flag&(os.O_WRONLY|os.O_RDWR|os.O_TRUNC) != 0
	switch n := at.node; {
	case flag&os.O_CREATE != 0 && at.slash && at.dir != nil:
		return nil, syscall.EISDIR
	case n == nil && flag&os.O_CREATE == 0:
		return nil, syscall.ENOENT
	case n == nil:
		return d.makeIn(c, at, mode)
	case flag&os.O_CREATE != 0 && flag&os.O_EXCL != 0:
		return nil, syscall.EEXIST
	case n.isDir() && (writes || flag&os.O_CREATE != 0):
		return nil, syscall.EISDIR
	case !n.isDir() && at.slash:
		return nil, syscall.ENOTDIR
	case writes && len(d.imposed) > 0:
		if err := d.writable(c); err != nil {
			return nil, err
		}
	}
	if flag&os.O_TRUNC != 0 {
		return at.node, d.truncate(at.node, 0)
	}
	return at.node, nil
}

// makeIn makes a file or directory at a place where nothing is. Even an empty one wants some room to be left, and an inode.
func (d *Disk) makeIn(c *call, at place, mode os.FileMode) (*inode, error) {
	if d.free(c) == 0 || d.files >= d.spec.Inodes() {
		return nil, syscall.ENOSPC
	}
	return d.create(at, mode), nil
}

// Mkdir makes a directory.
func (v *view) Mkdir(name string, perm os.FileMode) error {
	c := call{pacer: v.pacer, op: DiskCreate, path: name}
	err := v.disk.begin(&c, 0)
	if err == nil {
		err = v.disk.mkdir(&c, perm)
	}
	if err != nil {
		return &os.PathError{Op: "mkdir", Path: name, Err: err}
	}
	return nil
}

func (d *Disk) mkdir(c *call, perm os.FileMode) error {
	at, err := d.find(c.path)
	switch {
	case err != nil:
		return err
	case at.node != nil:
		return syscall.EEXIST
	}
	_, err = d.makeIn(c, at, os.ModeDir|perm.Perm()&^umask)
	return err
}

// MkdirAll makes a directory and those above it that are missing.
func (v *view) MkdirAll(name string, perm os.FileMode) error {
	if at, err := v.disk.follow(name); err == nil && at.node != nil {
		switch {
		case at.node.isDir():
			return nil
		case !at.slash: // With a slash, package os cannot tell what is there, and goes on.
			return &os.PathError{Op: "mkdir", Path: name, Err: syscall.ENOTDIR}
		}
	}
	above := strings.TrimRight(name, "/")
	above = above[:strings.LastIndexByte(above, '/')+1]
	if trimmed := strings.TrimRight(above, "/"); trimmed != "" {
		if err := v.MkdirAll(trimmed, perm); err != nil {
			return err
		}
	}
	err := v.Mkdir(name, perm)
	if err != nil {
		// Another task may have been faster, or the path ends in `.`.
		if at, e := v.disk.follow(name); e == nil && at.node != nil && at.node.isDir() {
			return nil
		}
	}
	return err
}

// Remove takes away a file or an empty directory.
func (v *view) Remove(name string) error {
	c := call{pacer: v.pacer, op: DiskRemove, path: name}
	err := v.disk.begin(&c, 0)
	if err == nil {
		err = v.disk.unlink(name)
	}
	if err != nil {
		return &os.PathError{Op: "remove", Path: name, Err: err}
	}
	return nil
}

func (d *Disk) unlink(name string) error {
	at, err := present(d.find(name))
	switch {
	case err != nil:
		return err
	case at.dir == nil && at.name == ".":
		return syscall.EINVAL
	case at.dir == nil && at.name == "..":
		return syscall.ENOTEMPTY
	case at.dir == nil:
		return syscall.EBUSY
	case len(at.node.entries) > 0:
		return syscall.ENOTEMPTY
	}
	d.remove(at)
	return nil
}

// RemoveAll takes away whatever is there, with all that is below it. That nothing is there is no error.
func (v *view) RemoveAll(name string) error {
	if name == "" {
		return nil
	}
	if name == "." || strings.HasSuffix(name, "/.") {
		return &os.PathError{Op: "RemoveAll", Path: name, Err: syscall.EINVAL}
	}
	bare := strings.TrimRight(name, "/")
	at, err := v.disk.find(bare)
	if err == nil && at.node != nil && at.node.isDir() {
		for _, child := range at.node.list() {
			if err := v.RemoveAll(bare + "/" + child); err != nil {
				return err
			}
		}
	}
	var failed *os.PathError
	if !errors.As(v.Remove(bare), &failed) || failed.Err == syscall.ENOENT {
		return nil
	}
	// Package os goes on from the directory above, and names what it tried last.
	above := bare[:strings.LastIndexByte(bare, '/')+1]
	if _, err := v.disk.find(above); above != "" && err != nil {
		return &os.PathError{Op: "open", Path: strings.TrimRight(above, "/"), Err: err}
	}
	failed.Op, failed.Path = "unlinkat", name
	return failed
}

// Rename gives a file or directory another name, and takes that from the file that had it. A directory is never
// replaced.
func (v *view) Rename(from, to string) error {
	c := call{pacer: v.pacer, op: DiskRename, path: from, other: to}
	err := v.disk.begin(&c, 0)
	if err == nil {
		err = v.disk.rename(from, to)
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}

func (d *Disk) rename(from, to string) error {
	old, err := d.find(from)
	if err != nil {
		return err
	}
	target, err := d.find(to)
	if err == nil && target.node != nil && target.node.isDir() {
		// Package os refuses this before it asks the system.
		if old, err = present(d.find(from)); err != nil {
			return err
		}
		if from == to || old.node != target.node {
			return syscall.EEXIST
		}
	}
	switch {
	case err != nil:
		return err
	case old.dir == nil || target.dir == nil:
		return syscall.EBUSY
	case old.node != nil && !old.node.isDir() && (old.slash || target.slash):
		return syscall.ENOTDIR
	}
	return d.renameTo(old, target)
}

// renameTo is rename where the places were found. Of two names of one file both stay.
func (d *Disk) renameTo(old, target place) error {
	switch {
	case old.node == nil:
		return syscall.ENOENT
	case target.dir.below(old.node):
		return syscall.EINVAL
	case target.node == old.node:
		return nil
	case target.node == nil:
	case old.node.isDir() && !target.node.isDir():
		return syscall.ENOTDIR
	case !old.node.isDir() && target.node.isDir():
		return syscall.EISDIR
	case len(target.node.entries) > 0:
		return syscall.ENOTEMPTY
	}
	d.move(old, target)
	return nil
}

// swap exchanges what is at two places.
func (d *Disk) swap(a, b place) error {
	switch {
	case a.node == nil || b.node == nil:
		return syscall.ENOENT
	case a.dir.below(b.node) || b.dir.below(a.node):
		return syscall.EINVAL
	case a.node != b.node:
		d.exchange(a, b)
	}
	return nil
}

// below reports whether a directory is top or below it.
func (n *inode) below(top *inode) bool {
	for dir := n; ; dir = dir.parent {
		if dir == top {
			return true
		}
		if dir == dir.parent {
			return false
		}
	}
}

// Stat describes what is at a path.
func (v *view) Stat(name string) (os.FileInfo, error) {
	return v.stat("stat", name, v.disk.follow)
}

// LstatIfPossible is Stat, of a symbolic link itself and not of what it stands for. It is always possible.
func (v *view) LstatIfPossible(name string) (os.FileInfo, bool, error) {
	i, err := v.stat("lstat", name, v.disk.find)
	return i, true, err
}

func (v *view) stat(op, name string, look func(path string) (place, error)) (os.FileInfo, error) {
	c := call{pacer: v.pacer, op: DiskRead, path: name}
	err := v.disk.begin(&c, 0)
	if err == nil {
		var at place
		if at, err = present(look(name)); err == nil {
			return at.node.info(base(name)), nil
		}
	}
	return nil, &os.PathError{Op: op, Path: name, Err: err}
}

// base is the last word of a path, as package os has it.
func base(name string) string {
	trimmed := strings.TrimRight(name, "/")
	if trimmed == "" {
		return "/"
	}
	return trimmed[strings.LastIndexByte(trimmed, '/')+1:]
}

// Chmod sets the permissions. They are kept, not obeyed: a machine's software may do everything.
func (v *view) Chmod(name string, mode os.FileMode) error {
	return v.setAttributes("chmod", name, func(a *attributes) {
		a.mode = a.mode&^modeBits | mode&modeBits
	})
}

// Chown only looks whether the file exists: a machine has one user.
func (v *view) Chown(name string, _, _ int) error {
	return v.setAttributes("chown", name, func(*attributes) {})
}

// Chtimes sets the time of the last change. That of the last access is not kept. A zero time changes nothing.
func (v *view) Chtimes(name string, _, changed time.Time) error {
	return v.setAttributes("chtimes", name, func(a *attributes) {
		if !changed.IsZero() {
			a.mtime = changed
		}
	})
}

func (v *view) setAttributes(op, name string, set func(*attributes)) error {
	c := call{pacer: v.pacer, op: DiskWrite, path: name}
	err := v.disk.begin(&c, 0)
	if err == nil {
		var at place
		if at, err = v.disk.existing(name); err == nil {
			set(&at.node.attr)
			return nil
		}
	}
	return &os.PathError{Op: op, Path: name, Err: err}
}

// transfer is how long bytes take through the disk's bandwidth, behind those that others are moving.
func (d *Disk) transfer(p Pacer, bytes int64) time.Duration {
	if p == nil || d.spec.Bandwidth == 0 || bytes == 0 {
		return 0
	}
	takes := airtime(int(min(bytes, math.MaxInt32)), d.spec.Bandwidth)
	if d.elapsed == nil {
		return takes
	}
	now := d.elapsed()
	d.busy = max(d.busy, now) + takes
	return d.busy - now
}

// info is a file's state at one moment.
type info struct {
	name string
	size int64
	attr attributes
}

func (n *inode) info(name string) os.FileInfo {
	return &info{name: name, size: n.data.size, attr: n.attr}
}

func (i *info) Name() string       { return i.name }
func (i *info) Size() int64        { return i.size }
func (i *info) Mode() os.FileMode  { return i.attr.mode }
func (i *info) ModTime() time.Time { return i.attr.mtime }
func (i *info) IsDir() bool        { return i.attr.mode.IsDir() }
func (i *info) Sys() any           { return nil }
