// Package sim holds what a scenario needs of a world in which machines fail: the World port, and the passive models
// that every world asks: links, disks, clocks, the trace.
//
// Time here is true time, counted from the start of the drill. A machine's own idea of it is in its Clock.
package sim

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"firedrill/nodes"
)

// World is where machines live. Its methods are called from one place at a time: before Run, or from a function that
// the world itself calls (At, OnFact, Machine.Go).
type World interface {
	// AddSegment and AddMachine furnish the world, before the first Run. What they refuse is a mistake of the caller.
	AddSegment(Segment) error
	AddMachine(MachineSpec) error

	// Now is the true time since the start.
	Now() time.Duration
	// At calls act at a time, at once where that has passed. Of equal times the first one asked for is the first served.
	At(t time.Duration, act func())
	// OnFact calls act for each event that match accepts, before whoever noted it goes on, until cancel is called.
	OnFact(match func(Event) bool, act func(Event)) (cancel func())

	// Machine returns the named machine, or nil. Machines are all of them, in the order in which they were added.
	Machine(name string) Machine
	Machines() []Machine
	// Links are the directed pairs of a segment, by the order of their machines. An unknown segment has none.
	Links(segment string) []*Link
	// Reachable reports whether the network would carry a frame from one machine to the other, on this segment or, where
	// segment is "", on any. It never asks what nodes believe, nor whether the machines are on.
	Reachable(segment, from, to string) bool
	// Owners are the machines that would answer ARP for the address on the segment now, in the order of Machines.
	Owners(segment string, address netip.Addr) []string

	// Run lets the world go on until t. The error is a fault of the harness or of a node's code (a spin, a foreign
	// goroutine), never of a node's judgement.
	Run(until time.Duration) error
	// Close ends every task. The trace, the history and the disks stay readable.
	Close() error

	// Trace is what happened so far; History the clients' operations.
	Trace() *Trace
	History() []nodes.Operation
	// Record adds a client operation to the history, and fills in who served it.
	Record(nodes.Operation)
	// Note adds an event of the harness itself to the trace.
	Note(nodes.Fact)
	// Stream is the random stream of this name. One more draw in a stream changes nothing in any other.
	Stream(name string) *rand.Rand
	// Slack is by how much the world may have been late: 0 in the virtual one. Every claim about time widens by it.
	Slack() time.Duration
}

// Doubter is a world that can find out that it was not what it is to be: too late, or losing frames that nobody was to lose.
type Doubter interface {
	// Doubt says why what happened shows nothing, or is "".
	Doubt() string
}

// OwnFault is an error of World.Run that is of the harness, or of the system on which it runs, not of the software under test.
type OwnFault struct{ Err error }

func (f *OwnFault) Error() string { return f.Err.Error() }

// Unwrap returns the error itself.
func (f *OwnFault) Unwrap() error { return f.Err }

// Segment is one broadcast domain; with Joins, a routed path between others.
type Segment struct {
	Name   string
	Subnet netip.Prefix
	Joins  []string
	Base   Condition // the link keys; nil fields are the ideal
}

// MachineSpec describes one machine.
type MachineSpec struct {
	Name       string
	Interfaces []Interface
	// Kind is the sort of its software, Config the value that Kind.Config made. A machine without a kind has no software of
	// its own: the harness runs tasks on it, with Machine.Go.
	Kind   *nodes.Kind
	Config any
	Disk   DiskSpec
	Clock  ClockSpec
	Start  time.Time // true wall-clock time at the start of the drill
	Off    bool      // not powered on at the start
}

// Interface is a machine's place on a segment. Interfaces bear the names of their segments.
type Interface struct {
	Segment string
	Address netip.Prefix
}

// RebootTime is how long a machine that boots again by itself (Env.Halt) is off, in true time.
const RebootTime = 30 * time.Second

// State of a machine as its owner would tell it.
type State string

// The states of a machine.
const (
	StateUp        State = "up"
	StateCrashed   State = "crashed"     // the software is gone, the kernel answers
	StateStopped   State = "stopped"     // the software ended by itself, the kernel answers
	StatePaused    State = "paused"      // the software stands still, the kernel answers
	StateFrozen    State = "frozen"      // all stands still, frames wait
	StateSuspended State = "suspended"   // as frozen, and its uptime stands still too
	StateOff       State = "powered-off" // silence
)

// Machine is one machine of a world. A method that does not fit the state (boot what is up, resume what runs) changes
// nothing and returns false: whoever asked hit nothing.
type Machine interface {
	Name() string
	Kind() *nodes.Kind // nil: the harness's own
	Interfaces() []Interface
	State() State
	// Addresses are those on an interface now, the first its own, then bound ones in the order of binding.
	Addresses(segment string) []netip.Addr

	// PowerOff: silence at once, and the disk keeps what was synced. Boot starts from that; a config that is not nil replaces
	// the machine's from then on.
	PowerOff() bool
	Boot(config any) bool
	// Crash drops every task of the software where it stands; addresses and page cache stay. Restart starts it anew.
	Crash() bool
	Restart(config any) bool
	// Pause stops the software, and nothing else. Freeze stops the machine: frames to it wait. Suspend also stops its uptime.
	Pause() bool
	Resume() bool
	Freeze() bool
	Thaw() bool
	Suspend() bool
	Wake() bool

	// Plug and Unplug the cable of an interface: carrier.
	Unplug(segment string) bool
	Plug(segment string) bool

	Disk() *Disk
	Clock() *Clock
	// Go runs a task of the harness on this machine, over its network and by its clock.
	Go(name string, task func(nodes.Env))
	// Who asks by ARP who has the address, from this machine's interface on the segment, and calls answered after wait with
	// the machines that said so, in the order of their answers.
	Who(segment string, address netip.Addr, wait time.Duration, answered func([]string))
}

// DiskSpec describes a disk. The zero value is an ideal one that takes 5 ms to sync.
type DiskSpec struct {
	Size      nodes.Size      // 0: 1 GiB
	Sync      *time.Duration  // what a sync takes; nil: 5 ms
	Bandwidth nodes.Bandwidth // of reads and writes; 0: no limit
}

// Capacity is how many bytes the files may take. There is always a limit: they are held in memory, and so is, until it is
// synced, what they held before.
func (s DiskSpec) Capacity() int64 {
	if s.Size == 0 {
		return 1 << 30
	}
	return int64(s.Size)
}

// Inodes is how many files, directories and symbolic links there may be: one for 4 KiB of room, and 4096 on a small disk. They
// take memory too.
func (s DiskSpec) Inodes() int64 { return max(4096, s.Capacity()/4096) }

// SyncTime is what a sync takes.
func (s DiskSpec) SyncTime() time.Duration {
	if s.Sync == nil {
		return 5 * time.Millisecond
	}
	return *s.Sync
}

// ClockSpec describes a clock. The zero value is a true one that shows UTC.
type ClockSpec struct {
	Offset time.Duration
	Drift  nodes.Drift
	Zone   *time.Location // nil: UTC
}

// Facts that the world itself notes of a machine.
const (
	FactBooted          = "booted"
	FactPoweredOff      = "powered-off"
	FactRestarted       = "restarted"        // the software runs again, on a machine that was not off
	FactStopped         = "stopped"          // the software returned from Run; value: the error, if any
	FactCrashed         = "crashed"          // a fault ended the software
	FactPanicked        = "panicked"         // the software ended itself; value: the panic, attribute stack
	FactPaused          = "paused"           // likewise frozen, suspended; each ends with resumed
	FactResumed         = "resumed"          // value: the state that ended
	FactAddressBound    = "address-bound"    // scope: segment; value: address
	FactAddressReleased = "address-released" // likewise
	FactDiskSync        = "disk-sync"        // value: path
	FactLogLine         = "log-line"         // value: text; attribute level, then the line's own
	FactServed          = "served"           // a client operation succeeded here; scope: group, value: verb and path
	FactReachable       = "reachable"        // by oracle; machine: from, scope: segment, value: to
	FactUnreachable     = "unreachable"
)

// CannotStart begins the value of a fact stopped of a program that could not be started; why follows.
const CannotStart = "cannot be started: "

// Broke begins the value of a fact stopped of a program that made a mistake which its kernel does not let it survive, such as a
// reading where there is no memory; the signal follows.
const Broke = "broke by signal: "

// AttrUntold is an attribute of the log-line that is the last of its machine: there are more, but they are no facts.
const AttrUntold = "untold"
