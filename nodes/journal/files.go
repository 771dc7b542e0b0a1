package journal

import (
	"errors"
	"os"
	"path"

	"github.com/spf13/afero"
)

// newSuffix ends the name of a file that is to replace another one. What is left of it after a power loss means
// nothing.
const newSuffix = ".new"

// SyncDir makes the names in a directory durable.
func SyncDir(fs afero.Fs, dir string) error {
	d, err := fs.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}

// MakeDir makes a directory and those above it, and returns when they are durable. It syncs those above even where all
// are there: they may have been made by software that ended before it could, and nobody can see that.
func MakeDir(fs afero.Fs, dir string) error {
	dir = path.Clean(dir)
	above := path.Dir(dir)
	if above == dir {
		return nil
	}
	if err := MakeDir(fs, above); err != nil {
		return err
	}
	info, err := fs.Stat(dir)
	switch {
	case err == nil && !info.IsDir():
		return &os.PathError{Op: "mkdir", Path: dir, Err: errors.New("want a directory, have a file")}
	case err != nil:
		if err := fs.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	return SyncDir(fs, above)
}

// WriteFile puts a file with this content in the place of the one at path, if any, and returns when that is durable.
// When the power fails meanwhile, the file is the old one or the new one. When the software ends meanwhile, it may be the
// new one and not durable yet: whoever reads it at the next boot calls SyncDir before acting on it. Two tasks must not
// write one path at a time.
func WriteFile(fs afero.Fs, path string, data []byte) error {
	f, err := replaceFile(fs, path, data)
	if err != nil {
		return err
	}
	return f.Close()
}

// replaceFile is WriteFile, and returns the file open.
func replaceFile(fs afero.Fs, name string, data []byte) (afero.File, error) {
	f, err := fs.OpenFile(name+newSuffix, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, err
	}
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = fs.Rename(name+newSuffix, name)
	}
	if err == nil {
		err = SyncDir(fs, dirOf(name))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func dirOf(name string) string { return path.Dir(path.Clean(name)) }
