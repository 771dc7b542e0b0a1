package scenarios

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"firedrill/nodes"
	"firedrill/sim"
)

// machineKeys are the keys that every machine has. A kind's config has others.
type machineKeys struct {
	Kind  string            `yaml:"kind" doc:"the software of the machine"`
	Nets  map[string]string `yaml:"nets" doc:"SEGMENT: ADDRESS or auto, one entry for every interface"`
	Count int               `yaml:"count" doc:"so many machines, NAME-1 and on"`
	Clock clockKeys         `yaml:"clock" doc:"how its clock differs from true time"`
	Disk  diskKeys          `yaml:"disk" doc:"what its disk is like"`
}

// newMachineKeys holds the defaults.
func newMachineKeys() *machineKeys { return &machineKeys{Count: 1} }

type clockKeys struct {
	Offset time.Duration `yaml:"offset" doc:"how far ahead its wall clock is; below zero: behind"`
	Drift  nodes.Drift   `yaml:"drift" doc:"how much too fast it runs; below zero: too slow"`
	Zone   string        `yaml:"zone" doc:"its time zone, such as Europe/Berlin; UTC without it"`
}

type diskKeys struct {
	Size      nodes.Size      `yaml:"size" doc:"after how many bytes it is full, which all are held in memory; 1GiB without it"`
	Sync      *time.Duration  `yaml:"sync" doc:"what a sync takes; 5ms without it"`
	Bandwidth nodes.Bandwidth `yaml:"bandwidth" doc:"how fast it reads and writes; without it there is no limit"`
}

// maxCount bounds what one line may make.
const maxCount = 10_000

func (b *builder) readMachines() {
	defaults, machines := b.section("defaults"), b.section("machines")
	b.blind = machines == nil || machines.lost
	for _, e := range machines.named() {
		b.readMachine(e, defaults)
	}
	if machines != nil && len(machines.entries) == 0 {
		b.fault(machines.at, "want at least one machine")
	}
	for _, e := range defaults.named() {
		if kind := e.value.entry("kind"); kind != nil {
			b.fault(kind.at, "these are the defaults of kind %s already; leave kind out", e.key)
		}
		b.checkDefaults(e)
	}
}

// checkDefaults checks the defaults of a kind of which there is no machine; those of others are
// checked with the machines.
func (b *builder) checkDefaults(e entry) {
	kind := b.kind(e.key)
	if kind == nil {
		b.fault(e.at, "%s", b.noKind(e.key))
		return
	}
	if !slices.Contains(b.kinds, kind) || e.value.shape != mapping {
		b.partial = true
		defer func() { b.partial = false }()
		b.fields(e.value, "defaults/"+e.key, "the defaults of "+e.key, nil, kind.Config())
	}
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
	if e.value.shape != mapping {
		b.blind = true
		b.fault(e.value.at, "want machine %s as a map {kind: KIND, nets: {SEGMENT: ADDRESS}}, have %s", e.key, e.value.shape)
		return
	}
	kind := b.readKind(e)
	whole := e.value
	if d := defaults.get(kind.Name); d != nil && d.shape == mapping && kind.Config != nil {
		whole = merge(d, e.value)
	}
	if whole.get("count") == nil {
		b.addMachine(e.key, e, whole, kind)
		return
	}
	count, known := b.count(whole.get("count"))
	if !known {
		b.blind = true
	}
	for i := range count {
		b.addMachine(fmt.Sprintf("%s-%d", e.key, i+1), e, whole, kind)
	}
}

// readKind finds the kind of a machine. Where there is none it returns one without anything, so
// that what else is wrong with the machine is found all the same.
func (b *builder) readKind(e entry) *nodes.Kind {
	k := e.value.get("kind")
	if k == nil || k.shape != scalar {
		b.blind = true
		if k == nil {
			b.fault(e.at, "want a kind for machine %s, such as kind: %s", e.key, firstKind(b.cat))
		}
		return &nodes.Kind{}
	}
	kind := b.kind(k.text)
	if kind == nil {
		b.blind = true
		b.fault(k.at, "%s", b.noKind(k.text))
		return &nodes.Kind{Name: k.text}
	}
	if !slices.Contains(b.kinds, kind) {
		b.kinds = append(b.kinds, kind)
	}
	if kind.Program != nil && b.s.World != WorldKernel {
		b.fault(k.at, "programs run in the kernel world only: say world: %s", WorldKernel)
	}
	return kind
}

// count reads how many machines there are. Where that is not known it is 1, so that what else is wrong with them is found all
// the same.
func (b *builder) count(n *node) (count int, known bool) {
	if n.shape != scalar {
		b.fault(n.at, "want a count from 1 to %d, have %s", maxCount, n.shape)
		return 1, false
	}
	c, err := integer(n.text)
	if err != nil || c < 1 || c > maxCount {
		b.fault(n.at, "want a count from 1 to %d, have %q", maxCount, n.text)
		return 1, false
	}
	return int(c), true
}

func firstKind(cat *Catalogue) string {
	if len(cat.Kinds) == 0 {
		return "KIND"
	}
	return cat.Kinds[0].Name
}

func (b *builder) addMachine(name string, e entry, whole *node, kind *nodes.Kind) {
	if !shortPattern.MatchString(name) {
		b.fault(e.at, "want a machine's name of small letters, digits and hyphens, 15 at most, the first no hyphen, have %q", name)
	}
	if _, taken := b.adrift[name]; taken { // One of several, and one that stands by itself.
		b.fault(e.at, "%q is a machine already; call this one otherwise", name)
		return
	}
	keys, path := *newMachineKeys(), "machines/"+name
	whole = whole.with("count", nil)
	var config any
	if kind.Config != nil {
		config = kind.Config()
		b.fields(whole, path, "a machine of kind "+kind.Name, nil, &keys, config)
	} else {
		b.fields(whole, path, "a machine", whole.keys(), &keys)
	}
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
	size := whole.get("disk").get("size")
	if size != nil && m.Disk.Size == 0 && new(nodes.Size).UnmarshalText([]byte(size.text)) == nil { // Else it is told already.
		b.fault(size.at, "want a disk of one byte at least, have %s", size.text)
	}
	nets := whole.get("nets")
	if nets == nil {
		b.fault(e.at, "want nets for machine %s, such as nets: {SEGMENT: ADDRESS}", e.key)
	} else if nets.shape == mapping {
		m.Nets = b.readNets(name, nets)
	}
	b.adrift[name] = b.adrift[name] || nets == nil || nets.shape != mapping || nets.spoilt()
	if slices.Contains(paths(b.s.Segments), name) {
		b.fault(e.at, "%q is a segment that joins others; call the machine otherwise", name)
	}
	if kind.Program != nil {
		b.checkProgram(e.key, whole)
	} else if whole.get("nets").get(management) == nil {
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

// newClients holds the defaults.
func newClients(name string) Clients {
	return Clients{Name: name, Count: 1, Begin: Begin{Fact: nodes.FactReady}, Size: SizeRange{4096, 4096}, Keys: 1000,
		Timeout: 10 * time.Second, Prefix: "/"}
}

func (b *builder) readClients() {
	clients := b.section("clients")
	if clients == nil {
		return
	}
	for _, e := range clients.entries {
		if !shortPattern.MatchString(e.key) {
			b.fault(e.at, "want a name of small letters, digits and hyphens, 15 at most, the first no hyphen, for clients, have %q", e.key)
		}
		c := newClients(e.key)
		path := "clients/" + e.key
		if b.fields(e.value, path, "clients "+e.key, nil, &c) {
			b.checkClients(&c, e)
		}
		b.s.Clients = append(b.s.Clients, c)
	}
}

// reserved are words that a step uses where a machine, clients or a segment may stand, and the
// machine of the harness itself.
var reserved = []string{"all", "nobody", "several", operator, prober}

// localhost is the name of every machine to itself, in the file in which it finds the names of others.
const localhost = "localhost"

// checkNames checks that a word never means two things: a machine, a role, clients or one of their
// machines.
func (b *builder) checkNames() {
	roles := b.roles()
	for _, e := range b.root.get("machines").named() {
		switch {
		case slices.Contains(reserved, e.key):
			b.fault(e.at, "%q means something else in a step; call the machine otherwise", e.key)
		case slices.Contains(roles, e.key):
			b.fault(e.at, "%q is a role; call the machine otherwise", e.key)
		case e.key == localhost:
			b.fault(e.at, "%q is what every machine calls itself; call the machine otherwise", e.key)
		}
	}
	for i, e := range b.root.get("clients").named() {
		switch {
		case slices.Contains(reserved, e.key):
			b.fault(e.at, "%q means something else in a step; call the clients otherwise", e.key)
		case b.machine(e.key) != nil:
			b.fault(e.at, "%q is a machine already; call the clients otherwise", e.key)
		}
		for _, path := range paths(b.s.Segments) {
			if strings.HasPrefix(path, e.key+"-") {
				b.fault(e.at, "clients %s may have a machine %q, which is a segment that joins others; call the clients otherwise",
					e.key, path)
			}
		}
		for n := 1; n <= min(b.s.Clients[i].Count, maxCount); n++ {
			if name := fmt.Sprintf("%s-%d", e.key, n); b.machine(name) != nil {
				b.fault(e.at, "clients %s have a machine %q, and there is one already; call the clients otherwise", e.key, name)
				break
			}
		}
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
	b.sit(at("net"), "clients "+c.Name, c.Net)
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
		b.fault(e.value.at, "put, get and delete of clients %s add up to %s; want 100%%", c.Name, mix)
	case has("rate") && !has("to"):
		b.fault(e.at, "want to for clients %s: the address or machine that they ask", c.Name)
	}
}
