package sim

import "time"

// Capturer is a world that can show its frames as bytes.
type Capturer interface {
	// Capture lets take have every frame from now on, as it leaves: the segment, when, and its
	// bytes from the Ethernet header on. A broadcast is one frame. The bytes are the receiver's to
	// keep. It changes nothing that happens in the world.
	Capture(take func(segment string, at time.Duration, frame []byte))
}
