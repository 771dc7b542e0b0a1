package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"firedrill/reports"
	"firedrill/scenarios"
	"firedrill/scenarios/expect"
)

// results takes the outcomes of a batch as they come: it writes their files, prints what there is
// to print, and knows how it ends.
type results struct {
	order   []*group
	groups  map[string]*group // by the scenario's name
	longest int               // of the names
	stdout  io.Writer
	stderr  io.Writer
	text    *reports.Text // nil: JSON lines instead
	trace   bool          // of every play
	bar     *progress
	begin   time.Time
	exports *exports

	skipped                   int // cases
	violated, unclear, faulty bool
}

// group is one scenario of the batch.
type group struct {
	selection
	world   string // in which it is played
	folder  *reports.Folder
	summary reports.Summary
	plays   float64 // how many there are to be; a range of seeds can be longer than any integer
	told    bool
}

// newResults makes the folder of each scenario, so that one that cannot be written is known before anything is played.
func newResults(
	o *options, selections []selection, seeds *scenarios.Seeds, stdout, stderr io.Writer,
) (*results, error) {
	r := &results{stdout: stdout, stderr: stderr, trace: o.trace, begin: time.Now(), exports: &o.exports,
		groups: map[string]*group{}}
	if !o.json {
		r.text = reports.NewText(stdout, wantsColour(stdout))
	}
	plays := 0.0
	for _, s := range selections {
		g := &group{selection: s, world: o.world}
		for _, c := range s.cases {
			of := c.Seeds
			if seeds != nil {
				of = *seeds
			}
			g.plays += float64(of.Last-of.First) + 1
		}
		if err := g.makeFolder(o.out, r.begin); err != nil {
			return nil, err
		}
		r.order = append(r.order, g)
		r.groups[s.file.Name] = g
		r.longest = max(r.longest, len(s.file.Name))
		plays += g.plays
	}
	if err := o.exports.begin(stderr); err != nil {
		return nil, err
	}
	r.bar = newProgress(stderr, plays)
	return r, nil
}

// makeFolder makes the folder for its results, below one that the user names, or else with the time in its path.
func (g *group) makeFolder(out string, now time.Time) (err error) {
	if out == "" {
		g.folder, err = reports.NewFolder(resultsFolder, g.file.Name, now)
	} else {
		g.folder, err = reports.NewPlainFolder(out, g.file.Name)
	}
	if err != nil {
		return &exit{statusUsage, fmt.Errorf("results of %s: %w", g.file.Name, err)}
	}
	g.folder.Again = g.replay
	return nil
}

// cases are all that are to be played, in order.
func (r *results) cases() []*scenarios.Case {
	var cases []*scenarios.Case
	for _, g := range r.order {
		cases = append(cases, g.cases...)
	}
	return cases
}

// take takes the next result. The error is for what could not be written; the play is counted all the same.
func (r *results) take(result scenarios.Result) error {
	o, g := result.Outcome, r.groups[result.Case.File.Name]
	r.weigh(o.Verdict, o.Err)
	r.exports.add(result, g.replay(o))
	fresh := g.summary.Add(o)
	written := g.folder.Write(o, r.trace || len(fresh) > 0)
	if written != nil {
		written = &exit{statusFault, fmt.Errorf("results of %s, seed %d: %w", o.Scenario.Case, o.Scenario.Seed, written)}
	}
	for _, f := range fresh {
		if written == nil && o.Run != nil {
			f.Trace, f.Report = filepath.Join(g.folder.Shown(o), "trace.jsonl"), g.folder.Report()
		}
	}
	var printed error
	if r.text == nil {
		printed = unwritten(reports.WriteLine(r.stdout, o))
	}
	for _, j := range result.Range {
		r.weigh(j.Verdict, nil)
		g.summary.AddRange(result.Case.Name, j)
		g.folder.AddRange(result.Case.Name, j)
		if r.text == nil { // There is no play in whose line it could stand.
			remark(r.stderr, "%s, all seeds: %s: %s", result.Case.Name, j.Text, strings.Join(j.Evidence, "; "))
		}
	}
	r.bar.step(o.Verdict)
	if float64(g.summary.Plays) == g.plays {
		printed = errors.Join(printed, r.tell(g))
	}
	return errors.Join(printed, written)
}

// weigh notes what a verdict means for the exit status.
func (r *results) weigh(v expect.Verdict, err error) {
	switch {
	case err != nil:
		r.faulty = true
	case v == expect.Violation:
		r.violated = true
	case v == expect.Vacuous || v == expect.Inconclusive:
		r.unclear = true
	}
}

// tell prints the line of a scenario that is done.
func (r *results) tell(g *group) error {
	g.told = true
	if r.text == nil || g.summary.Plays == 0 {
		return nil
	}
	r.bar.clear()
	r.text.Scenario(&g.summary, r.longest)
	r.text.Measures(&g.summary)
	return unwritten(r.text.Flush())
}

// finish closes the folders and prints what is left to print: scenarios that were not played to the
// end, failures, the total. An interrupted batch has left out plays as it was told to; any other says how many.
func (r *results) finish(interrupted bool) error {
	r.bar.clear()
	how := reports.Batch{Interrupted: interrupted, Skipped: r.skipped}
	var wrong []error
	var played []*reports.Summary
	for _, g := range r.order {
		if !g.told {
			wrong = append(wrong, r.tell(g))
		}
		if err := g.folder.Close(); err != nil {
			wrong = append(wrong, &exit{statusFault, fmt.Errorf("results of %s: %w", g.file.Name, err)})
		}
		if g.summary.Plays > 0 {
			played = append(played, &g.summary)
		}
		if !interrupted {
			how.Unplayed += g.plays - float64(g.summary.Plays)
		}
	}
	if r.text != nil {
		for _, g := range r.order {
			r.text.Failed(&g.summary, g.again)
		}
		how.Took = time.Since(r.begin)
		r.text.Total(played, how)
		wrong = append(wrong, unwritten(r.text.Flush()))
	} else if out, is := r.stdout.(*printed); how.Unplayed > 0 && !(is && out.unread.Load()) {
		wrong = append(wrong, fmt.Errorf("%.0f plays were not played", how.Unplayed))
	}
	wrong = append(wrong, r.exports.end())
	return errors.Join(wrong...)
}

// again is the command that plays a failure again.
func (g *group) again(f *reports.Failure) string {
	command := self() + " run " + quote(g.target+f.Case[len(g.file.Name):])
	if len(f.Seeds) > 0 {
		command += fmt.Sprintf(" --seed %d", f.Seeds[0])
	}
	return command + g.inWorld()
}

// replay is the command that plays an outcome again, for files: it does not tell where firedrill itself lies.
func (g *group) replay(o *scenarios.Outcome) string {
	target := quote(g.target + o.Scenario.Case[len(g.file.Name):])
	return fmt.Sprintf("firedrill run %s --seed %d%s", target, o.Scenario.Seed, g.inWorld())
}

// inWorld is the flag that plays in the same world.
func (g *group) inWorld() string {
	if g.world == scenarios.WorldVirtual {
		return ""
	}
	return " --world " + g.world
}

// status is the exit status of all that was taken.
func (r *results) status() int {
	switch {
	case r.faulty:
		return statusFault
	case r.violated:
		return statusFailed
	case r.unclear:
		return statusUnclear
	case r.skipped > 0 && !slices.ContainsFunc(r.order, func(g *group) bool { return g.summary.Plays > 0 }):
		return statusUnclear // Nothing was shown.
	}
	return statusPass
}
