package reports

import (
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"firedrill/scenarios/expect"
)

func TestMetrics(t *testing.T) {
	m := NewMetrics()
	m.Add(dualWriters(4))
	m.Add(passed("heartbeat-cut", 5))
	var b strings.Builder
	if err := m.Write(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "metrics.txt", []byte(b.String()))
}

// How long it took in life is served, and is not in the file.
func TestMetricsOfLifeAreServedOnly(t *testing.T) {
	m := NewMetrics()
	m.Add(dualWriters(4))
	families, err := m.Served.Gather()
	if err != nil {
		t.Fatal(err)
	}
	served := false
	for _, f := range families {
		served = served || f.GetName() == "firedrill_wall_seconds_total" && f.GetMetric()[0].GetCounter().GetValue() == 0.5
	}
	if !served {
		t.Errorf("want half a second of life, have %v", families)
	}
	var b strings.Builder
	if err := m.Write(&b); err != nil || strings.Contains(b.String(), "wall") || !strings.HasSuffix(b.String(), "# EOF\n") {
		t.Errorf("have %v, %s", err, b.String())
	}
}

// suffixes are what the names of a family's samples end with, by its type.
var suffixes = map[string][]string{"counter": {"_total"}, "histogram": {"_bucket", "_sum", "_count"}}

// TestMetricsAsOtherProgramsReadThem lets the parser of Prometheus's own library read the file. What that one does not ask of
// OpenMetrics is checked here: families are whole, their samples end as their type wants it, and so does the file.
func TestMetricsAsOtherProgramsReadThem(t *testing.T) {
	m := NewMetrics()
	o := dualWriters(4)
	for _, seconds := range []float64{0.004, 31, 5000} {
		o.Claims[0].Measures = []expect.Measure{{Name: "takeover_detect", Value: seconds, Unit: "s"}}
		m.Add(o)
	}
	odd := passed("quotes \" and \\ and\nlines", 5)
	m.Add(odd)
	var b strings.Builder
	if err := m.Write(&b); err != nil {
		t.Fatal(err)
	}
	text, ended := strings.CutSuffix(b.String(), "\n# EOF\n")
	if !ended || strings.Contains(text, "# EOF") {
		t.Errorf("want one end, and at the end, have ...%q", b.String()[max(0, b.Len()-80):])
	}
	checkFamilies(t, text)
	parser := expfmt.NewTextParser(model.LegacyValidation)
	parsed, err := parser.TextToMetricFamilies(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	families, err := m.file.Gather()
	if err != nil {
		t.Fatal(err)
	}
	want := samples(t, families, expfmt.MetricFamilyToText)
	have := samples(t, slices.Collect(maps.Values(parsed)), expfmt.MetricFamilyToText)
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("what was counted is not what is read (-counted +read):\n%s", diff)
	}
	for _, sample := range []string{
		`firedrill_takeover_phase_seconds_count{phase="detect",scenario="heartbeat-cut"} 3`,
		`firedrill_plays_total{scenario="quotes \" and \\ and\nlines",verdict="pass"} 1`,
	} {
		if !slices.Contains(have, sample) {
			t.Errorf("want %s among\n%s", sample, strings.Join(have, "\n"))
		}
	}
}

// samples are the lines of families that have a value, in an order of their own.
func samples[F any](t *testing.T, families []F, write func(io.Writer, F) (int, error)) []string {
	t.Helper()
	var b strings.Builder
	for _, f := range families {
		if _, err := write(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	var list []string
	for line := range strings.Lines(b.String()) {
		if !strings.HasPrefix(line, "#") {
			list = append(list, strings.TrimSpace(line))
		}
	}
	slices.Sort(list)
	return list
}

// checkFamilies checks that each family is said once, with its type, and that its samples follow it under the names that its type has.
func checkFamilies(t *testing.T, text string) {
	t.Helper()
	seen := map[string]bool{}
	family, kind := "", ""
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "# HELP "):
			family, kind = words[2], ""
			if seen[family] {
				t.Errorf("%s is there twice", family)
			}
			seen[family] = true
		case strings.HasPrefix(line, "# TYPE "):
			kind = words[3]
			if words[2] != family || suffixes[kind] == nil {
				t.Errorf("want a counter or histogram, %s, have %s", family, line)
			}
		default:
			name, _, _ := strings.Cut(words[0], "{")
			ending, of := strings.CutPrefix(name, family)
			if !of || !slices.Contains(suffixes[kind], ending) {
				t.Errorf("want %s with one of %v, have %s", family, suffixes[kind], line)
			}
		}
	}
	if len(seen) != 5 {
		t.Errorf("want 5 families, have %v", seen)
	}
}
