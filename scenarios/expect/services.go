package expect

import (
	"net/netip"
	"slices"
	"time"

	"firedrill/nodes"
)

// Services says which machines serve the same clients' data. Machines that bind the same further address are one
// service, and so is a machine of their kind that holds a role beside them. Machines of a kind without such
// addresses are one service if they hold roles. Every other machine is a service of its own: two stand-alone units
// are two services.
type Services struct {
	// Names are all, in the order of their first machine. Behind an address it is that address, else a machine or a
	// kind.
	Names   []string
	members map[string][]string
	of      map[string]string // by machine
	at      map[string]string // by address, further ones and the machines' own
	behind  map[string]bool   // services that are behind an address of their own
}

// Services reads them from addresses and roles, once a run.
func (r *Run) Services() *Services {
	if r.services == nil {
		r.services = newServices(r)
	}
	return r.services
}

func newServices(r *Run) *Services {
	s := &Services{
		members: map[string][]string{}, of: map[string]string{}, at: map[string]string{},
		behind: map[string]bool{},
	}
	kinds := map[*nodes.Kind][]string{} // the services behind addresses, by kind
	for _, m := range r.Machines {
		bound := r.Timeline().Lane(m.Name).Bound
		if m.Kind == nil || len(bound) == 0 {
			continue
		}
		name := bound[0].Value
		for _, i := range bound {
			if other, known := s.at[i.Value]; known {
				name = other
				break
			}
		}
		for _, i := range bound {
			s.at[i.Value] = name
		}
		s.of[m.Name], s.behind[name] = name, true
		if !slices.Contains(kinds[m.Kind], name) {
			kinds[m.Kind] = append(kinds[m.Kind], name)
		}
	}
	for _, m := range r.Machines {
		if m.Kind == nil {
			continue
		}
		name, behind := s.of[m.Name]
		if !behind {
			name = m.Name
			if len(r.Timeline().Lane(m.Name).Role) > 0 {
				switch addresses := kinds[m.Kind]; len(addresses) {
				case 0:
					name = m.Kind.Name
				case 1:
					name = addresses[0]
				}
			}
		}
		s.add(&m, name)
	}
	return s
}

func (s *Services) add(m *Machine, name string) {
	if s.members[name] == nil {
		s.Names = append(s.Names, name)
	}
	s.members[name] = append(s.members[name], m.Name)
	s.of[m.Name] = name
	for _, i := range m.Nets {
		s.at[i.Address.Addr().String()] = name
	}
}

// Of is the service of a machine, or "".
func (s *Services) Of(machine string) string { return s.of[machine] }

// Members are the machines of a service, in the order of Run.Machines.
func (s *Services) Members(service string) []string { return s.members[service] }

// Serves is the service that an operation was for: that of the machine which served it, else that of the address to
// which its connection went; "" if it may have been any.
func (s *Services) Serves(op *nodes.Operation) string {
	if op.ServedBy != "" {
		return s.of[op.ServedBy]
	}
	if op.Resolved != (netip.Addr{}) {
		return s.at[op.Resolved.String()]
	}
	return ""
}

// Servers are the machines of a service that serve it at the end: those that hold its address while their software
// runs, or where it has none, those that give access. Where nobody does, they are who did last: an outage is not
// yet a loss.
func (r *Run) Servers(service string) []string {
	var servers []string
	last := time.Duration(-1)
	for _, name := range r.Services().Members(service) {
		l := r.Timeline().Lane(name)
		held := l.Access
		if r.Services().behind[service] {
			held = Clip(l.Bound, l.Runs())
		}
		for _, i := range held {
			switch {
			case i.Value == "none":
			case i.Until > last:
				last, servers = i.Until, []string{name}
			case i.Until == last && !slices.Contains(servers, name):
				servers = append(servers, name)
			}
		}
	}
	if servers == nil {
		return r.Services().Members(service) // Software that says nothing of itself: each for its own.
	}
	return servers
}
