package expect

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"firedrill/nodes"
)

// Holdings say what may lie under a path of a machine, by what clients had acknowledged of it, by the images that it
// committed, by when it was erased, and by the disks that were put into it: the last of these is what it begins with, and
// the writes that it served since come on top. Nothing that a machine says of its files has a part in it.
type Holdings struct {
	run    *Run
	books  map[shelfmark]*book
	hashes map[copied]bool // what any write of the history put under a path
}

// shelfmark is a path on a machine.
type shelfmark struct{ machine, path string }

// book is what clients wrote under one path of one machine.
type book struct {
	done    []*nodes.Operation // acknowledged, in the order of Done
	latest  []time.Duration    // the latest Sent among done[:i+1]
	longest time.Duration      // that any of them took
	unknown []*nodes.Operation // may have happened at any time since they were sent
}

// Possible is what may lie under a path.
type Possible struct {
	Hashes []uint64 // 0: nothing is there
	// Begun is true where no write or image has replaced yet what the machine held from the start, of which nothing is
	// known but that no client wrote it.
	Begun bool
	known map[copied]bool
	path  string
}

// Holdings reads them from the history and the trace, once a run.
func (r *Run) Holdings() *Holdings {
	if r.holdings == nil {
		r.holdings = newHoldings(r)
	}
	return r.holdings
}

func newHoldings(r *Run) *Holdings {
	h := &Holdings{run: r, books: map[shelfmark]*book{}, hashes: map[copied]bool{}}
	var order []*book
	for i := range r.History {
		op := &r.History[i]
		if op.Verb == "get" || op.Result == nodes.ResultFailed {
			continue
		}
		for _, machine := range r.mayHaveTaken(op) {
			mark := shelfmark{machine, op.Path}
			b := h.books[mark]
			if b == nil {
				b = &book{}
				h.books[mark], order = b, append(order, b)
			}
			h.hashes[copied{op.Path, op.Hash}] = true
			if op.Result == nodes.ResultOK {
				b.done = append(b.done, op)
				b.longest = max(b.longest, op.Done-op.Sent)
			} else {
				b.unknown = append(b.unknown, op)
			}
		}
	}
	for _, b := range order {
		slices.SortStableFunc(b.done, func(x, y *nodes.Operation) int { return cmp.Compare(x.Done, y.Done) })
		latest := time.Duration(-1)
		for _, op := range b.done {
			latest = max(latest, op.Sent)
			b.latest = append(b.latest, latest)
		}
	}
	return h
}

// mayHaveTaken are the machines that may have carried a write out: the one that served it, or where its client gave up before it
// was known who would, any of the service that it was for.
func (r *Run) mayHaveTaken(op *nodes.Operation) []string {
	switch service := r.Services().Serves(op); {
	case op.ServedBy != "":
		return []string{op.ServedBy}
	case op.Result == nodes.ResultUnknown && service != "":
		return r.Services().Members(service)
	}
	return nil
}

// At is what may lie under the path of the machine at some instant of from..until, between which no image and no
// erasure came.
func (h *Holdings) At(machine, path string, from, until time.Duration) Possible {
	p := Possible{known: h.hashes, path: path}
	base, any := h.run.Images().basis(machine, from)
	b := h.books[shelfmark{machine, path}]
	replaced := b.since(base.at, from)
	switch {
	case replaced >= 0: // Whatever was there at the beginning has been written over.
	case !any:
		p.Hashes, p.Begun = []uint64{0}, true
	case base.again:
		below := h.At(machine, path, base.asOf, base.asOf)
		p.Hashes, p.Begun = below.Hashes, below.Begun
	case base.image == nil:
		p.Hashes = []uint64{0}
	default:
		below := h.At(base.image.From, path, base.image.Snapshot, base.image.Snapshot)
		p.Hashes, p.Begun = below.Hashes, below.Begun
	}
	if b != nil {
		p.Hashes = append(slices.Clone(p.Hashes), b.possible(base.at, replaced, until)...)
	}
	return p
}

// since is the latest time at which a write was sent that has surely been carried out by at, and after begin; below
// zero: there is none.
func (b *book) since(begin, at time.Duration) time.Duration {
	if b == nil {
		return -1
	}
	n := sort.Search(len(b.done), func(i int) bool { return b.done[i].Done > at })
	if n == 0 || b.latest[n-1] < begin {
		return -1
	}
	return b.latest[n-1]
}

// possible are the writes after begin of which none has surely been written over, and that were sent by until.
func (b *book) possible(begin, replaced, until time.Duration) []uint64 {
	var hashes []uint64
	first := sort.Search(len(b.done), func(i int) bool { return b.done[i].Done > max(begin, replaced) })
	for _, op := range b.done[first:] {
		if op.Done > until+b.longest {
			break
		}
		if op.Sent <= until {
			hashes = append(hashes, op.Hash)
		}
	}
	for _, op := range b.unknown {
		if op.Sent <= until {
			hashes = append(hashes, op.Hash)
		}
	}
	return hashes
}

// Allows reports whether this may be what lies there; 0: nothing.
func (p Possible) Allows(hash uint64) bool {
	return slices.Contains(p.Hashes, hash) || p.Begun && !p.known[copied{p.path, hash}]
}

// Replaced is when an image, an erasure or a blank disk next replaced all that the machine held; the end of the run: none
// did. A disk that holds what the machine's own held once does not: what is served from it can be judged.
func (h *Holdings) Replaced(machine string, after time.Duration) time.Duration {
	for _, b := range h.run.Images().bases[machine] {
		if b.at > after && !b.again {
			return b.at
		}
	}
	return h.run.End
}

// Paths are those under which clients wrote anything that may be there, in the order of the history.
func (h *Holdings) Paths() []string {
	var paths []string
	known := map[string]bool{}
	for i := range h.run.History {
		op := &h.run.History[i]
		if op.Verb != "get" && op.Result != nodes.ResultFailed && !known[op.Path] {
			known[op.Path] = true
			paths = append(paths, op.Path)
		}
	}
	return paths
}
