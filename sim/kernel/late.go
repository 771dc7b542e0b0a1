//go:build linux

package kernel

import "time"

// lookEvery is how often a process looks whether it is late, in real time. Where a system is too busy, what its software waits
// for comes as late as that.
const lookEvery = 20 * time.Millisecond

// tellFrom is how late is worth a word.
const tellFrom = 2 * time.Millisecond

// delay is when a process wanted to go on, and when it did, by CLOCK_MONOTONIC in ns.
type delay struct{ Due, At int64 }

func (d delay) length() time.Duration { return time.Duration(d.At - d.Due) }

// lookOut lets it show that the harness is late, and with it clients and operators, even where nothing else is due.
func (w *World) lookOut() { w.At(w.Now()+lookEvery*time.Duration(w.scale), w.lookOut) }

// lookOut tells the harness each time that the process of a machine is late. It does not know whether it was to stand still.
func (h *host) lookOut() {
	for {
		d := delay{Due: monotonic() + int64(lookEvery)}
		time.Sleep(lookEvery)
		d.At = monotonic()
		if d.length() < tellFrom {
			continue
		}
		if h.tell(word{Late: &d}) != nil {
			return // The harness is gone.
		}
	}
}

// wasLate is told of a delay. As long as the process stood still because it was to, it is none.
func (p *process) wasLate(d delay) {
	d.Due = max(d.Due, p.released)
	p.m.w.late = max(p.m.w.late, d.length()*time.Duration(p.m.w.scale))
}
