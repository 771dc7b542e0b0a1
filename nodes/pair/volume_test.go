package pair

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/afero"

	"firedrill/nodes"
	"firedrill/nodes/journal"
	"firedrill/sim"
)

// machine is as much of an Env as a volume needs. Its power fails at the left-th operation of its disk, or
// not at all.
type machine struct {
	nodes.Env // nil: what is not below is not used
	disk      *sim.Disk
	left      int
}

var errPower = errors.New("power failed")

func newMachine() *machine {
	return &machine{disk: sim.NewDisk(sim.DiskSpec{}, sim.Stream(1, "disk"))}
}

func (m *machine) Disk() afero.Fs          { return m.disk.Fs(m) }
func (m *machine) NewSignal() nodes.Signal { return alone{} }
func (m *machine) Log() *slog.Logger       { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func (m *machine) Pause(time.Duration) {
	if m.left--; m.left == 0 {
		panic(errPower)
	}
}

func (m *machine) Hang(func(func())) { panic("nothing hangs here") }

// alone is the signal of a machine with one task.
type alone struct{}

func (alone) Broadcast()              {}
func (alone) Wait(time.Duration) bool { panic("nobody is there to end this wait") }

// crashes calls f, and reports whether the power failed in it. What was not synced is lost, or comes through
// in part.
func (m *machine) crashes(at int, how sim.DiskFault, f func()) (crashed bool) {
	defer func() {
		m.left = 0
		if r := recover(); r != nil {
			if r != errPower {
				panic(r)
			}
			crashed = true
		}
		i := &sim.DiskImposition{DiskCondition: sim.DiskCondition{How: how}}
		if how != "" {
			m.disk.Impose(i)
		}
		m.disk.PowerLoss()
		m.disk.Lift(i)
	}()
	m.left = at
	f()
	return false
}

func (m *machine) open(t *testing.T, inPlace bool) *volume {
	t.Helper()
	v, err := openVolume(m, inPlace)
	if err != nil {
		t.Fatal(err)
	}
	v.writable = true
	return v
}

// stock is what a volume holds, read back from its disk: contents by path, and the image under the empty
// path.
func (v *volume) stock(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, e := range v.list() {
		data, err := v.get(e.Path)
		if err != nil {
			t.Fatal(err)
		}
		all[e.Path] = string(data)
	}
	if v.image.ID != "" {
		all[""] = "image " + v.image.ID
	}
	return all
}

// used makes a volume that has had a life: files, a deletion, an image.
func used(t *testing.T, m *machine, inPlace bool) *volume {
	t.Helper()
	v := m.open(t, inPlace)
	must(t, v.store(func() (string, []byte) { return "", nil }))
	must(t, v.erase("pair-1"))
	take(t, v, "1", map[string]string{"a": "first a", "b": "first b", "c": "first c"})
	return v
}

// take lets a volume receive an image and commit it.
func take(t *testing.T, v *volume, id string, files map[string]string) {
	t.Helper()
	if err := receive(v, id, files, nil); err != nil {
		t.Fatal(err)
	}
}

// receive is the standby's side of a sync. Files of which lacking is true do not come.
func receive(v *volume, id string, files map[string]string, lacking map[string]bool) error {
	v.receive()
	var m manifest
	for _, path := range slices.Sorted(maps.Keys(files)) {
		data := []byte(files[path])
		want := entryOf(path, data)
		m = append(m, want)
		if have, ok := v.files[path]; ok && have.same(want) || lacking[path] {
			continue
		}
		if err := v.stage(want, data); err != nil {
			return err
		}
	}
	return v.commit(m, image{ID: id, Digest: m.digest()})
}

// entryOf is the entry that the active has of a content. Its version is as long as the content, so that equal
// ones are the same.
func entryOf(path string, data []byte) entry {
	v := &volume{blocks: nowhere{}}
	e, _ := v.appendBlocks(path, data, uint64(len(data)))
	return e
}

// nowhere is a file that takes everything.
type nowhere struct{ afero.File }

func (nowhere) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// deeds are what changes a volume, each from the same stock.
var deeds = []struct {
	name   string
	do     func(v *volume) error
	change func(stock map[string]string)
}{
	{"put", func(v *volume) error { return v.put("d", []byte("new")) }, func(s map[string]string) { s["d"] = "new" }},
	{"overwrite", func(v *volume) error { return v.put("a", []byte("later")) }, func(s map[string]string) { s["a"] = "later" }},
	{"empty file", func(v *volume) error { return v.put("a", nil) }, func(s map[string]string) { s["a"] = "" }},
	{"delete", func(v *volume) error { _, err := v.remove("b"); return err }, func(s map[string]string) { delete(s, "b") }},
	{"image", func(v *volume) error {
		return receive(v, "2", map[string]string{"a": "second a", "b": "first b", "e": "second e"}, nil)
	}, func(s map[string]string) {
		s["a"], s["e"], s[""] = "second a", "second e", "image 2"
		delete(s, "c") // What the manifest lacks is deleted (D-69).
	}},
	{"erase", func(v *volume) error { return v.erase("pair-2") }, func(s map[string]string) { clear(s) }},
	{"tidy", func(v *volume) error {
		return v.rewrite(head{Blocks: v.head.Blocks + 1, Lineage: v.head.Lineage}, v.list())
	}, func(map[string]string) {}},
}

// TestPowerLoss lets the power fail at every operation of the disk in every deed. What was there before is
// there whole, or what was to be is (D-69); and when the deed was done, it is.
func TestPowerLoss(t *testing.T) {
	for _, d := range deeds {
		for _, how := range []sim.DiskFault{"", sim.DiskTornWrite, sim.DiskUnsyncedLoss} {
			t.Run(fmt.Sprintf("%s/%s", d.name, how), func(t *testing.T) {
				seen := 0
				for at := 1; ; at++ {
					m := newMachine()
					v := used(t, m, false)
					before := v.stock(t)
					after := maps.Clone(before)
					d.change(after)
					crashed := m.crashes(at, how, func() { must(t, d.do(v)) })
					again := m.open(t, false)
					have := again.stock(t)
					if !cmp.Equal(have, after) && (!crashed || !cmp.Equal(have, before)) {
						t.Fatalf("crash at operation %d (%v): %s", at, crashed, cmp.Diff(after, have))
					}
					if cmp.Equal(have, before) {
						seen++
					}
					if err := again.put("z", []byte("goes on")); err != nil {
						t.Fatalf("crash at operation %d: the volume does not go on: %v", at, err)
					}
					if !crashed {
						break
					}
				}
				if seen == 0 {
					t.Error("no power loss came before the deed was done: the test tests nothing")
				}
			})
		}
	}
}

// TestDiskFails lets every operation of the disk fail in every deed. After an error the stock is the old one,
// unless the index is broken: then either. Once the disk is well the volume goes on.
func TestDiskFails(t *testing.T) {
	for _, d := range deeds {
		for _, operation := range []sim.DiskOperation{sim.DiskWrite, sim.DiskSync, sim.DiskCreate, sim.DiskRename} {
			failed := 0
			for nth := 1; nth < 20; nth++ {
				m := newMachine()
				v := used(t, m, false)
				before := v.stock(t)
				after := maps.Clone(before)
				d.change(after)
				i := &sim.DiskImposition{DiskCondition: sim.DiskCondition{How: sim.DiskEIO, Operations: []sim.DiskOperation{operation}, Nth: nth}}
				m.disk.Impose(i)
				err := d.do(v)
				m.disk.Lift(i)
				if i.Failed == 0 {
					break // The deed has fewer such operations.
				}
				if err == nil {
					continue // It could do without, as when what is old cannot be removed.
				}
				failed++
				m.disk.PowerLoss()
				have := m.open(t, false).stock(t)
				if !cmp.Equal(have, before) && !(errors.Is(err, journal.ErrBroken) && cmp.Equal(have, after)) {
					t.Errorf("%s, %s %d fails with %v: %s", d.name, operation, nth, err, cmp.Diff(before, have))
				}
			}
			if failed == 0 && operation == sim.DiskWrite {
				t.Errorf("%s: no write failed: the test tests nothing", d.name)
			}
		}
	}
}

// TestVolumeGoesOn: once the disk is well again, so is the volume, without a restart.
func TestVolumeGoesOn(t *testing.T) {
	for _, operation := range []sim.DiskOperation{sim.DiskWrite, sim.DiskSync} {
		for nth := 1; nth <= 2; nth++ {
			m := newMachine()
			v := used(t, m, false)
			i := &sim.DiskImposition{DiskCondition: sim.DiskCondition{How: sim.DiskEIO, Operations: []sim.DiskOperation{operation}, Nth: nth}}
			m.disk.Impose(i)
			if err := v.put("a", []byte("fails")); err == nil {
				t.Fatalf("%s %d did not fail", operation, nth)
			}
			m.disk.Lift(i)
			must(t, v.put("d", []byte("works")))
			if have := v.stock(t); have["d"] != "works" || have["b"] != "first b" {
				t.Errorf("after %s %d failed: %v", operation, nth, have)
			}
		}
	}
}

// TestFullDiskKeepsTheImage: a disk that is full in the middle of a sync costs the new image and not the old
// one (D-69).
func TestFullDiskKeepsTheImage(t *testing.T) {
	m := newMachine()
	v := used(t, m, false)
	before := v.stock(t)
	i := &sim.DiskImposition{DiskCondition: sim.DiskCondition{How: sim.DiskFull}}
	m.disk.Impose(i)
	if err := receive(v, "2", map[string]string{"a": strings.Repeat("second", 1000)}, nil); err == nil {
		t.Fatal("want an error")
	}
	m.disk.Lift(i)
	if diff := cmp.Diff(before, v.stock(t)); diff != "" {
		t.Error(diff)
	}
	take(t, v, "3", map[string]string{"a": "third"})
	if have := v.stock(t); have["a"] != "third" || len(have) != 2 {
		t.Errorf("want the next image, have %v", have)
	}
}

// TestImageIsWhole: what is not there whole is not committed, and what was received of it is forgotten
// (D-51).
func TestImageIsWhole(t *testing.T) {
	m := newMachine()
	v := used(t, m, false)
	before := v.stock(t)
	next := map[string]string{"a": "second a", "d": "second d"}
	if err := receive(v, "2", next, map[string]bool{"d": true}); err == nil {
		t.Error("want an image that lacks a file refused")
	}
	if err := v.stage(entryOf("d", []byte("second d")), []byte("another d")); !errors.Is(err, errDamaged) {
		t.Errorf("want a file that is not the one of the manifest refused, have %v", err)
	}
	if diff := cmp.Diff(before, v.stock(t)); diff != "" {
		t.Error(diff)
	}
	v.discard()
	if err := v.stage(entryOf("d", []byte("second d")), []byte("second d")); !errors.Is(err, errNotStaging) {
		t.Errorf("want no file taken when no image is being received, have %v", err)
	}
	if err := v.commit(nil, image{ID: "2"}); !errors.Is(err, errNotStaging) {
		t.Errorf("want no image committed when none is being received, have %v", err)
	}
	take(t, v, "3", next)
	if have := v.stock(t); have["d"] != "second d" || have[""] != "image 3" {
		t.Errorf("want the whole image, have %v", have)
	}
}

// TestInPlace: without atomic commit a sync that breaks off leaves old and new files side by side (HZ-D4).
func TestInPlace(t *testing.T) {
	for _, inPlace := range []bool{false, true} {
		m := newMachine()
		v := used(t, m, inPlace)
		next := map[string]string{"a": "second a", "b": "second b"}
		if err := receive(v, "2", next, map[string]bool{"b": true}); err == nil {
			t.Fatal("want the image refused")
		}
		m.disk.PowerLoss()
		have := m.open(t, inPlace).stock(t)
		if mixed := have["a"] == "second a" && have["b"] == "first b"; mixed != inPlace || have[""] != "image 1" {
			t.Errorf("in place %v: %v", inPlace, have)
		}
	}
}

// TestSnapshot is of one instant, however long it is read.
func TestSnapshot(t *testing.T) {
	m := newMachine()
	v := used(t, m, false)
	s := v.snapshot()
	must(t, v.put("a", []byte("later")))
	if _, err := v.remove("b"); err != nil {
		t.Fatal(err)
	}
	have := map[string]string{}
	for _, e := range s.files {
		data, err := s.read(e)
		must(t, err)
		have[e.Path] = string(data)
	}
	if diff := cmp.Diff(map[string]string{"a": "first a", "b": "first b", "c": "first c"}, have); diff != "" {
		t.Error(diff)
	}
	s.release()
}

// TestTidy: what nothing refers to any more is not kept for ever, but never while a snapshot reads it.
func TestTidy(t *testing.T) {
	m := newMachine()
	v := used(t, m, false)
	large := make([]byte, 4<<20)
	s := v.snapshot()
	for range 2 * slackBytes / len(large) {
		must(t, v.put("large", large))
	}
	if v.end < 2*slackBytes {
		t.Errorf("want the blocks untouched under a snapshot, have %d bytes of them", v.end)
	}
	s.release()
	must(t, v.put("large", large))
	if v.end > slackBytes || m.disk.Used() > slackBytes {
		t.Errorf("want the blocks tidied up, have %d bytes of them, %d on the disk", v.end, m.disk.Used())
	}
	have := v.stock(t)
	if have["b"] != "first b" || len(have["large"]) != len(large) || have[""] != "image 1" {
		t.Error("tidying up lost something")
	}
}

// TestFill: a fresh volume is filled whole or not at all, and never again.
func TestFill(t *testing.T) {
	fill := func(v *volume) error {
		n := 0
		return v.store(func() (string, []byte) {
			if n++; n > 3 {
				return "", nil
			}
			return fmt.Sprint(n), []byte("stored")
		})
	}
	for at := 1; ; at++ {
		m := newMachine()
		v := m.open(t, false)
		crashed := m.crashes(at, sim.DiskUnsyncedLoss, func() { must(t, fill(v)) })
		v = m.open(t, false)
		if n := len(v.files); v.fresh() != (n == 0) || n != 0 && n != 3 || !crashed && v.fresh() {
			t.Fatalf("crash at operation %d: fresh %v with %d files", at, v.fresh(), n)
		}
		if !crashed {
			must(t, v.erase("pair"))
			if m.open(t, false).fresh() {
				t.Error("an erased volume is not fresh: it must not be filled again")
			}
			break
		}
	}
}

// TestBitRot: what the disk has turned is not served.
func TestBitRot(t *testing.T) {
	m := newMachine()
	v := used(t, m, false)
	m.disk.Impose(&sim.DiskImposition{DiskCondition: sim.DiskCondition{How: sim.DiskBitRot, Path: volumeDir + "/blocks-2", Nth: 1}})
	if data, err := v.get("a"); !errors.Is(err, errDamaged) {
		t.Errorf("want %v, have %q, %v", errDamaged, data, err)
	}
	if _, err := v.get("b"); err != nil {
		t.Errorf("want the others served, have %v", err)
	}
	if v.verify() == nil {
		t.Error("want the damage found")
	}
}

// TestContents reads a dead machine's disk: a standby's files are those of its image (nodes.Kind.Contents).
func TestContents(t *testing.T) {
	m := newMachine()
	if items, err := contents(m.Disk()); err != nil || items != nil {
		t.Errorf("want nothing on an empty disk, have %v, %v", items, err)
	}
	v := used(t, m, false)
	v.receive()
	must(t, v.stage(entryOf("d", []byte("staged")), []byte("staged")))
	for _, c := range []struct{ record, place, image string }{
		{`{"Phase":"active-solo"}`, "", ""}, {`{"Phase":"standby-init"}`, "image", "1"},
	} {
		ledger, _, err := journal.Open(m, recordPath)
		must(t, err)
		must(t, ledger.Append([]byte(c.record)))
		items, err := contents(m.disk.Fs(nil))
		must(t, err)
		want := []nodes.Item{}
		for _, path := range []string{"a", "b", "c"} {
			content := []byte("first " + path)
			want = append(want, nodes.Item{Path: "/data/" + path, Hash: nodes.HashPayload(content), Size: int64(len(content)),
				Place: c.place, Image: c.image})
		}
		if diff := cmp.Diff(want, items); diff != "" {
			t.Errorf("%s: %s", c.record, diff)
		}
	}
}

// TestClosedToClients: what became closed while a request waited stays untouched (D-INV-4).
func TestClosedToClients(t *testing.T) {
	v := used(t, newMachine(), false)
	before := v.stock(t)
	v.writable = false
	if err := v.put("a", []byte("x")); !errors.Is(err, errNotWritable) {
		t.Errorf("want %v, have %v", errNotWritable, err)
	}
	if _, err := v.remove("a"); !errors.Is(err, errNotWritable) {
		t.Errorf("want %v, have %v", errNotWritable, err)
	}
	if diff := cmp.Diff(before, v.stock(t)); diff != "" {
		t.Error(diff)
	}
	if _, err := v.get("none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("want %v, have %v", os.ErrNotExist, err)
	}
}
