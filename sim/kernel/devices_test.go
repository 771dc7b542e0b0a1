//go:build linux

package kernel

import (
	"os"
	"slices"
	"strings"
	"testing"

	"firedrill/sim"
)

// A machine has the devices that belong to no host, and can use them. The host's own are not there, whatever runs on the
// machine: to be root there may be to own the host's disks.
func TestDevices(t *testing.T) {
	const look = `find /dev | sort | while read f; do test ! -h $f && test -b $f -o -c $f && echo $f; done; test "$(head -c 9 /dev/urandom | wc -c)" = 9 && echo x >/dev/null && ` +
		`: 3<>/dev/net/tun && : 3<>/dev/ptmx && touch /dev/shm/new && cat </dev/null && echo of use`
	var want []string
	for _, name := range []string{"full", "net/tun", "null", "pts/ptmx", "random", "tty", "urandom", "zero"} {
		if _, err := os.Stat("/dev/" + name); err == nil {
			want = append(want, "/dev/"+name)
		}
	}
	if _, err := os.Stat("/dev/fuse"); err != nil || slices.Contains(want, "/dev/fuse") {
		t.Fatal("there is nothing that a machine must not have")
	}
	want = append(want, "of use")
	halls := map[string]func() (h *hall, machine string){
		"node": func() (*hall, string) {
			h := newHall(t, "one")
			h.until("one", ready(h, "one", 1))
			return h, "one"
		},
		"node that crashed": func() (*hall, string) {
			h := newHall(t, "one")
			h.until("one", func() bool { return h.noted("one", sim.FactBooted) == 1 && h.Machine("one").Crash() })
			return h, "one"
		},
		"no software": func() (*hall, string) {
			h := newHall(t)
			h.until("time", func() bool { return h.Now() > 0 })
			return h, "visitor"
		},
		"program": func() (*hall, string) {
			h := newShop(t, script("echo up; exec sleep 1000"))
			h.says("one", "up", 1)
			return h, "one"
		},
	}
	for name, make := range halls {
		t.Run(name, func(t *testing.T) {
			h, machine := make()
			a, said := h.answered(h.order(machine, "sh", "-c", look))
			if have := strings.Split(strings.TrimSpace(said), "\n"); a.Status != 0 || !slices.Equal(have, want) {
				t.Errorf("want\n%s, have %+v\n%s", strings.Join(want, "\n"), a, said)
			}
		})
	}
}
