package scenarios

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"firedrill/sim"
)

// findAddresses collects every address that the case names anywhere: none of them is given away,
// since it may become a virtual address later, or be one that nobody is to answer for.
func (b *builder) findAddresses(n *node) {
	for _, e := range n.entries {
		b.findAddresses(e.value)
	}
	for _, item := range n.items {
		b.findAddresses(item)
	}
	words := strings.FieldsFunc(n.text, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	for _, word := range words {
		if a, err := netip.ParseAddr(word); err == nil {
			b.named[a] = true
		}
	}
}

// readNets reads SEGMENT: ADDRESS or auto. An address of zero is one that place gives.
func (b *builder) readNets(machine string, nets *node) []sim.Interface {
	var out []sim.Interface
	for _, e := range nets.entries {
		segment := b.segment(e.key)
		if segment == nil {
			if problem := b.refer([]string{"segment"}, e.key); problem != "" {
				b.fault(e.at, "%s", problem)
			}
			b.adrift[machine] = true
			continue
		}
		if !b.sit(e.at, "machine "+machine, e.key) {
			continue
		}
		i := sim.Interface{Segment: e.key}
		if e.value.shape == scalar && e.value.text != "auto" {
			i.Address = b.address(machine, segment, e.value)
		}
		out = append(out, i)
	}
	return out
}

// address reads an address and takes it.
func (b *builder) address(machine string, segment *sim.Segment, n *node) netip.Prefix {
	a, err := netip.ParseAddr(n.text)
	if err != nil || !a.Is4() {
		b.fault(n.at, "want an address such as 10.0.0.7, or auto, have %q", n.text)
		return netip.Prefix{}
	}
	first, last := ends(segment.Subnet)
	switch owner := b.taken[segment.Name][a]; {
	case !segment.Subnet.IsValid():
	case !segment.Subnet.Contains(a):
		b.fault(n.at, "address %s is not in subnet %s of segment %s", a, segment.Subnet, segment.Name)
	case a == first:
		b.fault(n.at, "address %s is that of the network %s itself", a, segment.Subnet)
	case a == last:
		b.fault(n.at, "address %s is the broadcast address of %s", a, segment.Subnet)
	case owner != "":
		b.fault(n.at, "address %s of %s is taken by %s", a, machine, owner)
	}
	b.take(segment.Name, a, machine)
	return netip.PrefixFrom(a, max(0, segment.Subnet.Bits()))
}

func (b *builder) take(segment string, a netip.Addr, owner string) {
	if b.taken[segment] == nil {
		b.taken[segment] = map[netip.Addr]string{}
	}
	b.taken[segment][a] = owner
}

// ends are the address of a network itself and its broadcast address.
func ends(p netip.Prefix) (first, last netip.Addr) {
	if !p.IsValid() {
		return first, last
	}
	bytes := p.Masked().Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		bytes[bit/8] |= 0x80 >> (bit % 8)
	}
	return p.Masked().Addr(), netip.AddrFrom4(bytes)
}

// pool gives away the free addresses of one segment, in their order.
type pool struct {
	b       *builder
	segment *sim.Segment
	next    netip.Addr
	empty   bool
}

// take returns the next free address, or none.
func (p *pool) take(owner string) netip.Prefix {
	_, last := ends(p.segment.Subnet)
	for a := p.next; a.IsValid() && a.Less(last); a = a.Next() {
		if !p.b.named[a] && p.b.taken[p.segment.Name][a] == "" {
			p.b.take(p.segment.Name, a, owner)
			p.next = a.Next()
			return netip.PrefixFrom(a, p.segment.Subnet.Bits())
		}
	}
	p.empty = true
	return netip.Prefix{}
}

// place gives an address to everything that has none yet: machines first, then clients, then the
// prober, so that a client more moves no machine.
func (b *builder) place() {
	pools := map[string]*pool{}
	for i := range b.s.Segments {
		s := &b.s.Segments[i]
		first, _ := ends(s.Subnet)
		p := &pool{b: b, segment: s}
		if first.IsValid() {
			p.next = first.Next()
		}
		pools[s.Name] = p
	}
	for i := range b.s.Machines {
		m := &b.s.Machines[i]
		for j := range m.Nets {
			if p := pools[m.Nets[j].Segment]; !m.Nets[j].Address.IsValid() {
				m.Nets[j].Address = p.take(m.Name)
			}
		}
	}
	for i := range b.s.Clients {
		c := &b.s.Clients[i]
		p := pools[c.Net]
		for n := 0; p != nil && n < min(c.Count, maxCount); n++ {
			c.Addresses = append(c.Addresses, p.take(c.Name+"-"+strconv.Itoa(n+1)))
		}
	}
	for _, s := range b.s.Segments {
		p := pools[s.Name]
		if p.empty && s.Subnet.IsValid() {
			b.fault(b.segmentAt[s.Name], "subnet %s of segment %s has too few addresses for its machines and clients", s.Subnet, s.Name)
		}
		b.placeProber(p)
	}
	b.resolve()
}

// placeProber gives the prober an address on a segment, if there is one left: a cable between two
// machines may have a subnet for two. It has to be there where something is asked of it.
func (b *builder) placeProber(p *pool) {
	s := p.segment
	if !s.Subnet.IsValid() {
		return
	}
	if a := p.take("the prober"); a.IsValid() {
		b.s.Prober = append(b.s.Prober, sim.Interface{Segment: s.Name, Address: a})
		return
	}
	if s.Name == b.s.Operator {
		b.fault(b.segmentAt[s.Name], "subnet %s of segment %s has no address left for the operator", s.Subnet, s.Name)
	}
	for _, n := range b.asked {
		if a, err := netip.ParseAddr(n.text); err == nil && s.Subnet.Contains(a) {
			b.fault(n.at, "nobody can ask for %s: subnet %s of segment %s has no address left for the prober", a, s.Subnet, s.Name)
		}
	}
}

// resolve finds out which addresses clients and requests mean.
func (b *builder) resolve() {
	clients := b.root.get("clients")
	for i := range b.s.Clients {
		c := &b.s.Clients[i]
		n := clients.get(c.Name)
		c.Target = b.target(n.get("to"), c.To, c.Net)
		c.Dial = c.Target
		if c.Via != "" {
			c.Dial = b.target(n.get("via"), c.Via, c.Net)
		}
		b.checkDialled(n, c.Dial)
	}
	for _, one := range b.acts {
		if t, ok := one.act.(*Tell); ok {
			b.resolveTell(one.line, t)
		}
		a, ok := one.act.(*Access)
		if !ok {
			continue
		}
		g := slices.IndexFunc(b.s.Clients, func(c Clients) bool { return c.Name == a.From })
		step := one.line
		if g < 0 {
			continue
		}
		group := &b.s.Clients[g]
		a.Target, a.Dial = group.Target, group.Dial
		if a.To != "" {
			a.Target = b.target(step.get("to"), a.To, group.Net)
			a.Dial = a.Target
		} else if !a.Target.IsValid() {
			b.fault(step.at, "want to: clients %s name nobody whom they ask", a.From)
		}
		if a.Via != "" {
			a.Dial = b.target(step.get("via"), a.Via, group.Net)
		}
		if a.To != "" || a.Via != "" {
			b.checkDialled(step, a.Dial)
		}
		if a.Dial.IsValid() {
			b.checkExtras(step, a)
		}
	}
}

// resolveTell finds out where clients are moved to.
func (b *builder) resolveTell(n *node, t *Tell) {
	for _, c := range b.s.Clients {
		if c.Name != t.Clients {
			continue
		}
		t.Target = b.target(n.get("to"), t.To, c.Net)
		t.Dial = t.Target
		if t.Via != "" {
			t.Dial = b.target(n.get("via"), t.Via, c.Net)
		}
		b.checkDialled(n, t.Dial)
	}
}

// target is the address that ADDRESS, MACHINE or either with :PORT means from a segment. The port
// is 80 unless told otherwise.
func (b *builder) target(n *node, text, from string) netip.AddrPort {
	if n == nil || n.shape != scalar || text == "" || b.segment(from) == nil || b.joins(from) != nil {
		return netip.AddrPort{}
	}
	host, portText, hasPort := strings.Cut(text, ":")
	port := uint64(80)
	if hasPort {
		var err error
		if port, err = strconv.ParseUint(portText, 10, 16); err != nil || port == 0 {
			b.fault(n.at, "want a port from 1 to 65535 after the colon, have %q", text)
			return netip.AddrPort{}
		}
	}
	if a, err := netip.ParseAddr(host); err == nil {
		if s := b.segment(from); s.Subnet.IsValid() && !b.reaches(from, a) {
			b.fault(n.at, "address %s is not in subnet %s of segment %s%s: nobody there can be asked for it", a, s.Subnet, from,
				b.orJoined(from))
		}
		return netip.AddrPortFrom(a, uint16(port))
	}
	m := b.machine(host)
	switch {
	case m == nil && strings.Trim(host, "0123456789.") == "":
		b.fault(n.at, "want an address such as 10.0.0.7, have %q", host)
		return netip.AddrPort{}
	case m == nil && strings.Contains(host, "."):
		b.fault(n.at, "%q is a name for DNS, which is not supported yet; want an address or a machine", host)
		return netip.AddrPort{}
	case m == nil && b.blind:
		return netip.AddrPort{}
	case m == nil:
		b.fault(n.at, "want an address or a machine: %s", no("machine", host, b.machineNames()))
		return netip.AddrPort{}
	}
	if i := nearest(b.s.Segments, m.Nets, from); i != nil {
		return netip.AddrPortFrom(i.Address.Addr(), uint16(port))
	}
	if !b.adrift[host] {
		b.fault(n.at, "machine %s is not on segment %s, where the clients are%s", host, from, b.orJoined(from))
	}
	return netip.AddrPort{}
}

// reaches reports whether an address is one that can be reached from a segment.
func (b *builder) reaches(from string, a netip.Addr) bool {
	return slices.ContainsFunc(beside(b.s.Segments, from), func(name string) bool {
		s := b.segment(name)
		return s != nil && s.Subnet.IsValid() && s.Subnet.Contains(a)
	})
}

// orJoined names the segments that a path joins to one, for a message.
func (b *builder) orJoined(segment string) string {
	if joined := beside(b.s.Segments, segment)[1:]; len(joined) > 0 {
		return ", nor on " + alternatives(joined) + ", which are joined to it"
	}
	return ""
}

func (b *builder) machineNames() []string {
	names := make([]string, len(b.s.Machines))
	for i, m := range b.s.Machines {
		names[i] = m.Name
	}
	return names
}
