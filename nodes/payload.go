package nodes

import (
	"encoding/binary"
	"math/bits"
)

// HashPayload is the hash of a client's payload in Operation.Hash and Item.Hash: by it the harness finds on a disk what a
// client wrote. It takes a word at a time, as sim.Hash does and with the same result, since it sees every byte that clients
// send. It is never 0, which stands for no payload.
func HashPayload(b []byte) uint64 {
	state := mix(0, uint64(len(b)))
	for len(b) >= 8 {
		state = mix(state, binary.LittleEndian.Uint64(b))
		b = b[8:]
	}
	var last uint64
	for i, c := range b {
		last |= uint64(c) << (8 * i)
	}
	return max(mix(state, last), 1)
}

func mix(state, word uint64) uint64 {
	hi, lo := bits.Mul64(state^word^0x9e3779b97f4a7c15, 0xd6e8feb86659fd93)
	return bits.RotateLeft64(hi^lo, 29) + word
}
