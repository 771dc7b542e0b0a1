package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"firedrill/scenarios"
	"firedrill/sim"
	"firedrill/sim/kernel"
	"firedrill/sim/kernel/door"
	"firedrill/sim/virtual"
)

// options are the flags of run, as the user wrote them.
type options struct {
	seed, seeds string
	world       string
	jobs        int
	out         string
	json, trace bool
	hold        bool
	exports
}

// resultsFolder is where results lie unless --out says otherwise.
const resultsFolder = ".firedrill"

func newRun() *cobra.Command {
	var o options
	c := &cobra.Command{
		Use:   "run [FILE|DIR|NAME|NAME/CASE...]",
		Short: "Play scenarios and judge what happened",
		Long: `run plays scenarios, each case with each of its seeds, and judges what happened.
Without arguments it plays those that ship with firedrill. The virtual world
needs nothing; the kernel world is Linux itself: a process per machine, in
namespaces that end with the command, and real time; exec, logs and ps look into
it, and --hold keeps it up for that.

A case is named by its values: heartbeat-cut/long; values may be left out.

Results lie in .firedrill/SCENARIO/TIME: report.html to look at, and in
CASE/seed-N run.json, and trace.jsonl for the plays that went wrong. The same
build, scenario and seed give the same bytes each time. ` + "`latest`" + ` beside
TIME is a link to the newest.`,
		Example: `  firedrill run                                every shipped scenario
  firedrill run heartbeat-cut/long --seed 7    one play, the same each time
  firedrill run drills/ --seeds 1..100 --jobs 8 --json
  firedrill run cable.yaml --seed 1 --world kernel --hold`,
		ValidArgsFunction: completeTargets,
		RunE:              func(c *cobra.Command, args []string) error { return o.run(c, args) },
	}
	f := c.Flags()
	f.StringVar(&o.world, "world", scenarios.WorldVirtual, "the `WORLD`, virtual or kernel")
	f.StringVar(&o.seed, "seed", "", "play this seed instead of the scenario's own `N`")
	f.StringVar(&o.seeds, "seeds", "", "play these seeds instead, both ends included: `A..B`")
	f.IntVar(&o.jobs, "jobs", 0, "play `N` at once (default: 1 per CPU; kernel world: 1)")
	f.StringVar(&o.out, "out", "", "write results to `DIR`/SCENARIO, without a TIME")
	f.BoolVar(&o.json, "json", false, "print one line of JSON per play, and nothing else")
	f.BoolVar(&o.hold, "hold", false, "keep all up near the end, until Enter or Ctrl-C")
	f.BoolVar(&o.trace, "trace", false, "write trace.jsonl for every play")
	o.flags(c)
	c.MarkFlagsMutuallyExclusive("seed", "seeds")
	return c
}

// twice is how often a play is played once more, to be compared.
const twice = 20

// run plays what the arguments name.
func (o *options) run(c *cobra.Command, args []string) error {
	seeds, err := o.seedRange(c)
	if err != nil {
		return err
	}
	if o.jobs < 1 && c.Flags().Changed("jobs") {
		return fmt.Errorf("--jobs: want at least 1, have %d", o.jobs)
	}
	if err := o.chooseWorld(); err != nil {
		return err
	}
	selections, err := resolve(args)
	if err != nil {
		return err
	}
	selections, skipped, err := fit(selections, o.world)
	if err != nil {
		return err
	}
	if len(skipped) > 0 {
		remark(c.ErrOrStderr(), "not for the %s world, left out: %s", o.world, strings.Join(skipped, ", "))
	}
	var skips []*skip
	if o.world == scenarios.WorldKernel {
		selections, skips = atHand(selections)
	}
	held, err := o.holds(selections, seeds, c.ErrOrStderr())
	if err != nil {
		return err
	}
	r, err := newResults(o, selections, seeds, c.OutOrStdout(), c.ErrOrStderr())
	if err == nil {
		err = r.skip(skips)
	}
	if err != nil {
		return err
	}
	ctx, stop := interruptible(c.Context(), c.ErrOrStderr(), held.end)
	defer stop()
	batch := scenarios.Batch{
		Catalogue: catalogue(), Jobs: o.jobs, Twice: twice, In: o.world,
		World: func(s *scenarios.Scenario) sim.World { return virtual.New(s.Seed) },
	}
	if o.world == scenarios.WorldKernel {
		batch.Twice = 0 // No two plays are the same there.
		batch.World = func(s *scenarios.Scenario) sim.World {
			w := kernel.New(s.Seed, int(s.TimeScale))
			w.Title = s.Case
			return w
		}
	}
	if held != nil {
		batch.Hold = held.asks
	}
	if o.pcapDir != "" {
		batch.Watch = o.watch
	}
	err = batch.Play(ctx, scenarios.Turns(r.cases(), seeds), r.take)
	interrupted := errors.Is(err, context.Canceled)
	if interrupted {
		err = context.Cause(ctx)
	}
	if err = errors.Join(err, r.finish(interrupted)); err == nil && r.status() != statusPass {
		err = &exit{r.status(), nil}
	}
	return err
}

// chooseWorld makes the process one that can play in the world. For the kernel world it starts the command again, inside of
// namespaces, and does not return out here.
func (o *options) chooseWorld() error {
	switch o.world {
	case scenarios.WorldVirtual:
		if o.hold {
			return errNothingToHold
		}
		o.jobs = cmp.Or(o.jobs, runtime.NumCPU())
		return nil
	case scenarios.WorldKernel:
		o.jobs = cmp.Or(o.jobs, 1) // Side by side, plays would make each other late.
		return o.enter()
	}
	return fmt.Errorf("--world: want %s, have %q", strings.Join(scenarios.Worlds, " or "), o.world)
}

// enter starts the command again in the kernel world, with what it can only have from outside.
func (o *options) enter() error {
	var with []*os.File
	if !kernel.Inside() {
		if o.hold {
			if err := door.PassKeys(); err != nil {
				return &exit{statusFault, err}
			}
		}
		if o.metricsAddress != "" {
			f, err := o.listenerFile()
			if err != nil {
				return err
			}
			with = append(with, f)
		}
	}
	if err := kernel.Enter(with...); err != nil {
		return &exit{statusFault, fmt.Errorf("the kernel world: %w", err)}
	}
	return nil
}

// seedRange is the range of seeds that the flags ask for; nil: each case's own.
func (o *options) seedRange(c *cobra.Command) (*scenarios.Seeds, error) {
	switch {
	case c.Flags().Changed("seed"):
		n, err := parseSeed(o.seed)
		if err != nil {
			return nil, fmt.Errorf("--seed: %w", err)
		}
		return &scenarios.Seeds{First: n, Last: n}, nil
	case c.Flags().Changed("seeds"):
		return parseSeeds(o.seeds)
	}
	return nil, nil
}

// parseSeeds reads what --seeds says.
func parseSeeds(text string) (*scenarios.Seeds, error) {
	first, last, found := strings.Cut(text, "..")
	if !found {
		return nil, fmt.Errorf("--seeds: want a range such as 1..50, have %q; one seed is --seed", text)
	}
	a, err := parseSeed(first)
	b, errB := parseSeed(last)
	if err := errors.Join(err, errB); err != nil {
		return nil, fmt.Errorf("--seeds %s: %w", text, err)
	}
	if a > b {
		return nil, fmt.Errorf("--seeds: want the lower end first, have %q; perhaps %d..%d", text, b, a)
	}
	return &scenarios.Seeds{First: a, Last: b}, nil
}

func parseSeed(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("want a seed from 0 to %d, have %q", uint64(1<<64-1), text)
	}
	return n, nil
}

// twin is how soon after an interrupt another one is the same: timeout and its like signal both their child and its group.
const twin = 100 * time.Millisecond

// interruptible returns a context that ends with the first interrupt, unless one of instead says that this has ended something
// else; the second one ends the process at once. It ends as well when the terminal is closed, whatever else there is to end:
// nobody is there any more. The cause of the context's end has the exit status.
func interruptible(parent context.Context, stderr io.Writer, instead ...func() bool) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // As nohup has it.
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() {
		var first time.Time // of the interrupts
		for s := range signals {
			switch {
			case s == syscall.SIGHUP:
				remark(stderr, "hung up; writing what is finished")
				cancel(&exit{statusHungUp, nil})
			case first.IsZero():
				first = time.Now()
				if slices.ContainsFunc(instead, func(ends func() bool) bool { return ends() }) {
					break
				}
				if isTerminal(stderr) {
					_, _ = fmt.Fprintln(stderr) // It has shown ^C, perhaps behind the progress.
				}
				remark(stderr, "interrupted; writing what is finished. Once more to end at once.")
				cancel(&exit{statusInterrupted, nil})
			case time.Since(first) > twin:
				os.Exit(statusInterrupted)
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		cancel(nil)
	}
}
