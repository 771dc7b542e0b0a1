package scenarios

import (
	"strings"
	"testing"
	"time"

	"firedrill/nodes"
	"firedrill/scenarios/expect"
	"firedrill/sim/virtual"
)

const movingClients = `# Clients that move.
name: moving
stop: 2m
settle: 30s
segments:
  lan: {subnet: 10.0.0.0/24, latency: 1ms}
machines:
  one: {kind: lamp, nets: {lan: 10.0.0.1}}
  two: {kind: lamp, nets: {lan: 10.0.0.2}}
clients:
  desk: {count: 2, net: lan, to: one, prefix: /data, rate: 1/s, put: 100%, begin: BEGIN}
timeline:
`

func TestClientsMoveWhenTheyAreTold(t *testing.T) {
	for _, test := range []struct {
		step string
		by   string // who serves them afterwards
		to   string
	}{
		{"at: 30s", "one", "one"},
		{"at: 30s, tell: desk, to: two", "two", "two"},
		{"at: 30s, tell: desk, to: two, via: one", "one", "two"},
		{"at: 30s, tell: desk, to: 10.0.0.2", "two", "10.0.0.2"},
	} {
		for _, begin := range []string{"10s", "40s"} {
			text := strings.Replace(movingClients, "BEGIN", begin, 1)
			o := played(t, text+"  - {"+test.step+"}\n  - {then: 30s, get: /data/x, from: desk, want: {by: "+test.by+"}}\n")
			if o.Verdict != expect.Pass {
				t.Errorf("%s: %s\n%s", test.step, o.Verdict, summary(o))
			}
			before, after := 0, 0
			for _, op := range o.Run.History {
				switch {
				case op.Sent < 30*time.Second && op.ServedBy == "one" && op.Target == "one":
					before++
				case op.Sent >= 30*time.Second && op.ServedBy == test.by && op.Target == test.to && op.Result == nodes.ResultOK:
					after++
				default:
					t.Errorf("%s, begin %s: at %s %s of %s by %s", test.step, begin, op.Sent, op.Path, op.Target, op.ServedBy)
				}
			}
			if (before > 0) != (begin == "10s") || after < 100 {
				t.Errorf("%s, begin %s: %d operations before, %d after", test.step, begin, before, after)
			}
		}
	}
}

func TestTheDrillEndsWhenAStepSaysSo(t *testing.T) {
	for _, test := range []struct {
		timeline   []string
		quiet, end time.Duration
		verdict    expect.Verdict
	}{
		{[]string{"at: 10s, crash: one"}, 2 * time.Minute, 150 * time.Second, expect.Pass},
		{[]string{"at: 10s, crash: one", "then: 7s, end: drill"}, 17 * time.Second, 47 * time.Second, expect.Pass},
		{[]string{"at: 50s, crash: one", "then: 39s, end: drill"}, 89 * time.Second, 119 * time.Second, expect.Pass},
		{[]string{"at: 10s, crash: one", "after: lit, of: two, end: drill"}, 2 * time.Minute, 150 * time.Second, expect.Vacuous},
	} {
		o := lampDrill(t, test.timeline...).Play(virtual.New(1), lampCatalogue)
		if o.Err != nil || o.Run.Quiet != test.quiet || o.Run.End != test.end || o.Virtual != test.end || o.Verdict != test.verdict {
			t.Errorf("%v: quiet from %s to %s, %s; want %s to %s, %s", test.timeline, o.Run.Quiet, o.Run.End, o.Verdict, test.quiet, test.end,
				test.verdict)
		}
		if e := o.Run.Faults[0]; e.Until != test.quiet {
			t.Errorf("%v: the crash was over at %s, want %s", test.timeline, e.Until, test.quiet)
		}
	}
}
