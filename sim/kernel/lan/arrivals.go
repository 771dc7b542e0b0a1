//go:build linux

package lan

import (
	"container/heap"
	"sync"
	"time"

	"firedrill/sim"
)

// arrival is a frame on its way to one jack.
type arrival struct {
	from, to *jack
	origin   *jack     // of the machine that sent it first, before any router
	exit     *side     // where it leaves the routed part of its way; nil: it is not on one
	link     *sim.Link // nil: the switch itself made the frame
	cuts     int       // of the link, when it was sent
	corrupt  bool      // a router will find out; a machine's kernel does by its checksums
	frame    sim.Frame
	wire     wire
	kept     bool // the wire is this arrival's own, and not the room of the loop

	act func(now time.Duration) // something to be done then, and no frame at all

	due  time.Duration
	next uint64 // of equal times the first sent arrives first
}

// Bytes of frames are kept in two sizes.
const (
	roomLen  = hintLen + etherLen + 1<<16 // of whatever a kernel hands over at once
	smallLen = hintLen + etherLen + mtu
)

var small, large = sync.Pool{New: newRoom(smallLen)}, sync.Pool{New: newRoom(roomLen)}

func newRoom(n int) func() any {
	return func() any { return &arrival{wire: make(wire, 0, n)} }
}

// keep returns the same arrival with bytes of its own.
func (a *arrival) keep() *arrival {
	pool := &large
	if len(a.wire) <= smallLen {
		pool = &small
	}
	own := pool.Get().(*arrival)
	room := append(own.wire[:0], a.wire...)
	*own = *a
	own.wire, own.kept = room, true
	return own
}

// owned returns the arrival with bytes of its own: itself, if it has them.
func (a *arrival) owned() *arrival {
	if a.kept {
		return a
	}
	return a.keep()
}

// spent gives it back.
func (a *arrival) spent() {
	if !a.kept {
		return
	}
	pool := &large
	if cap(a.wire) < roomLen {
		pool = &small
	}
	*a = arrival{wire: a.wire[:0]}
	pool.Put(a)
}

// arrivals are the frames on their way, by time.
type arrivals struct {
	list []*arrival
	sent uint64
}

// add puts one in, which has bytes of its own.
func (q *arrivals) add(a *arrival, due time.Duration) {
	q.sent++
	a.due, a.next = due, q.sent
	heap.Push(q, a)
}

// first returns the one that comes next, or nil.
func (q *arrivals) first() *arrival {
	if len(q.list) == 0 {
		return nil
	}
	return q.list[0]
}

// remove takes the first one out.
func (q *arrivals) remove() { heap.Pop(q) }

// Len implements heap.Interface.
func (q *arrivals) Len() int { return len(q.list) }

// Less implements heap.Interface.
func (q *arrivals) Less(i, j int) bool {
	a, b := q.list[i], q.list[j]
	return a.due < b.due || a.due == b.due && a.next < b.next
}

// Swap implements heap.Interface.
func (q *arrivals) Swap(i, j int) { q.list[i], q.list[j] = q.list[j], q.list[i] }

// Push implements heap.Interface.
func (q *arrivals) Push(x any) { q.list = append(q.list, x.(*arrival)) }

// Pop implements heap.Interface.
func (q *arrivals) Pop() any {
	n := len(q.list) - 1
	last := q.list[n]
	q.list[n] = nil
	q.list = q.list[:n]
	return last
}
