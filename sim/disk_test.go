package sim

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/afero"
)

// busyPacer is that of a machine on which something happens in every pause; it adds the pauses up.
type busyPacer struct {
	paused    time.Duration
	meanwhile func()
	woken     bool
}

func (p *busyPacer) Pause(d time.Duration) {
	p.paused += d
	p.do()
}

func (p *busyPacer) Hang(register func(wake func())) {
	p.woken = false
	register(func() { p.woken = true })
	p.do()
	if !p.woken {
		panic("nobody ended the hang")
	}
}

func (p *busyPacer) do() {
	if act := p.meanwhile; act != nil {
		p.meanwhile = nil
		act()
	}
}

// need returns a function that insists on a value.
func need[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// put writes a file and makes it and its name durable.
func put(t *testing.T, d *Disk, path, text string) {
	t.Helper()
	s := newScript(d.Fs(nil), "")
	above := path[:strings.LastIndex(path, "/")+1]
	for _, step := range []string{"put " + path + " " + text, "sync-path " + path, "sync-path " + above} {
		if out := s.play(step); out != "ok" {
			t.Fatal(step, out)
		}
	}
}

func holds(t *testing.T, fs afero.Fs, path, want string) {
	t.Helper()
	if have, err := afero.ReadFile(fs, path); err != nil || string(have) != want {
		t.Errorf("%s holds %q (%v), want %q", path, have, err, want)
	}
}

func TestDiskListsInTheOrderOfNames(t *testing.T) {
	fs := NewDisk(DiskSpec{}, nil).Fs(nil)
	var want []string
	for i := range 50 {
		name := fmt.Sprintf("n%d", i*7919%1000)
		ok(t, afero.WriteFile(fs, "/"+name, nil, 0o644))
		want = append(want, name)
	}
	slices.Sort(want)
	dir := need[afero.File](t)(fs.Open("/"))
	if have := need[[]string](t)(dir.Readdirnames(0)); !slices.Equal(have, want) {
		t.Errorf("names are %v, want %v", have, want)
	}
	need[int64](t)(dir.Seek(0, 0))
	for i := 0; i < len(want); i += 10 {
		for j, info := range need[[]os.FileInfo](t)(dir.Readdir(10)) {
			if info.Name() != want[i+j] {
				t.Fatalf("name %d is %s, want %s", i+j, info.Name(), want[i+j])
			}
		}
	}
}

func TestDiskRoot(t *testing.T) {
	fs := NewDisk(DiskSpec{}, nil).Fs(nil)
	ok(t, fs.MkdirAll("relative/path", 0o755))
	if _, err := fs.Stat("/relative/path/../../.."); err != nil {
		t.Error("a relative path is not taken from the root, or the root is not above itself:", err)
	}
	for err, want := range map[error]syscall.Errno{
		fs.Remove("/"):                syscall.EBUSY,
		fs.Rename("/", "/relative/x"): syscall.EBUSY,
		fs.Mkdir("/", 0o755):          syscall.EEXIST,
	} {
		if !errors.Is(err, want) {
			t.Errorf("have %v, want %v", err, want)
		}
	}
	if err := fs.Mkdir("/"+strings.Repeat("x/", maxPath/2), 0o755); !errors.Is(err, syscall.ENAMETOOLONG) {
		t.Error(err)
	}
	if err := fs.Mkdir("/a\x00b", 0o755); !errors.Is(err, syscall.EINVAL) {
		t.Error(err)
	}
}

// What is written while a sync is under way is not part of it.
func TestDiskSyncCoversWhatCameBefore(t *testing.T) {
	d := NewDisk(DiskSpec{}, nil)
	put(t, d, "/a", "old")
	pacer := &busyPacer{}
	f := need[afero.File](t)(d.Fs(pacer).OpenFile("/a", os.O_RDWR, 0))
	need[int](t)(f.WriteAt([]byte("NEW"), 0))
	pacer.meanwhile = func() {
		need[int](t)(f.WriteAt([]byte("LATE"), 1))
		ok(t, f.Truncate(2))
		ok(t, d.Fs(nil).Rename("/a", "/b"))
	}
	ok(t, f.Sync())
	holds(t, d.Durable(), "/a", "NEW")
	root := need[afero.File](t)(d.Fs(pacer).Open("/"))
	pacer.meanwhile = func() { ok(t, d.Fs(nil).Rename("/b", "/c")) }
	ok(t, root.Sync())
	d.PowerLoss()
	holds(t, d.Fs(nil), "/b", "NEW")
}

// The same after a failed sync, when what is durable is kept apart.
func TestDiskSyncAfterFailureCoversWhatCameBefore(t *testing.T) {
	d := NewDisk(DiskSpec{}, nil)
	put(t, d, "/a", "0123456789")
	pacer := &busyPacer{}
	f := need[afero.File](t)(d.Fs(pacer).OpenFile("/a", os.O_RDWR, 0))
	need[int](t)(f.WriteAt([]byte("x"), 0))
	eio := &DiskImposition{DiskCondition: DiskCondition{How: DiskEIO}}
	pacer.meanwhile = func() { need[int](t)(f.WriteAt([]byte("y"), 1)); d.Impose(eio) }
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	d.Lift(eio)
	need[int](t)(f.WriteAt([]byte("z"), 2))
	pacer.meanwhile = func() { need[int](t)(f.WriteAt([]byte("L"), 2)); ok(t, f.Truncate(1)) }
	ok(t, f.Sync())
	holds(t, d.Fs(nil), "/a", "x")
	d.PowerLoss()
	holds(t, d.Fs(nil), "/a", "0yz3456789")
}

// inodeOf is the inode of a path.
func inodeOf(t *testing.T, d *Disk, path string) *inode {
	t.Helper()
	return need[place](t)(d.existing(path)).node
}

func TestDiskModesAndTimesGoWithTheContent(t *testing.T) {
	now := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	d := NewDisk(DiskSpec{}, nil)
	d.SetNow(func() time.Time { return now })
	put(t, d, "/a", "x")
	synced := now
	now = now.Add(time.Hour)
	fs := d.Fs(nil)
	ok(t, afero.WriteFile(fs, "/a", []byte("y"), 0))
	ok(t, fs.Chmod("/a", 0o600))
	check := func(mode os.FileMode, at time.Time) {
		t.Helper()
		if i := need[os.FileInfo](t)(fs.Stat("/a")); i.Mode() != mode || !i.ModTime().Equal(at) {
			t.Errorf("have %v %v, want %v %v", i.Mode(), i.ModTime(), mode, at)
		}
	}
	check(0o600, now)
	d.PowerLoss()
	check(0o644, synced)
	ok(t, fs.Chmod("/a", 0o600))
	ok(t, need[afero.File](t)(fs.Open("/a")).Sync())
	d.PowerLoss()
	check(0o600, synced)
}

func TestDiskModesOfASnapshot(t *testing.T) {
	d := NewDisk(DiskSpec{}, nil)
	put(t, d, "/a", "x")
	ok(t, d.Fs(nil).Chmod("/a", 0o600))
	if i := need[os.FileInfo](t)(d.Durable().Stat("/a")); i.Mode() != 0o644 {
		t.Error("durable is", i.Mode())
	}
}

// A directory that a power loss put back is where it was, for paths that go up again too.
func TestDiskDirectoriesAreBackWhereTheyWere(t *testing.T) {
	d := NewDisk(DiskSpec{}, nil)
	s := newScript(d.Fs(nil), "")
	for _, step := range []string{"mkdirall /a/b", "put /a/f here", "put /f there", "sync-path /a/f", "sync-path /a",
		"sync-path /", "rename /a/b /c"} {
		s.play(step)
	}
	d.PowerLoss()
	if have := s.play("cat /a/b/../f"); have != "4 bytes `here`" {
		t.Error(have)
	}
	if have := inodeOf(t, d, "/a/b").path(); have != "/a/b" {
		t.Error(have)
	}
	if have := s.play("rename /a /a/b/x"); !strings.Contains(have, "invalid argument") {
		t.Error("a directory was moved into itself:", have)
	}
}

func TestDiskSize(t *testing.T) {
	d := NewDisk(DiskSpec{Size: 100_000}, nil)
	fs := d.Fs(nil)
	f := need[afero.File](t)(fs.Create("/a"))
	n, err := f.Write(make([]byte, 120_000))
	if n != 100_000 || !errors.Is(err, syscall.ENOSPC) || d.Free() != 0 || d.Used() != 100_000 {
		t.Fatalf("wrote %d, %v; used %d, free %d", n, err, d.Used(), d.Free())
	}
	if _, err := f.WriteAt([]byte("over"), 500); err != nil {
		t.Error("what has its place already needs no room:", err)
	}
	if err := fs.Mkdir("/d", 0o755); !errors.Is(err, syscall.ENOSPC) {
		t.Error("a directory on a full disk:", err)
	}
	ok(t, fs.Remove("/a"))
	if d.Used() != 100_000 {
		t.Error("a removed file that is open takes room, used", d.Used())
	}
	ok(t, f.Close())
	if d.Used() != 0 {
		t.Error("used after the last close:", d.Used())
	}
	f = need[afero.File](t)(fs.Create("/b"))
	ok(t, f.Truncate(4<<30))
	if _, err := f.WriteAt(make([]byte, 90_000), 3<<30); err != nil || d.Used() != 90_000 {
		t.Errorf("a hole takes no room: %v, used %d", err, d.Used())
	}
	if n, err := f.WriteAt(make([]byte, 20_000), 1<<30); n != 10_000 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("wrote %d, %v", n, err)
	}
	if err := f.Truncate(maxFileSize + 1); !errors.Is(err, syscall.EFBIG) {
		t.Error(err)
	}
	if _, err := f.WriteAt([]byte("x"), maxFileSize); !errors.Is(err, syscall.EFBIG) {
		t.Error(err)
	}
	if free := NewDisk(DiskSpec{}, nil).Free(); free != 1<<30 {
		t.Error("a disk that nobody gave a size has free", free)
	}
}

// As many files as there are inodes for, whatever is in them; each that is gone makes place for another.
func TestDiskInodes(t *testing.T) {
	none := time.Duration(0)
	d := NewDisk(DiskSpec{Size: 1 << 20, Sync: &none}, nil)
	fs := d.Fs(nil)
	name := func(i int) string { return fmt.Sprintf("/%d", i) }
	const most = 4096 - 1 // The root takes one.
	for i := range most {
		if err := fs.Mkdir(name(i), 0o755); err != nil {
			t.Fatalf("number %d: %v", i, err)
		}
	}
	if _, err := fs.Create("/more"); !errors.Is(err, syscall.ENOSPC) {
		t.Error("one more than there may be:", err)
	}
	if space := need[DiskSpace](t)(d.Inodes(nil).Space()); space.Inodes != 4096 || space.FreeInodes != 0 || space.Free != 1<<20 {
		t.Errorf("it is said to have %+v", space)
	}
	if err := fs.Remove(name(7)); err != nil {
		t.Fatal(err)
	}
	f := need[afero.File](t)(fs.Create("/file"))
	if err := fs.Remove("/file"); err != nil {
		t.Fatal(err)
	}
	if err := fs.Mkdir("/again", 0o755); !errors.Is(err, syscall.ENOSPC) {
		t.Error("a file that is open has its inode:", err)
	}
	f.Close()
	if err := fs.Mkdir("/again", 0o755); err != nil {
		t.Error(err)
	}
	d.PowerLoss()
	if space := need[DiskSpace](t)(d.Inodes(nil).Space()); space.FreeInodes != most {
		t.Errorf("after a power loss it is said to have %+v", space)
	}
}

func TestDiskCloseAll(t *testing.T) {
	d := NewDisk(DiskSpec{}, nil)
	fs := d.Fs(nil)
	f := need[afero.File](t)(fs.Create("/a"))
	need[int](t)(f.WriteString("content"))
	g := need[afero.File](t)(fs.Create("/b"))
	need[int](t)(g.WriteString("removed"))
	ok(t, fs.Remove("/b"))
	d.CloseAll()
	if d.Used() != int64(len("content")) {
		t.Error("used", d.Used())
	}
	holds(t, fs, "/a", "content")
	if _, err := f.WriteString("x"); !errors.Is(err, syscall.ESTALE) {
		t.Error("a file of software that is gone was written to:", err)
	}
	ok(t, g.Close())
	if d.Used() != int64(len("content")) {
		t.Error("used after a late close", d.Used())
	}
}

func TestDiskEraseAndRestore(t *testing.T) {
	d := NewDisk(DiskSpec{}, nil)
	put(t, d, "/a", "first")
	earlier := d.Snapshot()
	put(t, d, "/a", "second")
	put(t, d, "/b", "b")
	f := need[afero.File](t)(d.Fs(nil).OpenFile("/a", os.O_WRONLY, 0))
	need[int](t)(f.WriteAt([]byte("S"), 0))
	for range 2 {
		d.Restore(earlier)
		if have := shownDisk(d.Fs(nil)); have != `/a="first"` || d.Used() != 5 {
			t.Errorf("restored %s, used %d", have, d.Used())
		}
		put(t, d, "/a", "FIRST, and the snapshot does not change")
	}
	d.Erase()
	if have := shownDisk(d.Fs(nil)); have != "" || d.Used() != 0 {
		t.Errorf("erased, there is %s, used %d", have, d.Used())
	}
	d.PowerLoss()
	if have := shownDisk(d.Fs(nil)); have != "" {
		t.Errorf("after a power loss there is again %s", have)
	}
	if _, err := f.Write([]byte("x")); !errors.Is(err, syscall.ESTALE) {
		t.Error(err)
	}
}

func TestDiskTiming(t *testing.T) {
	sync := 7 * time.Millisecond
	d := NewDisk(DiskSpec{Sync: &sync, Bandwidth: 8e6}, nil) // 1 MB/s
	now := time.Duration(0)
	pacer := &busyPacer{}
	took := func(want time.Duration) {
		t.Helper()
		if pacer.paused != want {
			t.Errorf("took %v, want %v", pacer.paused, want)
		}
		pacer.paused = 0
	}
	f := need[afero.File](t)(d.Fs(pacer).Create("/a"))
	took(0)
	need[int](t)(f.Write(make([]byte, 3000)))
	took(3 * time.Millisecond)
	need[int](t)(f.ReadAt(make([]byte, 2000), 0))
	took(2 * time.Millisecond)
	if n, err := f.ReadAt(make([]byte, 9000), 2000); n != 1000 || err == nil {
		t.Error(n, err)
	}
	took(time.Millisecond)
	ok(t, f.Sync())
	took(sync)
	// Two transfers at one time share the bandwidth.
	d.SetElapsed(func() time.Duration { return now })
	pacer.meanwhile = func() { need[int](t)(f.WriteAt(make([]byte, 1000), 0)) }
	need[int](t)(f.WriteAt(make([]byte, 1000), 5000))
	took(time.Millisecond + 2*time.Millisecond)
	now = time.Second
	need[int](t)(f.WriteAt(make([]byte, 1000), 0))
	took(time.Millisecond)
	if def := (DiskSpec{}).SyncTime(); def != 5*time.Millisecond {
		t.Error(def)
	}
	// The harness does not wait.
	need[[]byte](t)(afero.ReadFile(d.Fs(nil), "/a"))
	took(0)
}

func TestDiskEveryOperationMayGiveWay(t *testing.T) {
	pacer := &busyPacer{}
	fs := NewDisk(DiskSpec{}, nil).Fs(pacer)
	var f afero.File
	byte1 := make([]byte, 1)
	for i, operation := range []func() error{
		func() error { return fs.Mkdir("/d", 0o755) },
		func() error { return fs.MkdirAll("/d/e", 0o755) },
		func() (err error) { f, err = fs.Create("/a"); return },
		func() error { _, err := f.Write(byte1); return err },
		func() error { _, err := f.WriteString("x"); return err },
		func() error { _, err := f.WriteAt(byte1, 0); return err },
		func() error { return f.Truncate(3) },
		func() error { _, err := f.Read(byte1); return err },
		func() error { _, err := f.ReadAt(byte1, 0); return err },
		func() error { _, err := f.Stat(); return err },
		func() error { return f.Sync() },
		func() error { return f.Close() },
		func() (err error) { f, err = fs.Open("/d"); return },
		func() error { _, err := f.Readdir(0); return err },
		func() error { _, err := f.Readdirnames(0); return err },
		func() error { _, err := fs.Stat("/a"); return err },
		func() error { return fs.Chmod("/a", 0o600) },
		func() error { return fs.Chtimes("/a", time.Time{}, time.Time{}) },
		func() error { return fs.Chown("/a", 0, 0) },
		func() error { return fs.Rename("/a", "/b") },
		func() error { return fs.Remove("/b") },
		func() error { return fs.RemoveAll("/d") },
	} {
		gaveWay := false
		pacer.meanwhile = func() { gaveWay = true }
		if err := operation(); err != nil || !gaveWay {
			t.Errorf("operation %d: error %v, gave way: %v", i, err, gaveWay)
		}
	}
	pacer.meanwhile = func() { t.Error("Seek gave way") }
	need[int64](t)(f.Seek(0, 0))
}

func TestDiskTellsOfSyncs(t *testing.T) {
	d := NewDisk(DiskSpec{}, nil)
	var told []string
	d.OnSync = func(path string) { told = append(told, path) }
	put(t, d, "/seen-by-nobody", "x")
	s := newScript(d.Fs(idlePacer{}), "")
	s.play("put data x")
	s.play("sync-path data")
	s.play("sync-path /")
	d.Impose(&DiskImposition{DiskCondition: DiskCondition{How: DiskEIO}})
	s.play("sync-path /")
	if want := []string{"/data", "/"}; !slices.Equal(told, want) {
		t.Errorf("told of %q, want %q", told, want)
	}
}

// Content is compared with plain bytes at the edges of chunks.
func TestDiskContentAtTheEdgesOfChunks(t *testing.T) {
	var c content
	var plain []byte
	r := Stream(3, "content")
	var copies []content
	var plains [][]byte
	for i := range 2000 {
		off, n := r.IntN(3*chunkSize), r.IntN(100)
		if r.IntN(2) == 0 {
			off = max(0, r.IntN(4)*chunkSize-r.IntN(50))
		}
		if r.IntN(10) == 0 {
			n = r.IntN(2 * chunkSize)
		}
		if p := bytes.Repeat([]byte{byte(i)}, n); r.IntN(20) > 0 && n > 0 {
			c.write(int64(off), p)
			plain = append(plain, make([]byte, max(0, off+n-len(plain)))...)
			copy(plain[off:], p)
		} else if off < len(plain) {
			c.cut(int64(off))
			plain = plain[:off:off]
		}
		if i%100 == 0 {
			copies, plains = append(copies, c.clone()), append(plains, bytes.Clone(plain))
		}
	}
	for i, c := range append(copies, c) {
		have := make([]byte, c.size)
		c.read(0, have)
		if want := append(plains, plain)[i]; !bytes.Equal(have, want) {
			t.Fatalf("copy %d differs", i)
		}
	}
}
