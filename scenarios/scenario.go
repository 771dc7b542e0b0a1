// Package scenarios holds what is played and what must hold: Load and Parse read files and find all
// their mistakes, Case.Scenario draws what a seed decides, Play plays one case with one seed in a
// world and judges it.
package scenarios

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"firedrill/faults"
	"firedrill/nodes"
	"firedrill/scenarios/expect"
	"firedrill/sim"
)

// Catalogue is what scenarios can speak of. Callers pass it; nothing registers itself.
type Catalogue struct {
	Kinds   []*nodes.Kind
	Claims  []expect.Form   // what may stand under `expect`
	Hazards []expect.Hazard // what `hazard` may name
}

// File is a scenario file, read and checked: a family of cases.
type File struct {
	Name   string
	Path   string // "" where it did not come from a file
	Doc    string // its first comment
	Covers []string
	Axes   []Axis
	Cases  []*Case
}

// Axis is one dimension of a file's cases: its values in the order of the file. The name of a case has one
// value of each axis, in the order of the axes.
type Axis struct {
	Name   string   `json:"axis"`
	Values []string `json:"values"`
}

// Case is one member of the product of the file's variants. It makes the Scenario of each seed.
type Case struct {
	File   *File
	Name   string   // `heartbeat-cut/long`; the file's name where it has no variants
	Values []string // the variant values, by axis
	Seeds  Seeds
	Worlds []string // in which it is played: virtual, kernel

	cat   *Catalogue
	trees []worldTree // the file after all overlays, by world
}

// Seeds is a range, both ends included.
type Seeds struct{ First, Last uint64 }

// Scenario is one case with one seed, all quantities drawn.
type Scenario struct {
	Name, Case string
	Seed       uint64
	World      string // in which it is played
	TimeScale  Scale  // how many times faster than life, there
	Covers     []string
	Axes       []Axis // of the file; Case has a value of each
	Start      time.Time
	Stop       time.Duration
	Settle     time.Duration
	Operator   string // the segment from which operators ask
	// Prober has an interface on every segment that has a free address for it, for questions that
	// are really asked. Operator requests leave from its interface on the segment Operator.
	Prober     []sim.Interface
	Segments   []sim.Segment
	Machines   []Machine
	Clients    []Clients
	Timeline   []Step
	Procedures []Procedure
	Measures   []expect.Gauge
	Expect     []expect.Claim
	// Slips are what somebody gets wrong in a procedure of this case, Usual the hazards that it is to show without them.
	Slips []expect.Slip
	Usual []string
}

// Machine is one machine of a scenario, of any count.
type Machine struct {
	Name   string
	Kind   *nodes.Kind
	Config any // what Kind.Config made, filled in
	Nets   []sim.Interface
	Disk   sim.DiskSpec
	Clock  sim.ClockSpec
}

// Clients is a population of clients that share a name and habits.
type Clients struct {
	Name    string
	Count   int           `yaml:"count" doc:"so many clients, NAME-1 and on"`
	Net     string        `yaml:"net" ref:"segment" doc:"the segment on which they sit"`
	To      string        `yaml:"to" doc:"whom they ask: an address or a machine; :PORT may follow"`
	Via     string        `yaml:"via" doc:"where they connect to, if not to that: an address or a machine"`
	Begin   Begin         `yaml:"begin" doc:"when they start: a time, or the first fact of this name"`
	Prefix  string        `yaml:"prefix" doc:"what their paths begin with; groups with one prefix share keys"`
	Rate    nodes.Rate    `yaml:"rate" doc:"how often each of them asks; without it, only when a step says so"`
	Put     nodes.Share   `yaml:"put" doc:"how much of it writes; put, get and delete add up to 100%"`
	Get     nodes.Share   `yaml:"get" doc:"how much of it reads"`
	Delete  nodes.Share   `yaml:"delete" doc:"how much of it deletes"`
	Size    SizeRange     `yaml:"size" doc:"of what they write; of a range, drawn each time"`
	Keys    int           `yaml:"keys" doc:"how many paths they use"`
	Timeout time.Duration `yaml:"timeout" doc:"how long they wait for an answer"`
	Retry   time.Duration `yaml:"retry" doc:"how soon they try again what went wrong; without it, never"`
	// Target is To, resolved to an address; Dial is Via, or Target where there is none.
	Target, Dial netip.AddrPort
	// Addresses are those of its machines, NAME-1 to NAME-Count, on Net.
	Addresses []netip.Prefix
}

// Scale is how many times faster than life something goes: `60x`.
type Scale int

// UnmarshalText reads it.
func (s *Scale) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(strings.TrimSuffix(string(text), "x"))
	if err != nil || n < 1 || n > maxScale || text[len(text)-1] != 'x' {
		return fmt.Errorf("want how many times faster than life, from 1x to %dx, have %q", maxScale, text)
	}
	*s = Scale(n)
	return nil
}

// String is how it is written.
func (s Scale) String() string { return strconv.Itoa(int(s)) + "x" }

// maxScale keeps a millisecond of life from being more than a second.
const maxScale = 1000

// SizeRange is a size that is drawn each time, both ends included.
type SizeRange struct{ Min, Max nodes.Size }

// Begin is when clients start: at a time, or at the first fact of this name.
type Begin struct {
	At   time.Duration
	Fact string
}

// Step is one line of the timeline: a time, a verb, and the rest.
type Step struct {
	Name               string // `step`, or step-N
	Line               int    // where it stands in the file
	When               When
	Act                any // faults.Fault, *Do, *Probe, *Access, *Tell, *Run, *End, or nil: it only waits
	Want               *Want
	For, Within, Every time.Duration
	Times              int
}

// When is the time of a step. Exactly one of At, Then and After is set.
type When struct {
	At, Then *time.Duration
	After    string // a fact, or a state
	Of       string // machine, role, step or procedure
	Nth      int
	Done     nodes.Share
	Like     string
	Plus     time.Duration
}

// Do is an operator's request.
type Do struct {
	Verb    *nodes.Verb
	Machine string
	With    nodes.Values
	Retry   time.Duration
}

// Probe is a question that is really asked.
type Probe struct {
	What    string       // access, owner, up, or one of the kind's
	Kind    *nodes.Probe // nil for those that all kinds have
	Machine string
	With    nodes.Values
}

// Access is one request of a client: get, put or delete.
type Access struct {
	Verb, Path, From string
	To, Via          string
	Size             nodes.Size
	With             nodes.Values
	// Target is To, or else that of the clients, resolved to an address; Dial is Via, or Target
	// where there is none.
	Target, Dial netip.AddrPort
}

// Want is what a step's answer must be: any of these.
type Want []WantOne

// WantOne is one of the wanted answers: a word (ok, refused, failed, or a probe's value), or fields.
type WantOne struct {
	Word   string
	Fields []nodes.Attr // status, reason, warning, by, wrote, or a member of the answer
}

var _ faults.Fault // Step.Act may be one.
