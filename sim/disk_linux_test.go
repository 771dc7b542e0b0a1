package sim

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/afero"
)

var longest = strings.Repeat("n", maxName)

// scripts are played on a simulated disk and in a real directory; every answer has to be the same. The
// root itself is left out: there the real one is a directory like others.
var scripts = map[string]string{
	"a file, from creation to removal": `
		open f /a rw,create,trunc; write f hello; seek f 0 0; read f 3; read f 9; read f 1; stat f; name f
		close f; close f
		info /a; cat /a; remove /a; info /a; remove /a; open f /a r`,
	"places in a file": `
		open f /a rw,create; write f 0123456789; seek f -3 2; read f 9; seek f 2 0; seek f 3 1; read f 2
		seek f -1 0; seek f 0 7
		seek f 20 0; read f 1; write f x; cat /a; readat f 8 4; readat f 30 4; readat f -1 1; writeat f -1 x
		writeat f 3 abc
		readat f 0 6; seek f 0 1; readat f 0 0; read f 0`,
	"holes and lengths": `
		open f /a rw,create; truncate f 10; cat /a; writeat f 15 x; cat /a; truncate f 3; stat f; truncate f 6; cat /a
		truncate f -1; open g /a r; truncate g 1; write f a*70000; truncate f 65537; truncate f 65536
		truncate f 65535; truncate f 131073
		writeat f 131072 zz; stat f; readat f 65530 10; readat f 131070 10; truncate f 0; truncate f 100; cat /a`,
	"appending": `
		open f /a w,create,append; write f one; write f two; open g /a rw; writeat g 0 T; truncate g 2
		write f three; writeat f 0 x
		cat /a; read f 1; open h /a rw,append; read h 2; write h !; read h 2; seek h 0 1; cat /a`,
	"modes of opening": `
		open f /a w; open f /a rw,excl; open f /a w,create,excl; write f abc; read f 1; open g /a w,create,excl
		open g /a r,create,excl
		open g /a r; write g x; write g *0; write g ""; sync g; open h /a r,trunc; cat /a; open h /a w,trunc
		open h /new r,create; read h 1; info /new`,
	"what is closed": `
		open f /a rw,create; close f; read f 1; read f 0; write f x; write f *0; readat f 0 1; writeat f 0 x
		seek f 0 0; stat f; sync f; truncate f 0
		name f; close f; open d / r; close d; stat d; sync d`,
	"a file read as a directory": `
		put /a x; open f /a r; names f 0; names f 1; infos f 0; infos f 1`,
	"directories": `
		mkdir /d; mkdir /d; mkdir /d/; mkdir /e/; info /e; info /e/; mkdir /no/where; put /d/b 1; put /d/a 2
		put /d/c 3; mkdir /d/sub; open d /d r
		names d 0; names d 0; seek d 0 0; names d 3; names d 3; names d 3; seek d 0 0; infos d 3; infos d 3
		infos d 3; seek d 0 0; infos d 0; infos d 1; stat d; read d 1; write d x
		readat d 0 1; truncate d 0; sync d; seek d 0 0; open w /d w; open w /d rw; open w /d r,trunc
		open w /d r,create; open w /d w,create
		open w /d r,create,excl; remove /d; removeall /d; info /d; removeall /d; names d 0; open d / r; names d 0`,
	"directories all the way": `
		mkdirall /a/b/c; mkdirall /a/b/c; mkdirall /a/b/d/; put /f x; mkdirall /f; mkdirall /f/; mkdirall /f/g; mkdirall /f/g/h
		mkdirall /x//y; info /x/y
		mkdirall ""; mkdirall /a/b/../z; info /a/z; mkdirall /q/.; info /q; mkdirall /r/./s; info /r/s; mkdirall /`,
	"paths": `
		mkdirall /a/b; put /a/f x; info ""; info /a/./b; info /a//b; info /a/b/..; info /a/b/../f; info /a/no/../f
		info /a/f/..; info /a/f/.
		info /a/f/; info /a/f/x; info /a/b/; open f ""  r; open f /a/f/ r; open f /a/f/ r,create
		open f /a/g/ r,create; open f /a/b/ r,create
		open f /a/b/. r,create; open f /a/b/. r,create,excl; open f /no/f r,create; open f /a/f/x r,create
		open f /a/b/.. r; names f 0
		mkdir ""; mkdir /a/.; mkdir /a/b/..; mkdir /a/f; mkdir /a/f/; mkdir /a/f/x; mkdir /a/no/x`,
	"long names": "put /" + longest + " x; put /" + longest + "n x; info /" + longest + "n; info /" + longest + "n/x; " +
		"info /no/" + longest + "n; open d / r; names d 0",
	"removal": `
		mkdirall /d/e; put /d/f x; remove /d; remove /d/f/; remove /d/f/x; remove /d/.; remove /d/..
		remove /d/e/..; remove /d/e/; remove /d/f
		remove /d/; remove /no/x; remove ""; removeall ""; removeall /no/x; put /f x; removeall /f/x
		removeall /f/; removeall /f
		mkdirall /x/y/z; put /x/y/f 1; removeall /x/.; mkdirall /x/y/z; removeall /x/; info /x; removeall /x`,
	"renaming files": `
		put /a 1; put /b 2; rename /a /b; cat /b; info /a; rename /a /c; rename /b /b; rename /b /no/b
		rename /b /b/x; rename /no/b /c
		rename /b /c/; rename /b/ /c; rename /b ""; rename "" /b; rename "" ""; mkdir /d; rename /b /d
		rename /b /d/; rename /b /d/b; cat /d/b; rename /d/b /d/./b
		rename /d/b /d/c/; rename /d/. /x; rename /d/b /d/..; rename /d/b /.; rename /no /d; rename /no /no`,
	"renaming directories": `
		mkdirall /a/b/c; put /f 1; mkdir /e; rename /a /a; rename /a /./a; rename /a /a/x; rename /a /a/b
		rename /a /a/b/c/d; rename /a /e; rename /a/b /e
		rename /a /f; rename /a /g; info /g/b/c; rename /g/ /h; rename /h /i/; info /i/b/c; rename /i/b /e/b
		info /e/b/c; info /i/b; rename /e/b /i/./k; info /i/k/c
		rename /e /e/; rename /i /i/k/c/..`,
	"unlinked but open": `
		open f /a rw,create; write f secret; remove /a; info /a; readat f 0 6; write f more; stat f; put /a other
		readat f 0 10; cat /a; close f; cat /a
		open f /a rw; open g /a r; put /b new; rename /b /a; cat /a; readat g 0 9; write f X; readat g 0 9; cat /a
		sync f; truncate f 1; stat g
		mkdir /d; open d /d r; remove /d; names d 0; stat d; sync d; mkdir /d; put /d/x 1; names d 0`,
	"two files open on one": `
		open f /a rw,create; open g /a rw; write f abc; read g 2; write g Z; read f 1; cat /a; rename /a /b
		write f d; cat /b; name f; stat f`,
	"modes and times": `
		put /a x; chmod /a 0600; info /a; chmod /a 0644; chtimes /a 86400; info /a; open f /a w; write f y
		chtimes /a 5; info /a; stat f
		chmod /no 0600; chtimes /no 5; chmod /a/x 0600; chtimes /a/ 5; mkdir /d; chmod /d 0700; info /d
		chtimes /d 7; info /d; open g /b w,create; stat g`,
}

// disagreement is the first step that has another result on the simulated disk than on the real one, or "".
func disagreement(steps []string, real *script) string {
	d := NewDisk(DiskSpec{}, nil)
	sim := newScript(d.Fs(nil), "")
	defer real.closeAll()
	for i, step := range steps {
		if have, want := sim.play(step), real.play(step); have != want {
			return fmt.Sprintf("step %d, %s\n disk:  %s\n linux: %s\nafter %s",
				i, step, have, want, strings.Join(steps[:i], "; "))
		}
	}
	if wrong := used(d); wrong != "" {
		return wrong
	}
	sim.closeAll()
	return used(d)
}

func TestDiskAgreesWithLinux(t *testing.T) {
	for name, text := range scripts {
		t.Run(name, func(t *testing.T) {
			if d := disagreement(stepsOf(text), newScript(afero.NewOsFs(), t.TempDir())); d != "" {
				t.Error(d)
			}
		})
	}
}

// vocabulary is every operation over a few names: enough that random sequences meet each other.
func vocabulary(paths, files []string) []any {
	var all []any
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	for _, p := range paths {
		for _, verb := range []string{"mkdir", "mkdirall", "remove", "removeall", "info", "cat"} {
			add("%s %s", verb, p)
		}
		for _, q := range paths {
			add("rename %s %s", p, q)
		}
		for _, f := range files {
			for _, flags := range []string{"r", "rw", "rw,create", "w,create,trunc", "rw,create,excl", "w,create,append"} {
				add("open %s %s %s", f, p, flags)
			}
		}
		add("put %s new", p)
	}
	for _, f := range files {
		for _, rest := range []string{"close %s", "sync %s", "stat %s", "read %s 3", "readat %s 2 70000",
			"write %s abcdef", "write %s q*66000", "writeat %s 4 XY", "writeat %s 70000 Z", "seek %s 0 0",
			"seek %s -2 2", "seek %s 65530 0", "truncate %s 0", "truncate %s 3",
			"truncate %s 65540", "names %s 0", "names %s 1"} {
			add(rest, f)
		}
	}
	return all
}

func TestDiskAgreesWithLinuxAtRandom(t *testing.T) {
	words := vocabulary([]string{"/a", "/b", "/d", "/d/a", "/d/e", "/d/e/a", "/d/."}, []string{"f", "g"})
	dir := t.TempDir()
	n := 0
	hold(t, words, 400, 60, func(steps []string) string {
		n++
		root := fmt.Sprintf("%s/%d", dir, n)
		if err := os.Mkdir(root, 0o755); err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(root)
		return disagreement(steps, newScript(afero.NewOsFs(), root))
	})
}
