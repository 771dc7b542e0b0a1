package sim

import (
	"math/rand/v2"
	"time"
)

// How ARP waits, in true time, as Linux does unless told otherwise (arp(7)).
const (
	ARPRetry = time.Second // after which a question is asked again
	ARPTries = 3
	ARPDelay = 5 * time.Second // an entry that is no longer trusted is used for so long before it is asked for again
	ARPLock  = time.Second     // within which a second answer does not displace the first
	ARPTrust = 30 * time.Second
	ARPQueue = 100 // frames that wait for an answer

	trustDrawn = 5 * time.Minute
)

// Trust is how long the entries of one ARP cache are trusted: between half and one and a half of ARPTrust, drawn every few
// minutes.
type Trust struct{ lasts, redraw time.Duration }

// Lasts is the time that holds now. It is drawn from r when there is none yet, or the last one has served its time.
func (t *Trust) Lasts(now time.Duration, r *rand.Rand) time.Duration {
	if t.lasts == 0 || now >= t.redraw {
		t.lasts = ARPTrust/2 + time.Duration(r.Int64N(int64(ARPTrust)+1))
		t.redraw = now + trustDrawn
	}
	return t.lasts
}
