package expect

import (
	"math"
	"time"

	"firedrill/nodes"
)

// Fate is what became of an acknowledged write by the end of the run.
type Fate uint8

// The fates. The last three break IDEAL-2: a client that follows the advertised name does not find what it was
// promised.
const (
	Unjudged   Fate = iota // not an acknowledged write
	Present                // every server shows it
	Superseded             // every server shows it or a write that may have come after it
	Divergent              // some servers of the service do, others do not
	Stranded               // no server does, but a disk has it or what came after it there
	Gone                   // it is nowhere
)

func (f Fate) String() string {
	return [...]string{"unjudged", "present", "superseded", "divergent", "stranded", "gone"}[f]
}

// Lost reports whether the fate breaks IDEAL-2.
func (f Fate) Lost() bool { return f >= Divergent }

// Ledger says of every acknowledged write what became of it.
//
// What a server shows under a path at the end was put there by some write with that content, or, where it shows
// nothing, by a delete. An acknowledged write is kept if one of these may have come after it or is the write
// itself; otherwise the server has gone back to something older, and the write is lost, also where a later write,
// lost as well, had overwritten it. A write whose result is unknown may have happened, at any time after it was
// sent: it may supersede, and is never lost. One that failed surely did not happen.
type Ledger struct {
	Fates  []Fate // by index in Run.History
	Counts [Gone + 1]int
	at     map[uint64]int // by id, index in Run.History
}

// Ledger settles the run's history against what the disks hold, once a run.
func (r *Run) Ledger() *Ledger {
	if r.ledger == nil {
		r.ledger = newLedger(r)
	}
	return r.ledger
}

// account is what clients wrote under one path of one service: indexes into the history.
type account struct {
	service, path string
}

// shelf is what one disk holds for clients.
type shelf struct {
	live  map[string]uint64 // by path
	other map[copied]bool   // what is under a path in any place
}

type copied struct {
	path string
	hash uint64
}

func newLedger(r *Run) *Ledger {
	l := &Ledger{Fates: make([]Fate, len(r.History))}
	shelves := shelve(r)
	accounts := map[account][]int{}
	var order []account // No map decides an order here, though the outcome does not depend on it.
	for i := range r.History {
		op := &r.History[i]
		if op.Verb != "put" && op.Verb != "delete" || op.Result == nodes.ResultFailed {
			continue
		}
		services := []string{r.Services().Serves(op)}
		if services[0] == "" {
			services = r.Services().Names
		}
		for _, s := range services {
			a := account{s, op.Path}
			if accounts[a] == nil {
				order = append(order, a)
			}
			accounts[a] = append(accounts[a], i)
		}
	}
	servers := map[string][]*shelf{}
	members := map[string][]*shelf{}
	for _, s := range r.Services().Names {
		servers[s], members[s] = pick(shelves, r.Servers(s)), pick(shelves, r.Services().Members(s))
	}
	for _, a := range order {
		l.settle(r, accounts[a], servers[a.service], members[a.service])
	}
	for _, f := range l.Fates {
		l.Counts[f]++
	}
	return l
}

func shelve(r *Run) map[string]*shelf {
	shelves := map[string]*shelf{}
	for _, m := range r.Machines {
		s := &shelf{live: map[string]uint64{}, other: map[copied]bool{}}
		for _, item := range m.Contents {
			s.other[copied{item.Path, item.Hash}] = true
			if item.Place == "" {
				s.live[item.Path] = item.Hash
			}
		}
		shelves[m.Name] = s
	}
	return shelves
}

func pick(shelves map[string]*shelf, machines []string) []*shelf {
	var picked []*shelf
	for _, m := range machines {
		picked = append(picked, shelves[m])
	}
	return picked
}

// ever is later than any time: an unknown write may yet happen.
const ever = time.Duration(math.MaxInt64)

// settle judges the writes to one path against every server of the service.
func (l *Ledger) settle(r *Run, writes []int, servers, members []*shelf) {
	latest, stored := latestShown(r, writes, servers), latestShown(r, writes, members)
	for _, i := range writes {
		op := &r.History[i]
		if op.Result != nodes.ResultOK {
			continue
		}
		kept, same := 0, 0
		for n, s := range servers {
			if latest[n] >= op.Sent {
				kept++
			}
			if s.shows(op) {
				same++
			}
		}
		switch {
		case kept == len(servers) && same == len(servers):
			l.Fates[i] = Present
		case kept == len(servers):
			l.Fates[i] = Superseded
		case kept > 0:
			l.Fates[i] = Divergent
		case onDisk(op, members, stored):
			l.Fates[i] = Stranded
		default:
			l.Fates[i] = Gone
		}
	}
}

// latestShown is, for each disk, the last time at which a write may have made what it shows; below zero: no write
// did.
func latestShown(r *Run, writes []int, shelves []*shelf) []time.Duration {
	latest := make([]time.Duration, len(shelves))
	for n, s := range shelves {
		latest[n] = -1
		for _, i := range writes {
			op := &r.History[i]
			switch {
			case !s.shows(op):
			case op.Result == nodes.ResultUnknown:
				latest[n] = ever
			default:
				latest[n] = max(latest[n], op.Done)
			}
		}
	}
	return latest
}

// onDisk reports whether a disk has the write, or what may have come after it there, or an older copy of it in
// another place. That a path is not there says nothing of a delete where nothing else is either: that disk was
// erased.
func onDisk(op *nodes.Operation, shelves []*shelf, latest []time.Duration) bool {
	for n, s := range shelves {
		if len(s.live) > 0 && latest[n] >= op.Sent || op.Verb == "put" && s.other[copied{op.Path, op.Hash}] {
			return true
		}
	}
	return false
}

// shows reports whether what the disk has live is what the write would leave there.
func (s *shelf) shows(op *nodes.Operation) bool {
	hash, any := s.live[op.Path]
	if op.Verb == "delete" {
		return !any
	}
	return any && hash == op.Hash
}

// FateOf is what became of the operation with this id.
func (r *Run) FateOf(id uint64) Fate {
	l := r.Ledger()
	if l.at == nil {
		l.at = make(map[uint64]int, len(r.History))
		for i := range r.History {
			l.at[r.History[i].ID] = i
		}
	}
	if i, any := l.at[id]; any {
		return l.Fates[i]
	}
	return Unjudged
}
