package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"firedrill/scenarios"
)

// Folder is where the results of one scenario lie: a folder for each play in it, and beside them
// report.html, plays.jsonl with a line for each play, and wall.json. Of one build, a play writes the same
// bytes each time; wall-clock figures are in wall.json alone. Every file is whole or absent: it is written
// beside its place and renamed.
type Folder struct {
	Path   string
	latest string // the link to be set; "": none
	wall   []wallTime
	// Again is the command that plays an outcome once more; nil: the report names the case alone.
	Again   func(o *scenarios.Outcome) string
	results Results // with the plays that spool could not take
	spool   spool
	plays   int
}

// spool keeps the lines of plays.jsonl on the disk until they can be sorted: a batch may have more plays than memory is for.
type spool struct {
	file *os.File // nil: nothing was put there yet
	size int64
}

// put appends lines, all of them or nothing.
func (s *spool) put(name string, text []byte) (err error) {
	if s.file == nil {
		if s.file, err = create(name); err != nil {
			s.file = nil
			return err
		}
	}
	if _, err = s.file.WriteAt(text, s.size); err != nil {
		return errors.Join(err, s.file.Truncate(s.size))
	}
	s.size += int64(len(text))
	return nil
}

// read returns what was put there.
func (s *spool) read(scenario string) ([]Digest, error) {
	if s.file == nil {
		return nil, nil
	}
	r := reader{by: map[string]*Results{}, lines: math.MaxInt, bytes: math.MaxInt}
	_, err := r.plays(s.file.Name())
	return r.of(scenario).Plays, err
}

// drop takes it off the disk.
func (s *spool) drop() error {
	if s.file == nil {
		return nil
	}
	err := errors.Join(s.file.Close(), os.Remove(s.file.Name()))
	s.file = nil
	return err
}

type wallTime struct {
	Case    string  `json:"case"`
	Seed    uint64  `json:"seed"`
	Seconds float64 `json:"wall_seconds"`
}

// NewFolder makes root/scenario/TIME, with a link `latest` to it, in which TIME is that of now; of
// two within a second, the later one gets a number too. The error says which place could not be
// written.
func NewFolder(root, scenario string, now time.Time) (*Folder, error) {
	parent := filepath.Join(root, scenario)
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return nil, err
	}
	stamp := now.UTC().Format("20060102T150405Z")
	for n := 1; ; n++ {
		name := stamp
		if n > 1 {
			name = fmt.Sprintf("%s-%d", stamp, n)
		}
		err := os.Mkdir(filepath.Join(parent, name), 0o777)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return &Folder{Path: filepath.Join(parent, name), latest: filepath.Join(parent, "latest")}, nil
	}
}

// NewPlainFolder makes root/scenario, without a time. What an earlier batch left there is
// overwritten play by play; plays that this one does not have stay, and do not count any more: they are not in
// its plays.jsonl.
func NewPlainFolder(root, scenario string) (*Folder, error) {
	path := filepath.Join(root, scenario)
	return &Folder{Path: path}, os.MkdirAll(path, 0o777)
}

// Play is the folder of one play: the values of its case, and its seed.
func (f *Folder) Play(o *scenarios.Outcome) string {
	return filepath.Join(f.Path, inside(o))
}

// Shown is the folder of one play as people are told of it: by the link, if there is to be one.
func (f *Folder) Shown(o *scenarios.Outcome) string {
	if f.latest == "" {
		return f.Play(o)
	}
	return filepath.Join(f.latest, inside(o))
}

// Report is where the HTML report lies, as people are told of it.
func (f *Folder) Report() string {
	if f.latest == "" {
		return filepath.Join(f.Path, "report.html")
	}
	return filepath.Join(f.latest, "report.html")
}

func inside(o *scenarios.Outcome) string {
	values := strings.TrimPrefix(o.Scenario.Case, o.Scenario.Name)
	return filepath.Join(filepath.FromSlash(values), fmt.Sprintf("seed-%d", o.Scenario.Seed))
}

// playsInFull is up to how many plays of a scenario have a folder each whether they are worth
// reading or not.
const playsInFull = 100

// Write writes run.json of a play, MACHINE.log of each that ran a foreign program and, where trace says so, its trace.jsonl.
// What an earlier play left of these is taken away: it is not of this one. Of a long batch only plays with a
// trace are written; each has a line in plays.jsonl and a place in the figures of the report.
func (f *Folder) Write(o *scenarios.Outcome, trace bool) error {
	run := NewRun(o)
	if f.Again != nil {
		run.Again = f.Again(o)
	}
	f.results.Name = o.Scenario.Name
	if len(o.Scenario.Axes) > 0 { // One that could not be played has none.
		f.results.Axes = o.Scenario.Axes
	}
	f.plays++
	full := f.note(newDigest(&run.Play))
	f.wall = append(f.wall, wallTime{o.Scenario.Case, o.Scenario.Seed, o.Wall.Seconds()})
	dir := f.Play(o)
	if !trace && f.plays > playsInFull {
		return errors.Join(full, removePlay(dir, o)) // An earlier batch may have left one.
	}
	run.dir = dir
	f.results.keep(&run)
	return errors.Join(full, writePlay(dir, o, &run, trace))
}

// note keeps a play in short, on the disk or, where that is full, in memory.
func (f *Folder) note(d Digest) error {
	text, err := encode(line{Name: f.results.Name, Digest: &d}, "")
	if err == nil {
		err = f.spool.put(filepath.Join(f.Path, playsFile+partSuffix), text)
	}
	if err != nil {
		f.results.Plays = append(f.results.Plays, d)
	}
	return err
}

// removePlay takes away the files of one play, and its folder if nobody else has put anything there.
func removePlay(dir string, o *scenarios.Outcome) error {
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	names := []string{runFile, traceFile}
	for _, m := range o.Scenario.Machines {
		names = append(names, m.Name+logSuffix)
	}
	for _, name := range names {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		return err
	}
	return os.Remove(dir)
}

// writePlay writes the files of one play.
func writePlay(dir string, o *scenarios.Outcome, run *Run, trace bool) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	var events []byte
	if trace && o.Run != nil {
		var b strings.Builder
		if err := WriteTrace(&b, o.Run.Events); err != nil {
			return err
		}
		events = []byte(b.String())
	}
	if err := writeOrRemove(filepath.Join(dir, traceFile), events); err != nil {
		return err
	}
	for _, m := range o.Scenario.Machines {
		if err := writeOrRemove(filepath.Join(dir, m.Name+logSuffix), o.Logs[m.Name]); err != nil {
			return err
		}
	}
	text, err := encode(run, "  ")
	if err != nil {
		return err
	}
	return replace(filepath.Join(dir, runFile), text)
}

// writeOrRemove writes a file; where text is nil it takes away one that is there.
func writeOrRemove(name string, text []byte) error {
	if text != nil {
		return replace(name, text)
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// AddRange notes what the whole range of seeds of a case did not show.
func (f *Folder) AddRange(of string, j scenarios.Judged) {
	f.results.Wrong = append(f.results.Wrong, fmt.Sprintf("%s: %s: %s", of, j.Text, strings.Join(j.Evidence, "; ")))
}

// writeReport writes plays.jsonl and report.html.
func (f *Folder) writeReport() error {
	spooled, err := f.spool.read(f.results.Name)
	if err != nil {
		return err
	}
	f.results.Plays = append(f.results.Plays, spooled...)
	f.results.sort()
	text, err := f.results.encode()
	if err == nil {
		err = replace(filepath.Join(f.Path, playsFile), text)
	}
	if err == nil {
		err = f.spool.drop()
	}
	if err != nil || len(f.results.Plays) == 0 {
		return err
	}
	return WriteReport(filepath.Join(f.Path, "report.html"), []*Results{&f.results})
}

// WriteReport writes the HTML report of some scenarios to a file, which is whole or absent. It links the logs of foreign
// programs by their way from there.
func WriteReport(name string, all []*Results) error {
	for _, r := range all {
		for _, run := range r.Runs {
			run.findLogs(filepath.Dir(name))
		}
	}
	var page bytes.Buffer
	if err := WriteHTML(&page, all); err != nil {
		return err
	}
	return replace(name, page.Bytes())
}

// Close writes report.html, plays.jsonl and wall.json, and lets `latest` point to this folder.
func (f *Folder) Close() error {
	if err := f.writeReport(); err != nil {
		return err
	}
	text, err := json.MarshalIndent(f.wall, "", "  ")
	if err != nil {
		return err
	}
	if err := replace(filepath.Join(f.Path, "wall.json"), append(text, '\n')); err != nil || f.latest == "" {
		return err
	}
	link := f.latest + ".new"
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) { // Left over by a process that was killed.
		return err
	}
	if err := os.Symlink(filepath.Base(f.Path), link); err != nil {
		return err
	}
	return os.Rename(link, f.latest)
}

// replace writes a file beside its place and moves it there, so that no reader and no full disk
// ever leaves half of it.
func replace(name string, text []byte) error {
	temporary := name + ".new"
	file, err := create(temporary)
	if err == nil {
		_, err = file.Write(text)
		err = errors.Join(err, file.Close())
	}
	if err == nil {
		err = os.Rename(temporary, name)
	}
	if err != nil {
		_ = os.Remove(temporary) // It may not be there; the first error is the one to tell.
	}
	return err
}

// create makes a file anew. A link that somebody has put in its place is taken away, not followed.
func create(name string) (*os.File, error) {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
}
