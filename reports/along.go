package reports

import (
	"cmp"
	"encoding"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"firedrill/nodes"
	"firedrill/scenarios"
)

// Along is a measure plotted along one axis of its scenario: a line for each value of the other axes.
// Places are those of the drawing, in its own units.
type Along struct {
	Axis           string
	Unit           string
	LogX, LogY     bool
	XTicks, YTicks []Tick
	Lines          []Curve
	More           int // lines that are left to the table
}

// Tick is a value on a scale, and where it stands.
type Tick struct {
	At   float64
	Row  int // of two, so that neighbours do not run into each other
	Text string
	Full string // what Text is short for
}

// Curve is the measure while all axes but one stand still.
type Curve struct {
	Name   string // the values of the other axes; "": there are none
	Look   int    // which colour and mark it has
	Path   string // through the medians
	Points []Point
}

// Point is a case: its median, and from the least to the most.
type Point struct {
	X, Y, Low, High float64
	Told            string // the figures in words
}

// The drawing: its size, what lies around the plot itself, and how many lines can be told apart in it.
const (
	alongWidth, alongHeight = 560.0, 300.0
	alongLeft, alongRight   = 62.0, 14.0
	alongTop, alongBottom   = 12.0, 48.0
	curvesMax               = 6
)

// marks are the outlines of a line's marks around a place, so that lines can be told apart without colours.
var marks = [curvesMax]string{
	"m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z", "m-3.6 -3.6h7.2v7.2h-7.2z", "m0 -5l5 9h-10z",
	"m0 -5.5l5.5 5.5l-5.5 5.5l-5.5 -5.5z", "m0 5l5 -9h-10z", "m-5 -1.6h3.4v-3.4h3.2v3.4h3.4v3.2h-3.4v3.4h-3.2v-3.4h-3.4z",
}

// along plots a series along each of its axes.
func (s *Series) along() []Along {
	var list []Along
	for n := range s.Axes {
		list = append(list, s.alongAxis(n))
	}
	return list
}

func (s *Series) alongAxis(n int) Along {
	x := newScaleX(s.Axes[n], s.used(n))
	y := s.newScaleY()
	a := Along{Axis: s.Axes[n].Name, Unit: s.Unit, LogX: x.log, LogY: y.log, XTicks: x.ticks, YTicks: y.marks(s.Unit)}
	curves := map[string]*Curve{}
	var order []*Curve
	for i := range s.Cells {
		c := &s.Cells[i]
		name := s.others(c, n)
		if curves[name] == nil {
			curves[name] = &Curve{Name: name, Look: len(order)}
			order = append(order, curves[name])
		}
	}
	a.More = max(0, len(order)-curvesMax)
	for i := range s.Cells {
		c := &s.Cells[i]
		curve := curves[s.others(c, n)]
		if curve.Look >= curvesMax {
			continue
		}
		aside := 5 * (float64(curve.Look) - float64(len(order)-a.More-1)/2) // So that ranges do not hide each other.
		curve.Points = append(curve.Points, Point{X: x.at[c.places[n]] + aside, Y: y.place(c.Median), Low: y.place(c.Min),
			High: y.place(c.High), Told: s.told(c)})
	}
	for _, c := range order[:len(order)-a.More] {
		c.draw()
		a.Lines = append(a.Lines, *c)
	}
	return a
}

// used are the places of an axis at which there is something to plot.
func (s *Series) used(n int) []int {
	var list []int
	for i := range s.Cells {
		list = append(list, s.Cells[i].places[n])
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// others names the values of a cell on all axes but one.
func (s *Series) others(c *Cell, n int) string {
	var words []string
	for i, a := range s.Axes {
		if i != n {
			words = append(words, a.Name+" "+bare(a.Name, c.Values[i]))
		}
	}
	return strings.Join(words, ", ")
}

// told is a cell in words.
func (s *Series) told(c *Cell) string {
	words := make([]string, 0, len(s.Axes))
	for i, a := range s.Axes {
		words = append(words, a.Name+" "+bare(a.Name, c.Values[i]))
	}
	text := figure(c.Median, s.Unit) + " in the one play"
	if c.N > 1 {
		text = fmt.Sprintf("median %s of %d plays, %s to %s; middle half %s to %s", figure(c.Median, s.Unit), c.N,
			figure(c.Min, s.Unit), figure(c.High, s.Unit), figure(c.Q1, s.Unit), figure(c.Q3, s.Unit))
	}
	return strings.Join(words, ", ") + ": " + text
}

// draw joins the medians, from left to right.
func (c *Curve) draw() {
	slices.SortStableFunc(c.Points, func(a, b Point) int { return cmp.Compare(a.X, b.X) })
	var b strings.Builder
	for i, p := range c.Points {
		command := "L"
		if i == 0 {
			command = "M"
		}
		fmt.Fprintf(&b, "%s%.1f %.1f", command, p.X, p.Y)
	}
	c.Path = b.String()
}

// scaleX is where the values of an axis stand.
type scaleX struct {
	log   bool
	at    map[int]float64 // by their places in the file
	ticks []Tick
}

// A scale is logarithmic where its largest value is so many times its smallest.
const decades = 20

// newScaleX puts values that are quantities at their amounts, and words side by side in the order of the file.
func newScaleX(axis scenarios.Axis, used []int) scaleX {
	amounts, numeric := quantities(axis, used)
	if !numeric {
		for i := range used {
			amounts = append(amounts, float64(i))
		}
	}
	least, most := slices.Min(amounts), slices.Max(amounts)
	x := scaleX{log: numeric && least > 0 && most/least >= decades, at: map[int]float64{}}
	const room = 34 // Beside the first and the last value.
	left, wide := alongLeft+room, alongWidth-alongLeft-alongRight-2*room
	for i, n := range used {
		share := 0.5
		switch {
		case x.log:
			share = math.Log(amounts[i]/least) / math.Log(most/least)
		case most > least:
			share = (amounts[i] - least) / (most - least)
		}
		x.at[n] = left + share*wide
		x.ticks = append(x.ticks, Tick{At: x.at[n], Full: bare(axis.Name, axis.Values[n])})
	}
	slices.SortStableFunc(x.ticks, func(a, b Tick) int { return cmp.Compare(a.At, b.At) })
	x.label()
	return x
}

// label gives every value its text, in two rows where one is too short, and none where both are.
func (x *scaleX) label() {
	const letter = 6.6
	free := [2]float64{math.Inf(-1), math.Inf(-1)} // Up to where each row is taken.
	for i := range x.ticks {
		t := &x.ticks[i]
		const longest = 16
		text := t.Full
		if utf8.RuneCountInString(text) > longest {
			text = string([]rune(text)[:longest-1]) + "\u2026"
		}
		half := float64(utf8.RuneCountInString(text)) * letter / 2
		for row := range free {
			if t.At-half > free[row] {
				t.Row, t.Text, free[row] = row, text, t.At+half+letter
				break
			}
		}
	}
}

// sorts read a quantity of one sort each.
var sorts = []func(string) (float64, error){
	func(s string) (float64, error) { d, err := nodes.ParseDuration(s); return d.Seconds(), err },
	amount(func(q nodes.Size) float64 { return float64(q) }),
	amount(func(q nodes.Bandwidth) float64 { return float64(q) }),
	amount(func(q nodes.Share) float64 { return float64(q) }),
	amount(func(q nodes.Drift) float64 { return float64(q) }),
	amount(func(q nodes.Rate) float64 { return float64(q.N) / q.Per.Seconds() }),
	func(s string) (float64, error) { n, err := strconv.ParseInt(s, 10, 52); return float64(n), err },
}

// amount reads quantities of one type.
func amount[T any, P interface {
	*T
	encoding.TextUnmarshaler
}](number func(T) float64) func(string) (float64, error) {
	return func(text string) (float64, error) {
		var q T
		if err := P(&q).UnmarshalText([]byte(text)); err != nil {
			return 0, err
		}
		return number(q), nil
	}
}

// quantities are the amounts of values that are all quantities of one sort.
func quantities(axis scenarios.Axis, used []int) ([]float64, bool) {
	for _, read := range sorts {
		var amounts []float64
		for _, n := range used {
			v, err := read(bare(axis.Name, axis.Values[n]))
			if err != nil {
				break
			}
			amounts = append(amounts, v)
		}
		if len(amounts) == len(used) {
			return amounts, true
		}
	}
	return nil, false
}

// scaleY is what a measure can be: from 0, or logarithmic.
type scaleY struct {
	log         bool
	least, most float64
}

func (s *Series) newScaleY() scaleY {
	y := scaleY{least: math.Inf(1)}
	for i := range s.Cells {
		y.least, y.most = min(y.least, s.Cells[i].Min), max(y.most, s.Cells[i].High)
	}
	y.log = y.least > 0 && y.most/y.least >= decades
	if !y.log {
		y.least = 0
	}
	if y.most <= y.least {
		y.most = y.least + 1
	}
	return y
}

// place is where a value stands, from the top.
func (y scaleY) place(v float64) float64 {
	share := (v - y.least) / (y.most - y.least)
	if y.log {
		share = math.Log(v/y.least) / math.Log(y.most/y.least)
	}
	return alongHeight - alongBottom - max(0, share)*(alongHeight-alongTop-alongBottom)
}

// marks are four to eight round values.
func (y scaleY) marks(unit string) []Tick {
	var ticks []Tick
	add := func(v float64) {
		ticks = append(ticks, Tick{At: y.place(v), Text: figure(v, unit)})
	}
	round := roundValues(unit)
	if !y.log {
		step := round[len(round)-1]
		for _, r := range round {
			if y.most/r <= 6 {
				step = r
				break
			}
		}
		for n := 0.0; n*step <= y.most && n <= 10; n++ {
			add(n * step)
		}
		return ticks
	}
	var inside []float64
	for _, r := range round {
		if r >= y.least && r <= y.most {
			inside = append(inside, r)
		}
	}
	every := (len(inside) + 6) / 7
	for i := 0; i < len(inside); i += max(1, every) {
		add(inside[i])
	}
	return ticks
}

// roundValues are values that are easy to read in a unit, the smallest first.
func roundValues(unit string) []float64 {
	var list []float64
	switch unit {
	case "s":
		for v := 1e-9; v < 5; v *= 10 {
			list = append(list, v, 2*v, 5*v)
		}
		return append(list, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 4*3600, 12*3600, 86400, 2*86400,
			7*86400, 30*86400, 365*86400)
	case "bytes":
		for v := 1.0; v < 1<<60; v *= 1024 {
			for _, n := range []float64{1, 2, 5, 10, 20, 50, 100, 200, 500} {
				list = append(list, v*n)
			}
		}
		return list
	}
	for v := 1e-6; v < 1e15; v *= 10 {
		list = append(list, v, 2*v, 5*v)
	}
	return list
}
