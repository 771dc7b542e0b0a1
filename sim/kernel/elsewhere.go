//go:build !linux

// Package kernel is the world on a real Linux kernel. This system has none: Enter says so, and nothing else is of use.
package kernel

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"firedrill/nodes"
	"firedrill/sim"
)

// errElsewhere is what all that can fail says here.
var errElsewhere = fmt.Errorf("it is played on Linux, and this is %s; the virtual world is for every system", runtime.GOOS)

// Host does nothing: no process here was started to be a machine.
func Host(...*nodes.Kind) {}

// Inside reports false: Enter makes no tree here.
func Inside() bool { return false }

// Enter returns an error that says what is missing: Linux.
func Enter(...*os.File) error { return errElsewhere }

// Brought has nothing: nobody gets inside.
func Brought(int) *os.File { return nil }

// Find knows of no program that a machine could have here.
func Find(*nodes.Program, string) error { return errElsewhere }

// CopyLog returns an error: no run is up here.
func CopyLog(_, _ *os.File, _ <-chan struct{}, _ bool) error { return errElsewhere }

// World implements sim.World as far as it can fail: all of that does. Nothing else of it may be called.
type World struct {
	sim.World
	Title string
	Held  bool
}

// New makes a world that cannot be played.
func New(uint64, int) *World { return &World{} }

// AddSegment implements sim.World.
func (*World) AddSegment(sim.Segment) error { return errElsewhere }

// AddMachine implements sim.World.
func (*World) AddMachine(sim.MachineSpec) error { return errElsewhere }

// Run implements sim.World.
func (*World) Run(time.Duration) error { return errElsewhere }

// Close implements sim.World.
func (*World) Close() error { return nil }
