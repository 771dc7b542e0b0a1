package reports

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"firedrill/faults"
	"firedrill/nodes"
	"firedrill/scenarios"
	"firedrill/scenarios/expect"
)

// asResults are outcomes as a folder keeps them.
func asResults(name string, outcomes ...*scenarios.Outcome) *Results {
	r := &Results{Name: name}
	for _, o := range outcomes {
		run := NewRun(o)
		r.Plays = append(r.Plays, newDigest(&run.Play))
		r.keep(&run)
	}
	r.sort()
	return r
}

func html(t *testing.T, all ...*Results) string {
	t.Helper()
	var b strings.Builder
	if err := WriteHTML(&b, all); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPageData(t *testing.T) {
	p := NewPage([]*Results{asResults("heartbeat-cut", dualWriters(4), passed("heartbeat-cut", 5), dualWriters(6))})
	text, err := encode(p, "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "page.json", text)
}

var embedded = regexp.MustCompile(`(?s)<script type="application/json" id="data-[0-9]+">(.*?)</script>`)

// The page is read once as XML would be, with HTML's freedoms: everything that is opened is closed.
// The data in it is JSON.
func TestPageIsWhole(t *testing.T) {
	text := html(t, asResults("heartbeat-cut", dualWriters(4), passed("heartbeat-cut", 5)))
	data := embedded.FindAllStringSubmatch(text, -1)
	if len(data) != 2 {
		t.Errorf("want the data of 2 plays, have %d", len(data))
	}
	for _, d := range data {
		var drawing Drawing
		if err := json.Unmarshal([]byte(d[1]), &drawing); err != nil {
			t.Error(err)
		}
	}
	scripts := regexp.MustCompile(`(?s)<(script|style)[^>]*>.*?</(script|style)>`)
	d := xml.NewDecoder(strings.NewReader(scripts.ReplaceAllString(text, "")))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if outside := regexp.MustCompile(`(src|href)="?[^#"]`).FindString(text); outside != "" {
		t.Errorf("want nothing from elsewhere, have %s", outside)
	}
}

func TestHeadlineSaysWhatWhenAndWhom(t *testing.T) {
	r := NewRun(dualWriters(4))
	have := r.Headline()
	for _, want := range []struct{ have, part string }{
		{have.What, "two writers for 9m26s"}, {have.When, "6m23s"}, {have.When, "after cut: heartbeat"}, {have.Whom, "without an answer"},
	} {
		if !strings.Contains(want.have, want.part) {
			t.Errorf("want %q in %q", want.part, want.have)
		}
	}
	calm := NewRun(passed("healthy", 1))
	if have := calm.Headline().What; !strings.HasPrefix(have, "Nothing broke") {
		t.Errorf("have %q", have)
	}
}

// What a node or a doctored results folder says is data. The mark would be an element, or end the
// script, if it were not escaped.
func TestHostileTextsStayTexts(t *testing.T) {
	for _, evil := range []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `</script><b>`, "a\x00\x1b[2J\u202eb", `'-alert(1)-'`,
		strings.Repeat("<i>", 350_000),
	} {
		o := dualWriters(4)
		o.Scenario.Name, o.Scenario.Case, o.Scenario.Covers = evil, evil, []string{evil}
		o.Undocumented, o.Misses, o.Doubt = []string{evil}, []string{evil}, evil
		for i := range o.Claims {
			o.Claims[i].Name, o.Claims[i].Text, o.Claims[i].Evidence = evil, evil, []string{evil}
			o.Claims[i].Measures = []expect.Measure{{Name: evil, Value: 1, Unit: evil}}
		}
		for i := range o.Run.Events {
			o.Run.Events[i].Value, o.Run.Events[i].Scope = evil, evil
		}
		for i := range o.Run.Steps {
			o.Run.Steps[i].Name, o.Run.Steps[i].Text = evil, evil
		}
		o.Run.History = append(o.Run.History, nodes.Operation{Group: evil, Client: evil, Path: evil, Verb: "put", Result: nodes.ResultOK})
		text := html(t, asResults(evil, o, o))
		for _, mark := range []string{"<script>alert", "<img", "<i>", "<b>", "\x1b", "\u202e", "\x00"} {
			if strings.Contains(text, mark) && mark != "<b>" {
				t.Errorf("%.40q: have %q in the page", evil, mark)
			}
		}
		if n := strings.Count(text, "<script"); n != 2 {
			t.Errorf("%.40q: want 2 scripts, have %d", evil, n)
		}
	}
}

// A report that is built again from its folder has the same bytes.
func TestReportAgainFromItsFolder(t *testing.T) {
	f, err := NewPlainFolder(t.TempDir(), "heartbeat-cut")
	if err != nil {
		t.Fatal(err)
	}
	f.Again = func(*scenarios.Outcome) string { return "firedrill run somewhere" }
	for _, o := range []*scenarios.Outcome{dualWriters(4), dualWriters(5), passed("heartbeat-cut", 6),
		copied("bandwidth-10mbit/small/plain", 1, 3, 4), copied("bandwidth-10mbit/large/plain", 1, 5, 6)} {
		o.Scenario.Name = "heartbeat-cut"
		o.Scenario.Case = strings.Replace(o.Scenario.Case, "copy/", "heartbeat-cut/", 1)
		if err := f.Write(o, true); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join(f.Path, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(want), "wire along data") {
		t.Error("want the measures along their axes")
	}
	all, _, err := Read(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	if have := html(t, all...); have != string(want) {
		t.Errorf("another report: %d bytes, then %d", len(want), len(have))
	}
	if _, _, err := Read(t.TempDir()); err == nil {
		t.Error("want an error about an empty folder")
	}
	broken := filepath.Join(t.TempDir(), "run.json")
	if err := os.WriteFile(broken, []byte(`{"verdict": 3`), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Read(filepath.Dir(broken)); err == nil || !strings.Contains(err.Error(), broken) {
		t.Errorf("want an error that names the file, have %v", err)
	}
}

// A folder that somebody made up is refused or drawn, and never a panic.
func FuzzDoctoredRun(f *testing.F) {
	whole, err := encode(NewRun(dualWriters(4)), "")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(`{"name":"x","case":"x/y/z","verdict":"violation","claims":null,"axes":[{"axis":"y"},{"values":["z"]}],"breaches":[{"claim":99,"from":7,"until":1}],"clients":[{"density":[{"bins":"1:1"}]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var r Run
		if json.Unmarshal(text, &r) != nil || r.check() != nil {
			return
		}
		results := &Results{Name: r.Name}
		results.keep(&r)
		results.sort()
		if err := WriteHTML(io.Discard, []*Results{results}); err != nil {
			t.Error(err)
		}
	})
}

// A hundred thousand operations and as many plays make a page of bounded size.
// Where more went wrong than a report shows in full, it says so.
func TestReportSaysHowMuchItDoesNotShow(t *testing.T) {
	var all []*scenarios.Outcome
	for n := range runsMax + 2 {
		o := dualWriters(4)
		o.Scenario.Case = fmt.Sprintf("heartbeat-cut/%02d", n)
		all = append(all, o)
	}
	const more = "and 2 more, in the table of all plays"
	if text := html(t, asResults("heartbeat-cut", all...)); !strings.Contains(text, more) {
		t.Errorf("want %q", more)
	}
	all = append(all[:runsMax], passed("heartbeat-cut", 1))
	if text := html(t, asResults("heartbeat-cut", all...)); strings.Contains(text, "more, in the table") {
		t.Error("want nothing of more where every play that failed is shown")
	}
}

func TestSizeIsBounded(t *testing.T) {
	o := dualWriters(4)
	for i := range 100_000 {
		at := time.Duration(i) * 40 * time.Millisecond
		o.Run.History = append(o.Run.History, nodes.Operation{Group: "office", Verb: "get", Sent: at, Done: at, Result: nodes.ResultOK})
	}
	r := asResults("heartbeat-cut", o)
	for i := range 100_000 {
		d := r.Plays[0]
		d.Seed, d.Measures = uint64(i+10), []Measure{{Name: "takeover", Value: float64(i % 97), Unit: "s"}}
		r.Plays = append(r.Plays, d)
	}
	r.sort()
	if n := len(html(t, r)); n > 300_000 {
		t.Errorf("want less than 300000 bytes, have %d", n)
	}
}

func TestFolderOfALongBatchStaysSmall(t *testing.T) {
	f, err := NewPlainFolder(t.TempDir(), "healthy")
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(playsInFull + 50) {
		if err := f.Write(passed("healthy", seed), seed == playsInFull+20); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	full, err := filepath.Glob(filepath.Join(f.Path, "*", "run.json"))
	if err != nil || len(full) != playsInFull+1 {
		t.Errorf("want %d plays in full, have %d, %v", playsInFull+1, len(full), err)
	}
	lines, err := os.ReadFile(filepath.Join(f.Path, "plays.jsonl"))
	if n := bytes.Count(lines, []byte("\n")); err != nil || n != playsInFull+50 {
		t.Errorf("want a line for each play, have %d, %v", n, err)
	}
}

func TestBinsComeBack(t *testing.T) {
	for _, want := range []Bins{{}, {{0, 5, 0, 0, 0}, {7, 0, 0, 2, 0}, {9, 1, 2, 3, 4}}} {
		text, err := want.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var have Bins
		if err := have.UnmarshalText(text); err != nil || fmt.Sprint(have) != fmt.Sprint(want) {
			t.Errorf("%s: want %v, have %v, %v", text, want, have, err)
		}
	}
	for _, wrong := range []string{"x", "1", "1:x", "1:2,3,4,5,6", "-1:2"} {
		if err := new(Bins).UnmarshalText([]byte(wrong)); err == nil {
			t.Errorf("%s: want an error", wrong)
		}
	}
}

// Claims that had nothing to judge are most of a usual play's: one line stands for them, and opens. Those that broke, and those
// that were asked for and proved nothing, are never behind it.
func TestIdleClaimsAreFolded(t *testing.T) {
	const line = "<summary>2 claims had nothing to judge</summary>"
	o := dualWriters(4)
	for _, c := range []struct {
		text string
		v    expect.Verdict
	}{{"moves_with_role: all", expect.Idle}, {"served: office", expect.Vacuous}, {"choices: all", expect.Idle}} {
		o.Claims = append(o.Claims, scenarios.Judged{Text: c.text, Finding: expect.Finding{Verdict: c.v, Evidence: []string{"why " + c.text}}})
	}
	open, folded, found := strings.Cut(html(t, asResults("heartbeat-cut", o)), line)
	if !found {
		t.Fatalf("want %q in the page", line)
	}
	folded, _, _ = strings.Cut(folded, "</details>")
	for text, want := range map[string]struct{ open, folded bool }{
		"no_dual_writers: all": {open: true}, "served: office": {open: true}, "why served: office": {open: true},
		"moves_with_role: all": {folded: true}, "choices: all": {folded: true}, "why choices: all": {folded: true},
	} {
		if strings.Contains(open, text) != want.open || strings.Contains(folded, text) != want.folded {
			t.Errorf("%s: want it open %v, folded %v", text, want.open, want.folded)
		}
	}
	if text := html(t, asResults("heartbeat-cut", dualWriters(4))); strings.Contains(text, "nothing to judge") {
		t.Error("want no such line where every claim was judged")
	}
}

// People read times to the millisecond; the file for programs keeps the nanoseconds.
func TestEvidenceIsReadToTheMillisecond(t *testing.T) {
	for s, want := range map[string]string{
		"cut from 3m21.033554056s to 1h3m21.9999s": "cut from 3m21.033s to 1h3m21.999s",
		"10.000s, 1.5s and 2.125s stay":            "10.000s, 1.5s and 2.125s stay",
		"so do 400us, 123.4us, v1.23456 and 5s":    "so do 400us, 123.4us, v1.23456 and 5s",
		"502.476859ms, 10.0007ms and 1.234567ms":   "502ms, 10ms and 1.23ms",
		"99999999h9999999999.12345s is no time":    "99999999h9999999999.12345s is no time",
	} {
		if have := evident(s); have != want {
			t.Errorf("want %q, have %q", want, have)
		}
	}
	o := dualWriters(4)
	o.Run.Faults[0].Receipt = faults.Receipt{{N: 201_033_554_056, What: "down", Time: true}}
	o.Claims[1].Evidence = []string{"both from 3m21.033554056s on"}
	const exact, read = "3m21.033554056s", "both from 3m21.033s on"
	if text := html(t, asResults("heartbeat-cut", o)); strings.Contains(text, exact) || !strings.Contains(text, read) {
		t.Errorf("want %q in the page, and nothing of %q", read, exact)
	}
	var b strings.Builder
	text, s := NewText(&b, false), new(Summary)
	s.Add(o)
	text.Failed(s, func(*Failure) string { return "again" })
	if err := text.Flush(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), read) {
		t.Errorf("want %q in %s", read, b.String())
	}
	if file, err := encode(NewRun(o), ""); err != nil || !strings.Contains(string(file), exact) {
		t.Errorf("want %q in run.json, %v", exact, err)
	}
}

// What heals has nothing to hit; a fault that hit nothing says so.
func TestOnlyFaultsAreToldToHaveHitNothing(t *testing.T) {
	o := dualWriters(4)
	o.Run.Faults[0].Receipt = nil
	if text := html(t, asResults("heartbeat-cut", o)); !strings.Contains(text, "<td>nothing</td>") {
		t.Error("want a cut that hit nothing to say so")
	}
	o.Run.Faults[0].Until = o.Run.Faults[0].From
	if text := html(t, asResults("heartbeat-cut", o)); strings.Contains(text, "<td>nothing</td>") {
		t.Error("want no receipt of what was over at once and had nothing to hit")
	}
}

// linksOf are the links of a report that lead out of it, in the order of the machines, and those of its picture.
func linksOf(t *testing.T, report string) (links, drawn []string) {
	t.Helper()
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`href="([^#"]+)"`).FindAllStringSubmatch(string(text), -1) {
		links = append(links, strings.ReplaceAll(m[1], "&amp;", "&"))
	}
	for _, m := range embedded.FindAllStringSubmatch(string(text), -1) {
		var d Drawing
		if err := json.Unmarshal([]byte(m[1]), &d); err != nil {
			t.Fatal(err)
		}
		for _, one := range d.Machines {
			if one.Log != "" {
				drawn = append(drawn, one.Log)
			}
		}
	}
	return links, drawn
}

// A report links the logs of programs, from wherever it lies and wherever the folder is moved, and links nothing where
// there is none or where the name of a machine leads elsewhere.
func TestReportLinksLogs(t *testing.T) {
	root := t.TempDir()
	f, err := NewFolder(root, "heartbeat-cut", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	o := dualWriters(4)
	o.Scenario.Case = "heartbeat-cut/50% & a: b"
	o.Scenario.Machines = []scenarios.Machine{{Name: "nas-a"}, {Name: "nas-b"}}
	o.Run.Machines = []expect.Machine{{Name: "nas-a", Kind: &nodes.Kind{}}, {Name: "nas-b", Kind: &nodes.Kind{}}}
	o.Logs = map[string][]byte{"nas-b": []byte("what it wrote\n")}
	if err := errors.Join(f.Write(o, false), f.Write(dualWriters(5), false), f.Close()); err != nil {
		t.Fatal(err)
	}
	moved := filepath.Join(t.TempDir(), "moved")
	leads := func(report string) {
		t.Helper()
		links, drawn := linksOf(t, report)
		if len(links) != 1 || fmt.Sprint(links) != fmt.Sprint(drawn) {
			t.Fatalf("want one link, in the page and in its picture, have %q and %q", links, drawn)
		}
		u, err := url.Parse(links[0])
		if err != nil || u.IsAbs() || strings.HasPrefix(u.Path, "/") {
			t.Fatalf("want the way from here, have %q, %v", links[0], err)
		}
		text, err := os.ReadFile(filepath.Join(filepath.Dir(report), filepath.FromSlash(u.Path)))
		if string(text) != "what it wrote\n" {
			t.Errorf("%s leads to %q, %v", links[0], text, err)
		}
	}
	leads(f.Report())
	for _, again := range []string{filepath.Join(root, "elsewhere.html"), f.Report()} {
		all, _, err := Read(filepath.Join(root, "heartbeat-cut", "latest"))
		if err == nil {
			err = WriteReport(again, all)
		}
		if err != nil {
			t.Fatal(err)
		}
		leads(again)
	}
	if err := os.Rename(f.Path, moved); err != nil {
		t.Fatal(err)
	}
	leads(filepath.Join(moved, "report.html"))

	play := filepath.Join(moved, "50% & a: b", "seed-4")
	if err := os.Rename(filepath.Join(play, "nas-b.log"), filepath.Join(moved, "other.log")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../../other.log", filepath.Join(play, "nas-b.log")); err != nil {
		t.Fatal(err)
	}
	run, err := os.ReadFile(filepath.Join(play, runFile))
	doctored := strings.ReplaceAll(string(run), `"name": "nas-a"`, `"log": "javascript:alert(1)", "name": "../../other"`)
	if err != nil || doctored == string(run) {
		t.Fatalf("have %v in %s", err, run)
	}
	if err := os.WriteFile(filepath.Join(play, runFile), []byte(doctored), 0o666); err != nil {
		t.Fatal(err)
	}
	all, _, err := Read(moved)
	if err == nil {
		err = WriteReport(filepath.Join(moved, "report.html"), all)
	}
	if err != nil {
		t.Fatal(err)
	}
	if links, drawn := linksOf(t, filepath.Join(moved, "report.html")); len(links)+len(drawn) != 0 {
		t.Errorf("want no link, have %q and %q", links, drawn)
	}
}
