//go:build linux

package kernel

import (
	"net/netip"
	"slices"
	"time"

	"firedrill/sim"
)

var _ sim.Capturer = (*World)(nil)

// Capture implements sim.Capturer. Take is called from a thread of the world's own until Close has returned, without a lock.
func (w *World) Capture(take func(segment string, at time.Duration, frame []byte)) {
	if w.lan != nil { // Otherwise there will be no frames.
		w.lan.Capture(take)
	}
}

// reachableVia reports whether all three parts of a routed way are open.
func (w *World) reachableVia(path sim.Segment, from, to *machine) bool {
	if !w.network.Reachable(path.Name, from.Name(), to.Name()) {
		return false
	}
	for _, enter := range path.Joins {
		for _, exit := range path.Joins {
			if enter != exit && w.network.Reachable(enter, from.Name(), path.Name) && !from.Unplugged(enter) &&
				w.network.Reachable(exit, path.Name, to.Name()) && !to.Unplugged(exit) {
				return true
			}
		}
	}
	return false
}

// owner is the first machine on a segment that has an address, or "": whom a router takes it to.
func (w *World) owner(segment string, address netip.Addr) string {
	for _, m := range w.machines {
		if slices.Contains(m.Addresses(segment), address) {
			return m.Name()
		}
	}
	return ""
}
