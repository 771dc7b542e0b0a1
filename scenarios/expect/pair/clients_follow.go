package pair

import (
	"time"

	"firedrill/nodes"
	"firedrill/scenarios/expect"
)

// ClientsFollow claims that a client of the virtual address reaches the unit that took over as soon as its ARP cache
// lets it: an operation that was sent to the address more than a minute after the takeover was complete is answered by
// that unit. An entry of the cache is trusted for at most 45 s, and asked for anew for 9 s more. While the old
// active still answers for the address, a client may stay with it.
//
// Operations of clients that a fault of their segment kept from the unit, that were under way while a fault acted on its disk, or
// that were sent after it went off, say nothing. Vacuous where no client sent one after a takeover.
//
// Source: D-LIV-3, D-48, IDEAL-5.
type ClientsFollow struct {
	All string `yaml:"clients_follow" choices:"all" doc:"all"`
}

// Name implements expect.Claim.
func (c *ClientsFollow) Name() string { return "clients_follow" }

// arpUpdate is how long a client may go by an entry of its ARP cache that nobody answers for any more.
const arpUpdate = time.Minute

// Judge implements expect.Claim.
func (c *ClientsFollow) Judge(r *expect.Run) expect.Finding {
	u := &ruling{run: r}
	for _, t := range takeovers(r) {
		from, until := t.Serving+arpUpdate, t.followedUntil()
		for i := range r.History {
			op := &r.History[i]
			if op.Target != t.Address || op.Sent < from || op.Done >= until || t.keptFrom(op) ||
				stalledDisk(r, t.Standby, op.Sent, op.Done) {
				continue
			}
			u.tried++
			if op.ServedBy != t.Standby || op.Result == nodes.ResultUnknown {
				u.breach(expect.Breach{From: op.Sent, Until: op.Done, Machines: []string{t.Standby},
					Operations: []uint64{op.ID}},
					"%s sent %s %s at %s, %s after %s took over, and was not answered by it: %s", op.Client, op.Verb, op.Path,
					told(op.Sent), told(op.Sent-t.Serving), t.Standby, outcome(op))
			}
		}
	}
	return u.finding("no client sent anything to the virtual address a minute after a takeover")
}

func outcome(op *nodes.Operation) string {
	switch {
	case op.Err != "":
		return op.Err
	case op.ServedBy != "":
		return op.ServedBy + " did"
	}
	return string(op.Result)
}

// followedUntil is when anything about the addresses changes again: the old active answers for its own, the unit that
// took over stops, the pair is set up anew, or the run ends.
func (t *taken) followedUntil() time.Duration {
	until := min(t.Over, t.Until)
	for _, p := range pairings(t.run) {
		if p.From > t.At {
			until = min(until, p.From)
		}
	}
	for _, i := range t.run.Holds(t.Active, t.Segment, t.Address) {
		for _, on := range expect.Clip([]expect.Interval{i}, t.lane(t.Active).Answers()) {
			if on.Until > t.Serving {
				until = min(until, max(on.From, t.Serving))
			}
		}
	}
	for _, i := range t.lane(t.Standby).States {
		if i.From > t.Serving {
			until = min(until, i.From)
		}
	}
	return until
}

// keptFrom reports whether the network may have kept the client from the unit while its operation was under way, or
// for so long before it that its cache may be no wiser.
func (t *taken) keptFrom(op *nodes.Operation) bool {
	m := t.run.Machine(op.Client)
	if m == nil {
		return true // It is not known where it sits.
	}
	from := op.Sent - arpUpdate
	for _, n := range m.Nets {
		if n.Segment != t.Segment {
			return true // Somebody routes for it, whose cache this is about.
		}
		apart := t.run.Reach().Apart(t.Segment, op.Client, t.Standby)
		if len(expect.Within(apart, from, op.Done+1)) > 0 {
			return true
		}
	}
	for _, e := range t.run.Faults {
		if on, _ := acts(e.Fault); on == t.Segment && !e.Undoing && e.From <= op.Done && (e.Until < 0 || e.Until >= from) {
			return true
		}
	}
	return false
}
