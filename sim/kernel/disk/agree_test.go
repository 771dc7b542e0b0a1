//go:build linux

package disk

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"firedrill/sim"
)

// scripts are played by a process on the disk and by another on a tmpfs; every answer has to be the same.
var scripts = map[string]string{
	"hard links": `
		put /a one; link /a /b; stat /a; append /b two; cat /a; stat /b; unlink /a; stat /b; cat /b; link /b /a
		rename /a /b; stat /a; stat /b; mkdir /d; link /b /d/b; rename /b /d/b; list /; list /d; unlink /b; cat /d/b
		link /no /x; link /d /x; link /d/b /d; link /d/b /d/b; link /d/b /no/x; link /d/b /d/b/x
		open f /d/b rw; unlink /d/b; state f; write f +; link /no /y; rmdir /d; list /`,
	"symbolic links": `
		put /a text; symlink a /l; lstat /l; stat /l; readlink /l; cat /l; append /l more; cat /a; cut /l 3; cat /a
		symlink nowhere /dangling; cat /dangling; put /dangling new; cat /nowhere; open f /dangling w,create,excl
		mkdir /d; symlink ../a /d/up; cat /d/up; symlink d /dir; list /dir; put /dir/x y; cat /d/x; rmdir /dir; unlink /dir
		symlink loop /loop; cat /loop; readlink /a; symlink a /l; rename /l /m; readlink /m; unlink /m; cat /a
		link /d/up /hard; readlink /hard; lstat /hard; symlink x*300 /long; readlink /long; lstat /long; chmod /l 0600`,
	"modes of opening": `
		open f /a r; open f /a w,create; write f one; read f 1; open g /a w,create,excl; open g /a rw,trunc; state f
		write g two; write f three; cat /a; open h /a rw,append; write h !; pread h 0 99; seek h 0 0; read h 2; write h ?; cat /a
		pwrite h 1 X; cat /a; open d / r,directory; open d /a r,directory; mkdir /d; open d /d rw; open d /d r,trunc
		open d /d w,create; open d /d r; read d 10; write d x; state d; sync d; open s /a w,sync; write s synced; cat /a
		open s /a rw,dsync,append; write s more; cat /a`,
	"unaligned or not": `
		open f /a rw,create,direct; write f x*4096; pread f 0 4096; pwrite f 4096 y*8192; state f; pread f 4096 4096
		pread f 12288 4096; truncate f 4096; pread f 0 8192`,
	"places, holes and lengths": `
		open f /a rw,create; pwrite f 100000 end; state f; pread f 99990 100; truncate f 10; pread f 0 100; truncate f 20
		pread f 0 100; seek f 5 0; write f hello; pread f 0 100; seek f -3 2; read f 9; read f 9; seek f -1 0; seek f 9 9
		truncate f -1; cut /a 70000; state f; cut /a -1; cut / 0; cut /no 0; open g /a r; truncate g 0; pread g 0 0
		write f`,
	"a file of several pieces": `
		open f /a rw,create; write f a*3000000; state f; pread f 1048570 20; pwrite f 1048570 b*20; pread f 1048560 40
		pread f 2999990 100; pread f 0 2500000; put /b c*1048577; cat /b`,
	"unlinked but open": `
		open f /a rw,create; write f secret; unlink /a; state f; put /a other; pread f 0 10; write f more; state f; cat /a
		reopen g f; pread g 0 10; close f; pread g 0 20; write g S; close g; cat /a; open f /a rw; put /b new; rename /b /a
		cat /a; pread f 0 9; sync f; truncate f 1; state f; mkdir /d; open d /d r; rmdir /d; sync d; names d; mkdir /d; list /d`,
	"renames": `
		put /a 1; put /b 2; rename /a /b noreplace; rename /a /b exchange; cat /a; cat /b; rename /a /c exchange; mkdir /d
		put /d/x 3; rename /a /d exchange; list /a; cat /d; rename /a /a/y; rename /a /a/y exchange; rename /a/x /a exchange
		mkdir /e; rename /e /a; rename /a /e; list /e; rename /e /b; rename /b /e; rename /no /x; rename /no /x noreplace
		rename /b /no/x; rename /b /d/x; rename /b /b; rename /b /b noreplace; rename /e /e; mkdir /f; mkdir /f/g
		rename /f/g /e/g; list /e; list /f; rename /e/g /f exchange; list /e/g; rename /f/no /q; list /`,
	"directories": `
		mkdir /d; mkdir /d; mkdir /d/e; rmdir /d; unlink /d; rmdir /d/e; put /d/f x; rmdir /d/f; unlink /d/f; rmdir /d
		rmdir /d; unlink /d; mkdir /no/x; put /no/x y; put /f x; mkdir /f; mkdir /f/x; rmdir /f/x; list /f; list /no; list /`,
	"long names": "put /" + strings.Repeat("n", 255) + " x; put /" + strings.Repeat("n", 256) + " x; mkdir /" +
		strings.Repeat("m", 256) + "; list /; rename /" + strings.Repeat("n", 255) + " /" + strings.Repeat("o", 256),
	"deep paths": "mkdir /d; mkdir" + strings.Repeat("/d", 60) + "; " + deep(40) + "put " + strings.Repeat("/d", 40) +
		"/a deep; cat " + strings.Repeat("/d", 40) + "/a; rename " + strings.Repeat("/d", 40) + "/a /a; cat /a; stat " +
		strings.Repeat("/d", 2100) + "; rename /d/d /d" + strings.Repeat("/d", 39) + "/d",
	"larger than 2 and 4 GiB": `
		open f /a rw,create; pwrite f 3000000000 three; pwrite f 5000000000 five; state f; pread f 2999999998 9; pread f 4999999999 9
		truncate f 4294967297; state f; seek f 0 2; write f end; append /a !; pread f 4294967290 20; put /a x; state f`,
	"owners": `
		put /a x; chown /a 0; stat /a; mkdir /d; chown /d 0; lstat /d; symlink a /l; chown /l 0; lstat /l; chown /no 0`,
	"copied by the kernel": `
		put /a hello; open f /a r; open g /b w,create; copy f g 3; cat /b; copy f g 9; cat /b; copy f g 9; copy g f 1; put /c x*300000
		open f /c r; copy f g 300000; stat /b`,
	"modes and times": `
		put /a x; chmod /a 04751; stat /a; chmod /a 0; cat /a; chmod /a 0644; utime /a 86400; stat /a; open f /a rw; utime /a 5
		state f; mkdir /d; chmod /d 01777; stat /d; utime /d 7; stat /d; chmod /no 0; utime /no 1; mkfifo /p; lstat /p
		symlink a /l; lstat /l; mkfifo /p; unlink /p`,
	"mapped": `
		open f /a rw,create; write f 0123456789; look f 0 10; map f 2 XY; flush; pread f 0 20; pwrite f 4 zz; look f 0 10
		truncate f 20000; map f 9000 far; close f; open f /a rw; flush; pread f 8999 5; look f 8999 5; pwrite f 8999 <; look f 8999 5
		open g /a r; map g 0 x; map f 0 AB; sync f; cat /a; map f 3 C; truncate f 4; cat /a; truncate f 6; cat /a`,
}

// deep makes directories in each other.
func deep(n int) string {
	var all strings.Builder
	for i := 2; i <= n; i++ {
		all.WriteString("mkdir " + strings.Repeat("/d", i) + "; ")
	}
	return all.String()
}

func stepsOf(script string) []string {
	var steps []string
	for _, s := range strings.FieldsFunc(script, func(r rune) bool { return r == ';' || r == '\n' }) {
		if s = strings.TrimSpace(s); s != "" {
			steps = append(steps, s)
		}
	}
	return steps
}

// tmpfs mounts a file system in memory.
func tmpfs(t testing.TB) string {
	t.Helper()
	at := t.TempDir()
	if err := unix.Mount("tmpfs", at, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(at, unix.MNT_DETACH) })
	return at
}

func TestAgreesWithTmpfs(t *testing.T) {
	for name, script := range scripts {
		t.Run(name, func(t *testing.T) {
			m := mounted(t)
			ours, theirs := m.start(), startAt(t, tmpfs(t))
			agree(t, stepsOf(script), ours.play, theirs.play)
		})
	}
}

// agree plays steps on both sides, and fails at the first that has another outcome.
func agree(t *testing.T, steps []string, ours, theirs func(string) string) {
	t.Helper()
	for i, step := range steps {
		if have, want := ours(step), theirs(step); have != want {
			t.Fatalf("step %d, %.60s\n disk:  %s\n tmpfs: %s\nafter %.2000s", i, step, have, want, strings.Join(steps[:i], "; "))
		}
	}
}

// vocabulary is every call over a few names, so that random sequences of them meet each other.
func vocabulary() []string {
	var all []string
	paths, files := []string{"/a", "/b", "/d", "/d/a", "/d/e", "/d/e/a", "/l"}, []string{"f", "g"}
	for _, p := range paths {
		for _, verb := range []string{"put %s new", "append %s +", "cat %s", "stat %s", "lstat %s", "mkdir %s", "mkdir %s", "rmdir %s",
			"unlink %s", "list %s", "cut %s 3", "chmod %s 0750", "utime %s 99", "sync-path %s", "symlink a %s", "symlink ../b %s",
			"symlink d/e %s", "readlink %s"} {
			all = append(all, fmt.Sprintf(verb, p))
		}
		for _, q := range paths {
			all = append(all, "rename "+p+" "+q, "rename "+p+" "+q, "rename "+p+" "+q+" exchange", "rename "+p+" "+q+" noreplace",
				"link "+p+" "+q)
		}
		for _, f := range files {
			for _, flags := range []string{"r", "rw", "rw,create", "w,create,trunc", "rw,create,excl", "rw,create,append"} {
				all = append(all, "open "+f+" "+p+" "+flags)
			}
		}
	}
	for _, f := range files {
		for range 4 {
			for _, rest := range []string{"close %s", "sync %s", "state %s", "read %s 3", "pread %s 2 70000", "write %s abcdef",
				"write %s q*66000", "pwrite %s 4 XY", "pwrite %s 70000 Z", "seek %s 0 0", "seek %s -2 2", "truncate %s 0",
				"truncate %s 3", "truncate %s 65540", "names %s", "map %s 1 MM", "look %s 0 5"} {
				all = append(all, fmt.Sprintf(rest, f))
			}
		}
	}
	return all
}

func TestAgreesWithTmpfsAtRandom(t *testing.T) {
	words := vocabulary()
	m, other := mounted(t), tmpfs(t)
	rounds := 150
	if testing.Short() {
		rounds = 20
	}
	for seed := range uint64(rounds) {
		r := sim.Stream(seed, "calls")
		steps := []string{"mkdir /d", "put /a x", "put /d/a y"}
		for range 60 {
			step := words[r.IntN(len(words))]
			if strings.HasPrefix(step, "map ") || strings.HasPrefix(step, "look ") {
				continue // A page of this very process must not wait for this very process.
			}
			steps = append(steps, step)
		}
		var players []*player
		for _, at := range []string{m.at, other} {
			p := newPlayer(fmt.Sprintf("%s/%d", at, seed))
			if err := os.Mkdir(p.root, 0o755); err != nil {
				t.Fatal(err)
			}
			players = append(players, p)
		}
		agree(t, steps, players[0].play, players[1].play)
		for _, p := range players {
			for _, fd := range p.files {
				unix.Close(fd)
			}
		}
	}
}

// Where the disk is not like other file systems, on purpose.
func TestDiffersFromTmpfs(t *testing.T) {
	s := mounted(t).start()
	s.want(`
		open f /a rw,create: ok
		pwrite f 300000000000 x: EFBIG
		allocate f 4096: ENOTSUP
		rename /a /b whiteout: EINVAL
		list /: a ok
		tag /a user.x: ENOTSUP
		open g / rw,temporary: ENOTSUP
		truncate f 1000000: ok
		pwrite f 500000 x: 1
		seek f 0 3: 0
		seek f 0 4: 1000000
		seek f 1000000 3: ENXIO`)
}
