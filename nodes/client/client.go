// Package client is the clients of a drill: populations that put, get and delete at a rate, the single requests of a
// timeline, and the operator who asks a machine to do something.
//
// Every request that is sent becomes one nodes.Operation. Its result is ok, surely failed or unknown, and unknown
// stays unknown: a later look at the same path does not change what was known when the request ended.
//
// A client that tries again sends the same payload to the same path. Each try is an operation of its own, with its own
// ID and result and with Attempt counting from 1. So one logical write is all the puts with one Path and one Hash: it
// was acknowledged if any of them is ok, it surely did not happen if all of them failed, and it may have happened more
// than once. Payloads of 8 bytes and more are unique among logical writes. A delete has no hash: its tries follow each
// other in one client's history without another operation between them.
package client

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"time"

	"firedrill/nodes"
	"firedrill/nodes/web"
)

// MaxBody is how much of a response a client reads: 1 GiB. A longer one ends the operation with an error.
const MaxBody = 1 << 30

// Verbs of operations.
const (
	VerbPut    = "put"
	VerbGet    = "get"
	VerbDelete = "delete"
)

// Config is the habits of one client and what ties it to the drill.
type Config struct {
	Group   string // name of the population
	Name    string // name of this client's machine
	Place   Place
	Dialect nodes.Dialect

	Prefix           string // keys are PREFIX/k0000 and so on
	Keys             int    // how many there are; below 1 counts as 1
	Rate             nodes.Rate
	Put, Get, Delete nodes.Share // of the operations, in relation to each other
	// MinSize and MaxSize are of a payload, which is drawn evenly between them each time. Below 8 bytes it need not be
	// unique.
	MinSize, MaxSize nodes.Size
	Timeout          time.Duration // of one try, connecting included; 0: 10 s
	// Retry is how long after a try without an answer, or with a status of 500 and above, the next one follows; it
	// goes on so without end, as a file system mounted hard does. 0: an operation is tried once.
	Retry time.Duration

	NextID func() uint64         // gives each operation its ID
	Time   func() time.Duration  // true time, for Operation.Sent and Done
	Record func(nodes.Operation) // takes each operation when its result is known; nil: nobody does
}

// Place is where clients send their requests.
type Place struct {
	To   string         // as the scenario says it, for the record: an address, a name or a machine
	Host string         // what requests ask for, a host with an optional port; "": Dial
	Dial netip.AddrPort // where to connect
}

func (p Place) host() string {
	switch {
	case p.Host != "":
		return p.Host
	case p.Dial.Port() == 80 && p.Dial.Addr().Is4():
		return p.Dial.Addr().String()
	}
	return p.Dial.String()
}

// Client is one client of a population.
type Client struct {
	config  Config
	caller  caller
	stopped bool
}

// New makes a client that is not running yet.
func New(c Config) *Client {
	c.Keys = max(c.Keys, 1)
	return &Client{config: c}
}

// Run is the client's whole work, on a machine of its own; it returns after Stop, or at once for a client that never
// does anything. One operation is under way at a time. The next is due a while after the start of the one before,
// drawn evenly between a half and one and a half of the rate's interval, and at once where that has passed: what could
// not be done in time is not made good by a burst.
func (c *Client) Run(env nodes.Env) {
	interval := c.config.Rate.Interval()
	if interval <= 0 || c.config.Put+c.config.Get+c.config.Delete <= 0 {
		return
	}
	r := env.Rand()
	c.caller.begin(env, &c.config)
	due := env.Uptime() + draw(r, 0, interval) // Populations do not set out in step.
	for {
		if wait := due - env.Uptime(); wait > 0 {
			env.Sleep(wait)
		}
		if c.stopped {
			break
		}
		due = env.Uptime() + draw(r, interval/2, interval+interval/2)
		c.operate(env, c.choose(r))
	}
	c.caller.transport.CloseIdle()
}

// Run runs a client to its end, for one that is neither moved nor stopped.
func Run(env nodes.Env, c Config) { New(c).Run(env) }

// Move sends the client elsewhere from its next request on. Connections to the old place are not used again.
func (c *Client) Move(to Place) { c.config.Place = to }

// Stop ends Run when the operation under way has ended.
func (c *Client) Stop() { c.stopped = true }

// choose draws the next operation.
func (c *Client) choose(r *rand.Rand) nodes.Operation {
	f := &c.config
	op := nodes.Operation{Path: fmt.Sprintf("%s/k%04d", f.Prefix, r.IntN(f.Keys))}
	switch x := nodes.Share(r.Int64N(int64(f.Put + f.Get + f.Delete))); {
	case x < f.Put:
		op.Verb = VerbPut
		op.Size = draw(r, int64(f.MinSize), int64(f.MaxSize))
	case x < f.Put+f.Get:
		op.Verb = VerbGet
	default:
		op.Verb = VerbDelete
	}
	return op
}

// draw returns a number from min to max, both included.
func draw[T ~int64](r *rand.Rand, min, max T) T {
	if max <= min {
		return min
	}
	return min + T(r.Int64N(int64(max-min)+1))
}

// operate tries one operation until it is answered.
func (c *Client) operate(env nodes.Env, op nodes.Operation) {
	for op.Attempt = 1; ; op.Attempt++ {
		op = c.caller.prepare(op)
		done := c.caller.try(op)
		if c.config.Retry <= 0 || answered(done) {
			return
		}
		env.Sleep(c.config.Retry)
		if c.stopped {
			return
		}
	}
}

// answered reports whether the server has said what there is to say: asking again would bring the same.
func answered(op nodes.Operation) bool {
	return op.Result == nodes.ResultOK || op.Status >= 100 && op.Status < 500
}

// Do sends a single request over a connection of its own and records it: a put of op.Payload or, where that is nil, of
// op.Size bytes; a get; a delete. Of op it needs Verb and Path.
func Do(env nodes.Env, c Config, op nodes.Operation) nodes.Operation {
	var one caller
	one.begin(env, &c)
	one.transport.OneShot = true
	op.Attempt = max(op.Attempt, 1)
	return one.try(one.prepare(op))
}

// caller makes operations out of requests. Its buffers are reused.
type caller struct {
	config    *Config
	transport web.Transport
	payload   []byte
	body      bytes.Buffer
}

func (c *caller) begin(env nodes.Env, config *Config) {
	c.config = config
	c.transport = web.Transport{Env: env, Timeout: config.Timeout, Connect: config.Timeout}
	if config.Timeout <= 0 {
		c.transport.Timeout, c.transport.Connect = 10*time.Second, 10*time.Second
	}
}

// prepare gives an operation its ID, and a put its payload.
func (c *caller) prepare(op nodes.Operation) nodes.Operation {
	op.ID = c.config.NextID()
	if op.Verb != VerbPut {
		return op
	}
	if op.Payload == nil { // Otherwise it is one's own, or that of the try before.
		c.payload = fill(c.payload[:0], op.ID, int(op.Size))
		op.Payload = c.payload
	}
	op.Size, op.Hash = int64(len(op.Payload)), nodes.HashPayload(op.Payload)
	return op
}

// fill makes a payload that no other ID has: the ID in front, then bytes that only look random, since nothing but
// their being the same ones again matters.
func fill(to []byte, id uint64, size int) []byte {
	state := id*0x9e3779b97f4a7c15 | 1
	word := id
	for len(to)+8 <= size {
		to = binary.LittleEndian.AppendUint64(to, word)
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		word = state
	}
	for len(to) < size {
		to = append(to, byte(word))
		word >>= 8
	}
	return to
}

// try sends the operation once and records what came of it.
func (c *caller) try(op nodes.Operation) nodes.Operation {
	place := c.config.Place
	op.Group, op.Client, op.Target = c.config.Group, c.config.Name, place.To
	op.Resolved = place.Dial.Addr()
	op.Sent = c.config.Time()
	c.send(&op, place)
	op.Done = c.config.Time()
	op.Payload = nil
	if c.config.Record != nil {
		c.config.Record(op)
	}
	return op
}

func (c *caller) send(op *nodes.Operation, place Place) {
	req, err := c.config.Dialect.Request(op, place.host())
	if err != nil {
		op.Result, op.Err = nodes.ResultFailed, "prepare: "+err.Error()
		return
	}
	c.transport.Via = place.Dial
	response, trip, err := c.transport.Do(req)
	op.Local, op.Remote = trip.Local, trip.Remote
	c.body.Reset()
	if err == nil {
		err = read(&c.body, response.Body, MaxBody)
	}
	body := c.body.Bytes()
	if err != nil {
		response, op.Err = nil, err.Error()
	} else {
		op.Status = response.StatusCode
		if op.Verb == VerbGet && op.Status/100 == 2 {
			op.Size, op.Hash = int64(len(body)), nodes.HashPayload(body)
		}
	}
	op.Result = c.config.Dialect.Result(op, response, body, err)
}

// read reads a response's body to its end.
func read(to *bytes.Buffer, body io.ReadCloser, limit int64) error {
	_, err := to.ReadFrom(io.LimitReader(body, limit+1))
	if err == nil && int64(to.Len()) > limit {
		err = fmt.Errorf("want a body of at most %d bytes, have more", limit)
	}
	return errors.Join(err, body.Close())
}
