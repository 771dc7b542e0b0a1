package sim

import (
	"errors"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/afero"
)

func TestDiskConditionCovers(t *testing.T) {
	for _, c := range []struct {
		path, name string
		want       bool
	}{
		{"", "/a", true}, {"/", "/a/b", true}, {"/", "/", true},
		{"/data", "/data", true}, {"/data/", "/data", true}, {"/data", "/data/a/b", true}, {"data/a", "/data/a", true},
		{"/data", "/data2", false}, {"/data", "/", false},
		{"/data/*", "/data/a", true}, {"/data/*", "/data/a/b", false},
		{"/data/*.log", "/data/x.log", true}, {"/data/*.log", "/data/x.tmp", false},
	} {
		if have := (&DiskCondition{Path: c.path}).covers(c.name); have != c.want {
			t.Errorf("%q covers %q: %v, want %v", c.path, c.name, have, c.want)
		}
	}
}

// However faults are laid over each other, each can be lifted by itself, and nothing is left of them in the end.
func TestDiskConditionsAreLiftedInAnyOrder(t *testing.T) {
	eio := DiskCondition{How: DiskEIO, Operations: []DiskOperation{DiskWrite}}
	all := []*DiskImposition{{DiskCondition: eio}, {DiskCondition: DiskCondition{How: DiskReadOnly}}, {DiskCondition: eio},
		{DiskCondition: DiskCondition{How: DiskSlow, Latency: time.Second}}}
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}, {1, 3, 0, 2}} {
		d, pacer := NewDisk(DiskSpec{}, nil), &busyPacer{}
		f := need[afero.File](t)(d.Fs(pacer).Create("/a"))
		in := map[*DiskImposition]bool{}
		for _, i := range all {
			d.Impose(i)
			in[i] = true
		}
		for _, k := range order {
			if !d.Lift(all[k]) || d.Lift(all[k]) {
				t.Fatal("a fault is lifted once")
			}
			delete(in, all[k])
			pacer.paused = 0
			_, err := f.Write([]byte("x"))
			if want := in[all[0]] || in[all[2]]; errors.Is(err, syscall.EIO) != want {
				t.Errorf("order %v, after %d: %v", order, k, err)
			} else if want := in[all[1]]; !errors.Is(err, syscall.EIO) && errors.Is(err, syscall.EROFS) != want {
				t.Errorf("order %v, after %d: %v", order, k, err)
			}
			if want := in[all[3]]; (pacer.paused == time.Second) != want {
				t.Errorf("order %v, after %d: took %v", order, k, pacer.paused)
			}
		}
		if len(d.Imposed()) > 0 {
			t.Error("something is left")
		}
	}
}

// Of two tasks that hang, each goes on when its own fault is lifted, in the order in which they came.
func TestDiskHangsAreWokenInOrder(t *testing.T) {
	d := NewDisk(DiskSpec{}, nil)
	one, two := &DiskImposition{}, &DiskImposition{}
	d.Impose(one)
	d.Impose(two)
	var woken []int
	for n, i := range []*DiskImposition{one, two, one} {
		d.hanging = append(d.hanging, hangingCall{i, func() { woken = append(woken, n) }})
	}
	d.Lift(one)
	if !slices.Equal(woken, []int{0, 2}) {
		t.Error("woken", woken)
	}
	d.PowerLoss()
	d.Lift(two)
	if !slices.Equal(woken, []int{0, 2}) {
		t.Error("a call of a machine without power was woken", woken)
	}
}

// A bit that turned over is wrong in what is durable too, when that is kept apart after a failed sync.
func TestDiskBitRotReachesThePlatter(t *testing.T) {
	d := NewDisk(DiskSpec{}, Stream(1, "disk"))
	put(t, d, "/a", "aaaaaaaa")
	f := need[afero.File](t)(d.Fs(idlePacer{}).OpenFile("/a", os.O_RDWR, 0))
	need[int](t)(f.WriteAt([]byte("b"), 7))
	eio := &DiskImposition{DiskCondition: DiskCondition{How: DiskEIO}}
	d.Impose(eio)
	if f.Sync() == nil {
		t.Fatal("the sync did not fail")
	}
	d.Lift(eio)
	snapshot := d.Snapshot()
	d.Impose(&DiskImposition{DiskCondition: DiskCondition{How: DiskBitRot}})
	have := make([]byte, 2)
	need[int](t)(f.ReadAt(have, 0))
	d.PowerLoss()
	holds(t, d.Fs(nil), "/a", string(have)+"aaaaaa")
	if string(have) == "aa" {
		t.Error("nothing turned over")
	}
	d.Restore(snapshot)
	holds(t, d.Fs(nil), "/a", "aaaaaaaa")
}

// blackout is a pacer of a task that is dropped when the power fails, in the middle of its first wait.
type blackout struct{ end func() }

func (b blackout) Pause(time.Duration) {
	b.end()
	panic("dropped")
}
func (blackout) Hang(func(wake func())) {}

// A sync that is dropped, before its end or after it, leaves the file to be noted as briefly as any other.
func TestDiskSyncThatIsDropped(t *testing.T) {
	for name, end := range map[string]func(*Disk){"power loss": (*Disk).PowerLoss, "crash": (*Disk).CloseAll, "alone": func(*Disk) {}} {
		t.Run(name, func(t *testing.T) {
			d := NewDisk(DiskSpec{}, Stream(1, "disk"))
			d.mergeAfter = 3
			if err := afero.WriteFile(d.Fs(nil), "/a", []byte("x"), 0o644); err != nil {
				t.Fatal(err)
			}
			d.SyncAll()
			func() {
				defer func() { _ = recover() }()
				f := &file{view: &view{disk: d, pacer: blackout{func() { end(d) }}}, node: d.root.entries["a"], name: "/a",
					session: d.sessions}
				_ = f.Sync()
			}()
			f, err := d.Fs(nil).OpenFile("/a", os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			for range 10 {
				if _, err := f.Write([]byte("x")); err != nil {
					t.Fatal(err)
				}
			}
			if n := len(d.root.entries["a"].pending); n > 4 {
				t.Errorf("%d changes are kept apart, want at most 4", n)
			}
		})
	}
}
