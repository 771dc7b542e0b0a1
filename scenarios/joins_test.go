package scenarios

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"firedrill/scenarios/expect"
	"firedrill/sim"
	"firedrill/sim/virtual"
)

// played parses a file of lamps, draws it with seed 1, plays it, and fails the test if it is not one.
func played(t *testing.T, text string) *Outcome {
	t.Helper()
	cat := &Catalogue{Kinds: lampCatalogue.Kinds, Claims: expect.Forms()}
	f, err := Parse("played", []byte(text), cat)
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.Cases[0].Scenario(1)
	if err != nil {
		t.Fatal(err)
	}
	o := s.Play(virtual.New(1), cat)
	if o.Err != nil {
		t.Fatal(o.Err)
	}
	return o
}

const joinedSites = `# Two sites and a path.
name: sites
stop: 2m
settle: 30s
operator: eu
segments:
  wan: {joins: [eu, us], latency: 20ms}
  eu:  {subnet: 10.1.0.0/24, latency: 1ms}
  us:  {subnet: 10.2.0.0/24, latency: 1ms}
machines:
  one: {kind: lamp, nets: {eu: 10.1.0.1}}
  two: {kind: lamp, nets: {us: 10.2.0.1}}
clients:
  desk: {net: eu, to: two, prefix: /data, rate: 1/s, put: 100%, begin: 1h}
timeline:
`

func TestWhatIsJoinedIsOnePathAway(t *testing.T) {
	for _, test := range []struct {
		name string
		cut  string
		want string // of what goes over the path
	}{
		{"whole", "step: idle", "ok"},
		{"the path is cut", "cut: wan", "failed"},
		{"one way is enough", "cut: wan, from: two", "failed"},
		{"the far end is cut", "cut: us", "failed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := played(t, joinedSites+fmt.Sprintf(`  - {at: 10s, %s, %s}
  - {then: 1s, put: /data/x, from: desk, want: %s}
  - {then: 15s, do: switch, machine: two, with: {to: lit}, want: %[3]s}
  - {then: 15s, do: switch, machine: one, with: {to: lit}, want: ok}
  - {then: 15s, probe: owner, with: {address: 10.2.0.1}, want: two, only: virtual}
`, test.cut, "covers: FM-1", test.want))
			if want := test.cut == "cut: us"; (len(o.Run.Wants) == 1) != want || len(o.Run.Wants) > 1 {
				t.Errorf("%s: %v; want only a cut of the segment itself to silence its ARP", o.Verdict, o.Run.Wants)
			}
			lost := o.Run.Reach().Lost(expect.Direction{Segment: "wan", From: "two", To: "one"})
			if (len(lost) == 1) != (test.want == "failed") {
				t.Errorf("the path from two to one was lost %v", lost)
			}
			back := o.Run.Reach().Lost(expect.Direction{Segment: "wan", From: "one", To: "two"})
			if (len(back) == 1) != (test.want == "failed" && !strings.Contains(test.cut, "from")) {
				t.Errorf("the path from one to two was lost %v", back)
			}
		})
	}
}

func TestOperatorsDoNotGoRoundThePath(t *testing.T) {
	o := played(t, joinedSites+"  - {at: 10s, do: switch, machine: two, with: {to: lit}, want: ok}\n")
	for _, m := range o.Run.Machines {
		on := func(segment string) bool {
			return slices.ContainsFunc(m.Nets, func(i sim.Interface) bool { return i.Segment == segment })
		}
		if m.Name == operator && (on("us") || !on("eu")) || m.Name == prober && (!on("us") || on("eu")) {
			t.Errorf("%s sits on %v; want the operator on its segment only, the prober on the others", m.Name, m.Nets)
		}
	}
}
