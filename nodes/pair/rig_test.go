package pair_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"firedrill/nodes"
	"firedrill/nodes/client"
	"firedrill/nodes/pair"
	"firedrill/sim"
	"firedrill/sim/virtual"
)

// Addresses of the rig.
const (
	lanA, lanB     = "172.16.66.165", "172.16.66.160"
	beatA, beatB   = "192.168.2.254", "192.168.2.253"
	virtualAddress = "172.16.66.40"
)

// rig is two units and an operator, all on both segments.
type rig struct {
	*testing.T
	world *virtual.World
	kind  *nodes.Kind
	until time.Duration
}

// newRig makes two units, each with a config of its own.
func newRig(t *testing.T, configure ...func(a, b *pair.Config)) *rig {
	t.Helper()
	r := &rig{T: t, world: virtual.New(7), kind: pair.Kind()}
	t.Cleanup(func() { r.world.Close() })
	latency := 100 * time.Microsecond
	for name, subnet := range map[string]string{"lan": "172.16.64.0/22", "heartbeat": "192.168.2.0/24"} {
		segment := sim.Segment{Name: name, Subnet: netip.MustParsePrefix(subnet), Base: sim.Condition{Latency: &latency}}
		if err := r.world.AddSegment(segment); err != nil {
			t.Fatal(err)
		}
	}
	a, b := r.kind.Config().(*pair.Config), r.kind.Config().(*pair.Config)
	a.Data, b.Data = 200_000, 100_000
	for _, c := range configure {
		c(a, b)
	}
	r.add("nas-a", lanA, beatA, a)
	r.add("nas-b", lanB, beatB, b)
	r.add("desk", "172.16.64.9", "192.168.2.9", nil)
	r.run(time.Second)
	return r
}

func (r *rig) add(name, lan, beat string, config *pair.Config) {
	r.Helper()
	spec := sim.MachineSpec{Name: name, Start: time.Date(2026, 1, 5, 0, 40, 0, 0, time.UTC), Interfaces: []sim.Interface{
		{Segment: "lan", Address: netip.MustParsePrefix(lan + "/22")},
		{Segment: "heartbeat", Address: netip.MustParsePrefix(beat + "/24")},
	}}
	if config != nil {
		spec.Kind, spec.Config = r.kind, config
	}
	if err := r.world.AddMachine(spec); err != nil {
		r.Fatal(err)
	}
}

// run lets time pass.
func (r *rig) run(d time.Duration) {
	r.Helper()
	r.until += d
	if err := r.world.Run(r.until); err != nil {
		r.Fatal(err)
	}
}

// ask begins a request of the operator; the answer is there when time has passed.
func (r *rig) ask(address string, request nodes.Request) *nodes.Answer {
	answer := new(nodes.Answer)
	r.world.Machine("desk").Go("ask", func(env nodes.Env) {
		*answer = client.Ask(env, netip.MustParseAddrPort(address+":80"), request, 3*time.Minute)
	})
	return answer
}

// do asks for a verb and gives it five seconds. The arguments are key=value; a value with a comma is a list,
// of one where it is the last character.
func (r *rig) do(address, verb string, with ...string) *nodes.Answer {
	r.Helper()
	answer := r.ask(address, r.request(verb, with...))
	r.run(5 * time.Second)
	return answer
}

func (r *rig) request(verb string, with ...string) nodes.Request {
	r.Helper()
	var values nodes.Values
	for _, w := range with {
		key, text, _ := strings.Cut(w, "=")
		v := nodes.Value{Key: key, Text: text}
		if strings.Contains(text, ",") {
			v = nodes.Value{Key: key, List: strings.Split(strings.TrimSuffix(text, ","), ",")}
		}
		values = append(values, v)
	}
	for _, v := range r.kind.Verbs {
		if v.Name == verb {
			return v.Request(values)
		}
	}
	r.Fatalf("the kind has no verb %q", verb)
	return nodes.Request{}
}

func asActive(more ...string) []string {
	return append([]string{"role=active", "pair_ip=" + lanB, "pair_code=drill", "virtual_ip=" + virtualAddress,
		"heartbeat_ips=" + beatA + "," + beatB, "interval=30s", "checks=1", "schedule=hourly"}, more...)
}

func asStandby(more ...string) []string {
	return append([]string{"role=standby", "pair_ip=" + lanA, "pair_code=drill"}, more...)
}

// pair sets the units up and waits until they are redundant.
func (r *rig) pair() {
	r.Helper()
	r.mustDo(lanA, "apply", asActive()...)
	r.mustDo(lanB, "apply", asStandby()...)
	r.run(5 * time.Second)
	r.want("nas-a", pair.Active)
	r.want("nas-b", pair.Standby)
}

func (r *rig) mustDo(address, verb string, with ...string) {
	r.Helper()
	if a := r.do(address, verb, with...); a.Status != 200 {
		r.Fatalf("%s at %s: want 200, have %+v", verb, address, a)
	}
}

// refused wants an answer with a reason.
func (r *rig) refused(a *nodes.Answer, status int, reason string) {
	r.Helper()
	if a.Status != status || a.Field("reason") != reason {
		r.Errorf("want status %d, reason %s; have %+v", status, reason, a)
	}
}

// phase is the state that a machine noted last.
func (r *rig) phase(machine string) pair.Phase {
	return pair.Phase(r.last(machine, nodes.FactPhase))
}

func (r *rig) last(machine, fact string) string {
	value := ""
	for _, e := range r.world.Trace().Events() {
		if e.Machine == machine && e.Name == fact {
			value = e.Value
		}
	}
	return value
}

func (r *rig) want(machine string, p pair.Phase) {
	r.Helper()
	if have := r.phase(machine); have != p {
		r.Fatalf("%s: want state %s, have %s", machine, p, have)
	}
}

// count is how often a machine noted a fact, with this value unless that is "".
func (r *rig) count(machine, fact, value string) (n int) {
	for _, e := range r.world.Trace().Events() {
		if e.Machine == machine && e.Name == fact && (value == "" || e.Value == value) {
			n++
		}
	}
	return n
}

// owners wants exactly these machines to answer for the virtual address.
func (r *rig) owners(want ...string) {
	r.Helper()
	have := r.world.Owners("lan", netip.MustParseAddr(virtualAddress))
	if strings.Join(have, " ") != strings.Join(want, " ") {
		r.Errorf("want %v to own the virtual address, have %v", want, have)
	}
}

// cut silences a segment between the units until the function that it returns is called.
func (r *rig) cut(segment string) (heal func()) {
	var lifts []func()
	for _, l := range r.world.Links(segment) {
		i := &sim.Imposition{Condition: sim.Condition{Cut: true}}
		l.Impose(i)
		lifts = append(lifts, func() { l.Lift(i) })
	}
	return func() {
		for _, lift := range lifts {
			lift()
		}
	}
}

// file asks for one request of a client.
func (r *rig) file(method, address, path, body string) *nodes.Answer {
	r.Helper()
	answer := r.ask(address, nodes.Request{Method: method, Path: path, Body: []byte(body)})
	r.run(2 * time.Second)
	return answer
}

// status reads a field of a unit's status.
func (r *rig) status(address, field string) string {
	r.Helper()
	a := r.do(address, "view-status")
	if a.Status != 200 {
		r.Fatalf("status of %s: %+v", address, a)
	}
	return a.Field(field)
}

// data is what a unit says of its files.
func (r *rig) data(address string) string {
	r.Helper()
	answer := r.ask(address, nodes.Request{Method: "GET", Path: "/failover/data"})
	r.run(time.Second)
	return answer.Field("data")
}

type event = sim.Event

// phaseIs matches the fact that a machine entered a state.
func phaseIs(machine string, p pair.Phase) func(event) bool {
	return func(e event) bool {
		return e.Machine == machine && e.Name == nodes.FactPhase && e.Value == string(p)
	}
}
