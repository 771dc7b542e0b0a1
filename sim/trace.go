package sim

import (
	"encoding/binary"
	"hash/fnv"
	"math/bits"
	"math/rand/v2"
	"time"

	"firedrill/nodes"
)

// Event is one thing that happened: a fact, with when and where. Machine "" is the harness.
type Event struct {
	At      time.Duration
	Seq     int // its place in the trace
	Machine string
	nodes.Fact
}

// Trace is what happened, in order, and a running hash of it; the hash also covers what is not kept, frames above all.
type Trace struct {
	events []Event
	hash   Hash
}

// Add appends an event, and returns it as it stands in the trace.
func (t *Trace) Add(at time.Duration, machine string, f nodes.Fact) Event {
	e := Event{At: at, Seq: len(t.events), Machine: machine, Fact: f}
	t.events = append(t.events, e)
	t.hash.Word(uint64(at))
	t.hash.String(machine)
	t.hash.String(f.Name)
	t.hash.String(f.Scope)
	t.hash.String(f.Value)
	t.hash.Word(f.Epoch)
	for _, a := range f.Attrs {
		t.hash.String(a.Key)
		t.hash.String(a.Value)
	}
	return e
}

// Events are all so far, in order. The caller does not change them.
func (t *Trace) Events() []Event { return t.events }

// Hash is for what happens without becoming an event.
func (t *Trace) Hash() *Hash { return &t.hash }

// Sum is the hash of everything so far.
func (t *Trace) Sum() uint64 { return t.hash.Sum() }

// Hash is a running hash over words, a word at a time, so that it can afford to see every frame. It tells runs apart;
// it resists nobody who wants a collision.
type Hash struct{ state uint64 }

// Word adds eight bytes.
func (h *Hash) Word(w uint64) {
	hi, lo := bits.Mul64(h.state^w^0x9e3779b97f4a7c15, 0xd6e8feb86659fd93)
	h.state = bits.RotateLeft64(hi^lo, 29) + w
}

// Bytes adds a length and that many bytes.
func (h *Hash) Bytes(b []byte) {
	h.Word(uint64(len(b)))
	for len(b) >= 16 { // Two words for one multiplication: most of what is hashed is payload.
		hi, lo := bits.Mul64(h.state^binary.LittleEndian.Uint64(b)^0x9e3779b97f4a7c15,
			binary.LittleEndian.Uint64(b[8:])^0xd6e8feb86659fd93)
		h.state = bits.RotateLeft64(h.state, 23) + (hi ^ lo)
		b = b[16:]
	}
	if len(b) >= 8 {
		h.Word(binary.LittleEndian.Uint64(b))
		b = b[8:]
	}
	var last uint64
	for i, c := range b {
		last |= uint64(c) << (8 * i)
	}
	h.Word(last)
}

// String adds a length and that many bytes.
func (h *Hash) String(s string) {
	h.Word(uint64(len(s)))
	for len(s) >= 8 {
		h.Word(uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56)
		s = s[8:]
	}
	var last uint64
	for i := range len(s) {
		last |= uint64(s[i]) << (8 * i)
	}
	h.Word(last)
}

// Sum is the hash so far.
func (h *Hash) Sum() uint64 { return h.state }

// Stream is the random stream of a name under a seed.
func Stream(seed uint64, name string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}
