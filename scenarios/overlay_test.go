package scenarios

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sample is a file with a given end: what stands below its machines.
func sample(rest string) string {
	return `# A file of the tests.
name: drill
stop: 1h
segments:
  lan:  {subnet: 10.0.0.0/24}
  wire: {subnet: 10.0.1.0/24}
machines:
  nas-a: {kind: pair, nets: {lan: 10.0.0.1, wire: 10.0.1.1}}
  nas-b: {kind: pair, nets: {lan: 10.0.0.2, wire: 10.0.1.2}}
clients:
  office: {net: lan, to: nas-a}
` + rest
}

func parse1(t *testing.T, text string) *File {
	t.Helper()
	f, err := Parse("drill.yaml", []byte(text), testCatalogue())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// messages are the mistakes of a text, without places.
func messages(t *testing.T, text string) []string {
	t.Helper()
	_, err := Parse("drill.yaml", []byte(text), testCatalogue())
	var m *Mistakes
	if err == nil {
		return nil
	}
	if !errors.As(err, &m) {
		t.Fatal(err)
	}
	var all []string
	for _, mistake := range m.List {
		all = append(all, mistake.Message)
	}
	return all
}

// timeline prints the steps of a case.
func timeline(t *testing.T, f *File, path string) string {
	t.Helper()
	cases, err := f.Select(path)
	if err != nil || len(cases) != 1 {
		t.Fatalf("want one case %q, have %d, %v", path, len(cases), err)
	}
	var lines []string
	for _, n := range cases[0].trees[0].tree.get("timeline").items {
		lines = append(lines, flow(n))
	}
	return strings.Join(lines, "\n")
}

const twoSteps = `timeline:
  - {at: 10s, do: upgrade, machine: nas-a, with: {firmware: 5.03}, want: refused, step: first}
  - {after: sync, of: active, done: 50%, plus: 1s, cut: lan, from: nas-a, for: 5s, step: second}
`

// TestSteps is the table of what an overlay does to a step.
func TestSteps(t *testing.T) {
	first := "{at: 10s, do: upgrade, machine: nas-a, with: {firmware: 5.03}, want: refused, step: first}"
	second := "{after: sync, of: active, done: 50%, plus: 1s, cut: lan, from: nas-a, for: 5s, step: second}"
	for overlay, want := range map[string]string{
		`{}`: first + "\n" + second,
		// Maps merge, all else is replaced.
		`first: {with: {firmware: 5.04}}`:          strings.Replace(first, "5.03", "5.04", 1) + "\n" + second,
		`first: {want: ok}`:                        strings.Replace(first, "refused", "ok", 1) + "\n" + second,
		`first: {want: {status: 403}}`:             strings.Replace(first, "refused", "{status: 403}", 1) + "\n" + second,
		`second: {plus: 2s}`:                       first + "\n" + strings.Replace(second, "1s", "2s", 1),
		`second: {done: 99%, to: nas-b, for: 10s}`: first + "\n{after: sync, of: active, done: 99%, plus: 1s, cut: lan, from: nas-a, to: nas-b, for: 10s, step: second}",
		// Another time replaces the whole time.
		`second: {then: 1m}`:              first + "\n{then: 1m, cut: lan, from: nas-a, for: 5s, step: second}",
		`second: {after: sync}`:           first + "\n{after: sync, cut: lan, from: nas-a, for: 5s, step: second}",
		`second: {at: 1m, from: nas-b}`:   first + "\n{at: 1m, cut: lan, from: nas-b, for: 5s, step: second}",
		`first: {after: ready, plus: 1s}`: "{after: ready, plus: 1s, do: upgrade, machine: nas-a, with: {firmware: 5.03}, want: refused, step: first}\n" + second,
		// A verb drops the old `with`, another verb every old adverb.
		`first: {do: reboot}`:                            "{at: 10s, do: reboot, machine: nas-a, want: refused, step: first}\n" + second,
		`first: {do: upgrade, with: {firmware: 6}}`:      strings.Replace(first, "5.03", "6", 1) + "\n" + second,
		`first: {probe: up, machine: nas-b, want: down}`: "{at: 10s, probe: up, machine: nas-b, want: down, step: first}\n" + second,
		`second: {cut: wire}`:                            first + "\n" + strings.Replace(second, "lan", "wire", 1),
		`second: {freeze: nas-b}`:                        first + "\n{after: sync, of: active, done: 50%, plus: 1s, freeze: nas-b, for: 5s, step: second}",
		// nth belongs to what it stands behind.
		`second: {break_disk: nas-a, how: eio, nth: 2}`:              first + "\n{after: sync, of: active, done: 50%, plus: 1s, break_disk: nas-a, how: eio, nth: 2, for: 5s, step: second}",
		`second: {after: sync, nth: 2, break_disk: nas-a, how: eio}`: first + "\n{after: sync, nth: 2, break_disk: nas-a, how: eio, for: 5s, step: second}",
		`second: {nth: 2}`: first + "\n" + strings.Replace(second, "plus: 1s,", "plus: 1s, nth: 2,", 1),
		// Whole steps.
		`second: skip`:                    first,
		`first: skip`:                     second,
		`first: twice`:                    first + "\n{then: 0s, do: upgrade, machine: nas-a, with: {firmware: 5.03}, want: refused, step: first-again}\n" + second,
		`first: {want: ok}, second: skip`: strings.Replace(first, "refused", "ok", 1),
		// Times stay where they are.
		`first: swap`: "{at: 10s, cut: lan, from: nas-a, for: 5s, step: second}\n{after: sync, of: active, done: 50%, plus: 1s, " +
			"do: upgrade, machine: nas-a, with: {firmware: 5.03}, want: refused, step: first}",
	} {
		if overlay != "{}" {
			overlay = "{" + overlay + "}"
		}
		f := parse1(t, sample(twoSteps+"variants: {v: {x: {steps: "+overlay+"}}}\n"))
		if diff := cmp.Diff(want, timeline(t, f, "x")); diff != "" {
			t.Errorf("%s (-want +have):\n%s", overlay, diff)
		}
	}
}

// TestSkipStays checks that a step which one axis leaves out does not come back when another changes it, in either order.
func TestSkipStays(t *testing.T) {
	skip, change := "a: {gone: {steps: {second: skip}}, there: {}}", "b: {late: {steps: {second: {for: 1m}}}, usual: {}}"
	for _, axes := range []string{skip + ", " + change, change + ", " + skip} {
		f := parse1(t, sample(twoSteps+"variants: {"+axes+"}\n"))
		if have := timeline(t, f, "gone/late"); strings.Contains(have, "second") {
			t.Errorf("%s: want no second step, have %s", axes, have)
		}
		if have := timeline(t, f, "there/late"); !strings.Contains(have, "for: 1m, step: second") {
			t.Errorf("%s: want the second step changed, have %s", axes, have)
		}
	}
}

func names(cases []*Case) []string {
	var all []string
	for _, c := range cases {
		all = append(all, c.Name)
	}
	return all
}

func TestVariants(t *testing.T) {
	f := parse1(t, sample(`timeline:
  - {at: 10s, cut: lan, step: blow}
  - {then: 5s, heal: lan, only: [long, checks-2], except: in-place/checks-2}
  - {then: 5s, heal: wire, only: long/in-place}
expect:
  - {never: served, only: short}
  - {happens: served, except: short}
variants:
  outage:
    long:  {stop: 2h, machines: {nas-a: {data: 2MB}}, segments: {management: {latency: 0s}}}
    short: {seeds: 7, settle: 1m}
  checks: {each: {machines: {nas-a: {raid_volumes: [1, 2]}}}}
  apply:  {each: {defaults: {pair: {sync: [atomic, in-place]}}}}
except: short/checks-2
cases:
  - {only: long/atomic, stop: 3h, steps: {blow: {at: 20s}}}
`))
	want := []string{"drill/long/checks-1/atomic", "drill/long/checks-1/in-place", "drill/long/checks-2/atomic",
		"drill/long/checks-2/in-place", "drill/short/checks-1/atomic", "drill/short/checks-1/in-place"}
	if diff := cmp.Diff(want, names(f.Cases)); diff != "" {
		t.Fatal(diff)
	}
	for _, c := range []struct {
		path          string
		stop          string
		steps, claims int
		first         string
		volumes       int
		sync, data    string
		seeds         Seeds
		settle, mgmt  string
	}{
		{"long/checks-1/atomic", "3h", 2, 1, "20s", 1, "atomic", "2MB", Seeds{1, 10}, "10m", "0s"},
		{"long/checks-2/in-place", "2h", 2, 1, "10s", 2, "in-place", "2MB", Seeds{1, 10}, "10m", "0s"},
		{"long/checks-1/in-place", "2h", 3, 1, "10s", 1, "in-place", "2MB", Seeds{1, 10}, "10m", "0s"},
		{"short/in-place", "1h", 1, 1, "10s", 1, "in-place", "1MB", Seeds{7, 7}, "1m", "100us"},
	} {
		cases, err := f.Select(c.path)
		if err != nil || len(cases) != 1 {
			t.Fatal(c.path, names(cases), err)
		}
		s, err := cases[0].Scenario(1)
		if err != nil {
			t.Fatal(err)
		}
		config := s.Machines[0].Config.(*unitConfig)
		have := []any{s.Stop.String(), len(s.Timeline), len(s.Expect), s.Timeline[0].When.At.String(), config.RaidVolumes, config.Sync,
			config.Data.String(), cases[0].Seeds, s.Settle.String(), s.Segments[len(s.Segments)-1].Base.Latency.String()}
		long := map[string]string{"3h": "3h0m0s", "2h": "2h0m0s", "1h": "1h0m0s", "10m": "10m0s", "1m": "1m0s", "100us": "100µs", "0s": "0s"}
		want := []any{long[c.stop], c.steps, c.claims, c.first, c.volumes, c.sync, c.data, c.seeds, long[c.settle], long[c.mgmt]}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("%s (-want +have):\n%s", c.path, diff)
		}
	}
}

// TestLaterAxesWin checks that of two overlays of one thing the one of the later axis holds, and `cases` after all.
func TestLaterAxesWin(t *testing.T) {
	f := parse1(t, sample(twoSteps+`variants:
  a: {a1: {stop: 2h}}
  b: {b1: {stop: 3h}, b2: {}}
cases:
  - {only: b1, settle: 1s}
  - {only: a1/b1, settle: 2s}
`))
	for path, want := range map[string]string{"a1/b1": "stop: 3h settle: 2s", "a1/b2": "stop: 2h settle: "} {
		cases, err := f.Select(path)
		if err != nil {
			t.Fatal(err)
		}
		settle := ""
		if n := cases[0].trees[0].tree.get("settle"); n != nil {
			settle = n.text
		}
		if have := "stop: " + cases[0].trees[0].tree.get("stop").text + " settle: " + settle; have != want {
			t.Errorf("%s: want %s, have %s", path, want, have)
		}
	}
}

func TestSelect(t *testing.T) {
	f := parse1(t, sample(twoSteps+"variants: {a: {a1: {}, a2: {}}, b: {b1: {}, b2: {}}}\nexcept: a2/b2\n"))
	for path, want := range map[string]string{
		"": "drill/a1/b1 drill/a1/b2 drill/a2/b1", "a1": "drill/a1/b1 drill/a1/b2", "b1": "drill/a1/b1 drill/a2/b1",
		"b1/a2": "drill/a2/b1", "a2/b2": "no case of drill has a2 and b2", "a3": `no value "a3"; there are a1, a2, b1, b2 in drill`,
		"a1/": `no value ""; there are a1, b1, b2, a2 in drill`,
	} {
		cases, err := f.Select(path)
		have := strings.Join(names(cases), " ")
		if err != nil {
			have = err.Error()
		}
		if have != want {
			t.Errorf("%q: want %s, have %s", path, want, have)
		}
	}
	if _, err := parse1(t, sample(twoSteps)).Select("a"); err == nil || !strings.Contains(err.Error(), `no value "a"; there is none`) {
		t.Errorf("want no value in a file without variants, have %v", err)
	}
}

// TestManyCases holds the bound on the product.
func TestManyCases(t *testing.T) {
	values := func(axis string, n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(axis + string(rune('a'+i)) + ": {}, ")
		}
		return axis + ": {" + b.String() + "}"
	}
	axes := func(last int) string {
		return sample(twoSteps + "variants: {" + values("u", 16) + ", " + values("v", 16) + ", " + values("w", last) + "}\n")
	}
	if f := parse1(t, axes(4)); len(f.Cases) != MaxCases {
		t.Errorf("want %d cases, have %d", MaxCases, len(f.Cases))
	}
	if have := messages(t, axes(5)); !slices.Contains(have, "the variants make more than 1024 cases; split the file") {
		t.Errorf("want the product bounded, have %q", have)
	}
}

// TestOnlyWorld checks that the world's name serves in a path.
func TestOnlyWorld(t *testing.T) {
	f := parse1(t, sample("timeline:\n  - {at: 1s, cut: lan, only: virtual}\n  - {at: 2s, cut: lan, except: virtual}\n"))
	if s, err := f.Cases[0].Scenario(1); err != nil || len(s.Timeline) != 1 || s.Timeline[0].Name != "step-1" {
		t.Errorf("want the first step alone, have %v, %v", s, err)
	}
}

// TestAxes checks that a scenario knows the axes of its file, in the order of the file, whatever its own values are.
func TestAxes(t *testing.T) {
	f := parse1(t, sample(twoSteps+"variants:\n  size: {large: {}, small: {}}\n"+
		"  latency: {each: {segments: {lan: {latency: [9ms, 10ms]}}}}\n"))
	want := []Axis{{"size", []string{"large", "small"}}, {"latency", []string{"latency-9ms", "latency-10ms"}}}
	for _, c := range f.Cases {
		s, err := c.Scenario(1)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, s.Axes); diff != "" {
			t.Errorf("%s (-want +have):\n%s", c.Name, diff)
		}
	}
	if f := parse1(t, sample(twoSteps)); f.Axes != nil {
		t.Errorf("want no axis, have %v", f.Axes)
	}
}

// The defaults of a kind can say how many machines each of its machines is.
func TestCountInDefaults(t *testing.T) {
	f, err := Parse("a text", []byte(strings.ReplaceAll(small, "power_off: nas-a}]", "power_off: nas-a-2}]\ndefaults: {pair: {count: 3}}")), testCatalogue())
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.Cases[0].Scenario(1)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range s.Machines {
		names = append(names, m.Name)
	}
	if have := strings.Join(names, " "); have != "nas-a-1 nas-a-2 nas-a-3" {
		t.Errorf("machines %s", have)
	}
}
