//go:build linux

package supervisor

import (
	"bufio"
	"cmp"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"firedrill/sim/kernel/room"
)

// find is the file of a program.
func (s *Supervisor) find(name string) (string, error) {
	if strings.Contains(name, "/") && !filepath.IsAbs(name) {
		name = filepath.Join(room.Disk, name)
	}
	path, err := room.LookPath(name)
	switch {
	case err == nil:
		return path, nil
	case !filepath.IsAbs(name):
		return "", fmt.Errorf("%s is not in %s", name, cmp.Or(os.Getenv("PATH"), "PATH, which is empty"))
	case errors.Is(err, fs.ErrNotExist) && room.Own(name):
		return "", fmt.Errorf("there is no %s: of that folder a machine has one of its own", name)
	}
	return "", s.onlyScripts(name, err)
}

// onlyScripts says of a file that a program brings along why it is not allowed to be run. A disk lets it be found, and not run.
func (s *Supervisor) onlyScripts(path string, err error) error {
	if text, brought := s.config.Program.Files[path]; brought && errors.Is(err, fs.ErrPermission) && !strings.HasPrefix(text, "#!") {
		return fmt.Errorf("%w: of the files that a program brings only those that begin with #! can be run", err)
	}
	return err
}

// headMax is how much of a script the kernel reads for the name of its interpreter.
const headMax = 256

// why says more of why a file that is there cannot be run than the kernel does, which speaks of the file though something
// else is not there.
func why(path string, err error) error {
	interpreter := interpreterOf(path)
	switch {
	case errors.Is(err, unix.ENOEXEC):
		return fmt.Errorf("%w: it is no program for this system, and no text that begins with #! and an interpreter", err)
	case interpreter == "":
		return err
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("its interpreter %q is not there", interpreter)
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("its interpreter %q cannot be run: %w", interpreter, err)
	}
	return err
}

// interpreterOf is the program that a kernel starts in place of a file: what a script names in its first line, or the
// loader of a program that is linked with others. It is "" where there is none.
func interpreterOf(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	line, _ := bufio.NewReader(io.LimitReader(f, headMax)).ReadString('\n')
	if words, is := strings.CutPrefix(line, "#!"); is {
		words = strings.Trim(words, " \t\n")
		if end := strings.IndexAny(words, " \t"); end >= 0 {
			words = words[:end]
		}
		return words
	}
	program, err := elf.NewFile(f)
	if err != nil {
		return ""
	}
	for _, part := range program.Progs {
		if part.Type == elf.PT_INTERP {
			name, _ := io.ReadAll(io.LimitReader(part.Open(), headMax))
			return strings.TrimRight(string(name), "\x00")
		}
	}
	return ""
}
