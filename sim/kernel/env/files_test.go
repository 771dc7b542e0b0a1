//go:build linux

package env

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"

	"firedrill/nodes"
	"firedrill/sim"
)

// Whatever a path looks like, a directory says of it what a sim.Disk says, in the same words. The root itself is left out: here it is
// a directory like others.
func TestFilesAgreeWithTheDisk(t *testing.T) {
	defer unix.Umask(unix.Umask(0o022))
	paths := []string{"", "a", "f", "/f", "d", "/d/", "d/g", "/d/../f", "../f", "/../../f", "d/../../f", "/../no", "./f", "//f", "/f/", "/f/x",
		"f/..", "/no/x", "no", "d/./g", "/d/..", "../d/new", "/" + strings.Repeat("n", 256)}
	operations := map[string]func(disk afero.Fs, path string) error{
		"stat":  func(d afero.Fs, p string) error { _, err := d.Stat(p); return err },
		"open":  func(d afero.Fs, p string) error { _, err := d.Open(p); return err },
		"read":  func(d afero.Fs, p string) error { _, err := afero.ReadFile(d, p); return err },
		"write": func(d afero.Fs, p string) error { return afero.WriteFile(d, p, []byte("text"), 0o600) },
		"new": func(d afero.Fs, p string) error {
			_, err := d.OpenFile(p, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
			return err
		},
		"mkdir": func(d afero.Fs, p string) error { return d.Mkdir(p, 0o755) },
		"all":   func(d afero.Fs, p string) error { return d.MkdirAll(p, 0o755) },
		"remove": func(d afero.Fs, p string) error {
			if isRoot(p) {
				return nil
			}
			return d.Remove(p)
		},
		"clear": func(d afero.Fs, p string) error {
			if isRoot(p) {
				return nil
			}
			return d.RemoveAll(p)
		},
		"rename": func(d afero.Fs, p string) error { return d.Rename(p, "d/there") },
		"to":     func(d afero.Fs, p string) error { return d.Rename("f", p) },
		"chmod":  func(d afero.Fs, p string) error { return d.Chmod(p, 0o700) },
		"chown":  func(d afero.Fs, p string) error { return d.Chown(p, 7, 7) },
		"times":  func(d afero.Fs, p string) error { return d.Chtimes(p, time.Unix(1, 0), time.Unix(2, 0)) },
	}
	m := newMachine(t, nil)
	err := m.Run(software(func(env nodes.Env) error {
		for name, operation := range operations {
			for i, path := range paths {
				m.c.Root = fmt.Sprint(t.TempDir(), "/", i)
				must(struct{}{}, os.Mkdir(m.c.Root, 0o755))
				real, simulated := env.Disk(), sim.NewDisk(sim.DiskSpec{}, nil).Fs(nil)
				have, want := played(real, operation, path), played(simulated, operation, path)
				if have != want {
					t.Errorf("%s %q: have\n%swant\n%s", name, path, have, want)
				}
			}
		}
		return nil
	}))
	m.end(t)
	if err != nil {
		t.Error(err)
	}
}

func isRoot(path string) bool { return path == "/d/.." || path == "f/.." }

// played is what comes of an operation, and what is on the disk after it.
func played(disk afero.Fs, operation func(afero.Fs, string) error, path string) string {
	must(struct{}{}, disk.Mkdir("/d", 0o755))
	must(struct{}{}, afero.WriteFile(disk, "/f", []byte("f"), 0o644))
	must(struct{}{}, afero.WriteFile(disk, "/d/g", []byte("g"), 0o644))
	shown := fmt.Sprintln(operation(disk, path))
	for _, dir := range []string{"/", "/d", "/d/there"} {
		all, _ := afero.ReadDir(disk, dir)
		for _, i := range all {
			shown += fmt.Sprintln(dir, i.Name(), i.IsDir(), i.Mode())
		}
	}
	return shown
}

// Relative paths are the machine's own in the words of errors and files, too.
func TestNamesOfFiles(t *testing.T) {
	m := newMachine(t, nil)
	err := m.Run(software(func(env nodes.Env) error {
		f := must(env.Disk().Create("x"))
		if f.Name() != "x" || env.Disk().Name() == "" {
			t.Errorf("the file calls itself %q", f.Name())
		}
		must(struct{}{}, f.Close())
		_, err := f.Write([]byte("y"))
		return err
	}))
	m.end(t)
	if want := "write x: file already closed"; err == nil || err.Error() != want {
		t.Errorf("want %s, have %v", want, err)
	}
}
