// Package made builds made-up runs, so that claims can be tried on histories that nobody played. A run is written
// as a script, one thing a line:
//
//	machine nas-a lan=10.0.0.1 heartbeat=10.1.0.1      of the kind that the test passes; drift=200ppm
//	client office-1 office                             a client and its group
//	segment heartbeat latency=1ms jitter=0s loss=0%
//	5s nas-a role: active, access: read-write          facts, separated by commas
//	5s nas-a address-bound: 10.0.0.40 (lan)            a scope stands in parentheses
//	7s nas-b took-over image=3                         details as key=value
//	10s..10.1s office-1 put /a v1 by nas-a             an operation; its last word may be failed or unknown
//	10s..10.1s office-1 delete /a by nas-a
//	10s..10.1s office-1 get /a v1 by nas-a             what it read; without a word, that nothing was there
//	10s..10.1s office-1 put /a v1 by nas-a to 10.0.0.40    what was asked for
//	step 9s cable                                      a step that acted
//	step 9s lead do apply nas-a 200 role=active heartbeat_ips=[10.1.0.1 10.1.0.2]    one with an answer
//	step 9s join do apply nas-b 409 role=standby took=2s answer.reason=firmware       one that took a while, with members
//	disk nas-a /a=v1 /b=v2                             what a disk holds at the end
//	image nas-b 3 /a=v1                                likewise, in an image
//	start 2026-01-05T00:00:00Z                         true time at power-on
//	end 1h                                             likewise when that is; 1h without it
//
// Lines are in order of time, as the trace is; `#` begins a comment.
package made

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"firedrill/nodes"
	"firedrill/scenarios/expect"
	"firedrill/sim"
)

// Size is what every put of a made-up history carries, in bytes.
const Size = 100

// Run reads scripts into one run; machines are of this kind and get this configuration. A mistake in a script
// panics: it is one of the test itself.
func Run(kind *nodes.Kind, config any, scripts ...string) *expect.Run {
	m := &maker{kind: kind, config: config, run: &expect.Run{End: time.Hour}}
	for _, line := range strings.Split(strings.Join(scripts, "\n"), "\n") {
		line, _, _ = strings.Cut(line, "#")
		if words := strings.Fields(line); len(words) > 0 {
			m.line(words, strings.TrimSpace(line))
		}
	}
	m.run.Quiet = m.run.End
	return m.run
}

// Hash is what a content stands for in operations and on disks.
func Hash(content string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(content))
	return h.Sum64()
}

type maker struct {
	kind   *nodes.Kind
	config any
	run    *expect.Run
}

var span = regexp.MustCompile(`^([^.]+(?:\.\d+)?[a-z]+)\.\.(.+)$`)

func (m *maker) line(words []string, line string) {
	switch words[0] {
	case "machine":
		m.machine(words[1], words[2:])
	case "client":
		m.run.Machines = append(m.run.Machines, expect.Machine{Name: words[1], Group: words[2], State: sim.StateUp})
	case "segment":
		m.segment(words[1], words[2:])
	case "step":
		m.step(words[1:], line)
	case "disk":
		m.contents(words[1], "", "", words[2:])
	case "image":
		m.contents(words[1], "image", words[2], words[3:])
	case "start":
		start, err := time.Parse(time.RFC3339, words[1])
		check(err)
		m.run.Start = start
	case "end":
		m.run.End = duration(words[1])
	default:
		if s := span.FindStringSubmatch(words[0]); s != nil {
			m.operation(duration(s[1]), duration(s[2]), words[1:])
			return
		}
		at, rest, _ := strings.Cut(line, " ")
		machine, facts, _ := strings.Cut(strings.TrimSpace(rest), " ")
		for _, f := range strings.Split(facts, ",") {
			m.run.Events = append(m.run.Events, sim.Event{
				At: duration(at), Seq: len(m.run.Events), Machine: machine, Fact: fact(strings.TrimSpace(f))})
		}
	}
}

func (m *maker) machine(name string, words []string) {
	one := expect.Machine{Name: name, Kind: m.kind, Config: m.config, State: sim.StateUp}
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		if key == "drift" {
			check(one.Clock.Drift.UnmarshalText([]byte(value)))
			continue
		}
		address := netip.PrefixFrom(netip.MustParseAddr(value), 24)
		one.Nets = append(one.Nets, sim.Interface{Segment: key, Address: address})
	}
	m.run.Machines = append(m.run.Machines, one)
}

func (m *maker) segment(name string, words []string) {
	s := sim.Segment{Name: name}
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		switch key {
		case "latency", "jitter":
			d := duration(value)
			if key == "latency" {
				s.Base.Latency = &d
			} else {
				s.Base.Jitter = &d
			}
		case "loss":
			s.Base.Loss = new(nodes.Share)
			check(s.Base.Loss.UnmarshalText([]byte(value)))
		case "bandwidth":
			s.Base.Bandwidth = new(nodes.Bandwidth)
			check(s.Base.Bandwidth.UnmarshalText([]byte(value)))
		}
	}
	m.run.Segments = append(m.run.Segments, s)
}

var pairs = regexp.MustCompile(`([\w.]+)=(\[[^\]]*\]|\S+)`)

func (m *maker) step(words []string, line string) {
	at := duration(words[0])
	s := expect.Fired{Name: words[1], At: at, Done: at, Seq: len(m.run.Events), Text: line}
	if len(words) > 2 && words[2] == "do" {
		var status int
		_, err := fmt.Sscan(words[5], &status)
		check(err)
		s.Verb, s.Machine, s.Answer = words[3], words[4], &nodes.Answer{Status: status}
		for _, p := range pairs.FindAllStringSubmatch(line, -1) {
			if member, ok := strings.CutPrefix(p[1], "answer."); ok {
				s.Answer.Fields = append(s.Answer.Fields, nodes.Attr{Key: member, Value: p[2]})
				continue
			}
			if p[1] == "took" {
				s.Done = at + duration(p[2])
				continue
			}
			v := nodes.Value{Key: p[1], Text: p[2]}
			if list, ok := strings.CutPrefix(p[2], "["); ok {
				v.Text, v.List = "", strings.Fields(strings.TrimSuffix(list, "]"))
			}
			s.With = append(s.With, v)
		}
	}
	m.run.Steps = append(m.run.Steps, s)
}

func (m *maker) contents(machine, place, image string, words []string) {
	for i := range m.run.Machines {
		if m.run.Machines[i].Name != machine {
			continue
		}
		for _, w := range words {
			path, content, _ := strings.Cut(w, "=")
			m.run.Machines[i].Contents = append(m.run.Machines[i].Contents, nodes.Item{
				Path: path, Hash: Hash(content), Size: Size, Place: place, Image: image})
		}
		return
	}
	panic("made: no machine " + machine)
}

func (m *maker) operation(sent, done time.Duration, words []string) {
	op := nodes.Operation{ID: uint64(len(m.run.History) + 1), Client: words[0], Verb: words[1], Path: words[2],
		Sent: sent, Done: done, Result: nodes.ResultOK}
	if one := m.run.Machine(op.Client); one != nil {
		op.Group = one.Group
	}
	words = words[3:]
	if op.Verb != "delete" && words[0] != "by" {
		op.Hash, op.Size = Hash(words[0]), Size
		words = words[1:]
	}
	for i, w := range words {
		switch w {
		case "by":
			op.ServedBy = words[i+1]
		case "to":
			op.Target = words[i+1]
			op.Resolved, _ = netip.ParseAddr(op.Target) // The zero address where it is a name that nobody has asked for.
		case "ok", "failed", "unknown":
			op.Result = nodes.Result(w)
		}
	}
	m.run.History = append(m.run.History, op)
}

var details = regexp.MustCompile(`^([\w-]+)(?::(?: ([^(=]*?))?)?(?: \(([^)]*)\))?((?: \w+=\S+)*)$`)

// fact reads `name: value (scope) key=value`.
func fact(text string) nodes.Fact {
	parts := details.FindStringSubmatch(text)
	if parts == nil {
		panic("made: not a fact: " + text)
	}
	f := nodes.Fact{Name: parts[1], Value: strings.TrimSpace(parts[2]), Scope: parts[3]}
	for _, w := range strings.Fields(parts[4]) {
		key, value, _ := strings.Cut(w, "=")
		f.Attrs = append(f.Attrs, nodes.Attr{Key: key, Value: value})
	}
	return f
}

func duration(text string) time.Duration {
	d, err := nodes.ParseDuration(text)
	check(err)
	return d
}

func check(err error) {
	if err != nil {
		panic("made: " + err.Error())
	}
}
