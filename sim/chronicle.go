package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"firedrill/nodes"
)

// Chronicle is what a world remembers: the trace, the clients' operations, and who waits for what to happen. Worlds share
// it; it knows no time of its own.
type Chronicle struct {
	trace    Trace
	history  []nodes.Operation
	watchers []*watcher
}

type watcher struct {
	match func(Event) bool
	act   func(Event)
}

// Trace is what happened so far.
func (c *Chronicle) Trace() *Trace { return &c.trace }

// History are the operations so far, in the order in which they were recorded.
func (c *Chronicle) History() []nodes.Operation { return c.history }

// OnFact calls act for each event that match accepts, before whoever noted it goes on, until cancel is called.
func (c *Chronicle) OnFact(match func(Event) bool, act func(Event)) (cancel func()) {
	one := &watcher{match, act}
	c.watchers = append(slices.Clip(c.watchers), one)
	return func() {
		c.watchers = slices.DeleteFunc(slices.Clone(c.watchers), func(o *watcher) bool { return o == one })
	}
}

// Add puts a fact into the trace, and lets whoever waited for it act.
func (c *Chronicle) Add(at time.Duration, machine string, f nodes.Fact) {
	c.watch(c.trace.Add(at, machine, f))
}

// Glimpse shows a fact to whoever waits for it and keeps it out of the trace: it is too frequent, or said elsewhere.
func (c *Chronicle) Glimpse(at time.Duration, machine string, f nodes.Fact) {
	if len(c.watchers) > 0 {
		c.watch(Event{At: at, Seq: -1, Machine: machine, Fact: f})
	}
}

func (c *Chronicle) watch(e Event) {
	for _, o := range c.watchers { // A change makes a new slice: this one stays as it was.
		if slices.Contains(c.watchers, o) && o.match(e) {
			o.act(e)
		}
	}
}

// Enter puts an operation into the history. Of one that succeeded it glimpses the fact served, of the machine that served.
func (c *Chronicle) Enter(at time.Duration, op nodes.Operation) {
	op.Payload = nil
	if len(c.history) == cap(c.history) {
		c.history = slices.Grow(c.history, len(c.history)+64) // Twice as many: they are large to copy.
	}
	c.history = append(c.history, op)
	h := c.trace.Hash()
	h.Word(op.ID)
	h.Word(op.Hash)
	h.Word(uint64(op.Done))
	h.String(string(op.Result))
	if op.Result == nodes.ResultOK {
		c.Glimpse(at, op.ServedBy, nodes.Fact{Name: FactServed, Scope: op.Group, Value: op.Verb + " " + op.Path})
	}
}

// Streams are the random streams of a seed, by name.
type Streams struct {
	seed uint64
	made map[string]*rand.Rand
}

// NewStreams makes them for a seed.
func NewStreams(seed uint64) *Streams { return &Streams{seed, map[string]*rand.Rand{}} }

// Stream is the random stream of this name. One more draw in a stream changes nothing in any other.
func (s *Streams) Stream(name string) *rand.Rand {
	r := s.made[name]
	if r == nil {
		r = Stream(s.seed, name)
		s.made[name] = r
	}
	return r
}
