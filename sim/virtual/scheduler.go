package virtual

import (
	"fmt"
	"time"
)

// event is something that happens at a time. Exactly one of task, packet and act is set.
type event struct {
	at    time.Duration
	seq   uint64 // breaks ties: of equal times the first one asked for comes first
	index int    // in the heap; -1: not there

	owner *machine // whose kernel or software it belongs to; nil: the network's or the harness's
	boot  int      // the owner's boot that it belongs to; in an earlier one it is void

	task   *task
	packet *packet
	act    func()
}

// eventHeap is ordered by (at, seq). It is a heap of pointers with their places, so that a timer can be taken out.
type eventHeap []*event

func (a *event) before(b *event) bool {
	return a.at < b.at || a.at == b.at && a.seq < b.seq
}

func (h *eventHeap) push(e *event) {
	e.index = len(*h)
	*h = append(*h, e)
	h.up(e.index)
}

func (h *eventHeap) pop() *event {
	first := (*h)[0]
	h.take(first)
	return first
}

// take removes an event that is in the heap.
func (h *eventHeap) take(e *event) {
	i, last := e.index, len(*h)-1
	moved := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	if i != last {
		(*h)[i] = moved
		moved.index = i
		h.up(i)
		h.down(moved.index)
	}
	e.index = -1
}

func (h eventHeap) up(i int) {
	e := h[i]
	for i > 0 {
		parent := (i - 1) / 2
		if !e.before(h[parent]) {
			break
		}
		h[i] = h[parent]
		h[i].index = i
		i = parent
	}
	h[i] = e
	e.index = i
}

func (h eventHeap) down(i int) {
	e := h[i]
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if right := child + 1; right < len(h) && h[right].before(h[child]) {
			child = right
		}
		if !h[child].before(e) {
			break
		}
		h[i] = h[child]
		h[i].index = i
		i = child
	}
	h[i] = e
	e.index = i
}

// instantMax is how many events one instant may have before the run is taken for a spin.
const instantMax = 1_000_000

// schedule puts an event at a time, now if that has passed. The caller fills in what it does.
func (w *World) schedule(at time.Duration, owner *machine) *event {
	var e *event
	if n := len(w.free); n > 0 {
		e, w.free = w.free[n-1], w.free[:n-1]
	} else {
		e = new(event)
	}
	w.seq++
	*e = event{at: max(at, w.now), seq: w.seq, owner: owner}
	if owner != nil {
		e.boot = owner.boot
	}
	w.events.push(e)
	return e
}

// after calls act once d has passed, unless the owner loses power before.
func (w *World) after(d time.Duration, owner *machine, act func()) *event {
	e := w.schedule(w.now+d, owner)
	e.act = act
	return e
}

// cancel takes an event out, wherever it waits. The caller forgets it.
func (w *World) cancel(e *event) {
	if e == nil {
		return
	}
	if e.index >= 0 {
		w.events.take(e)
		w.recycle(e)
		return
	}
	e.task, e.packet, e.act = nil, nil, nil // It waits in a machine that stands still.
}

func (w *World) recycle(e *event) {
	*e = event{index: -1}
	w.free = append(w.free, e)
}

// loop lets everything happen that is due by until.
func (w *World) loop(until time.Duration) error {
	for len(w.events) > 0 && w.events[0].at <= until && w.fault == nil {
		e := w.events.pop()
		if e.at > w.now {
			w.now, w.instant = e.at, 0
		}
		w.instant++
		w.beat.Add(1)
		if w.instant > instantMax {
			return fmt.Errorf("more than %d events at %s: two tasks wake each other for ever", instantMax, w.now)
		}
		w.happen(e)
	}
	if w.fault == nil {
		w.now = max(w.now, until)
	}
	return w.fault
}

// happen lets one event happen, keeps it for later where its machine stands still, or drops it where that is gone.
func (w *World) happen(e *event) {
	if m := e.owner; m != nil {
		if e.boot != m.boot {
			w.recycle(e)
			return
		}
		if m.Still() || e.task != nil && m.Held() {
			m.kept = append(m.kept, e)
			return
		}
	}
	t, p, act := e.task, e.packet, e.act
	w.recycle(e)
	switch {
	case t != nil:
		t.event = nil
		w.resume(t)
	case p != nil:
		w.arrive(p)
	case act != nil:
		act()
	}
}
