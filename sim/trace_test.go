package sim

import (
	"fmt"
	"testing"
)

// Every single bit of what is hashed changes the sum, at every length around those that the loops take apart.
func TestHashSeesEveryBit(t *testing.T) {
	seen := map[uint64]string{}
	for n := range 40 {
		b := make([]byte, n)
		for bit := -1; bit < 8*n; bit++ {
			if bit >= 0 {
				b[bit/8] ^= 1 << (bit % 8)
			}
			var h Hash
			h.Bytes(b)
			if other, twice := seen[h.Sum()]; twice {
				t.Fatalf("%x gives the sum of %s", b, other)
			}
			seen[h.Sum()] = fmt.Sprintf("%x", b)
			if bit >= 0 {
				b[bit/8] ^= 1 << (bit % 8)
			}
		}
	}
}

func TestHashKnowsOrder(t *testing.T) {
	sum := func(words ...string) uint64 {
		var h Hash
		for _, w := range words {
			h.String(w)
		}
		return h.Sum()
	}
	if sum("ab", "c") == sum("a", "bc") || sum("a", "b") == sum("b", "a") || sum("") == sum() {
		t.Error("two sequences that differ have one sum")
	}
}
