//go:build linux

package room

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// write writes a text file anywhere. Where the host's folder cannot be written to, the machine gets a mirror of it.
func (f *Fitting) write(path, text string) error {
	for {
		err := writeFile(path, text)
		if !errors.Is(err, unix.EROFS) {
			return err
		}
		// A file of the host in a mirror is bound to an empty one: that is in the way.
		if unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) == nil {
			continue
		}
		if err := f.mirror(nearest(path)); err != nil {
			return err
		}
	}
}

// writeFile replaces a link. A text that begins as a script does can be executed.
func writeFile(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSymlink != 0 {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	mode := os.FileMode(0o644)
	if strings.HasPrefix(text, "#!") {
		mode = 0o755
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// nearest is the folder in which, or somewhere below which, a path would lie.
func nearest(path string) string {
	for {
		path = filepath.Dir(path)
		if to, err := filepath.EvalSymlinks(path); err == nil || path == "/" {
			return to
		}
	}
}

// mirror covers a folder of the host with one in memory in which all is that lay there: files and folders can be read,
// and more can be added.
func (f *Fitting) mirror(path string) error {
	if path == "/" {
		return f.mirrorRoot()
	}
	old, err := os.Open(path)
	if err != nil {
		return err
	}
	defer old.Close()
	info, err := old.Stat()
	if err != nil {
		return err
	}
	entries, err := old.ReadDir(-1)
	if err != nil {
		return err
	}
	own, _, err := f.folder(path, info.Mode())
	if err != nil {
		return err
	}
	if err := bind(own, path); err != nil {
		return err
	}
	return showAll(fmt.Sprintf("/proc/self/fd/%d", old.Fd()), path, entries)
}

// mirrorRoot does to the root folder what mirror does to others. One that covered the root would not be seen: it takes
// its place.
func (f *Fitting) mirrorRoot() error {
	entries, err := os.ReadDir("/")
	if err != nil {
		return err
	}
	root, _, err := f.folder("/", 0o755)
	if err != nil {
		return err
	}
	if err := bind(root, root); err != nil {
		return err
	}
	if err := showAll("/", root, entries); err != nil {
		return err
	}
	const old = ".old"
	if err := makeFolder(filepath.Join(root, old), 0o700); err != nil {
		return err
	}
	if err := unix.PivotRoot(root, filepath.Join(root, old)); err != nil {
		return fmt.Errorf("change the root folder: %w", err)
	}
	f.old = "/" + old
	return os.Chdir("/")
}

// showAll shows what lies in a folder in another one too.
func showAll(from, at string, entries []fs.DirEntry) error {
	for _, e := range entries {
		if err := show(filepath.Join(from, e.Name()), filepath.Join(at, e.Name()), e.Type()); err != nil {
			return err
		}
	}
	return nil
}

// show lets a file, a folder or a link be seen at another place.
func show(from, at string, kind os.FileMode) error {
	switch {
	case kind&os.ModeSymlink != 0:
		to, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return unless(os.ErrExist, os.Symlink(to, at))
	case kind.IsDir():
		if err := makeFolder(at, 0o755); err != nil {
			return err
		}
	default:
		if err := os.WriteFile(at, nil, 0o644); err != nil {
			return err
		}
	}
	return bind(from, at)
}
