package faults

import (
	"errors"
	"time"

	"firedrill/nodes"
	"firedrill/sim"
)

// BreakDisk lets operations on a machine's disk go wrong. What it did to files stays when it is undone.
type BreakDisk struct {
	Machine    string        `yaml:"break_disk" ref:"machine" doc:"the machine whose disk goes wrong"`
	How        string        `yaml:"how" choices:"eio full read-only slow hang torn-write unsynced-loss lying-sync bit-rot crash-at-sync" doc:"in which way"` //nolint:lll // A tag cannot be broken.
	Operations []string      `yaml:"operations" choices:"read write sync rename create remove open" doc:"only these (all)"`
	Path       string        `yaml:"path" doc:"only files of this path or pattern, or below it (all)"`
	Nth        int           `yaml:"nth" doc:"only the nth of these operations from now on, counted from 1 (each)"`
	Share      *nodes.Share  `yaml:"share" doc:"only so many of these operations, drawn by the seed (100%)"`
	Latency    time.Duration `yaml:"latency" doc:"of slow: by how much an operation takes longer"`
}

func (f *BreakDisk) String() string { return Print(f) }

// Check finds what cannot be meant together.
func (f *BreakDisk) Check() error {
	if f.How == "" {
		return errors.New("break_disk wants a how, such as eio or full")
	}
	if f.Nth > 0 && f.Share != nil {
		return errors.New("want nth or share, have both")
	}
	c := f.condition()
	return c.Check()
}

func (f *BreakDisk) condition() sim.DiskCondition {
	c := sim.DiskCondition{How: sim.DiskFault(f.How), Path: f.Path, Nth: f.Nth, Share: f.Share, Latency: f.Latency}
	for _, o := range f.Operations {
		c.Operations = append(c.Operations, sim.DiskOperation(o))
	}
	return c
}

// Inject breaks the disk until it is undone.
func (f *BreakDisk) Inject(b *Board) Effect {
	m := b.World.Machine(f.Machine)
	if m == nil {
		return Effect{}
	}
	disk, imposition := m.Disk(), &sim.DiskImposition{DiskCondition: f.condition()}
	disk.Impose(imposition)
	return Effect{
		Machines: []string{f.Machine},
		Undo:     func() { disk.Lift(imposition) },
		Receipt:  func() Receipt { return operations(imposition) },
		Chance:   f.Share != nil && *f.Share < nodes.ShareAll,
	}
}

// operations is the receipt of an imposition.
func operations(i *sim.DiskImposition) Receipt {
	var r Receipt
	for _, c := range []struct {
		n               int64
		one, many, what string
	}{
		{i.Failed, "operation", "operations", "failed"}, {i.Delayed, "operation", "operations", "slowed"},
		{i.Hung, "operation", "operations", "hung"}, {i.Torn, "write", "writes", "torn"},
		{i.Lost, "change", "changes", "lost"}, {i.Lied, "sync", "syncs", "not done"},
		{i.Crashed, "sync", "syncs", "cut short"}, {i.Flipped, "bit", "bits", "turned over"},
	} {
		if c.n != 0 {
			r = append(r, count(int(c.n), c.one, c.many, c.what))
		}
	}
	return r
}
