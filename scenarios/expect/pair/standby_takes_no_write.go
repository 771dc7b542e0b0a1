package pair

import (
	"time"

	"firedrill/nodes"
	"firedrill/nodes/pair"
	"firedrill/scenarios/expect"
)

// StandbyTakesNoWrite claims that a standby acknowledges no client's write: none that reached it wholly between the
// acknowledgement of its set-up and its takeover, or the end of the pair.
//
// Vacuous where no write of a client reached a standby.
//
// Source: D-INV-4, D-33.
type StandbyTakesNoWrite struct {
	All string `yaml:"standby_takes_no_write" choices:"all" doc:"all"`
}

// Name implements expect.Claim.
func (c *StandbyTakesNoWrite) Name() string { return "standby_takes_no_write" }

// Judge implements expect.Claim.
func (c *StandbyTakesNoWrite) Judge(r *expect.Run) expect.Finding {
	u := &ruling{run: r}
	for _, p := range pairings(r) {
		from, until := p.standsBy()
		if from < 0 {
			continue
		}
		for i := range r.History {
			op := &r.History[i]
			if op.ServedBy != p.Standby || op.Verb == "get" || op.Sent <= from || op.Done >= until {
				continue
			}
			u.tried++
			if op.Result == nodes.ResultOK {
				u.breach(expect.Breach{From: op.Sent, Until: op.Done, Machines: []string{p.Standby}, Firm: true,
					Operations: []uint64{op.ID}}, "%s acknowledged %s %s at %s, as the standby of %s",
					p.Standby, op.Verb, op.Path, told(op.Done), p.Active)
			}
		}
	}
	return u.finding("no write of a client reached a standby")
}

// standsBy is from when to when the standby of the pairing was one: since the operator had it acknowledged, until it
// began to take over or left the pair. That it lets clients in makes it no less of a standby. Below zero: it never was.
func (p *pairing) standsBy() (from, until time.Duration) {
	from, until = -1, p.Until
	for i := range p.run.Steps {
		s := &p.run.Steps[i]
		if answeredOK(s, "apply") && s.Machine == p.Standby && s.With.Get("role") == pair.RoleStandby &&
			s.Done >= p.From && s.Done < p.Until {
			from = s.Done
			break
		}
	}
	if from < 0 {
		return -1, -1
	}
	if began := p.signs(p.Standby, from, p.Until).Began; began >= 0 {
		until = min(until, began)
	}
	for _, i := range p.lane(p.Standby).Phase {
		if i.From > from && i.Value == string(pair.Standalone) {
			until = min(until, i.From)
		}
	}
	return from, until
}
