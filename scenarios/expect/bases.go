package expect

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"firedrill/faults"
	"firedrill/sim"
)

// basis is what replaced all that a machine held: an image, an erasure, or another disk.
type basis struct {
	at    time.Duration
	image *Image        // nil: none
	again bool          // the disk holds what the machine's own held once
	asOf  time.Duration // when that was; before at
}

// begin fills in what machines began anew with.
func (m *Images) begin(r *Run) {
	bases, disks := map[string][]basis{}, map[string][]basis{}
	for i := range m.Committed {
		image := &m.Committed[i]
		bases[image.To] = append(bases[image.To], basis{at: image.Committed, image: image})
	}
	for _, n := range r.Named(FactErased) {
		e := &r.Events[n]
		bases[e.Machine] = append(bases[e.Machine], basis{at: e.At})
	}
	for i := range r.Machines {
		name := r.Machines[i].Name
		if found := r.otherDisks(name); len(found) > 0 {
			disks[name], bases[name] = found, append(bases[name], found...)
		}
	}
	for _, list := range bases {
		slices.SortStableFunc(list, func(x, y basis) int { return cmp.Compare(x.at, y.at) })
	}
	m.bases, m.disks = bases, disks
}

// otherDisks are the disks that were put into a machine, and its own where a replacement was undone. As a fault's undoing
// has it, what comes back is what the replacement had pushed out, unless a later one is in the machine by then.
func (r *Run) otherDisks(machine string) []basis {
	type change struct {
		at   time.Duration
		of   *faults.Entry
		disk *faults.ReplaceDisk
		undo bool
	}
	var changes []change
	for _, e := range r.Faults {
		f, ok := e.Fault.(*faults.ReplaceDisk)
		if !ok || f.Machine != machine || !e.Hit() {
			continue
		}
		changes = append(changes, change{e.From, e, f, false})
		if e.Until >= 0 && r.Timeline().Lane(machine).State(e.Until) == sim.StateOff {
			changes = append(changes, change{e.Until, e, f, true})
		}
	}
	slices.SortStableFunc(changes, func(x, y change) int { return cmp.Compare(x.at, y.at) })
	type pushed struct {
		by   *faults.Entry
		asOf time.Duration
	}
	var out []pushed
	var found []basis
	for _, c := range changes {
		switch n := slices.IndexFunc(out, func(p pushed) bool { return p.by == c.of }); {
		case !c.undo && c.disk.How == faults.DiskEmpty:
			out = append(out, pushed{c.of, c.at - 1})
			found = append(found, basis{at: c.at})
		case !c.undo:
			out = append(out, pushed{c.of, c.at - 1})
			found = append(found, basis{at: c.at, again: true, asOf: r.copied(c.disk.AsOf, c.at)})
		case n+1 < len(out):
			out[n+1].asOf = out[n].asOf
			out = slices.Delete(out, n, n+1)
		default:
			found = append(found, basis{at: c.at, again: true, asOf: out[n].asOf})
			out = out[:n]
		}
	}
	return found
}

// copied is just before the step fired for the last time by then.
func (r *Run) copied(step string, by time.Duration) time.Duration {
	for _, s := range slices.Backward(r.Steps) {
		if s.Name == step && s.At <= by {
			return s.At - 1
		}
	}
	return -1
}

// basis is what the machine last began anew with by then.
func (m *Images) basis(machine string, at time.Duration) (b basis, any bool) {
	list := m.bases[machine]
	n := sort.Search(len(list), func(i int) bool { return list[i].at > at })
	if n == 0 {
		return basis{at: -1}, false
	}
	return list[n-1], true
}

// Remembers reports whether the disk that was in the machine at that time holds what the machine's disk held at an earlier
// one: it is the same, or a copy that was made since.
func (m *Images) Remembers(machine string, earlier, at time.Duration) bool {
	for _, b := range slices.Backward(m.disks[machine]) {
		switch {
		case b.at > at:
		case earlier >= b.at:
			return earlier <= at
		default:
			return b.again && m.Remembers(machine, earlier, b.asOf)
		}
	}
	return earlier <= at
}

// Newest is the image that the machine holds at that time: the last one that it had committed, neither erased since nor
// gone with its disk; nil: none.
func (m *Images) Newest(machine string, at time.Duration) *Image {
	b, any := m.basis(machine, at)
	if any && b.again {
		return m.Newest(machine, b.asOf)
	}
	return b.image
}
