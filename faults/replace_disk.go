package faults

import (
	"errors"
	"fmt"
	"slices"

	"firedrill/sim"
)

// The ways to replace a disk.
const (
	DiskEmpty       = "empty"
	DiskEarlierCopy = "earlier-copy"
)

// ReplaceDisk puts another disk into a machine that is powered off; one that is on keeps its disk, and nothing is hit. Undone,
// the disk that was there before is back, if the machine is off then; the end of the drill and a heal leave the new one. What
// break_disk did to the old one is over: the new one is in order.
type ReplaceDisk struct {
	Machine string `yaml:"replace_disk" ref:"machine" doc:"the machine, powered off, that gets another disk"`
	How     string `yaml:"how" choices:"empty earlier-copy" doc:"a blank disk, or one that holds what the machine's own held once"`
	AsOf    string `yaml:"as_of" ref:"step" doc:"of earlier-copy: what was durable just before this step fired"`
}

func (f *ReplaceDisk) String() string { return Print(f) }

// Check finds a copy of nothing.
func (f *ReplaceDisk) Check() error {
	switch {
	case f.How == "":
		return fmt.Errorf("replace_disk wants a how: %s or %s", DiskEmpty, DiskEarlierCopy)
	case f.How == DiskEarlierCopy && f.AsOf == "":
		return errors.New("an earlier-copy wants as_of: the step just before which it was made")
	case f.How == DiskEmpty && f.AsOf != "":
		return errors.New("an empty disk is of no time; as_of goes with earlier-copy")
	}
	return nil
}

// replaced is a disk that was put into a machine, with what was there before.
type replaced struct{ before *sim.Snapshot }

// Inject changes the disks. Of several the last that is still in force is in the machine, whatever the order in which they are
// undone.
func (f *ReplaceDisk) Inject(b *Board) Effect {
	m := b.World.Machine(f.Machine)
	copied := b.copies[f.AsOf][f.Machine]
	if m == nil || m.State() != sim.StateOff || f.How == DiskEarlierCopy && copied == nil {
		return Effect{Receipt: func() Receipt { return nil }}
	}
	for _, e := range b.entries {
		if broken, is := e.Fault.(*BreakDisk); is && broken.Machine == f.Machine {
			b.lift(e) // It goes with the disk that goes.
		}
	}
	own := &replaced{before: m.Disk().Snapshot()}
	b.disks[f.Machine] = append(b.disks[f.Machine], own)
	if f.How == DiskEarlierCopy {
		m.Disk().Restore(copied)
	} else {
		m.Disk().Erase()
	}
	return Effect{
		Stays:   true,
		Undo:    func() { b.putBack(m, own) },
		Receipt: func() Receipt { return Receipt{count(1, "disk", "disks", "replaced")} },
	}
}

// putBack undoes the replacement of a disk, where somebody can open the machine.
func (b *Board) putBack(m sim.Machine, own *replaced) {
	all := b.disks[m.Name()]
	n := slices.Index(all, own)
	switch {
	case m.State() != sim.StateOff:
		return
	case n+1 < len(all):
		all[n+1].before = own.before
	default:
		m.Disk().Restore(own.before)
	}
	b.disks[m.Name()] = slices.Delete(all, n, n+1)
}

// Copy keeps what the disks of these machines hold durably now, for replace_disk.
func (b *Board) Copy(step string, machines []string) {
	copies := map[string]*sim.Snapshot{}
	for _, name := range machines {
		if m := b.World.Machine(name); m != nil {
			copies[name] = m.Disk().Snapshot()
		}
	}
	b.copies[step] = copies
}
