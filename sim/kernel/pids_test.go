//go:build linux

package kernel

import "testing"

// A daemon that was killed has left its number in a file, and its successor finds nobody who has that number: not even itself.
func TestNumbersOfProcesses(t *testing.T) {
	h := newShop(t, script(`if kill -0 "$(cat /run/own.pid)"; then echo running already; else echo alone; fi 2>/dev/null
		echo $$ >/run/own.pid; echo up; exec sleep 100`))
	for n := range 4 {
		h.says("one", "up", n+1)
		h.says("one", "alone", n+1)
		h.Machine("one").Crash()
		h.Machine("one").Restart(nil)
	}
}
