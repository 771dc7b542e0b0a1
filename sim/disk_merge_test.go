package sim

import (
	"fmt"
	"os"
	"testing"

	"github.com/spf13/afero"
)

// Files and directories that are never synced are merged after many changes, and what is durable stays what it was. A
// sync that is under way meanwhile covers neither more nor less.
func TestDiskMergesManyChanges(t *testing.T) {
	for _, during := range []bool{false, true} {
		t.Run(fmt.Sprintf("during a sync %v", during), func(t *testing.T) {
			d := NewDisk(DiskSpec{}, Stream(1, "d"))
			put(t, d, "/data", "old-content")
			put(t, d, "/gone", "x")
			fs := d.Fs(nil)
			f := need[afero.File](t)(fs.OpenFile("/data", os.O_RDWR, 0))
			many := func() {
				for i := range 3 * d.mergeAfter {
					need[int](t)(f.WriteAt([]byte(fmt.Sprintf("%d", i)), int64(i%5)))
					ok(t, afero.WriteFile(fs, fmt.Sprintf("/n%d", i%7), nil, 0o644))
					ok(t, fs.Rename(fmt.Sprintf("/n%d", i%7), "/n"))
				}
				ok(t, fs.Remove("/gone"))
				ok(t, fs.Mkdir("/gone", 0o755))
			}
			if !during {
				many()
				data := inodeOf(t, d, "/data")
				if len(d.names) > 2*d.mergeAfter || len(d.root.unsynced) > d.mergeAfter || len(data.pending) > d.mergeAfter {
					t.Error("changes are not merged")
				}
			} else {
				need[int](t)(f.WriteAt([]byte("O"), 0))
				ok(t, afero.WriteFile(fs, "/before", nil, 0o644))
				inner, outer := &busyPacer{}, &busyPacer{}
				root := need[afero.File](t)(d.Fs(inner).Open("/"))
				synced := need[afero.File](t)(d.Fs(outer).Open("/data"))
				inner.meanwhile, outer.meanwhile = many, func() { ok(t, root.Sync()) }
				ok(t, synced.Sync())
			}
			before := shownDisk(fs)
			d.Snapshot()
			if after := shownDisk(fs); after != before {
				t.Errorf("a snapshot changed %s into %s", before, after)
			}
			d.PowerLoss()
			want := `/data="old-content" /gone="x"`
			if during {
				want = `/before="" /data="Old-content" /gone="x"`
			}
			if have := shownDisk(fs); have != want {
				t.Errorf("left behind %s, want %s", have, want)
			}
		})
	}
}

// A directory whose arrival was merged with other changes arrives all the same, when what was moved into it becomes
// durable.
func TestDiskMoveIntoAMergedDirectory(t *testing.T) {
	d := NewDisk(DiskSpec{}, nil)
	d.mergeAfter = 2
	s := newScript(d.Fs(nil), "")
	for _, step := range []string{"mkdir /from", "put /from/a x", "sync-path /from/a", "sync-path /from", "sync-path /",
		"mkdir /to", "put /other y", "rename /from/a /to/a", "sync-path /from"} {
		s.play(step)
	}
	holds(t, d.Durable(), "/to/a", "x")
	d.PowerLoss()
	holds(t, d.Fs(nil), "/to/a", "x")
}

// A machine that works for years does not grow: nothing is kept of what is durable or gone.
func TestDiskKeepsNothingOfThePast(t *testing.T) {
	d := NewDisk(DiskSpec{}, nil)
	s := newScript(d.Fs(nil), "")
	for range 5000 {
		for _, step := range []string{"put /tmp x*100", "sync-path /tmp", "rename /tmp /a", "sync-path /"} {
			s.play(step)
		}
	}
	s.play("mkdir /d")
	s.play("sync-path /")
	if inodeOf(t, d, "/d").arrival != nil {
		t.Error("how a directory came about is kept")
	}
	// Nor of what is never synced, more than twice the file.
	s.play("open f /a rw")
	for range 500 {
		s.play("writeat f 0 y*20000")
	}
	var kept int
	for _, c := range inodeOf(t, d, "/a").pending {
		kept += len(c.bytes)
	}
	if kept > 1<<20 {
		t.Error("of a file of 20 kB there is kept", kept)
	}
	s.play("truncate f 100")
	if len(d.names) > 200 || len(d.root.unsynced) > 0 || len(d.orphans) > 0 || d.Used() != 100 {
		t.Errorf("%d changes of names are kept, %d un-synced, %d orphans, %d bytes used",
			len(d.names), len(d.root.unsynced), len(d.orphans), d.Used())
	}
}
