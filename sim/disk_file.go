package sim

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// file is an open file or directory.
type file struct {
	view    *view
	node    *inode
	name    string // as it was opened
	flag    int
	session int // of the disk
	off     int64
	names   []string // of a directory, what was not read yet; nil: begin
	listed  bool
	closed  bool
}

func (f *file) fail(op string, err error) error {
	return &os.PathError{Op: op, Path: f.name, Err: err}
}

// Name is the path that the file was opened by.
func (f *file) Name() string { return f.name }

// usable is the error of a file that was closed, or belongs to a machine that is no more.
func (f *file) usable() error {
	switch {
	case f.closed:
		return os.ErrClosed
	case f.session != f.view.disk.sessions:
		return syscall.ESTALE
	}
	return nil
}

// begin lets a call on the file take its time, and returns the error that comes of it.
func (f *file) begin(op DiskOperation, bytes int64) error {
	if err := f.usable(); err != nil {
		return err
	}
	d := f.view.disk
	c := f.call(op)
	if err := d.begin(&c, d.transfer(f.view.pacer, bytes)); err != nil {
		return err
	}
	return f.usable() // Another task may have closed it.
}

func (f *file) call(op DiskOperation) call {
	return call{pacer: f.view.pacer, op: op, path: f.name}
}

func (f *file) readable() error {
	switch {
	case f.flag&(os.O_WRONLY|os.O_RDWR) == os.O_WRONLY:
		return syscall.EBADF
	case f.node.isDir():
		return syscall.EISDIR
	}
	return nil
}

func (f *file) writable() error {
	if f.flag&(os.O_WRONLY|os.O_RDWR) == 0 {
		return syscall.EBADF
	}
	return nil
}

// Close gives the file up. Nothing becomes durable by it.
func (f *file) Close() error {
	if f.closed {
		return f.fail("close", os.ErrClosed)
	}
	f.release()
	if f.view.pacer != nil {
		f.view.pacer.Pause(0)
	}
	return nil
}

func (f *file) release() {
	f.closed = true
	if f.session == f.view.disk.sessions {
		f.view.disk.closed(f.node)
	}
}

// Read reads on from where the last one ended.
func (f *file) Read(p []byte) (int, error) {
	n, err := f.readAt(p, ownPlace)
	if err != nil {
		return n, f.fail("read", err)
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// ReadAt reads at off, and returns io.EOF where the file ends before p is full.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, f.fail("readat", errors.New("negative offset"))
	}
	n, err := f.readAt(p, off)
	if err != nil {
		return n, f.fail("read", err)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Places of a file that are no offsets.
const (
	ownPlace = -1 // where the last read or write ended
	atEnd    = -2
)

// readAt reads at off; at its own place, it moves that.
func (f *file) readAt(p []byte, off int64) (int, error) {
	if err := f.usable(); err != nil || len(p) == 0 {
		return 0, err
	}
	if err := f.readable(); err != nil {
		return 0, err
	}
	from := func() (at int64, left int) {
		if at = off; at == ownPlace {
			at = f.off
		}
		return at, int(min(int64(len(p)), max(0, f.node.data.size-at)))
	}
	_, expected := from()
	if err := f.begin(DiskRead, int64(expected)); err != nil {
		return 0, err
	}
	at, n := from() // Others may have written meanwhile.
	if len(f.view.disk.imposed) > 0 {
		c := f.call(DiskRead)
		f.view.disk.rot(&c, f.node, at, n)
	}
	f.node.data.read(at, p[:n])
	if off == ownPlace {
		f.off += int64(n)
	}
	return n, nil
}

// Write writes on from where the last one ended or, with O_APPEND, at the end.
func (f *file) Write(p []byte) (int, error) {
	n, err := f.writeAt(p, ownPlace)
	if err != nil {
		return n, f.fail("write", err)
	}
	return n, nil
}

// WriteString is Write.
func (f *file) WriteString(s string) (int, error) { return f.Write([]byte(s)) }

// WriteAt writes at off.
func (f *file) WriteAt(p []byte, off int64) (int, error) {
	switch {
	case f.flag&os.O_APPEND != 0:
		return 0, errors.New("os: invalid use of WriteAt on file opened with O_APPEND")
	case off < 0:
		return 0, f.fail("writeat", errors.New("negative offset"))
	}
	n, err := f.writeAt(p, off)
	if err != nil {
		return n, f.fail("write", err)
	}
	return n, nil
}

// writeAt writes at off; at its own place, it moves that. With O_SYNC it ends with a sync.
func (f *file) writeAt(p []byte, off int64) (int, error) {
	if err := f.usable(); err != nil {
		return 0, err
	}
	if err := f.writable(); err != nil || len(p) == 0 {
		return 0, err
	}
	if err := f.begin(DiskWrite, int64(len(p))); err != nil {
		return 0, err
	}
	at := off
	switch {
	case off == atEnd || off == ownPlace && f.flag&os.O_APPEND != 0:
		at = f.node.data.size
	case off == ownPlace:
		at = f.off
	}
	d := f.view.disk
	n, err := 0, error(nil)
	if len(d.imposed) == 0 {
		n, err = d.write(f.node, at, p, d.Free())
	} else {
		c := f.call(DiskWrite)
		free := d.Free()
		if f.node.data.fits(at, len(p), 0) < len(p) {
			free = d.free(&c)
		}
		n, err = d.write(f.node, at, p, free)
		d.rot(&c, f.node, at, n)
	}
	if off == ownPlace {
		f.off = at + int64(n)
	}
	if n > 0 && f.flag&os.O_SYNC == os.O_SYNC {
		if err := f.sync(); err != nil {
			return 0, err
		}
	}
	return n, err
}

// Seek sets the place of the next Read and Write. That of a directory can only go back to its beginning.
func (f *file) Seek(offset int64, whence int) (int64, error) {
	if err := f.usable(); err != nil {
		return 0, f.fail("seek", err)
	}
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += f.off
	case io.SeekEnd:
		offset += f.node.data.size
	default:
		return 0, f.fail("seek", syscall.EINVAL)
	}
	if offset < 0 {
		return 0, f.fail("seek", syscall.EINVAL)
	}
	f.off = offset
	if offset == 0 {
		f.names, f.listed = nil, false
	}
	return offset, nil
}

// Truncate makes the file size bytes long.
func (f *file) Truncate(size int64) error {
	err := f.usable()
	switch {
	case err != nil:
	case size < 0 || f.writable() != nil:
		err = syscall.EINVAL
	default:
		if err = f.begin(DiskWrite, 0); err == nil {
			err = f.view.disk.truncate(f.node, size)
		}
	}
	if err != nil {
		return f.fail("truncate", err)
	}
	return nil
}

// Stat describes the file.
func (f *file) Stat() (os.FileInfo, error) {
	if err := f.begin(DiskRead, 0); err != nil {
		return nil, f.fail("stat", err)
	}
	return f.node.info(base(f.name)), nil
}

// Readdir describes what is in the directory, in the order of names: the next count, or all that is left. Names that
// are gone by then are left out.
func (f *file) Readdir(count int) ([]os.FileInfo, error) {
	names, err := f.Readdirnames(count)
	infos := make([]os.FileInfo, 0, len(names))
	for _, name := range names {
		if n := f.node.entries[name]; n != nil {
			infos = append(infos, n.info(name))
		}
	}
	return infos, err
}

// Readdirnames is the names in the directory, in order: the next count or, where that is not above zero, all that is
// left.
func (f *file) Readdirnames(count int) ([]string, error) {
	if err := f.begin(DiskRead, 0); err != nil {
		return nil, f.fail("readdirent", err)
	}
	if err := f.node.listable(); err != nil {
		return nil, f.fail("readdirent", err)
	}
	if !f.listed {
		f.names, f.listed = f.node.list(), true
	}
	n := len(f.names)
	if count > 0 {
		if n == 0 {
			return nil, io.EOF
		}
		n = min(n, count)
	}
	names := f.names[:n:n]
	f.names = f.names[n:]
	return names, nil
}

// listable is the error of asking for the names in what is no directory, or was one.
func (n *inode) listable() error {
	switch {
	case !n.isDir():
		return syscall.ENOTDIR
	case n.links == 0:
		return syscall.ENOENT
	}
	return nil
}

// Sync makes what was written so far durable, or, of a directory, the names in it.
func (f *file) Sync() error {
	if err := f.sync(); err != nil {
		return f.fail("sync", err)
	}
	return nil
}

func (f *file) sync() error {
	if err := f.usable(); err != nil {
		return err
	}
	d, n := f.view.disk, f.node
	c := f.call(DiskSync)
	if len(d.imposed) > 0 {
		if i := d.struck(DiskCrashAtSync, &c); i != nil {
			i.Crashed++
			if d.OnCrash != nil {
				d.OnCrash()
			}
		}
	}
	// What is written while the sync is under way waits for the next one.
	number, attr := d.changes, n.attr
	switch err := f.waitForSync(&c); {
	case f.session != d.sessions:
		return syscall.ESTALE
	case err != nil:
		if !n.isDir() {
			n.loseData(number)
		}
		return err
	}
	if i := d.lies(&c); i != nil {
		i.Lied++
	} else if n.isDir() {
		d.keepNames(n, number, attr)
	} else {
		n.keepData(number, attr)
	}
	if d.OnSync != nil && c.pacer != nil {
		d.OnSync(absolute(f.name))
	}
	return nil
}

// waitForSync lets a sync take its time.
func (f *file) waitForSync(c *call) error {
	f.node.syncs++
	defer func() { // Also where the task is dropped while it waits.
		if f.session == f.view.disk.sessions { // Otherwise it was taken off before.
			f.node.syncs--
		}
	}()
	return f.view.disk.begin(c, f.view.disk.spec.SyncTime())
}
