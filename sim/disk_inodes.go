package sim

import (
	"os"
	"slices"
	"syscall"
	"time"
)

// Inodes is the disk as a kernel sees it: files, directories and symbolic links by what they are, not by what they are
// called, so that a name can be one of several, or gone. Faults, durability, space and time are those of Fs, by the
// same code. Errors are syscall.Errno, those of Linux for a user who may do everything.
//
// To look something up, and to ask for the state of an inode at hand, is part of the operation that follows and no
// operation by itself: no fault acts on it, and it does not give way.
type Inodes struct{ view *view }

// Inodes is this face of the disk to tasks that wait by p.
func (d *Disk) Inodes(p Pacer) *Inodes { return &Inodes{&view{d, p}} }

// Inode is a file, a directory, a symbolic link, or the place where a socket or a pipe is found. It stays what it is when
// its names are changed or gone.
type Inode struct{ n *inode }

// DiskEntry is a name in a directory.
type DiskEntry struct {
	Dir  Inode
	Name string
}

// InodeState is what an inode is at one moment.
type InodeState struct {
	ID           uint64 // no two of a disk have the same, ever
	Mode         os.FileMode
	Links        int   // names that it has
	Size         int64 // bytes that can be read
	Room         int64 // bytes that it takes of the disk: holes take none
	Owner, Group uint32
	Modified     time.Time
}

// State is that of the inode.
func (i Inode) State() InodeState {
	n := i.n
	s := InodeState{ID: n.id, Mode: n.attr.mode, Links: n.links, Size: n.data.size, Room: n.data.room,
		Owner: n.attr.owner, Group: n.attr.group, Modified: n.attr.mtime}
	if n.target != "" {
		s.Size = int64(len(n.target))
	}
	return s
}

// Parent is the directory that a directory is in; of the root, itself.
func (i Inode) Parent() Inode { return Inode{i.n.parent} }

// Root is the directory at the top.
func (v *Inodes) Root() Inode { return Inode{v.view.disk.root} }

// place is where an entry is, whether there is anything or not.
func (e DiskEntry) place() (place, error) {
	switch dir := e.Dir.n; {
	case !dir.isDir():
		return place{}, syscall.ENOTDIR
	case dir.links == 0:
		return place{}, syscall.ENOENT
	case len(e.Name) > maxName:
		return place{}, syscall.ENAMETOOLONG
	default:
		return place{dir: dir, name: e.Name, node: dir.entries[e.Name]}, nil
	}
}

// path is what faults choose an entry by.
func (e DiskEntry) path() string { return join(e.Dir.n.path(), e.Name) }

// begin lets an operation take its time, and returns the error that comes of it.
func (v *Inodes) begin(op DiskOperation, path string) (*call, error) {
	c := &call{pacer: v.view.pacer, op: op, path: path}
	return c, v.view.disk.begin(c, 0)
}

// Lookup is the inode of that name, which it is known to faults by from then on.
func (v *Inodes) Lookup(e DiskEntry) (Inode, error) {
	at, err := e.place()
	switch {
	case err != nil:
		return Inode{}, err
	case at.node == nil:
		return Inode{}, syscall.ENOENT
	}
	at.node.parent, at.node.name = at.dir, at.name
	return Inode{at.node}, nil
}

// Stat is State as an operation of reading.
func (v *Inodes) Stat(i Inode) (InodeState, error) {
	_, err := v.begin(DiskRead, i.n.path())
	return i.State(), err
}

// Readlink is where a symbolic link leads. It is an operation of reading.
func (v *Inodes) Readlink(i Inode) (string, error) {
	_, err := v.begin(DiskRead, i.n.path())
	if err == nil && i.n.target == "" {
		err = syscall.EINVAL
	}
	return i.n.target, err
}

// InodeChange is what is to be changed of an inode's state; nil: nothing. Of a mode it is the permissions and the bits
// beside them.
type InodeChange struct {
	Size         *int64
	Mode         *os.FileMode
	Owner, Group *uint32
	Modified     *time.Time // zero: now
}

// modeBits are those of a mode that can be changed.
const modeBits = os.ModePerm | os.ModeSetuid | os.ModeSetgid | os.ModeSticky

// Change is an operation of writing, with the path of h where the inode is changed through an open file.
func (v *Inodes) Change(i Inode, h *DiskHandle, want InodeChange) error {
	path := i.n.path()
	if h != nil {
		if err := h.f.usable(); err != nil {
			return err
		}
		path = h.f.name
	}
	if _, err := v.begin(DiskWrite, path); err != nil {
		return err
	}
	n := i.n
	if want.Size != nil {
		if n.isDir() {
			return syscall.EISDIR
		}
		if err := v.view.disk.truncate(n, *want.Size); err != nil {
			return err
		}
	}
	if want.Mode != nil {
		n.attr.mode = n.attr.mode&^modeBits | *want.Mode&modeBits
	}
	if want.Owner != nil {
		n.attr.owner = *want.Owner
	}
	if want.Group != nil {
		n.attr.group = *want.Group
	}
	if t := want.Modified; t != nil {
		n.attr.mtime = *t
		if t.IsZero() {
			n.attr.mtime = v.view.disk.now()
		}
	}
	return nil
}

// InodeSpec is what Create and Make put in a place.
type InodeSpec struct {
	Mode         os.FileMode // as it is to be: what a process masks is masked already
	Owner, Group uint32
	Target       string // of a symbolic link
}

// Make makes a directory, a symbolic link, an empty file, or what stands for a socket or a pipe, where nothing is.
func (v *Inodes) Make(e DiskEntry, what InodeSpec) (Inode, error) {
	c, err := v.begin(DiskCreate, e.path())
	if err != nil {
		return Inode{}, err
	}
	at, err := e.place()
	switch {
	case err != nil:
		return Inode{}, err
	case at.node != nil:
		return Inode{}, syscall.EEXIST
	case what.Mode&os.ModeSymlink != 0 && what.Target == "":
		return Inode{}, syscall.ENOENT
	case what.Mode&os.ModeDevice != 0:
		return Inode{}, syscall.EPERM
	}
	n, err := v.view.disk.makeIn(c, at, what.Mode)
	if err != nil {
		return Inode{}, err
	}
	n.target = what.Target
	what.own(n)
	return Inode{n}, nil
}

func (what InodeSpec) own(n *inode) {
	n.attr.owner, n.attr.group = what.Owner, what.Group
	n.kept = n.attr
}

// Link gives a file one more name, where nothing is. It is an operation of creating.
func (v *Inodes) Link(i Inode, e DiskEntry) error {
	c, err := v.begin(DiskCreate, e.path())
	if err != nil {
		return err
	}
	at, err := e.place()
	switch {
	case err != nil:
		return err
	case at.node != nil:
		return syscall.EEXIST
	case i.n.isDir():
		return syscall.EPERM
	case i.n.links == 0:
		return syscall.ENOENT
	case v.view.disk.free(c) == 0:
		return syscall.ENOSPC
	}
	v.view.disk.link(i.n, at)
	return nil
}

// Remove takes a name away: of an empty directory, or of anything else.
func (v *Inodes) Remove(e DiskEntry, directory bool) error {
	if _, err := v.begin(DiskRemove, e.path()); err != nil {
		return err
	}
	at, err := e.place()
	switch {
	case err != nil:
		return err
	case at.node == nil:
		return syscall.ENOENT
	case directory && !at.node.isDir():
		return syscall.ENOTDIR
	case !directory && at.node.isDir():
		return syscall.EISDIR
	case len(at.node.entries) > 0:
		return syscall.ENOTEMPTY
	}
	v.view.disk.remove(at)
	return nil
}

// Renaming is what becomes of whatever has the new name already.
type Renaming int

// The ways to rename.
const (
	RenameReplaces  Renaming = iota // it loses the name; a directory takes only the place of an empty one
	RenameAnew                      // the rename fails
	RenameExchanges                 // it gets the old name, in one change
)

// Rename gives what has one name another.
func (v *Inodes) Rename(from, to DiskEntry, how Renaming) error {
	d := v.view.disk
	c := call{pacer: v.view.pacer, op: DiskRename, path: from.path(), other: to.path()}
	if err := d.begin(&c, 0); err != nil {
		return err
	}
	old, err := from.place()
	if err != nil {
		return err
	}
	target, err := to.place()
	switch {
	case err != nil:
		return err
	case how == RenameExchanges:
		return d.swap(old, target)
	case how == RenameAnew && target.node != nil && old.node != nil:
		return syscall.EEXIST
	}
	return d.renameTo(old, target)
}

// Create opens the file of that name, and makes it where nothing is. Flags are those of package os.
func (v *Inodes) Create(e DiskEntry, flag int, what InodeSpec) (Inode, *DiskHandle, error) {
	op := DiskCreate
	if at, err := e.place(); err == nil && at.node != nil {
		op = DiskOpen
	}
	c, err := v.begin(op, e.path())
	if err != nil {
		return Inode{}, nil, err
	}
	at, err := e.place()
	if err != nil {
		return Inode{}, nil, err
	}
	n, err := v.view.disk.openAt(c, at, flag|os.O_CREATE, what.Mode)
	if err != nil {
		return Inode{}, nil, err
	}
	if at.node == nil {
		what.own(n)
	}
	return Inode{n}, &DiskHandle{f: v.view.opened(n, e.path(), flag)}, nil
}

// Open opens a file or, for reading, a directory.
func (v *Inodes) Open(i Inode, flag int) (*DiskHandle, error) {
	path := i.n.path()
	c, err := v.begin(DiskOpen, path)
	if err != nil {
		return nil, err
	}
	if _, err := v.view.disk.openAt(c, place{node: i.n}, flag&^os.O_CREATE, 0); err != nil {
		return nil, err
	}
	return &DiskHandle{f: v.view.opened(i.n, path, flag)}, nil
}

// DiskSpace is how large a disk is.
type DiskSpace struct {
	Size, Free         int64 // bytes
	Inodes, FreeInodes int64
}

// Space is an operation of reading, of the root. A disk that a fault made full has nothing free.
func (v *Inodes) Space() (DiskSpace, error) {
	d := v.view.disk
	if _, err := v.begin(DiskRead, "/"); err != nil {
		return DiskSpace{}, err
	}
	free := d.Free()
	full := func(i *DiskImposition) bool {
		return i.How == DiskFull && i.Nth == 0 && i.Share == nil && i.covers("/")
	}
	if v.view.pacer != nil && slices.ContainsFunc(d.imposed, full) {
		free = 0
	}
	return DiskSpace{d.spec.Capacity(), free, d.spec.Inodes(), max(0, d.spec.Inodes()-d.files)}, nil
}

// DiskHandle is an open file or directory. Faults choose it by the path that it was opened by.
type DiskHandle struct {
	f     *file
	names []string // of a directory, when it was last read from its beginning
}

// ReadAt reads at off, up to the end of the file.
func (h *DiskHandle) ReadAt(p []byte, off int64) (int, error) { return h.f.readAt(p, off) }

// WriteAt writes at off. With O_SYNC it ends with a sync.
func (h *DiskHandle) WriteAt(p []byte, off int64) (int, error) { return h.f.writeAt(p, off) }

// Append writes at the end of the file.
func (h *DiskHandle) Append(p []byte) (int, error) { return h.f.writeAt(p, atEnd) }

// Sync makes what was written so far durable, or, of a directory, the names in it.
func (h *DiskHandle) Sync() error { return h.f.sync() }

// Close gives the file up. Nothing becomes durable by it, and it does not give way.
func (h *DiskHandle) Close() { h.f.release() }

// List calls see with the names in the directory that stand from the given place on, in order, until it returns false;
// next is the place behind each. Place 0 is before all names there are by then; those of every other place were there
// when 0 was asked for last, but for those that are gone. As long as there are any it is an operation of reading.
func (h *DiskHandle) List(from int, see func(name string, i Inode, next int) bool) error {
	first := max(0, from-1)
	if from > 0 && first >= len(h.names) {
		return h.f.node.listable()
	}
	if err := h.f.begin(DiskRead, 0); err != nil {
		return err
	}
	if err := h.f.node.listable(); err != nil {
		return err
	}
	if from == 0 {
		h.names = h.f.node.list()
	}
	for k := first; k < len(h.names); k++ {
		if n := h.f.node.entries[h.names[k]]; n != nil && !see(h.names[k], Inode{n}, k+2) {
			break
		}
	}
	return nil
}
