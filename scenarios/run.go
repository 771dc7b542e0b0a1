package scenarios

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"firedrill/faults"
	"firedrill/nodes/client"
	"firedrill/scenarios/expect"
	"firedrill/sim"
)

// Play plays s in w, an empty world that the caller made with the scenario's seed: faults first, then quiet, then judgement.
// It closes the world. The outcome does not depend on what was played before, nor beside.
func (s *Scenario) Play(w sim.World, cat *Catalogue) *Outcome { return s.play(w, cat, nil) }

func (s *Scenario) play(w sim.World, cat *Catalogue, hold func(*Scenario, sim.World) bool) *Outcome {
	p := newPlay(s, w)
	p.keep = hold
	if err := p.populate(); err != nil { // Segments, machines, clients, and the operator.
		return p.broken(fmt.Errorf("populate %s: %w", s.Case, err))
	}
	p.arm(p.timeline, 0) // Operators' acts and faults, each at its time.
	failure := p.drill() // Safety: nothing wrong may be observed. At its end every fault is undone; what is off stays off.
	if failure == nil {
		failure = p.settle() // Liveness: it must recover.
	}
	return p.judge(p.collect(failure), cat) // The trace, the operations, and what every disk holds.
}

// play is one scenario under way in one world.
type play struct {
	*Scenario
	world sim.World
	board *faults.Board
	roles roles
	done  progress

	copied []string // steps just before which the disks are copied, for a later replace_disk

	timeline  *sequence
	sequences []*sequence                     // the timeline, and procedures under way
	ended     bool                            // the drill is over: nothing fires any more
	quiet     time.Duration                   // when the quiet phase begins: the stop, or when a step ended the drill
	keep      func(*Scenario, sim.World) bool // see Batch.Hold
	held      time.Duration                   // by so much the quiet phase was made longer

	population  map[string][]*client.Client // by group
	told        map[string]client.Place     // where groups were told to go
	ids, probes uint64                      // operations and probes so far

	fired  []*expect.Fired   // in the order in which they acted
	open   []pending         // those whose answer is still to come
	wrote  map[uint64]string // by payload, the step that put it
	wants  []expect.Breach
	missed []string
	// volumes are what segments had carried when measures began and ended.
	volumes []expect.Volume
	hash    uint64
	fault   error // of the harness
}

// moment is a time, and where the trace stood then.
type moment struct {
	at  time.Duration
	seq int
}

func newPlay(s *Scenario, w sim.World) *play {
	board := faults.NewBoard(w)
	board.Paths = paths(s.Segments)
	p := &play{Scenario: s, world: w, board: board, roles: roles{}, done: progress{}, wrote: map[uint64]string{},
		quiet: s.Stop, population: map[string][]*client.Client{}, told: map[string]client.Place{}}
	p.timeline = &sequence{steps: s.Timeline}
	p.sequences = []*sequence{p.timeline}
	for _, step := range s.allSteps() {
		if f, ok := step.Act.(*faults.ReplaceDisk); ok && f.AsOf != "" {
			p.copied = append(p.copied, f.AsOf)
		}
	}
	return p
}

// allSteps are those of the timeline, then those of the procedures.
func (s *Scenario) allSteps() []Step {
	all := slices.Clone(s.Timeline)
	for _, p := range s.Procedures {
		all = append(all, p.Steps...)
	}
	return all
}

// operator is the machine from which operators ask, and as a rule the prober too. Where segments are joined the prober is a
// machine of its own: an operator with a cable in every segment would never need the path.
const (
	operator = "operator"
	prober   = "prober"
)

// askers are the machines from which operators and probers ask.
func (s *Scenario) askers() []expect.Machine {
	if len(paths(s.Segments)) == 0 {
		return []expect.Machine{{Name: operator, Nets: s.Prober}}
	}
	var own, rest []sim.Interface
	for _, i := range s.Prober {
		if i.Segment == s.Operator {
			own = append(own, i)
		} else {
			rest = append(rest, i)
		}
	}
	return []expect.Machine{{Name: operator, Nets: own}, {Name: prober, Nets: rest}}
}

// asker is the machine that asks for an address: the one on its segment, or else the operator.
func (s *Scenario) asker(address netip.Addr) string {
	for _, m := range s.askers() {
		for _, i := range m.Nets {
			if i.Address.Masked().Contains(address) {
				return m.Name
			}
		}
	}
	return operator
}

// populate furnishes the world and lets clients begin when their time comes.
func (p *play) populate() error {
	for _, joins := range []bool{false, true} { // What is joined is there before.
		for _, s := range p.Segments {
			if (s.Joins != nil) != joins {
				continue
			}
			if err := p.world.AddSegment(s); err != nil {
				return err
			}
		}
	}
	for _, m := range p.Machines {
		spec := sim.MachineSpec{Name: m.Name, Interfaces: m.Nets, Kind: m.Kind, Config: m.Config, Disk: m.Disk, Clock: m.Clock,
			Start: p.Start}
		if err := p.world.AddMachine(spec); err != nil {
			return err
		}
	}
	for _, m := range p.askers() {
		if err := p.world.AddMachine(sim.MachineSpec{Name: m.Name, Interfaces: m.Nets, Start: p.Start}); err != nil {
			return err
		}
	}
	for i := range p.Clients {
		if err := p.addClients(&p.Clients[i]); err != nil {
			return err
		}
	}
	p.callLast()
	p.world.OnFact(p.concerns, p.observe)
	return nil
}

// broken is what came of a play that could not begin: a fault of ours, or of whoever made the scenario by hand.
func (p *play) broken(err error) *Outcome {
	return &Outcome{Scenario: p.Scenario, Verdict: expect.Inconclusive, Err: errors.Join(err, p.world.Close())}
}

// addClients adds the machines of a group.
func (p *play) addClients(c *Clients) error {
	for i, address := range c.Addresses {
		spec := sim.MachineSpec{Name: c.machine(i), Interfaces: []sim.Interface{{Segment: c.Net, Address: address}}, Start: p.Start}
		if err := p.world.AddMachine(spec); err != nil {
			return err
		}
	}
	p.startClients(c)
	return nil
}

// machine is the name of the group's machine with this index.
func (c *Clients) machine(i int) string { return fmt.Sprintf("%s-%d", c.Name, i+1) }
