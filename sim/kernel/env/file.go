//go:build linux

package env

import (
	"os"

	"github.com/spf13/afero"
)

// file implements afero.File. Every operation gives way.
type file struct {
	d    files
	raw  *os.File
	name string // as it was opened
}

var _ afero.File = (*file)(nil)

func (f *file) act(operation func() error) error { return f.d.act(operation, f.name) }

// count is act for what also returns a number.
func count[N int | int64](f *file, operation func() (N, error)) (n N, err error) {
	err = f.act(func() (err error) {
		n, err = operation()
		return err
	})
	return n, err
}

// Name implements afero.File.
func (f *file) Name() string { return f.name }

// Close implements afero.File.
func (f *file) Close() error {
	f.d.m.forget(f)
	return f.act(f.raw.Close)
}

// abandon implements closer.
func (f *file) abandon() { _ = f.raw.Close() }

// Read implements afero.File.
func (f *file) Read(b []byte) (int, error) {
	return count(f, func() (int, error) { return f.raw.Read(b) })
}

// ReadAt implements afero.File.
func (f *file) ReadAt(b []byte, off int64) (int, error) {
	return count(f, func() (int, error) { return f.raw.ReadAt(b, off) })
}

// Write implements afero.File.
func (f *file) Write(b []byte) (int, error) {
	return count(f, func() (int, error) { return f.raw.Write(b) })
}

// WriteAt implements afero.File.
func (f *file) WriteAt(b []byte, off int64) (int, error) {
	return count(f, func() (int, error) { return f.raw.WriteAt(b, off) })
}

// WriteString implements afero.File.
func (f *file) WriteString(s string) (int, error) { return f.Write([]byte(s)) }

// Seek implements afero.File.
func (f *file) Seek(offset int64, whence int) (int64, error) {
	return count(f, func() (int64, error) { return f.raw.Seek(offset, whence) })
}

// Readdir implements afero.File.
func (f *file) Readdir(n int) (infos []os.FileInfo, err error) {
	err = f.act(func() (err error) {
		infos, err = f.raw.Readdir(n)
		return err
	})
	return infos, err
}

// Readdirnames implements afero.File.
func (f *file) Readdirnames(n int) (names []string, err error) {
	err = f.act(func() (err error) {
		names, err = f.raw.Readdirnames(n)
		return err
	})
	return names, err
}

// Stat implements afero.File.
func (f *file) Stat() (info os.FileInfo, err error) {
	err = f.act(func() (err error) {
		info, err = f.raw.Stat()
		return err
	})
	return info, err
}

// Sync implements afero.File.
func (f *file) Sync() error { return f.act(f.raw.Sync) }

// Truncate implements afero.File.
func (f *file) Truncate(size int64) error {
	return f.act(func() error { return f.raw.Truncate(size) })
}
