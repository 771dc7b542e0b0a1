package pair

import (
	"slices"
	"time"

	"firedrill/nodes"
	"firedrill/nodes/pair"
	"firedrill/scenarios/expect"
	"firedrill/sim"
)

// RoleChanges claims that no role changes by itself but that of a standby which takes over. Every other change needs
// an operator: an apply that was not refused, or a disconnect, on the unit or on its peer, that has not been used up
// by an earlier change. An active that starts again and finds itself replaced may step back; nothing ever hands the
// role back to it. A unit that starts again keeps the role that it had.
//
// Whether a takeover was called for is judged by the claim takeover. Vacuous where no unit ever had a role.
//
// Source: D-INV-6, D-58, D-59, D-60.
type RoleChanges struct {
	All string `yaml:"role_changes" choices:"all" doc:"all"`
}

// Name implements expect.Claim.
func (c *RoleChanges) Name() string { return "role_changes" }

// Judge implements expect.Claim.
func (c *RoleChanges) Judge(r *expect.Run) expect.Finding {
	u := &ruling{run: r}
	for _, m := range r.Machines {
		if _, ours := m.Config.(*pair.Config); ours {
			u.follow(m.Name)
		}
	}
	return u.finding("no unit ever had a role")
}

// follow goes through the roles that a unit noted. A role outlives the software that had it.
func (u *ruling) follow(unit string) {
	role, since := "", time.Duration(-1)
	for _, n := range u.run.Named(nodes.FactRole) {
		e := &u.run.Events[n]
		if e.Machine != unit || e.Value == role {
			continue
		}
		u.tried++
		if !u.mayChange(unit, role, e, since) {
			u.breach(expect.Breach{From: e.At, Machines: []string{unit}, Events: []int{e.Seq}, Firm: true},
				"%s changed its role from %s to %s at %s, and no operator had asked for it",
				unit, named(role), named(e.Value), told(e.At))
		}
		role, since = e.Value, e.At
	}
}

func named(role string) string {
	if role == "" {
		return "none"
	}
	return role
}

// mayChange reports whether anything explains the change of a role that the unit had since then.
func (u *ruling) mayChange(unit, from string, e *sim.Event, since time.Duration) bool {
	if from == pair.RoleStandby && e.Value == pair.RoleActive {
		// Even after the end of the pairing: a standby that was not told of it sees a dead active (D-68).
		return slices.ContainsFunc(pairings(u.run), func(p *pairing) bool {
			return p.Standby == unit && p.From <= e.At
		})
	}
	if from == pair.RoleActive && e.Value == "" && u.replaced(unit, e.At) {
		return true
	}
	peers := []string{unit}
	for _, p := range pairings(u.run) {
		if p.has(unit) {
			peers = append(peers, p.Active, p.Standby)
		}
	}
	return slices.ContainsFunc(u.run.Steps, func(s expect.Fired) bool {
		if !slices.Contains(peers, s.Machine) || refusedStep(&s) || s.At > e.At || s.Done < since {
			return false
		}
		if e.Value == "" {
			return s.Verb == "disconnect" || s.Verb == "apply"
		}
		return s.Verb == "apply" && s.Machine == unit && s.With.Get("role") == e.Value
	})
}

// replaced reports whether the unit started again after the other one of its pair had taken over, or in the silence that led to
// that.
func (u *ruling) replaced(unit string, at time.Duration) bool {
	for _, t := range takeovers(u.run) {
		if t.Active != unit || t.At > at {
			continue
		}
		for _, back := range t.starts(t.Active) {
			if (t.At <= back || t.Silence != nil && t.Silence.From < back) && back <= at {
				return true
			}
		}
	}
	return false
}
