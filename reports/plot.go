package reports

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Plot shows how one figure came out over many plays: a row for each case.
type Plot struct {
	Name, Unit string
	Max        float64 // the right end of the scale; the left one is 0
	Rows       []Row
	More       int // rows that are left out
}

// Row is the figure in the plays of one case.
type Row struct {
	Case string
	Spread
	Dots []Dot
}

// Dot stands for plays that came out about the same.
type Dot struct {
	At float64 // in hundredths of the scale
	N  int
}

// How many cases a plot shows, and how many places a dot can have on its scale.
const (
	rowsMax = 30
	places  = 80
)

// plots gathers every figure that the plays have and that is not plotted along axes, the phases of a
// takeover first, in the order in which they follow each other.
func plots(plays []Digest, along []Plotted) []Plot {
	var list []Plot
	values := map[string]map[string][]float64{}
	var cases []string
	for i := range plays {
		p := &plays[i]
		if !slices.Contains(cases[max(0, len(cases)-1):], p.Case) {
			cases = append(cases, p.Case)
		}
		for _, m := range p.Measures {
			if m.Declared && slices.ContainsFunc(along, func(a Plotted) bool { return a.covers(p.Case, m.Name) }) {
				continue
			}
			if values[m.Name] == nil {
				if len(list) == plotsMax {
					continue
				}
				values[m.Name] = map[string][]float64{}
				list = append(list, Plot{Name: m.Name, Unit: m.Unit})
			}
			values[m.Name][p.Case] = append(values[m.Name][p.Case], m.Value)
		}
	}
	slices.SortStableFunc(list, func(a, b Plot) int { return cmp.Compare(phase(a.Name), phase(b.Name)) })
	for i := range list {
		list[i].fill(cases, values[list[i].Name])
	}
	return slices.DeleteFunc(list, func(p Plot) bool { return p.Max == 0 }) // All are zero: there is nothing to see.
}

// phase is 0 for the parts of a takeover, 1 for any other figure.
func phase(name string) int {
	if strings.HasPrefix(name, "takeover") {
		return 0
	}
	return 1
}

func (p *Plot) fill(cases []string, values map[string][]float64) {
	for _, of := range values {
		for _, v := range of {
			p.Max = max(p.Max, v)
		}
	}
	for _, c := range cases {
		of := values[c]
		switch {
		case len(of) == 0:
		case len(p.Rows) == rowsMax:
			p.More++
		default:
			p.Rows = append(p.Rows, newRow(c, of, p.Max))
		}
	}
}

func newRow(of string, values []float64, top float64) Row {
	r := Row{Case: of, Spread: newSpread(values)}
	for _, v := range values {
		place := 0.0
		if top > 0 {
			place = math.Round(max(0, v)/top*places) * 100 / places
		}
		if n := len(r.Dots); n > 0 && r.Dots[n-1].At == place {
			r.Dots[n-1].N++
		} else {
			r.Dots = append(r.Dots, Dot{place, 1})
		}
	}
	return r
}

// Radius is the size of a dot: its area grows with what it stands for, up to a limit.
func (d Dot) Radius() float64 { return math.Round(min(6, 2+math.Sqrt(float64(d.N)-1))*10) / 10 }

// RadiusX is the radius along a scale that is twice as wide as it is drawn.
func (d Dot) RadiusX() float64 { return d.Radius() / 2 }

// figure is a value with its unit: 61s, 7.4MiB, 1882.
func figure(v float64, unit string) string {
	switch {
	case unit == "s" && math.Abs(v) < 1e9:
		return brief(Seconds(v * 1e9))
	case unit == "bytes":
		return bytesText(v)
	case v == math.Trunc(v) && math.Abs(v) < 1e15:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.4g", v)
}

func bytesText(v float64) string {
	unit := "B"
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB", "PiB"} {
		if math.Abs(v) < 999.5 {
			break
		}
		v, unit = v/1024, next
	}
	return fmt.Sprintf("%.3g %s", v, unit)
}
