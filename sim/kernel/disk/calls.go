//go:build linux

package disk

import (
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"firedrill/sim"
)

// calls are what the kernel asks for. What is missing it does without, as the package says.
type calls struct {
	fuse.RawFileSystem
	m *Mount
}

// statusOf is an error as the kernel takes it.
func statusOf(err error) fuse.Status {
	var errno syscall.Errno
	switch {
	case err == nil:
		return fuse.OK
	case errors.As(err, &errno):
		return fuse.Status(errno)
	}
	return fuse.EIO
}

// inode is the one that the kernel has this number for.
func (m *Mount) inode(number uint64) (sim.Inode, error) {
	if k := m.known[number]; k != nil {
		return k.inode, nil
	}
	return sim.Inode{}, syscall.ESTALE
}

// entry is a name in the directory that the kernel has this number for.
func (m *Mount) entry(number uint64, name string) (sim.DiskEntry, error) {
	dir, err := m.inode(number)
	return sim.DiskEntry{Dir: dir, Name: name}, err
}

// handle is an open file.
func (m *Mount) handle(number uint64) (*sim.DiskHandle, error) {
	if h := m.open[number]; h != nil {
		return h, nil
	}
	return nil, syscall.EBADF
}

// tell is the kernel's answer about an inode, which it knows from then on.
func (m *Mount) tell(i sim.Inode, out *fuse.EntryOut) {
	state := i.State()
	k := m.known[state.ID]
	if k == nil {
		k = &known{inode: i}
		m.known[state.ID] = k
	}
	k.lookups++
	*out = fuse.EntryOut{NodeId: state.ID}
	describe(state, &out.Attr)
}

// describe puts a state into the kernel's words.
func describe(s sim.InodeState, out *fuse.Attr) {
	*out = fuse.Attr{Ino: s.ID, Size: uint64(s.Size), Blocks: uint64(s.Room+511) / 512, Mode: kernelMode(s.Mode),
		Nlink: uint32(s.Links), Owner: fuse.Owner{Uid: s.Owner, Gid: s.Group}, Blksize: 4096}
	if !s.Modified.IsZero() {
		out.SetTimes(&s.Modified, &s.Modified, &s.Modified)
	}
}

var fileTypes = []struct {
	mode os.FileMode
	bits uint32
}{{os.ModeDir, unix.S_IFDIR}, {os.ModeSymlink, unix.S_IFLNK}, {os.ModeNamedPipe, unix.S_IFIFO}, {os.ModeSocket, unix.S_IFSOCK},
	{os.ModeDevice | os.ModeCharDevice, unix.S_IFCHR}, {os.ModeDevice, unix.S_IFBLK}, {0, unix.S_IFREG}}

var modeBits = []struct {
	mode os.FileMode
	bits uint32
}{{os.ModeSetuid, unix.S_ISUID}, {os.ModeSetgid, unix.S_ISGID}, {os.ModeSticky, unix.S_ISVTX}}

// kernelMode and goMode translate modes.
func kernelMode(mode os.FileMode) uint32 {
	bits := uint32(mode.Perm())
	for _, t := range fileTypes {
		if mode.Type() == t.mode {
			bits |= t.bits
		}
	}
	for _, b := range modeBits {
		if mode&b.mode != 0 {
			bits |= b.bits
		}
	}
	return bits
}

func goMode(bits uint32) os.FileMode {
	mode := os.FileMode(bits & 0o777)
	for _, t := range fileTypes {
		if bits&unix.S_IFMT == t.bits {
			mode |= t.mode
		}
	}
	for _, b := range modeBits {
		if bits&b.bits != 0 {
			mode |= b.mode
		}
	}
	return mode
}

// String implements fuse.RawFileSystem.
func (c *calls) String() string { return "firedrill" }

// Lookup implements fuse.RawFileSystem.
func (c *calls) Lookup(signal <-chan struct{}, in *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	return c.m.do(signal, in, func() error {
		e, err := c.m.entry(in.NodeId, name)
		if err != nil {
			return err
		}
		i, err := c.m.inodes.Lookup(e)
		if err == nil {
			c.m.tell(i, out)
		}
		return err
	})
}

// Forget implements fuse.RawFileSystem.
func (c *calls) Forget(number, lookups uint64) {
	c.m.lock.Lock()
	defer c.m.lock.Unlock()
	if k := c.m.known[number]; k != nil && number != fuse.FUSE_ROOT_ID {
		if k.lookups -= min(lookups, k.lookups); k.lookups == 0 {
			delete(c.m.known, number)
		}
	}
}

// GetAttr implements fuse.RawFileSystem.
func (c *calls) GetAttr(signal <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	return c.m.do(signal, &in.InHeader, func() error {
		i, err := c.m.inode(in.NodeId)
		if err != nil {
			return err
		}
		state, err := c.m.inodes.Stat(i)
		describe(state, &out.Attr)
		return err
	})
}

// SetAttr implements fuse.RawFileSystem. The time of the last access is not kept.
func (c *calls) SetAttr(signal <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	return c.m.do(signal, &in.InHeader, func() error {
		i, err := c.m.inode(in.NodeId)
		if err != nil {
			return err
		}
		var h *sim.DiskHandle
		if number, ok := in.GetFh(); ok {
			if h, err = c.m.handle(number); err != nil {
				return err
			}
		}
		if err := c.m.inodes.Change(i, h, changeOf(in)); err != nil {
			return err
		}
		describe(i.State(), &out.Attr)
		return nil
	})
}

func changeOf(in *fuse.SetAttrIn) sim.InodeChange {
	var change sim.InodeChange
	if in.Valid&fuse.FATTR_SIZE != 0 {
		size := int64(in.Size)
		change.Size = &size
	}
	if in.Valid&fuse.FATTR_MODE != 0 {
		mode := goMode(in.Mode)
		change.Mode = &mode
	}
	if in.Valid&fuse.FATTR_UID != 0 {
		change.Owner = &in.Uid
	}
	if in.Valid&fuse.FATTR_GID != 0 {
		change.Group = &in.Gid
	}
	if in.Valid&fuse.FATTR_MTIME != 0 {
		var modified time.Time // Now is for the machine's clock to say.
		if in.Valid&fuse.FATTR_MTIME_NOW == 0 {
			modified = time.Unix(int64(in.Mtime), int64(in.Mtimensec))
		}
		change.Modified = &modified
	}
	return change
}

// StatFs implements fuse.RawFileSystem.
func (c *calls) StatFs(signal <-chan struct{}, in *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	return c.m.do(signal, in, func() error {
		space, err := c.m.inodes.Space()
		if err != nil {
			return err
		}
		const block = 4096
		*out = fuse.StatfsOut{Bsize: block, Frsize: block, NameLen: 255, Blocks: uint64(space.Size) / block,
			Bfree: uint64(space.Free) / block, Bavail: uint64(space.Free) / block,
			Files: uint64(space.Inodes), Ffree: uint64(space.FreeInodes)}
		return nil
	})
}

// The changes of names.

// make puts something new in a place.
func (c *calls) make(signal <-chan struct{}, in *fuse.InHeader, name string, what sim.InodeSpec,
	out *fuse.EntryOut) fuse.Status {
	return c.m.do(signal, in, func() error {
		e, err := c.m.entry(in.NodeId, name)
		if err != nil {
			return err
		}
		what.Owner, what.Group = in.Uid, in.Gid
		i, err := c.m.inodes.Make(e, what)
		if err == nil {
			c.m.tell(i, out)
		}
		return err
	})
}

// Mknod implements fuse.RawFileSystem.
func (c *calls) Mknod(signal <-chan struct{}, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	return c.make(signal, &in.InHeader, name, sim.InodeSpec{Mode: goMode(in.Mode)}, out)
}

// Mkdir implements fuse.RawFileSystem.
func (c *calls) Mkdir(signal <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	return c.make(signal, &in.InHeader, name, sim.InodeSpec{Mode: goMode(in.Mode&^unix.S_IFMT | unix.S_IFDIR)}, out)
}

// Symlink implements fuse.RawFileSystem.
func (c *calls) Symlink(signal <-chan struct{}, in *fuse.InHeader, target, name string, out *fuse.EntryOut) fuse.Status {
	return c.make(signal, in, name, sim.InodeSpec{Mode: os.ModeSymlink | 0o777, Target: target}, out)
}

// Readlink implements fuse.RawFileSystem.
func (c *calls) Readlink(signal <-chan struct{}, in *fuse.InHeader) (target []byte, status fuse.Status) {
	status = c.m.do(signal, in, func() error {
		i, err := c.m.inode(in.NodeId)
		if err != nil {
			return err
		}
		text, err := c.m.inodes.Readlink(i)
		target = []byte(text)
		return err
	})
	return target, status
}

// Link implements fuse.RawFileSystem.
func (c *calls) Link(signal <-chan struct{}, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	return c.m.do(signal, &in.InHeader, func() error {
		e, err := c.m.entry(in.NodeId, name)
		if err != nil {
			return err
		}
		i, err := c.m.inode(in.Oldnodeid)
		if err != nil {
			return err
		}
		if err := c.m.inodes.Link(i, e); err != nil {
			return err
		}
		c.m.tell(i, out)
		return nil
	})
}

func (c *calls) remove(signal <-chan struct{}, in *fuse.InHeader, name string, directory bool) fuse.Status {
	return c.m.do(signal, in, func() error {
		e, err := c.m.entry(in.NodeId, name)
		if err != nil {
			return err
		}
		return c.m.inodes.Remove(e, directory)
	})
}

// Unlink implements fuse.RawFileSystem.
func (c *calls) Unlink(signal <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	return c.remove(signal, in, name, false)
}

// Rmdir implements fuse.RawFileSystem.
func (c *calls) Rmdir(signal <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	return c.remove(signal, in, name, true)
}

var renamings = map[uint32]sim.Renaming{0: sim.RenameReplaces, unix.RENAME_NOREPLACE: sim.RenameAnew,
	unix.RENAME_EXCHANGE: sim.RenameExchanges}

// Rename implements fuse.RawFileSystem.
func (c *calls) Rename(signal <-chan struct{}, in *fuse.RenameIn, old, name string) fuse.Status {
	return c.m.do(signal, &in.InHeader, func() error {
		how, ok := renamings[in.Flags]
		if !ok {
			return syscall.EINVAL
		}
		from, err := c.m.entry(in.NodeId, old)
		if err != nil {
			return err
		}
		to, err := c.m.entry(in.Newdir, name)
		if err != nil {
			return err
		}
		return c.m.inodes.Rename(from, to, how)
	})
}
