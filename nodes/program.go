package nodes

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Program is a binary that nobody here wrote, as the software of a machine. Only the kernel world can run it: the machine's
// clock, its time_scale and what goes on inside are not ours.
//
// The program runs as root of its machine, in /srv, which is the machine's disk, below a first process that reaps what it leaves
// behind. It has to stay in the foreground: when it ends, the software has stopped, and what is left of it is killed. It can
// neither mount, trace the first process, nor make more than 4,096 processes (where Linux is 6.14 or later). Where an ordinary
// user runs the drill there is no user but root: who gives root up is told that it has.
//
// The host's files can be read. In memory, up to 128 MiB together, lie folders of the machine's own: /run, /tmp and /var/tmp,
// and /var/lib, /var/log, /var/cache and /var/spool, empty but for the folders that the host has in them, two levels down.
// They outlive a crash of the software, as on any machine; a loss of power takes all but what the disk keeps. Names of all
// machines are in /etc/hosts.
//
// Each line that it writes to its output, or logs to /dev/log, is a fact log-line: up to 4 KiB of it, and up to 10,000 lines or
// 1 MiB of a start. All of it, up to the first and the last 8 MiB, is in the log of the machine.
type Program struct {
	// Command is the program, by its path or found in PATH, and its arguments. A relative path begins at /srv.
	Command []string `yaml:"command" doc:"the program and its arguments; it stays in the foreground, and has stopped when this ends"`
	// Environment is added to PATH, HOME and LANG, which are all that a program gets of its own.
	Environment map[string]string `yaml:"environment" doc:"variables of its environment"`
	// Files are written before each start, by absolute path. Folders on the way are made; in those of the host the machine has a
	// mirror, in which more can be added. What begins with #! can be executed. The start waits for those on the disk, which may
	// be slow, or hang.
	Files map[string]string `yaml:"files" doc:"text files that it finds, by absolute path"`
	// Ready says by what one sees that it is ready, once after each start; without, it is when it has started.
	Ready Ready `yaml:"ready" doc:"by what one sees that it is ready"`
	// StopSignal asks it to end, at the end of the drill. After 2 s it is killed, and the log says so.
	StopSignal string `yaml:"stop_signal" choices:"TERM INT HUP QUIT USR1 USR2" doc:"the signal that asks it to end"`
}

// Ready is one of its fields, or none. A line counts that comes after the start, a port at which something listens (no connection
// is made), a path that was not there before the start or is newer.
type Ready struct {
	Log     InLine   `yaml:"log" doc:"a line of its output contains this"`
	Port    Port     `yaml:"port" doc:"TCP connections to this port are taken"`
	File    Path     `yaml:"file" doc:"this path is there, made or changed since the start"`
	Command []string `yaml:"command" doc:"this command, run every 100 ms on the machine, has status 0"`
}

// InLine is a text that a line can contain. There is no empty one.
type InLine string

// Port is a TCP port. There is no zero.
type Port uint16

// Path is the absolute path of a file. There is no empty one.
type Path string

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *InLine) UnmarshalText(text []byte) error {
	*l = InLine(text)
	if *l == "" || strings.Contains(string(*l), "\n") {
		return fmt.Errorf("want a text that a line can contain, have %q", text)
	}
	return nil
}

// Notation is what UnmarshalText reads.
func (Port) Notation() Notation { return Notation{"N", "8080", "[0-9]+"} }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Port) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 16)
	if err != nil || n == 0 {
		return fmt.Errorf("want a port from 1 to 65535, have %q", text)
	}
	*p = Port(n)
	return nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Path) UnmarshalText(text []byte) error {
	*p = Path(text)
	if problem := wrongPath(string(*p)); problem != "" {
		return errors.New(problem)
	}
	return nil
}

// Check finds what no program can be started with: KeyErrors.
func (p *Program) Check() error {
	var wrong []error
	add := func(problem string, keys ...string) {
		if problem != "" {
			wrong = append(wrong, &KeyError{keys, problem})
		}
	}
	add(wrongCommand(p.Command), "command")
	for _, name := range slices.Sorted(maps.Keys(p.Environment)) {
		add(wrongVariable(name, p.Environment[name]), "environment", name)
	}
	if path, own := p.Environment["PATH"]; own && path == "" {
		add(p.unfound(), "environment", "PATH")
	}
	for _, file := range slices.Sorted(maps.Keys(p.Files)) {
		add(p.wrongFile(file), "files", file)
	}
	return errors.Join(wrong...)
}

// Check finds what nobody could wait for: KeyErrors.
func (r *Ready) Check() error {
	var have []string
	for _, x := range []struct {
		key  string
		said bool
	}{{"log", r.Log != ""}, {"port", r.Port != 0}, {"file", r.File != ""}, {"command", r.Command != nil}} {
		if x.said {
			have = append(have, x.key)
		}
	}
	var wrong []error
	if r.Command != nil {
		if problem := wrongCommand(r.Command); problem != "" {
			wrong = append(wrong, &KeyError{[]string{"command"}, problem})
		}
	}
	if len(have) != 1 {
		said := "none"
		if len(have) > 1 {
			said = strings.Join(have, " and ") // Maps merge: one may come from the defaults.
		}
		wrong = append(wrong, fmt.Errorf("want one of log, port, file and command for ready, have %s", said))
	}
	return errors.Join(wrong...)
}

func wrongCommand(words []string) string {
	switch {
	case len(words) == 0 || words[0] == "":
		return "want a command: the program and its arguments, such as [keepalived, --dont-fork]"
	case strings.ContainsAny(words[0], " \t\n"):
		return fmt.Sprintf("no program is called %q; want its words as a list, such as [sh, -c, ..]", words[0])
	case strings.Contains(strings.Join(words, ""), "\x00"):
		return "want a command without NUL characters"
	}
	return ""
}

func wrongVariable(name, value string) string {
	switch {
	case name == "" || strings.ContainsAny(name, "=\x00"):
		return fmt.Sprintf("want a variable's name without = and NUL, have %q", name)
	case strings.Contains(value, "\x00"):
		return fmt.Sprintf("want a value without NUL for %s", name)
	}
	return ""
}

// unfound says which command nobody can find where PATH is empty.
func (p *Program) unfound() string {
	for _, command := range [][]string{p.Command, p.Ready.Command} {
		if len(command) > 0 && command[0] != "" && !strings.Contains(command[0], "/") {
			return fmt.Sprintf("PATH is empty, so nobody finds %s; want folders, or the program by its path", command[0])
		}
	}
	return ""
}

// folders are such on every machine.
var folders = []string{"/dev", "/proc", "/run", "/srv", "/sys", "/tmp"}

// wrongFile says why a file cannot be written where it is to lie, or not be run though it is to be.
func (p *Program) wrongFile(file string) string {
	if problem := wrongPath(file); problem != "" {
		return problem
	}
	if slices.Contains(folders, file) {
		return fmt.Sprintf("want the path of a file, have that of the folder %s", file)
	}
	if strings.HasPrefix(file, "/proc/") {
		return "want a path outside of /proc, which is the kernel's: nobody can make a file there"
	}
	for above := path.Dir(file); above != "/"; above = path.Dir(above) {
		if _, both := p.Files[above]; both && !slices.Contains(folders, above) {
			return fmt.Sprintf("%s lies in %s, which is a file too", file, above)
		}
	}
	for _, command := range [][]string{p.Command, p.Ready.Command} {
		if len(command) > 0 && command[0] == file && !isScript(p.Files[file]) {
			return fmt.Sprintf("%s is to be run: want a text that begins with #! and the path of an interpreter, such as #!/bin/sh", file)
		}
	}
	return ""
}

// isScript reports whether a text begins with #! and an interpreter.
func isScript(text string) bool {
	line, _, _ := strings.Cut(text, "\n")
	interpreter, marked := strings.CutPrefix(line, "#!")
	return marked && strings.Trim(interpreter, " \t") != ""
}

func wrongPath(file string) string {
	switch {
	case strings.Contains(file, "\x00"):
		return fmt.Sprintf("want a path without NUL, have %q", file)
	case !path.IsAbs(file):
		return fmt.Sprintf("want an absolute path such as /etc/motd, have %q", file)
	case file == "/":
		return "want the path of a file, have that of the root folder"
	case path.Clean(file) != file:
		return fmt.Sprintf("want the path %s, have %q", path.Clean(file), file)
	}
	return ""
}
