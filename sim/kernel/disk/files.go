//go:build linux

package disk

import (
	"os"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"firedrill/sim"
)

// flagsOf are the flags of open(2) that the disk is concerned with. Whether a write appends, each write says.
func flagsOf(flags uint32) int {
	kept := int(flags) & (unix.O_ACCMODE | unix.O_TRUNC | unix.O_EXCL)
	if flags&unix.O_DSYNC != 0 {
		kept |= os.O_SYNC
	}
	return kept
}

// keep is the kernel's answer about a file that was opened. What is read and written passes the kernel's cache by.
func (m *Mount) keep(h *sim.DiskHandle, out *fuse.OpenOut) {
	m.opened++
	m.open[m.opened] = h
	*out = fuse.OpenOut{Fh: m.opened, OpenFlags: fuse.FOPEN_DIRECT_IO}
}

// Create implements fuse.RawFileSystem.
func (c *calls) Create(signal <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	return c.m.do(signal, &in.InHeader, func() error {
		e, err := c.m.entry(in.NodeId, name)
		if err != nil {
			return err
		}
		i, h, err := c.m.inodes.Create(e, flagsOf(in.Flags),
			sim.InodeSpec{Mode: goMode(in.Mode&^unix.S_IFMT | unix.S_IFREG), Owner: in.Uid, Group: in.Gid})
		if err != nil {
			return err
		}
		c.m.tell(i, &out.EntryOut)
		c.m.keep(h, &out.OpenOut)
		return nil
	})
}

// Open implements fuse.RawFileSystem.
func (c *calls) Open(signal <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	return c.m.do(signal, &in.InHeader, func() error {
		i, err := c.m.inode(in.NodeId)
		if err != nil {
			return err
		}
		h, err := c.m.inodes.Open(i, flagsOf(in.Flags))
		if err == nil {
			c.m.keep(h, out)
		}
		return err
	})
}

// OpenDir implements fuse.RawFileSystem.
func (c *calls) OpenDir(signal <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	return c.Open(signal, in, out)
}

// Release implements fuse.RawFileSystem. It is told when the last process has closed the file.
func (c *calls) Release(_ <-chan struct{}, in *fuse.ReleaseIn) {
	c.m.lock.Lock()
	defer c.m.lock.Unlock()
	if h := c.m.open[in.Fh]; h != nil {
		h.Close()
		delete(c.m.open, in.Fh)
	}
}

// ReleaseDir implements fuse.RawFileSystem.
func (c *calls) ReleaseDir(in *fuse.ReleaseIn) { c.Release(nil, in) }

// Flush implements fuse.RawFileSystem: nothing happens at close(2), and the kernel need not ask again.
func (c *calls) Flush(<-chan struct{}, *fuse.FlushIn) fuse.Status { return fuse.ENOSYS }

// Read implements fuse.RawFileSystem.
func (c *calls) Read(signal <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	read := 0
	status := c.m.do(signal, &in.InHeader, func() error {
		h, err := c.m.handle(in.Fh)
		if err != nil {
			return err
		}
		read, err = h.ReadAt(buf, int64(in.Offset))
		return err
	})
	if !status.Ok() {
		return nil, status // With a result it would be taken for the end of the file.
	}
	return fuse.ReadResultData(buf[:read]), status
}

// Write implements fuse.RawFileSystem. What is written in part has that length, and no error. The kernel writes pages of
// mapped files by whichever open file it finds: they are never appended.
func (c *calls) Write(signal <-chan struct{}, in *fuse.WriteIn, data []byte) (written uint32, status fuse.Status) {
	mapped := in.WriteFlags&fuse.WRITE_CACHE != 0
	ask := call{m: c.m, thread: in.Pid, signal: signal, byKernel: mapped}
	status = ask.do(func() error {
		h, err := c.m.handle(in.Fh)
		if err != nil {
			return err
		}
		var n int
		if in.Flags&unix.O_APPEND != 0 && !mapped {
			n, err = h.Append(data)
		} else {
			n, err = h.WriteAt(data, int64(in.Offset))
		}
		written = uint32(n)
		if n > 0 && !mapped {
			return nil
		}
		return err
	})
	return written, status
}

// Fsync implements fuse.RawFileSystem.
func (c *calls) Fsync(signal <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return c.m.do(signal, &in.InHeader, func() error {
		h, err := c.m.handle(in.Fh)
		if err != nil {
			return err
		}
		return h.Sync()
	})
}

// FsyncDir implements fuse.RawFileSystem.
func (c *calls) FsyncDir(signal <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return c.Fsync(signal, in)
}

// ReadDir implements fuse.RawFileSystem. Before the names stand the directory itself, and the one that it is in; so
// place n of the kernel is the disk's place n-1.
func (c *calls) ReadDir(signal <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return c.m.do(signal, &in.InHeader, func() error {
		h, err := c.m.handle(in.Fh)
		if err != nil {
			return err
		}
		dir, err := c.m.inode(in.NodeId)
		if err != nil {
			return err
		}
		add := func(name string, i sim.Inode, next int) bool {
			state := i.State()
			return out.AddDirEntry(fuse.DirEntry{Name: name, Ino: state.ID, Mode: kernelMode(state.Mode), Off: uint64(next)})
		}
		if in.Offset == 0 {
			add(".", dir, 1)
		}
		if in.Offset <= 1 {
			add("..", dir.Parent(), 2)
		}
		from := 0
		if in.Offset > 0 {
			from = max(1, int(in.Offset)-1)
		}
		return h.List(from, func(name string, i sim.Inode, next int) bool { return add(name, i, next+1) })
	})
}
