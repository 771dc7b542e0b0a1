// Package expect holds the claims, one file per claim. A claim is judged on what the world saw, never on what nodes
// say of themselves alone. Claims that need one kind's configuration live in a package of that kind below this one.
package expect

import (
	"time"

	"firedrill/faults"
	"firedrill/nodes"
	"firedrill/sim"
)

// Verdict of a claim or a run, worst first.
type Verdict string

// The verdicts. Idle is for claims only: one that nobody asked for and that had nothing to judge.
const (
	Violation    Verdict = "violation"
	Inconclusive Verdict = "inconclusive"
	Vacuous      Verdict = "vacuous"
	HazardSeen   Verdict = "hazard"
	Pass         Verdict = "pass"
	Idle         Verdict = "idle"
)

// Run is what a claim is judged on: all of it is data, so that a claim can be asked about a run that nobody played.
// It is not changed while it is judged.
type Run struct {
	Events   []sim.Event // in order; the Seq of each is its index
	History  []nodes.Operation
	Machines []Machine
	Segments []sim.Segment
	Steps    []Fired // in the order in which they acted, those of procedures too
	Faults   []*faults.Entry
	Wants    []Breach      // answers that were not what their steps wanted
	Gauges   []Gauge       // the measures of the scenario
	Volumes  []Volume      // what segments had carried at the moments between which a measure may be taken
	Slips    []Slip        // what somebody got wrong in this case
	Usual    []string      // the hazards that the case is to show as it is written, without its slips
	Missed   []string      // steps that hit nothing, or whose time never came: `step cable: nobody is active`
	Failure  error         // what sim.World.Run returned: a node that spins, a foreign goroutine
	Start    time.Time     // true time at power-on; zero: it is not known
	Quiet    time.Duration // when the quiet phase began
	End      time.Duration // when it ended
	Slack    time.Duration // see sim.World
	Doubt    string        // see sim.Doubter

	timeline *Timeline
	reach    *Reach
	services *Services
	ledger   *Ledger
	images   *Images
	holdings *Holdings
	shown    *shown
	writes   map[string][]*nodes.Operation
	named    map[string][]int
}

// Machine is one machine of the run as the scenario declared it, and what its disk held at the end.
type Machine struct {
	Name     string
	Kind     *nodes.Kind // nil: a client or an operator
	Group    string      // of a client: its group
	Config   any
	Nets     []sim.Interface
	Clock    sim.ClockSpec
	State    sim.State // at the end
	Contents []nodes.Item
	Damage   error // why the contents could not be read whole
}

// Fired is a step that has acted.
type Fired struct {
	Name    string
	At      time.Duration // when it acted
	Seq     int           // how many events the trace held just before it acted
	Done    time.Duration // when its answer was there; At where it has none
	Text    string        // the step as the user writes it, roles resolved
	Machine string        // the one that it acted on, if it was one
	Verb    string        // of a `do`
	With    nodes.Values
	Answer  *nodes.Answer // of a `do`; nil: none was asked for
}

// Claim is one statement about a run. Its struct is read from YAML like a fault's (package faults): the first field
// is the subject.
type Claim interface {
	// Name is the word in the scenario and the report.
	Name() string
	Judge(*Run) Finding
}

// Finding is what judging a claim brought to light.
type Finding struct {
	Verdict  Verdict
	Subject  string   // what of, where the claim has a subject
	Evidence []string // for people: the first line says what, the others show it
	Breaches []Breach // where the verdict is Violation, unless a hazard excuses every one of them
	Measures []Measure
	Marks    []string // undocumented options that were exercised
}

// Breach is one stretch of time in which a claim did not hold.
type Breach struct {
	From, Until time.Duration
	Machines    []string
	Text        string
	Events      []int    // Seq of the events that show it
	Operations  []uint64 // ids of the client operations that show it
	// Lost are the ids of the acknowledged operations whose loss is the breach. A hazard accounts for these one by
	// one; for a breach without any, it accounts by time and machines.
	Lost []uint64
	Firm bool   // no hazard accounts for it
	Step string // whose answer was not as wanted, where the breach is that

	spent bool // hazards have accounted for all of it
}

// Measure is a figure for the report: a phase of a takeover, a count of writes.
type Measure struct {
	Name  string
	Value float64
	Unit  string // s, bytes, or operations
}

// The units of measures.
const (
	unitSeconds    = "s"
	unitBytes      = "bytes"
	unitOperations = "operations"
)

// Form documents a claim and makes an empty one to read YAML into.
type Form struct {
	Name, Doc string
	Kinds     []string // the kinds that it is about; nil: any
	New       func() Claim
	// Standing are the claims of this form that are judged though nobody asks for them; nil: none.
	Standing func(*Run) []Claim
}

// Hazard is documented behaviour of a modelled product that breaks an ideal (spec 6.2).
type Hazard struct {
	ID, Doc string
	Kinds   []string
	// Inferred: its basis is I alone, so it is a mark and not a verdict.
	Inferred bool
	// WithTakeover: it comes with every takeover, and need not be expected.
	WithTakeover bool
	// Find returns its instances: stretches of time in which its preconditions were confirmed by the world itself
	// and its observation was made.
	Find func(*Run) []Instance
	// Excuses names the claims whose breaches it may account for.
	Excuses []string
}

// Instance is a hazard that showed itself. From and Until are when its preconditions held; a breach that began then
// is accounted for until Over.
type Instance struct {
	Breach
	Over     time.Duration // when redundancy was set up again, or the end of the run
	Measures []Measure     // its extent: how many writes, bytes, how long
	Excuses  []string      // fewer claims than the hazard's own; nil: all of these

	lost map[uint64]bool // Lost, to look up
}
