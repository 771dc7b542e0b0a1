package pair

import (
	"time"

	"firedrill/nodes/pair"
	"firedrill/scenarios/expect"
	"firedrill/sim"
)

// PairingConcludes claims that setting up ends in time, one way or the other: on the active within sixty seconds and
// one round trip of its apply, on the standby within its pair_wait. Nothing is paired later than that. Both may take
// a second more for their disks, and for the answer to the operator.
//
// A unit that stopped or stood still meanwhile is not held to it. Vacuous where no operator set a unit up.
//
// Source: D-LIV-4, D-19, D-20, D-22.
type PairingConcludes struct {
	All string `yaml:"pairing_concludes" choices:"all" doc:"all"`
}

// Name implements expect.Claim.
func (c *PairingConcludes) Name() string { return "pairing_concludes" }

const (
	pairWindow = 60 * time.Second
	// pairWork is what both ends of a pairing may take for their disks and for the answer to the operator.
	pairWork = time.Second
)

// Judge implements expect.Claim.
func (c *PairingConcludes) Judge(r *expect.Run) expect.Finding {
	u := &ruling{run: r}
	for i := range r.Steps {
		s := &r.Steps[i]
		m := r.Machine(s.Machine)
		if s.Verb != "apply" || s.Answer == nil || m == nil {
			continue
		}
		config, ours := m.Config.(*pair.Config)
		switch {
		case !ours:
		case s.With.Get("role") == pair.RoleStandby:
			u.answers(s, config.PairWait+pairWork+r.Slack)
		case answeredOK(s, "apply"):
			u.ends(s)
		}
	}
	return u.finding("no operator set a unit up")
}

// answers holds the standby's answer against the time that it may wait for its active.
func (u *ruling) answers(s *expect.Fired, patience time.Duration) {
	if !u.ran(s.Machine, s.At, s.At+patience) {
		return
	}
	u.tried++
	if took := s.Done - s.At; s.Answer.Status != 0 && took > patience {
		u.breach(expect.Breach{From: s.At + patience, Until: s.Done, Machines: []string{s.Machine}, Firm: true},
			"%s answered its apply of %s after %s, want %s", s.Machine, told(s.At), told(took), told(patience))
	}
}

// ends looks for the end of the state in which the active waits for its standby.
func (u *ruling) ends(s *expect.Fired) {
	p := newPairing(u.run, s)
	if p == nil {
		return
	}
	patience := pairWindow + p.roundTrip() + pairWork + u.run.Slack
	deadline := s.Done + patience
	if !u.ran(s.Machine, s.At, deadline) {
		return
	}
	for _, i := range u.run.Timeline().Lane(s.Machine).Phase {
		if i.Value != string(pair.PairingA) || i.Until < s.At || i.From > s.Done {
			continue
		}
		u.tried++
		switch {
		case i.Until <= deadline || u.run.End <= deadline:
		default:
			u.breach(expect.Breach{From: deadline, Until: i.Until, Machines: []string{s.Machine}, Firm: true,
				Events: expect.EventsOf(i)},
				"%s waited for its standby from %s to %s, want %s", s.Machine, told(i.From), told(i.Until), told(patience))
		}
	}
}

// ran reports whether the unit's software ran all the time.
func (u *ruling) ran(unit string, from, until time.Duration) bool {
	for _, i := range u.run.Timeline().Lane(unit).Runs() {
		if i.From <= from && min(until, u.run.End) <= i.Until && sim.State(i.Value) == sim.StateUp {
			return true
		}
	}
	return false
}
