// Package nodes holds what the software of a machine and the harness agree on: Node, the software;
// Env, all that it may touch; Kind, what the harness has to know of it; Fact, what it says became true.
//
// A node is ordinary blocking Go, written once and run in both worlds. It contains no go statement, no channel,
// no clock, no global random source: what it needs of these is in Env.
package nodes

import (
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/pion/transport/v3"
	"github.com/spf13/afero"
)

// Node is the software of one machine. Run is its main: blocking code, called anew at every boot with whatever
// the disk still holds. It returns only when the software stops by itself; the machine's other tasks are dropped then.
type Node interface {
	Run(Env) error
}

// Env is all that a node may touch.
//
// Tasks are cooperative: at most one task of a machine runs at a time. Sleep, Signal.Wait, Arping, every file operation,
// and Dial, Accept, Read and Write of a connection may give way to another task; nothing else does.
type Env interface {
	// Now is this machine's wall clock, in its zone. Faults step and skew it.
	Now() time.Time
	// Uptime is the time since boot by this machine's own clock: it drifts, is never stepped, and stands still
	// while the machine is suspended.
	Uptime() time.Duration
	// Sleep waits for d of Uptime. Not above zero, it only gives way.
	Sleep(d time.Duration)
	// Go starts one more task of this machine. The name is for traces and stacks.
	Go(name string, task func())
	// NewSignal makes a signal for the tasks of this machine.
	NewSignal() Signal
	// Net is UDP and TCP on this machine's own interfaces, which bear the names of their segments.
	// Connect timeouts come through CreateDialer; names are not resolved.
	Net() transport.Net
	// Bind takes a further address on an interface and announces it by gratuitous ARP. An address that is bound already is
	// announced again. The address is lost at power off, and kept when only the software stops.
	Bind(iface string, address netip.Prefix) error
	// Unbind gives the address up. Connections to it go silent.
	Unbind(iface string, address netip.Prefix) error
	// Arping reports whether anybody else on the interface's segment answers ARP for the address within wait.
	Arping(iface string, address netip.Addr, wait time.Duration) bool
	// Disk is the machine's file system. Without a sync, a write survives a stop of the software but not a power off;
	// a name survives once its directory was synced (Open, Sync).
	Disk() afero.Fs
	// Rand is this machine's own random stream.
	Rand() *rand.Rand
	// Log never gives way.
	Log() *slog.Logger
	// Note says that something became true, for the trace and the checks. It never gives way, and returns after
	// a step that waited for the fact has acted.
	Note(Fact)
	// Halt shuts the machine down in good order, what is unsynced reaching the disk, or boots it again. It does not return.
	Halt(reboot bool)
}

// Signal wakes tasks of one machine.
type Signal interface {
	// Wait returns true at the next Broadcast, or false after timeout of Uptime. Below zero, it waits without end.
	Wait(timeout time.Duration) bool
	// Broadcast wakes every task that waits now. It does not give way.
	Broadcast()
}

// Fact is one thing that became true on a machine.
type Fact struct {
	Name  string // what: role, access, phase, serving, sync, ready, or a name that the kind declares
	Scope string // of what: a link, a namespace, an account; empty is the machine
	Value string
	Epoch uint64 // counts changes of authority, where the software has such a count
	Attrs []Attr // in the order in which they are to be read
}

// Attr is one detail of a fact.
type Attr struct {
	Key, Value string
}

// Attr returns the value of the first detail with this key, or "".
func (f Fact) Attr(key string) string {
	for _, a := range f.Attrs {
		if a.Key == key {
			return a.Value
		}
	}
	return ""
}

// Fact names that mean the same in every kind.
const (
	FactRole    = "role"    // whom the software takes itself for: one of Kind.Roles, or "" for none
	FactAccess  = "access"  // what clients may do: read-write, read-only, none
	FactPhase   = "phase"   // the state of the kind's state machine: one of Kind.States
	FactServing = "serving" // an address at which clients are served, or "" for none
	FactSync    = "sync"    // a copying under way, with an attribute done in percent
	FactReady   = "ready"   // the service is set up, with all the redundancy that it is to have
)
