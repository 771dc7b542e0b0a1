package sim

import (
	"cmp"
	"slices"
)

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
	// after are the arrivals of the directories into which something was moved: before these are durable, what was
	// moved must not disappear from where it was.
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
		x.follows(to.dir)
		if from.to != nil {
			x.follows(from.dir)
		}
	}
	d.changeNames(x)
}

// follows lets a change rest upon the arrivals of a directory and of those above it.
func (x *nameChange) follows(dir *inode) {
	for ; dir != dir.parent; dir = dir.parent {
		if a := dir.arrival.merged(); a != nil && !a.durable {
			x.after = append(x.after, a)
		}
	}
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
		if s.from != nil {
			s.from.links--
		}
		if s.to != nil {
			s.to.links++
			s.to.parent, s.to.name = s.dir, s.name
			if s.to.isDir() {
				s.to.arrival = x
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
	if len(dir.unsynced)%d.mergeAfter != 0 || dir.syncs > 0 {
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
