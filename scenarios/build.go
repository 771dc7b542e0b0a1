package scenarios

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"firedrill/faults"
	"firedrill/nodes"
	"firedrill/scenarios/expect"
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

	machineAt map[string]place // where each machine is declared
	segmentAt map[string]place
	named     map[netip.Addr]bool // every address that the case names anywhere
	taken     map[string]map[netip.Addr]string
	steps     []string // of the timeline, in its order
	lost      []string // steps of the file that this case leaves out
	step      int      // the step that is read now; steps from here on are later ones
	kinds     []*nodes.Kind
}

var (
	namePattern  = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)
	shortPattern = regexp.MustCompile(`^[a-z0-9-]{1,15}$`)
	stepPattern  = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)
	idPattern    = regexp.MustCompile(`^[A-Z]{1,5}(-[A-Z]{1,5})?-[A-Z]?[0-9]{1,3}$`)
)

// fileKeys are the keys of the file itself.
type fileKeys struct {
	Name     string        `yaml:"name"`
	Covers   []string      `yaml:"covers"`
	Seeds    Seeds         `yaml:"seeds"`
	World    []string      `yaml:"world" choices:"virtual kernel"`
	Start    time.Time     `yaml:"start"`
	Stop     time.Duration `yaml:"stop"`
	Settle   time.Duration `yaml:"settle"`
	Operator string        `yaml:"operator" ref:"segment"`
}

// sections are the keys of the file that are read on their own.
var sections = []string{"defaults", "segments", "machines", "clients", "timeline", "expect", "variants", "cases", "except"}

// build makes the scenario. Mistakes are in m; the scenario is of use only where there are none.
func build(m *notes, cat *Catalogue, root *node, lost []string, d draw) (*Scenario, fileKeys) {
	b := &builder{cat: cat, root: root, s: &Scenario{Seed: d.seed}, lost: lost,
		machineAt: map[string]place{}, segmentAt: map[string]place{},
		named: map[netip.Addr]bool{}, taken: map[string]map[netip.Addr]string{}}
	b.decoder = decoder{m: m, refs: b, draw: d}
	b.findAddresses(root)
	b.readSegments()
	keys := b.readFile()
	b.readMachines()
	b.readClients()
	b.readTimeline()
	b.readExpect()
	b.place()
	return b.s, keys
}

func (b *builder) readFile() fileKeys {
	keys := fileKeys{
		Seeds: Seeds{1, 10}, World: []string{"virtual"}, Settle: 10 * time.Minute, Operator: management,
		Start: time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC),
	}
	b.fields(b.root, "", "the file", sections, &keys)
	for _, required := range []string{"name", "stop", "machines", "timeline"} {
		if b.root.get(required) == nil {
			b.fault(b.root.at, "want the key %q in the file", required)
		}
	}
	if e := b.root.entry("name"); e != nil && !namePattern.MatchString(keys.Name) {
		b.fault(e.value.at, "want a name of small letters, digits and hyphens, 64 at most, have %q", keys.Name)
	}
	for _, key := range []string{"stop", "settle"} {
		if e := b.root.entry(key); e != nil && (key == "stop" && keys.Stop <= 0 || key == "settle" && keys.Settle < 0) {
			b.fault(e.value.at, "want %s to be after the start, have %s", key, e.value.text)
		}
	}
	b.checkCovers(b.root)
	s := b.s
	s.Name, s.Covers, s.Start, s.Stop, s.Settle, s.Operator = keys.Name, keys.Covers, keys.Start, keys.Stop, keys.Settle, keys.Operator
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
	Subnet    netip.Prefix     `yaml:"subnet"`
	Latency   *time.Duration   `yaml:"latency"`
	Jitter    *time.Duration   `yaml:"jitter"`
	Loss      *nodes.Share     `yaml:"loss"`
	Duplicate *nodes.Share     `yaml:"duplicate"`
	Reorder   *nodes.Share     `yaml:"reorder"`
	Corrupt   *nodes.Share     `yaml:"corrupt"`
	Bandwidth *nodes.Bandwidth `yaml:"bandwidth"`
}

func (b *builder) readSegments() {
	n := b.section("segments")
	if n != nil {
		for _, e := range n.entries {
			b.segmentAt[e.key] = e.at
			b.s.Segments = append(b.s.Segments, b.readSegment(e))
		}
	}
	if n.get(management) == nil {
		latency := 100 * time.Microsecond
		b.s.Segments = append(b.s.Segments, sim.Segment{Name: management, Subnet: managementSubnet,
			Base: sim.Condition{Latency: &latency}})
	}
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

func (b *builder) readSegment(e entry) sim.Segment {
	if !shortPattern.MatchString(e.key) {
		b.fault(e.at, "want a segment's name of small letters, digits and hyphens, 15 at most, have %q", e.key)
	}
	latency := 100 * time.Microsecond
	keys := segmentKeys{Latency: &latency}
	what := "segment " + e.key
	b.fields(e.value, "segments/"+e.key, what, nil, &keys)
	for _, key := range []string{"latency", "jitter"} {
		d := map[string]*time.Duration{"latency": keys.Latency, "jitter": keys.Jitter}[key]
		if d != nil && *d < 0 {
			b.fault(e.value.get(key).at, "want %s of at least 0s, have %s", key, e.value.get(key).text)
		}
	}
	subnet := e.value.get("subnet")
	switch {
	case e.value.shape != mapping || e.value.get("joins") != nil:
	case subnet == nil && e.key == management:
		keys.Subnet = managementSubnet
	case subnet == nil:
		b.fault(e.at, "want a subnet for %s, such as subnet: 10.0.0.0/24", what)
	case keys.Subnet.IsValid() && keys.Subnet != keys.Subnet.Masked():
		b.fault(subnet.at, "subnet %s has bits beyond its mask; want %s", keys.Subnet, keys.Subnet.Masked())
	case keys.Subnet.IsValid() && (keys.Subnet.Bits() < 8 || keys.Subnet.Bits() > 30):
		b.fault(subnet.at, "want a subnet from /8 to /30, have %s", keys.Subnet)
	}
	return sim.Segment{Name: e.key, Subnet: keys.Subnet, Base: sim.Condition{
		Latency: keys.Latency, Jitter: keys.Jitter, Loss: keys.Loss, Duplicate: keys.Duplicate, Reorder: keys.Reorder,
		Corrupt: keys.Corrupt, Bandwidth: keys.Bandwidth,
	}}
}

func (b *builder) segment(name string) *sim.Segment {
	i := slices.IndexFunc(b.s.Segments, func(s sim.Segment) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return &b.s.Segments[i]
}

// machineKeys are the keys that every machine has. A kind's config has others.
type machineKeys struct {
	Kind  string            `yaml:"kind"`
	Nets  map[string]string `yaml:"nets"`
	Count int               `yaml:"count"`
	Clock clockKeys         `yaml:"clock"`
	Disk  diskKeys          `yaml:"disk"`
}

type clockKeys struct {
	Offset time.Duration `yaml:"offset"`
	Drift  nodes.Drift   `yaml:"drift"`
	Zone   string        `yaml:"zone"`
}

type diskKeys struct {
	Size      nodes.Size      `yaml:"size"`
	Sync      *time.Duration  `yaml:"sync"`
	Bandwidth nodes.Bandwidth `yaml:"bandwidth"`
}

// maxCount bounds what one line may make.
const maxCount = 10_000

func (b *builder) readMachines() {
	defaults := b.section("defaults")
	if defaults != nil {
		for _, e := range defaults.entries {
			b.checkDefaults(e)
		}
	}
	machines := b.section("machines")
	if machines == nil {
		return
	}
	for _, e := range machines.entries {
		b.readMachine(e, defaults)
	}
	if len(b.s.Machines) == 0 && len(machines.entries) == 0 {
		b.fault(machines.at, "want at least one machine")
	}
}

// checkDefaults checks the defaults of a kind even where no machine is of it.
func (b *builder) checkDefaults(e entry) {
	kind := b.kind(e.key)
	if kind == nil {
		b.fault(e.at, "%s", b.noKind(e.key))
		return
	}
	b.fields(e.value, "defaults/"+e.key, "defaults of "+e.key, nil, kind.Config())
}

func (b *builder) kind(name string) *nodes.Kind {
	for _, k := range b.cat.Kinds {
		if k.Name == name {
			return k
		}
	}
	return nil
}

func (b *builder) noKind(name string) string {
	if later(name, "kind") {
		return fmt.Sprintf("kind %q is not supported yet", name)
	}
	var names []string
	for _, k := range b.cat.Kinds {
		names = append(names, k.Name)
	}
	return no("kind", name, names)
}

func (b *builder) readMachine(e entry, defaults *node) {
	b.machineAt[e.key] = e.at
	if e.value.shape != mapping {
		b.fault(e.value.at, "want machine %s as a map {kind: KIND, nets: {SEGMENT: ADDRESS}}, have %s", e.key, e.value.shape)
		return
	}
	k := e.value.get("kind")
	if k == nil || k.shape != scalar {
		b.fault(e.at, "want a kind for machine %s, such as kind: %s", e.key, firstKind(b.cat))
		return
	}
	kind := b.kind(k.text)
	if kind == nil {
		b.fault(k.at, "%s", b.noKind(k.text))
		return
	}
	if !slices.Contains(b.kinds, kind) {
		b.kinds = append(b.kinds, kind)
	}
	whole := e.value
	if d := defaults.get(kind.Name); d != nil && d.shape == mapping {
		whole = merge(d, e.value)
	}
	if e.value.get("count") == nil {
		b.addMachine(e.key, e, whole, kind)
		return
	}
	// One decoding to know the count, for which nothing else matters.
	count := machineKeys{}
	b.scalarInt(&count.Count, e.value.get("count"), "machines/"+e.key+"/count")
	for i := range min(count.Count, maxCount) {
		b.addMachine(fmt.Sprintf("%s-%d", e.key, i+1), e, whole, kind)
	}
}

// scalarInt reads a count that has to be known before the rest, and checks its bounds.
func (b *builder) scalarInt(to *int, n *node, path string) {
	q, err := 0, error(nil)
	if n.shape == scalar {
		var v int64
		v, err = integer(n.text)
		q = int(v)
	}
	switch {
	case n.shape != scalar || err != nil:
		b.fault(n.at, "want a whole number for count")
	case q < 1 || q > maxCount:
		b.fault(n.at, "want a count from 1 to %d, have %s", maxCount, n.text)
	default:
		*to = q
	}
}

func firstKind(cat *Catalogue) string {
	if len(cat.Kinds) == 0 {
		return "KIND"
	}
	return cat.Kinds[0].Name
}

func (b *builder) addMachine(name string, e entry, whole *node, kind *nodes.Kind) {
	if !shortPattern.MatchString(name) {
		b.fault(e.at, "want a machine's name of small letters, digits and hyphens, 15 at most, have %q", name)
	}
	keys, config := machineKeys{Count: 1}, kind.Config()
	path := "machines/" + name
	whole = whole.with("count", nil)
	b.fields(whole, path, "machine "+e.key, nil, &keys, config)
	m := Machine{Name: name, Kind: kind, Config: config,
		Disk:  sim.DiskSpec{Size: keys.Disk.Size, Sync: keys.Disk.Sync, Bandwidth: keys.Disk.Bandwidth},
		Clock: sim.ClockSpec{Offset: keys.Clock.Offset, Drift: keys.Clock.Drift}}
	if keys.Clock.Zone != "" {
		zone, err := time.LoadLocation(keys.Clock.Zone)
		if err != nil || keys.Clock.Zone == "Local" {
			b.fault(whole.get("clock").get("zone").at, "want a time zone such as Europe/Berlin, have %q", keys.Clock.Zone)
		}
		m.Clock.Zone = zone
	}
	if keys.Disk.Sync != nil && *keys.Disk.Sync < 0 {
		b.fault(whole.get("disk").get("sync").at, "want a sync of at least 0s, have %s", whole.get("disk").get("sync").text)
	}
	nets := whole.get("nets")
	if nets == nil {
		b.fault(e.at, "want nets for machine %s, such as nets: {SEGMENT: ADDRESS}", e.key)
	} else if nets.shape == mapping {
		m.Nets = b.readNets(name, nets)
	}
	if whole.get("nets").get(management) == nil {
		m.Nets = append(m.Nets, sim.Interface{Segment: management})
	}
	b.s.Machines = append(b.s.Machines, m)
}

func (b *builder) machine(name string) *Machine {
	i := slices.IndexFunc(b.s.Machines, func(m Machine) bool { return m.Name == name })
	if i < 0 {
		return nil
	}
	return &b.s.Machines[i]
}

func (b *builder) readClients() {
	clients := b.section("clients")
	if clients == nil {
		return
	}
	for _, e := range clients.entries {
		if !shortPattern.MatchString(e.key) {
			b.fault(e.at, "want a name of small letters, digits and hyphens, 15 at most, for clients, have %q", e.key)
		}
		if b.machine(e.key) != nil {
			b.fault(e.at, "%q names a machine already; call the clients otherwise", e.key)
		}
		c := Clients{Name: e.key, Count: 1, Begin: Begin{Fact: nodes.FactReady}, Size: SizeRange{4096, 4096}, Keys: 1000,
			Timeout: 10 * time.Second, Prefix: "/"}
		path := "clients/" + e.key
		if b.fields(e.value, path, "clients "+e.key, nil, &c) {
			b.checkClients(&c, e)
		}
		b.s.Clients = append(b.s.Clients, c)
	}
}

// checkClients checks what the keys of clients mean together.
func (b *builder) checkClients(c *Clients, e entry) {
	at := func(key string) place {
		if n := e.value.get(key); n != nil {
			return n.at
		}
		return e.at
	}
	has := func(key string) bool { return e.value.get(key) != nil }
	if !has("net") {
		b.fault(e.at, "want a net for clients %s: the segment that they sit on", c.Name)
	}
	if c.Count < 1 || c.Count > maxCount {
		b.fault(at("count"), "want a count from 1 to %d, have %d", maxCount, c.Count)
	}
	if c.Keys < 1 {
		b.fault(at("keys"), "want at least 1 key, have %d", c.Keys)
	}
	if !strings.HasPrefix(c.Prefix, "/") {
		b.fault(at("prefix"), "want a path such as /data, have %q", c.Prefix)
	}
	if c.Timeout <= 0 {
		b.fault(at("timeout"), "want a timeout above 0s, have %s", nodes.FormatDuration(c.Timeout))
	}
	if c.Retry < 0 || c.Begin.At < 0 {
		b.fault(e.at, "want retry and begin of at least 0s")
	}
	if c.Begin.Fact != "" {
		if problem := b.refer([]string{"fact"}, c.Begin.Fact); problem != "" {
			b.fault(at("begin"), "%s", problem)
		}
	}
	mix := c.Put + c.Get + c.Delete
	mixed := has("put") || has("get") || has("delete")
	switch {
	case !has("rate") && mixed:
		b.fault(e.at, "want a rate for clients %s, such as rate: 5/s", c.Name)
	case has("rate") && mix != nodes.ShareAll:
		b.fault(e.at, "put, get and delete of clients %s add up to %s; want 100%%", c.Name, mix)
	case has("rate") && !has("to"):
		b.fault(e.at, "want to for clients %s: the address or machine that they ask", c.Name)
	}
}

// claims that every kind has read from the catalogue by name.
func (b *builder) form(name string) *expect.Form {
	for i := range b.cat.Claims {
		if b.cat.Claims[i].Name == name {
			return &b.cat.Claims[i]
		}
	}
	return nil
}

// claimKeys are the keys that every claim has.
type claimKeys struct {
	Covers []string `yaml:"covers"`
}

func (b *builder) readExpect() {
	n := b.root.get("expect")
	if n == nil {
		return
	}
	if n.shape != list {
		b.fault(n.at, "want expect as a list of claims, have %s", n.shape)
		return
	}
	b.step = len(b.steps)
	for i, item := range n.items {
		if c := b.readClaim(item, i); c != nil {
			b.s.Expect = append(b.s.Expect, c)
		}
	}
}

func (b *builder) readClaim(n *node, i int) expect.Claim {
	name, at := "", n.at
	switch {
	case n.shape == scalar:
		name = n.text
	case n.shape == mapping && len(n.entries) > 0:
		name, at = n.entries[0].key, n.entries[0].at
	default:
		b.fault(n.at, "want a claim, or {CLAIM: subject, ..}, have %s", n.shape)
		return nil
	}
	form := b.form(name)
	if form == nil {
		if later(name, "claim") {
			b.fault(at, "claim %q is not supported yet", name)
			return nil
		}
		var names []string
		for _, f := range b.cat.Claims {
			names = append(names, f.Name)
		}
		b.fault(at, "%s", no("claim", name, names))
		return nil
	}
	if form.Kinds != nil && !slices.ContainsFunc(b.kinds, func(k *nodes.Kind) bool { return slices.Contains(form.Kinds, k.Name) }) {
		b.fault(at, "claim %q is about machines of kind %s; there is none", name, strings.Join(form.Kinds, ", "))
	}
	claim := form.New()
	if n.shape == scalar {
		n = &node{shape: mapping, at: n.at}
		if first := faults.Fields(claim); len(first) > 0 && first[0].Key == name && slices.Contains(first[0].Choices, "all") {
			n = n.with(name, scalarf(at, "all")) // A claim about the whole run may leave its subject out.
		}
	}
	b.checkCovers(n)
	keys := claimKeys{}
	if !b.fields(n, fmt.Sprintf("expect/%d", i), "claim "+name, nil, claim, &keys) {
		return nil
	}
	b.s.Covers = union(b.s.Covers, keys.Covers)
	return claim
}

func union(a, b []string) []string {
	for _, s := range b {
		if !slices.Contains(a, s) {
			a = append(slices.Clone(a), s)
		}
	}
	return a
}
