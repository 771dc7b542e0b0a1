package main

import (
	"os/exec"
	"testing"
)

// TestKeepalivedPair plays the shipped pair of stock daemons, each case as root and as an ordinary user.
func TestKeepalivedPair(t *testing.T) {
	if _, err := exec.LookPath("/usr/sbin/keepalived"); err != nil {
		t.Skip("SKIPPED: keepalived is not installed; on Debian: apt-get install --no-install-recommends keepalived")
	}
	inBoxes(t, func(b *box) {
		for _, of := range []string{"dead-machine", "killed-daemon", "filtered-adverts"} {
			b.Run(of, func(t *testing.T) {
				b := &box{t, b.dir, b.uid}
				before := b.look()
				b.settles(statusPass, "run", "keepalived-pair/"+of, "--seed", "1", "--world", "kernel", "--out", kept)
				b.nothingLeft(before, of)
			})
		}
	})
}

// settles runs a command that plays in real time until its play is conclusive. Where the system is too busy for that five times,
// nothing is shown, and the test says so.
func (b *box) settles(want int, args ...string) {
	b.Helper()
	for n := 1; ; n++ {
		d := b.drill(args...).start()
		status := d.end()
		if status == want {
			return
		}
		if status != statusUnclear {
			b.Fatalf("want status %d, have %d, and it said\n%s", want, status, &d.out)
		}
		if n == 5 {
			b.Skipf("SKIPPED: this system was too busy to play it, five times\n%s", &d.out)
		}
	}
}
