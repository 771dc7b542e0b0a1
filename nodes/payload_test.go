package nodes_test

import (
	"math/bits"
	"math/rand/v2"
	"testing"

	"firedrill/nodes"
)

func TestHashPayload(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	seen := map[uint64]int{}
	changed, changes := 0, 0
	for n := range 300 {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		have := nodes.HashPayload(b)
		if other, taken := seen[have]; taken {
			t.Errorf("payloads of %d and %d bytes have one hash", other, n)
		}
		seen[have] = n
		for i := range b {
			b[i] ^= 0x10
			other := nodes.HashPayload(b)
			if other == have {
				t.Errorf("%d bytes: the hash does not see a change of byte %d", n, i)
			}
			changes++
			changed += bits.OnesCount64(have ^ other)
			b[i] ^= 0x10
		}
	}
	if mean := float64(changed) / float64(changes); mean < 30 || mean > 34 {
		t.Errorf("want about half of 64 bits to turn over with one bit of the payload, have %.1f", mean)
	}
}

// Payloads of clients are alike but for a number in front; zeros differ in their number alone.
func TestHashPayloadTellsLikeOnesApart(t *testing.T) {
	seen := map[uint64]bool{}
	b := make([]byte, 4096)
	for id := range 100_000 {
		b[0], b[1], b[2] = byte(id), byte(id>>8), byte(id>>16)
		seen[nodes.HashPayload(b[:64])] = true
	}
	clear(b)
	for n := range b {
		seen[nodes.HashPayload(b[:n])] = true
	}
	if want := 100_000 + len(b) - 1; len(seen) != want { // 64 zeros are in both.
		t.Errorf("want %d hashes, have %d", want, len(seen))
	}
	if seen[0] {
		t.Error("want no hash of 0")
	}
}

func BenchmarkHashPayload(b *testing.B) {
	payload := make([]byte, 4096)
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		nodes.HashPayload(payload)
	}
}
