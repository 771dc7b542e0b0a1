package scenarios_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"firedrill/nodes"
	"firedrill/nodes/pair"
	"firedrill/scenarios"
	"firedrill/scenarios/expect"
	pairclaims "firedrill/scenarios/expect/pair"
	"firedrill/sim"
	"firedrill/sim/virtual"
)

var pairCatalogue = &scenarios.Catalogue{
	Kinds:   []*nodes.Kind{pair.Kind()},
	Claims:  append(expect.Forms(), pairclaims.Forms()...),
	Hazards: pairclaims.Hazards(),
}

// A pair that is set up and then only checks itself every 30 s, and one that three clients ask ten times a second.
const (
	idlePair = `# What life without anybody costs.
name: bench
stop: 7d
segments:
  lan:       {subnet: 172.16.64.0/22, latency: 200us}
  heartbeat: {subnet: 192.168.2.0/24, latency: 100us, bandwidth: 1gbit}
machines:
  nas-a: {kind: pair, nets: {lan: 172.16.66.165, heartbeat: 192.168.2.254}, data: 1MB}
  nas-b: {kind: pair, nets: {lan: 172.16.66.160, heartbeat: 192.168.2.253}, data: 1MB}
timeline:
  - {at: 10s, do: apply, machine: nas-a, with: {role: active, pair_ip: 172.16.66.160, pair_code: drill, virtual_ip: 172.16.66.40,
       heartbeat_ips: [192.168.2.254, 192.168.2.253], interval: 30s, checks: 1, schedule: weekly}}
  - {at: 20s, do: apply, machine: nas-b, with: {role: standby, pair_ip: 172.16.66.165, pair_code: drill}}
`
	busyPair = `# What clients cost.
name: bench
stop: 30m
segments:
  lan:       {subnet: 172.16.64.0/22, latency: 200us}
  heartbeat: {subnet: 192.168.2.0/24, latency: 100us, bandwidth: 1gbit}
machines:
  nas-a: {kind: pair, nets: {lan: 172.16.66.165, heartbeat: 192.168.2.254}, data: 1MB}
  nas-b: {kind: pair, nets: {lan: 172.16.66.160, heartbeat: 192.168.2.253}, data: 1MB}
clients:
  office: {count: 2, net: lan, to: 172.16.66.40, prefix: /data, rate: 5/s, put: 60%, get: 40%}
timeline:
  - {at: 10s, do: apply, machine: nas-a, with: {role: active, pair_ip: 172.16.66.160, pair_code: drill, virtual_ip: 172.16.66.40,
       heartbeat_ips: [192.168.2.254, 192.168.2.253], interval: 30s, checks: 1, schedule: hourly}}
  - {at: 20s, do: apply, machine: nas-b, with: {role: standby, pair_ip: 172.16.66.165, pair_code: drill}}
`
)

// play plays the text with a seed, and returns how much virtual time passed.
func play(tb testing.TB, text string, seed uint64) time.Duration {
	tb.Helper()
	f, err := scenarios.Parse("bench", []byte(text), pairCatalogue)
	if err != nil {
		tb.Fatal(err)
	}
	s, err := f.Cases[0].Scenario(seed)
	if err != nil {
		tb.Fatal(err)
	}
	o := s.Play(virtual.New(seed), pairCatalogue)
	if o.Err != nil || o.Verdict != expect.Pass {
		tb.Fatalf("%s: %v, misses %q", o.Verdict, o.Err, o.Misses)
	}
	return o.Virtual
}

func benchmarkPlay(b *testing.B, text string) {
	var virtual time.Duration
	seed := uint64(0)
	for b.Loop() {
		seed++
		virtual += play(b, text, seed)
	}
	b.ReportMetric(virtual.Seconds()/b.Elapsed().Seconds(), "x-life")
}

// BenchmarkIdlePair is two units with nothing but their checks.
func BenchmarkIdlePair(b *testing.B) { benchmarkPlay(b, idlePair) }

// BenchmarkBusyPair is two units and ten client operations a second, judged and all.
func BenchmarkBusyPair(b *testing.B) { benchmarkPlay(b, busyPair) }

// TestCompareJobs prints how much sooner a batch is done by two workers than by one: the median of five rounds, taken in turns. It
// measures, and asserts nothing; `make bench` asks for it.
func TestCompareJobs(t *testing.T) {
	if os.Getenv("FIREDRILL_BENCH") == "" {
		t.Skip("a measurement: set FIREDRILL_BENCH=1, or type make bench")
	}
	f, err := scenarios.Parse("bench", []byte(busyPair), pairCatalogue)
	if err != nil {
		t.Fatal(err)
	}
	batch := func(jobs int) time.Duration {
		began := time.Now()
		b := scenarios.Batch{Catalogue: pairCatalogue, Jobs: jobs, World: func(s *scenarios.Scenario) sim.World { return virtual.New(s.Seed) }}
		err := b.Play(context.Background(), scenarios.Turns(f.Cases, &scenarios.Seeds{First: 1, Last: 8}),
			func(scenarios.Result) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		return time.Since(began)
	}
	var ratios []float64
	for range 5 {
		one, two := batch(1), batch(2)
		ratios = append(ratios, one.Seconds()/two.Seconds())
	}
	slices.Sort(ratios)
	fmt.Printf("a batch with --jobs 2: %.2f times as fast as with --jobs 1 (median of 5, %.2f to %.2f)\n",
		ratios[2], ratios[0], ratios[4])
}
