package scenarios

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"firedrill/nodes"
	"firedrill/sim"
)

// roles is who takes itself for what, by machine and scope, as nodes say it. Software that does not run has no role.
type roles map[string]map[string]string

// concerns reports whether a fact changes who has which role.
func (r roles) concerns(e *sim.Event) bool {
	switch e.Name {
	case nodes.FactRole, sim.FactBooted, sim.FactPoweredOff, sim.FactCrashed, sim.FactPanicked, sim.FactStopped:
		return true
	}
	return false
}

func (r roles) see(e *sim.Event) {
	switch {
	case !r.concerns(e):
	case e.Name != nodes.FactRole:
		delete(r, e.Machine)
	case r[e.Machine] == nil:
		r[e.Machine] = map[string]string{e.Scope: e.Value}
	default:
		r[e.Machine][e.Scope] = e.Value
	}
}

// holders are the machines that have the role now, in the order of the world.
func (r roles) holders(w sim.World, role string) []string {
	var names []string
	for _, m := range w.Machines() {
		for _, value := range r[m.Name()] { // Only whether there is one matters, not which comes first.
			if value == role {
				names = append(names, m.Name())
				break
			}
		}
	}
	return names
}

// machine returns the scenario's machine of this name, or nil.
func (s *Scenario) machine(name string) *Machine {
	for i := range s.Machines {
		if s.Machines[i].Name == name {
			return &s.Machines[i]
		}
	}
	return nil
}

// machineNames are those of the scenario's machines.
func (s *Scenario) machineNames() []string {
	names := make([]string, len(s.Machines))
	for i, m := range s.Machines {
		names[i] = m.Name
	}
	return names
}

// clients returns the scenario's group of this name, or nil.
func (s *Scenario) clients(name string) *Clients {
	for i := range s.Clients {
		if s.Clients[i].Name == name {
			return &s.Clients[i]
		}
	}
	return nil
}

// resolve returns the machines that a word means now: a machine, the machines of a client group, whoever has a role. A segment
// stands for itself.
func (p *play) resolve(word string) ([]string, error) {
	if p.machine(word) != nil {
		return []string{word}, nil
	}
	if c := p.clients(word); c != nil {
		names := make([]string, len(c.Addresses))
		for i := range names {
			names[i] = c.machine(i)
		}
		return names, nil
	}
	for i := range p.Machines {
		if k := p.Machines[i].Kind; k != nil && slices.Contains(k.Roles, word) {
			return p.holding(word)
		}
	}
	if slices.ContainsFunc(p.Segments, func(s sim.Segment) bool { return s.Name == word }) {
		return []string{word}, nil
	}
	return nil, fmt.Errorf("no machine, clients or role %q", word)
}

func (p *play) holding(role string) ([]string, error) {
	names := p.roles.holders(p.world, role)
	if len(names) == 0 {
		return nil, errors.New("nobody is " + role)
	}
	return names, nil
}

// one returns the machine that a word means now, where exactly one is meant.
func (p *play) one(word string) (string, error) {
	names, err := p.resolve(word)
	if err != nil {
		return "", err
	}
	if len(names) != 1 {
		return "", fmt.Errorf("%s is to mean one machine, and means %d: %s", word, len(names), strings.Join(names, ", "))
	}
	return names[0], nil
}

// progress is how far each activity was when it was last heard of.
type progress map[activity]nodes.Share

type activity struct{ machine, fact, scope string }

// concerns reports whether a fact tells how far something is.
func (p progress) concerns(e *sim.Event) bool {
	_, ok := share(e)
	return ok
}

// see takes a fact down, and returns how far the activity was before: nothing where this one is a new one.
func (p progress) see(e *sim.Event) nodes.Share {
	now, ok := share(e)
	if !ok {
		return 0
	}
	a := activity{e.Machine, e.Name, e.Scope}
	before := p[a]
	p[a] = now
	if now < before {
		return 0
	}
	return before
}

// share reads the detail `done` of a fact: `50%` or `50`.
func share(e *sim.Event) (nodes.Share, bool) {
	text := e.Attr("done")
	if text == "" {
		return 0, false
	}
	var s nodes.Share
	err := s.UnmarshalText([]byte(strings.TrimSuffix(text, "%") + "%"))
	return s, err == nil
}
