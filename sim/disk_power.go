package sim

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
)

// sector is what a disk writes whole or not at all.
const sector = 512

// mergeAfter is how many changes of one file or directory are told apart. When there are more, without a sync, they become one:
// all survive a power loss, or none.
const mergeAfter = 1024

// dataChange is one change of what a file holds. It can be undone and done again, and keeps what that needs: the cost is
// that of the bytes written, whatever the size of the file.
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

// note keeps a change that was done until it is durable.
func (n *inode) note(c dataChange) {
	n.pending = append(n.pending, c)
	n.weight += int64(len(c.bytes))
	if n.platter == nil && n.syncs == 0 && (len(n.pending) > mergeAfter || n.weight > max(1<<20, 2*n.data.size)) {
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

// nameStep is one entry of a directory that changed.
type nameStep struct {
	dir      *inode
	name     string
	from, to *inode // nil: nothing
}

func (s *nameStep) set(n *inode) {
	if n == nil {
		delete(s.dir.entries, s.name)
	} else {
		s.dir.entries[s.name] = n
	}
}

// nameChange is one change of names. A rename is one change: no power loss shows half of it.
type nameChange struct {
	number uint64
	steps  []nameStep // in order; undone backwards
	// after are the arrivals of the directories into which something was moved: before these are durable, what was moved must
	// not disappear from where it was.
	after   []*nameChange
	durable bool
	into    *nameChange // the change that this one was merged into
	pair    [2]nameStep // room for the steps
}

// setName and moveName make a change of one and of two entries.
func (d *Disk) setName(s nameStep) {
	x := &nameChange{pair: [2]nameStep{s}}
	x.steps = x.pair[:1]
	d.changeNames(x)
}

func (d *Disk) moveName(from, to nameStep) {
	x := &nameChange{pair: [2]nameStep{from, to}}
	x.steps = x.pair[:2]
	if from.dir != to.dir {
		for dir := to.dir; dir != dir.parent; dir = dir.parent {
			if a := dir.arrival.merged(); a != nil && !a.durable {
				x.after = append(x.after, a)
			}
		}
	}
	d.changeNames(x)
}

// changeNames changes entries, and takes a note of it until their directories are synced.
func (d *Disk) changeNames(x *nameChange) {
	d.changes++
	x.number = d.changes
	now := d.now()
	for i := range x.steps {
		s := &x.steps[i]
		s.set(s.to)
		s.dir.attr.mtime = now
		if s.to != nil {
			s.to.links = 1
			if s.to.isDir() {
				s.to.parent, s.to.name, s.to.arrival = s.dir, s.name, x
			}
		}
		if i == 0 || s.dir != x.steps[0].dir {
			s.dir.unsynced = append(s.dir.unsynced, x)
		}
	}
	d.names = append(d.names, x)
	for i := range x.steps {
		d.mergeNames(x.steps[i].dir)
	}
	d.sweep()
}

// sweep drops what is durable from the list of all changes of names, when that is most of it.
func (d *Disk) sweep() {
	if d.settled > 64 && d.settled > len(d.names)/2 {
		d.names = slices.DeleteFunc(d.names, func(x *nameChange) bool { return x.durable })
		d.settled = 0
	}
}

// keepNames makes the changes of a directory's entries up to number durable, and those that they rest upon.
func (d *Disk) keepNames(dir *inode, number uint64, attr attributes) {
	for _, x := range dir.unsynced {
		if x.number > number {
			break
		}
		d.keepName(x, dir)
	}
	durable := func(x *nameChange) bool { return x.durable }
	dir.unsynced = slices.DeleteFunc(dir.unsynced, durable)
	for _, other := range d.touched {
		other.unsynced = slices.DeleteFunc(other.unsynced, durable)
	}
	d.touched = d.touched[:0]
	dir.kept = attr
}

// keepName makes one change durable. What it rests upon in dir is durable already.
func (d *Disk) keepName(x *nameChange, dir *inode) {
	if x.durable {
		return
	}
	x.durable = true
	d.settled++
	for _, a := range x.after {
		d.keepName(a.merged(), nil)
	}
	for i := range x.steps {
		s := &x.steps[i]
		if s.to != nil && s.to.arrival.merged() == x {
			s.to.arrival = nil
		}
		if s.dir != dir {
			// The change before it of the same entry, or the one that is kept would be of nothing.
			for _, y := range s.dir.unsynced {
				if y.number < x.number && y.touches(s) {
					d.keepName(y, nil)
				}
			}
			d.touched = append(d.touched, s.dir)
		}
		if s.from != nil && s.from.isDir() && s.from.links == 0 {
			// A directory that is gone: what was moved out of it has to be elsewhere.
			for _, y := range s.from.unsynced {
				d.keepName(y, s.from)
			}
			s.from.unsynced = nil
		}
	}
}

// merged is the change that stands for x now; of nil, nil.
func (x *nameChange) merged() *nameChange {
	for x != nil && x.into != nil {
		x = x.into
	}
	return x
}

func (x *nameChange) touches(s *nameStep) bool {
	return slices.ContainsFunc(x.steps, func(t nameStep) bool { return t.dir == s.dir && t.name == s.name })
}

// local reports whether all steps are in one directory.
func (x *nameChange) local() bool {
	return x.steps[len(x.steps)-1].dir == x.steps[0].dir
}

// mergeNames makes one change of each run of changes in one directory, once there are many.
func (d *Disk) mergeNames(dir *inode) {
	if len(dir.unsynced)%mergeAfter != 0 || dir.syncs > 0 {
		return
	}
	var merged []*nameChange
	var run *nameChange
	at := map[string]int{}
	for _, x := range dir.unsynced {
		if !x.local() {
			merged, run = append(merged, x), nil
			continue
		}
		if run == nil {
			run = &nameChange{}
			clear(at)
			merged = append(merged, run)
		}
		run.number, x.into = x.number, run
		for _, s := range x.steps {
			if i, ok := at[s.name]; ok {
				run.steps[i].to = s.to
			} else {
				at[s.name] = len(run.steps)
				run.steps = append(run.steps, s)
			}
		}
	}
	dir.unsynced = merged
	d.names = slices.DeleteFunc(d.names, func(x *nameChange) bool { return x.into != nil })
	for _, x := range merged {
		if x.local() {
			d.names = append(d.names, x)
		}
	}
	slices.SortFunc(d.names, func(a, b *nameChange) int { return cmp.Compare(a.number, b.number) })
}

func (x *nameChange) redo() {
	for i := range x.steps {
		x.steps[i].set(x.steps[i].to)
	}
}

func (x *nameChange) undo() {
	for i := len(x.steps) - 1; i >= 0; i-- {
		x.steps[i].set(x.steps[i].from)
	}
}

// undoNames makes the entries of all directories what is durable of them; redoNames what they are.
func (d *Disk) undoNames() {
	for i := len(d.names) - 1; i >= 0; i-- {
		if x := d.names[i]; !x.durable {
			x.undo()
		}
	}
}

func (d *Disk) redoNames() {
	for _, x := range d.names {
		if !x.durable {
			x.redo()
		}
	}
}

// SyncAll is what a shutdown in good order does: everything becomes durable, whatever faults are in force, and all files are
// closed. Only data whose sync failed is lost, since it is not dirty. It takes no time.
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

// PowerLoss forgets what was not synced, but for what the faults unsynced-loss and torn-write let through. Open files are
// stale from then on, and calls that hung are forgotten.
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
	d.names, d.settled, d.used = nil, 0, 0
	d.walk(func(_ string, n *inode) {
		n.links, n.opens, n.syncs = 1, 0, 0
		d.used += n.data.room
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
	root := d.root.copy(true)
	d.redoNames()
	return &Snapshot{root}
}

// copy is a second tree like the one under n: as it is, or what of it is durable.
func (n *inode) copy(durable bool) *inode {
	c := &inode{id: n.id, attr: n.attr, kept: n.attr, links: 1}
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
			c.entries[name] = child.copy(durable)
		}
	}
	return c
}

// Restore makes the disk hold what the snapshot holds, all of it durable, as when another disk is put in its place. The
// machine is off.
func (d *Disk) Restore(s *Snapshot) {
	d.root = s.root.copy(false)
	d.restart()
}

// Erase makes the disk an empty one. The machine is off.
func (d *Disk) Erase() {
	d.root = d.newInode(d.root.attr.mode)
	d.restart()
}

// tornAt is where a write of n bytes at off is cut, as bytes that are left: at the edge of a sector inside it or, where it lies
// in one sector, before or after it.
func tornAt(off, n int64, r *rand.Rand) int64 {
	first := sector - off%sector
	if first >= n {
		return r.Int64N(2) * n
	}
	return first + sector*r.Int64N((n-first+sector-1)/sector)
}
