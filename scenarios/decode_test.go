package scenarios

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firedrill/faults"
	"firedrill/nodes"
	"firedrill/scenarios/expect"
	"firedrill/sim"
)

func scenario(t *testing.T, rest string, seed uint64) *Scenario {
	t.Helper()
	s, err := parse1(t, sample(rest)).Cases[0].Scenario(seed)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestFields reads one value of every sort that a config can have.
func TestFields(t *testing.T) {
	text := strings.Replace(sample("timeline:\n  - {at: 1s, cut: lan}\n"), "nas-a: {kind: pair,", `nas-a: {kind: pair, volume: 5TB, firmware: 9.10,
    raid_volumes: 2, services: snmp, check_timeout: 1.5s, limits: {a: 1, b: -2}, alarm: {mail: "on", every: 1/m}, ports: [80, 65535],
    clock: {offset: -1h, drift: -200ppm, zone: Europe/Berlin}, disk: {size: 1GB, sync: 0s, bandwidth: 20MB/s},`, 1)
	text = strings.Replace(text, "machines:", "defaults: {pair: {services: [snmp, iscsi], data: 2MB, alarm: {mail: x}}}\nmachines:", 1)
	s, err := parse1(t, text).Cases[0].Scenario(1)
	if err != nil {
		t.Fatal(err)
	}
	want := &unitConfig{Volume: 5e12, Data: 2e6, Firmware: "9.10", RaidVolumes: 2, Services: []string{"snmp"},
		CheckTimeout: 1500 * time.Millisecond, CheckSemantics: "spaced", Return: "probe", Sync: "atomic", Limits: map[string]int{"a": 1, "b": -2},
		Alarm: unitAlarm{"on", &nodes.Rate{N: 1, Per: time.Minute}}, Ports: []uint16{80, 65535}}
	if diff := cmp.Diff(want, s.Machines[0].Config); diff != "" {
		t.Error(diff)
	}
	zero := time.Duration(0)
	if diff := cmp.Diff(sim.DiskSpec{Size: 1e9, Sync: &zero, Bandwidth: 160e6}, s.Machines[0].Disk); diff != "" {
		t.Error(diff)
	}
	clock := s.Machines[0].Clock
	if clock.Offset != -time.Hour || clock.Drift != -200 || clock.Zone.String() != "Europe/Berlin" {
		t.Errorf("want the clock as written, have %+v", clock)
	}
	other := s.Machines[1].Config.(*unitConfig)
	if diff := cmp.Diff([]string{"snmp", "iscsi"}, other.Services); diff != "" || other.Alarm.Mail != "x" {
		t.Errorf("want the defaults on the other machine, have %+v", other)
	}
}

// TestActs reads one step with each sort of verb.
func TestActs(t *testing.T) {
	s := scenario(t, `timeline:
  - {at: 1s, do: apply, machine: nas-a, with: {role: active, heartbeat_ips: [u, v], checks: -1}, retry: 5s, want: [ok, {status: 403, reason: x}]}
  - {then: 1s, probe: state, machine: standby, want: active-solo, within: 5s, step: look}
  - {after: sync, of: active, nth: 2, done: 50%, like: a b, plus: 1s, degrade: lan, between: [nas-a, nas-b], latency: 5ms, loss: 1%, for: 1m}
  - {then: 0s, put: /x, from: office, size: 64KiB, want: {by: nas-a}, step: write}
  - {then: 0s, get: /x, from: office, to: nas-b, via: "10.0.0.1:8080", want: {wrote: write}}
  - {then: 1s, probe: up, machine: nas-b, want: up, every: 1m, times: 3, covers: [SD-01, D-02]}
  - {after: answered, of: write}
`, 1)
	step := func(i int) Step {
		s := s.Timeline[i]
		s.When = When{}
		return s
	}
	if d := step(0).Act.(*Do); d.Verb.Name != "apply" || d.Machine != "nas-a" || d.Retry != 5*time.Second {
		t.Errorf("want do, have %+v", d)
	}
	with := nodes.Values{{Key: "role", Text: "active"}, {Key: "heartbeat_ips", List: []string{"u", "v"}}, {Key: "checks", Text: "-1"}}
	if diff := cmp.Diff(with, step(0).Act.(*Do).With); diff != "" {
		t.Error(diff)
	}
	want := &Want{{Word: "ok"}, {Fields: []nodes.Attr{{Key: "status", Value: "403"}, {Key: "reason", Value: "x"}}}}
	if diff := cmp.Diff(want, step(0).Want); diff != "" {
		t.Error(diff)
	}
	if p := step(1); p.Act.(*Probe).Kind.Name != "state" || p.Act.(*Probe).Machine != "standby" || p.Within != 5*time.Second || p.Name != "look" {
		t.Errorf("want a probe, have %+v", p)
	}
	plus := s.Timeline[2].When
	if diff := cmp.Diff(When{After: "sync", Of: "active", Nth: 2, Done: 500_000, Like: "a b", Plus: time.Second}, plus); diff != "" {
		t.Error(diff)
	}
	latency, loss := 5*time.Millisecond, nodes.Share(10_000)
	fault := &faults.Degrade{Segment: "lan", Scope: faults.Scope{Between: []string{"nas-a", "nas-b"}}, Latency: &latency, Loss: &loss}
	if diff := cmp.Diff(fault, step(2).Act); diff != "" || step(2).For != time.Minute {
		t.Error(diff)
	}
	if a := step(3).Act.(*Access); a.Verb != "put" || a.Path != "/x" || a.Size != 64<<10 || a.Target.String() != "10.0.0.1:80" || a.Dial != a.Target {
		t.Errorf("want a put to the clients' own machine, have %+v", a)
	}
	if a := step(4).Act.(*Access); a.Target.String() != "10.0.0.2:80" || a.Dial.String() != "10.0.0.1:8080" {
		t.Errorf("want a get to another, by way of the first, have %+v", a)
	}
	if s := step(5); s.Every != time.Minute || s.Times != 3 {
		t.Errorf("want it repeated, have %+v", s)
	}
	if diff := cmp.Diff([]string{"SD-01", "D-02"}, s.Covers); diff != "" {
		t.Error(diff)
	}
	if s.Timeline[6].Act != nil || s.Timeline[6].When.Of != "write" || s.Timeline[6].Name != "step-7" {
		t.Errorf("want a step that waits, have %+v", s.Timeline[6])
	}
}

// TestBoot reads the configuration with which a machine comes back: the declared one with the step's keys laid over it.
func TestBoot(t *testing.T) {
	s := scenario(t, "timeline:\n  - {at: 1s, power_off: nas-a}\n  - {at: 2s, boot: nas-a, with: {return: naive}}\n  - {at: 3s, restart: nas-b}\n", 1)
	boot := s.Timeline[1].Act.(*faults.Boot)
	config, ok := boot.Configs["nas-a"].(*unitConfig)
	if !ok || config.Return != "naive" || config.Volume != 4e12 {
		t.Errorf("want the declared configuration with another return, have %+v", config)
	}
	if s.Machines[0].Config.(*unitConfig).Return != "probe" {
		t.Error("want the first boot as declared")
	}
	if s.Timeline[2].Act.(*faults.Restart).Configs != nil {
		t.Error("want no configuration without with")
	}
}

// TestRanges checks that a range is drawn by its place and the seed alone, both ends included.
func TestRanges(t *testing.T) {
	text := "timeline:\n  - {at: 10s..12s, cut: lan, step: blow}\n  - {then: 1s..2s, heal: lan, step: mend}\n"
	more := strings.Replace(text, "cut: lan", "degrade: lan, latency: 1ms..9ms", 1)
	lows := map[time.Duration]int{}
	for seed := range uint64(200) {
		a, b := scenario(t, text, seed), scenario(t, more, seed)
		if *a.Timeline[0].When.At != *b.Timeline[0].When.At || *a.Timeline[1].When.Then != *b.Timeline[1].When.Then {
			t.Fatal("one more range changed another")
		}
		at := *a.Timeline[0].When.At
		if at < 10*time.Second || at > 12*time.Second {
			t.Fatalf("%s is out of range", at)
		}
		lows[at]++
		if *scenario(t, text, seed).Timeline[0].When.At != at {
			t.Fatal("the same seed drew something else")
		}
	}
	twins := "timeline:\n  - {at: 1s..9s, cut: lan, for: 1s..9s}\n"
	if s := scenario(t, twins, 1).Timeline[0]; *s.When.At == s.For {
		t.Errorf("two ranges drew the same %s: want a stream for each place", s.For)
	}
	if len(lows) < 190 {
		t.Errorf("want different seeds to draw differently, have %d values of 200", len(lows))
	}
	ends := map[int]int{}
	dice := strings.Replace(sample(text), "nas-a: {kind: pair,", "nas-a: {kind: pair, raid_volumes: 1..3,", 1)
	f := parse1(t, dice)
	for seed := range uint64(100) {
		s, err := f.Cases[0].Scenario(seed)
		if err != nil {
			t.Fatal(err)
		}
		ends[s.Machines[0].Config.(*unitConfig).RaidVolumes]++
	}
	if len(ends) != 3 || ends[1] == 0 || ends[3] == 0 {
		t.Errorf("want 1, 2 and 3 drawn, have %v", ends)
	}
}

// TestBothEnds checks that a range is checked where it begins and where it ends.
func TestBothEnds(t *testing.T) {
	config := func(data string) string {
		return strings.Replace(sample("timeline:\n  - {at: 1s, cut: lan}\n"), "nas-a: {kind: pair,", "nas-a: {kind: pair, volume: 2MB, data: "+data+",", 1)
	}
	if have := messages(t, config("1MB..2MB")); have != nil {
		t.Error(have)
	}
	for _, data := range []string{"1MB..3MB", "3MB"} {
		if have := messages(t, config(data)); len(have) != 1 || have[0] != "data 3MB does not fit in volume 2MB" {
			t.Errorf("%s: want the upper end refused, have %q", data, have)
		}
	}
	rates := "timeline:\n  - {at: 1s, cut: lan}\n"
	for rate, want := range map[string]int{"1/s..5/s": 0, "1/s..5/m": 1, "5/s..1/s": 1} {
		text := strings.Replace(sample(rates), "to: nas-a", "to: nas-a, put: 100%, rate: "+rate, 1)
		if have := messages(t, text); len(have) != want {
			t.Errorf("%s: want %d mistakes, have %q", rate, want, have)
		}
	}
}

// TestOrderOfTime is what can be known of the order of steps, each beside a twin that is right.
func TestOrderOfTime(t *testing.T) {
	for steps, want := range map[string]string{
		"{at: 10s}, {at: 10s}": "", "{at: 10s}, {at: 9.999s}": "step at 9.999s comes after one at 10s",
		"{at: 10s}, {then: 5s}, {at: 15s}": "", "{at: 10s}, {then: 5s}, {at: 14s}": "step at 14s comes after one at 15s",
		"{at: 5s..10s}, {at: 10s..12s}": "", "{at: 5s..10s}, {at: 8s..12s}": "step at 8s..12s comes after one at 10s",
		"{at: 10s}, {after: ready, plus: 5s}, {at: 15s}": "",
		"{at: 10s}, {after: ready, plus: 5s}, {at: 14s}": "step at 14s comes after one at 15s at the earliest",
		"{at: 1h}": "", "{at: 1h}, {then: 1ns}": "step at 1h0.000000001s comes after the stop at 1h",
		"{after: ready, plus: 61m}": "step at 1h1m comes after the stop at 1h", "{at: 1m..61m}": "step at 1h1m comes after the stop",
		"{at: 1h}, {then: 36000d}, {then: 36000d}": "comes after the stop at 1h",
	} {
		have := strings.Join(messages(t, sample("timeline: ["+steps+"]\n")), "; ")
		if want == "" && have != "" || !strings.Contains(have, want) {
			t.Errorf("%s: want %q, have %q", steps, want, have)
		}
	}
}

func TestNearest(t *testing.T) {
	choices := []string{"latency", "jitter", "loss", "subnet"}
	for have, want := range map[string]string{"latncy": "latency", "los": "loss", "jittre": "jitter", "sbunet": "subnet", "": "loss"} {
		if nearest := Nearest(have, choices); nearest[0] != want {
			t.Errorf("%q: want %s first, have %v", have, want, nearest)
		}
	}
	if d := distance(strings.Repeat("a", 1<<20), "b"); d != 64 {
		t.Errorf("want a huge word cut short, have %d", d)
	}
	if have := no("machine", "x", nil); have != `no machine "x"; there is none` {
		t.Error(have)
	}
}

// TestClaimsOfTheHarness reads the claims that every kind has, and what is wrong with them.
func TestClaimsOfTheHarness(t *testing.T) {
	cat := testCatalogue()
	cat.Claims = expect.Forms()
	for claim, want := range map[string]string{
		"no_dual_writers": "", "{no_dual_writers: all, since: blow}": "", "{single_address_owner: 10.0.0.40}": "",
		"{never: served, of: nas-a, since: blow}": "", "{happens: answered, of: blow}": "", "{never: ready, of: active}": "",
		"{never: served, of: nas-z}":   `no machine, step or role "nas-z"; there are nas-a, nas-b, blow, active, standby`,
		"{happens: answered, of: blo}": `no machine, step or role "blo"; there are blow, nas-a, nas-b, active, standby`,
		"{single_address_owner: x}":    `"x"`,
		"{serving: office, within: 5}": "want a duration such as 250ms, 59.9s or 1h30m, have \"5\"",
		"{lost_writes: some}":          `want none, `,
		"{hazard: HZ-D1, seen: never}": `want every-seed or some-seed for "seen", have "never"`,
	} {
		_, err := Parse("drill.yaml", []byte(sample("timeline: [{at: 1s, cut: lan, step: blow}]\nexpect: ["+claim+"]\n")), cat)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: want %q, have %v", claim, want, err)
		}
	}
}
