//go:build linux

package disk

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"firedrill/sim"
)

// Two processes see each other's locks, on the disk as on another file system; one that is killed has none.
func TestLocks(t *testing.T) {
	for name, start := range map[string]func() *software{"disk": mounted(t).start, "tmpfs": func() func() *software {
		at := tmpfs(t)
		return func() *software { return startAt(t, at) }
	}()} {
		t.Run(name, func(t *testing.T) {
			a, b := start(), start()
			a.want(`
				put /a hello: 5
				open f /a rw: ok
				lock f ex: ok`)
			b.want(`
				open f /a rw: ok
				lock f sh: EAGAIN
				range f wr: ok`)
			a.want(`
				range f rd: EAGAIN
				lock f un: ok`)
			b.want(`
				lock f sh: ok
				lock f ex: ok`)
			b.kill()
			a.want(`
				range f wr: ok
				lock f ex: ok`)
		})
	}
}

// What is left of a disk is what its machine is told.
func TestSpace(t *testing.T) {
	none := time.Duration(0)
	m := mountedWith(t, sim.DiskSpec{Sync: &none, Size: 1 << 20}, Options{})
	s := m.start()
	s.want(`
		space: 256 of 256 blocks of 4096 are free, names of 255, ok
		put /a x*409600: 409600
		space: 156 of 256 blocks of 4096 are free, names of 255, ok
		open f /a rw: ok
		unlink /a: ok
		space: 156 of 256 blocks of 4096 are free, names of 255, ok
		close f: ok
		put /b x*2000000: 1048576
		append /b y: ENOSPC
		put /c y: ENOSPC
		space: 0 of 256 blocks of 4096 are free, names of 255, ok
		cut /b 1000000: ok
		space: 11 of 256 blocks of 4096 are free, names of 255, ok`)
	_, lift := m.impose(sim.DiskCondition{How: sim.DiskFull})
	s.want(`space: 0 of 256 blocks of 4096 are free, names of 255, ok`)
	lift()
	s.want(`space: 11 of 256 blocks of 4096 are free, names of 255, ok`)
	mounted(t).start().want("space: 262144 of 262144 blocks of 4096 are free, names of 255, ok") // No disk is without an end.
}

// A directory that changes while it is listed shows each name once that was there all the while.
func TestListWhileItChanges(t *testing.T) {
	m := mounted(t)
	s := m.start()
	const names = 300
	for i := range names {
		s.want(fmt.Sprintf("put /%d x: 1", i))
	}
	dir, err := unix.Open(m.at, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(dir)
	var found []string
	buf := make([]byte, 512)
	for round := 0; ; round++ {
		n, err := again(func() (int, error) { return unix.Getdents(dir, buf) })
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		_, _, found = unix.ParseDirent(buf[:n], -1, found)
		if i := 2 * round; i < names { // Of those that are even, some go and some get another name.
			s.want(fmt.Sprintf("unlink /%d: ok", i))
			s.want(fmt.Sprintf("put /new-%d x: 1", i))
		}
	}
	slices.Sort(found)
	for i := 1; i < names; i += 2 {
		if at, ok := slices.BinarySearch(found, fmt.Sprint(i)); !ok || at+1 < len(found) && found[at+1] == fmt.Sprint(i) {
			t.Errorf("%d is listed not at all, or twice", i)
		}
	}
	if len(slices.Compact(found)) != len(found) {
		t.Error("names are listed twice")
	}
	if have, want := s.play("list /"), names; len(strings.Fields(have)) != want+1 {
		t.Errorf("%d names are listed anew, want %d", len(strings.Fields(have))-1, want)
	}
}

// Processes that write to one file at a time lose nothing of each other.
func TestWritersBesideEachOther(t *testing.T) {
	m := mounted(t)
	var all []*software
	const writers, lines = 4, 50
	for range writers {
		all = append(all, m.start())
	}
	all[0].want("put /log : 0")
	for i := range lines {
		for k, s := range all {
			s.tell(fmt.Sprintf("append /log %d-%02d;", k, i))
		}
	}
	for _, s := range all {
		for range lines {
			if have := s.hear(); have != "5" {
				t.Fatal(have)
			}
		}
	}
	text, err := os.ReadFile(m.at + "/log")
	if err != nil {
		t.Fatal(err)
	}
	records := strings.Split(strings.TrimSuffix(string(text), ";"), ";")
	for k := range all {
		var own []string
		for _, r := range records {
			if strings.HasPrefix(r, fmt.Sprint(k)) {
				own = append(own, r)
			}
		}
		if len(own) != lines || !slices.IsSorted(own) {
			t.Errorf("of writer %d there is %v", k, own)
		}
	}
	if len(records) != writers*lines {
		t.Errorf("there are %d records", len(records))
	}
}

// A mapping of its own shows a process the file, and keeps what it changes to itself.
func TestMappedPrivately(t *testing.T) {
	m := mounted(t)
	s := m.start()
	s.want(`
		put /a hello: 5
		open f /a r: ok
		privately f 0 HE: 5 bytes ` + "`HEllo`" + `
		cat /a: 5 bytes ` + "`hello`")
}

// A program that lies on the disk can be run from there.
func TestRunsFromTheDisk(t *testing.T) {
	m := mounted(t)
	tool, err := exec.LookPath("cat")
	if err != nil {
		t.Skip("there is no cat to be run: ", err)
	}
	binary, err := os.ReadFile(tool)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(m.at+"/cat", binary, 0o644); err != nil {
		t.Fatal(err)
	}
	s := m.start() // The child of a process that serves the disk might wait for it, and it for the child.
	s.want("run /cat hello: EACCES")
	s.want("chmod /cat 0755: ok")
	s.want("run /cat hello: hello ok")
}
