//go:build linux

package env

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/afero"
)

// files implements afero.Fs by a directory. Every operation gives way. Results and errors are those that a sim.Disk gives: the
// paths in them are the machine's own, relative paths are taken from the root, and nothing leads above it.
type files struct{ m *Machine }

// Name implements afero.Fs.
func (files) Name() string { return "disk" }

// real is where a path of the machine is. It stays as it was written, so that the kernel finds the same wrong with it, but for
// each ".." that would lead above the root.
func (d files) real(name string) string {
	if name == "" {
		return "" // Which is an error everywhere.
	}
	parts := strings.Split(name, "/")
	kept, depth := parts[:0], 0
	for _, p := range parts {
		switch p {
		case "", ".":
		case "..":
			if depth == 0 {
				p = "."
			} else {
				depth--
			}
		default:
			depth++
		}
		kept = append(kept, p)
	}
	if parts[0] != "" {
		return d.m.c.Root + "/" + strings.Join(kept, "/")
	}
	return d.m.c.Root + strings.Join(kept, "/")
}

// act lets others run during an operation on some paths, and puts the machine's own words for them into the error.
func (d files) act(operation func() error, names ...string) error {
	var err error
	d.m.outside(func() { err = operation() })
	return d.own(err, names...)
}

func (d files) own(err error, names ...string) error {
	own := func(path string) string {
		for _, name := range names {
			if path == d.real(name) {
				return name
			}
		}
		path = strings.TrimPrefix(path, d.m.c.Root)
		if len(names) > 0 && !strings.HasPrefix(names[0], "/") {
			path = strings.TrimPrefix(path, "/")
		}
		return path
	}
	switch e := err.(type) {
	case *fs.PathError:
		e.Path = own(e.Path)
	case *os.LinkError:
		e.Old, e.New = own(e.Old), own(e.New)
	}
	return err
}

// Create implements afero.Fs.
func (d files) Create(name string) (afero.File, error) {
	return d.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
}

// Open implements afero.Fs.
func (d files) Open(name string) (afero.File, error) { return d.OpenFile(name, os.O_RDONLY, 0) }

// OpenFile implements afero.Fs.
func (d files) OpenFile(name string, flag int, perm os.FileMode) (afero.File, error) {
	var f *file
	err := d.act(func() error {
		raw, err := os.OpenFile(d.real(name), flag, perm)
		if err == nil {
			f = &file{d: d, raw: raw, name: name}
			d.m.keep(f)
		}
		return err
	}, name)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Mkdir implements afero.Fs.
func (d files) Mkdir(name string, perm os.FileMode) error {
	return d.act(func() error { return os.Mkdir(d.real(name), perm) }, name)
}

// MkdirAll implements afero.Fs.
func (d files) MkdirAll(name string, perm os.FileMode) error {
	return d.act(func() error { return os.MkdirAll(d.real(name), perm) }, name)
}

// Remove implements afero.Fs.
func (d files) Remove(name string) error {
	return d.act(func() error { return os.Remove(d.real(name)) }, name)
}

// RemoveAll implements afero.Fs.
func (d files) RemoveAll(name string) error {
	return d.act(func() error { return os.RemoveAll(d.real(name)) }, name)
}

// Rename implements afero.Fs.
func (d files) Rename(from, to string) error {
	return d.act(func() error { return os.Rename(d.real(from), d.real(to)) }, from, to)
}

// Stat implements afero.Fs.
func (d files) Stat(name string) (info os.FileInfo, err error) {
	err = d.act(func() (err error) {
		info, err = os.Stat(d.real(name))
		return err
	}, name)
	return info, err
}

// Chmod implements afero.Fs.
func (d files) Chmod(name string, mode os.FileMode) error {
	return d.act(func() error { return os.Chmod(d.real(name), mode) }, name)
}

// Chown implements afero.Fs. It only looks whether the file exists: a machine has one user.
func (d files) Chown(name string, _, _ int) error {
	_, err := d.Stat(name)
	var failed *fs.PathError
	if errors.As(err, &failed) {
		failed.Op = "chown"
	}
	return err
}

// Chtimes implements afero.Fs.
func (d files) Chtimes(name string, accessed, changed time.Time) error {
	return d.act(func() error { return os.Chtimes(d.real(name), accessed, changed) }, name)
}
