package scenarios

import (
	"fmt"
	"net/netip"
	"time"

	"firedrill/faults"
	"firedrill/nodes"
	"firedrill/nodes/client"
	"firedrill/scenarios/expect"
)

// Words that the probe `owner` finds, where it does not find a machine.
const (
	ownerNobody  = "nobody"
	ownerSeveral = "several"
)

// How long probes wait for answers, and how often they are repeated where a step says `within` or `for`.
const (
	arpPatience   = 500 * time.Millisecond
	probePatience = 5 * time.Second
	probeInterval = time.Second
)

// question asks once, and calls answered with what was found.
type question func(answered func(reply))

// probe really asks. With `within` the answer has to be right by then, with `for` it has to stay so for as long.
func (p *play) probe(s *Step, probe *Probe, fired *expect.Fired) error {
	name := ""
	if probe.Machine != "" {
		var err error
		if name, err = p.one(probe.Machine); err != nil {
			return err
		}
	}
	ask, err := p.question(s, probe, name)
	if err != nil {
		return err
	}
	fired.Machine = name
	p.report(fired, faults.Print(struct {
		Probe   string        `yaml:"probe"`
		Machine string        `yaml:"machine"`
		With    nodes.Values  `yaml:"with"`
		For     time.Duration `yaml:"for"`
		Within  time.Duration `yaml:"within"`
	}{probe.What, name, probe.With, s.For, s.Within}), meaning(probe.Machine, name)...)
	p.expecting(s, fired)
	p.hold(s, ask, p.world.Now()+s.Within, -1, func(r reply) { p.answered(s, fired, r) })
	return nil
}

// hold asks until the reply has been as wanted for the step's `for`, or is not as wanted at the deadline or after it. Held is
// when it began to be as wanted; below zero, it is not.
func (p *play) hold(s *Step, ask question, deadline, held time.Duration, answered func(reply)) {
	asked := p.world.Now()
	ask(func(r reply) {
		last := deadline
		switch {
		case !s.Want.met(r):
			held = -1
		case held < 0:
			held = asked
		}
		if held >= 0 {
			last = held + s.For
		}
		if asked >= last {
			answered(r)
			return
		}
		next := min(asked+interval(s), last) // The last question is asked just when the time is over.
		p.at(max(next, p.world.Now()), func() { p.hold(s, ask, deadline, held, answered) })
	})
}

// interval is the time from one question to the next: a tenth of the shorter time that the step gives, if that is less.
func interval(s *Step) time.Duration {
	every := probeInterval
	for _, d := range []time.Duration{s.For, s.Within} {
		if d > 0 {
			every = min(every, max(d/10, time.Millisecond))
		}
	}
	return every
}

// question prepares a probe of a machine, or of nobody in particular.
func (p *play) question(s *Step, probe *Probe, name string) (question, error) {
	switch {
	case probe.Kind == nil && probe.What == "owner":
		return p.askOwner(probe)
	case name == "":
		return nil, fmt.Errorf("probe %s wants a machine", probe.What)
	case probe.Kind == nil && probe.What == "access":
		return p.askAccess(s, probe, name)
	}
	target, err := p.operatorAddress(name)
	if err != nil {
		return nil, err
	}
	request := nodes.Request{Method: "GET", Path: "/"}
	value := func(a nodes.Answer) string { // Of `up`.
		if a.Status == 0 {
			return "down"
		}
		return "up"
	}
	if probe.Kind != nil {
		request = probe.Kind.Request(probe.With)
		value = func(a nodes.Answer) string {
			if a.Status == 0 {
				return wordFailed
			}
			return probe.Kind.Answer(a)
		}
	}
	return func(answered func(reply)) {
		p.world.Machine(operator).Go("probe "+s.Name, func(env nodes.Env) {
			a := client.Ask(env, target, request, probePatience)
			r := replyOf(a)
			r.word = value(a)
			if r.text = r.word; a.Status == 0 {
				r.text += " (no answer: " + a.Err + ")"
			}
			answered(r)
		})
	}, nil
}

// askOwner asks by ARP, from the prober's interface on the segment of the address.
func (p *play) askOwner(probe *Probe) (question, error) {
	address, err := netip.ParseAddr(probe.With.Get("address"))
	if err != nil {
		return nil, fmt.Errorf("probe owner wants an address, have %q", probe.With.Get("address"))
	}
	segment, err := p.segmentOf(address)
	if err != nil {
		return nil, err
	}
	return func(answered func(reply)) {
		p.world.Machine(p.asker(address)).Who(segment, address, arpPatience, func(owners []string) {
			defer p.catch()
			r := reply{word: ownerSeveral, text: fmt.Sprintf("several: %v", owners)}
			switch len(owners) {
			case 0:
				r.word, r.text = ownerNobody, ownerNobody
			case 1:
				r.word, r.text = owners[0], owners[0]
			}
			answered(r)
		})
	}, nil
}

// segmentOf is the segment whose subnet an address belongs to, where the prober is there too.
func (p *play) segmentOf(address netip.Addr) (string, error) {
	for _, i := range p.Prober {
		if i.Address.Masked().Contains(address) {
			return i.Segment, nil
		}
	}
	return "", fmt.Errorf("no segment has the address %s", address)
}
