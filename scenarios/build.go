package scenarios

import (
	"net/netip"
	"regexp"
	"slices"
	"time"

	"firedrill/nodes"
	"firedrill/sim"
)

// The segment that always exists, and what it is unless the file says otherwise.
const management = "management"

var managementSubnet = netip.MustParsePrefix("10.255.0.0/16")

// builder makes the Scenario of one case with one seed out of its tree, and notes what is wrong with it.
type builder struct {
	decoder
	cat  *Catalogue
	root *node
	s    *Scenario

	segmentAt   map[string]place
	named       map[netip.Addr]bool // every address that the case names anywhere
	taken       map[string]map[netip.Addr]string
	steps       []string // of the timeline, in its order
	manual      []string // steps of the procedures
	acts        []lineOf // of all steps
	inProcedure string   // the procedure that is read now
	lost        []string // steps of the file that this case leaves out
	asked       []*node  // addresses for which the prober asks
	step        int      // the step that is read now; steps from here on are later ones
	kinds       []*nodes.Kind
	blind       bool            // a machine or its kind is not known, so nobody can tell which names, facts and verbs there are
	adrift      map[string]bool // machines of which nobody can tell on which segments they are
}

// lineOf is what a step does, and where that stands.
type lineOf struct {
	line *node
	act  any
}

var (
	namePattern  = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)
	shortPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,14}$`)
	stepPattern  = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)
	idPattern    = regexp.MustCompile(`^[A-Z]{1,5}(-[A-Z]{1,5})?-[A-Z]?[0-9]{1,3}$`)
)

// fileKeys are the keys of the file itself.
type fileKeys struct {
	Name     string        `yaml:"name" doc:"the name of the scenario, which is that of its file"`
	Covers   []string      `yaml:"covers" doc:"ids of what the scenario shows: of the catalogue, a requirement or a hazard"`
	Seeds    Seeds         `yaml:"seeds" doc:"the seeds with each of which each case is played"`
	World    []string      `yaml:"world" choices:"virtual kernel" doc:"in which worlds it can be played"`
	Scale    Scale         `yaml:"time_scale" doc:"how many times faster than life its machines go in the kernel world"`
	Start    time.Time     `yaml:"start" doc:"true time at power-on, in UTC"`
	Stop     time.Duration `yaml:"stop" doc:"when the drill ends; a step that has not acted by then makes the run vacuous"`
	Settle   time.Duration `yaml:"settle" doc:"how long the quiet phase after the drill is, in which every fault is undone"`
	Operator string        `yaml:"operator" ref:"segment" doc:"the segment on which the operator sits"`
}

// newFileKeys holds the defaults.
func newFileKeys() *fileKeys {
	return &fileKeys{
		Seeds: Seeds{1, 10}, World: []string{WorldVirtual}, Scale: 1, Settle: 10 * time.Minute, Operator: management,
		Start: time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC),
	}
}

// requiredKeys are those that a file cannot do without.
var requiredKeys = []string{"name", "stop", "machines", "timeline"}

// sections are the keys of the file that are read on their own.
var sections = keysOfDocs(sectionDocs)

var sectionDocs = []keyDoc{
	{"defaults", "KIND: {..}, the keys of every machine of the kind that has no others"},
	{"segments", "NAME: {..}, the networks; management is always there"},
	{"machines", "NAME: {..}, the machines with their software"},
	{"clients", "NAME: {..}, populations of clients"},
	{"timeline", "the steps, in their order"},
	{"procedures", "runbooks that the timeline runs: NAME and a list of steps, each with its name first"},
	{"measure", "figures that the scenario wants to know: NAME and between what it is taken"},
	{"expect", "the claims that must hold"},
	{"variants", "AXIS: {VALUE: {..}}, what differs; the cases are the product of the axes"},
	{"cases", "what differs in some combinations of values, laid over all else"},
	{"except", "the combinations of values that are no case"},
}

// build makes the scenario. Mistakes are in m; the scenario is of use only where there are none.
func build(m *notes, cat *Catalogue, root *node, lost []string, d draw) (*Scenario, fileKeys) {
	b := &builder{cat: cat, root: root, s: &Scenario{Seed: d.seed}, lost: lost,
		segmentAt: map[string]place{},
		named:     map[netip.Addr]bool{}, taken: map[string]map[netip.Addr]string{}, adrift: map[string]bool{}}
	b.decoder = decoder{m: m, refs: b, draw: d}
	b.findAddresses(root)
	b.readSegments()
	keys := b.readFile()
	b.readMachines()
	b.checkPace(keys.Scale)
	b.readClients()
	b.checkNames()
	b.nameSteps()
	b.readProcedures()
	b.readTimeline()
	b.readMeasures()
	b.readExpect()
	b.place()
	return b.s, keys
}

func (b *builder) readFile() fileKeys {
	keys := *newFileKeys()
	b.fields(b.root, "", "the file", sections, &keys)
	for _, required := range requiredKeys {
		if b.root.get(required) == nil {
			b.fault(b.root.at, "want the key %q in the file", required)
		}
	}
	if e := b.root.entry("name"); e != nil && e.value.shape == scalar && !namePattern.MatchString(keys.Name) {
		b.fault(e.value.at, "want a name of small letters, digits and hyphens, 64 at most, have %q", keys.Name)
	}
	if n := b.root.get("stop"); n != nil {
		if low, _, ok := durations(n.text); ok && low == 0 {
			b.fault(n.at, "want a stop after the start, have %s", n.text)
		}
	}
	if e := b.root.entry("operator"); e != nil {
		b.sit(e.value.at, "the operator", keys.Operator)
	}
	if e := b.root.entry("time_scale"); e != nil && !slices.Contains(keys.World, WorldKernel) {
		b.fault(e.at, "time_scale is for the kernel world, in which the file is not played; the virtual one takes no time")
	}
	b.checkCovers(b.root)
	s := b.s
	s.Name, s.Covers, s.Operator = keys.Name, keys.Covers, keys.Operator
	s.Start, s.Stop, s.Settle = keys.Start, keys.Stop, keys.Settle
	s.World, s.TimeScale = b.draw.world, 1
	if s.World == WorldKernel {
		s.TimeScale = keys.Scale
	}
	return keys
}

func (b *builder) checkCovers(n *node) {
	for _, id := range n.get("covers").list() {
		if id.shape == scalar && !idPattern.MatchString(id.text) {
			b.fault(id.at, "want an id such as SD-07, HZ-D1 or D-46, have %q", id.text)
		}
	}
}

// section returns a NAME: {..} section, or nil.
func (b *builder) section(key string) *node {
	n := b.root.get(key)
	if n != nil && n.shape != mapping {
		b.fault(n.at, "want %s as a map {NAME: {..}}, have %s", key, n.shape)
		return nil
	}
	return n
}

type segmentKeys struct {
	Subnet netip.Prefix `yaml:"subnet" doc:"the addresses of one broadcast domain, such as 10.0.0.0/24"`
	// Joins are referred to when all segments are known: see checkJoins.
	Joins     []string         `yaml:"joins" doc:"in place of a subnet: a routed path between each two of these segments"`
	Latency   *time.Duration   `yaml:"latency" doc:"what a frame takes"`
	Jitter    *time.Duration   `yaml:"jitter" doc:"up to so much more, evenly"`
	Loss      *nodes.Share     `yaml:"loss" doc:"frames that are lost"`
	Duplicate *nodes.Share     `yaml:"duplicate" doc:"frames that come twice"`
	Reorder   *nodes.Share     `yaml:"reorder" doc:"frames that overtake others"`
	Corrupt   *nodes.Share     `yaml:"corrupt" doc:"frames that arrive damaged"`
	Bandwidth *nodes.Bandwidth `yaml:"bandwidth" doc:"bits per second; without it there is no limit"`
}

// newSegmentKeys holds the defaults.
func newSegmentKeys() *segmentKeys {
	latency := 100 * time.Microsecond
	return &segmentKeys{Latency: &latency}
}

func (b *builder) readSegments() {
	n := b.section("segments")
	if n != nil {
		for _, e := range n.entries {
			b.segmentAt[e.key] = e.at
			if subnet := e.value.get("subnet"); subnet != nil {
				b.segmentAt[e.key] = subnet.at
			}
			b.s.Segments = append(b.s.Segments, b.readSegment(e))
		}
	}
	if n.get(management) == nil {
		b.s.Segments = append(b.s.Segments, sim.Segment{Name: management, Subnet: managementSubnet,
			Base: sim.Condition{Latency: newSegmentKeys().Latency}})
	}
	b.checkJoins()
	for i, s := range b.s.Segments {
		for _, other := range b.s.Segments[:i] {
			if s.Subnet.IsValid() && other.Subnet.IsValid() && s.Subnet.Overlaps(other.Subnet) {
				at := b.segmentAt[s.Name]
				if s.Name == management {
					at = b.segmentAt[other.Name]
				}
				b.fault(at, "the subnets of %s and %s overlap: %s, %s", other.Name, s.Name, other.Subnet, s.Subnet)
			}
		}
	}
}

// taken are names that no segment can have, since an interface has its name: all systems call the loopback lo, Linux keeps its
// settings of every and of future interfaces under all and default, and all is every segment in a step.
var taken = []string{"all", "default", "lo"}

func (b *builder) readSegment(e entry) sim.Segment {
	if !shortPattern.MatchString(e.key) {
		b.fault(e.at, "want a segment's name of small letters, digits and hyphens, 15 at most, the first no hyphen, have %q", e.key)
	}
	if slices.Contains(taken, e.key) {
		b.fault(e.at, "%q means something else to a system, whose interfaces have the names of segments; call it otherwise", e.key)
	}
	keys := *newSegmentKeys()
	what := "segment " + e.key
	b.fields(e.value, "segments/"+e.key, what, nil, &keys)
	subnet := e.value.get("subnet")
	switch {
	case e.value.shape != mapping:
	case e.value.get("joins") != nil && subnet != nil:
		b.fault(subnet.at, "want a subnet or joins for %s, have both", what)
	case e.value.get("joins") != nil && e.key == management:
		b.fault(e.value.entry("joins").at, "segment %s has machines on it; want a subnet", management)
	case e.value.get("joins") != nil:
	case subnet == nil && e.key == management:
		keys.Subnet = managementSubnet
	case subnet == nil:
		b.fault(e.at, "want a subnet for %s, such as subnet: 10.0.0.0/24", what)
	case keys.Subnet.IsValid() && keys.Subnet != keys.Subnet.Masked():
		b.fault(subnet.at, "subnet %s has bits beyond its mask; want %s", keys.Subnet, keys.Subnet.Masked())
	case keys.Subnet.IsValid() && !unicast(keys.Subnet):
		b.fault(subnet.at, "want a subnet of addresses that machines may have, have %s", keys.Subnet)
	case keys.Subnet.IsValid() && (keys.Subnet.Bits() < 8 || keys.Subnet.Bits() > 30):
		b.fault(subnet.at, "want a subnet from /8 to /30, have %s", keys.Subnet)
	}
	return sim.Segment{Name: e.key, Subnet: keys.Subnet, Joins: keys.Joins, Base: sim.Condition{
		Latency: keys.Latency, Jitter: keys.Jitter, Loss: keys.Loss, Duplicate: keys.Duplicate, Reorder: keys.Reorder,
		Corrupt: keys.Corrupt, Bandwidth: keys.Bandwidth,
	}}
}

// unicast reports whether a machine may have the addresses of a subnet: they are not loopback, multicast, reserved or of "this
// network".
//
// Source: RFC 6890, RFC 1112.
func unicast(subnet netip.Prefix) bool {
	for _, p := range []string{"0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3"} {
		if netip.MustParsePrefix(p).Overlaps(subnet) {
			return false
		}
	}
	return true
}

func (b *builder) segment(name string) *sim.Segment {
	i := slices.IndexFunc(b.s.Segments, func(s sim.Segment) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return &b.s.Segments[i]
}
