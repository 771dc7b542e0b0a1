package reports

import (
	"encoding/xml"
	"maps"
	"slices"
	"strconv"
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

// element is a part of a file, whatever its name.
type element struct {
	XMLName xml.Name
	Attrs   []xml.Attr `xml:",any,attr"`
	Inside  []element  `xml:",any"`
}

func (e *element) attr(name string) (value string, there bool) {
	n := slices.IndexFunc(e.Attrs, func(a xml.Attr) bool { return a.Name.Local == name })
	if n < 0 {
		return "", false
	}
	return e.Attrs[n].Value, true
}

// count is an attribute that is left out where it is 0.
func (e *element) count(t *testing.T, name string) int {
	t.Helper()
	value, there := e.attr(name)
	if !there {
		return 0
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		t.Errorf("%s of %s: want a count, have %q", name, e.XMLName.Local, value)
	}
	return n
}

// TestJUnitHasTheShapeThatServersTake holds the file against what servers agree on: suites of suites of cases, each with its name,
// class and seconds, at most one outcome with a message, and counts that add up.
func TestJUnitHasTheShapeThatServersTake(t *testing.T) {
	j := new(JUnit)
	mixed := dualWriters(4)
	for _, v := range []expect.Verdict{expect.Idle, expect.Vacuous, expect.Inconclusive, expect.HazardSeen, expect.Idle} {
		mixed.Claims = append(mixed.Claims, scenarios.Judged{Name: string(v), Text: string(v) + ": all",
			Finding: expect.Finding{Verdict: v, Evidence: []string{"because"}}})
	}
	j.Add(mixed, "firedrill run heartbeat-cut/long --seed 4")
	j.Add(vacuous(3), "firedrill run active-power-off --seed 3")
	var b strings.Builder
	if err := j.Write(&b); err != nil {
		t.Fatal(err)
	}
	var file element
	if err := xml.Unmarshal([]byte(b.String()), &file); err != nil {
		t.Fatal(err)
	}
	if file.XMLName.Local != "testsuites" || len(file.Inside) != 2 {
		t.Fatalf("want testsuites with 2 suites, have %s with %d", file.XMLName.Local, len(file.Inside))
	}
	all := map[string]int{}
	for i := range file.Inside {
		counted := junitSuite(t, &file.Inside[i])
		for name, n := range counted {
			all[name] += n
		}
	}
	want := map[string]int{"tests": 8, "failures": 1, "errors": 3, "skipped": 2}
	if !maps.Equal(all, want) {
		t.Errorf("want %v, have %v in\n%s", want, all, b.String())
	}
	for name, n := range want {
		if have := file.count(t, name); have != n {
			t.Errorf("testsuites: want %d %s, have %d", n, name, have)
		}
	}
}

// junitSuite checks a suite, and counts its cases by outcome.
func junitSuite(t *testing.T, suite *element) map[string]int {
	t.Helper()
	outcomes := map[string]string{"failure": "failures", "error": "errors", "skipped": "skipped"}
	counted := map[string]int{}
	checkNamed(t, suite, "testsuite", "name")
	for i := range suite.Inside {
		c := &suite.Inside[i]
		checkNamed(t, c, "testcase", "name", "classname")
		counted["tests"]++
		ended := 0
		for j := range c.Inside {
			what := &c.Inside[j]
			of, known := outcomes[what.XMLName.Local]
			switch message, _ := what.attr("message"); {
			case what.XMLName.Local == "system-out":
			case !known:
				t.Errorf("want failure, error, skipped or system-out in a testcase, have %s", what.XMLName.Local)
			case message == "":
				t.Errorf("want a message, have %v", what.Attrs)
			default:
				ended++
				counted[of]++
			}
		}
		if ended > 1 {
			t.Errorf("want one outcome in a testcase, have %v", c.Inside)
		}
	}
	for _, name := range []string{"tests", "failures", "errors", "skipped"} {
		if have := suite.count(t, name); have != counted[name] {
			t.Errorf("testsuite: want %d %s, have %d", counted[name], name, have)
		}
	}
	return counted
}

// checkNamed checks that an element is what was expected, has these attributes, and its seconds.
func checkNamed(t *testing.T, e *element, what string, attrs ...string) {
	t.Helper()
	if e.XMLName.Local != what {
		t.Errorf("want %s, have %s", what, e.XMLName.Local)
	}
	for _, name := range attrs {
		if value, _ := e.attr(name); value == "" {
			t.Errorf("want %s with %s, have %v", what, name, e.Attrs)
		}
	}
	text, _ := e.attr("time")
	if seconds, err := strconv.ParseFloat(text, 64); err != nil || seconds < 0 {
		t.Errorf("want %s with seconds, have %q", what, text)
	}
}
