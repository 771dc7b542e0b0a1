package reports

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"firedrill/scenarios/expect"
)

// Digest is a line of plays.jsonl: a play as far as a batch of thousands needs it.
type Digest struct {
	Case     string         `json:"case"`
	Seed     uint64         `json:"seed"`
	Verdict  expect.Verdict `json:"verdict"`
	Hash     string         `json:"hash"`
	Failed   []string       `json:"failed,omitempty"` // claims, and what kept it from showing anything
	Measures []Measure      `json:"measures,omitempty"`
}

// newDigest is the play in short. Of figures with one name it has the first: the claims that the
// scenario asks for come before those that are judged anyhow.
func newDigest(p *Play) Digest {
	d := Digest{Case: p.Case, Seed: p.Seed, Verdict: p.Verdict, Hash: p.Hash}
	if p.Error != "" {
		d.Failed = append(d.Failed, "firedrill")
	}
	for _, c := range p.Claims {
		switch c.Verdict {
		case expect.Violation, expect.Inconclusive, expect.Vacuous:
			if !slices.Contains(d.Failed, c.Name) {
				d.Failed = append(d.Failed, c.Name)
			}
		}
		for _, m := range c.Measures {
			if !slices.ContainsFunc(d.Measures, func(have Measure) bool { return have.Name == m.Name }) {
				d.Measures = append(d.Measures, m)
			}
		}
	}
	if len(p.Missed) > 0 {
		d.Failed = append(d.Failed, "step")
	}
	return d
}

// Results are the plays of one scenario: all of them in short, and those in full that are worth reading.
type Results struct {
	Name  string
	Plays []Digest
	Runs  []*Run
	// Wrong is what all seeds of a case did not show, a line each.
	Wrong []string
}

// line is a line of plays.jsonl: a play, or what all seeds of a case did not show.
type line struct {
	Name string `json:"name"`
	*Digest
	Wrong string `json:"wrong,omitempty"`
}

// encode is plays.jsonl.
func (r *Results) encode() ([]byte, error) {
	var text []byte
	add := func(l line) error {
		b, err := encode(l, "")
		text = append(text, b...)
		return err
	}
	for i := range r.Plays {
		if err := add(line{Name: r.Name, Digest: &r.Plays[i]}); err != nil {
			return nil, err
		}
	}
	for _, wrong := range r.Wrong {
		if err := add(line{Name: r.Name, Wrong: wrong}); err != nil {
			return nil, err
		}
	}
	return text, nil
}

// runsMax is how many plays a report shows in full.
const runsMax = 12

// keep adds a play that may be worth reading: of each case and what failed in it, the one with the
// lowest seed. Of more than a report can show, the mildest go.
func (r *Results) keep(run *Run) {
	same := slices.IndexFunc(r.Runs, func(have *Run) bool {
		return have.Case == run.Case && have.Verdict == run.Verdict &&
			slices.Equal(newDigest(&have.Play).Failed, newDigest(&run.Play).Failed)
	})
	if same >= 0 && r.Runs[same].Seed <= run.Seed {
		return
	}
	if same >= 0 {
		r.Runs = slices.Delete(r.Runs, same, same+1)
	}
	r.Runs = append(r.Runs, run)
	slices.SortFunc(r.Runs, compareRuns)
	r.Runs = r.Runs[:min(len(r.Runs), runsMax)]
}

// compareRuns puts the worst first.
func compareRuns(a, b *Run) int {
	return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.Case, b.Case), cmp.Compare(a.Seed, b.Seed))
}

// rank is how bad it went: less is worse. A verdict that nobody knows is taken for a bad one.
func (r *Run) rank() int {
	if r.Error != "" {
		return -1
	}
	return slices.Index(verdicts, r.Verdict)
}

// Limits on what is read of results, which anybody may have written.
const (
	runFileMax = 64 << 20
	playsMax   = 1 << 20
)

// Read reads the results that lie in folders, or anywhere below them: one Results for each
// scenario, in the order of their names. A link below a folder is not followed, so that `latest`
// does not count twice. A play that lies there several times counts once.
func Read(dirs ...string) ([]*Results, error) {
	r := reader{by: map[string]*Results{}, most: playsMax}
	for _, dir := range dirs {
		before := r.count
		if err := r.walk(dir); err != nil {
			return nil, err
		}
		if r.count == before {
			return nil, fmt.Errorf("no results in %s: want a folder that `firedrill run` has written, "+
				"with plays.jsonl or run.json in it", dir)
		}
	}
	return r.sorted(), nil
}

func (r *reader) walk(dir string) error {
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	return filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || !d.Type().IsRegular():
			return err
		case d.Name() == "plays.jsonl":
			return r.plays(name)
		case d.Name() == "run.json":
			return r.run(name)
		}
		return nil
	})
}

// reader gathers results, by scenario.
type reader struct {
	by    map[string]*Results
	count int // of plays read
	most  int // that are read
}

func (r *reader) of(scenario string) *Results {
	if r.by[scenario] == nil {
		r.by[scenario] = &Results{Name: scenario}
	}
	return r.by[scenario]
}

func (r *reader) plays(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	d := json.NewDecoder(bufio.NewReader(f))
	for {
		next := line{Digest: new(Digest)}
		err := d.Decode(&next)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("%s: %w", name, err)
		case r.count == r.most:
			return fmt.Errorf("%s: want at most %d plays", name, r.most)
		}
		r.count++
		to := r.of(next.Name)
		if next.Wrong != "" {
			to.Wrong = append(to.Wrong, next.Wrong)
		} else {
			to.Plays = append(to.Plays, *next.Digest)
		}
	}
}

func (r *reader) run(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, runFileMax+1))
	switch {
	case err != nil:
		return err
	case len(text) > runFileMax:
		return fmt.Errorf("%s: want at most %d bytes", name, runFileMax)
	}
	r.count++
	var run Run
	if err := json.Unmarshal(text, &run); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	r.of(run.Name).keep(&run)
	return nil
}

// sorted are the results by name. Plays that have a run.json alone, from a folder that was not
// closed, count too.
func (r *reader) sorted() []*Results {
	var all []*Results
	for _, one := range r.by {
		one.sort()
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b *Results) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// sort puts the plays by case and seed, each once. A play that has a run.json alone counts too.
func (r *Results) sort() {
	for _, run := range r.Runs {
		r.Plays = append(r.Plays, newDigest(&run.Play))
	}
	slices.SortStableFunc(r.Plays, func(a, b Digest) int {
		return cmp.Or(cmp.Compare(a.Case, b.Case), cmp.Compare(a.Seed, b.Seed))
	})
	r.Plays = slices.CompactFunc(r.Plays, func(a, b Digest) bool { return a.Case == b.Case && a.Seed == b.Seed })
}
