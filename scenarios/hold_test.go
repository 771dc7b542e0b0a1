package scenarios

import (
	"context"
	"fmt"
	"testing"
	"time"

	"firedrill/scenarios/expect"
	"firedrill/sim"
	"firedrill/sim/virtual"
)

// holdFile ends its drill at the stop, or by a step.
const holdFile = `# A lamp is looked into.
name: held
seeds: 1..1
stop: 1m
settle: 30s
segments:
  lan: {subnet: 10.0.0.0/24}
machines:
  one: {kind: lamp, nets: {lan: 10.0.0.1}}
clients:
  desk: {net: lan, to: one, prefix: /data, rate: 2/s, put: 100%, timeout: 10s}
timeline:
  - {at: 20s, cut: lan}
`

// A play that is held goes on in its quiet phase: faults are undone, clients ask, nobody is stopped. What follows is as long as
// without, and the verdict is the same.
func TestHold(t *testing.T) {
	for name, x := range map[string]struct {
		end   string
		quiet time.Duration
	}{
		"until the stop": {"", time.Minute},
		"until a step":   {"  - {at: 25s, end: drill}\n", 25 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			b, cases := batchOf(t, holdFile+x.end, lampCatalogue)
			plain := playOne(t, b, cases)
			const looks = 2 * time.Minute
			begun, asked, operations := time.Duration(-1), 0, 0
			b.Hold = func(s *Scenario, w sim.World) bool {
				if asked++; begun < 0 {
					begun, operations = w.Now(), len(w.History())
				}
				return w.Now() < begun+looks
			}
			held := playOne(t, b, cases)
			if want := x.quiet + 20*time.Second; begun < want || begun > want+time.Second {
				t.Errorf("held at %v, want the last call at %v", begun, want)
			}
			if asked < 100 {
				t.Errorf("asked %d times in %v", asked, looks)
			}
			longer := held.Run.End - plain.Run.End
			if held.Run.Quiet != plain.Run.Quiet || longer < looks || longer > looks+2*time.Second {
				t.Errorf("the quiet phase is from %v to %v, want from %v, and longer by %v", held.Run.Quiet, held.Run.End, plain.Run.Quiet, looks)
			}
			if n := len(held.Run.History) - operations; n < 200 || n > 260 {
				t.Errorf("clients asked %d times in and after the hold, want twice a second in it", n)
			}
			last := held.Run.History[len(held.Run.History)-1].Sent
			if before := held.Run.End - last; before < 9*time.Second || before > 12*time.Second {
				t.Errorf("the last client asked %v before the end, want 10s", before)
			}
			if plain.Verdict != expect.Pass || held.Verdict != plain.Verdict {
				t.Errorf("it is %s, and held %s", plain.Verdict, held.Verdict)
			}
		})
	}
}

func playOne(t *testing.T, b *Batch, cases []*Case) *Outcome {
	t.Helper()
	b.World = func(s *Scenario) sim.World { return virtual.New(s.Seed) }
	var all []*Outcome
	err := b.Play(context.Background(), Turns(cases, nil), func(r Result) error {
		all = append(all, r.Outcome)
		return r.Outcome.Err
	})
	if err != nil || len(all) != 1 {
		t.Fatal(fmt.Errorf("%d plays: %w", len(all), err))
	}
	return all[0]
}
