package reports

import (
	"encoding/xml"
	"strings"
	"testing"

	"firedrill/scenarios"
	"firedrill/scenarios/expect"
)

// readJUnit is the file as a server reads it.
func readJUnit(t *testing.T, j *JUnit) (cases map[string]string, text string) {
	t.Helper()
	var b strings.Builder
	if err := j.Write(&b); err != nil {
		t.Fatal(err)
	}
	var file struct {
		Suites []struct {
			Time  string `xml:"time,attr"`
			Cases []struct {
				Name    string    `xml:"name,attr"`
				Class   string    `xml:"classname,attr"`
				Failure *struct{} `xml:"failure"`
				Error   *struct{} `xml:"error"`
				Skipped *struct{} `xml:"skipped"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal([]byte(b.String()), &file); err != nil {
		t.Fatalf("%v in\n%.400s", err, b.String())
	}
	cases = map[string]string{}
	for _, s := range file.Suites {
		for _, c := range s.Cases {
			state := "passed"
			switch {
			case c.Failure != nil:
				state = "failed"
			case c.Error != nil:
				state = "error"
			case c.Skipped != nil:
				state = "skipped"
			}
			cases[c.Class+" "+c.Name] = state
		}
	}
	return cases, b.String()
}

func TestJUnitHasACaseForEachClaim(t *testing.T) {
	j := new(JUnit)
	j.Add(passed("heartbeat-cut", 3), "firedrill run heartbeat-cut --seed 3")
	bad := dualWriters(4)
	bad.Claims = append(bad.Claims,
		scenarios.Judged{Name: "silent", Text: "silent: all", Finding: expect.Finding{Verdict: expect.Idle}},
		scenarios.Judged{Name: "serving", Text: "serving: office", Finding: expect.Finding{Verdict: expect.Vacuous}})
	bad.Misses = []string{"nobody is active"}
	j.Add(bad, "firedrill run heartbeat-cut/long --seed 4")
	cases, text := readJUnit(t, j)
	for name, want := range map[string]string{
		"heartbeat-cut.long takeover: nas-b, since: cable": "passed",
		"heartbeat-cut.long no_dual_writers: all":          "failed",
		"heartbeat-cut.long silent: all":                   "skipped",
		"heartbeat-cut.long serving: office":               "error",
		"heartbeat-cut.long steps":                         "error",
	} {
		if cases[name] != want {
			t.Errorf("%s: want %s, have %q of %v", name, want, cases[name], cases)
		}
	}
	for _, want := range []string{"two writers for 9m26s", "again: firedrill run heartbeat-cut/long --seed 4", `time="4200.000"`} {
		if !strings.Contains(text, want) {
			t.Errorf("want %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "timestamp") {
		t.Error("the hour is in the file")
	}
}

// A claim that one seed broke is broken, whatever the others showed, and of many seeds a few are told.
func TestJUnitKeepsTheWorstOfAllSeeds(t *testing.T) {
	j := new(JUnit)
	for seed := range uint64(10) {
		j.Add(dualWriters(seed), "again")
	}
	good := dualWriters(11)
	good.Claims[1].Verdict = expect.Pass
	j.Add(good, "again")
	cases, text := readJUnit(t, j)
	if have := cases["heartbeat-cut.long no_dual_writers: all"]; have != "failed" {
		t.Errorf("want failed, have %s", have)
	}
	if !strings.Contains(text, "and 5 more plays") {
		t.Errorf("want 5 plays told and 5 counted in\n%s", text)
	}
}

func TestJUnitTakesAnyText(t *testing.T) {
	for _, evil := range []string{"]]><failure>", "\x00\x1b\x08", `"><script>`, "\u202e\ufffe", strings.Repeat("x", 1<<20)} {
		j := new(JUnit)
		o := dualWriters(1)
		o.Claims[1].Text, o.Claims[1].Evidence = evil, []string{evil}
		j.Add(o, evil)
		cases, text := readJUnit(t, j)
		if len(cases) != 2 || len(text) > 20_000 {
			t.Errorf("%.20q: have %d cases, %d bytes", evil, len(cases), len(text))
		}
	}
}
