package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"firedrill/reports"
	"firedrill/scenarios"
	"firedrill/scenarios/expect"
	"firedrill/sim"
	"firedrill/sim/kernel"
	"firedrill/sim/virtual"
)

// comparing are the flags of compare, as the user wrote them.
type comparing struct {
	seeds         string
	plays, jobs   int
	out           string
	json          bool
	wherePossible bool
}

// virtualSeeds is how many seeds are played unless flags say otherwise.
const virtualSeeds = 100

func newCompare() *cobra.Command {
	var o comparing
	c := &cobra.Command{
		Use:   "compare [FILE|DIR|NAME|NAME/CASE...]",
		Short: "Play scenarios in both worlds, and say whether they agree",
		Long: `compare plays scenarios in the virtual world with many seeds, then in the kernel
world, and says claim by claim whether the verdicts agree, and of each phase of
a takeover and each other time how far apart they are. Without arguments it
compares what ships with firedrill for both worlds.

What a play in the kernel world came to agrees if some virtual seed came to it.
A time agrees if it lies within the range of the virtual seeds, widened at both
ends by a tenth of its width or by 100ms of real time, whichever is more. A play
that differs is played again: two plays that differ are a difference, one alone
is told and does not count. So is a play for which the system was too busy, up
to eight times in all.

Exit status: 0 they agree, 1 they do not, 2 bad arguments or scenario,
3 the kernel world could not be believed, 4 a fault of firedrill itself,
129 its terminal was closed, 130 interrupted.`,
		Example: `  firedrill compare                            all that ships for both worlds
  firedrill compare heartbeat-cut/long
  firedrill compare mine.yaml --plays 10 --json`,
		ValidArgsFunction: completeTargets,
		RunE:              func(c *cobra.Command, args []string) error { return o.run(c, args) },
	}
	f := c.Flags()
	f.StringVar(&o.seeds, "seeds", "", "play these seeds in the virtual world, not 100 from each scenario's first on: `A..B`")
	f.IntVar(&o.plays, "plays", 1, "play each case so often in the kernel world: `N`")
	f.IntVar(&o.jobs, "jobs", 1, "play so many at once in the kernel world, where they make each other late: `N`")
	f.StringVar(&o.out, "out", "", "write results of the kernel world to `DIR`/SCENARIO, without a TIME")
	f.BoolVar(&o.json, "json", false, "print one line of JSON per case, and nothing else")
	f.BoolVar(&o.wherePossible, "where-possible", false, "where the kernel world cannot be had, say why and end with status 0")
	return c
}

// run compares what the arguments name.
func (o *comparing) run(c *cobra.Command, args []string) error {
	for name, n := range map[string]int{"plays": o.plays, "jobs": o.jobs} {
		if n < 1 {
			return fmt.Errorf("--%s: want at least 1, have %d", name, n)
		}
	}
	var seeds *scenarios.Seeds
	if c.Flags().Changed("seeds") {
		var err error
		if seeds, err = parseSeeds(o.seeds); err != nil {
			return err
		}
	}
	selections, err := resolve(args)
	if err == nil {
		selections, err = both(selections)
	}
	if err != nil {
		return err
	}
	if err := kernel.Enter(); err != nil {
		if o.wherePossible {
			_, err = fmt.Fprintf(c.OutOrStdout(), "not compared: the kernel world cannot be had here: %s\n",
				reports.Printable(err.Error()))
			return unwritten(err)
		}
		return &exit{statusFault, fmt.Errorf("the kernel world: %w", err)}
	}
	r, err := o.newComparisons(selections, seeds, c.OutOrStdout(), c.ErrOrStderr())
	if err != nil {
		return err
	}
	ctx, stop := interruptible(c.Context(), c.ErrOrStderr())
	defer stop()
	err = r.play(ctx)
	interrupted := errors.Is(err, context.Canceled)
	if interrupted {
		err = context.Cause(ctx)
	}
	if err = errors.Join(err, r.finish(interrupted)); err == nil && r.status() != statusPass {
		err = &exit{r.status(), nil}
	}
	return err
}

// both keeps the cases that can be played in both worlds. What no argument names is left out if there are none.
func both(list []selection) (kept []selection, err error) {
	var wrong []error
	for _, s := range list {
		hinders := ""
		var cases []*scenarios.Case
		for _, c := range s.cases {
			if slices.Contains(c.Worlds, scenarios.WorldVirtual) && slices.Contains(c.Worlds, scenarios.WorldKernel) {
				cases = append(cases, c)
			} else {
				hinders = cmp.Or(hinders, hindrance(c))
			}
		}
		switch {
		case len(cases) > 0:
			s.cases = cases
			kept = append(kept, s)
		case s.named:
			wrong = append(wrong, fmt.Errorf("%s cannot be compared: %s", s.target, hinders))
		}
	}
	if len(kept) == 0 && len(wrong) == 0 {
		wrong = append(wrong, errors.New("none of these is for both worlds; a scenario that is says `world: [virtual, kernel]`"))
	}
	return kept, errors.Join(wrong...)
}

// hindrance says why a case is not in both worlds, and what it would take.
func hindrance(c *scenarios.Case) string {
	s, err := c.Scenario(c.Seeds.First)
	if err != nil {
		return err.Error()
	}
	for _, m := range s.Machines {
		if m.Kind.Program != nil {
			return fmt.Sprintf("%s is a program, which only a real kernel can run", m.Name)
		}
	}
	return fmt.Sprintf("%s is played in the %s world alone; add `world: [virtual, kernel]`%s", c.Name, c.Worlds[0], timeScale(s))
}

// comparisons compares cases, and tells of each as soon as it is decided.
type comparisons struct {
	o      *comparing
	seeds  *scenarios.Seeds
	groups []*group // folders are of the kernel world
	cases  []*scenarios.Case
	of     map[*scenarios.Case]*compared
	told   []*reports.Comparison
	again  []scenarios.Turn // in the kernel world
	stdout io.Writer
	text   *reports.Text // nil: JSON lines instead
	bar    *progress
	begin  time.Time
}

// compared is one case of them.
type compared struct {
	*reports.Comparison
	*group
	left int // plays in the kernel world that are still to come
}

func (o *comparing) newComparisons(
	selections []selection, seeds *scenarios.Seeds, stdout, stderr io.Writer,
) (*comparisons, error) {
	r := &comparisons{o: o, seeds: seeds, of: map[*scenarios.Case]*compared{}, stdout: stdout, begin: time.Now()}
	if !o.json {
		r.text = reports.NewText(stdout, wantsColour(stdout))
	}
	for _, s := range selections {
		g := &group{selection: s, world: scenarios.WorldKernel}
		if err := g.makeFolder(o.out, r.begin); err != nil {
			return nil, err
		}
		r.groups = append(r.groups, g)
		for _, c := range s.cases {
			drawn, err := c.ScenarioIn(scenarios.WorldKernel, c.Seeds.First)
			if err != nil {
				return nil, err
			}
			r.cases = append(r.cases, c)
			r.of[c] = &compared{reports.NewComparison(c.Name, drawn.TimeScale), g, o.plays}
		}
	}
	each := float64(virtualSeeds)
	if seeds != nil {
		each = float64(seeds.Last-seeds.First) + 1
	}
	r.bar = newProgress(stderr, (each+float64(o.plays))*float64(len(r.cases)))
	return r, nil
}

// first are so many plays of each case, from its first seed on.
func (r *comparisons) first(plays uint64) iter.Seq[scenarios.Turn] {
	return func(yield func(scenarios.Turn) bool) {
		for _, c := range r.cases {
			first := min(c.Seeds.First, -plays) // Behind it there are so many.
			for t := range scenarios.Turns([]*scenarios.Case{c}, &scenarios.Seeds{First: first, Last: first + plays - 1}) {
				if !yield(t) {
					return
				}
			}
		}
	}
}

// play plays all in the virtual world, then all in the kernel world, and there again, one at a time, what is not settled.
func (r *comparisons) play(ctx context.Context) error {
	turns := r.first(virtualSeeds)
	if r.seeds != nil {
		turns = scenarios.Turns(r.cases, r.seeds)
	}
	batch := scenarios.Batch{Catalogue: catalogue(), Jobs: runtime.NumCPU(), In: scenarios.WorldVirtual,
		World: func(s *scenarios.Scenario) sim.World { return virtual.New(s.Seed) }}
	err := batch.Play(ctx, turns, r.takeVirtual)
	batch.Jobs, batch.In = r.o.jobs, scenarios.WorldKernel
	batch.World = func(s *scenarios.Scenario) sim.World { return kernel.New(s.Seed, int(s.TimeScale)) }
	turns = r.first(uint64(r.o.plays))
	for more := true; err == nil && more; more = len(r.again) > 0 {
		if r.again != nil {
			turns, batch.Jobs, r.again = slices.Values(r.again), 1, nil
		}
		err = batch.Play(ctx, turns, r.takeKernel)
	}
	return err
}

// takeVirtual takes a play in the virtual world.
func (r *comparisons) takeVirtual(result scenarios.Result) error {
	r.bar.step(result.Outcome.Verdict)
	if err := faulty(result); err != nil {
		return err
	}
	r.of[result.Case].AddVirtual(result.Outcome)
	return nil
}

// takeKernel takes a play in the kernel world.
func (r *comparisons) takeKernel(result scenarios.Result) error {
	if err := faulty(result); err != nil {
		return err
	}
	o, c := result.Outcome, r.of[result.Case]
	agrees := false
	if o.Verdict == expect.Inconclusive {
		c.AddDoubt(o)
	} else {
		agrees = c.AddKernel(o)
	}
	if !c.Settled(result.Seed) {
		r.again = append(r.again, result.Turn)
		return nil
	}
	r.bar.step(o.Verdict)
	if err := c.folder.Write(o, !agrees); err != nil {
		return &exit{statusFault, fmt.Errorf("results of %s, seed %d: %w", result.Case.Name, result.Seed, err)}
	}
	if c.Agreement != reports.Agrees && c.Again == nil {
		there := c.replay(o)
		c.Again = []string{strings.TrimSuffix(there, c.inWorld()), there}
	}
	if c.left--; c.left > 0 {
		return nil
	}
	return r.tell(c.Comparison)
}

// faulty is the error of a play in which firedrill itself failed: there is nothing to compare.
func faulty(result scenarios.Result) error {
	if err := result.Outcome.Err; err != nil {
		return &exit{statusFault, fmt.Errorf("%s, seed %d: %w", result.Case.Name, result.Seed, err)}
	}
	return nil
}

// tell prints a case that is decided.
func (r *comparisons) tell(c *reports.Comparison) error {
	r.told = append(r.told, c)
	r.bar.clear()
	if r.text == nil {
		return unwritten(reports.WriteComparison(r.stdout, c))
	}
	r.text.Comparison(c)
	return unwritten(r.text.Flush())
}

// finish closes the folders and prints the last line.
func (r *comparisons) finish(interrupted bool) error {
	r.bar.clear()
	var wrong []error
	for _, g := range r.groups {
		if err := g.folder.Close(); err != nil {
			wrong = append(wrong, &exit{statusFault, fmt.Errorf("results of %s: %w", g.file.Name, err)})
		}
	}
	if r.text != nil {
		r.text.Compared(r.told, time.Since(r.begin), interrupted)
		wrong = append(wrong, unwritten(r.text.Flush()))
	}
	return errors.Join(wrong...)
}

// status is the exit status of all that was compared.
func (r *comparisons) status() int {
	status := statusPass
	for _, c := range r.told {
		switch c.Agreement {
		case reports.Differs:
			return statusFailed
		case reports.Undecided:
			status = statusUnclear
		}
	}
	return status
}
