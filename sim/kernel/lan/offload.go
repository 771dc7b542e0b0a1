//go:build linux

package lan

import (
	"encoding/binary"
	"math/rand/v2"

	"golang.org/x/sys/unix"
)

// What goes through a TAP is a wire: a header that says what the sending kernel has left to the card, then the frame. As
// long as nothing on the way looks into frames the receiving kernel gets it as it is, and neither sums nor cuts
// anything: a segment of 64 KiB goes as one. Where a link has a fate for every frame, the switch does what a card would
// do. Whether the kernel of the sender may leave work to the card is never changed meanwhile: what already waits in its
// queue when a fault begins would be too late.
type wire []byte

// hintLen is the length of the header, a struct virtio_net_hdr.
const hintLen = 10

// frame is the Ethernet frame.
func (w wire) frame() ether { return ether(w[hintLen:]) }

func (w wire) unsummed() bool { return w[0]&unix.VIRTIO_NET_HDR_F_NEEDS_CSUM != 0 }
func (w wire) burst() bool    { return w[1] != unix.VIRTIO_NET_HDR_GSO_NONE }
func (w wire) segment() int   { return int(binary.NativeEndian.Uint16(w[4:])) } // payload of each frame of a burst

// headers is how many bytes each frame of a burst begins with, and payload how many they carry together.
func (w wire) headers() (n, payload int) {
	p := w.frame().ip()
	t := p.tcp()
	if t == nil {
		return 0, 0
	}
	n = etherLen + p.header() + t.header()
	return n, etherLen + len(p) - n
}

// count is the number of frames that the wire stands for, and their size together.
func (w wire) count() (frames, bytes int) {
	if !w.burst() {
		return 1, max(etherMin, len(w.frame()))
	}
	headers, payload := w.headers()
	if headers == 0 || w.segment() == 0 {
		return 1, len(w.frame())
	}
	frames = max(1, (payload+w.segment()-1)/w.segment())
	return frames, frames*headers + payload
}

// finish does what the sender left to the card, for a wire of one frame.
func (w wire) finish() {
	if w.unsummed() {
		e := w.frame()
		start := int(binary.NativeEndian.Uint16(w[6:]))
		at := start + int(binary.NativeEndian.Uint16(w[8:]))
		if start < len(e) && at+2 <= len(e) {
			c := fold(sum(e[start:], 0)) // Where it goes the sum of the pseudo header stands already.
			if c == 0 {
				c = 0xffff // 0 would mean that a datagram has none.
			}
			binary.BigEndian.PutUint16(e[at:], c)
		}
	}
	clear(w[:hintLen])
}

// cut calls each with the frames that the wire stands for, finished. They are in a buffer that the next one overwrites,
// or in w.
func (w wire) cut(buffer []byte, each func(wire)) {
	headers, payload := 0, 0
	if w.burst() {
		headers, payload = w.headers()
	}
	size := w.segment()
	if headers == 0 || size == 0 {
		w.finish()
		each(w)
		return
	}
	data := w.frame()[headers : headers+payload]
	whole := w.frame().ip()
	seq, id, flags := whole.tcp().seq(), binary.BigEndian.Uint16(whole[4:]), whole.tcp().flags()
	for first := true; first || len(data) > 0; first = false {
		part := data[:min(size, len(data))]
		data = data[len(part):]
		one := wire(append(append(append(buffer[:0], make([]byte, hintLen)...), w.frame()[:headers]...), part...))
		p := ip(one.frame()[etherLen:])
		t := p[p.header():]
		binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
		binary.BigEndian.PutUint16(p[4:], id)
		binary.BigEndian.PutUint32(t[4:], seq)
		t[13] = flags
		if len(data) > 0 {
			t[13] &^= tcpFIN | tcpPSH
		}
		if !first {
			t[13] &^= tcpCWR
		}
		p.sealIP()
		p.sealTCP()
		id++
		seq += uint32(len(part))
		each(one)
	}
}

// spoil flips one bit of a finished frame where a checksum of IP, TCP, UDP or ICMP finds it. It reports false where none
// would: then only the checksum of the frame, which a TAP does not have, could have found the mistake, and the frame is
// not to arrive at all.
func (w wire) spoil(r *rand.Rand) bool {
	p := w.frame().ip()
	switch {
	case p == nil, p.fragment():
		return false
	case p.tcp() != nil, p.proto() == protoICMP && len(p) > p.header():
	case p.udp() != nil && binary.BigEndian.Uint16(p.udp()[6:]) != 0:
	default:
		return false
	}
	n := r.IntN(len(p) * 8)
	p[n/8] ^= 1 << (n % 8)
	if u := p.udp(); u != nil && binary.BigEndian.Uint16(u[6:]) == 0 {
		return false // The checksum itself: there is none any more.
	}
	return true
}
