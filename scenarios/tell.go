package scenarios

import (
	"errors"
	"fmt"
	"net/netip"

	"firedrill/faults"
	"firedrill/nodes/client"
	"firedrill/scenarios/expect"
)

// Tell moves clients: they obey, and send their next requests elsewhere.
type Tell struct {
	Clients string `yaml:"tell" ref:"clients" doc:"the clients that move"`
	To      string `yaml:"to" doc:"whom they ask from now on"`
	Via     string `yaml:"via" doc:"where they connect to, if not to that"`
	// Target is To, resolved to an address; Dial is Via, or Target where there is none.
	Target netip.AddrPort `yaml:"-"`
	Dial   netip.AddrPort `yaml:"-"`
}

// Check finds clients that are told nothing.
func (t *Tell) Check() error {
	if t.To == "" {
		return errors.New("want to: whom the clients ask from now on")
	}
	return nil
}

// tell moves the clients of a group that have begun, and those that begin later.
func (p *play) tell(t *Tell, fired *expect.Fired) error {
	group := p.clients(t.Clients)
	if group == nil {
		return fmt.Errorf("no clients %q", t.Clients)
	}
	p.report(fired, faults.Print(t))
	place := client.Place{To: t.To, Dial: t.Dial, Host: hostOf(t.Target, t.Dial)}
	p.told[group.Name] = place
	for _, c := range p.population[group.Name] {
		c.Move(place)
	}
	return nil
}

// place is where the clients of a group send what they send: where they were told to, or else where they were made to.
func (p *play) place(c *Clients) client.Place {
	if place, told := p.told[c.Name]; told {
		return place
	}
	return client.Place{To: c.To, Dial: c.Dial, Host: hostOf(c.Target, c.Dial)}
}
