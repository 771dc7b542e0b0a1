package sim

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/afero"
)

// script plays operations, one a line, on a file system, and says what came of each. The tests play the same lines on
// the simulated and on the real one.
//
//	open F PATH FLAGS      F names the open file; FLAGS of r, w, rw, append, create, excl, trunc, with commas
//	close F, sync F, stat F, read F N, readat F OFF N, write F TEXT, writeat F OFF TEXT, seek F OFF WHENCE,
//	truncate F N, names F N, infos F N, data F
//	mkdir PATH, mkdirall PATH, remove PATH, removeall PATH, rename PATH PATH, chmod PATH MODE, chtimes PATH SECONDS,
//	info PATH, cat PATH, put PATH TEXT, sync-path PATH
//
// A TEXT of the form x*N is N times x. A PATH may stand in quotes.
type script struct {
	fs    afero.Fs
	root  string // put before each path
	files map[string]afero.File
}

func newScript(fs afero.Fs, root string) *script {
	return &script{fs: fs, root: root, files: map[string]afero.File{}}
}

func (s *script) at(path string) string {
	if path == `""` {
		return ""
	}
	return s.root + strings.Trim(path, `"`)
}

// outcome renders an error with all that a program can see of it.
func (s *script) outcome(err error) string {
	var p *fs.PathError
	var l *os.LinkError
	var errno syscall.Errno
	if errors.As(err, &p) && p.Err.Error() == "use of closed file" {
		p.Err = os.ErrClosed // Package os forgets to say so of a directory that is listed.
	}
	cut := func(path string) string { return strings.TrimPrefix(path, s.root) }
	kind := ""
	for _, k := range []error{fs.ErrExist, fs.ErrNotExist, fs.ErrClosed, fs.ErrPermission} {
		if errors.Is(err, k) {
			kind += " (" + k.Error() + ")"
		}
	}
	if errors.As(err, &errno) {
		kind += " errno"
	}
	switch {
	case err == nil:
		return "ok"
	case err == io.EOF:
		return "EOF"
	case errors.As(err, &p):
		return fmt.Sprintf("%s %q: %v%s", p.Op, cut(p.Path), p.Err, kind)
	case errors.As(err, &l):
		return fmt.Sprintf("%s %q %q: %v%s", l.Op, cut(l.Old), cut(l.New), l.Err, kind)
	}
	return err.Error() + kind
}

func text(s string) []byte {
	if what, times, ok := strings.Cut(s, "*"); ok {
		n, err := strconv.Atoi(times)
		if err == nil {
			return []byte(strings.Repeat(what, n))
		}
	}
	return []byte(s)
}

// shown is text again: long runs of one byte are counted.
func shown(b []byte) string {
	var out strings.Builder
	for i := 0; i < len(b); {
		n := 1
		for i+n < len(b) && b[i+n] == b[i] {
			n++
		}
		c := string(rune(b[i]))
		if b[i] < ' ' || b[i] > '~' {
			c = fmt.Sprintf(`\x%02x`, b[i])
		}
		if n > 4 {
			fmt.Fprintf(&out, "[%s*%d]", c, n)
		} else {
			out.WriteString(strings.Repeat(c, n))
		}
		i += n
	}
	return strconv.Itoa(len(b)) + " bytes `" + out.String() + "`"
}

var flagWords = map[string]int{"r": os.O_RDONLY, "w": os.O_WRONLY, "rw": os.O_RDWR, "append": os.O_APPEND,
	"create": os.O_CREATE, "excl": os.O_EXCL, "trunc": os.O_TRUNC}

// play plays one line.
func (s *script) play(line string) string {
	words := append(strings.Fields(line), "", "", "")
	verb, a, b, c := words[0], words[1], words[2], words[3]
	number := func(text string) int64 {
		n, err := strconv.ParseInt(text, 0, 64)
		if err != nil {
			panic(line + ": " + err.Error())
		}
		return n
	}
	if f := s.files[a]; f != nil && verb != "open" {
		return s.playFile(f, verb, b, c, number)
	}
	switch verb {
	case "open":
		flags := 0
		for _, w := range strings.Split(c, ",") {
			flags |= flagWords[w]
		}
		f, err := s.fs.OpenFile(s.at(b), flags, 0o666)
		if err == nil {
			if old := s.files[a]; old != nil {
				old.Close()
			}
			s.files[a] = f
		}
		return s.outcome(err)
	case "mkdir":
		return s.outcome(s.fs.Mkdir(s.at(a), 0o777))
	case "mkdirall":
		return s.outcome(s.fs.MkdirAll(s.at(a), 0o777))
	case "remove":
		return s.outcome(s.fs.Remove(s.at(a)))
	case "removeall":
		return s.outcome(s.fs.RemoveAll(s.at(a)))
	case "rename":
		return s.outcome(s.fs.Rename(s.at(a), s.at(b)))
	case "chmod":
		return s.outcome(s.fs.Chmod(s.at(a), os.FileMode(number(b))))
	case "chtimes":
		t := time.Unix(number(b), 0)
		return s.outcome(s.fs.Chtimes(s.at(a), t, t))
	case "info":
		i, err := s.fs.Stat(s.at(a))
		return s.describe(i, err)
	case "cat":
		p, err := afero.ReadFile(s.fs, s.at(a))
		if err != nil {
			return s.outcome(err)
		}
		return shown(p)
	case "put":
		return s.outcome(afero.WriteFile(s.fs, s.at(a), text(b), 0o644))
	case "sync-path":
		f, err := s.fs.Open(s.at(a))
		if err != nil {
			return s.outcome(err)
		}
		defer f.Close()
		return s.outcome(f.Sync())
	}
	return "no such file is open: " + a
}

func (s *script) playFile(f afero.File, verb, b, c string, number func(string) int64) string {
	if verb == "seek" && b != "0" {
		if i, err := f.Stat(); err == nil && i.IsDir() {
			return "left out" // What a place in a directory means is up to each file system.
		}
	}
	read := func(p []byte, n int, err error) string {
		if errors.Is(err, syscall.EISDIR) || errors.Is(err, syscall.EINVAL) {
			return "is a directory" // Some file systems say EISDIR, others EINVAL.
		}
		return shown(p[:max(n, 0)]) + " " + s.outcome(err)
	}
	counted := func(n int, err error) string { return strconv.Itoa(n) + " " + s.outcome(err) }
	switch verb {
	case "close":
		return s.outcome(f.Close())
	case "sync":
		return s.outcome(f.Sync())
	case "stat":
		i, err := f.Stat()
		return s.describe(i, err)
	case "read":
		p := make([]byte, number(b))
		n, err := f.Read(p)
		return read(p, n, err)
	case "readat":
		p := make([]byte, number(c))
		n, err := f.ReadAt(p, number(b))
		return read(p, n, err)
	case "write":
		return counted(f.Write(text(b)))
	case "writeat":
		return counted(f.WriteAt(text(c), number(b)))
	case "seek":
		n, err := f.Seek(number(b), int(number(c)))
		return counted(int(n), err)
	case "truncate":
		return s.outcome(f.Truncate(number(b)))
	case "names":
		names, err := f.Readdirnames(int(number(b)))
		if b != "0" {
			return counted(len(names), err) // Which ones depends on the file system.
		}
		slices.Sort(names)
		return strings.Join(names, " ") + " " + s.outcome(err)
	case "infos":
		infos, err := f.Readdir(int(number(b)))
		if b != "0" {
			return counted(len(infos), err)
		}
		var all []string
		for _, i := range infos {
			all = append(all, s.describe(i, nil))
		}
		slices.Sort(all)
		return strings.Join(all, "; ") + " " + s.outcome(err)
	case "name":
		return strings.TrimPrefix(f.Name(), s.root)
	}
	panic("no such verb: " + verb)
}

// describe leaves out what no two file systems agree on: the size of a directory, and times other than those set by
// hand.
func (s *script) describe(i os.FileInfo, err error) string {
	if err != nil {
		return s.outcome(err)
	}
	out := i.Mode().String() + " " + i.Name()
	if !i.IsDir() {
		out += " " + strconv.FormatInt(i.Size(), 10)
	}
	if i.ModTime().Unix() < 1e6 && i.ModTime().Unix() > 0 {
		out += " at " + strconv.FormatInt(i.ModTime().Unix(), 10)
	}
	return out
}

func (s *script) closeAll() {
	for _, f := range s.files {
		f.Close()
	}
}

// stepsOf splits a script at semicolons and ends of lines.
func stepsOf(script string) []string {
	var steps []string
	for _, s := range strings.FieldsFunc(script, func(r rune) bool { return r == ';' || r == '\n' }) {
		if s = strings.TrimSpace(s); s != "" {
			steps = append(steps, s)
		}
	}
	return steps
}
