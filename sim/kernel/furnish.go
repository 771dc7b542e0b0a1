//go:build linux

package kernel

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

// memoryAt is where what the machine has in memory is mounted before it is furnished.
const memoryAt = "/run"

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

// private reports whether a path lies in a folder that the machine has for itself.
func private(path string) bool {
	for _, f := range emptied {
		if strings.HasPrefix(path, f.path+"/") {
			return true
		}
	}
	return false
}

// room is the file system of a machine with a program, as it is being furnished. Where software ran before, since the
// last boot, its files in memory are there; mounts are not.
type room struct {
	memory *os.File // the root of what is in memory
	old    string   // where the root before this one is mounted still; "": there is none
}

// furnish makes the mount namespace of this process, which has settled in, one for a program: the host's files can be
// read, a few folders are the machine's own, and names are those of the world. What it has in memory is mounted at
// memoryAt, or made now. Close what it returns.
func furnish(b *birth) (*room, error) {
	if b.Memory == "" {
		if err := unix.Mount("tmpfs", memoryAt, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, memoryOptions); err != nil {
			return nil, fmt.Errorf("mount a tmpfs: %w", err)
		}
	}
	memory, err := os.Open(memoryAt)
	if err != nil {
		return nil, err
	}
	r := &room{memory: memory}
	return r, r.furnish(b)
}

func (r *room) furnish(b *birth) error {
	for _, f := range emptied {
		if err := r.empty(f.path, f.mode, f.levels); err != nil {
			return err
		}
	}
	for path, mode := range map[string]os.FileMode{homeAt: 0o700, "/run/lock": 0o777 | os.ModeSticky} {
		if err := makeFolder(path, mode); err != nil {
			return err
		}
	}
	if err := r.devices(); err != nil {
		return err
	}
	if err := readOnlyKernel(); err != nil {
		return err
	}
	for path, text := range b.names() {
		if err := r.write(path, text); err != nil {
			return err
		}
	}
	return nil
}

// lay writes a program's files. An error is the program's own.
func (r *room) lay(files map[string]string) error {
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if err := r.write(path, files[path]); err != nil {
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

// names are the files by which a machine knows itself and others.
func (b *birth) names() map[string]string {
	hosts := "127.0.0.1 localhost\n"
	for _, h := range b.Hosts {
		hosts += h + "\n"
	}
	return map[string]string{"/etc/hosts": hosts, "/etc/hostname": b.Machine + "\n",
		"/etc/resolv.conf": "# Of the host's name servers none can be reached.\n"}
}

// folder makes one in memory, for what belongs at a path. It is new unless software ran before.
func (r *room) folder(path string, mode os.FileMode) (at string, fresh bool, err error) {
	name := "root"
	if path != "/" {
		name = strings.ReplaceAll(path[1:], "/", "%")
	}
	at = fmt.Sprintf("/proc/self/fd/%d/%s", r.memory.Fd(), name) // It is covered, but not from here.
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
func (r *room) empty(path string, mode os.FileMode, levels int) error {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return nil
	}
	own, fresh, err := r.folder(path, mode)
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

// devices covers /dev with the few that belong to no host: to be root of the machine may be to own the host's disks.
func (r *room) devices() error {
	dev, _, err := r.folder("/dev", 0o755)
	if err != nil {
		return err
	}
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty", "net/tun"} {
		if _, err := os.Stat("/dev/" + name); err != nil {
			continue
		}
		at := filepath.Join(dev, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(at, nil, 0o666); err != nil {
			return err
		}
		if err := bind("/dev/"+name, at); err != nil {
			return err
		}
	}
	for name, to := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1",
		"stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx"} {
		if err := unless(os.ErrExist, os.Symlink(to, filepath.Join(dev, name))); err != nil {
			return err
		}
	}
	if err := makeFolder(filepath.Join(dev, "shm"), 0o777|os.ModeSticky); err != nil {
		return err
	}
	pts := filepath.Join(dev, "pts")
	if err := makeFolder(pts, 0o755); err != nil {
		return err
	}
	if err := bind(dev, "/dev"); err != nil {
		return err
	}
	const options = "newinstance,ptmxmode=0666,mode=0620"
	if err := unix.Mount("devpts", "/dev/pts", "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, options); err != nil {
		return fmt.Errorf("mount /dev/pts: %w", err)
	}
	return nil
}

// readOnlyKernel lets what is of the kernel as a whole be read alone, since to be root of the machine may be to be root
// of the host there. What is of the machine's own network can be set.
func readOnlyKernel() error {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || e.Name()[0] >= '0' && e.Name()[0] <= '9' || e.Type()&os.ModeSymlink != 0 {
			continue // Processes, and links to what is theirs.
		}
		if !info.IsDir() && info.Mode()&0o222 == 0 {
			continue
		}
		if err := bindReadOnly("/proc/" + e.Name()); err != nil {
			return err
		}
	}
	const ownNetwork = "/proc/sys/net"
	if err := bind(ownNetwork, ownNetwork); err != nil {
		return err
	}
	if err := setReadOnly(ownNetwork, false); err != nil {
		return err
	}
	// The host's /sys shows the host's interfaces. Where there can be no other, that one stays: it cannot be written to
	// either.
	_ = unix.Mount("sysfs", "/sys", "sysfs", unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	return nil
}

func bindReadOnly(path string) error {
	if err := bind(path, path); err != nil {
		return err
	}
	return setReadOnly(path, true)
}

// write writes a text file anywhere. Where the host's folder cannot be written to, the machine gets a mirror of it.
func (r *room) write(path, text string) error {
	for {
		err := writeFile(path, text)
		if !errors.Is(err, unix.EROFS) {
			return err
		}
		// A file of the host in a mirror is bound to an empty one: that is in the way.
		if unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) == nil {
			continue
		}
		if err := r.mirror(nearest(path)); err != nil {
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
func (r *room) mirror(path string) error {
	if path == "/" {
		return r.mirrorRoot()
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
	own, _, err := r.folder(path, info.Mode())
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
func (r *room) mirrorRoot() error {
	entries, err := os.ReadDir("/")
	if err != nil {
		return err
	}
	root, _, err := r.folder("/", 0o755)
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
	r.old = "/" + old
	return os.Chdir("/")
}

// close lets go of what the furnishing needed.
func (r *room) close() error {
	r.memory.Close()
	if r.old == "" {
		return nil
	}
	if err := unix.Unmount(r.old, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount the host's root folder: %w", err)
	}
	return os.Remove(r.old)
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
