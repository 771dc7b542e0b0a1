package journal_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/afero"

	"firedrill/nodes"
	"firedrill/nodes/journal"
	"firedrill/sim"
	"firedrill/sim/virtual"
)

const path = "/state/unit/journal"

// machine is as much of an Env as a journal needs.
type machine struct {
	nodes.Env // nil: what is not below is not used
	disk      *sim.Disk
	pacer     sim.Pacer
}

func newMachine() *machine {
	return &machine{disk: sim.NewDisk(sim.DiskSpec{}, sim.Stream(1, "disk")), pacer: &fuse{}}
}

func (m *machine) Disk() afero.Fs          { return m.disk.Fs(m.pacer) }
func (m *machine) NewSignal() nodes.Signal { return alone{} }

// alone is the signal of a machine with one task.
type alone struct{}

func (alone) Broadcast()              {}
func (alone) Wait(time.Duration) bool { panic("nobody is there to end this wait") }

func open(t *testing.T, m *machine) (*journal.Journal, []string) {
	t.Helper()
	j, records, err := journal.Open(m, path)
	if err != nil {
		t.Fatal(err)
	}
	return j, texts(records)
}

func texts(records [][]byte) []string {
	var all []string
	for _, r := range records {
		all = append(all, string(r))
	}
	return all
}

func bytesOf(words ...string) [][]byte {
	var all [][]byte
	for _, w := range words {
		all = append(all, []byte(w))
	}
	return all
}

func add(t *testing.T, j *journal.Journal, words ...string) {
	t.Helper()
	if err := j.Append(bytesOf(words...)...); err != nil {
		t.Fatal(err)
	}
}

func TestJournalSurvivesPowerLoss(t *testing.T) {
	m := newMachine()
	if _, have := open(t, m); have != nil {
		t.Fatalf("want a new journal empty, have %q", have)
	}
	m.disk.PowerLoss()
	j, _ := open(t, m)
	add(t, j, "one")
	add(t, j, "two", "", "three")
	add(t, j)
	m.disk.PowerLoss()
	j, have := open(t, m)
	if diff := cmp.Diff([]string{"one", "two", "", "three"}, have); diff != "" {
		t.Errorf("want -, have +:\n%s", diff)
	}
	add(t, j, "four")
	if err := j.Compact(bytesOf("all", "of it")...); err != nil {
		t.Fatal(err)
	}
	add(t, j, "five")
	m.disk.PowerLoss()
	if _, have = open(t, m); !cmp.Equal(have, []string{"all", "of it", "five"}) {
		t.Errorf("want what was compacted and what came after, have %q", have)
	}
	if _, err := m.Disk().Stat(path + ".new"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("want nothing beside the journal, have %v", err)
	}
}

func TestJournalLimits(t *testing.T) {
	m := newMachine()
	j, _ := open(t, m)
	largest := make([]byte, journal.MaxRecord)
	if err := j.Append(largest); err != nil {
		t.Errorf("want a record of %d bytes taken, have %v", len(largest), err)
	}
	tooLarge := append(largest, 0)
	group := slicesOf(largest, journal.MaxGroup/journal.MaxRecord)
	for name, err := range map[string]error{
		"a record":           j.Append(tooLarge),
		"a compacted record": j.Compact([]byte("x"), tooLarge),
		"a group":            j.Append(group...),
	} {
		if err == nil || errors.Is(err, journal.ErrBroken) || !strings.Contains(err.Error(), "want") {
			t.Errorf("%s too large: want a refusal, have %v", name, err)
		}
	}
	if err := j.Append(group[1:]...); err != nil {
		t.Errorf("want the journal to go on, have %v", err)
	}
	if err := j.Compact(slicesOf(largest, 12)...); err != nil {
		t.Errorf("want no limit to what is compacted, have %v", err)
	}
	if size := j.Size(); size < 12*journal.MaxRecord || size > 13*journal.MaxRecord {
		t.Errorf("want a size of twelve records, have %d", size)
	}
	if _, have := open(t, m); len(have) != 12 {
		t.Errorf("want twelve records, have %d", len(have))
	}
}

func slicesOf(b []byte, n int) (all [][]byte) {
	for range n {
		all = append(all, b)
	}
	return all
}

func TestJournalClose(t *testing.T) {
	j, _ := open(t, newMachine())
	for range 2 {
		if err := j.Close(); err != nil {
			t.Errorf("want it closed, as often as anybody likes, have %v", err)
		}
	}
	if err := j.Append([]byte("x")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("want a refusal, have %v", err)
	}
}

// image is the journal's file as it stands.
func image(t *testing.T, m *machine) []byte {
	t.Helper()
	data, err := afero.ReadFile(m.Disk(), path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func put(t *testing.T, m *machine, data []byte) {
	t.Helper()
	if err := afero.WriteFile(m.Disk(), path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// Whatever length the last frame is cut to, and whatever stands in it, the frames before it are read and the loss is
// told.
func TestJournalCutsATornTail(t *testing.T) {
	m := newMachine()
	j, _ := open(t, m)
	add(t, j, "one")
	add(t, j, "two", "three")
	before := int(j.Size())
	add(t, j, "four", "five")
	whole := image(t, m)
	for n := before; n <= len(whole); n++ {
		torn := map[string][]byte{"cut off": whole[:n]}
		if n < len(whole) {
			torn["zeros"] = append(bytes.Clone(whole[:n]), make([]byte, len(whole)-n)...)
			torn["flipped"] = bytes.Clone(whole)
			torn["flipped"][n] ^= 1
		}
		for name, data := range torn {
			put(t, m, data)
			want, cut := []string{"one", "two", "three"}, len(data)-before
			if n == len(whole) {
				want, cut = append(want, "four", "five"), 0
			}
			records, left, err := journal.Read(m.Disk(), path)
			if err != nil || !cmp.Equal(texts(records), want) || left != int64(cut) {
				t.Errorf("%s at %d: want %q and %d bytes cut, have %q, %d, %v", name, n, want, cut, texts(records), left, err)
			}
			j, have := open(t, m)
			if !cmp.Equal(have, want) || j.Cut() != int64(cut) {
				t.Errorf("%s at %d: want %q and %d bytes cut, have %q, %d", name, n, want, cut, have, j.Cut())
			}
			add(t, j, "six")
			if _, have = open(t, m); !cmp.Equal(have, append(want, "six")) {
				t.Errorf("%s at %d: want to go on after the cut, have %q", name, n, have)
			}
		}
	}
}

// Damage with a whole frame after it was durable once: nobody may go on as though it had never been there.
func TestJournalRefusesDamageInTheMiddle(t *testing.T) {
	m := newMachine()
	j, _ := open(t, m)
	head := int(j.Size())
	add(t, j, "one")
	second := int(j.Size())
	add(t, j, "two")
	third := int(j.Size())
	add(t, j, "three")
	whole := image(t, m)
	for at := range third {
		damaged := bytes.Clone(whole)
		damaged[at] ^= 0x80
		want := fmt.Sprintf("damaged at offset %d: want frame ", second)
		switch {
		case at < head:
			want = "want a journal, have "
		case at < second:
			want = fmt.Sprintf("damaged at offset %d: want frame ", head)
		}
		put(t, m, damaged)
		for name, open := range map[string]func() error{
			"Open": func() error { _, _, err := journal.Open(m, path); return err },
			"Read": func() error { _, _, err := journal.Read(m.Disk(), path); return err },
		} {
			if err := open(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s, byte %d: want %q, have %v", name, at, want, err)
			}
		}
	}
	put(t, m, append(bytes.Clone(whole[:second]), whole[third:]...))
	if _, _, err := journal.Open(m, path); err == nil {
		// The frame's checksum covers its place: moved, it is not a frame, and a torn tail at most.
		if records, _, _ := journal.Read(m.Disk(), path); !cmp.Equal(texts(records), []string{"one"}) {
			t.Errorf("want nothing of a frame out of its place, have %q", texts(records))
		}
	}
}

func TestJournalRefusesOtherFiles(t *testing.T) {
	for _, data := range []string{"", "fdjournal1\n", "a letter to the editor, of more than thirty bytes",
		strings.Repeat("\x00", 100)} {
		m := newMachine()
		if err := journal.MakeDir(m.Disk(), "/state/unit"); err != nil {
			t.Fatal(err)
		}
		put(t, m, []byte(data))
		if _, _, err := journal.Open(m, path); err == nil || !strings.Contains(err.Error(), "want a journal") {
			t.Errorf("%q: want a refusal, have %v", data, err)
		}
		if string(image(t, m)) != data {
			t.Errorf("%q: want it left alone", data)
		}
	}
}

func TestReadOfNothing(t *testing.T) {
	if records, cut, err := journal.Read(newMachine().Disk(), path); records != nil || cut != 0 || err != nil {
		t.Errorf("want no records and no error, have %q, %d, %v", records, cut, err)
	}
}

// A journal kept as a record is not taken for frames, not even where the frame around it is torn.
func TestJournalInAJournal(t *testing.T) {
	other := newMachine()
	j, _ := open(t, other)
	add(t, j, "one")
	add(t, j, "two")
	m := newMachine()
	j, _ = open(t, m)
	add(t, j, string(image(t, other)))
	whole := image(t, m)
	put(t, m, whole[:len(whole)-1])
	if _, have := open(t, m); have != nil {
		t.Errorf("want nothing of a torn frame, have %q", have)
	}
}

// After a sync that failed, the data is in the page cache only, and the next sync would say ok.
func TestJournalIsBrokenByAFailedSync(t *testing.T) {
	for _, op := range []sim.DiskOperation{sim.DiskSync, sim.DiskWrite} {
		m := newMachine()
		j, _ := open(t, m)
		add(t, j, "one")
		fault := &sim.DiskImposition{DiskCondition: sim.DiskCondition{How: sim.DiskEIO, Nth: 1,
			Operations: []sim.DiskOperation{op}}}
		m.disk.Impose(fault)
		if err := j.Append([]byte("two")); !errors.Is(err, journal.ErrBroken) {
			t.Fatalf("%s: want the journal broken, have %v", op, err)
		}
		m.disk.Lift(fault)
		err := j.Append([]byte("three"))
		if !errors.Is(err, journal.ErrBroken) || !strings.Contains(err.Error(), "opened again") {
			t.Errorf("%s: want it to say what to do, have %v", op, err)
		}
		if err := j.Compact(); !errors.Is(err, journal.ErrBroken) {
			t.Errorf("%s: want no compaction either, have %v", op, err)
		}
		_, have := open(t, m)
		m.disk.PowerLoss()
		if _, later := open(t, m); !cmp.Equal(have, later) {
			t.Errorf("%s: want all that Open returned to be durable: %q, have %q", op, have, later)
		}
	}
}

func TestOpenSaysWhatIsWrongWithTheDisk(t *testing.T) {
	for _, how := range []sim.DiskFault{sim.DiskFull, sim.DiskReadOnly} {
		m := newMachine()
		j, _ := open(t, m)
		add(t, j, "one")
		m.disk.Impose(&sim.DiskImposition{DiskCondition: sim.DiskCondition{How: how}})
		if _, _, err := journal.Open(m, path); err == nil {
			t.Errorf("%s: want an error", how)
		}
		if records, _, err := journal.Read(m.Disk(), path); err != nil || !cmp.Equal(texts(records), []string{"one"}) {
			t.Errorf("%s: want it to be read all the same, have %q, %v", how, texts(records), err)
		}
	}
}

// Tasks of a machine append side by side, while each file operation gives way to the others.
func TestJournalTakesTurns(t *testing.T) {
	for seed := range uint64(5) {
		w := virtual.New(seed)
		segment := sim.Segment{Name: "lan", Subnet: netip.MustParsePrefix("10.0.0.0/24")}
		machine := sim.MachineSpec{Name: "a", Interfaces: []sim.Interface{
			{Segment: "lan", Address: netip.MustParsePrefix("10.0.0.1/24")}}}
		if err := errors.Join(w.AddSegment(segment), w.AddMachine(machine)); err != nil {
			t.Fatal(err)
		}
		var want []string
		w.Machine("a").Go("main", func(env nodes.Env) {
			j, _, err := journal.Open(env, path)
			if err != nil {
				t.Error(err)
				return
			}
			for i := range 5 {
				env.Go("writer", func() {
					for n := range 10 {
						record := fmt.Sprintf("%d: %d", i, n)
						if err := j.Append([]byte(record), []byte("-")); err != nil {
							t.Error(err)
						}
						want = append(want, record, "-")
						if i == 0 && n == 5 {
							if err := j.Compact(); err != nil {
								t.Error(err)
							}
							want = nil
						}
					}
				})
			}
		})
		if err := w.Run(time.Minute); err != nil {
			t.Fatal(err)
		}
		w.Machine("a").Disk().PowerLoss()
		records, _, err := journal.Read(w.Machine("a").Disk().Fs(nil), path)
		if err != nil || len(want) < 40 {
			t.Fatalf("seed %d: %d records, %v", seed, len(want), err)
		}
		if diff := cmp.Diff(want, texts(records)); diff != "" {
			t.Errorf("seed %d: acknowledged -, there +:\n%s", seed, diff)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWriteFile(t *testing.T) {
	m := newMachine()
	if err := journal.MakeDir(m.Disk(), "/a/b"); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"a longer text", "short"} {
		if err := journal.WriteFile(m.Disk(), "/a/b/c", []byte(text)); err != nil {
			t.Fatal(err)
		}
		m.disk.PowerLoss()
		if have, err := afero.ReadFile(m.Disk(), "/a/b/c"); string(have) != text {
			t.Errorf("want %q, have %q, %v", text, have, err)
		}
	}
	if err := journal.WriteFile(m.Disk(), "/no/such", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("want no directory made in passing, have %v", err)
	}
	if err := journal.MakeDir(m.Disk(), "/a/b/c/d"); err == nil {
		t.Error("want no directory below a file")
	}
	if err := journal.MakeDir(m.Disk(), "/a/b"); err != nil {
		t.Errorf("want what is there to do, have %v", err)
	}
}
