package faults

import (
	"errors"
	"time"

	"firedrill/nodes"
)

// BreakDisk lets operations on a machine's disk go wrong.
type BreakDisk struct {
	Machine    string        `yaml:"break_disk" ref:"machine" doc:"the machine whose disk goes wrong"`
	How        string        `yaml:"how" choices:"eio full read-only slow hang torn-write unsynced-loss lying-sync bit-rot crash-at-sync" doc:"in which way"`
	Operations []string      `yaml:"operations" doc:"only these operations: read, write, sync, rename and so on (all)"`
	Path       string        `yaml:"path" doc:"only files whose path begins so (all)"`
	Nth        int           `yaml:"nth" doc:"only the nth of these operations from now on, counted from 1 (each)"`
	Share      *nodes.Share  `yaml:"share" doc:"only so many of these operations, drawn by the seed (100%)"`
	Latency    time.Duration `yaml:"latency" doc:"of slow: what an operation takes longer"`
}

func (f *BreakDisk) String() string { return Print(f) }

// Check finds what cannot be meant together.
func (f *BreakDisk) Check() error {
	switch {
	case f.How == "":
		return errors.New("break_disk wants a how, such as eio or full")
	case f.Nth < 0:
		return errors.New("nth counts from 1")
	case f.Nth > 0 && f.Share != nil:
		return errors.New("want nth or share, have both")
	case f.How == "slow" && f.Latency <= 0:
		return errors.New("a slow disk wants a latency, such as 200ms")
	case f.How != "slow" && f.Latency != 0:
		return errors.New("latency is only for how: slow")
	}
	return nil
}

// Inject breaks the disk until it is undone.
func (f *BreakDisk) Inject(b *Board) Effect {
	return Effect{Machines: []string{f.Machine}}
}
