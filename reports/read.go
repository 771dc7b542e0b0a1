package reports

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"firedrill/scenarios/expect"
)

// Limits on what is read of results, which anybody may have written.
const (
	runFileMax  = 64 << 20
	playLineMax = 1 << 20
	linesMax    = 1 << 20 // of all plays.jsonl together
	linesBytes  = 1 << 30 // of these lines
	measureMax  = 1e15
	leftOutMax  = 10
	wrongMax    = 1000
)

// LeftOut are plays in results that do not count, a line each. They are left over: the batch that wrote
// its plays.jsonl last did not play them.
type LeftOut struct {
	Lines []string // the first ones
	More  int
}

// Read reads the results that lie in folders, or anywhere below them: one Results for each
// scenario, in the order of their names. A link below a folder is not followed, so that `latest`
// does not count twice. A play that lies there several times counts once, as the worst of them. Where a
// folder has a plays.jsonl, only the plays that it names count. What is wrong is told with its place.
func Read(dirs ...string) ([]*Results, LeftOut, error) {
	r := reader{by: map[string]*Results{}, lines: linesMax, bytes: linesBytes}
	for _, dir := range dirs {
		before := r.count
		root, err := filepath.EvalSymlinks(dir)
		if err == nil {
			err = r.folder(root, nil)
		}
		if err != nil {
			return nil, r.leftOut, err
		}
		if r.count == before {
			return nil, r.leftOut, fmt.Errorf("no results in %s: want a folder that `firedrill run` has written, "+
				"with plays.jsonl or run.json in it", dir)
		}
	}
	return r.sorted(), r.leftOut, nil
}

// reader gathers results, by scenario.
type reader struct {
	by           map[string]*Results
	count        int // of plays read
	lines, bytes int // of plays.jsonl that may still be read
	leftOut      LeftOut
}

// index is what a plays.jsonl says is there. Nil: there is none, and whatever is there counts.
type index struct {
	name  string
	plays map[entry]bool
}

// entry is a play as an index knows it.
type entry struct {
	name, of, hash string
	seed           uint64
}

const (
	playsFile = "plays.jsonl"
	runFile   = "run.json"
	traceFile = "trace.jsonl"
	logSuffix = ".log" // after the name of a machine
	// partSuffix is that of a plays.jsonl of which the batch is not over yet, or never was.
	partSuffix = ".part"
)

// folder reads a folder and those below it. The index is that of the nearest folder above that has one.
func (r *reader) folder(dir string, above *index) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	has := func(name string) bool {
		return slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == name && e.Type().IsRegular() })
	}
	for _, name := range []string{playsFile + partSuffix, playsFile} { // What a killed batch left is newer than what it found.
		if has(name) {
			if above, err = r.plays(filepath.Join(dir, name)); err != nil {
				return err
			}
			break
		}
	}
	if has(runFile) {
		if err := r.run(filepath.Join(dir, runFile), above); err != nil {
			return err
		}
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := r.folder(filepath.Join(dir, e.Name()), above); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *reader) of(scenario string) *Results {
	if r.by[scenario] == nil {
		r.by[scenario] = &Results{Name: scenario}
	}
	return r.by[scenario]
}

// plays reads a plays.jsonl. The last line of one that a killed batch left may be cut off.
func (r *reader) plays(name string) (*index, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	found := &index{name, map[entry]bool{}}
	in := bufio.NewReaderSize(f, playLineMax)
	for n := 1; ; n++ {
		text, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("%s:%d: want a line of at most %d bytes", name, n, playLineMax)
		case err != nil && !errors.Is(err, io.EOF):
			return nil, err
		case err != nil && (len(text) == 0 || strings.HasSuffix(name, partSuffix)):
			return found, nil
		case len(bytes.TrimSpace(text)) == 0:
			continue
		}
		if wrong := r.line(text, found); wrong != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, wrong)
		}
	}
}

func (r *reader) line(text []byte, found *index) error {
	r.lines--
	r.bytes -= len(text)
	if r.lines < 0 || r.bytes < 0 {
		return fmt.Errorf("want at most %d plays and %d bytes of them in all", linesMax, linesBytes)
	}
	next := line{Digest: new(Digest)}
	if err := json.Unmarshal(text, &next); err != nil {
		return inWords(err)
	}
	to := r.of(next.Name)
	switch {
	case next.Wrong != "":
		if !slices.Contains(to.Wrong, next.Wrong) && len(to.Wrong) < wrongMax {
			to.Wrong = append(to.Wrong, next.Wrong)
		}
		return nil
	case len(next.Axes) > 0:
		to.Axes = mergeAxes(to.Axes, next.Axes)
		return nil
	}
	if err := next.check(next.Name); err != nil {
		return err
	}
	r.count++
	found.plays[entry{next.Name, next.Case, next.Hash, next.Seed}] = true
	to.Plays = append(to.Plays, *next.Digest)
	return nil
}

func (r *reader) run(name string, above *index) error {
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
	var run Run
	if err := json.Unmarshal(text, &run); err != nil {
		return fmt.Errorf("%s%s: %w", name, placeIn(text, err), inWords(err))
	}
	if err := run.check(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if above != nil && !above.plays[entry{run.Name, run.Case, run.Hash, run.Seed}] {
		r.leftOut.add(fmt.Sprintf("%s is not of a play that %s names", name, above.name))
		return nil
	}
	run.dir = filepath.Dir(name)
	r.count++
	to := r.of(run.Name)
	to.Axes = mergeAxes(to.Axes, run.Axes)
	to.keep(&run)
	return nil
}

func (l *LeftOut) add(line string) {
	if len(l.Lines) == leftOutMax {
		l.More++
		return
	}
	l.Lines = append(l.Lines, line)
}

// check finds what no play can have come to.
func (d *Digest) check(name string) error {
	if name == "" || d.Case == "" {
		return errors.New("want a play: the name of its scenario, its case, seed and verdict")
	}
	if !slices.Contains(verdicts, d.Verdict) {
		return fmt.Errorf("want a verdict (%s), have %.60q", verdictWords(), d.Verdict)
	}
	return checkMeasures(d.Measures)
}

// check finds what no play can have come to. One that firedrill itself has failed has any verdict.
func (r *Run) check() error {
	if r.Error == "" || r.Name == "" {
		d := Digest{Case: r.Case, Verdict: r.Verdict}
		if err := d.check(r.Name); err != nil {
			return err
		}
	}
	for _, c := range r.Claims {
		if c.Verdict != expect.Idle && !slices.Contains(verdicts, c.Verdict) {
			return fmt.Errorf("claim %.60q: want a verdict (%s, idle), have %.60q", c.Name, verdictWords(), c.Verdict)
		}
		if err := checkMeasures(c.Measures); err != nil {
			return fmt.Errorf("claim %.60q: %w", c.Name, err)
		}
	}
	return nil
}

func checkMeasures(list []Measure) error {
	for _, m := range list {
		if math.Abs(m.Value) > measureMax {
			return fmt.Errorf("measure %.60q: want a value up to %g, have %g", m.Name, measureMax, m.Value)
		}
	}
	return nil
}

func verdictWords() string {
	words := make([]string, len(verdicts))
	for i, v := range verdicts {
		words[i] = string(v)
	}
	return strings.Join(words, ", ")
}

// placeIn is where in a file the JSON is wrong, as :LINE:COLUMN, if the error says so.
func placeIn(text []byte, err error) string {
	var syntax *json.SyntaxError
	var sort *json.UnmarshalTypeError
	var at int64
	switch {
	case errors.As(err, &syntax):
		at = syntax.Offset
	case errors.As(err, &sort):
		at = sort.Offset
	default:
		return ""
	}
	before := text[:min(max(at-1, 0), int64(len(text)))]
	return fmt.Sprintf(":%d:%d", bytes.Count(before, []byte("\n"))+1, len(before)-bytes.LastIndexByte(before, '\n'))
}

// inWords says in the words of the file what is of the wrong sort in it.
func inWords(err error) error {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return err
	}
	wants := map[reflect.Kind]string{reflect.String: "a text", reflect.Bool: "true or false", reflect.Slice: "a list",
		reflect.Struct: "an object", reflect.Int: "a whole number", reflect.Int64: "a whole number",
		reflect.Uint64: "a whole number from 0 on"}
	want, known := wants[wrong.Type.Kind()]
	if !known {
		want = "a number"
	}
	field := wrong.Field
	for _, embedded := range []string{"Play.", "Picture.", "Digest."} { // Names of ours; the file does not have them.
		field = strings.TrimPrefix(field, embedded)
	}
	if field != "" {
		field += ": "
	}
	return fmt.Errorf("%swant %s, have %s", field, want, strings.Replace(wrong.Value, "string", "text", 1))
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

// sort puts the plays by case and seed, each once: the worst, where they differ. A play that has a run.json alone counts too.
func (r *Results) sort() {
	for _, run := range r.Runs {
		r.Plays = append(r.Plays, newDigest(&run.Play))
	}
	slices.SortStableFunc(r.Plays, func(a, b Digest) int {
		return cmp.Or(cmp.Compare(a.Case, b.Case), cmp.Compare(a.Seed, b.Seed),
			cmp.Compare(slices.Index(verdicts, a.Verdict), slices.Index(verdicts, b.Verdict)))
	})
	r.Plays = slices.CompactFunc(r.Plays, func(a, b Digest) bool { return a.Case == b.Case && a.Seed == b.Seed })
}
