package scenarios

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"firedrill/nodes"
	"firedrill/scenarios/expect"
	"firedrill/sim"
	"firedrill/sim/virtual"
)

const batchFile = `# Lamps that are lit at a time drawn by the seed.
name: lamps
seeds: 1..12
stop: 1m
settle: 10s
segments:
  lan: {subnet: 10.0.0.0/24, latency: 1ms, jitter: 1ms}
machines:
  one: {kind: lamp, nets: {lan: 10.0.0.1}}
clients:
  desk: {count: 2, net: lan, to: one, prefix: /data, rate: 2/s, put: 50%, get: 50%, size: 100B..4KiB}
timeline:
  - {at: 2s..50s, do: switch, machine: one, with: {to: lit}}
variants:
  light:
    bright: {}
    dim:    {steps: {step-1: {with: {to: dark}}}}
`

func batchOf(t *testing.T, text string, cat *Catalogue) (*Batch, []*Case) {
	t.Helper()
	f, err := Parse("lamps", []byte(text), cat)
	if err != nil {
		t.Fatal(err)
	}
	return &Batch{Catalogue: cat, World: func(s *Scenario) sim.World { return virtual.New(s.Seed) }, Jobs: 2}, f.Cases
}

// line is what has to be the same in each play of a turn.
func line(r Result) string {
	return fmt.Sprintf("%s %d %s %016x %d operations", r.Case.Name, r.Seed, r.Outcome.Verdict, r.Outcome.Hash,
		len(r.Outcome.Run.History))
}

func playAll(t *testing.T, b *Batch, cases []*Case, seeds *Seeds) []string {
	t.Helper()
	var lines []string
	err := b.Play(context.Background(), Turns(cases, seeds), func(r Result) error {
		if r.Outcome.Err != nil {
			t.Error(r.Outcome.Err)
		}
		lines = append(lines, line(r))
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return lines
}

func TestOutcomesDependNeitherOnJobsNorOnNeighbours(t *testing.T) {
	b, cases := batchOf(t, batchFile, lampCatalogue)
	want := playAll(t, b, cases, nil)
	if len(want) != 24 || want[0] == want[1] || !strings.HasPrefix(want[0], "lamps/bright 1 pass") {
		t.Fatalf("have %d plays: %s", len(want), want)
	}
	different := map[string]bool{}
	for _, l := range want {
		different[strings.Fields(l)[3]] = true
	}
	if len(different) != len(want) {
		t.Errorf("%d hashes of %d different plays", len(different), len(want))
	}
	for _, jobs := range []int{0, 1, 7} {
		b.Jobs = jobs
		if have := playAll(t, b, cases, nil); strings.Join(have, "\n") != strings.Join(want, "\n") {
			t.Errorf("with %d jobs:\n%s\nwant:\n%s", jobs, strings.Join(have, "\n"), strings.Join(want, "\n"))
		}
	}
	if have := playAll(t, b, cases[1:], &Seeds{7, 7}); len(have) != 1 || have[0] != want[12+6] {
		t.Errorf("seed 7 alone: %s, want %s", have, want[18])
	}
}

func TestTurns(t *testing.T) {
	c := &Case{Seeds: Seeds{1<<64 - 2, 1<<64 - 1}}
	n := 0
	for range Turns([]*Case{c, c}, nil) {
		n++
	}
	if n != 4 {
		t.Errorf("%d turns, want 2 of each case", n)
	}
}

func TestABatchThatIsInterruptedDeliversWhatIsFinished(t *testing.T) {
	b, cases := batchOf(t, batchFile, lampCatalogue)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var seeds []uint64
	err := b.Play(ctx, Turns(cases, &Seeds{1, 1e9}), func(r Result) error {
		if r.Outcome.Run == nil {
			t.Error("an outcome that is not finished")
		}
		seeds = append(seeds, r.Seed)
		if len(seeds) == 3 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	if len(seeds) < 3 || len(seeds) > 3+3*b.Jobs {
		t.Errorf("delivered seeds %v; want the first three, and what was finished by then", seeds)
	}
	for i := 1; i < len(seeds); i++ {
		if seeds[i] <= seeds[i-1] {
			t.Errorf("delivered seeds %v, out of order", seeds)
		}
	}
}

func TestAnErrorOfDeliveryEndsTheBatch(t *testing.T) {
	b, cases := batchOf(t, batchFile, lampCatalogue)
	full := errors.New("no space left")
	n := 0
	err := b.Play(context.Background(), Turns(cases, nil), func(Result) error {
		if n++; n == 2 {
			return full
		}
		return nil
	})
	if !errors.Is(err, full) || n != 2 {
		t.Errorf("error %v after %d deliveries, want %v after 2", err, n, full)
	}
}

// whimsical is software that is not decided by its seed.
type whimsical struct{ lamp }

var outside atomic.Int64

func (w *whimsical) Run(env nodes.Env) error {
	env.Note(nodes.Fact{Name: "mood", Value: fmt.Sprint(outside.Add(1))})
	return w.lamp.Run(env)
}

func TestAPlayThatGoesTwoWaysIsAFault(t *testing.T) {
	kind := *lampKind
	kind.New = func(any) nodes.Node { return &whimsical{} }
	for _, test := range []struct {
		twice int
		kind  *nodes.Kind
		want  int
	}{{0, &kind, 0}, {1, &kind, 24}, {5, &kind, 5}, {1, lampKind, 0}} {
		b, cases := batchOf(t, batchFile, &Catalogue{Kinds: []*nodes.Kind{test.kind}})
		b.Twice = test.twice
		faults := 0
		if err := b.Play(context.Background(), Turns(cases, nil), func(r Result) error {
			if r.Outcome.Err != nil {
				faults++
				if !strings.Contains(r.Outcome.Err.Error(), "it went two ways") {
					t.Error(r.Outcome.Err)
				}
				if r.Outcome.Verdict != expect.Inconclusive {
					t.Errorf("verdict %s of a play that goes two ways", r.Outcome.Verdict)
				}
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		if faults != test.want {
			t.Errorf("every %d-th turn twice: %d faults, want %d", test.twice, faults, test.want)
		}
	}
}

// clumsy is software that panics in some seeds, and a kind whose making panics in others.
type clumsy struct{ lamp }

func (c *clumsy) Run(env nodes.Env) error {
	if env.Rand().IntN(2) == 0 {
		panic("dropped")
	}
	return c.lamp.Run(env)
}

func TestAPanicFailsItsOwnPlayOnly(t *testing.T) {
	kind := *lampKind
	kind.New = func(any) nodes.Node { return &clumsy{} }
	forms := []expect.Form{{Name: "software_sound", New: func() expect.Claim { return &expect.SoftwareSound{} },
		Standing: func(*expect.Run) []expect.Claim { return []expect.Claim{&expect.SoftwareSound{All: "all"}} }}}
	b, cases := batchOf(t, batchFile, &Catalogue{Kinds: []*nodes.Kind{&kind}, Claims: forms})
	b.World = func(s *Scenario) sim.World {
		if s.Seed == 5 {
			panic("no world today")
		}
		return virtual.New(s.Seed)
	}
	verdicts := map[expect.Verdict]int{}
	broken := 0
	if err := b.Play(context.Background(), Turns(cases[:1], &Seeds{1, 20}), func(r Result) error {
		if r.Outcome.Err != nil {
			broken++
			if r.Seed != 5 || !strings.Contains(r.Outcome.Err.Error(), "no world today") {
				t.Errorf("seed %d: %v", r.Seed, r.Outcome.Err)
			}
			return nil
		}
		verdicts[r.Outcome.Verdict]++
		return nil
	}); err != nil {
		t.Error(err)
	}
	violated, passed := verdicts[expect.Violation], verdicts[expect.Pass]
	if broken != 1 || violated < 3 || passed < 3 || violated+passed != 19 {
		t.Errorf("%d broken, %v; want 1, and some of each", broken, verdicts)
	}
}

func TestAHazardOfSomeSeedIsJudgedOverTheWholeRange(t *testing.T) {
	form := expect.Form{Name: "hazard", New: func() expect.Claim { return &expect.HazardShows{Seen: expect.SeenEverySeed} }}
	text := strings.Replace(batchFile, "variants:", "expect:\n  - {hazard: HZ-X1, seen: some-seed}\nvariants:", 1)
	for _, test := range []struct {
		name  string
		shown func(lit time.Duration) bool
		seeds *Seeds
		want  int
	}{
		{"seen in some", func(lit time.Duration) bool { return lit > 25*time.Second }, nil, 0},
		{"seen in none", func(time.Duration) bool { return false }, nil, 2},
		{"not the whole range", func(time.Duration) bool { return false }, &Seeds{1, 11}, 0},
		{"more than the whole range", func(time.Duration) bool { return false }, &Seeds{0, 14}, 2},
	} {
		hazard := expect.Hazard{ID: "HZ-X1", Find: func(r *expect.Run) []expect.Instance {
			if len(r.Steps) > 0 && test.shown(r.Steps[0].At) {
				return []expect.Instance{{Breach: expect.Breach{Text: "too late"}}}
			}
			return nil
		}}
		b, cases := batchOf(t, text, &Catalogue{Kinds: []*nodes.Kind{lampKind}, Claims: []expect.Form{form},
			Hazards: []expect.Hazard{hazard}})
		found := 0
		if err := b.Play(context.Background(), Turns(cases, test.seeds), func(r Result) error {
			for _, j := range r.Range {
				found++
				if j.Verdict != expect.Violation || r.Seed != 12 || j.Text != "hazard: HZ-X1" {
					t.Errorf("%s: %+v with seed %d", test.name, j, r.Seed)
				}
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		if found != test.want {
			t.Errorf("%s: %d findings over the range, want %d", test.name, found, test.want)
		}
	}
}
