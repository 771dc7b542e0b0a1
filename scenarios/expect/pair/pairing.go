// Package pair holds the claims and hazards that need to know how a pair of units (system D) was set up: which unit
// stands by for which, over which segment they ask each other, how often, and what the number of checks means. All
// of that comes from what operators did and had acknowledged and from the scenario, not from what units say of
// themselves.
package pair

import (
	"net/netip"
	"slices"
	"strconv"
	"time"

	"firedrill/faults"
	"firedrill/nodes"
	"firedrill/nodes/pair"
	"firedrill/scenarios/expect"
)

// kinds are what the claims of this package are about.
var kinds = []string{"pair"}

// pairing is one set-up of a pair: from the active's acknowledged `apply` until the next one, or a `disconnect`.
type pairing struct {
	run             *expect.Run
	Active, Standby string // as they were set up
	Address         string // the virtual one
	Segment         string // that of the virtual address; "" if no interface fits it
	Heartbeat       string // the segment of checks and syncs
	From, Until     time.Duration

	with     nodes.Values   // of the apply
	changes  []expect.Fired // acknowledged change-settings of the active, in order
	silences []silence
	known    bool // silences were looked for
}

// pairings are the set-ups of the run that an active acknowledged, in order of time.
func pairings(r *expect.Run) []*pairing {
	var all []*pairing
	for i := range r.Steps {
		s := &r.Steps[i]
		if s.Answer == nil || s.Answer.Status/100 != 2 {
			continue
		}
		switch {
		case s.Verb == "apply" && s.With.Get("role") == pair.RoleActive:
			p := newPairing(r, s)
			if p == nil {
				continue
			}
			for _, before := range all {
				if before.has(p.Active) || before.has(p.Standby) {
					before.Until = min(before.Until, s.At)
				}
			}
			all = append(all, p)
		case s.Verb == "disconnect":
			for _, p := range all {
				if p.has(s.Machine) {
					p.Until = min(p.Until, s.At)
				}
			}
		case s.Verb == "change-settings":
			for _, p := range all {
				if p.Active == s.Machine && s.At < p.Until {
					p.changes = append(p.changes, *s)
				}
			}
		}
	}
	return all
}

// newPairing reads an acknowledged apply; nil where it names no machine of the scenario as the other unit.
func newPairing(r *expect.Run, s *expect.Fired) *pairing {
	p := &pairing{run: r, Active: s.Machine, Address: s.With.Get("virtual_ip"), From: s.At, Until: r.End, with: s.With}
	heartbeat := list(s.With, "heartbeat_ips")
	if len(heartbeat) == 2 {
		_, p.Heartbeat = ownerOf(r, heartbeat[0])
		p.Standby, _ = ownerOf(r, heartbeat[1])
	}
	other, segment := ownerOf(r, s.With.Get("pair_ip"))
	if p.Standby == "" {
		p.Standby = other
	}
	if p.Heartbeat == "" {
		p.Heartbeat = segment
	}
	for _, i := range r.Machine(s.Machine).Nets {
		if a, err := netip.ParseAddr(p.Address); err == nil && i.Address.Contains(a) {
			p.Segment = i.Segment
		}
	}
	if p.Standby == "" || p.Standby == p.Active {
		return nil
	}
	return p
}

func (p *pairing) has(machine string) bool { return machine == p.Active || machine == p.Standby }

func (p *pairing) lane(machine string) *expect.Lane { return p.run.Timeline().Lane(machine) }

// list returns a `with` entry as a list, also where it was written as one word.
func list(with nodes.Values, key string) []string {
	for _, v := range with {
		if v.Key == key && v.List != nil {
			return v.List
		}
	}
	if text := with.Get(key); text != "" {
		return []string{text}
	}
	return nil
}

// ownerOf finds the machine that has the address as its own, and the segment on which it has it.
func ownerOf(r *expect.Run, address string) (machine, segment string) {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return "", ""
	}
	for _, m := range r.Machines {
		for _, i := range m.Nets {
			if i.Address.Addr() == a {
				return m.Name, i.Segment
			}
		}
	}
	return "", ""
}

// checking is how the standby checked the active at some time.
type checking struct {
	Interval  time.Duration
	Checks    int
	Semantics string
	Timeout   time.Duration
	Work      time.Duration
}

// checking puts together what operators had acknowledged by then and what the standby was configured to.
func (p *pairing) checking(at time.Duration) checking {
	c := checking{Interval: 30 * time.Second, Checks: 1}
	p.said(at, &c)
	c.take(p.with)
	for _, change := range p.changes {
		if change.Done <= at {
			c.take(change.With)
		}
	}
	if config := p.config(p.Standby, at); config != nil {
		c.Semantics, c.Timeout, c.Work = config.CheckSemantics, config.CheckTimeout, config.TakeoverWork
	}
	return c
}

// take reads the keys that are there and well-formed: a wrong value was refused, and nobody goes by it.
func (c *checking) take(with nodes.Values) {
	if d, err := nodes.ParseDuration(with.Get("interval")); err == nil && d > 0 {
		c.Interval = d
	}
	if n, err := strconv.Atoi(with.Get("checks")); err == nil && n > 0 {
		c.Checks = n
	}
}

// said reads what the unit says that it goes by, for keys that the operator left to it.
func (p *pairing) said(at time.Duration, c *checking) {
	for _, e := range p.facts(pair.FactSettings, p.Active, 0, at) {
		c.take(nodes.Values{{Key: "interval", Text: e.Attr("interval")}, {Key: "checks", Text: e.Attr("checks")}})
	}
}

// config is the unit's configuration at a time: as declared, or as it was last booted with; nil if it is of another
// kind.
func (p *pairing) config(machine string, at time.Duration) *pair.Config {
	m := p.run.Machine(machine)
	if m == nil {
		return nil
	}
	config, _ := m.Config.(*pair.Config)
	for _, e := range p.run.Faults {
		if e.From > at {
			break
		}
		if booted, ok := bootedWith(e.Fault, machine).(*pair.Config); ok {
			config = booted
		}
	}
	return config
}

// bootedWith is the configuration with which a fault's undoing booted or restarted the machine; nil: with what it
// had.
func bootedWith(f faults.Fault, machine string) any {
	switch f := f.(type) {
	case *faults.Boot:
		if slices.Contains(f.Machines, machine) {
			return f.Configs[machine]
		}
	case *faults.Restart:
		if slices.Contains(f.Machines, machine) {
			return f.Configs[machine]
		}
	}
	return nil
}
