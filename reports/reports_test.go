package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"firedrill/faults"
	"firedrill/nodes"
	"firedrill/scenarios"
	"firedrill/scenarios/expect"
	"firedrill/sim"

	"github.com/google/go-cmp/cmp"
)

// golden compares text with testdata/name, or rewrites it where UPDATE_GOLDEN is set.
func golden(t *testing.T, name string, have []byte) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(name, have, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(have)); diff != "" {
		t.Errorf("%s (-want +have):\n%s", name, diff)
	}
}

// dualWriters is an outcome as a cut heartbeat brings it about, made up.
func dualWriters(seed uint64) *scenarios.Outcome {
	var trace sim.Trace
	at := func(d time.Duration, machine, name, scope, value string, attrs ...nodes.Attr) int {
		return trace.Add(d, machine, nodes.Fact{Name: name, Scope: scope, Value: value, Attrs: attrs}).Seq
	}
	at(0, "nas-a", sim.FactBooted, "", "")
	at(0, "nas-b", sim.FactBooted, "", "")
	at(10*time.Second, "nas-a", nodes.FactRole, "", "active")
	at(20*time.Second, "nas-b", nodes.FactRole, "", "standby")
	at(21*time.Second, "nas-a", sim.FactAddressBound, "lan", "172.16.66.40")
	at(22*time.Second, "", nodes.FactReady, "", "")
	at(50*time.Second, "nas-b", "check-sent", "", "1")
	at(351*time.Second, "nas-b", "check-failed", "", "1", nodes.Attr{Key: "err", Value: "no answer\x1b[2J\nwithin 2s"})
	role := at(383*time.Second+1, "nas-b", nodes.FactRole, "", "active")
	at(384*time.Second, "nas-b", sim.FactAddressBound, "lan", "172.16.66.40")
	cut := &faults.Cut{Segment: "heartbeat"}
	evidence := []string{
		"two writers for 9m26s: nas-a (active since 10.000s) and nas-b (active since 383.000s), " +
			"both accept writes below /data",
		"nas-a accepted 1702 writes, nas-b 566",
	}
	return &scenarios.Outcome{
		Scenario: &scenarios.Scenario{Name: "heartbeat-cut", Case: "heartbeat-cut/long", Seed: seed, World: scenarios.WorldVirtual,
			Covers: []string{"SD-07", "HZ-D1"}},
		Verdict: expect.Violation, Hash: 0x1234, Virtual: 70 * time.Minute, Wall: 500 * time.Millisecond,
		Claims: []scenarios.Judged{
			{Name: "takeover", Text: "takeover: nas-b, since: cable", Asked: true, Finding: expect.Finding{Verdict: expect.Pass,
				Evidence: []string{"nas-b served 62.1s after cable"},
				Measures: []expect.Measure{{Name: "takeover", Value: 62.1, Unit: "s"}}}},
			{Name: "no_dual_writers", Text: "no_dual_writers: all", Finding: expect.Finding{
				Verdict: expect.Violation, Evidence: evidence,
				Breaches: []expect.Breach{{From: 383*time.Second + 1, Until: 949 * time.Second, Events: []int{role, 7}}}}},
		},
		Undocumented: []string{"HZ-D2", "check_semantics=spaced", "check_semantics=within"},
		Run: &expect.Run{
			Events: trace.Events(),
			Steps: []expect.Fired{
				{Name: "step-1", At: 10 * time.Second, Seq: 2, Text: "do: apply, machine: nas-a",
					Answer: &nodes.Answer{Status: 200}},
				{Name: "cable", At: 322 * time.Second, Seq: 7, Text: "cut: heartbeat"},
			},
			Faults: []*faults.Entry{{Step: "cable", Fault: cut, From: 322 * time.Second, Until: 922 * time.Second,
				Receipt: faults.Receipt{{N: 38, What: "frames lost"}}}},
			History: []nodes.Operation{{Result: nodes.ResultOK}, {Result: nodes.ResultOK}, {Result: nodes.ResultUnknown}},
			End:     70 * time.Minute,
		},
	}
}

func passed(name string, seed uint64) *scenarios.Outcome {
	return &scenarios.Outcome{Scenario: &scenarios.Scenario{Name: name, Case: name, Seed: seed, World: scenarios.WorldVirtual},
		Verdict: expect.Pass, Virtual: time.Hour, Wall: 300 * time.Millisecond, Run: &expect.Run{}}
}

func vacuous(seed uint64) *scenarios.Outcome {
	o := passed("active-power-off", seed)
	o.Judgement = &expect.Judgement{Hazards: []expect.Shown{{Hazard: "HZ-D3", Asked: true}, {Hazard: "HZ-D6"}}}
	o.Verdict, o.Misses = expect.Vacuous, []string{"step death: nobody is active"}
	return o
}

func TestTextReport(t *testing.T) {
	var b bytes.Buffer
	text := NewText(&b, false)
	var all []*Summary
	for _, plays := range [][]*scenarios.Outcome{
		{vacuous(3)},
		{dualWriters(4), passed("heartbeat-cut", 5), dualWriters(6), dualWriters(7)},
		{passed("power-off-between-syncs", 1), passed("power-off-between-syncs", 2)},
	} {
		s := new(Summary)
		for _, o := range plays {
			s.Add(o)
		}
		text.Scenario(s, len("power-off-between-syncs"))
		all = append(all, s)
	}
	for _, s := range all {
		text.Failed(s, func(f *Failure) string { return "firedrill run " + f.Case + " --seed 4" })
	}
	text.Total(all, Batch{Took: 2300 * time.Millisecond})
	if err := text.Flush(); err != nil {
		t.Fatal(err)
	}
	golden(t, "text.golden", b.Bytes())
	for _, line := range strings.Split(b.String(), "\n") {
		if n := utf8.RuneCountInString(line); n > 80 {
			t.Errorf("%d columns wide: %s", n, line)
		}
	}
}

// A run in a world that was not what it is to be is told as inconclusive by that, in every report, whatever its claims say.
func TestDoubtIsTheFirstThingTold(t *testing.T) {
	const doubt = "the world was late by 171ms"
	o := passed("cable", 1)
	o.Scenario.World, o.Scenario.TimeScale = scenarios.WorldKernel, 20
	o.Verdict, o.Doubt = expect.Inconclusive, doubt
	found := failures(o)
	if len(found) != 1 || found[0].Verdict != expect.Inconclusive || found[0].What != "world" || found[0].Evidence[0] != doubt {
		t.Errorf("text: have %+v", found)
	}
	run := NewRun(o)
	if d := newDigest(&run.Play); !slices.Contains(d.Failed, "world") || run.World != "kernel" || run.TimeScale != 20 {
		t.Errorf("JSON: have %+v, %s at %dx", d, run.World, run.TimeScale)
	}
	if h := run.Headline(); h.What != "Nothing was shown: "+doubt {
		t.Errorf("headline: have %q", h.What)
	}
	page := html(t, asResults("cable", o))
	for _, want := range []string{doubt, "in the kernel world at 20x"} {
		if !strings.Contains(page, want) {
			t.Errorf("page: want %q", want)
		}
	}
	j := new(JUnit)
	j.Add(o, "again")
	if cases, _ := readJUnit(t, j); cases["cable world"] != "error" {
		t.Errorf("JUnit: have %v", cases)
	}
}

// The last line of a large batch with every verdict fits a terminal, and says what was not played.
func TestTotalOfAllSorts(t *testing.T) {
	all := make([]*Summary, 47)
	for i := range all {
		all[i] = &Summary{Plays: 1000, Verdicts: map[expect.Verdict]int{}}
		for _, v := range verdicts {
			all[i].Verdicts[v] = 200
		}
	}
	const counted = "9400 violation, 9400 inconclusive, 9400 vacuous, 9400 hazard, 9400 pass"
	for _, test := range []struct {
		all  []*Summary
		how  Batch
		want string
	}{
		{all, Batch{Took: 26400 * time.Millisecond, Skipped: 3},
			"47 scenarios, 47000 plays in 26.4s, 3 cases skipped:\n  " + counted},
		{all[:1], Batch{Interrupted: true}, "1 scenario, 1000 plays in 0.0s, interrupted:\n  " + strings.ReplaceAll(counted, "9400", "200")},
		{nil, Batch{Unplayed: 1e6}, "0 scenarios, 0 plays in 0.0s, 1000000 not played"},
	} {
		var b bytes.Buffer
		text := NewText(&b, false)
		text.Total(test.all, test.how)
		if err := text.Flush(); err != nil || b.String() != "\n"+test.want+"\n" {
			t.Errorf("%v\nwant %s\nhave %s", err, test.want, b.String())
		}
	}
}

func TestTextPaintsOnlyWhereAsked(t *testing.T) {
	for _, colour := range []bool{false, true} {
		var b bytes.Buffer
		s := new(Summary)
		s.Add(passed("healthy", 1))
		text := NewText(&b, colour)
		text.Scenario(s, 7)
		if err := text.Flush(); err != nil {
			t.Fatal(err)
		}
		if have := strings.Contains(b.String(), "\x1b["); have != colour {
			t.Errorf("colour %t: %q", colour, b.String())
		}
	}
}

func TestFaultOfFiredrillIsAFailure(t *testing.T) {
	o := passed("healthy", 1)
	o.Err = errors.New("played twice, two hashes")
	s := new(Summary)
	if fresh := s.Add(o); len(fresh) != 1 || fresh[0].Evidence[0] != "played twice, two hashes" {
		t.Errorf("have %+v", fresh)
	}
}

func TestRunFile(t *testing.T) {
	f, err := NewPlainFolder(t.TempDir(), "heartbeat-cut")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Write(dualWriters(4), true); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"run.json", "trace.jsonl"} {
		text, err := os.ReadFile(filepath.Join(f.Path, "long", "seed-4", name))
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, text)
	}
}

// The wall clock is in the line and in wall.json, and in no other file.
func TestWallClockStaysOutOfRunFile(t *testing.T) {
	quick, slow := dualWriters(4), dualWriters(4)
	slow.Wall *= 100
	var files [2]string
	for i, o := range []*scenarios.Outcome{quick, slow} {
		f, err := NewPlainFolder(t.TempDir(), "heartbeat-cut")
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.Write(o, false), f.Close()); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(f.Play(o), "run.json"))
		if err != nil {
			t.Fatal(err)
		}
		files[i] = string(text)
		wall, err := os.ReadFile(filepath.Join(f.Path, "wall.json"))
		want := []string{`"wall_seconds": 0.5`, `"wall_seconds": 50`}[i]
		if err != nil || !strings.Contains(string(wall), want) {
			t.Errorf("want %s, have %s, %v", want, wall, err)
		}
	}
	if files[0] != files[1] {
		t.Error("run.json differs with the wall clock")
	}
	var line bytes.Buffer
	if err := WriteLine(&line, slow); err != nil || !strings.Contains(line.String(), `"wall_seconds":50,`) {
		t.Errorf("have %s, %v", line.String(), err)
	}
}

func TestLatestFollowsTheNewestFolder(t *testing.T) {
	root, now := t.TempDir(), time.Date(2026, 1, 5, 1, 2, 3, 0, time.UTC)
	for _, want := range []string{"20260105T010203Z", "20260105T010203Z-2"} {
		f, err := NewFolder(root, "healthy", now)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.Write(passed("healthy", 1), false), f.Close()); err != nil {
			t.Fatal(err)
		}
		if have, err := os.Readlink(filepath.Join(root, "healthy", "latest")); have != want || err != nil {
			t.Errorf("want %s, have %s, %v", want, have, err)
		}
	}
}

func TestPrintable(t *testing.T) {
	for _, c := range []struct{ have, want string }{
		{"nas-b: no answer", "nas-b: no answer"},
		{"größer ≥ 1", "größer ≥ 1"},
		{"a\x1b[2Jb", `a\x1b[2Jb`},
		{"one\ntwo\tthree\r", `one\ntwo\tthree\r`},
		{"\u009b31m", `\u009b31m`},
		{"right\u202eleft", `right\u202eleft`},
		{"cut \xff short", `cut \xff short`},
	} {
		if have := Printable(c.have); have != c.want {
			t.Errorf("%q: want %s, have %s", c.have, c.want, have)
		}
	}
}

// JSON readers get back what was noted, and a terminal gets nothing to obey.
func TestJSONKeepsButHidesControlCharacters(t *testing.T) {
	const said = "a\x1b[2J\u009b31m\u202e\U000e0001 <b> \"q\" \\ ü"
	var b bytes.Buffer
	fact := nodes.Fact{Name: "log-line", Value: said, Attrs: []nodes.Attr{{Key: said, Value: said}}}
	events := []sim.Event{{Machine: "nas-a", Fact: fact}}
	if err := WriteTrace(&b, events); err != nil {
		t.Fatal(err)
	}
	if have := Printable(strings.TrimSuffix(b.String(), "\n")); have+"\n" != b.String() {
		t.Errorf("not printable as it is: %q", b.String())
	}
	var e struct {
		Value string
		Attrs map[string]string
	}
	if err := json.Unmarshal(b.Bytes(), &e); err != nil || e.Value != said || e.Attrs[said] != said {
		t.Errorf("want %q back, have %q, %v", said, e, err)
	}
}

func TestSecondsAreExact(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.000000000", 12*time.Second + 1: "12.000000001", -1: "-0.000000001",
	} {
		if have, err := json.Marshal(Seconds(d)); string(have) != want || err != nil {
			t.Errorf("want %s, have %s, %v", want, have, err)
		}
	}
}

func TestMomentsTellTheTimeAsScenariosDo(t *testing.T) {
	for want, at := range map[string]time.Duration{
		"0.000s":        0,
		"12.000s":       12 * time.Second,
		"6m02.036s":     6*time.Minute + 2036999*time.Microsecond,
		"1h00m00.000s":  time.Hour,
		"26h01m59.999s": 26*time.Hour + 2*time.Minute - 1,
	} {
		if have := (Moment{At: at}).clock(); have != want {
			t.Errorf("%s: want %s, have %s", at, want, have)
		}
	}
}

// What programs wrote lies beside run.json, each machine's in a file of its own, and goes with the play.
func TestLogsOfPrograms(t *testing.T) {
	f, err := NewPlainFolder(t.TempDir(), "healthy")
	if err != nil {
		t.Fatal(err)
	}
	o := passed("healthy", 1)
	o.Scenario.Machines = []scenarios.Machine{{Name: "one"}, {Name: "two"}}
	for _, logs := range []map[string][]byte{{"one": []byte("first\n"), "two": []byte("second\n")}, {"two": []byte("second\n")}} {
		o.Logs = logs
		if err := f.Write(o, false); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"one", "two"} {
			if have, _ := os.ReadFile(filepath.Join(f.Play(o), name+".log")); string(have) != string(logs[name]) {
				t.Errorf("want %q of %s, have %q", logs[name], name, have)
			}
		}
	}
}

func TestTraceOfAnEarlierPlayIsTakenAway(t *testing.T) {
	f, err := NewPlainFolder(t.TempDir(), "healthy")
	if err != nil {
		t.Fatal(err)
	}
	o := passed("healthy", 1)
	for _, trace := range []bool{true, false} {
		if err := f.Write(o, trace); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(f.Play(o), "trace.jsonl")); (err == nil) != trace {
			t.Errorf("want trace.jsonl %t, have %v", trace, err)
		}
	}
}

// Claims of one name are told apart, and so are steps that one play missed.
func TestEachFailureIsTold(t *testing.T) {
	o := passed("calls", 4)
	o.Verdict, o.Misses = expect.Violation, []string{"step one hit nothing", "step two hit nothing"}
	for _, of := range []string{"lb-a", "lb-b"} {
		o.Claims = append(o.Claims, scenarios.Judged{Name: "happens", Text: "happens: ready, of: " + of, Asked: true,
			Finding: expect.Finding{Verdict: expect.Violation, Evidence: []string{"came 0 times, want 1"}}})
	}
	o.Claims = append(o.Claims, scenarios.Judged{Name: "no_dual_writers", Text: "no_dual_writers: all",
		Finding: expect.Finding{Verdict: expect.Violation}})
	again := *o
	again.Scenario = &scenarios.Scenario{Name: "calls", Case: "calls", Seed: 5}
	again.Misses = []string{"1", "2", "3", "4", "5", "6", "7"}
	s := new(Summary)
	s.Add(o)
	s.Add(&again)
	s.AddRange("calls", scenarios.Judged{Name: "hazard", Text: "hazard: HZ-D1", Asked: true, Finding: expect.Finding{
		Verdict: expect.Violation}})
	var b strings.Builder
	text := NewText(&b, false)
	text.Failed(s, func(*Failure) string { return "run" })
	if err := text.Flush(); err != nil {
		t.Fatal(err)
	}
	const want = `
FAIL  calls  seed 4  happens: ready, of: lb-a
      came 0 times, want 1
      as well in seed 5
FAIL  calls  seed 4  happens: ready, of: lb-b
      came 0 times, want 1
      as well in seed 5
FAIL  calls  seed 4  no_dual_writers
      as well in seed 5
VACUOUS  calls  seed 4  step
      step one hit nothing
      step two hit nothing
      as well in seed 5

      again:  run

FAIL  calls  all seeds  hazard: HZ-D1

      again:  run
`
	if b.String() != want {
		t.Errorf("want%s\nhave%s", want, b.String())
	}
	alone := new(Summary)
	alone.Add(&again)
	steps := alone.Failures[len(alone.Failures)-1].Evidence
	if len(steps) != shownMisses+1 || steps[shownMisses] != "and 2 more steps: see run.json" {
		t.Errorf("of seven steps it tells %q", steps)
	}
}

// What two claims of one name say, or the answers of two steps, are two failures, and what two say of one subject is one with all
// its evidence: nothing of a play hides behind something else of it.
func TestFailuresOfOnePlayAreToldApart(t *testing.T) {
	judged := func(name, text, evidence string, asked bool) scenarios.Judged {
		return scenarios.Judged{Name: name, Text: text, Asked: asked,
			Finding: expect.Finding{Verdict: expect.Violation, Evidence: []string{evidence}}}
	}
	o := passed("answers", 1)
	o.Verdict = expect.Violation
	o.Claims = []scenarios.Judged{
		judged("want", "want: one", "want ok, have refused", true),
		judged("want", "want: two", "want ok, have failed", true),
		judged("want", "want: two", "want ok, have 409", true),
		judged("hazard", "hazard: HZ-D1", "HZ-D1 showed itself", false),
		judged("hazard", "hazard: HZ-D7", "HZ-D7 showed itself", false),
	}
	later := *o
	later.Scenario = passed("answers", 2).Scenario
	later.Claims = o.Claims[1:3]
	s := new(Summary)
	s.Add(o)
	s.Add(&later)
	var b bytes.Buffer
	text := NewText(&b, false)
	text.Failed(s, func(*Failure) string { return "again" })
	if err := text.Flush(); err != nil {
		t.Fatal(err)
	}
	if page := NewPage([]*Results{asResults("answers", o, &later)}); len(page.Shown) != 2 ||
		page.Cases[0].Seeds[0].Why != "want: one, want: two, hazard: HZ-D1, hazard: HZ-D7" || page.Cases[0].Seeds[1].Shown != 1 {
		t.Errorf("page: have %+v", page.Cases)
	}
	const want = `
FAIL  answers  seed 1  want: one
      want ok, have refused
FAIL  answers  seed 1  want: two
      want ok, have failed
      want ok, have 409
      as well in seed 2
FAIL  answers  seed 1  hazard
      HZ-D1 showed itself
FAIL  answers  seed 1  hazard
      HZ-D7 showed itself

      again:  again
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +have):\n%s", diff)
	}
}
