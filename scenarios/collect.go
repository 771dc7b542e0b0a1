package scenarios

import (
	"errors"
	"fmt"
	"slices"

	"firedrill/nodes"
	"firedrill/scenarios/expect"
	"firedrill/sim"
)

// collect makes the data on which the run is judged, and closes the world. After a failure the world may still be held by
// what made it fail, and is left alone: what the play itself knows is all there is.
func (p *play) collect(failure error) *expect.Run {
	run := &expect.Run{Segments: p.Segments, Quiet: p.quiet, End: p.over(), Failure: failure, Gauges: p.Measures, Missed: p.missed,
		Wants: p.wants, Steps: p.steps(), Slips: p.Slips, Usual: p.Usual}
	if failure != nil {
		for _, m := range p.Machines {
			run.Machines = append(run.Machines, m.bare())
		}
		run.Failure = errors.Join(failure, p.world.Close())
		if own := new(sim.OwnFault); errors.As(failure, &own) {
			p.fault, run.Failure = errors.Join(p.fault, run.Failure), nil
		}
		return run
	}
	p.giveUp()
	run.Faults = p.board.Settle()
	run.Wants, run.Missed, run.Steps, run.Volumes = p.wants, p.missed, p.steps(), p.volumes
	run.Machines = p.machines()
	p.hash = p.world.Trace().Sum()
	run.Events, run.History = p.world.Trace().Events(), p.world.History()
	run.Slack = p.world.Slack()
	if d, can := p.world.(sim.Doubter); can {
		run.Doubt = d.Doubt()
	}
	run.Failure = p.world.Close()
	return run
}

// steps are those that acted, in the order in which they did.
func (p *play) steps() []expect.Fired {
	steps := make([]expect.Fired, len(p.fired))
	for i, f := range p.fired {
		steps[i] = *f
	}
	return steps
}

// machines are those of the scenario with what their disks hold, then clients and the operator.
func (p *play) machines() []expect.Machine {
	var all []expect.Machine
	for _, m := range p.Machines {
		one := m.bare()
		there := p.world.Machine(m.Name)
		one.State = there.State()
		one.Contents, one.Damage = contents(m.Kind, there)
		all = append(all, one)
	}
	for i := range p.Clients {
		c := &p.Clients[i]
		for n, address := range c.Addresses {
			name := c.machine(n)
			all = append(all, expect.Machine{Name: name, Group: c.Name, State: p.world.Machine(name).State(),
				Nets: []sim.Interface{{Segment: c.Net, Address: address}}})
		}
	}
	for _, m := range p.askers() {
		m.State = p.world.Machine(m.Name).State()
		all = append(all, m)
	}
	return all
}

// bare is a machine as it was declared.
func (m *Machine) bare() expect.Machine {
	return expect.Machine{Name: m.Name, Kind: m.Kind, Config: m.Config, Nets: m.Nets, Clock: m.Clock}
}

// contents lists what a machine's disk holds for clients; where the machine is dead, that is what was durable when it died. A
// kind that cannot read its own disk is damage, and not the end of the batch.
func contents(kind *nodes.Kind, m sim.Machine) (items []nodes.Item, err error) {
	if kind == nil || kind.Contents == nil {
		return nil, nil
	}
	defer func() {
		if r := recover(); r != nil {
			items, err = nil, fmt.Errorf("reading the contents panicked: %v", r)
		}
	}()
	items, err = kind.Contents(m.Disk().Fs(nil))
	return slices.Clip(items), err
}
