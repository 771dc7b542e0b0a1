package scenarios

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"firedrill/faults"
	"firedrill/nodes"
	"firedrill/nodes/client"
	"firedrill/scenarios/expect"
	"firedrill/sim"
)

// startClients lets a group begin at its time, or at the first fact of its name, and end soon enough that its last operations
// are over when the run is.
func (p *play) startClients(c *Clients) {
	start := func() {
		for i := range c.Addresses {
			name := c.machine(i)
			one := client.New(p.habits(c, name, p.place(c)))
			p.population[c.Name] = append(p.population[c.Name], one)
			p.world.Machine(name).Go("client", one.Run)
		}
	}
	if c.Begin.Fact == "" {
		p.at(c.Begin.At, start)
		return
	}
	var cancel func()
	cancel = p.world.OnFact(func(e sim.Event) bool { return p.names(c.Begin.Fact, &e) }, func(sim.Event) {
		defer p.catch()
		cancel()
		start()
	})
}

// stopClients ends all clients, each when its operation under way has ended.
func (p *play) stopClients() {
	for i := range p.Clients {
		for _, c := range p.population[p.Clients[i].Name] {
			c.Stop()
		}
	}
}

// lastCall is when clients stop: as long before the end of the run as an operation may take, but not before half of the quiet
// phase, in which they are to see that all is well again.
func (p *play) lastCall() time.Duration {
	drain := time.Duration(0)
	for i := range p.Clients {
		drain = max(drain, p.Clients[i].Timeout)
	}
	return p.over() - min(drain, p.Settle/2)
}

// callLast stops clients at the last call. Where the play is held, that is when it goes on.
func (p *play) callLast() {
	if p.keep == nil {
		p.at(p.lastCall(), p.stopClients)
	}
}

// habits are those of a group's client at a place.
func (p *play) habits(c *Clients, machine string, place client.Place) client.Config {
	return client.Config{
		Group: c.Name, Name: machine, Place: place, Dialect: p.dialect(place.Dial.Addr()),
		Prefix: c.Prefix, Keys: c.Keys, Rate: c.Rate, Put: c.Put, Get: c.Get, Delete: c.Delete,
		MinSize: c.Size.Min, MaxSize: c.Size.Max, Timeout: c.Timeout, Retry: c.Retry,
		NextID: p.nextID, Time: p.world.Now, Record: p.world.Record,
	}
}

func (p *play) nextID() uint64 {
	p.ids++
	return p.ids
}

// hostOf is what requests ask for where that is not where they are sent.
func hostOf(target, dial netip.AddrPort) string {
	switch {
	case target == dial || !target.IsValid():
		return ""
	case target.Port() == operatorPort:
		return target.Addr().String()
	}
	return target.String()
}

// dialect is how the software behind an address is spoken to.
func (s *Scenario) dialect(address netip.Addr) nodes.Dialect {
	if kind := s.spokenTo(address); kind != nil {
		return kind.Dialect
	}
	return client.Files
}

// spokenTo is the kind of the software behind an address: of the machine whose own address it is, or else of the first machine on
// its segment that clients can speak to, since that may take the address; nil: there is none.
func (s *Scenario) spokenTo(address netip.Addr) *nodes.Kind {
	near := (*nodes.Kind)(nil)
	for _, m := range s.Machines {
		if m.Kind == nil || m.Kind.Dialect == nil {
			continue
		}
		for _, i := range m.Nets {
			if i.Address.Addr() == address {
				return m.Kind
			}
			if near == nil && i.Address.Masked().Contains(address) {
				near = m.Kind
			}
		}
	}
	return near
}

// extrasOf are what requests of a verb can say in `with`.
func extrasOf(d nodes.Dialect, verb string) []nodes.Arg {
	if e, ok := d.(nodes.Extras); ok {
		return e.Extras(verb)
	}
	return nil
}

// checkExtras checks what a request says in `with`, by the kind of whoever it goes to.
func (b *builder) checkExtras(n *node, a *Access) {
	what, dialect := fmt.Sprintf("%q", a.Verb), client.Files
	if kind := b.s.spokenTo(a.Dial.Addr()); kind != nil {
		what, dialect = what+" of kind "+kind.Name, kind.Dialect
	}
	b.checkArgs(n, a.With, extrasOf(dialect, a.Verb), what)
}

// access sends one request of a client. It counts as an operation of its group.
func (p *play) access(s *Step, a *Access, fired *expect.Fired) error {
	group := p.clients(a.From)
	if group == nil || len(group.Addresses) == 0 {
		return fmt.Errorf("no clients %q", a.From)
	}
	name := group.machine(0)
	place := client.Place{To: a.To, Dial: a.Dial, Host: hostOf(a.Target, a.Dial)}
	switch {
	case a.To == "" && a.Via == "":
		place = p.place(group)
	case a.To == "":
		place.To = group.To
	}
	habits := p.habits(group, name, place)
	for _, v := range a.With { // The clients may have been told to go to somebody else than when the file was read.
		known := func(arg nodes.Arg) bool { return arg.Name == v.Key }
		if !slices.ContainsFunc(extrasOf(habits.Dialect, a.Verb), known) {
			return fmt.Errorf("%s takes no %q where %s go now, %s", a.Verb, v.Key, a.From, place.Dial)
		}
	}
	fired.Verb, fired.With = a.Verb, a.With
	p.report(fired, a.String())
	p.expecting(s, fired)
	size := int64(a.Size)
	if size == 0 {
		size = int64(group.Size.Min)
	}
	p.world.Machine(name).Go(a.Verb+" "+s.Name, func(env nodes.Env) {
		op := client.Do(env, habits, nodes.Operation{Verb: a.Verb, Path: a.Path, Size: size, With: a.With})
		if op.Verb == client.VerbPut {
			p.wrote[op.Hash] = s.Name
		}
		p.answered(s, fired, p.replyOfOperation(op))
	})
	return nil
}

// String is the request as the user writes it.
func (a *Access) String() string {
	keys := struct {
		From string       `yaml:"from"`
		To   string       `yaml:"to"`
		Via  string       `yaml:"via"`
		Size nodes.Size   `yaml:"size"`
		With nodes.Values `yaml:"with"`
	}{a.From, a.To, a.Via, a.Size, a.With}
	if a.Verb != client.VerbPut {
		keys.Size = 0
	}
	return a.Verb + ": " + a.Path + ", " + faults.Print(keys)
}

// replyOfOperation puts what came of a client's operation into the words of `want`.
func (p *play) replyOfOperation(op nodes.Operation) reply {
	history := p.world.History()
	for i := len(history) - 1; i >= 0; i-- {
		if history[i].ID == op.ID {
			op = history[i] // The world knows who served it.
			break
		}
	}
	r := reply{role: op.Role, field: func(name string) string {
		switch name {
		case "status":
			return strconv.Itoa(op.Status)
		case "by":
			return op.ServedBy
		case "wrote":
			return p.wrote[op.Hash]
		}
		return ""
	}}
	switch {
	case op.Status == 0:
		r.word, r.text = wordFailed, "no answer: "+op.Err
		return r
	case op.Result == nodes.ResultOK:
		r.word = wordOK
	case op.Result == nodes.ResultFailed:
		r.word = wordRefused
	}
	r.text = fmt.Sprintf("%d by %s", op.Status, op.ServedBy)
	if step := p.wrote[op.Hash]; step != "" && op.Verb == client.VerbGet {
		r.text += ", wrote: " + step
	}
	return r
}

// Values of the probe `access`.
const (
	accessWrite = "read-write"
	accessRead  = "read-only"
	accessNone  = "none"
)

// reservedKey is where probes write, below the prefix of the clients. It is no operation of anybody's.
const reservedKey = "firedrill-probe"

// probeIDs begin far beyond those of clients, so that no payload is one of theirs.
const probeIDs = 1 << 62

// askAccess tries a write and a read where clients would.
func (p *play) askAccess(s *Step, probe *Probe, name string) (question, error) {
	address, err := p.serviceAddress(probe, name)
	if err != nil {
		return nil, err
	}
	prefix := "/data"
	if len(p.Clients) > 0 {
		prefix = p.Clients[0].Prefix
	}
	habits := client.Config{Group: operator, Name: p.asker(address), Dialect: p.dialect(address), Timeout: probePatience,
		Place: client.Place{To: address.String(), Dial: netip.AddrPortFrom(address, operatorPort)}, Time: p.world.Now,
		NextID: func() uint64 { return probeIDs + p.nextProbe() }}
	op := nodes.Operation{Path: prefix + "/" + reservedKey, Size: 16}
	return func(answered func(reply)) {
		p.world.Machine(habits.Name).Go("probe "+s.Name, func(env nodes.Env) {
			op.Verb = client.VerbPut
			put := client.Do(env, habits, op)
			if put.Result == nodes.ResultOK {
				answered(reply{word: accessWrite, text: accessWrite})
				return
			}
			op.Verb = client.VerbGet
			get := client.Do(env, habits, op)
			r := reply{word: accessNone}
			if get.Result == nodes.ResultOK {
				r.word = accessRead
			}
			r.text = fmt.Sprintf("%s (put: %d %s, get: %d %s)", r.word, put.Status, put.Err, get.Status, get.Err)
			answered(r)
		})
	}, nil
}

func (p *play) nextProbe() uint64 {
	p.probes++
	return p.probes
}

// serviceAddress is where a machine's clients are served: at `address`, or at its own address on the first segment that is not
// only the operator's.
func (p *play) serviceAddress(probe *Probe, name string) (netip.Addr, error) {
	if text := probe.With.Get("address"); text != "" {
		return netip.ParseAddr(text)
	}
	nets := p.machine(name).Nets
	for _, i := range nets {
		if i.Segment != p.Operator {
			return i.Address.Addr(), nil
		}
	}
	if len(nets) == 0 {
		return netip.Addr{}, fmt.Errorf("%s is on no segment", name)
	}
	return nets[0].Address.Addr(), nil
}
