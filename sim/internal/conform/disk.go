//go:build linux

package conform

import (
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/afero"
)

// put makes a file with that text.
func (s *side) put(path, text string) { s.must(afero.WriteFile(s.Disk(), path, []byte(text), 0o644)) }

// cat shows what a file holds.
func (s *side) cat(path string) {
	b, err := afero.ReadFile(s.Disk(), path)
	s.say("%s holds %q, %s", path, b, s.outcome(err))
}

// there shows whether there is something, and what.
func (s *side) there(path string) {
	i, err := s.Disk().Stat(path)
	if err != nil {
		s.check("stat", err)
		return
	}
	size := i.Size()
	if i.IsDir() {
		size = 0 // It is a file system's own business how long a directory is.
	}
	s.say("%s: named %s, %d bytes, %v", path, i.Name(), size, i.Mode())
}

// openFile opens what can be opened.
func (s *side) openFile(path string, flag int) afero.File {
	f, err := s.Disk().OpenFile(path, flag, 0o644)
	s.must(err)
	return f
}

func onDisk(name string, body func(*side)) Row { return Row{name: "disk: " + name, alone: body} }

var diskRows = []Row{
	onDisk("a rename takes the place of a file", func(s *side) {
		s.put("/a", "new")
		s.put("/b", "old")
		old := s.openFile("/b", os.O_RDONLY)
		s.check("rename", s.Disk().Rename("/a", "/b"))
		s.there("/a")
		s.cat("/b")
		s.read(old, 9)
		s.check("close", old.Close())
		s.check("rename to itself", s.Disk().Rename("/b", "/b"))
		s.cat("/b")
	}),
	onDisk("a file that is removed while it is open", func(s *side) {
		f := s.openFile("/a", os.O_RDWR|os.O_CREATE)
		s.write(f, "hello")
		s.check("remove", s.Disk().Remove("/a"))
		s.there("/a")
		s.put("/a", "another")
		_, err := f.Seek(0, io.SeekStart)
		s.must(err)
		s.read(f, 9)
		s.write(f, " there")
		i, err := f.Stat()
		s.say("%d bytes, %s", i.Size(), s.outcome(err))
		s.check("sync", f.Sync())
		s.check("close", f.Close())
		s.cat("/a")
	}),
	onDisk("create exclusively", func(s *side) {
		f, err := s.Disk().OpenFile("/a", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		s.check("first", err)
		s.check("close", f.Close())
		s.there("/a")
		_, err = s.Disk().OpenFile("/a", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		s.check("second", err)
		s.must(s.Disk().Mkdir("/d", 0o755))
		_, err = s.Disk().OpenFile("/d", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		s.check("a directory", err)
	}),
	onDisk("append", func(s *side) {
		s.put("/a", "one ")
		f := s.openFile("/a", os.O_WRONLY|os.O_APPEND)
		s.write(f, "two ")
		other := s.openFile("/a", os.O_WRONLY|os.O_APPEND)
		s.write(other, "three ")
		s.write(f, "four")
		s.cat("/a")
		at, err := f.Seek(0, io.SeekStart)
		s.say("seek: %d, %s", at, s.outcome(err))
		s.write(f, "!")
		s.cat("/a")
		n, err := f.WriteAt([]byte("x"), 0)
		s.say("WriteAt: %d, %s", n, s.outcome(err))
	}),
	onDisk("truncate, and write beyond the end", func(s *side) {
		f := s.openFile("/a", os.O_RDWR|os.O_CREATE)
		s.write(f, "hello")
		s.check("longer", f.Truncate(8))
		s.cat("/a")
		s.check("shorter", f.Truncate(2))
		s.cat("/a")
		at, err := f.Seek(4, io.SeekStart)
		s.say("seek beyond the end: %d, %s", at, s.outcome(err))
		s.read(f, 9)
		s.there("/a")
		s.write(f, "x")
		s.cat("/a")
		n, err := f.WriteAt([]byte("y"), 9)
		s.say("WriteAt: %d, %s", n, s.outcome(err))
		s.cat("/a")
		s.check("to less than nothing", f.Truncate(-1))
	}),
	onDisk("a hole of a gigabyte", func(s *side) {
		f := s.openFile("/a", os.O_RDWR|os.O_CREATE)
		n, err := f.WriteAt([]byte("end"), 1<<30)
		s.say("WriteAt: %d, %s", n, s.outcome(err))
		s.there("/a")
		b := make([]byte, 4)
		n, err = f.ReadAt(b, 1<<29)
		s.say("in the hole: %q, %s", b[:n], s.outcome(err))
		n, err = f.ReadAt(b, 1<<30)
		s.say("at the end: %q, %s", b[:n], s.outcome(err))
		s.check("shorter", f.Truncate(1<<20))
		s.there("/a")
	}),
	onDisk("places in a file", func(s *side) {
		s.put("/a", "0123456789")
		f := s.openFile("/a", os.O_RDONLY)
		for _, m := range []struct {
			offset int64
			whence int
		}{{-3, io.SeekEnd}, {-1, io.SeekCurrent}, {2, io.SeekStart}, {-3, io.SeekCurrent},
			{-1, io.SeekStart}, {0, 9}, {5, io.SeekEnd}} {
			at, err := f.Seek(m.offset, m.whence)
			s.say("seek %d from %d: %d, %s", m.offset, m.whence, at, s.outcome(err))
			s.read(f, 3)
		}
		b := make([]byte, 4)
		n, err := f.ReadAt(b, 8)
		s.say("ReadAt: %q, %s", b[:n], s.outcome(err))
		_, err = f.ReadAt(b, -1)
		s.check("ReadAt below 0", err)
	}),
	onDisk("what a directory holds, all at once and in parts", func(s *side) {
		s.must(s.Disk().Mkdir("/d", 0o755))
		for _, name := range []string{"c", "a", "b"} {
			s.put("/d/"+name, name)
		}
		infos, err := afero.ReadDir(s.Disk(), "/d")
		for _, i := range infos {
			s.say("%s, %d bytes, directory %t", i.Name(), i.Size(), i.IsDir())
		}
		s.check("ReadDir", err)
		d := s.openFile("/d", os.O_RDONLY)
		var all []string
		for range 4 {
			names, err := d.Readdirnames(2)
			all = append(all, names...)
			s.say("Readdirnames(2): %d, %s", len(names), s.outcome(err))
		}
		slices.Sort(all)
		s.say("%v", all)
		names, err := d.Readdirnames(0)
		s.say("Readdirnames(0) at the end: %d, nil %t, %s", len(names), names == nil, s.outcome(err))
		_, err = d.Seek(0, io.SeekStart)
		s.must(err)
		infos, err = d.Readdir(-1)
		s.say("Readdir(-1) from the start: %d, %s", len(infos), s.outcome(err))
		infos, err = d.Readdir(1)
		s.say("Readdir(1): %d, %s", len(infos), s.outcome(err))
	}),
	onDisk("a sync of a directory, and of what is only read", func(s *side) {
		s.must(s.Disk().Mkdir("/d", 0o755))
		d, err := s.Disk().Open("/d")
		s.check("open", err)
		s.check("sync", d.Sync())
		s.check("close", d.Close())
		s.check("sync of what is closed", d.Sync())
		s.put("/a", "x")
		f := s.openFile("/a", os.O_RDONLY)
		s.check("sync of a file", f.Sync())
	}),
	onDisk("a directory gets another name, with all that is in it", func(s *side) {
		s.must(s.Disk().MkdirAll("/a/b", 0o755))
		s.put("/a/b/f", "text")
		f := s.openFile("/a/b/f", os.O_WRONLY|os.O_APPEND)
		s.check("rename", s.Disk().Rename("/a", "/z"))
		s.there("/a")
		s.write(f, "!")
		s.cat("/z/b/f")
		s.say("still called %s", f.Name())
		s.check("below itself", s.Disk().Rename("/z", "/z/b/y"))
	}),
	onDisk("two tasks write to one file, each by its own handle", func(s *side) {
		var ends []func()
		for _, word := range []string{"a", "b"} {
			ends = append(ends, s.parallel(word, func() {
				f := s.openFile("/log", os.O_WRONLY|os.O_CREATE|os.O_APPEND)
				for range 20 {
					_, err := f.WriteString(strings.Repeat(word, 9) + "\n")
					s.must(err)
				}
				s.check("close", f.Close())
			}))
		}
		for _, end := range ends {
			end()
		}
		b, err := afero.ReadFile(s.Disk(), "/log")
		s.must(err)
		whole := 0
		for line := range strings.Lines(string(b)) {
			if line == strings.Repeat(line[:1], 9)+"\n" {
				whole++
			}
		}
		s.say("%d bytes, %d whole lines", len(b), whole)
	}),
	onDisk("modes of new files and directories", func(s *side) {
		s.put("/a", "")
		s.must(s.Disk().Mkdir("/d", 0o777))
		s.there("/a")
		s.there("/d")
		s.check("chmod", s.Disk().Chmod("/a", 0o600))
		s.there("/a")
		f, err := s.Disk().Create("/c")
		s.check("create", err)
		s.check("close", f.Close())
		s.there("/c")
	}),
	onDisk("create empties a file that is there, also for whoever has it open", func(s *side) {
		s.put("/a", "hello")
		old := s.openFile("/a", os.O_RDONLY)
		s.read(old, 2)
		f, err := s.Disk().Create("/a")
		s.check("create", err)
		s.read(old, 9)
		s.write(f, "12345")
		s.read(old, 9)
	}),
}

var diskErrorRows = []Row{
	onDisk("what is not there", func(s *side) {
		_, err := s.Disk().Open("/no")
		s.check("open", err)
		_, err = s.Disk().Stat("/no")
		s.check("stat", err)
		s.check("remove", s.Disk().Remove("/no"))
		s.check("RemoveAll", s.Disk().RemoveAll("/no"))
		s.check("rename", s.Disk().Rename("/no", "/b"))
		s.check("chmod", s.Disk().Chmod("/no", 0o600))
		_, err = s.Disk().Create("/no/where")
		s.check("create", err)
		s.check("mkdir", s.Disk().Mkdir("/no/where", 0o755))
		exists, err := afero.Exists(s.Disk(), "/no")
		s.say("exists %t, %s", exists, s.outcome(err))
	}),
	onDisk("a file where a directory should be", func(s *side) {
		s.put("/f", "x")
		_, err := s.Disk().Open("/f/g")
		s.check("open", err)
		s.check("mkdir", s.Disk().Mkdir("/f", 0o755))
		s.check("MkdirAll", s.Disk().MkdirAll("/f/g", 0o755))
		s.check("remove", s.Disk().Remove("/f/g"))
		f := s.openFile("/f", os.O_RDONLY)
		_, err = f.Readdirnames(-1)
		s.check("Readdirnames", err)
	}),
	onDisk("a directory where a file should be", func(s *side) {
		s.must(s.Disk().Mkdir("/d", 0o755))
		_, err := s.Disk().OpenFile("/d", os.O_WRONLY, 0)
		s.check("open to write", err)
		_, err = s.Disk().Create("/d")
		s.check("create", err)
		d := s.openFile("/d", os.O_RDONLY)
		s.read(d, 9)
		s.write(d, "x")
		s.check("truncate", d.Truncate(0))
	}),
	onDisk("a directory that is not empty cannot be removed", func(s *side) {
		s.must(s.Disk().MkdirAll("/d/e", 0o755))
		s.check("remove", s.Disk().Remove("/d"))
		s.check("remove what is in it", s.Disk().Remove("/d/e"))
		s.check("remove", s.Disk().Remove("/d"))
		s.must(s.Disk().MkdirAll("/d/e/f", 0o755))
		s.check("RemoveAll", s.Disk().RemoveAll("/d"))
		s.there("/d")
	}),
	onDisk("renames between files and directories", func(s *side) {
		s.put("/f", "x")
		s.must(s.Disk().Mkdir("/d", 0o755))
		s.must(s.Disk().Mkdir("/e", 0o755))
		s.check("a directory onto a file", s.Disk().Rename("/d", "/f"))
		s.check("a file onto a directory", s.Disk().Rename("/f", "/d"))
		s.check("a directory onto an empty one", s.Disk().Rename("/d", "/e"))
		s.check("into a directory that is not there", s.Disk().Rename("/f", "/no/f"))
		s.check("into a file", s.Disk().Rename("/f", "/f/g"))
		s.check("of something within a file", s.Disk().Rename("/f/g", "/h"))
	}),
	onDisk("handles that are only for reading, or only for writing", func(s *side) {
		s.put("/a", "hello")
		r, w := s.openFile("/a", os.O_RDONLY), s.openFile("/a", os.O_WRONLY)
		s.write(r, "x")
		_, err := r.WriteAt([]byte("x"), 0)
		s.check("WriteAt", err)
		s.check("truncate", r.Truncate(0))
		s.read(w, 9)
		_, err = w.ReadAt(make([]byte, 1), 0)
		s.check("ReadAt", err)
		s.cat("/a")
	}),
	onDisk("a file that is closed", func(s *side) {
		f := s.openFile("/a", os.O_RDWR|os.O_CREATE)
		s.check("close", f.Close())
		s.read(f, 9)
		s.write(f, "x")
		_, err := f.Seek(0, io.SeekStart)
		s.check("seek", err)
		_, err = f.Stat()
		s.check("stat", err)
		s.check("sync", f.Sync())
		s.check("truncate", f.Truncate(0))
		_, err = f.ReadAt(make([]byte, 1), 0)
		s.check("ReadAt", err)
		_, err = f.WriteAt([]byte("x"), 0)
		s.check("WriteAt", err)
		s.say("name %s", f.Name())
		s.check("close again", f.Close())
	}),
	onDisk("the types of errors", func(s *side) {
		_, err := s.Disk().Open("/no")
		_, isPath := err.(*fs.PathError)
		s.say("open: *fs.PathError %t, os.IsNotExist %t", isPath, os.IsNotExist(err))
		err = s.Disk().Rename("/no", "/b")
		_, isLink := err.(*os.LinkError)
		s.say("rename: *os.LinkError %t, os.IsNotExist %t", isLink, os.IsNotExist(err))
		s.must(s.Disk().Mkdir("/d", 0o755))
		s.say("mkdir: os.IsExist %t", os.IsExist(s.Disk().Mkdir("/d", 0o755)))
	}),
	onDisk("names that are too long", func(s *side) {
		name := "/" + strings.Repeat("n", 256)
		_, err := s.Disk().Create(name)
		s.check("create", err)
		s.check("mkdir", s.Disk().Mkdir(name, 0o755))
		_, err = s.Disk().Create(name[:256])
		s.check("one less", err)
	}),
}
