//go:build linux

package room

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// emptied are folders of the host that a machine has for itself: empty, but for folders so many levels down, which
// packages made for their daemons. Where the host has none the machine has none.
var emptied = []struct {
	path   string
	mode   os.FileMode
	levels int
}{
	{"/run", 0o755, 0}, {"/tmp", 0o777 | os.ModeSticky, 0}, {"/var/tmp", 0o777 | os.ModeSticky, 0},
	{"/var/lib", 0o755, 2}, {"/var/log", 0o755, 2}, {"/var/cache", 0o755, 2}, {"/var/spool", 0o755, 2},
}

// Own reports whether a path lies in a folder that a machine with a program has for itself.
func Own(path string) bool {
	for _, f := range emptied {
		if strings.HasPrefix(path, f.path+"/") {
			return true
		}
	}
	return false
}

// Fitting is the file system of a machine with a program, as it is being furnished. Where software ran before, since the
// last boot, its files in memory are there; mounts are not.
type Fitting struct {
	memory *os.File // the root of what is in memory
	old    string   // where the root before this one is mounted still; "": there is none
}

// Furnish makes the mount namespace of this process, which is the first one of a PID namespace, the room of a program:
// the host's files can be read, a few folders are the machine's own, names are those of the world, and what the program
// may take is bounded. Its files may be laid after that. Close what it returns.
func (r *Room) Furnish() (*Fitting, error) {
	if err := bind(r.Memory, memoryAt); err != nil { // Where the harness has it is out of sight soon.
		return nil, err
	}
	if err := r.move(); err != nil {
		return nil, err
	}
	if err := setReadOnly(memoryAt, false); err != nil {
		return nil, err
	}
	if err := keepInBounds(); err != nil {
		return nil, err
	}
	number(r.Birth)
	memory, err := os.Open(memoryAt)
	if err != nil {
		return nil, err
	}
	f := &Fitting{memory: memory}
	return f, f.furnish(r)
}

func (f *Fitting) furnish(r *Room) error {
	for _, e := range emptied {
		if err := f.empty(e.path, e.mode, e.levels); err != nil {
			return err
		}
	}
	for path, mode := range map[string]os.FileMode{Home: 0o700, "/run/lock": 0o777 | os.ModeSticky} {
		if err := makeFolder(path, mode); err != nil {
			return err
		}
	}
	dev, _, err := f.folder("/dev", 0o755)
	if err != nil {
		return err
	}
	if err := coverDevices(dev, unix.MS_BIND|unix.MS_REC); err != nil {
		return err
	}
	if err := readOnlyKernel(); err != nil {
		return err
	}
	for path, text := range r.names() {
		if err := f.write(path, text); err != nil {
			return err
		}
	}
	return nil
}

// Lay writes a program's files. An error is the program's own.
func (f *Fitting) Lay(files map[string]string) error {
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if err := f.write(path, files[path]); err != nil {
			return fmt.Errorf("file %s: %w", path, cause(err))
		}
	}
	return nil
}

// cause is an error without the path that whoever reads it knows.
func cause(err error) error {
	if p := new(fs.PathError); errors.As(err, &p) {
		return p.Err
	}
	return err
}

// folder makes one in memory, for what belongs at a path. It is new unless software ran before.
func (f *Fitting) folder(path string, mode os.FileMode) (at string, fresh bool, err error) {
	name := "root"
	if path != "/" {
		name = strings.ReplaceAll(path[1:], "/", "%")
	}
	at = fmt.Sprintf("/proc/self/fd/%d/%s", f.memory.Fd(), name) // It is covered, but not from here.
	_, err = os.Lstat(at)
	return at, err != nil, makeFolder(at, mode)
}

// makeFolder makes a folder that has exactly this mode, unless it is there.
func makeFolder(path string, mode os.FileMode) error {
	if err := os.Mkdir(path, 0o755); err != nil {
		return unless(os.ErrExist, err)
	}
	return os.Chmod(path, mode)
}

// unless is an error that is not the one that does not matter.
func unless(harmless, err error) error {
	if errors.Is(err, harmless) {
		return nil
	}
	return err
}

// empty covers a folder of the host with one of the machine's own.
func (f *Fitting) empty(path string, mode os.FileMode, levels int) error {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return nil
	}
	own, fresh, err := f.folder(path, mode)
	if err != nil {
		return err
	}
	if fresh {
		if err := likeFolders(path, own, levels); err != nil {
			return err
		}
	}
	return bind(own, path)
}

// likeFolders makes the folders that lie in one also in another, with their modes and, where they can be had, their
// owners.
func likeFolders(from, to string, levels int) error {
	if levels == 0 {
		return nil
	}
	entries, _ := os.ReadDir(from) // What cannot be read is not for this user.
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.IsDir() {
			continue
		}
		at := filepath.Join(to, e.Name())
		if err := makeFolder(at, info.Mode()); err != nil {
			return err
		}
		if err := likeFolders(filepath.Join(from, e.Name()), at, levels-1); err != nil {
			return err
		}
		var s unix.Stat_t
		if unix.Stat(filepath.Join(from, e.Name()), &s) == nil {
			_ = os.Lchown(at, int(s.Uid), int(s.Gid)) // Where that user is not mapped nobody can be it.
		}
	}
	return nil
}

// bind shows one file or folder, and what is mounted in it, at another place too.
func bind(from, to string) error {
	if err := unix.Mount(from, to, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind to %s: %w", to, err)
	}
	return nil
}

// Close lets go of what the furnishing needed.
func (f *Fitting) Close() error {
	f.memory.Close()
	if f.old == "" {
		return nil
	}
	if err := unix.Unmount(f.old, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount the host's root folder: %w", err)
	}
	return os.Remove(f.old)
}
