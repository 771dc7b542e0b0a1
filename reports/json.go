package reports

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode/utf16"

	"firedrill/scenarios"
	"firedrill/scenarios/expect"
)

// Play is one play as machines read it: a line of `firedrill run --json`.
type Play struct {
	Name           string         `json:"name"` // the scenario's
	Case           string         `json:"case"` // NAME/VALUE/..; as `firedrill run` takes it
	Seed           uint64         `json:"seed"`
	World          string         `json:"world"`
	TimeScale      int            `json:"time_scale,omitempty"` // of the kernel world
	Verdict        expect.Verdict `json:"verdict"`
	Hash           string         `json:"hash"` // 16 hexadecimal digits
	VirtualSeconds Seconds        `json:"virtual_seconds"`
	WallSeconds    float64        `json:"wall_seconds,omitempty"` // never in a file that has to be the same each time
	Claims         []Claim        `json:"claims"`
	Undocumented   []string       `json:"undocumented"`
	Doubt          string         `json:"doubt,omitempty"`  // why the world was not what it is to be: the play shows nothing
	Missed         []string       `json:"missed,omitempty"` // steps that hit nothing, or whose time never came
	Error          string         `json:"error,omitempty"`  // a fault of firedrill itself
}

// Claim is what was found of one claim.
type Claim struct {
	Name     string         `json:"name"`
	Text     string         `json:"text"` // as the scenario has it
	Verdict  expect.Verdict `json:"verdict"`
	Evidence []string       `json:"evidence"`
	Measures []Measure      `json:"measures,omitempty"`
}

// Measure is one figure.
type Measure struct {
	Name     string  `json:"name"`
	Value    float64 `json:"value"`
	Unit     string  `json:"unit"`
	Declared bool    `json:"declared,omitempty"` // by `measure` in the scenario, so that it is plotted along its axes
}

// Run is run.json: the play, and what was done to it.
type Run struct {
	Play
	Covers     []string         `json:"covers"`
	Axes       []scenarios.Axis `json:"axes,omitempty"` // of the scenario; Case has a value of each
	Steps      []Step           `json:"steps"`
	Faults     []Fault          `json:"faults"`
	Operations Operations       `json:"operations"`
	Events     int              `json:"events"`
	Picture

	dir  string            // where its files lie; "": nobody knows
	logs map[string]string // by machine: where a report finds the log of its program
}

// Step is a step that acted.
type Step struct {
	Name   string  `json:"step"`
	At     Seconds `json:"at"`
	Text   string  `json:"text"`             // as the user writes it, roles resolved
	Status int     `json:"status,omitempty"` // of the answer, where it asked for one
}

// Fault is a fault that was injected, and what it did.
type Fault struct {
	Step    string   `json:"step"`
	Text    string   `json:"text"`
	From    Seconds  `json:"from"`
	Until   *Seconds `json:"until"` // null: it lasted to the end
	Receipt string   `json:"receipt"`
}

// Operations counts what clients asked for, by result.
type Operations struct {
	OK      int `json:"ok"`
	Failed  int `json:"failed"`
	Unknown int `json:"unknown"`
}

// Seconds is a time in JSON: seconds with nine digits after the point, exactly.
type Seconds time.Duration

func (s Seconds) duration() time.Duration { return time.Duration(s) }

// UnmarshalJSON reads what MarshalJSON writes of a time in a run, and any other number without an exponent.
func (s *Seconds) UnmarshalJSON(text []byte) error {
	d, err := time.ParseDuration(string(text) + "s")
	switch {
	case err != nil:
		return fmt.Errorf("want a number of seconds, have %.60q", text)
	case d < 0:
		return fmt.Errorf("want a time from 0 on, have %s seconds", text)
	}
	*s = Seconds(d)
	return nil
}

// MarshalJSON writes 12.000000001.
func (s Seconds) MarshalJSON() ([]byte, error) { return s.append(nil), nil }

func (s Seconds) append(b []byte) []byte {
	if s < 0 {
		b, s = append(b, '-'), -s
	}
	return fmt.Appendf(b, "%d.%09d", s/Seconds(time.Second), s%Seconds(time.Second))
}

// measured is the claim that tells what `measure` names.
var measured = (*expect.Measured)(nil).Name()

// NewPlay is the outcome without its wall-clock time.
func NewPlay(o *scenarios.Outcome) Play {
	p := Play{
		Name: o.Scenario.Name, Case: o.Scenario.Case, Seed: o.Scenario.Seed, Verdict: o.Verdict,
		Hash: fmt.Sprintf("%016x", o.Hash), VirtualSeconds: Seconds(o.Virtual),
		Claims: []Claim{}, Undocumented: append([]string{}, o.Undocumented...), Doubt: o.Doubt, Missed: o.Misses,
		World: o.Scenario.World,
	}
	if p.World == scenarios.WorldKernel {
		p.TimeScale = int(o.Scenario.TimeScale)
	}
	if o.Err != nil {
		p.Error = o.Err.Error()
	}
	for _, c := range o.Claims {
		claim := Claim{Name: c.Name, Text: c.Text, Verdict: c.Verdict, Evidence: append([]string{}, c.Evidence...)}
		for _, m := range c.Measures {
			claim.Measures = append(claim.Measures, Measure{m.Name, m.Value, m.Unit, c.Name == measured})
		}
		p.Claims = append(p.Claims, claim)
	}
	return p
}

// NewRun is the outcome as it goes into run.json.
func NewRun(o *scenarios.Outcome) Run {
	r := Run{Play: NewPlay(o), Covers: append([]string{}, o.Scenario.Covers...), Axes: o.Scenario.Axes,
		Steps: []Step{}, Faults: []Fault{}}
	if o.Run == nil {
		return r
	}
	for _, s := range o.Run.Steps {
		step := Step{Name: s.Name, At: Seconds(s.At), Text: s.Text}
		if s.Answer != nil {
			step.Status = s.Answer.Status
		}
		r.Steps = append(r.Steps, step)
	}
	for _, e := range o.Run.Faults {
		f := Fault{Step: e.Step, Text: e.Fault.String(), From: Seconds(e.From), Receipt: e.Receipt.String()}
		if e.Until >= 0 {
			until := Seconds(e.Until)
			f.Until = &until
		}
		r.Faults = append(r.Faults, f)
	}
	for i := range o.Run.History {
		r.Operations.count(o.Run.History[i].Result)
	}
	r.Events = len(o.Run.Events)
	r.Picture = newPicture(o, &r)
	return r
}

// WriteLine writes the play as one line of JSON, with its wall-clock time.
func WriteLine(w io.Writer, o *scenarios.Outcome) error {
	p := NewPlay(o)
	p.WallSeconds = o.Wall.Seconds()
	b, err := encode(p, "")
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

// Skip is a case that was not played, as machines read it: a line of `firedrill run --json`.
type Skip struct {
	Name    string `json:"name"`
	Case    string `json:"case"`
	Verdict string `json:"verdict"` // always skipped, which is no verdict of a play
	Reason  string `json:"reason"`
}

// WriteSkip writes, as one line of JSON, that a case is not played.
func WriteSkip(w io.Writer, scenario, of, why string) error {
	b, err := encode(Skip{scenario, of, "skipped", why}, "")
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

// encode is v in JSON with a line end. What is not printable is escaped, so that showing a file on
// a terminal is harmless.
func encode(v any, indent string) ([]byte, error) {
	var buffer bytes.Buffer
	e := json.NewEncoder(&buffer)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	var out []byte
	for _, r := range buffer.String() {
		switch {
		case r == '\n' || !unprintable(r):
			out = append(out, string(r)...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out, nil
}
