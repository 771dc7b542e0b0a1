package sim

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// sector is what a disk writes whole or not at all.
const sector = 512

// dataChange is one change of what a file holds. It can be undone and done again, and keeps what that needs: the cost
// is that of the bytes written, whatever the size of the file.
type dataChange struct {
	number uint64
	cut    bool // the file was made off bytes long; otherwise n bytes were written at off
	off, n int64
	size   int64    // of the file before
	bytes  []byte   // of a write: what it replaced; while undone, what it wrote
	tail   []chunk  // what a cut took away
	whole  *content // many changes in one: the content before; while undone, the one after
}

// do makes the change in c, whatever c is by now.
func (x *dataChange) do(c *content) {
	size := c.size
	switch {
	case x.whole != nil:
		*c, *x.whole = *x.whole, *c
	case x.cut && x.off < size:
		x.tail = c.tail(x.off)
		c.cut(x.off)
	case x.cut:
		c.size = x.off
	default:
		var replaced []byte
		if n := min(x.off+x.n, size) - x.off; n > 0 {
			replaced = make([]byte, n)
			c.read(x.off, replaced)
		}
		c.write(x.off, x.bytes)
		x.bytes = replaced
	}
	x.size = size
}

// undo makes c what it was before do. Nothing else was done since, or it was undone.
func (x *dataChange) undo(c *content) {
	switch {
	case x.whole != nil:
		*c, *x.whole = *x.whole, *c
	case x.cut && x.off < x.size:
		c.putBack(x.size, x.tail)
		x.tail = nil
	case x.cut:
		c.cut(x.size)
	default:
		written := make([]byte, x.n)
		c.read(x.off, written)
		c.write(x.off, x.bytes)
		c.cut(x.size)
		x.bytes = written
	}
}

// note keeps a change that was done until it is durable. More than most of them become one.
func (n *inode) note(c dataChange, most int) {
	n.pending = append(n.pending, c)
	n.weight += int64(len(c.bytes))
	if n.platter == nil && n.syncs == 0 && (len(n.pending) > most || n.weight > max(1<<20, 2*n.data.size)) {
		before := n.durable()
		n.pending = append(n.pending[:0:0], dataChange{number: c.number, whole: &before})
		n.weight = 0
	}
}

// undoData makes data what it was before the last k changes; redoData takes it from there to now.
func (n *inode) undoData(k int) {
	for i := len(n.pending) - 1; i >= len(n.pending)-k; i-- {
		n.pending[i].undo(&n.data)
	}
}

func (n *inode) redoData(k int) {
	for i := len(n.pending) - k; i < len(n.pending); i++ {
		n.pending[i].do(&n.data)
	}
}

// durable is what would be left of the file if the power failed now.
func (n *inode) durable() content {
	if n.platter != nil {
		return n.platter.clone()
	}
	n.undoData(len(n.pending))
	c := n.data.clone()
	n.redoData(len(n.pending))
	return c
}

// until is how many of the pending changes have numbers up to this one.
func (n *inode) until(number uint64) int {
	k := len(n.pending)
	for k > 0 && n.pending[k-1].number > number {
		k--
	}
	return k
}

// keepData makes the changes up to number durable.
func (n *inode) keepData(number uint64, attr attributes) {
	k := n.until(number)
	if n.platter != nil && k > 0 {
		later := len(n.pending) - k
		n.undoData(later)
		for i := range n.pending[:k] {
			n.writeOut(&n.pending[i])
		}
		n.redoData(later)
	}
	n.kept = attr
	n.forget(k)
}

// writeOut takes what a change touched over to the platter.
func (n *inode) writeOut(x *dataChange) {
	if x.cut {
		if x.off < n.platter.size {
			n.platter.cut(x.off)
		}
		n.platter.size = x.off
		return
	}
	p := make([]byte, max(0, min(x.off+x.n, n.data.size)-x.off))
	n.data.read(x.off, p)
	n.platter.write(x.off, p)
}

// loseData makes the changes up to number clean without being durable: their sync failed.
func (n *inode) loseData(number uint64) {
	k := n.until(number)
	if k == 0 {
		return
	}
	if n.platter == nil {
		c := n.durable()
		n.platter = &c
	}
	n.forget(k)
}

// forget drops the oldest k changes from the notes.
func (n *inode) forget(k int) {
	if k == 0 {
		return
	}
	left := copy(n.pending, n.pending[k:])
	clear(n.pending[left:])
	n.pending = n.pending[:left]
	n.weight = 0
	for i := range n.pending {
		n.weight += int64(len(n.pending[i].bytes))
	}
}

// SyncAll is what a shutdown in good order does: everything becomes durable, whatever faults are in force, and all
// files are closed. Only data whose sync failed is lost, since it is not dirty. It takes no time.
func (d *Disk) SyncAll() {
	for _, x := range d.names {
		x.durable = true
	}
	d.walk(func(_ string, n *inode) {
		n.keepData(d.changes, n.attr)
	})
	d.PowerLoss()
}

// walk visits every file and directory, a directory before what is in it, in the order of names.
func (d *Disk) walk(visit func(path string, n *inode)) { d.root.walk("/", visit) }

func (n *inode) walk(path string, visit func(path string, n *inode)) {
	visit(path, n)
	for _, name := range n.list() {
		n.entries[name].walk(join(path, name), visit)
	}
}

// list is the names in a directory, in order.
func (n *inode) list() []string {
	return slices.Sorted(maps.Keys(n.entries))
}

// PowerLoss forgets what was not synced, but for what the faults unsynced-loss and torn-write let through. Open files
// are stale from then on, and calls that hung are forgotten.
func (d *Disk) PowerLoss() {
	d.undoNames()
	d.replayNames()
	d.walk(func(path string, n *inode) {
		n.unsynced, n.arrival = nil, nil
		if !n.isDir() {
			d.losePending(path, n)
		}
		n.attr = n.kept
	})
	d.restart()
}

// restart begins a new session with what is on the disk.
func (d *Disk) restart() {
	d.sessions++
	d.busy, d.hanging, d.orphans = 0, nil, nil
	d.names, d.settled, d.used, d.files = nil, 0, 0, 0
	d.walk(func(_ string, n *inode) { n.links, n.opens, n.syncs = 0, 0, 0 })
	d.walk(func(_ string, n *inode) {
		if n.links++; n.links > 1 {
			return // Its other names were counted.
		}
		d.back(n)
		d.inodes = max(d.inodes, n.id)
		for name, c := range n.entries { // In any order: each is told its own.
			if c.isDir() {
				c.parent, c.name = n, name
			}
		}
	})
}

// losePending undoes the changes of a file that are lost.
func (d *Disk) losePending(path string, n *inode) {
	survivors := d.dataThatSurvives(path, n)
	n.undoData(len(n.pending))
	if n.platter != nil {
		n.data, n.platter = *n.platter, nil
	}
	for i := range survivors {
		c := n.pending[survivors[i].index]
		if survivors[i].torn {
			c.n = survivors[i].keep
			c.bytes = c.bytes[:c.n]
		}
		c.do(&n.data)
	}
	n.pending, n.weight = nil, 0
}

// Snapshot is what a disk held durably at some moment. It does not change any more.
type Snapshot struct{ root *inode }

// Snapshot is what would be left if the power failed now. It shares its bytes with the disk until they are written to.
func (d *Disk) Snapshot() *Snapshot {
	d.undoNames()
	root := d.root.copy(true, map[*inode]*inode{})
	d.redoNames()
	return &Snapshot{root}
}

// copy is a second tree like the one under n: as it is, or what of it is durable. Files that may have several names are
// in copied once they were met.
func (n *inode) copy(durable bool, copied map[*inode]*inode) *inode {
	if n.shared && copied[n] != nil {
		return copied[n]
	}
	c := &inode{id: n.id, attr: n.attr, kept: n.attr, links: 1, target: n.target, shared: n.shared}
	if n.shared {
		copied[n] = c
	}
	if durable {
		c.attr, c.kept = n.kept, n.kept
	}
	switch {
	case !n.isDir() && durable:
		c.data = n.durable()
	case !n.isDir():
		c.data = n.data.clone()
	default:
		c.entries = make(map[string]*inode, len(n.entries))
		c.parent = c
		for name, child := range n.entries { // In any order: it makes a map again.
			c.entries[name] = child.copy(durable, copied)
		}
	}
	return c
}

// Restore makes the disk hold what the snapshot holds, all of it durable, as when another disk is put in its place. The
// machine is off.
func (d *Disk) Restore(s *Snapshot) {
	d.root = s.root.copy(false, map[*inode]*inode{})
	d.restart()
}

// Erase makes the disk an empty one. The machine is off.
func (d *Disk) Erase() {
	d.root = d.newInode(d.root.attr.mode)
	d.restart()
}

// tornAt is where a write of n bytes at off is cut, as bytes that are left: at the edge of a sector inside it or,
// where it lies in one sector, before or after it.
func tornAt(off, n int64, r *rand.Rand) int64 {
	first := sector - off%sector
	if first >= n {
		return r.Int64N(2) * n
	}
	return first + sector*r.Int64N((n-first+sector-1)/sector)
}
