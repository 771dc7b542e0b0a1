package scenarios

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"firedrill/faults"
	"firedrill/nodes"
	"firedrill/nodes/client"
	"firedrill/scenarios/expect"
)

// operatorPatience is how long an operator waits for an answer: longer than any wait of the systems modelled, the longest
// of which is a pairing (D-20: 60 s, and the work before and after).
const operatorPatience = 3 * time.Minute

// operatorPort is where operators ask machines.
const operatorPort = 80

// do sends an operator's request, as bytes over the operator's segment: a partition hits operators too. The steps below do
// not wait for the answer.
func (p *play) do(s *Step, d *Do, fired *expect.Fired) error {
	name, err := p.one(d.Machine)
	if err != nil {
		return err
	}
	target, err := p.operatorAddress(name)
	if err != nil {
		return err
	}
	fired.Machine, fired.Verb, fired.With = name, d.Verb.Name, d.With
	p.report(fired, faults.Print(struct {
		Do      string        `yaml:"do"`
		Machine string        `yaml:"machine"`
		With    nodes.Values  `yaml:"with"`
		Retry   time.Duration `yaml:"retry"`
	}{d.Verb.Name, name, d.With, d.Retry}), meaning(d.Machine, name)...)
	p.expecting(s, fired)
	request := d.Verb.Request(d.With)
	p.world.Machine(operator).Go("do "+s.Name, func(env nodes.Env) {
		for {
			answer := client.Ask(env, target, request, operatorPatience)
			fired.Answer = &answer
			r := replyOf(answer)
			if d.Retry <= 0 || s.Want.met(r) {
				p.answered(s, fired, r)
				return
			}
			env.Sleep(d.Retry)
		}
	})
	return nil
}

// operatorAddress is where operators ask a machine: at its own address on their segment, or on one that is joined to it.
func (p *play) operatorAddress(name string) (netip.AddrPort, error) {
	if i := nearest(p.Segments, p.machine(name).Nets, p.Operator); i != nil {
		return netip.AddrPortFrom(i.Address.Addr(), operatorPort), nil
	}
	return netip.AddrPort{}, fmt.Errorf("%s is not on the operator's segment, %s, nor on one that is joined to it", name, p.Operator)
}

// meaning is what a word meant, for the trace, where it was not a machine's own name.
func meaning(word string, names ...string) []nodes.Attr {
	if len(names) == 1 && names[0] == word {
		return nil
	}
	return []nodes.Attr{{Key: word, Value: strings.Join(names, " ")}}
}
