package nodes

import (
	"encoding/binary"
	"math/bits"
)

// HashPayload is the hash of a client's payload in Operation.Hash and Item.Hash: by it the harness finds on a disk
// what a client wrote. It takes two words at a time, since it sees every byte that clients send, and resists nobody
// who wants a collision. It is never 0, which stands for no payload.
func HashPayload(b []byte) uint64 {
	state := mix(0, uint64(len(b)), 0)
	for len(b) >= 16 {
		state = mix(state, binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]))
		b = b[16:]
	}
	var last [16]byte
	copy(last[:], b)
	state = mix(state, binary.LittleEndian.Uint64(last[:]), binary.LittleEndian.Uint64(last[8:]))
	return max(mix(state, 0, 0), 1)
}

// mix adds two words to a state. What it adds to the product keeps both words where one factor happens to be 0.
func mix(state, a, b uint64) uint64 {
	hi, lo := bits.Mul64(state^a^0x9e3779b97f4a7c15, state^b^0xd6e8feb86659fd93)
	return bits.RotateLeft64(hi^lo, 29) + (a ^ bits.RotateLeft64(b, 32))
}
