// Command tests runs go test and prints what that prints, and behind it which tests were skipped and why: `ok` alone does not
// tell a test that shows something from one that could not be played here.
//
//	go run ./cmd/tests [ARGUMENT OF GO TEST...]
//
// It ends as go test does. A TestMain that plays nothing says so in a line that begins with SKIP.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

func main() {
	status, err := tests(".", os.Args[1:], os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintf(os.Stderr, "tests: %v\n", err)
		os.Exit(2)
	}
	os.Exit(status)
}

// tests runs go test in a directory and returns its exit status. The error is for what keeps it from being run or read.
func tests(dir string, args []string, stdout, stderr io.Writer) (status int, err error) {
	c := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	c.Dir, c.Stderr = dir, stderr
	out, err := c.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := c.Start(); err != nil {
		return 0, err
	}
	s := &summary{w: bufio.NewWriter(stdout), said: map[test][]string{}}
	wrong := s.read(out)
	if wrong != nil {
		_ = c.Process.Kill() // Nobody reads what else it has to say.
	}
	err = c.Wait()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		status, err = exit.ExitCode(), nil
	}
	return status, errors.Join(wrong, err)
}

// event is a line of go test -json.
type event struct {
	Action, Package, Test, Output string
}

// test is a test by its package and name; without a name it is the package itself.
type test struct{ pkg, name string }

// summary makes text of events: all of what failed, the last line of each package, and what was skipped.
type summary struct {
	w       *bufio.Writer
	said    map[test][]string // by those that have not ended
	skipped []string
}

func (s *summary) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		var e event
		if len(line) > 0 {
			if json.Unmarshal(line, &e) != nil {
				e = event{Action: "build-output", Output: string(line)} // Not of a test: whoever wrote it wants it read.
			}
			s.take(e)
		}
		if err == nil {
			continue
		}
		if len(s.skipped) > 0 {
			fmt.Fprintf(s.w, "\nskipped:\n%s", strings.Join(s.skipped, ""))
		}
		if err == io.EOF {
			err = nil
		}
		return errors.Join(err, s.w.Flush())
	}
}

func (s *summary) take(e event) {
	t := test{e.Package, e.Test}
	switch e.Action {
	case "output":
		if !strings.HasPrefix(e.Output, "=== ") {
			s.said[t] = append(s.said[t], e.Output)
		}
		return
	case "build-output":
		s.w.WriteString(e.Output)
	case "skip":
		if e.Test != "" {
			s.skip(t, s.said[t])
			break
		}
		s.end(t, false) // There are no test files.
	case "pass":
		if e.Test == "" {
			s.end(t, false)
		}
	case "fail":
		s.end(t, true)
	default:
		return
	}
	delete(s.said, t)
}

// skip notes why a test did not run.
func (s *summary) skip(t test, said []string) {
	said = slices.DeleteFunc(said, func(l string) bool { return strings.HasPrefix(strings.TrimSpace(l), "--- SKIP") })
	name := t.pkg
	if t.name != "" {
		name += " " + t.name
	}
	s.skipped = append(s.skipped, fmt.Sprintf("  %s: %s\n", name, strings.Join(strings.Fields(strings.Join(said, "")), " ")))
}

// end prints what a test that failed said, or a package: one that failed takes with it what its tests never ended to say.
func (s *summary) end(t test, failed bool) {
	if failed && t.name == "" {
		for _, o := range s.unfinished(t.pkg) {
			s.end(o, true)
			delete(s.said, o)
		}
	}
	for _, line := range s.said[t] {
		switch {
		case failed || strings.HasPrefix(line, "ok  \t") || strings.HasPrefix(line, "?   \t"):
			s.w.WriteString(line)
		case strings.HasPrefix(line, "SKIP"):
			s.skip(t, []string{strings.TrimPrefix(line, "SKIP: ")})
		}
	}
	_ = s.w.Flush() // A failure to write is kept, and told at the end.
}

// unfinished are the tests of a package that have said something and not ended.
func (s *summary) unfinished(pkg string) []test {
	var all []test
	for t := range s.said {
		if t.pkg == pkg && t.name != "" {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(a, b test) int { return strings.Compare(a.name, b.name) })
	return all
}
