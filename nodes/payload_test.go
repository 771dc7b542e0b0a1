package nodes_test

import (
	"math/rand/v2"
	"testing"

	"firedrill/nodes"
	"firedrill/sim"
)

func TestHashPayload(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	seen := map[uint64]int{}
	for n := range 300 {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		var h sim.Hash
		h.Bytes(b)
		have := nodes.HashPayload(b)
		if have != h.Sum() {
			t.Errorf("%d bytes: want the hash of sim, %x, have %x", n, h.Sum(), have)
		}
		if have == 0 {
			t.Errorf("%d bytes: want a hash other than 0", n)
		}
		if other, taken := seen[have]; taken {
			t.Errorf("payloads of %d and %d bytes have one hash", other, n)
		}
		seen[have] = n
		for i := range b {
			b[i] ^= 0x10
			if nodes.HashPayload(b) == have {
				t.Errorf("%d bytes: the hash does not see a change of byte %d", n, i)
			}
			b[i] ^= 0x10
		}
	}
}

func BenchmarkHashPayload(b *testing.B) {
	payload := make([]byte, 4096)
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		nodes.HashPayload(payload)
	}
}
