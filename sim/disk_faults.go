package sim

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"firedrill/nodes"
)

// DiskFault is how a disk is broken.
type DiskFault string

// The faults of a disk.
const (
	DiskEIO          DiskFault = "eio"           // operations fail with an input/output error
	DiskFull         DiskFault = "full"          // no space is left: nothing is created, no file takes more room
	DiskReadOnly     DiskFault = "read-only"     // nothing can be changed
	DiskSlow         DiskFault = "slow"          // operations take Latency more
	DiskHang         DiskFault = "hang"          // operations stop until the fault is lifted
	DiskTornWrite    DiskFault = "torn-write"    // at power loss the last un-synced write of a file is there in part
	DiskUnsyncedLoss DiskFault = "unsynced-loss" // at power loss some un-synced changes are lost, in no order
	DiskLyingSync    DiskFault = "lying-sync"    // a sync says ok, and makes nothing durable
	DiskBitRot       DiskFault = "bit-rot"       // one bit of what is read, or written, turns over and stays so
	DiskCrashAtSync  DiskFault = "crash-at-sync" // the machine loses power in the middle of a sync
)

// DiskFaults are all of them, in the order in which they are documented.
var DiskFaults = []DiskFault{DiskEIO, DiskFull, DiskReadOnly, DiskSlow, DiskHang, DiskTornWrite, DiskUnsyncedLoss,
	DiskLyingSync, DiskBitRot, DiskCrashAtSync}

// DiskOperation is what a fault can choose operations by.
type DiskOperation string

// The operations. Reading includes asking for a file's state and for the names in a directory, writing the changes of
// length, mode and times; a directory is created too.
const (
	DiskRead   DiskOperation = "read"
	DiskWrite  DiskOperation = "write"
	DiskSync   DiskOperation = "sync"
	DiskRename DiskOperation = "rename"
	DiskCreate DiskOperation = "create"
	DiskRemove DiskOperation = "remove"
	DiskOpen   DiskOperation = "open" // of what exists
)

// DiskOperations are all of them.
var DiskOperations = []DiskOperation{DiskRead, DiskWrite, DiskSync, DiskRename, DiskCreate, DiskRemove, DiskOpen}

// DiskCondition is what a fault makes of a disk.
type DiskCondition struct {
	How DiskFault
	// Operations are those meant; nil: all that the fault can act on. Bit-rot without any acts on reading.
	Operations []DiskOperation
	// Path chooses files and directories: a pattern as of path.Match, or a directory with all that is below it. "":
	// all. A rename is chosen by either of its names.
	Path string
	// Nth hits only the n-th operation of those meant, counted from 1 since the fault was imposed. 0: each.
	Nth int
	// Share hits only so many of those meant, at random. Of unsynced-loss it is how many changes are lost; nil: half.
	Share *nodes.Share
	// Latency is what slow adds.
	Latency time.Duration
}

// Check reports what is wrong with the condition.
func (c *DiskCondition) Check() error {
	if !slices.Contains(DiskFaults, c.How) {
		return fmt.Errorf("want one of %s, have %q", listing(DiskFaults), c.How)
	}
	for _, o := range c.Operations {
		if able := operationsOf[c.How]; !slices.Contains(able, o) {
			if len(able) == 0 {
				return fmt.Errorf("%s acts at power loss, on no operation; have %q", c.How, o)
			}
			return fmt.Errorf("%s acts on %s; have %q", c.How, listing(able), o)
		}
	}
	if _, err := path.Match(c.Path, ""); err != nil {
		return fmt.Errorf("want a path or a pattern such as /data/*, have %q", c.Path)
	}
	switch {
	case c.Nth < 0:
		return fmt.Errorf("want an nth of 1 or more, have %d", c.Nth)
	case c.Nth > 0 && len(operationsOf[c.How]) == 0:
		return fmt.Errorf("%s acts at power loss, not at the nth of some operations", c.How)
	case c.Share != nil && c.How == DiskTornWrite:
		return fmt.Errorf("%s tears one write of each file; it has no share", c.How)
	case c.Share != nil && (*c.Share < 0 || *c.Share > nodes.ShareAll):
		return fmt.Errorf("want a share from 0%% to 100%%, have %s", c.Share)
	case c.How == DiskSlow && c.Latency <= 0:
		return fmt.Errorf("slow needs a latency above zero, have %s", c.Latency)
	case c.How != DiskSlow && c.Latency != 0:
		return fmt.Errorf("only slow has a latency; have %s", c.How)
	}
	return nil
}

func listing[T ~string](words []T) string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = string(w)
	}
	return strings.Join(all, ", ")
}

// operationsOf is what each fault can act on.
var operationsOf = map[DiskFault][]DiskOperation{
	DiskEIO:         DiskOperations,
	DiskFull:        {DiskWrite, DiskCreate},
	DiskReadOnly:    {DiskWrite, DiskCreate, DiskRemove, DiskRename, DiskOpen},
	DiskSlow:        DiskOperations,
	DiskHang:        DiskOperations,
	DiskLyingSync:   {DiskSync},
	DiskBitRot:      {DiskRead, DiskWrite},
	DiskCrashAtSync: {DiskSync},
}

// DiskImposition is a condition that a fault put on a disk, and a count of what it did.
type DiskImposition struct {
	DiskCondition
	Failed, Delayed, Hung int64 // operations
	Torn, Lost            int64 // changes, at power loss
	Lied, Crashed         int64 // syncs
	Flipped               int64 // bits

	seen int // operations meant so far
}

// Hits is in how many ways an operation was touched, all told.
func (i *DiskImposition) Hits() int64 {
	return i.Failed + i.Delayed + i.Hung + i.Torn + i.Lost + i.Lied + i.Crashed + i.Flipped
}

// Impose puts a condition on the disk. Conditions stack, and can be lifted in any order.
func (d *Disk) Impose(i *DiskImposition) { d.imposed = append(d.imposed, i) }

// Lift takes it off again, lets the calls go on that hung in it, in their order, and reports whether it was there.
func (d *Disk) Lift(i *DiskImposition) bool {
	n := slices.Index(d.imposed, i)
	if n < 0 {
		return false
	}
	d.imposed = slices.Delete(slices.Clone(d.imposed), n, n+1) // Somebody may be in the middle of the list.
	hanging := d.hanging
	d.hanging = nil
	for _, h := range hanging {
		if h.in != i {
			d.hanging = append(d.hanging, h)
		}
	}
	for _, h := range hanging {
		if h.in == i {
			h.wake()
		}
	}
	return true
}

// Imposed are the impositions in force, the oldest first.
func (d *Disk) Imposed() []*DiskImposition { return d.imposed }

// hangingCall is a task that waits for a fault to be lifted.
type hangingCall struct {
	in   *DiskImposition
	wake func()
}

// call is one operation of a task on the disk.
type call struct {
	pacer       Pacer // nil: the harness looks, and no fault acts
	op          DiskOperation
	path, other string // absolute and clean only where faults are in force
}

// covers reports whether the condition is about files of this path.
func (c *DiskCondition) covers(name string) bool {
	if c.Path == "" {
		return true
	}
	chosen := absolute(c.Path)
	if below, ok := strings.CutPrefix(name, chosen); ok && (below == "" || below[0] == '/' || chosen == "/") {
		return true
	}
	matched, err := path.Match(chosen, name)
	return matched && err == nil
}

// means reports whether the condition is about such a call, other than by chance or count.
func (i *DiskImposition) means(c *call) bool {
	meant := i.Operations
	if meant == nil {
		meant = operationsOf[i.How]
		if i.How == DiskBitRot {
			meant = meant[:1]
		}
	}
	return slices.Contains(meant, c.op) && (i.covers(absolute(c.path)) || c.other != "" && i.covers(absolute(c.other)))
}

// absolute is the path as faults are told it.
func absolute(p string) string { return path.Clean("/" + p) }

// strikes reports whether the condition hits this call. It is asked once for each.
func (d *Disk) strikes(i *DiskImposition, how DiskFault, c *call) bool {
	if i.How != how || !i.means(c) {
		return false
	}
	i.seen++
	if i.Nth > 0 && i.seen != i.Nth {
		return false
	}
	return i.Share == nil || d.chance(*i.Share)
}

func (d *Disk) chance(s nodes.Share) bool {
	return s >= nodes.ShareAll || s > 0 && d.rand.Int64N(int64(nodes.ShareAll)) < int64(s)
}

// struck is the first imposition of this fault that hits the call, or nil.
func (d *Disk) struck(how DiskFault, c *call) *DiskImposition {
	if c.pacer == nil {
		return nil
	}
	for _, i := range d.imposed {
		if d.strikes(i, how, c) {
			return i
		}
	}
	return nil
}

// wait lets a call take its time: what it takes by itself, what slowness adds, and the length of every hang.
func (d *Disk) wait(c *call, takes time.Duration) {
	if c.pacer == nil {
		return
	}
	for _, i := range d.imposed {
		if d.strikes(i, DiskHang, c) {
			i.Hung++
			c.pacer.Hang(func(wake func()) { d.hanging = append(d.hanging, hangingCall{i, wake}) })
		}
	}
	for _, i := range d.imposed {
		if d.strikes(i, DiskSlow, c) {
			i.Delayed++
			takes += i.Latency
		}
	}
	c.pacer.Pause(takes)
}

// begin is wait, and then the error that a fault makes of the call.
func (d *Disk) begin(c *call, takes time.Duration) error {
	d.wait(c, takes)
	if len(d.imposed) == 0 {
		return nil
	}
	if i := d.struck(DiskEIO, c); i != nil {
		i.Failed++
		return syscall.EIO
	}
	if c.op != DiskOpen { // An opened file may only be read; openFile asks by itself.
		return d.writable(c)
	}
	return nil
}

// writable is the error of a call that changes something where nothing may be changed.
func (d *Disk) writable(c *call) error {
	if i := d.struck(DiskReadOnly, c); i != nil {
		i.Failed++
		return syscall.EROFS
	}
	return nil
}

// free is how many bytes the call may take, where it needs more. It counts a full disk as a hit.
func (d *Disk) free(c *call) int64 {
	if len(d.imposed) > 0 {
		if i := d.struck(DiskFull, c); i != nil {
			i.Failed++
			return 0
		}
	}
	return d.Free()
}

// lies is the imposition by which a sync only pretends, or nil.
func (d *Disk) lies(c *call) *DiskImposition {
	if len(d.imposed) == 0 {
		return nil
	}
	return d.struck(DiskLyingSync, c)
}

// rot turns over a bit of a stretch of a file, for good: no sync and no power loss brings it back.
func (d *Disk) rot(c *call, n *inode, off int64, length int) {
	if length == 0 {
		return // There is nothing to turn over: the end of a file is read, and no operation for this.
	}
	i := d.struck(DiskBitRot, c)
	if i == nil {
		return
	}
	bit := d.rand.Int64N(int64(length) * 8)
	var b [1]byte
	for _, held := range []*content{&n.data, n.platter} {
		if at := off + bit/8; held != nil && at < held.size {
			held.read(at, b[:])
			b[0] ^= 1 << (bit % 8)
			held.write(at, b[:])
		}
	}
	i.Flipped++
}

// survivor is a change of a file that a power loss lets through, whole or up to keep bytes.
type survivor struct {
	index int
	torn  bool
	keep  int64
}

// atLoss is the latest imposition of this fault on a path, or nil.
func (d *Disk) atLoss(how DiskFault, path string) *DiskImposition {
	for n := len(d.imposed) - 1; n >= 0; n-- {
		if i := d.imposed[n]; i.How == how && i.covers(path) {
			return i
		}
	}
	return nil
}

// loses draws whether a change is lost to unsynced-loss.
func (d *Disk) loses(i *DiskImposition) bool {
	share := nodes.ShareAll / 2
	if i.Share != nil {
		share = *i.Share
	}
	lost := d.chance(share)
	if lost {
		i.Lost++
	}
	return lost
}

// dataThatSurvives chooses among the un-synced changes of a file. Without a fault none survives. Unsynced-loss takes
// some away, in no order. Where a torn write is to be seen, all survive that are not lost, and the last write in
// part.
func (d *Disk) dataThatSurvives(path string, n *inode) []survivor {
	if len(d.imposed) == 0 || len(n.pending) == 0 {
		return nil
	}
	lossy, torn := d.atLoss(DiskUnsyncedLoss, path), d.atLoss(DiskTornWrite, path)
	if lossy == nil && torn == nil {
		return nil
	}
	var all []survivor
	last := -1
	for i := range n.pending {
		if lossy != nil && d.loses(lossy) {
			continue
		}
		if c := &n.pending[i]; c.n > 0 {
			last = len(all)
		}
		all = append(all, survivor{index: i})
	}
	if torn != nil && last >= 0 {
		c := &n.pending[all[last].index]
		if keep := tornAt(c.off, c.n, d.rand); keep < c.n {
			all[last].torn, all[last].keep = true, keep
			torn.Torn++
		}
	}
	return all
}

// replayNames does again those un-synced changes of names that a power loss lets through, over what is durable. One
// survives only where it makes sense without those that are lost: each entry is as it was found, what is moved stays
// in reach, and a directory that is removed is empty.
func (d *Disk) replayNames() {
	if len(d.imposed) == 0 {
		return
	}
	for _, x := range d.names {
		if !x.durable && d.letsThrough(x) && x.finds() {
			x.redo()
			if !d.whole(x) {
				x.undo()
			}
		}
	}
}

// finds reports whether all entries are as they were before the change.
func (x *nameChange) finds() bool {
	return !slices.ContainsFunc(x.steps, func(s nameStep) bool { return s.dir.entries[s.name] != s.from })
}

// whole reports whether the change, just done, has cut nothing off that it did not mean to remove.
func (d *Disk) whole(x *nameChange) bool {
	for i := range x.steps {
		s := &x.steps[i]
		kept := slices.ContainsFunc(x.steps, func(t nameStep) bool { return t.to == s.from })
		if s.from != nil && len(s.from.entries) > 0 && !kept {
			return false
		}
	}
	if x.local() {
		return true
	}
	for i := range x.steps {
		if s := &x.steps[i]; s.to != nil && !d.root.reaches(s.dir) {
			return false
		}
	}
	return true
}

// reaches reports whether a directory is n or below it.
func (n *inode) reaches(dir *inode) bool {
	if n == dir {
		return true
	}
	for _, c := range n.entries { // In any order: the answer is the same.
		if c.isDir() && c.reaches(dir) {
			return true
		}
	}
	return false
}

// letsThrough draws whether a power loss lets a change of names through, as far as that depends on itself.
func (d *Disk) letsThrough(x *nameChange) bool {
	s := &x.steps[len(x.steps)-1]
	path := join(s.dir.path(), s.name)
	if lossy := d.atLoss(DiskUnsyncedLoss, path); lossy != nil {
		return !d.loses(lossy)
	}
	return d.atLoss(DiskTornWrite, path) != nil
}
