//go:build linux

package disk

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// player plays system calls, one a line, and says what came of each.
//
//	open F PATH FLAGS    F names the open file; FLAGS of r, w, rw, append, create, excl, trunc, direct, sync, directory,
//	                     with commas
//	close F, read F N, pread F OFF N, write F TEXT, pwrite F OFF TEXT, seek F OFF WHENCE, truncate F N, sync F, state F,
//	allocate F N, copy F G N, reopen G F (by way of /proc), map F OFF TEXT, look F OFF N, flush (msync of what was mapped
//	last), privately F OFF TEXT (changes a mapping of its own), lock F HOW (flock: sh, ex, un), range F HOW (fcntl: rd, wr,
//	un); no lock is waited for
//	put PATH TEXT, cat PATH, stat PATH, lstat PATH, mkdir PATH, rmdir PATH, unlink PATH, rename PATH PATH [FLAGS],
//	link PATH PATH, symlink TEXT PATH, readlink PATH, chmod PATH MODE, chown PATH ID, utime PATH SECONDS, mkfifo PATH,
//	cut PATH N, list PATH, sync-path PATH, append PATH TEXT, tag PATH NAME (an extended attribute), run PATH TEXT (a program
//	that reads the text), space (statfs)
//
// and for measures, which say what they took in nanoseconds:
//
//	commit F N (so many pages, each written and synced), pour F N, drain F N (so many MiB, in pieces of one)
//
// A TEXT of the form x*N is N times x.
type player struct {
	root   string
	files  map[string]int
	mapped []byte
}

func newPlayer(root string) *player { return &player{root: root, files: map[string]int{}} }

var openFlags = map[string]int{"r": unix.O_RDONLY, "w": unix.O_WRONLY, "rw": unix.O_RDWR, "append": unix.O_APPEND,
	"create": unix.O_CREAT, "excl": unix.O_EXCL, "trunc": unix.O_TRUNC, "direct": unix.O_DIRECT, "sync": unix.O_SYNC,
	"dsync": unix.O_DSYNC, "directory": unix.O_DIRECTORY, "temporary": unix.O_TMPFILE}

var renameFlags = map[string]uint{"": 0, "noreplace": unix.RENAME_NOREPLACE, "exchange": unix.RENAME_EXCHANGE,
	"whiteout": unix.RENAME_WHITEOUT}

func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	if errno, ok := err.(syscall.Errno); ok {
		return unix.ErrnoName(errno)
	}
	return err.Error()
}

func textOf(s string) []byte {
	if what, times, ok := strings.Cut(s, "*"); ok {
		if n, err := strconv.Atoi(times); err == nil {
			return []byte(strings.Repeat(what, n))
		}
	}
	return []byte(s)
}

// shorten counts long runs of one byte.
func shorten(p []byte) string {
	var out strings.Builder
	for i := 0; i < len(p); {
		n := 1
		for i+n < len(p) && p[i+n] == p[i] {
			n++
		}
		if n > 4 {
			fmt.Fprintf(&out, "[%q*%d]", p[i], n)
		} else {
			out.WriteString(strings.Trim(strconv.Quote(string(p[i:i+n])), `"`))
		}
		i += n
	}
	return fmt.Sprintf("%d bytes `%s`", len(p), out.String())
}

// again makes a call until no signal comes in between.
func again[T any](call func() (T, error)) (T, error) {
	for {
		v, err := call()
		if err != unix.EINTR {
			return v, err
		}
	}
}

func (p *player) openAt(path string, flags string) (int, error) {
	bits := unix.O_CLOEXEC
	for _, f := range strings.Split(flags, ",") {
		bits |= openFlags[f]
	}
	return again(func() (int, error) { return unix.Open(p.root+path, bits, 0o666) })
}

// play plays one line.
func (p *player) play(line string) string {
	w := append(strings.Fields(line), "", "", "", "")
	if fd, ok := p.files[w[1]]; ok && w[0] != "open" && w[0] != "reopen" {
		return p.playFile(fd, w)
	}
	at := p.root + w[1]
	one := func(call func() error) string {
		_, err := again(func() (int, error) { return 0, call() })
		return outcome(err)
	}
	switch w[0] {
	case "open", "reopen":
		path := w[2]
		if w[0] == "reopen" {
			path = fmt.Sprintf("/proc/self/fd/%d", p.files[w[2]])
			return p.opened(w[1], func() (int, error) { return unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0) })
		}
		return p.opened(w[1], func() (int, error) { return p.openAt(path, w[3]) })
	case "put", "append", "cat", "list", "sync-path":
		return p.whole(w)
	case "stat", "lstat":
		return p.stat(w[0], at)
	case "mkdir":
		return one(func() error { return unix.Mkdir(at, 0o777) })
	case "rmdir":
		return one(func() error { return unix.Rmdir(at) })
	case "unlink":
		return one(func() error { return unix.Unlink(at) })
	case "rename":
		return one(func() error {
			return unix.Renameat2(unix.AT_FDCWD, at, unix.AT_FDCWD, p.root+w[2], renameFlags[w[3]])
		})
	case "link":
		return one(func() error { return unix.Link(at, p.root+w[2]) })
	case "symlink":
		return one(func() error { return unix.Symlink(w[1], p.root+w[2]) })
	case "readlink":
		target := make([]byte, 100)
		n, err := unix.Readlink(at, target)
		return string(target[:max(0, n)]) + " " + outcome(err)
	case "chmod":
		return one(func() error { return unix.Chmod(at, uint32(number(w[2]))) })
	case "chown":
		return one(func() error { return unix.Lchown(at, int(number(w[2])), int(number(w[2]))) })
	case "utime":
		t := unix.NsecToTimespec(number(w[2]) * 1e9)
		return one(func() error { return unix.UtimesNano(at, []unix.Timespec{t, t}) })
	case "mkfifo":
		return one(func() error { return unix.Mkfifo(at, 0o640) })
	case "cut":
		return one(func() error { return unix.Truncate(at, number(w[2])) })
	case "run":
		c := exec.Command(at)
		c.Stdin = strings.NewReader(w[2])
		out, err := c.Output()
		if errors.Is(err, unix.EACCES) {
			err = unix.EACCES
		}
		return strings.TrimSpace(string(out) + " " + outcome(err))
	case "tag":
		return one(func() error { return unix.Setxattr(at, w[2], []byte("x"), 0) })
	case "space":
		var s unix.Statfs_t
		err := unix.Statfs(p.root, &s)
		return fmt.Sprintf("%d of %d blocks of %d are free, names of %d, %s", s.Bavail, s.Blocks, s.Bsize, s.Namelen, outcome(err))
	case "flush":
		return one(func() error { return unix.Msync(p.mapped, unix.MS_SYNC) })
	}
	return "no such file is open: " + w[1]
}

func number(text string) int64 {
	n, err := strconv.ParseInt(text, 0, 64)
	if err != nil {
		panic(err)
	}
	return n
}

func (p *player) opened(name string, open func() (int, error)) string {
	fd, err := again(open)
	if err == nil {
		if old, ok := p.files[name]; ok {
			unix.Close(old)
		}
		p.files[name] = fd
	}
	return outcome(err)
}

// whole opens what there is at a path, does one thing and closes it.
func (p *player) whole(w []string) string {
	flags := map[string]string{"put": "w,create,trunc", "append": "w,append", "cat": "r", "list": "r,directory", "sync-path": "r"}
	fd, err := p.openAt(w[1], flags[w[0]])
	if err != nil {
		return outcome(err)
	}
	defer unix.Close(fd)
	switch w[0] {
	case "put", "append":
		return p.playFile(fd, []string{"write", "", w[2]})
	case "cat":
		var all []byte
		part := make([]byte, 1<<18)
		for {
			n, err := again(func() (int, error) { return unix.Read(fd, part) })
			if err != nil {
				return outcome(err)
			}
			if n == 0 {
				return shorten(all)
			}
			all = append(all, part[:n]...)
		}
	case "list":
		names, err := namesIn(fd)
		slices.Sort(names)
		return strings.Join(names, " ") + " " + outcome(err)
	}
	return p.playFile(fd, []string{"sync", ""})
}

// namesIn asks for the names in a directory with a small buffer.
func namesIn(fd int) ([]string, error) {
	var names []string
	buf := make([]byte, 1024)
	for {
		n, err := again(func() (int, error) { return unix.Getdents(fd, buf) })
		if err != nil || n <= 0 {
			return names, err
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
}

func (p *player) stat(verb, at string) string {
	var s unix.Stat_t
	call := unix.Stat
	if verb == "lstat" {
		call = unix.Lstat
	}
	if _, err := again(func() (int, error) { return 0, call(at, &s) }); err != nil {
		return outcome(err)
	}
	return shownState(&s)
}

// shownState leaves out what no two file systems agree on.
func shownState(s *unix.Stat_t) string {
	out := fmt.Sprintf("mode %o", s.Mode)
	if s.Mode&unix.S_IFMT != unix.S_IFDIR {
		out += fmt.Sprintf(", %d names, %d bytes", s.Nlink, s.Size)
	}
	out += fmt.Sprintf(", of %d:%d", s.Uid, s.Gid)
	if s.Mtim.Sec < 1e6 {
		out += fmt.Sprintf(", changed at %d", s.Mtim.Sec)
	}
	return out
}

func (p *player) playFile(fd int, w []string) string {
	count := func(call func() (int, error)) string {
		n, err := again(call)
		if err != nil {
			return outcome(err)
		}
		return strconv.Itoa(n)
	}
	into := func(size int64, call func(part []byte) (int, error)) string {
		part := aligned(int(size))
		n, err := again(func() (int, error) { return call(part) })
		if err != nil {
			return outcome(err)
		}
		return shorten(part[:n])
	}
	one := func(call func() error) string {
		_, err := again(func() (int, error) { return 0, call() })
		return outcome(err)
	}
	switch w[0] {
	case "close":
		delete(p.files, w[1])
		return outcome(unix.Close(fd))
	case "read":
		return into(number(w[2]), func(part []byte) (int, error) { return unix.Read(fd, part) })
	case "pread":
		return into(number(w[3]), func(part []byte) (int, error) { return unix.Pread(fd, part, number(w[2])) })
	case "write":
		return count(func() (int, error) { return unix.Write(fd, alignedCopy(textOf(w[2]))) })
	case "pwrite":
		return count(func() (int, error) { return unix.Pwrite(fd, alignedCopy(textOf(w[3])), number(w[2])) })
	case "seek":
		return count(func() (int, error) {
			n, err := unix.Seek(fd, number(w[2]), int(number(w[3])))
			return int(n), err
		})
	case "truncate":
		return one(func() error { return unix.Ftruncate(fd, number(w[2])) })
	case "sync":
		return one(func() error { return unix.Fsync(fd) })
	case "commit", "pour", "drain":
		return measured(fd, w[0], int(number(w[2])))
	case "copy":
		return count(func() (int, error) {
			return unix.CopyFileRange(fd, nil, p.files[w[2]], nil, int(number(w[3])), 0)
		})
	case "lock":
		how := map[string]int{"sh": unix.LOCK_SH, "ex": unix.LOCK_EX, "un": unix.LOCK_UN}[w[2]]
		return one(func() error { return unix.Flock(fd, how|unix.LOCK_NB) })
	case "range":
		how := map[string]int16{"rd": unix.F_RDLCK, "wr": unix.F_WRLCK, "un": unix.F_UNLCK}[w[2]]
		return one(func() error { return unix.FcntlFlock(uintptr(fd), unix.F_SETLK, &unix.Flock_t{Type: how, Len: 10}) })
	case "allocate":
		return one(func() error { return unix.Fallocate(fd, 0, 0, number(w[2])) })
	case "state":
		var s unix.Stat_t
		if err := unix.Fstat(fd, &s); err != nil {
			return outcome(err)
		}
		return shownState(&s)
	case "names":
		names, err := namesIn(fd)
		return strconv.Itoa(len(names)) + " " + outcome(err)
	case "map":
		return p.mapAnd(fd, number(w[2]), len(textOf(w[3])), func(at []byte) string {
			copy(at, textOf(w[3]))
			return "ok"
		})
	case "privately":
		all, err := unix.Mmap(fd, 0, 5, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
		if err != nil {
			return outcome(err)
		}
		copy(all[number(w[2]):], w[3])
		return shorten(all)
	case "look":
		return p.mapAnd(fd, number(w[2]), int(number(w[3])), shorten)
	}
	panic("no such verb: " + w[0])
}

// measured does something n times.
func measured(fd int, what string, n int) string {
	piece := aligned(1 << 20)
	act := map[string]func(i int64) error{
		"commit": func(i int64) error {
			if _, err := unix.Pwrite(fd, piece[:4096], i%256*4096); err != nil {
				return err
			}
			return unix.Fsync(fd)
		},
		"pour":  func(i int64) error { _, err := unix.Pwrite(fd, piece, i<<20); return err },
		"drain": func(i int64) error { _, err := unix.Pread(fd, piece, i<<20); return err },
	}[what]
	begun := time.Now()
	for i := range int64(n) {
		for {
			if err := act(i); err == nil {
				break
			} else if err != unix.EINTR {
				return outcome(err)
			}
		}
	}
	return strconv.FormatInt(time.Since(begun).Nanoseconds(), 10)
}

// mapAnd maps a stretch of a file and uses it.
func (p *player) mapAnd(fd int, off int64, n int, use func([]byte) string) string {
	page := off &^ 4095
	mapped, err := unix.Mmap(fd, page, int(off-page)+n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return outcome(err)
	}
	p.mapped = mapped
	return use(mapped[off-page:])
}

// aligned is room that O_DIRECT is content with.
func aligned(n int) []byte {
	const edge = 4096
	all := make([]byte, n+edge)
	skip := (edge - int(uintptr(unsafe.Pointer(&all[0]))%edge)) % edge
	return all[skip : skip+n]
}

func alignedCopy(p []byte) []byte {
	q := aligned(len(p))
	copy(q, p)
	return q
}

// runSoftware is a process that plays what it is told, a line at a time.
func runSoftware() {
	p := newPlayer(os.Getenv(softwareVar))
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		fmt.Println(p.play(in.Text()))
	}
}

// software is such a process.
type software struct {
	testing.TB
	command *exec.Cmd
	in      io.WriteCloser
	pipe    *os.File
	out     *bufio.Reader
	dead    bool
}

// start runs a process that uses the disk.
func (m *machine) start() *software {
	m.Helper()
	return startAt(m.TB, m.at)
}

func startAt(t testing.TB, root string) *software {
	t.Helper()
	s := &software{TB: t, command: exec.Command("/proc/self/exe")}
	s.command.Env = append(os.Environ(), softwareVar+"="+root)
	s.command.Stderr = os.Stderr
	var err error
	if s.in, err = s.command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := s.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.pipe, s.out = out.(*os.File), bufio.NewReader(out)
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	return s
}

// kill ends the process and waits for that.
func (s *software) kill() {
	if !s.dead {
		s.dead = true
		s.command.Process.Kill()
		s.command.Wait()
	}
}

// tell sends a line without waiting for the outcome.
func (s *software) tell(line string) {
	s.Helper()
	if _, err := fmt.Fprintln(s.in, line); err != nil {
		s.Fatal(line, err)
	}
}

// hear waits for the outcome of the line that was told first of those without one.
func (s *software) hear() string {
	s.Helper()
	answer, err := s.out.ReadString('\n')
	if err != nil {
		s.Fatal("the software has ended: ", err)
	}
	return strings.TrimSuffix(answer, "\n")
}

func (s *software) play(line string) string {
	s.Helper()
	s.tell(line)
	return s.hear()
}

// want plays lines of the form "CALL: OUTCOME".
func (s *software) want(lines string) {
	s.Helper()
	for _, line := range strings.Split(strings.TrimSpace(lines), "\n") {
		call, want, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if have := s.play(call); have != want {
			s.Errorf("%s: want %s, have %s", call, want, have)
		}
	}
}

// state is how the kernel says that the process fares: R, S, D, Z.
func (s *software) state() string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.command.Process.Pid))
	if err != nil {
		return "gone"
	}
	return strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))[0]
}

// until waits for a condition that another process or thread brings about.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("in vain: ", what)
		}
	}
}
