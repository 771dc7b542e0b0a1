package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"firedrill/nodes"
	"firedrill/scenarios"
	"firedrill/scenarios/expect"
)

// Picture is what the report draws of a play. It is bounded, however long the play was: what comes in
// any number is counted by stretches of time, or cut off at a limit.
type Picture struct {
	Breaches []Breach  `json:"breaches"`
	Hazards  []Hazard  `json:"hazards"`
	Machines []Machine `json:"machines"`
	Clients  []Clients `json:"clients"`
	Losses   []Loss    `json:"losses"` // the first ones; Clients has how many there are
	Moments  []Line    `json:"moments"`
	Again    string    `json:"again,omitempty"` // the command that plays it once more
}

// How many of each a picture keeps, and into how many stretches of time a density is divided.
const (
	breachesMax = 100
	spansMax    = 2000
	lossesMax   = 50
	momentsMax  = 300
	stretches   = 600
)

// Breach is a stretch of time in which a claim did not hold, whether a hazard accounts for it or not.
type Breach struct {
	Claim    int      `json:"claim"` // its place among the claims
	From     Seconds  `json:"from"`
	Until    Seconds  `json:"until"`
	Machines []string `json:"machines,omitempty"`
	Text     string   `json:"text"`
	Loss     bool     `json:"loss,omitempty"` // of acknowledged writes
}

// Hazard is an instance of one that showed itself.
type Hazard struct {
	ID       string   `json:"id"`
	Doc      string   `json:"doc"`
	Expected bool     `json:"expected"`
	From     Seconds  `json:"from"`
	Until    Seconds  `json:"until"`
	Machines []string `json:"machines,omitempty"`
	Text     string   `json:"text"`
}

// Machine is a lane: what was true of one machine, as stretches of time.
type Machine struct {
	Name      string `json:"name"`
	Kind      string `json:"kind"`
	States    []Span `json:"states"`
	Role      []Span `json:"role"`
	Access    []Span `json:"access"`
	Phase     []Span `json:"phase"`
	Serving   []Span `json:"serving"`
	Addresses []Span `json:"addresses"` // further ones; the scope is the segment
}

// Span is a stretch of time with one value.
type Span struct {
	From  Seconds `json:"from"`
	Until Seconds `json:"until"`
	Value string  `json:"value"`
	Scope string  `json:"scope,omitempty"`
}

// Clients is what one group of clients asked for, and what became of it.
type Clients struct {
	Group        string     `json:"group"`
	Operations   Operations `json:"operations"`
	Acknowledged int        `json:"acknowledged"` // writes
	Lost         int        `json:"lost"`         // of these
	LostBytes    int64      `json:"lost_bytes"`
	Density      []Density  `json:"density"` // of the whole play, then of what lies around its worst moment
}

// Density counts operations by stretches of equal length, by when their results were known, and
// lost writes by when they were acknowledged.
type Density struct {
	From  Seconds `json:"from"`
	Width Seconds `json:"width"` // of a stretch
	Bins  Bins    `json:"bins"`
}

// Bins are stretches in order: the place of each, then how many were ok, failed, unknown, lost.
// Empty ones are left out. In JSON they are a text, since there are hundreds of them: `0:5 1:4,1
// 7:0,0,2`, without the zeros at the end of each.
type Bins [][5]int

// MarshalText writes the short form.
func (b Bins) MarshalText() ([]byte, error) {
	var text []byte
	for n, bin := range b {
		if n > 0 {
			text = append(text, ' ')
		}
		last := 4
		for last > 1 && bin[last] == 0 {
			last--
		}
		text = fmt.Appendf(text, "%d:%d", bin[0], bin[1])
		for _, count := range bin[2 : last+1] {
			text = fmt.Appendf(text, ",%d", count)
		}
	}
	return text, nil
}

// UnmarshalText reads it.
func (b *Bins) UnmarshalText(text []byte) error {
	*b = nil
	for word := range strings.FieldsSeq(string(text)) {
		place, counts, found := strings.Cut(word, ":")
		numbers := append([]string{place}, strings.Split(counts, ",")...)
		if !found || len(numbers) > 5 || len(*b) > 10*stretches {
			return fmt.Errorf("want a few hundred words such as 7:3,1, have %q", word)
		}
		var bin [5]int
		for i, digits := range numbers {
			n, err := strconv.ParseUint(digits, 10, 31)
			if err != nil {
				return fmt.Errorf("want words such as 7:3,1, have %q", word)
			}
			bin[i] = int(n)
		}
		*b = append(*b, bin)
	}
	return nil
}

// Loss is an acknowledged write that clients do not find again.
type Loss struct {
	At       Seconds `json:"at"` // acknowledged
	Client   string  `json:"client"`
	Verb     string  `json:"verb"`
	Path     string  `json:"path"`
	Bytes    int64   `json:"bytes"`
	ServedBy string  `json:"served_by"`
	Fate     string  `json:"fate"`
}

// Line is a line of the timeline.
type Line struct {
	At   Seconds `json:"at"`
	Text string  `json:"text"`
}

// newPicture draws the outcome of a play that has run.
func newPicture(o *scenarios.Outcome, r *Run) Picture {
	p := Picture{Breaches: []Breach{}, Hazards: []Hazard{}, Machines: []Machine{}, Clients: []Clients{}, Losses: []Loss{},
		Moments: []Line{}}
	for i, c := range o.Claims {
		breaches := c.Breaches
		if o.Judgement != nil && i < len(o.Judgement.Claims) {
			breaches = slices.Concat(breaches, o.Judgement.Claims[i].Excused)
		}
		for _, b := range breaches {
			if len(p.Breaches) < breachesMax {
				p.Breaches = append(p.Breaches, Breach{Claim: i, From: Seconds(b.From), Until: Seconds(b.Until),
					Machines: b.Machines, Text: b.Text, Loss: len(b.Lost) > 0})
			}
		}
	}
	if o.Judgement != nil {
		p.addHazards(o.Judgement.Hazards)
	}
	for _, lane := range o.Run.Timeline().Lanes {
		p.addLane(o.Run, lane)
	}
	r.Picture = p
	centre := r.Focus().From
	p.addClients(o.Run, time.Duration(centre), o.Virtual)
	p.addMoments(o, time.Duration(centre))
	return p
}

func (p *Picture) addHazards(shown []expect.Shown) {
	for _, h := range shown {
		for _, i := range h.Instances {
			if len(p.Hazards) < breachesMax {
				p.Hazards = append(p.Hazards, Hazard{ID: h.Hazard, Doc: h.Doc, Expected: h.Expected, From: Seconds(i.From),
					Until: Seconds(i.Until), Machines: i.Machines, Text: i.Text})
			}
		}
	}
}

// addLane adds a machine that has software of its own.
func (p *Picture) addLane(run *expect.Run, lane *expect.Lane) {
	n := slices.IndexFunc(run.Machines, func(m expect.Machine) bool { return m.Name == lane.Machine })
	if n < 0 || run.Machines[n].Kind == nil {
		return
	}
	p.Machines = append(p.Machines, Machine{
		Name: lane.Machine, Kind: run.Machines[n].Kind.Name, States: spans(lane.States), Role: spans(lane.Role),
		Access: spans(lane.Access), Phase: spans(lane.Phase), Serving: spans(lane.Serving), Addresses: spans(lane.Bound),
	})
}

func spans(intervals []expect.Interval) []Span {
	list := make([]Span, 0, min(len(intervals), spansMax))
	for _, i := range intervals[:min(len(intervals), spansMax)] {
		list = append(list, Span{Seconds(i.From), Seconds(i.Until), i.Value, i.Scope})
	}
	return list
}

// addClients counts what each group asked for: over the whole play, and ten times as finely around
// its centre.
func (p *Picture) addClients(run *expect.Run, centre, end time.Duration) {
	width := max(end/stretches, time.Millisecond)
	near := max(width/10, time.Millisecond)
	begin := max(0, centre-near*stretches/2)
	fates := run.Ledger().Fates
	counts := map[string][2]density{}
	for i := range run.History {
		op := &run.History[i]
		n := slices.IndexFunc(p.Clients, func(c Clients) bool { return c.Group == op.Group })
		if n < 0 {
			n = len(p.Clients)
			p.Clients = append(p.Clients, Clients{Group: op.Group})
			counts[op.Group] = [2]density{newDensity(0, width, end), newDensity(begin, near, min(end, begin+near*stretches))}
		}
		lost := fates[i].Lost()
		p.Clients[n].count(op, lost)
		for _, d := range counts[op.Group] {
			d.count(op, lost)
		}
		if lost && len(p.Losses) < lossesMax {
			p.Losses = append(p.Losses, Loss{At: Seconds(op.Done), Client: op.Client, Verb: op.Verb, Path: op.Path,
				Bytes: op.Size, ServedBy: op.ServedBy, Fate: fates[i].String()})
		}
	}
	for n := range p.Clients {
		for _, d := range counts[p.Clients[n].Group] {
			p.Clients[n].Density = append(p.Clients[n].Density, d.shown())
		}
	}
}

// Kept is how many acknowledged writes are still there.
func (c Clients) Kept() int { return c.Acknowledged - c.Lost }

func (c *Clients) count(op *nodes.Operation, lost bool) {
	c.Operations.count(op.Result)
	if op.Result == nodes.ResultOK && op.Verb != "get" {
		c.Acknowledged++
	}
	if lost {
		c.Lost++
		c.LostBytes += op.Size
	}
}

// count counts one result.
func (o *Operations) count(r nodes.Result) {
	switch r {
	case nodes.ResultOK:
		o.OK++
	case nodes.ResultFailed:
		o.Failed++
	case nodes.ResultUnknown:
		o.Unknown++
	}
}

// density is a Density that is being counted: the stretches are all there.
type density struct {
	from, width time.Duration
	bins        [][5]int
}

func newDensity(from, width, until time.Duration) density {
	return density{from, width, make([][5]int, max(0, (until-from)/width)+1)}
}

func (d density) count(op *nodes.Operation, lost bool) {
	n := (op.Done - d.from) / d.width
	if op.Done < d.from || int(n) >= len(d.bins) {
		return
	}
	switch op.Result {
	case nodes.ResultOK:
		d.bins[n][1]++
	case nodes.ResultFailed:
		d.bins[n][2]++
	case nodes.ResultUnknown:
		d.bins[n][3]++
	}
	if lost {
		d.bins[n][4]++
	}
}

func (d density) shown() Density {
	list := Bins{}
	for n, b := range d.bins {
		if b != [5]int{} {
			b[0] = n
			list = append(list, b)
		}
	}
	return Density{Seconds(d.from), Seconds(d.width), list}
}

// addMoments keeps the part of the timeline that lies nearest to the centre.
func (p *Picture) addMoments(o *scenarios.Outcome, centre time.Duration) {
	var also []int
	for _, c := range o.Claims {
		for _, b := range c.Breaches[:min(len(c.Breaches), breachesMax)] {
			also = append(also, b.Events...)
		}
	}
	all := Timeline(o.Run, also)
	n, _ := slices.BinarySearchFunc(all, centre, func(m Moment, at time.Duration) int { return cmp.Compare(m.At, at) })
	first := max(0, min(n-momentsMax/2, len(all)-momentsMax))
	for _, m := range all[first:min(len(all), first+momentsMax)] {
		p.Moments = append(p.Moments, Line{Seconds(m.At), m.Text})
	}
}
