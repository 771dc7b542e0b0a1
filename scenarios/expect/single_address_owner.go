package expect

import (
	"fmt"
	"time"
)

// SingleAddressOwner claims that at no instant two machines would both answer ARP for one further address on one
// segment. The world itself saw who bound what; a machine whose software is gone still answers, one that is frozen
// or off does not.
//
// Vacuous where the address was never bound.
//
// Source: IDEAL-3; D-INV-1.
type SingleAddressOwner struct {
	Address Service `yaml:"single_address_owner" doc:"all, or one address"`
	Since   string  `yaml:"since" ref:"step" doc:"only what is so after this step"`
}

// Name implements Claim.
func (c *SingleAddressOwner) Name() string { return "single_address_owner" }

// Judge implements Claim.
func (c *SingleAddressOwner) Judge(r *Run) Finding {
	since, missing := r.from(c.Since)
	if missing != nil {
		return *missing
	}
	f := Finding{Verdict: Vacuous, Subject: c.Address.String()}
	var length time.Duration
	for _, bound := range r.boundAddresses() {
		if !c.Address.covers(bound.address) {
			continue
		}
		f.Verdict = Pass
		for n, a := range bound.machines {
			for _, b := range bound.machines[n+1:] {
				for _, clash := range r.OwnerClashes(a, b, bound.segment, bound.address, since.at) {
					f.Breaches = append(f.Breaches, twoOwners(clash))
					length += clash.Length
				}
			}
		}
	}
	if f.Verdict == Vacuous {
		f.Evidence = []string{"nobody ever bound the address"}
	}
	return f.broken(r, Measure{Name: "dual_owner_time", Value: length.Seconds(), Unit: "s"})
}

// bound is an address of a segment, and who ever bound it.
type bound struct {
	segment, address string
	machines         []string
}

// boundAddresses are in the order of the machines that bound them.
func (r *Run) boundAddresses() []*bound {
	type key struct{ segment, address string }
	var all []*bound
	by := map[key]*bound{}
	for _, l := range r.Timeline().Lanes {
		for _, i := range l.Bound {
			k := key{i.Scope, i.Value}
			if by[k] == nil {
				by[k] = &bound{segment: i.Scope, address: i.Value}
				all = append(all, by[k])
			}
			if n := len(by[k].machines); n == 0 || by[k].machines[n-1] != l.Machine {
				by[k].machines = append(by[k].machines, l.Machine)
			}
		}
	}
	return all
}

// OwnerClashes are the stretches in which both machines had the address on the segment and answered for it.
func (r *Run) OwnerClashes(a, b, segment, address string, from time.Duration) []Clash {
	return clashes(r.Holds(a, segment, address), r.Holds(b, segment, address),
		r.Timeline().Lane(a).Answers(), r.Timeline().Lane(b).Answers(), from)
}

// Holds are the stretches in which a machine had the address on the segment.
func (r *Run) Holds(machine, segment, address string) []Interval {
	var held []Interval
	for _, i := range r.Timeline().Lane(machine).Bound {
		if i.Scope == segment && i.Value == address {
			held = append(held, i)
		}
	}
	return held
}

func twoOwners(c Clash) Breach {
	return Breach{
		From: c.From, Until: c.Until, Machines: []string{c.A.Machine, c.B.Machine}, Events: EventsOf(c.A, c.B),
		Text: fmt.Sprintf("%s and %s both had %s on %s for %s: %s from %s to %s, %s from %s to %s",
			c.A.Machine, c.B.Machine, c.A.Value, c.A.Scope, clock(c.Length),
			c.A.Machine, clock(c.A.From), clock(c.A.Until), c.B.Machine, clock(c.B.From), clock(c.B.Until)),
	}
}
