package reports

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"firedrill/scenarios"
	"firedrill/scenarios/expect"
)

// put writes files below a new folder, each by its path.
func put(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// batch plays these into root/NAME as one batch.
func batch(t *testing.T, root string, outcomes ...*scenarios.Outcome) *Folder {
	t.Helper()
	f, err := NewPlainFolder(root, outcomes[0].Scenario.Name)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range outcomes {
		if err := f.Write(o, true); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return f
}

func seedsIn(t *testing.T, dir string) (seeds []uint64, out LeftOut) {
	t.Helper()
	all, out, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		for _, d := range r.Plays {
			seeds = append(seeds, d.Seed)
		}
	}
	return seeds, out
}

const goodPlay = `{"name":"healthy","case":"healthy","seed":1,"verdict":"pass","hash":"00"}`

// Each of these files is refused, and the error says where it is wrong.
func TestDoctoredResultsAreRefusedWithTheirPlace(t *testing.T) {
	for _, c := range []struct{ file, text, want string }{
		{"plays.jsonl", goodPlay + "\n" + goodPlay[:40] + "\n", "plays.jsonl:2: invalid character"},
		{"plays.jsonl", goodPlay + "\n" + goodPlay[:40], "plays.jsonl:2: unexpected end of JSON input"},
		{"plays.jsonl", "\n" + strings.Replace(goodPlay, `:1,`, `:"1",`, 1), "plays.jsonl:2: seed: want a whole number from 0 on, have text"},
		{"plays.jsonl", strings.Replace(goodPlay, `:1,`, `:-1,`, 1), "plays.jsonl:1: seed: want a whole number from 0 on, have number -1"},
		{"plays.jsonl", "[]", "plays.jsonl:1: want an object, have array"},
		{"plays.jsonl", "null", "plays.jsonl:1: want a play: the name of its scenario"},
		{"plays.jsonl", "{}", "plays.jsonl:1: want a play: the name of its scenario"},
		{"plays.jsonl", strings.Replace(goodPlay, "pass", "fine", 1),
			`plays.jsonl:1: want a verdict (violation, inconclusive, vacuous, hazard, pass), have "fine"`},
		{"plays.jsonl", strings.Replace(goodPlay, "}", `,"measures":[{"name":"m","value":NaN}]}`, 1), "plays.jsonl:1: invalid character 'N'"},
		{"plays.jsonl", strings.Replace(goodPlay, "}", `,"measures":[{"name":"m","value":1e999}]}`, 1), "plays.jsonl:1: measures.value: want a number"},
		{"plays.jsonl", strings.Replace(goodPlay, "}", `,"measures":[{"name":"m","value":1e300}]}`, 1), `plays.jsonl:1: measure "m": want a value up to`},
		{"plays.jsonl", strings.Repeat("x", playLineMax+1), fmt.Sprintf("plays.jsonl:1: want a line of at most %d bytes", playLineMax)},
		{"plays.jsonl", strings.Repeat("[", 100_000), "exceeded max depth"},
		{"plays.jsonl", "\x00\x1b[2J", "plays.jsonl:1: invalid character '\\x00'"},
		{"seed-1/run.json", "", "run.json:1:1: unexpected end of JSON input"},
		{"seed-1/run.json", "{\n  \"name\": \"x\",\n  \"seed\": true}", "run.json:3:14: seed: want a whole number from 0 on, have bool"},
		{"seed-1/run.json", "{\n  \"name\": x", "run.json:2:11: invalid character 'x'"},
		{"seed-1/run.json", "{}", "run.json: want a play: the name of its scenario"},
		{"seed-1/run.json", strings.Replace(goodPlay, "}", `,"virtual_seconds":-1.5}`, 1), "run.json: want a time from 0 on, have -1.5 seconds"},
		{"seed-1/run.json", strings.Replace(goodPlay, "}", `,"virtual_seconds":1e9}`, 1), `run.json: want a number of seconds, have "1e9"`},
		{"seed-1/run.json", strings.Replace(goodPlay, "}", `,"virtual_seconds":99999999999999999999}`, 1), "run.json: want a number of seconds"},
		{"seed-1/run.json", strings.Replace(goodPlay, "}", `,"claims":[{"name":"c","verdict":"so"}]}`, 1), `run.json: claim "c": want a verdict`},
		{"seed-1/run.json", strings.Replace(goodPlay, "}", `,"clients":[{"density":[{"bins":"1:x"}]}]}`, 1), "run.json: want words such as 7:3,1"},
	} {
		dir := put(t, map[string]string{c.file: c.text})
		_, _, err := Read(dir)
		if err == nil || !strings.Contains(err.Error(), filepath.Join(dir, filepath.Dir(c.file))) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.80q:\nwant %s\nhave %v", c.text, c.want, err)
		}
	}
}

// What a batch of ours writes is read; so is a line that stands there twice, once.
func TestGoodResultsAreRead(t *testing.T) {
	worse := strings.Replace(goodPlay, "pass", "violation", 1)
	dir := put(t, map[string]string{"plays.jsonl": goodPlay + "\n\n" + goodPlay + "\n" + worse})
	all, out, err := Read(dir)
	if err != nil || len(all) != 1 || len(all[0].Plays) != 1 || len(out.Lines) != 0 {
		t.Fatalf("have %+v, %v, %v", all, out, err)
	}
	if v := all[0].Plays[0].Verdict; v != expect.Violation {
		t.Errorf("of a play that is there twice, want the worse, have %s", v)
	}
}

// Nothing outside the folder is read: links are not followed, whatever names the plays have.
func TestNothingOutsideTheFolderIsRead(t *testing.T) {
	secret := put(t, map[string]string{"plays.jsonl": strings.Replace(goodPlay, ":1,", ":99,", 1),
		"run.json": strings.Replace(goodPlay, ":1,", ":98,", 1)})
	evil := strings.ReplaceAll(goodPlay, `"case":"healthy"`, `"case":"../../../etc/passwd"`)
	dir := put(t, map[string]string{"plays.jsonl": goodPlay + "\n" + evil + "\n" + strings.Replace(evil, "../", "/", 1),
		"trace.jsonl": "no JSON at all\x00", "below/trace.jsonl": "{"})
	for link, to := range map[string]string{"linked": secret, "run.json": filepath.Join(secret, "run.json"),
		"below/run.json": filepath.Join(secret, "run.json"), "below/plays.jsonl": filepath.Join(secret, "plays.jsonl")} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "pipe"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe", "run.json"), 0o666); err != nil { // It would be read for ever.
		t.Fatal(err)
	}
	seeds, _ := seedsIn(t, dir)
	if !slices.Equal(seeds, []uint64{1, 1, 1}) {
		t.Errorf("want the three plays of the folder itself, have seeds %v", seeds)
	}
}

// Nothing outside the folder is written: what lies where the report is written is replaced, not followed.
func TestNothingOutsideTheFolderIsWritten(t *testing.T) {
	outside := put(t, map[string]string{"victim": "as it was"})
	victim := filepath.Join(outside, "victim")
	dir := put(t, map[string]string{"plays.jsonl": goodPlay})
	report := filepath.Join(dir, "report.html")
	for _, link := range []string{report, report + ".new"} {
		if err := os.Symlink(victim, link); err != nil {
			t.Fatal(err)
		}
	}
	all, _, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteReport(report, all); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(victim); err != nil || string(text) != "as it was" {
		t.Errorf("the file outside became %.60q, %v", text, err)
	}
	if info, err := os.Lstat(report); err != nil || !info.Mode().IsRegular() {
		t.Errorf("want a file in place of the link, have %v, %v", info, err)
	}
}

// A smaller batch in the folder of a larger one: what only the larger one played stays where it is and
// does not count.
func TestPlaysOfAnEarlierBatchDoNotCount(t *testing.T) {
	root := t.TempDir()
	batch(t, root, dualWriters(3), dualWriters(4), dualWriters(5))
	f := batch(t, root, dualWriters(4))
	seeds, out := seedsIn(t, f.Path)
	if !slices.Equal(seeds, []uint64{4}) {
		t.Errorf("want seed 4 alone, have %v", seeds)
	}
	if len(out.Lines) != 2 || !strings.Contains(out.Lines[0], "seed-3/run.json is not of a play that ") {
		t.Errorf("want to be told of seeds 3 and 5, have %q", out.Lines)
	}
	if _, err := os.Stat(filepath.Join(f.Path, "long", "seed-5", "run.json")); err != nil {
		t.Errorf("want it to stay: %v", err)
	}
	if seeds, _ := seedsIn(t, filepath.Join(f.Path, "long", "seed-5")); !slices.Equal(seeds, []uint64{5}) {
		t.Errorf("a folder that is named itself counts, have %v", seeds)
	}
}

// What a killed batch has played counts, and nothing else: its list is newer than the plays.jsonl that it found.
func TestPlaysOfAKilledBatch(t *testing.T) {
	root := t.TempDir()
	batch(t, root, dualWriters(3), dualWriters(4))
	f, err := NewPlainFolder(root, "heartbeat-cut")
	if err != nil {
		t.Fatal(err)
	}
	for _, seed := range []uint64{7, 8} {
		if err := f.Write(dualWriters(seed), false); err != nil {
			t.Fatal(err)
		}
	}
	part := filepath.Join(f.Path, "plays.jsonl.part")
	text, err := os.ReadFile(part)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(part, text[:len(text)-20], 0o666); err != nil { // Cut off in the line of seed 8.
		t.Fatal(err)
	}
	if seeds, _ := seedsIn(t, f.Path); !slices.Equal(seeds, []uint64{7}) {
		t.Errorf("want seed 7 alone, have %v", seeds)
	}
}

// Of a long batch most plays have no folder. One that an earlier batch left goes, but for what others put there.
func TestOnlyWhatFiredrillWroteIsTakenAway(t *testing.T) {
	root := t.TempDir()
	f := batch(t, root, passed("healthy", playsInFull+1), passed("healthy", playsInFull+2))
	mine := filepath.Join(f.Path, fmt.Sprintf("seed-%d", playsInFull+2), "notes.txt")
	if err := os.WriteFile(mine, []byte("mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := NewPlainFolder(root, "healthy")
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(playsInFull + 3) {
		if err := f.Write(passed("healthy", seed), false); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(f.Path, fmt.Sprintf("seed-%d", playsInFull+1))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("want the folder of the earlier batch away, have %v", err)
	}
	left, err := os.ReadDir(filepath.Dir(mine))
	if err != nil || len(left) != 1 || left[0].Name() != "notes.txt" {
		t.Errorf("want notes.txt alone, have %v, %v", left, err)
	}
}

// Of several places a scenario's axes are put together; other axes do not change those that were read first.
func TestAxesOfSeveralPlaces(t *testing.T) {
	one := []scenarios.Axis{{Name: "data", Values: []string{"small", "large"}}}
	if have := mergeAxes(nil, one); len(have) != 1 {
		t.Errorf("have %v", have)
	}
	two := []scenarios.Axis{{Name: "data", Values: []string{"small", "huge"}}}
	if have := mergeAxes(one, two); !slices.Equal(have[0].Values, []string{"small", "large", "huge"}) {
		t.Errorf("have %v", have)
	}
	other := []scenarios.Axis{{Name: "path", Values: []string{"near"}}}
	if have := mergeAxes(two, other); len(have) != 1 || have[0].Name != "data" || len(have[0].Values) != 2 {
		t.Errorf("have %v", have)
	}
}
