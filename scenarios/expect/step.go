package expect

import (
	"encoding"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"firedrill/nodes"
	"firedrill/sim"
)

// Step returns the step of this name that acted last, or nil.
func (r *Run) Step(name string) *Fired {
	for i := len(r.Steps) - 1; i >= 0; i-- {
		if r.Steps[i].Name == name {
			return &r.Steps[i]
		}
	}
	return nil
}

// Machine returns the named machine of the scenario, or nil.
func (r *Run) Machine(name string) *Machine {
	for i := range r.Machines {
		if r.Machines[i].Name == name {
			return &r.Machines[i]
		}
	}
	return nil
}

// since is the time of a claim's `since`, and where the trace stood then; of "" the start.
type since struct {
	at  time.Duration
	seq int
}

// from resolves a `since`. Where the step never acted, the finding says so.
func (r *Run) from(step string) (since, *Finding) {
	if step == "" {
		return since{}, nil
	}
	s := r.Step(step)
	if s == nil {
		return since{}, &Finding{Verdict: Vacuous, Evidence: []string{fmt.Sprintf("step %s never acted", step)}}
	}
	return since{at: s.At, seq: s.Seq}, nil
}

// before reports whether the event came before the step acted. At the same instant the order of the trace decides.
func (s since) before(e *sim.Event) bool {
	return e.At < s.at || e.At == s.at && e.Seq < s.seq
}

// Bound is an optional time of a claim; its zero value is none, which is not the same as 0s.
type Bound struct {
	Given bool
	Time  time.Duration
}

var _ encoding.TextUnmarshaler = (*Bound)(nil)

// Notation is what UnmarshalText reads.
func (Bound) Notation() nodes.Notation {
	n := nodes.DurationNotation()
	n.Pattern = strings.TrimPrefix(n.Pattern, "-?")
	return n
}

// UnmarshalText reads a duration such as 30s.
func (b *Bound) UnmarshalText(text []byte) error {
	d, err := nodes.ParseDuration(string(text))
	if err != nil {
		return err
	}
	if d < 0 {
		return fmt.Errorf("want a time of at least 0s, have %q", text)
	}
	*b = Bound{true, d}
	return nil
}

// MarshalText is String.
func (b Bound) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

func (b Bound) String() string {
	if !b.Given {
		return ""
	}
	return nodes.FormatDuration(b.Time)
}

// Service is what a claim about a service is about: `all` of them, the zero value, or the one behind an address.
type Service struct{ Address netip.Addr }

var _ encoding.TextUnmarshaler = (*Service)(nil)

// Notation is what UnmarshalText reads.
func (Service) Notation() nodes.Notation {
	return nodes.Notation{Word: "all or ADDRESS", Example: "all", Pattern: "(all|[0-9a-fA-F.:]+)"}
}

// UnmarshalText reads `all` or an address.
func (s *Service) UnmarshalText(text []byte) error {
	if string(text) == "all" {
		*s = Service{}
		return nil
	}
	a, err := netip.ParseAddr(string(text))
	if err != nil {
		return fmt.Errorf("want all or an address such as 172.16.66.40, have %q", text)
	}
	s.Address = a
	return nil
}

// MarshalText is String.
func (s Service) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s Service) String() string {
	if !s.Address.IsValid() {
		return "all"
	}
	return s.Address.String()
}

// covers reports whether the claim is about what is behind this address.
func (s Service) covers(address string) bool {
	return !s.Address.IsValid() || s.Address.String() == address
}

// clock prints a time of the run for people, exactly: a bound may be missed by a nanosecond.
func clock(t time.Duration) string { return nodes.FormatDuration(t) }

// about prints a time that nothing is held against: to the millisecond is enough.
func about(t time.Duration) string { return nodes.FormatDuration(t.Round(time.Millisecond)) }

// wantSubject is the mistake of a claim that says nothing of what it is about.
func wantSubject(claim, subject, what string) error {
	if subject == "" {
		return fmt.Errorf("want %s: %s", claim, what)
	}
	return nil
}
