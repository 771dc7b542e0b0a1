package sim

import (
	"testing"

	"firedrill/nodes"
)

// TestCarried: what a sender hands over counts, whatever becomes of it; what never left does not.
func TestCarried(t *testing.T) {
	all, slow := nodes.ShareAll, nodes.Bandwidth(8)
	for _, test := range []struct {
		name string
		c    Condition
		want int64 // of two frames
	}{
		{"nothing is wrong", Condition{}, 200},
		{"lost by chance", Condition{Loss: &all}, 200},
		{"damaged", Condition{Corrupt: &all}, 200},
		{"doubled by the network", Condition{Duplicate: &all}, 200},
		{"cut", Condition{Cut: true}, 0},
		{"refused", Condition{Refuse: RefuseReset}, 0},
		{"held", Condition{Hold: true}, 0},
		{"waiting at a slow port", Condition{Bandwidth: &slow}, 200},
		{"only others are cut", Condition{Cut: true, Frames: []string{"arp"}}, 200},
		{"only these are cut", Condition{Cut: true, Frames: []string{"udp"}}, 0},
	} {
		n := NewNetwork(1)
		n.AddSegment(Segment{Name: "lan"})
		n.Attach("lan", "a")
		n.Attach("lan", "b")
		l := n.Link("lan", "a", "b")
		l.Impose(&Imposition{Condition: test.c})
		for range 2 {
			l.Carry(0, &Frame{Class: FrameUDP, Size: 100})
		}
		if l.Carried() != test.want || n.Link("lan", "b", "a").Carried() != 0 {
			t.Errorf("%s: %d bytes, want %d, and none the other way", test.name, l.Carried(), test.want)
		}
	}
}

// TestCarriedByAFullQueue: what the sender's queue has no room for never left.
func TestCarriedByAFullQueue(t *testing.T) {
	n, bandwidth := NewNetwork(1), nodes.Bandwidth(1e6)
	n.AddSegment(Segment{Name: "lan", Base: Condition{Bandwidth: &bandwidth}})
	n.Attach("lan", "a")
	n.Attach("lan", "b")
	l, left := n.Link("lan", "a", "b"), int64(0)
	for range 3 * queueFrames {
		if fate := l.Carry(0, &Frame{Class: FrameUDP, Size: frameMax}); !fate.Lost {
			left += frameMax
		}
	}
	if l.Carried() != left || left >= 2*queueFrames*frameMax {
		t.Errorf("%d bytes carried of %d that left; want them equal, and most frames lost", l.Carried(), left)
	}
}
