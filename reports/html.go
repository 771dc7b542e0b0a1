package reports

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"firedrill/scenarios/expect"
)

//go:embed page
var pageFiles embed.FS

// Page is the data of the HTML report.
type Page struct {
	Title  string
	Names  []string // of the scenarios
	Common string   // what the names of all cases begin with
	Plays  int
	Tally  []Tally
	Shown  []Shown
	Cases  []CaseRow
	More   int // cases that are left out
	Hidden int // more ways in which cases failed, of which no play is shown
	Wrong  []string
	Along  []Plotted
	Plots  []Plot
	Style  template.CSS
	Script template.JS
}

// Plotted is a measure over all cases: along each axis, and as a table.
type Plotted struct {
	Series
	Plots []Along
	More  int // cells that the table leaves out
}

// Tally is how many plays had a verdict.
type Tally struct {
	Verdict expect.Verdict
	N       int
}

// Shown is a play in full.
type Shown struct {
	*Run
	Headline
	Claims []Claim // the worst first
	Idle   []Claim // had nothing to judge
	Phases []Phase
	Data   Drawing
}

// Phase is one part of a takeover, for a bar: where it begins and how wide it is, in hundredths of
// the whole.
type Phase struct {
	Name     string
	Length   string
	At, Wide float64
}

// Drawing is what the script draws.
type Drawing struct {
	End      Seconds   `json:"end"`
	Verdict  string    `json:"verdict"`
	From     Seconds   `json:"from"` // what to look at first
	Until    Seconds   `json:"until"`
	Cause    Seconds   `json:"cause"` // of the fault before it; From, where there is none
	Marked   bool      `json:"marked"`
	What     string    `json:"what"`
	Steps    []Step    `json:"steps"`
	Faults   []Fault   `json:"faults"`
	Machines []Laned   `json:"machines"`
	Clients  []Clients `json:"clients"`
	Breaches []Breach  `json:"breaches"`
}

// Laned is a machine with a link to the log of its program; "": there is none.
type Laned struct {
	Machine
	Log string `json:"log,omitempty"`
}

// MarshalJSON writes what is not printable as escapes, as in every other file.
func (d Drawing) MarshalJSON() ([]byte, error) {
	type bare Drawing
	return encode(bare(d), "")
}

// CaseRow is a case over all its seeds.
type CaseRow struct {
	Case  string
	Plays int
	Tally []Tally
	Seeds []SeedLink // those worth looking at: the first of each way to fail
}

// SeedLink is a seed, and where its play is shown; -1: not in this report.
type SeedLink struct {
	Seed  uint64
	Why   string
	Shown int
}

// casesMax is how many cases the table of all plays has, plotsMax how many figures are plotted, textMax
// how much of a text that came from a node is shown.
const (
	casesMax = 200
	plotsMax = 60
	textMax  = 2000
)

// NewPage puts together the report of some scenarios.
func NewPage(all []*Results) *Page {
	p := &Page{}
	var runs []*Run
	var plays []Digest
	for _, r := range all {
		p.Names = append(p.Names, r.Name)
		runs = append(runs, r.Runs...)
		plays = append(plays, r.Plays...)
		p.Wrong = append(p.Wrong, r.Wrong...)
	}
	slices.SortStableFunc(runs, compareRuns)
	names := p.Names
	p.Title = strings.Join(names[:min(len(names), 3)], ", ")
	if len(names) == 1 {
		p.Common = names[0] + "/"
	}
	if more := len(names) - 3; more > 0 {
		p.Title += fmt.Sprintf(" and %d more", more)
	}
	for _, r := range runs[:min(len(runs), runsMax)] {
		p.Shown = append(p.Shown, newShown(r))
	}
	p.Plays, p.Tally = len(plays), tally(plays)
	p.addCases(plays)
	for _, r := range all {
		p.addAlong(r)
	}
	if len(plays) > 1 {
		p.Plots = plots(plays, p.Along)
	}
	return p
}

// addAlong plots the measures of a scenario along its axes.
func (p *Page) addAlong(r *Results) {
	var g gathered
	for i := range r.Plays {
		g.add(r.Plays[i].Case, r.Plays[i].Measures)
	}
	for _, s := range g.series(r.Name, r.Axes) {
		if len(s.Axes) == 0 || len(p.Along) == plotsMax {
			continue
		}
		one := Plotted{Series: s, Plots: s.along(), More: max(0, len(s.Cells)-casesMax)}
		one.Cells = s.Cells[:len(s.Cells)-one.More]
		p.Along = append(p.Along, one)
	}
}

func newShown(r *Run) Shown {
	f := r.Focus()
	s := Shown{Run: r, Headline: r.Headline(), Phases: phases(&r.Play)}
	s.Data = Drawing{End: r.VirtualSeconds, Verdict: string(r.Verdict), From: f.From, Until: f.Until,
		Cause: f.From, Marked: f.any,
		What: s.What, Steps: r.Steps, Faults: slices.Clone(r.Faults), Machines: []Laned{}, Clients: r.Clients, Breaches: r.Breaches}
	for i := range s.Data.Faults {
		s.Data.Faults[i].Receipt = evident(s.Data.Faults[i].Receipt)
	}
	for _, m := range r.Machines {
		s.Data.Machines = append(s.Data.Machines, Laned{m, r.logs[m.Name]})
	}
	for _, c := range r.Claims {
		if c.Verdict == expect.Idle {
			s.Idle = append(s.Idle, c)
		} else {
			s.Claims = append(s.Claims, c)
		}
	}
	slices.SortStableFunc(s.Claims, func(a, b Claim) int { return told(a.Verdict) - told(b.Verdict) })
	if c := r.cause(f.From); c != nil {
		s.Data.Cause = c.From
	}
	return s
}

// told is the place of a verdict in the table of claims.
func told(v expect.Verdict) int {
	if n := slices.Index(verdicts, v); n >= 0 {
		return n
	}
	return len(verdicts)
}

// phases are those of the first takeover that was judged.
func phases(p *Play) []Phase {
	var list []Phase
	total := 0.0
	for _, m := range takeoverPhases(p) {
		list = append(list, Phase{Name: m.Name, Length: figure(m.Value, m.Unit), At: total, Wide: m.Value})
		total += m.Value
	}
	if total == 0 {
		return nil
	}
	for i := range list {
		list[i].At, list[i].Wide = list[i].At/total*100, list[i].Wide/total*100
	}
	return list
}

// takeoverPhases are the figures of a takeover's phases, without the word that they begin with.
func takeoverPhases(p *Play) []Measure {
	var list []Measure
	for _, m := range newDigest(p).Measures {
		if name, found := strings.CutPrefix(m.Name, "takeover_"); found && m.Unit == "s" && m.Value >= 0 {
			m.Name = name
			list = append(list, m)
		}
	}
	return list
}

func tally(plays []Digest) []Tally {
	var list []Tally
	for _, v := range verdicts {
		n := 0
		for i := range plays {
			if plays[i].Verdict == v {
				n++
			}
		}
		if n > 0 {
			list = append(list, Tally{v, n})
		}
	}
	return list
}

// addCases makes the table of all plays, which are in the order of their cases.
func (p *Page) addCases(plays []Digest) {
	for len(plays) > 0 {
		n := 1
		for n < len(plays) && plays[n].Case == plays[0].Case {
			n++
		}
		if len(p.Cases) == casesMax {
			p.More++
		} else {
			p.Cases = append(p.Cases, p.newCase(plays[:n]))
		}
		plays = plays[n:]
	}
	slices.SortStableFunc(p.Cases, func(a, b CaseRow) int {
		return slices.Index(verdicts, a.worst()) - slices.Index(verdicts, b.worst())
	})
}

func (c *CaseRow) worst() expect.Verdict {
	if len(c.Tally) == 0 {
		return expect.Pass
	}
	return c.Tally[0].Verdict
}

func (p *Page) newCase(plays []Digest) CaseRow {
	row := CaseRow{Case: plays[0].Case, Plays: len(plays), Tally: tally(plays)}
	for i := range plays {
		d := &plays[i]
		why := strings.Join(d.Failed, ", ")
		if why == "" {
			why = string(d.Verdict)
		}
		known := slices.ContainsFunc(row.Seeds, func(s SeedLink) bool { return s.Why == why })
		if known || len(row.Seeds) == 5 {
			continue
		}
		at := slices.IndexFunc(p.Shown, func(s Shown) bool { return s.Case == d.Case && s.Seed == d.Seed })
		if at < 0 && len(d.Failed) > 0 {
			p.Hidden++
		}
		row.Seeds = append(row.Seeds, SeedLink{d.Seed, why, at})
	}
	return row
}

// page is the template. What comes from nodes and results is data in it: html/template escapes it
// by where it stands.
var page = template.Must(template.New("page.html").Funcs(template.FuncMap{
	"clock": func(s Seconds) string { return brief(s) },
	"exact": func(s Seconds) string { return Moment{At: s.duration()}.clock() },
	"show":  show, "evident": evident, "figure": figure, "bare": bare,
	"without":     func(common, name string) string { return strings.TrimPrefix(name, common) },
	"bytes":       func(n int64) string { return bytesText(float64(n)) },
	"undoing":     func(f Fault) bool { return f.undoing() },
	"mark":        func(look int) template.HTMLAttr { return template.HTMLAttr(marks[look%len(marks)]) },
	"negative":    func(v float64) float64 { return -v },
	"add":         func(a, b float64) float64 { return a + b },
	"percent":     func(v, top float64) float64 { return v / max(top, 1e-12) * 100 },
	"percentLess": func(v, top float64) float64 { return -v / max(top, 1e-12) * 100 },
}).ParseFS(pageFiles, "page/page.html"))

// show is a text of a node as it can be read: without what a screen would obey, and not all of it
// if it is long.
func show(text string) string {
	if len(text) > textMax {
		n := textMax
		for n > 0 && !utf8.RuneStart(text[n]) {
			n--
		}
		text = fmt.Sprintf("%s ... (%d bytes)", text[:n], len(text))
	}
	return Printable(text)
}

// WriteHTML writes the report as one file that needs nothing else.
func WriteHTML(w io.Writer, all []*Results) error {
	p := NewPage(all)
	style, err := pageFiles.ReadFile("page/page.css")
	if err != nil {
		return err
	}
	script, err := pageFiles.ReadFile("page/page.js")
	if err != nil {
		return err
	}
	p.Style, p.Script = template.CSS(style), template.JS(script)
	return page.Execute(w, p)
}
