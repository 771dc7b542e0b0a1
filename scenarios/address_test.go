package scenarios

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// addresses lists who has which address: NAME SEGMENT ADDRESS.
func addresses(s *Scenario) []string {
	var all []string
	for _, m := range s.Machines {
		for _, i := range m.Nets {
			all = append(all, m.Name+" "+i.Segment+" "+i.Address.String())
		}
	}
	for _, c := range s.Clients {
		for _, a := range c.Addresses {
			all = append(all, c.Name+" "+c.Net+" "+a.String())
		}
	}
	for _, i := range s.Prober {
		all = append(all, "prober "+i.Segment+" "+i.Address.String())
	}
	return all
}

// TestAddresses checks that free addresses are given away in order, and never one that the file names: the virtual one, a
// wrong one, one in the middle of a text.
func TestAddresses(t *testing.T) {
	const text = `# Addresses.
name: drill
stop: 1h
segments:
  lan:  {subnet: 10.0.0.0/28}
  wire: {subnet: 10.0.1.0/24}
machines:
  nas-a: {kind: pair, nets: {lan: 10.0.0.2, wire: auto}}
  nas-b: {kind: pair, nets: {wire: auto, lan: auto}, count: 2}
  nas-c: {kind: pair, nets: {management: 10.255.0.2}}
clients:
  office: {count: 2, net: lan, to: "10.0.0.1:8080"}
timeline:
  - {at: 1s, do: apply, machine: nas-a, with: {role: active, pair_ip: 10.0.0.3, heartbeat_ips: [10.0.1.1, 10.0.1.2]}}
  - {at: 2s, do: upgrade, machine: nas-a, with: {firmware: "from 10.0.0.4/28, 10.0.0.5"}}
`
	s, err := parse1(t, text).Cases[0].Scenario(1)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"nas-a lan 10.0.0.2/28", "nas-a wire 10.0.1.3/24", "nas-a management 10.255.0.1/16",
		"nas-b-1 wire 10.0.1.4/24", "nas-b-1 lan 10.0.0.6/28", "nas-b-1 management 10.255.0.3/16",
		"nas-b-2 wire 10.0.1.5/24", "nas-b-2 lan 10.0.0.7/28", "nas-b-2 management 10.255.0.4/16",
		"nas-c management 10.255.0.2/16",
		"office lan 10.0.0.8/28", "office lan 10.0.0.9/28",
		"prober lan 10.0.0.10/28", "prober wire 10.0.1.6/24", "prober management 10.255.0.5/16",
	}
	if diff := cmp.Diff(want, addresses(s)); diff != "" {
		t.Error(diff)
	}
	if c := s.Clients[0]; c.Target.String() != "10.0.0.1:8080" || c.Dial != c.Target {
		t.Errorf("want the clients to ask 10.0.0.1:8080, have %s by way of %s", c.Target, c.Dial)
	}
}

// TestManagement checks the segment that always exists.
func TestManagement(t *testing.T) {
	for section, want := range map[string]string{
		"":                                  "10.255.0.0/16 100µs",
		"management: {latency: 0s}":         "10.255.0.0/16 0s",
		"management: {subnet: 10.9.0.0/24}": "10.9.0.0/24 100µs",
	} {
		text := strings.Replace(sample("timeline: [{at: 1s, cut: lan}]\n"), "machines:", "  "+section+"\nmachines:", 1)
		s, err := parse1(t, text).Cases[0].Scenario(1)
		if err != nil {
			t.Fatal(err)
		}
		m := s.Segments[len(s.Segments)-1]
		if have := m.Subnet.String() + " " + m.Base.Latency.String(); m.Name != "management" || have != want {
			t.Errorf("%q: want management %s, have %s %s", section, want, m.Name, have)
		}
	}
	overlap := strings.Replace(sample("timeline: [{at: 1s, cut: lan}]\n"), "machines:", "  big: {subnet: 10.255.7.0/24}\nmachines:", 1)
	if have := messages(t, overlap); len(have) != 1 || !strings.Contains(have[0], "the subnets of big and management overlap") {
		t.Errorf("want the overlap with management told, have %q", have)
	}
}

// TestFullSegment holds the bound of a subnet: the last free address is given away, one more is a mistake. Only the prober can
// do without one, where nothing is asked of it.
func TestFullSegment(t *testing.T) {
	text := func(clients, step string) string {
		text := strings.Replace(sample("timeline: [{at: 1s, "+step+"}]\n"), "10.0.0.0/24", "10.0.0.0/29", 1)
		return strings.Replace(text, "net: lan", "net: lan, count: "+clients, 1)
	}
	probe := "probe: owner, with: {address: 10.0.0.1}, want: nas-a"
	for _, c := range []struct{ clients, step, want string }{
		{"3", probe, ""}, // Of six, two are the machines' and one the prober's.
		{"4", "cut: lan", ""},
		{"4", probe, "nobody can ask for 10.0.0.1: subnet 10.0.0.0/29 of segment lan has no address left for the prober"},
		{"5", "cut: lan", "subnet 10.0.0.0/29 of segment lan has too few addresses for its machines and clients"},
	} {
		if have := strings.Join(messages(t, text(c.clients, c.step)), "; "); have != c.want {
			t.Errorf("%s clients, %s: want %q, have %q", c.clients, c.step, c.want, have)
		}
	}
	s, err := parse1(t, text("4", "cut: lan")).Cases[0].Scenario(1)
	if err != nil || len(s.Prober) != 2 {
		t.Errorf("want the prober on wire and management alone, have %v, %v", s.Prober, err)
	}
	if have := messages(t, "operator: lan\n"+text("4", "cut: lan")); len(have) != 2 || !strings.Contains(have[1], "no address left for the operator") {
		t.Errorf("want an address for the operator, have %q", have) // The comment is not the first line any more.
	}
}

// TestRightTwins are what the files in testdata/wrong get wrong, done right.
func TestRightTwins(t *testing.T) {
	for _, timeline := range []string{
		"{at: 10s, cut: lan, from: nas-a, to: nas-b, for: 5s}",
		"{at: 10s, cut: wire, between: [nas-a, nas-b], frames: [tcp/80, arp]}",
		"{at: 10s, unplug: wire, machine: nas-a}, {at: 20s, plug: wire, machine: nas-a}",
		"{at: 10s, pause: office}, {then: 5s, resume: office}",
		"{at: 10s, pause: [nas-a, nas-b]}, {then: 5s, heal: all}, {then: 5s, heal: nas-a}, {then: 5s, heal: wire}",
		"{at: 10s, probe: owner, with: {address: 10.0.0.40}, want: nobody}",
		"{at: 10s, probe: owner, with: {address: 10.0.0.40}, want: [several, nas-a], for: 5s}",
		"{at: 10s, probe: access, machine: active, want: read-write, within: 5s}",
		"{at: 10s, do: disconnect, machine: standby, want: {by: whoever, wrote: anything}}",
		"{at: 10s, break_disk: nas-a, how: eio, operations: [sync], nth: 2}",
		"{at: 10s, step_clock: nas-a, offset: -1h}, {at: 10s, drift_clock: nas-b, drift: 100ppm}",
		"{after: active, of: nas-a}, {after: ready}, {after: log-line, like: 'a: b'}",
		"{at: 10s, put: /x, from: office, want: ok, step: w}, {then: 1s, get: /x, from: office, want: {wrote: w, by: nas-a}}",
		"{at: 10s, do: apply, machine: nas-a, with: {role: '', checks: '-1', interval: never}}",
	} {
		if have := messages(t, sample("timeline: ["+timeline+"]\n")); have != nil {
			t.Errorf("%s: want no mistake, have %q", timeline, have)
		}
	}
	for _, name := range []string{"a", strings.Repeat("a", 15)} {
		if have := messages(t, strings.ReplaceAll(sample("timeline: [{at: 1s, cut: lan}]\n"), "nas-b", name)); have != nil {
			t.Errorf("want machine %q, have %q", name, have)
		}
	}
	if have := messages(t, strings.ReplaceAll(sample("timeline: [{at: 1s, cut: lan}]\n"), "nas-b", strings.Repeat("a", 16))); len(have) != 1 {
		t.Errorf("want a name of 16 letters refused, have %q", have)
	}
}
