package reports

import (
	"math"
	"slices"
	"strings"

	"firedrill/scenarios"
)

// Series is a measure of a scenario over the cases and seeds that were played.
type Series struct {
	Scenario, Name, Unit string
	Axes                 []scenarios.Axis // along which it was measured: those that have more than one value
	Cells                []Cell           // a case each, in the order of the file
}

// Cell is how a measure came out in the plays of one case.
type Cell struct {
	Values []string // of each axis of the series
	Spread
	places []int // of the values on their axes
}

// Spread is how a figure is spread over plays.
type Spread struct {
	N                         int
	Min, Q1, Median, Q3, High float64
}

// newSpread needs at least one value, and sorts them. Every figure in it is one that a play had.
func newSpread(values []float64) Spread {
	slices.Sort(values)
	at := func(q float64) float64 { return values[int(math.Round(q*float64(len(values)-1)))] }
	return Spread{N: len(values), Min: at(0), Q1: at(0.25), Median: at(0.5), Q3: at(0.75), High: at(1)}
}

// Label is the measure with what it counts, where its values do not say that: duration, copies (operations).
func (s *Series) Label() string {
	if s.Unit == "s" || s.Unit == "bytes" || s.Unit == "" {
		return s.Name
	}
	return s.Name + " (" + s.Unit + ")"
}

// Text is `61s`, or `61s (59s to 1m3s)` where it is not the same in all plays.
func (s Spread) Text(unit string) string {
	text := figure(s.Median, unit)
	if low, high := figure(s.Min, unit), figure(s.High, unit); low != high {
		text += " (" + low + " to " + high + ")"
	}
	return text
}

// gathered are the values of a scenario's measures, by measure and case, as plays come in.
type gathered struct {
	names  []string
	units  map[string]string
	values map[string]map[string][]float64
}

// declared are the figures of a play that its scenario has under `measure`. Of one that a claim bounds and
// that is told besides, both are the same.
func declared(o *scenarios.Outcome) []Measure {
	var list []Measure
	for _, c := range o.Claims {
		for _, m := range c.Measures {
			known := slices.ContainsFunc(list, func(have Measure) bool { return have.Name == m.Name })
			if c.Name == measured && !known {
				list = append(list, Measure{m.Name, m.Value, m.Unit, true})
			}
		}
	}
	return list
}

func (g *gathered) add(of string, measures []Measure) {
	if g.values == nil {
		g.units, g.values = map[string]string{}, map[string]map[string][]float64{}
	}
	for _, m := range measures {
		if !m.Declared {
			continue
		}
		if g.values[m.Name] == nil {
			g.names = append(g.names, m.Name)
			g.units[m.Name], g.values[m.Name] = m.Unit, map[string][]float64{}
		}
		g.values[m.Name][of] = append(g.values[m.Name][of], m.Value)
	}
}

// series are the measures in the order in which they were first told. A case whose name does not fit
// the axes has no place along them.
func (g *gathered) series(scenario string, axes []scenarios.Axis) []Series {
	list := make([]Series, 0, len(g.names))
	for _, name := range g.names {
		s := Series{Scenario: scenario, Name: name, Unit: g.units[name]}
		for of, values := range g.values[name] {
			if c, fits := newCell(of, scenario, axes, values); fits {
				s.Cells = append(s.Cells, c)
			}
		}
		slices.SortFunc(s.Cells, func(a, b Cell) int { return slices.Compare(a.places, b.places) })
		s.Axes = slices.Clone(axes)
		s.dropFixed()
		list = append(list, s)
	}
	return list
}

func newCell(of, scenario string, axes []scenarios.Axis, values []float64) (Cell, bool) {
	var c Cell
	if rest, found := strings.CutPrefix(of, scenario+"/"); found {
		c.Values = strings.Split(rest, "/")
	}
	if len(c.Values) != len(axes) {
		return c, false
	}
	for i, a := range axes {
		place := slices.Index(a.Values, c.Values[i])
		if place < 0 {
			return c, false
		}
		c.places = append(c.places, place)
	}
	c.Spread = newSpread(values)
	return c, true
}

// dropFixed takes out the axes along which nothing was compared.
func (s *Series) dropFixed() {
	for n := len(s.Axes) - 1; n >= 0; n-- {
		if slices.ContainsFunc(s.Cells, func(c Cell) bool { return c.places[n] != s.Cells[0].places[n] }) {
			continue
		}
		s.Axes = slices.Delete(s.Axes, n, n+1)
		for i := range s.Cells {
			s.Cells[i].Values = slices.Delete(s.Cells[i].Values, n, n+1)
			s.Cells[i].places = slices.Delete(s.Cells[i].places, n, n+1)
		}
	}
}

// bare is a value of an axis without the axis' name before it: 10mbit of bandwidth-10mbit.
func bare(axis, value string) string { return strings.TrimPrefix(value, axis+"-") }

// mergeAxes are the axes of results from several places: values that only a later one has come last.
// Where a scenario got other axes meanwhile, those that were read first stand.
func mergeAxes(have, more []scenarios.Axis) []scenarios.Axis {
	if len(have) == 0 {
		return more
	}
	same := slices.EqualFunc(have, more, func(a, b scenarios.Axis) bool { return a.Name == b.Name })
	for i := range have {
		for j := 0; same && j < len(more[i].Values); j++ {
			if v := more[i].Values[j]; !slices.Contains(have[i].Values, v) {
				have[i].Values = append(slices.Clip(have[i].Values), v)
			}
		}
	}
	return have
}

// covers reports whether the series is of this measure, and of the scenario of the case.
func (s *Series) covers(of, name string) bool {
	return s.Name == name && strings.HasPrefix(of, s.Scenario+"/")
}
