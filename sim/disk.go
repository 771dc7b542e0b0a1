package sim

import (
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Pacer makes the task that uses a disk wait for it. Only a world can.
type Pacer interface {
	// Pause lets d of true time pass; for 0 it may give way. It does not return to a task that is dropped meanwhile.
	Pause(d time.Duration)
	// Hang stops the task until the function that it hands to register is called.
	Hang(register func(wake func()))
}

// Disk is one machine's disk: files and directories in memory, as the machine sees them, and beside that what of it
// would survive a power loss. It is passive: the world does the waiting, and calls it from one place at a time.
//
// The rules are those of Linux at their strictest. What a file holds is durable once File.Sync has returned; a name
// (created, renamed, removed) once its directory was opened and synced. Software that stops loses neither. Modes and
// times go with the content. A sync that fails leaves its data lost and yet no longer dirty: the next sync says ok.
// Names stay dirty until a sync of their directory succeeds.
type Disk struct {
	// OnSync is called after a sync that said ok to a task of the machine, with the path that the file was opened by.
	OnSync func(path string)
	// OnCrash is called by the fault crash-at-sync, in the task that syncs, before anything becomes durable. The world
	// turns the machine off.
	OnCrash func()

	spec    DiskSpec
	rand    *rand.Rand
	now     func() time.Time
	elapsed func() time.Duration
	busy    time.Duration // by elapsed, when the last transfer is through

	root     *inode
	inodes   uint64 // made so far
	changes  uint64 // to content and names, so far: each has a number
	names    []*nameChange
	settled  int      // of names, how many are durable and may be swept out
	touched  []*inode // directories with changes that became durable by another's sync
	orphans  []*inode // without a name, and open
	followed int      // symbolic links on the way of the path that is looked for
	used     int64
	files    int64 // inodes that have a name or are open
	sessions int   // a file that was opened in an earlier one is stale

	// mergeAfter is how many changes of one file or directory are told apart. When there are more, without a sync,
	// they become one: all survive a power loss, or none.
	mergeAfter int

	imposed []*DiskImposition
	hanging []hangingCall
}

// NewDisk makes an empty disk. Its random stream serves faults only.
func NewDisk(spec DiskSpec, r *rand.Rand) *Disk {
	d := &Disk{spec: spec, rand: r, now: func() time.Time { return time.Time{} }, mergeAfter: 1024}
	d.root = d.newInode(os.ModeDir | 0o755)
	d.root.links, d.files = 1, 1
	return d
}

// SetNow sets the clock that modification times are read from. Without one they are zero.
func (d *Disk) SetNow(now func() time.Time) { d.now = now }

// SetElapsed sets the true time, by which transfers queue for the bandwidth that they share. Without it each has all
// of it.
func (d *Disk) SetElapsed(elapsed func() time.Duration) { d.elapsed = elapsed }

// Spec is what the disk was made from.
func (d *Disk) Spec() DiskSpec { return d.spec }

// Used is how many bytes the files take, those included that are removed but still open.
func (d *Disk) Used() int64 { return d.used }

// Free is how many bytes are left.
func (d *Disk) Free() int64 { return max(0, d.spec.Capacity()-d.used) }

// CloseAll closes every file, as a kernel does for software that is gone. What it wrote stays, synced or not.
func (d *Disk) CloseAll() {
	d.sessions++
	for _, n := range d.orphans {
		n.opens = 0
		d.gone(n)
	}
	d.orphans = nil
	d.walk(func(_ string, n *inode) { n.opens, n.syncs = 0, 0 })
}

// maxFileSize keeps a mistaken offset from costing memory: the table of a file's chunks takes 1/2048 of it.
const maxFileSize = 64 << 30

// maxName and maxPath are Linux's NAME_MAX and PATH_MAX; maxLinks is how many symbolic links a path may lead over.
const (
	maxName  = 255
	maxPath  = 4096
	maxLinks = 40
)

// inode is a file, a directory or a symbolic link, whatever it is called.
type inode struct {
	id    uint64
	attr  attributes
	kept  attributes // what of attr is durable
	links int        // names it has; of a directory, 0 or 1
	opens int        // files open on it

	// syncs is how many syncs are under way; their extent is told by numbers of changes, so that none are merged
	// meanwhile.
	syncs int

	// Of a file.
	data    content
	pending []dataChange // since the last sync, the oldest first
	weight  int64        // bytes that pending holds on to
	platter *content     // what is durable, where that is not data with pending undone: a sync failed

	// Of a symbolic link: where it leads. It is durable with the name.
	target string

	// Of a directory. A file has several names at a time: here is the one that it was got or looked up by last, which
	// faults may choose it by.
	parent *inode
	name   string // in its parent

	// shared: it had several names once, so that a power loss may bring them back.
	shared bool

	// Of a directory.
	entries  map[string]*inode
	unsynced []*nameChange // changes of its entries that are not durable, the oldest first
	arrival  *nameChange   // by which it got its present place; nil: long ago
}

// attributes are obeyed by nobody: software may do everything to every file.
type attributes struct {
	mode         os.FileMode
	mtime        time.Time
	owner, group uint32
}

func (d *Disk) newInode(mode os.FileMode) *inode {
	d.inodes++
	n := &inode{id: d.inodes, attr: attributes{mode: mode, mtime: d.now()}}
	n.kept = n.attr
	if mode.IsDir() {
		n.entries = map[string]*inode{}
		n.parent = n
	}
	return n
}

func (n *inode) isDir() bool { return n.entries != nil }

// place is where a path leads.
type place struct {
	dir  *inode // where the name stands; nil where the path ends in `.`, `..` or is the root
	name string // its last word
	node *inode // what is there; nil: nothing
	// slash: the path ends in one, and can only mean a directory.
	slash bool
}

// find follows a path from the root. All of it but the last name has to exist; that name may be a symbolic link's.
func (d *Disk) find(path string) (place, error) {
	d.followed = 0
	return d.findFrom(d.root, path, false)
}

// follow is find, and where that leads to a symbolic link, what it stands for.
func (d *Disk) follow(path string) (place, error) {
	d.followed = 0
	return d.findFrom(d.root, path, true)
}

func (d *Disk) findFrom(dir *inode, path string, last bool) (place, error) {
	switch {
	case path == "":
		return place{}, syscall.ENOENT
	case len(path) >= maxPath:
		return place{}, syscall.ENAMETOOLONG
	case strings.IndexByte(path, 0) >= 0:
		return place{}, syscall.EINVAL
	case path[0] == '/':
		dir = d.root
	}
	at := place{node: dir, name: "/"}
	for i := 0; i < len(path); {
		if path[i] == '/' {
			i++
			continue
		}
		name := path[i:]
		if end := strings.IndexByte(name, '/'); end >= 0 {
			name = name[:end]
		}
		i += len(name)
		dir := at.node
		switch {
		case dir == nil:
			return place{}, syscall.ENOENT
		case !dir.isDir():
			return place{}, syscall.ENOTDIR
		case name == ".":
			at = place{name: name, node: dir}
		case name == "..":
			at = place{name: name, node: dir.parent}
		case len(name) > maxName:
			return place{}, syscall.ENAMETOOLONG
		default:
			at = place{dir: dir, name: name, node: dir.entries[name]}
		}
		at.slash = i < len(path)
		if n := at.node; n != nil && n.target != "" && (last || strings.Trim(path[i:], "/") != "") {
			if d.followed++; d.followed > maxLinks {
				return place{}, syscall.ELOOP
			}
			slash := at.slash
			var err error
			if at, err = d.findFrom(dir, n.target, true); err != nil {
				return place{}, err
			}
			at.slash = at.slash || slash
		}
	}
	return at, nil
}

// existing is follow for a path that must lead to something.
func (d *Disk) existing(path string) (place, error) { return present(d.follow(path)) }

// present makes an error of a place where nothing is, or no directory where there should be one.
func present(at place, err error) (place, error) {
	switch {
	case err != nil:
		return at, err
	case at.node == nil:
		return at, syscall.ENOENT
	case at.slash && !at.node.isDir():
		return at, syscall.ENOTDIR
	}
	return at, nil
}

// create makes a file or directory where nothing is.
func (d *Disk) create(at place, mode os.FileMode) *inode {
	n := d.newInode(mode)
	d.files++
	d.setName(nameStep{dir: at.dir, name: at.name, to: n})
	return n
}

// link gives a file one more name, where nothing is.
func (d *Disk) link(n *inode, at place) {
	n.shared = true
	d.setName(nameStep{dir: at.dir, name: at.name, to: n})
}

// remove takes a name away. A directory has to be empty.
func (d *Disk) remove(at place) {
	d.setName(nameStep{dir: at.dir, name: at.name, from: at.node})
	d.unlinked(at.node)
}

// move gives what is at one place the other name, and takes that from whatever had it.
func (d *Disk) move(from, to place) {
	d.moveName(nameStep{dir: from.dir, name: from.name, from: from.node},
		nameStep{dir: to.dir, name: to.name, from: to.node, to: from.node})
	if to.node != nil {
		d.unlinked(to.node)
	}
}

// exchange gives each of two the other's name.
func (d *Disk) exchange(a, b place) {
	d.moveName(nameStep{dir: a.dir, name: a.name, from: a.node, to: b.node},
		nameStep{dir: b.dir, name: b.name, from: b.node, to: a.node})
}

// unlinked gives up a file that has lost a name, if it was the last one and nobody has it open.
func (d *Disk) unlinked(n *inode) {
	switch {
	case n.links > 0:
	case n.opens > 0:
		d.orphans = append(d.orphans, n)
	default:
		d.gone(n)
	}
}

// gone is told that nothing leads to an inode any more; back, that something does again.
func (d *Disk) gone(n *inode) {
	d.used -= n.data.room
	d.files--
}

func (d *Disk) back(n *inode) {
	d.used += n.data.room
	d.files++
}

// opened is told that one open file more is on n, which a kernel may still know after its last name is gone.
func (d *Disk) opened(n *inode) {
	if n.opens == 0 && n.links == 0 {
		d.orphans = append(d.orphans, n)
		d.back(n)
	}
	n.opens++
}

// closed is told that one open file less is on n.
func (d *Disk) closed(n *inode) {
	n.opens--
	if n.opens == 0 && n.links == 0 {
		d.orphans = slices.DeleteFunc(d.orphans, func(o *inode) bool { return o == n })
		d.gone(n)
	}
}

// write puts p at off, as much of it as the disk has room for.
func (d *Disk) write(n *inode, off int64, p []byte, free int64) (int, error) {
	var err error
	if off > maxFileSize-int64(len(p)) {
		return 0, syscall.EFBIG
	}
	if fit := n.data.fits(off, len(p), free); fit < len(p) {
		p, err = p[:fit], syscall.ENOSPC
	}
	if len(p) > 0 {
		d.changeData(n, dataChange{off: off, n: int64(len(p)), bytes: p})
	}
	return len(p), err
}

// truncate makes a file size bytes long. What it gains is a hole and takes no room.
func (d *Disk) truncate(n *inode, size int64) error {
	if size > maxFileSize {
		return syscall.EFBIG
	}
	if size != n.data.size {
		d.changeData(n, dataChange{cut: true, off: size})
	} else {
		n.attr.mtime = d.now()
	}
	return nil
}

// changeData changes what a file holds, and takes a note of it until the next sync.
func (d *Disk) changeData(n *inode, c dataChange) {
	d.changes++
	c.number = d.changes
	room := n.data.room
	c.do(&n.data)
	d.used += n.data.room - room
	n.attr.mtime = d.now()
	n.note(c, d.mergeAfter)
}

// path is where a directory is, or was before it was removed.
func (n *inode) path() string {
	if n.parent == n {
		return "/"
	}
	return join(n.parent.path(), n.name)
}

// join is the path of a name in a directory.
func join(dir, name string) string {
	if dir == "/" {
		return dir + name
	}
	return dir + "/" + name
}
