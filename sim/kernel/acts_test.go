//go:build linux

package kernel

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"firedrill/nodes"
	"firedrill/sim"
	"firedrill/sim/kernel/room"
)

// acts are what an owner may do to a machine, in whatever state it is.
var acts = []func(h *hall, m sim.Machine, r *rand.Rand){
	func(_ *hall, m sim.Machine, _ *rand.Rand) { m.PowerOff() },
	func(_ *hall, m sim.Machine, _ *rand.Rand) { m.Boot(nil) },
	func(_ *hall, m sim.Machine, _ *rand.Rand) { m.Boot(nil) },
	func(_ *hall, m sim.Machine, _ *rand.Rand) { m.Crash() },
	func(_ *hall, m sim.Machine, _ *rand.Rand) { m.Restart(nil) },
	func(_ *hall, m sim.Machine, _ *rand.Rand) { m.Pause() },
	func(_ *hall, m sim.Machine, _ *rand.Rand) { m.Resume() },
	func(_ *hall, m sim.Machine, _ *rand.Rand) { m.Freeze() },
	func(_ *hall, m sim.Machine, _ *rand.Rand) { m.Thaw() },
	func(_ *hall, m sim.Machine, _ *rand.Rand) { m.Suspend() },
	func(_ *hall, m sim.Machine, _ *rand.Rand) { m.Wake() },
	func(_ *hall, m sim.Machine, _ *rand.Rand) { m.Unplug("lan") },
	func(_ *hall, m sim.Machine, _ *rand.Rand) { m.Plug("lan") },
	func(h *hall, m sim.Machine, r *rand.Rand) { m.Clock().SetDrift(h.Now(), nodes.Drift(r.IntN(1000))) },
	func(_ *hall, m sim.Machine, _ *rand.Rand) {
		m.Disk().Impose(&sim.DiskImposition{DiskCondition: sim.DiskCondition{How: sim.DiskHang}})
	},
	func(_ *hall, m sim.Machine, _ *rand.Rand) { healDisk(m) },
	func(_ *hall, m sim.Machine, _ *rand.Rand) {
		m.Go("sleep", func(e nodes.Env) { e.Sleep(time.Millisecond) })
	},
}

func healDisk(m sim.Machine) {
	for _, i := range m.Disk().Imposed() {
		m.Disk().Lift(i)
	}
}

// Whatever is done to machines, and however close together, the world goes on; once all is undone they come back, and at the end
// nothing of them is left. The moments are this system's, so that no two runs are the same.
func TestActsAtRandom(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			h := newHall(t, "one", "two")
			p := script("while :; do echo on; echo x >> /srv/file; sync /srv/file; sleep 0.05; done")
			p.Files = map[string]string{"/srv/conf": "conf\n", "/etc/shop/name": "corner shop\n"}
			h.open("shop", 10, p, sim.DiskSpec{})
			all := h.Machines()
			for range 150 {
				acts[r.IntN(len(acts))](h, all[r.IntN(len(all))], r)
				if r.IntN(2) == 0 {
					h.must(h.Run(h.Now() + time.Duration(r.IntN(12))*time.Millisecond))
				}
			}
			if seed%2 == 0 { // Otherwise the end comes in the midst of it.
				for _, m := range all {
					healDisk(m)
					m.Plug("lan")
					m.PowerOff()
					m.Boot(nil)
				}
				ticks, lines := h.noted("one", "tick"), len(h.lines("shop"))
				h.until("their return", func() bool { return h.noted("one", "tick") > ticks && len(h.lines("shop")) > lines })
				if have := h.ask("10.0.0.1", "hi"); have[:min(len(have), 14)] != "hello from one" {
					t.Errorf("answers %q", have)
				}
			}
			h.must(h.Close())
			if n := processes(); n != 0 {
				t.Errorf("%d processes are left", n)
			}
			if left, err := os.ReadDir(room.Store); err != nil || len(left) > 0 {
				t.Errorf("of the machines is left: %v %v", left, err)
			}
		})
	}
}
