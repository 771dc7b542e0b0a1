//go:build linux

package disk

import (
	"sync"
	"testing"
	"time"
)

// A sync of 5 ms is over in 83 us at 60x, and not in the whole millisecond for which a timer of the runtime waits at least. The
// quickest of many counts: others use the machine too.
func TestShortPausesAreShort(t *testing.T) {
	m := &Mount{lock: new(sync.Mutex), scale: 60}
	m.lock.Lock()
	defer m.lock.Unlock()
	quickest := time.Hour
	for range 50 {
		m.turn = &call{m: m}
		begin := time.Now()
		pacer{m}.Pause(5 * time.Millisecond)
		quickest = min(quickest, time.Since(begin))
	}
	if quickest < 5*time.Millisecond/60 || quickest > 700*time.Microsecond {
		t.Errorf("5ms at 60x take %s, want %s and little more", quickest, 5*time.Millisecond/60)
	}
}
