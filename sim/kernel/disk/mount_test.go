//go:build linux

package disk

import "testing"

func TestFirstSteps(t *testing.T) {
	m := mounted(t)
	s := m.start()
	s.want(`
		mkdir /d: ok
		put /d/a hello: 5
		cat /d/a: 5 bytes ` + "`hello`" + `
		sync-path /d/a: ok
		sync-path /d: ok
		sync-path /: ok
		rename /d/a /b: ok
		list /: b d ok
		unlink /b: ok
		rmdir /d: ok
		list /:  ok`)
}
