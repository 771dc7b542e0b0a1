package reports

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"firedrill/scenarios"
	"firedrill/scenarios/expect"
)

var copyAxes = []scenarios.Axis{
	{Name: "bandwidth", Values: []string{"bandwidth-10mbit", "bandwidth-1gbit", "bandwidth-100mbit"}},
	{Name: "data", Values: []string{"small", "large"}},
	{Name: "how", Values: []string{"plain", "packed"}},
}

// copied is a play in which a copy took so long and so many bytes.
func copied(values string, seed uint64, seconds, volume float64) *scenarios.Outcome {
	o := passed("copy", seed)
	o.Scenario.Case, o.Scenario.Axes = "copy/"+values, copyAxes
	for _, m := range []expect.Measure{{Name: "duration", Value: seconds, Unit: "s"}, {Name: "wire", Value: volume, Unit: "bytes"}} {
		o.Claims = append(o.Claims, scenarios.Judged{Name: "measured", Text: "measured: " + m.Name,
			Finding: expect.Finding{Verdict: expect.Pass, Measures: []expect.Measure{m}}})
	}
	return o
}

// copies are cases of two axes; the third stands still. Each has three seeds, of which the last is slower.
func copies() []*scenarios.Outcome {
	var list []*scenarios.Outcome
	for values, seconds := range map[string]float64{"bandwidth-10mbit/small": 8, "bandwidth-100mbit/small": 0.8,
		"bandwidth-1gbit/small": 0.08, "bandwidth-10mbit/large": 80, "bandwidth-1gbit/large": 2} {
		for seed, factor := range []float64{1, 1, 1.5} {
			list = append(list, copied(values+"/plain", uint64(seed), seconds*factor, 3<<20))
		}
	}
	return list
}

func gather(outcomes []*scenarios.Outcome) []Series {
	var g gathered
	for _, o := range outcomes {
		g.add(o.Scenario.Case, declared(o))
	}
	return g.series("copy", copyAxes)
}

func TestSeriesAreInTheOrderOfTheFile(t *testing.T) {
	list := gather(copies())
	if len(list) != 2 || list[0].Name != "duration" || list[1].Unit != "bytes" {
		t.Fatalf("have %+v", list)
	}
	var have []string
	for _, c := range list[0].Cells {
		have = append(have, fmt.Sprint(c.Values, c.Text("s"), c.N))
	}
	want := []string{
		"[bandwidth-10mbit small]8s (8s to 12s)3", "[bandwidth-10mbit large]1m20s (1m20s to 2m)3",
		"[bandwidth-1gbit small]80ms (80ms to 120ms)3", "[bandwidth-1gbit large]2s (2s to 3s)3",
		"[bandwidth-100mbit small]800ms (800ms to 1.2s)3",
	}
	if !slices.Equal(have, want) {
		t.Errorf("want %q\nhave %q", want, have)
	}
}

// A play of another file, with other axes, has no place; one figure of it does not take the others with it.
func TestSeriesLeaveOutWhatFitsNoAxis(t *testing.T) {
	odd := []*scenarios.Outcome{copied("small", 1, 1, 1), copied("bandwidth-2mbit/small/plain", 1, 1, 1),
		copied("bandwidth-10mbit/small/plain", 1, 1, 1)}
	for _, s := range gather(odd) {
		if len(s.Cells) != 1 || len(s.Axes) != 0 {
			t.Errorf("want the one case that fits, and no axis, have %+v", s)
		}
	}
}

func TestAlongEachAxis(t *testing.T) {
	plots := gather(copies())[0]
	list := plots.along()
	if len(list) != 2 {
		t.Fatalf("want a plot for bandwidth and one for data, have %+v", list)
	}
	bandwidth, data := list[0], list[1]
	var ticks []string
	for _, tick := range bandwidth.XTicks {
		ticks = append(ticks, tick.Text)
	}
	if !bandwidth.LogX || !slices.Equal(ticks, []string{"10mbit", "100mbit", "1gbit"}) {
		t.Errorf("want the bandwidths by their amounts on a logarithmic scale, have %t, %q", bandwidth.LogX, ticks)
	}
	first, second, third := bandwidth.XTicks[0].At, bandwidth.XTicks[1].At, bandwidth.XTicks[2].At
	if d := (second - first) - (third - second); d > 0.001 || d < -0.001 {
		t.Errorf("want a decade as long as the other, have %g, %g, %g", first, second, third)
	}
	if len(bandwidth.Lines) != 2 || bandwidth.Lines[0].Name != "data small" || len(bandwidth.Lines[0].Points) != 3 ||
		len(bandwidth.Lines[1].Points) != 2 {
		t.Errorf("want a line for each size, have %+v", bandwidth.Lines)
	}
	if data.LogX || len(data.Lines) != 3 || data.XTicks[0].Text != "small" {
		t.Errorf("want words in the order of the file, have %+v", data)
	}
	if !bandwidth.LogY {
		t.Error("80ms to 2m: want a logarithmic scale")
	}
	p := bandwidth.Lines[0].Points[0]
	if p.Low < p.Y || p.High >= p.Y || p.Low > alongHeight || p.High < 0 {
		t.Errorf("want the least below the median and the most above it, have %+v", p)
	}
	if want := "bandwidth 10mbit, data small: median 8s of 3 plays, 8s to 12s; middle half 8s to 12s"; p.Told != want {
		t.Errorf("want %q, have %q", want, p.Told)
	}
}

func TestScaleOfAnAxis(t *testing.T) {
	for _, c := range []struct {
		values  []string
		numeric bool
		log     bool
	}{
		{[]string{"500us", "25ms", "100ms"}, true, true},
		{[]string{"10s", "20s", "1m"}, true, false},
		{[]string{"1MB", "4MiB", "1GB"}, true, true},
		{[]string{"0%", "0.1%", "5%"}, true, false}, // There is no logarithm of nothing.
		{[]string{"-200ppm", "0ppm", "200ppm"}, true, false},
		{[]string{"1/s", "100/s", "6/m"}, true, true},
		{[]string{"1", "2", "300"}, true, true},
		{[]string{"10s", "soon"}, false, false},
		{[]string{"10s", "10MB"}, false, false},
	} {
		var used []int
		axis := scenarios.Axis{Name: "size"}
		for i, v := range c.values {
			used = append(used, i)
			axis.Values = append(axis.Values, "size-"+v)
		}
		_, numeric := quantities(axis, used)
		if x := newScaleX(axis, used); numeric != c.numeric || x.log != c.log {
			t.Errorf("%q: numeric %t, logarithmic %t", c.values, numeric, x.log)
		}
	}
}

// However many values and lines there are, no label runs into its neighbour and no more lines are drawn than
// can be told apart; the table has them all.
func TestAlongWithMoreThanFits(t *testing.T) {
	many := []scenarios.Axis{{Name: "path"}, {Name: "n"}}
	for i := range 40 {
		many[0].Values = append(many[0].Values, fmt.Sprintf("a-long-name-for-a-value-%d", i))
	}
	many[1].Values = []string{"1", "2", "3", "4", "5", "6", "7", "8"}
	var g gathered
	for _, path := range many[0].Values {
		for _, n := range many[1].Values {
			g.add("x/"+path+"/"+n, []Measure{{"m", 3, "s", true}})
		}
	}
	s := g.series("x", many)[0]
	a := s.along()[0]
	if len(a.Lines) != curvesMax || a.More != 8-curvesMax || len(s.Cells) != 320 {
		t.Errorf("have %d lines, %d more, %d cells", len(a.Lines), a.More, len(s.Cells))
	}
	ends := [2]float64{}
	for _, tick := range a.XTicks {
		half := float64(utf8.RuneCountInString(tick.Text)) * 3
		if tick.Text == "" {
			continue
		}
		if tick.At-half < ends[tick.Row] {
			t.Errorf("%q runs into the label before it", tick.Text)
		}
		ends[tick.Row] = tick.At + half
	}
}

func TestMarksOfAScale(t *testing.T) {
	for _, c := range []struct {
		scale scaleY
		unit  string
		want  string
	}{
		{scaleY{false, 0, 147}, "s", "0s 30s 1m 1m30s 2m"},
		{scaleY{false, 0, 5}, "operations", "0 1 2 3 4 5"},
		{scaleY{true, 0.08, 120}, "s", "100ms 500ms 2s 10s 30s 2m"},
		{scaleY{false, 0, 3 << 20}, "bytes", "0 B 1 MiB 2 MiB 3 MiB"},
	} {
		var have []string
		for _, m := range c.scale.marks(c.unit) {
			have = append(have, m.Text)
			if m.At < 0 || m.At > alongHeight {
				t.Errorf("%s: out of the drawing", m.Text)
			}
		}
		if strings.Join(have, " ") != c.want {
			t.Errorf("%+v: want %s, have %s", c.scale, c.want, strings.Join(have, " "))
		}
	}
}

func TestTextReportTellsMeasures(t *testing.T) {
	s := new(Summary)
	for _, o := range copies() {
		s.Add(o)
	}
	var b bytes.Buffer
	text := NewText(&b, false)
	text.Measures(s)
	if err := text.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"    bandwidth  data   duration, median (least to most)\n    10mbit     small  8s (8s to 12s)\n",
		"    1gbit      small  80ms (80ms to 120ms)\n",
		"    10mbit     large  3 MiB\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("want %q in\n%s", want, b.String())
		}
	}
}

// The page has each measure along each axis, and its table; one that is not under `measure` has not.
func TestPageHasMeasuresAlongAxes(t *testing.T) {
	outcomes := copies()
	for _, o := range outcomes {
		o.Claims = append(o.Claims, scenarios.Judged{Name: "takeover", Text: "takeover", Finding: expect.Finding{
			Verdict: expect.Pass, Measures: []expect.Measure{{Name: "takeover", Value: 60, Unit: "s"}}}})
	}
	r := asResults("copy", outcomes...)
	r.Axes = copyAxes
	text := html(t, r)
	for _, want := range []string{"duration along bandwidth", "duration along data", "wire along data", "3 MiB",
		"<td>10mbit</td><td>large</td><td>3</td><td><b>1m20s</b></td>", "<figcaption>takeover <small>",
		`aria-label="bandwidth 1gbit, data small: median 80ms of 3 plays, 80ms to 120ms`} {
		if !strings.Contains(text, want) {
			t.Errorf("want %q in the page", want)
		}
	}
	for _, not := range []string{"takeover along", "<figcaption>duration <small>0 to", "NaN", "Inf", "ZgotmplZ"} {
		if strings.Contains(text, not) {
			t.Errorf("want no %q in the page", not)
		}
	}
}

func TestFiguresInTheirUnits(t *testing.T) {
	for _, c := range []struct {
		value float64
		unit  string
		want  string
	}{
		{61, "s", "1m1s"}, {0.0834, "s", "83.4ms"}, {0, "bytes", "0 B"}, {999, "bytes", "999 B"}, {1023, "bytes", "0.999 KiB"},
		{1 << 20, "bytes", "1 MiB"}, {7.4 * (1 << 20), "bytes", "7.4 MiB"}, {3 << 40, "bytes", "3 TiB"},
		{12345, "operations", "12345"}, {-3, "operations", "-3"}, {0.12346, "", "0.1235"},
	} {
		if have := figure(c.value, c.unit); have != c.want {
			t.Errorf("%g %s: want %s, have %s", c.value, c.unit, c.want, have)
		}
	}
}
