//go:build linux

package disk

import (
	"testing"
	"time"

	"firedrill/nodes"
	"firedrill/sim"
)

// A fault, as a process sees it, and what its receipt says.
func TestFaultsAsSoftwareSeesThem(t *testing.T) {
	sync, reading := []sim.DiskOperation{sim.DiskSync}, []sim.DiskOperation{sim.DiskRead}
	writing := []sim.DiskOperation{sim.DiskWrite}
	all := nodes.ShareAll
	for _, c := range []struct {
		name            string
		condition       sim.DiskCondition
		broken, healed  string
		failed, flipped int64
		lied            int64
	}{
		{name: "eio", condition: sim.DiskCondition{How: sim.DiskEIO}, failed: 20, broken: `
			read f 1: EIO
			write f x: EIO
			sync f: EIO
			truncate f 1: EIO
			state f: EIO
			stat /a: EIO
			cat /a: EIO
			put /new x: EIO
			mkdir /e: EIO
			rename /a /b: EIO
			unlink /a: EIO
			rmdir /d: EIO
			list /d: EIO
			sync d: EIO
			link /a /b: EIO
			symlink a /b: EIO
			readlink /l:  EIO
			chmod /a 0600: EIO
			utime /a 9: EIO
			mkfifo /p: EIO
			stat /missing: ENOENT`,
			healed: `
			list /: a d l ok
			cat /a: 5 bytes ` + "`hello`"},
		{name: "eio on syncs", condition: sim.DiskCondition{How: sim.DiskEIO, Operations: sync}, failed: 2, broken: `
			write f HE: 2
			sync f: EIO
			sync d: EIO
			cat /a: 5 bytes ` + "`HEllo`", healed: `
			sync f: ok`},
		{name: "eio on the second read", condition: sim.DiskCondition{How: sim.DiskEIO, Operations: reading, Nth: 2}, failed: 1,
			broken: `
			pread f 0 9: 5 bytes ` + "`hello`" + `
			pread f 0 9: EIO
			pread f 0 9: 5 bytes ` + "`hello`"},
		{name: "eio on a path", condition: sim.DiskCondition{How: sim.DiskEIO, Path: "/d"}, failed: 3, broken: `
			put /d/x y: EIO
			put /new x: 1
			rename /new /d/new: EIO
			sync d: EIO
			cat /new: 1 bytes ` + "`x`"},
		{name: "eio by one of two names", condition: sim.DiskCondition{How: sim.DiskEIO, Path: "/d/b"}, failed: 1, broken: `
			link /a /d/c: ok
			cat /d/c: 5 bytes ` + "`hello`" + `
			link /a /d/b: EIO`},
		{name: "full", condition: sim.DiskCondition{How: sim.DiskFull}, failed: 5, broken: `
			pwrite f 3 long-text: 2
			pwrite f 0 HELLO: 5
			pwrite f 5 more: ENOSPC
			put /new x: ENOSPC
			mkdir /e: ENOSPC
			link /a /b: ENOSPC
			unlink /l: ok
			cat /a: 5 bytes ` + "`HELLO`", healed: `
			pwrite f 5 more: 4`},
		{name: "read-only", condition: sim.DiskCondition{How: sim.DiskReadOnly}, failed: 13, broken: `
			write f x: EROFS
			truncate f 1: EROFS
			cut /a 1: EROFS
			open g /a rw: EROFS
			open g /a r: ok
			put /new x: EROFS
			mkdir /e: EROFS
			rename /a /b: EROFS
			unlink /a: EROFS
			rmdir /d: EROFS
			link /a /b: EROFS
			symlink a /b: EROFS
			chmod /a 0600: EROFS
			utime /a 9: EROFS
			cat /a: 5 bytes ` + "`hello`"},
		{name: "lying-sync", condition: sim.DiskCondition{How: sim.DiskLyingSync}, lied: 2, broken: `
			write f HELLO: 5
			sync f: ok
			sync d: ok`},
		{name: "bit-rot", condition: sim.DiskCondition{How: sim.DiskBitRot, Operations: writing, Share: &all}, flipped: 1, broken: `
			write f x*5: 5`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := mounted(t)
			s := m.start()
			s.want(`
				put /a hello: 5
				mkdir /d: ok
				symlink a /l: ok
				open f /a rw: ok
				open d /d r: ok`)
			i, lift := m.impose(c.condition)
			s.want(c.broken)
			receipt := read(m, func() sim.DiskImposition { return *i })
			lift()
			if receipt.Failed != c.failed || receipt.Flipped != c.flipped || receipt.Lied != c.lied {
				t.Errorf("the receipt says %d failed, %d flipped, %d lied", receipt.Failed, receipt.Flipped, receipt.Lied)
			}
			if c.healed != "" {
				s.want(c.healed)
			}
		})
	}
}

// A bit that turned over stays so, and is seen by a process that maps the file.
func TestBitRotOfAMappedFile(t *testing.T) {
	m := mounted(t)
	s := m.start()
	s.want(`
		put /a x*5: 5
		open f /a rw: ok`)
	i, lift := m.impose(sim.DiskCondition{How: sim.DiskBitRot})
	s.play("look f 0 5")
	lift()
	if i.Flipped != 1 {
		t.Error("bits turned over:", i.Flipped)
	}
	if have := s.play("cat /a"); have == "5 bytes `['x'*5]`" || have == "" {
		t.Error("the file holds", have)
	}
}

// What a fault takes from a mapped file, the software learns at msync.
func TestFaultsOfMappedFiles(t *testing.T) {
	m := mounted(t)
	s := m.start()
	s.want(`
		put /a hello: 5
		open f /a rw: ok
		map f 0 HE: ok`)
	_, lift := m.impose(sim.DiskCondition{How: sim.DiskEIO, Operations: []sim.DiskOperation{sim.DiskWrite}})
	s.want("flush: EIO")
	lift()
	s.want(`
		map f 0 he: ok
		flush: ok`)
}

// A sync takes what the disk says, and slowness comes on top, both by the disk's own time.
func TestTimes(t *testing.T) {
	took := func(s *software, line, want string) time.Duration {
		t.Helper()
		begun := time.Now()
		s.want(line + ": " + want)
		return time.Since(begun)
	}
	long := 40 * time.Second
	m := mountedWith(t, sim.DiskSpec{Sync: &long, Bandwidth: 8e6}, Options{Scale: 1000})
	s := m.start()
	s.want(`open f /a rw,create: ok`)
	if d := took(s, "sync f", "ok"); d < 40*time.Millisecond {
		t.Error("a sync took", d)
	}
	if d := took(s, "write f x*1000000", "1000000"); d < time.Millisecond { // A second at 1 MB/s.
		t.Error("a write took", d)
	}
	i, lift := m.impose(sim.DiskCondition{How: sim.DiskSlow, Latency: long})
	if d := took(s, "sync f", "ok"); d < 80*time.Millisecond {
		t.Error("a slow sync took", d)
	}
	lift()
	if i.Delayed != 1 {
		t.Error("delayed:", i.Delayed)
	}
}

// While one call waits, others do not: the lock is free.
func TestWaitingIsDoneWithoutTheLock(t *testing.T) {
	long := time.Hour
	m := mountedWith(t, sim.DiskSpec{Sync: &long}, Options{})
	waits, works := m.start(), m.start()
	waits.want("open f /a rw,create: ok")
	waits.tell("sync f")
	works.want(`
		mkdir /h: ok
		mkdir /w: ok`)
	hung, lift := m.impose(sim.DiskCondition{How: sim.DiskHang, Path: "/h"})
	hangs := m.start()
	hangs.tell("put /h/a x")
	until(t, "the call hangs", func() bool { return read(m, func() bool { return hung.Hung == 1 }) })
	works.want(`
		put /w/b x: 1
		append /w/b y: 1
		rename /w/b /w/c: ok
		list /w: c ok`)
	lift()
	if have := hangs.hear(); have != "1" {
		t.Error("what hung ended with", have)
	}
	if state := waits.state(); state != "D" && state != "S" {
		t.Error("the sync does not wait:", state)
	}
	waits.command.Process.Kill()
	m.mount.Fail()
	waits.kill()
}
