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
// A unit that stopped or stood still meanwhile, or whose disk a fault acted on, is not held to it. Vacuous where no operator
// set a unit up.
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
			patience := config.PairWait + pairWork + r.Slack
			u.answers(s, patience)
			u.waits(s, pair.PairingS, s.At, patience)
		case answeredOK(s, "apply"):
			if p := newPairing(r, s); p != nil {
				u.waits(s, pair.PairingA, s.Done, pairWindow+p.roundTrip()+pairWork+r.Slack)
			}
		}
	}
	return u.finding("no operator set a unit up")
}

// answers holds the standby's answer against the time that it may wait for its active. Where there is none the network may
// have lost it: see waits.
func (u *ruling) answers(s *expect.Fired, patience time.Duration) {
	if s.Answer.Status == 0 || !u.ran(s.Machine, s.At, s.At+patience) {
		return
	}
	u.tried++
	if took := s.Done - s.At; took > patience {
		u.breach(expect.Breach{From: s.At + patience, Until: s.Done, Machines: []string{s.Machine}, Firm: true},
			"%s answered its apply of %s after %s, want %s", s.Machine, told(s.At), told(took), told(patience))
	}
}

// waits looks for the end of the state in which a unit waits for the other one since an apply.
func (u *ruling) waits(s *expect.Fired, state pair.Phase, since, patience time.Duration) {
	deadline := since + patience
	if !u.ran(s.Machine, s.At, deadline) {
		return
	}
	for _, i := range u.run.Timeline().Lane(s.Machine).Phase {
		if i.Value != string(state) || i.Until < s.At || i.From > min(s.Done, deadline) {
			continue
		}
		u.tried++
		if i.Until > deadline && u.run.End > deadline {
			u.breach(expect.Breach{From: deadline, Until: i.Until, Machines: []string{s.Machine}, Firm: true,
				Events: expect.EventsOf(i)},
				"%s was in state %s from %s to %s, want %s at most", s.Machine, state, told(i.From), told(i.Until), told(patience))
		}
	}
}

// ran reports whether the unit's software ran all the time, with a disk that worked.
func (u *ruling) ran(unit string, from, until time.Duration) bool {
	if stalledDisk(u.run, unit, from, until) {
		return false
	}
	for _, i := range u.run.Timeline().Lane(unit).Runs() {
		if i.From <= from && min(until, u.run.End) <= i.Until && sim.State(i.Value) == sim.StateUp {
			return true
		}
	}
	return false
}
