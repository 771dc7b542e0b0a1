package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"firedrill": main})
}

// TestScript plays testdata/script/*.txtar, each named after what a user does.
func TestScript(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       os.Getenv("UPDATE_GOLDEN") != "",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("NO_COLOR", "")
			return nil
		},
		Condition: func(name string) (bool, error) {
			switch name {
			case "root":
				return os.Geteuid() == 0, nil
			case "kernel":
				return mayEnter(), nil
			}
			return false, fmt.Errorf("no condition %q; there are root and kernel", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status":  cmdStatus,
			"settled": cmdSettled,
			"repeat":  cmdRepeat,
			"tmpfs":   cmdTmpfs,
			"appears": cmdAppears,
			"same":    cmdSame,
			"narrow":  cmdNarrow,
			"whole":   cmdWhole,
		},
	})
}

// TestBracketsAreCheap: the YAML parser would take gigabytes for these 64 KiB. What is allocated in
// all bounds what is ever held, and the time is that of the processor, so that neither depends on
// what else the machine does.
func TestBracketsAreCheap(t *testing.T) {
	file := filepath.Join(t.TempDir(), "brackets.yaml")
	if err := os.WriteFile(file, bytes.Repeat([]byte("["), 64<<10), 0o644); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begin := cpuTime(t)
	var said strings.Builder
	if status := firedrill([]string{"check", file}, &said, &said); status != statusUsage {
		t.Errorf("want status %d, have %d: %s", statusUsage, status, said.String())
	}
	took := cpuTime(t) - begin
	runtime.ReadMemStats(&after)
	if took > time.Second {
		t.Errorf("want at most a second of CPU, have %s", took)
	}
	if have := (after.TotalAlloc - before.TotalAlloc) >> 20; have > 100 {
		t.Errorf("want at most 100 MiB, have %d", have)
	}
}

func cpuTime(t *testing.T) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// cmdStatus runs a command and demands its exit status: status N COMMAND...
func cmdStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N COMMAND...")
	}
	err := ts.Exec(args[1], args[2:]...)
	have := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		have = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if want := args[0]; strconv.Itoa(have) != want {
		ts.Fatalf("want status %s, have %d\n%s%s", want, have, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// cmdSettled is status for a play in real time: one that is inconclusive, since the machine was too busy, is played again, up
// to three times in all.
func cmdSettled(ts *testscript.TestScript, neg bool, args []string) {
	var have int
	for range 3 {
		have = 0
		if exit := (*exec.ExitError)(nil); errors.As(ts.Exec(args[1], args[2:]...), &exit) {
			have = exit.ExitCode()
		}
		if have != statusUnclear {
			break
		}
	}
	if neg || strconv.Itoa(have) != args[0] {
		ts.Fatalf("want status %s, have %d\n%s%s", args[0], have, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// cmdRepeat writes a file that holds a text N times: repeat N TEXT FILE. The text is written as in a Go string.
func cmdRepeat(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	text, err := strconv.Unquote(`"` + args[1] + `"`)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(strings.Repeat(text, n)), 0o644))
}

// cmdAppears waits for a file that a command in the background writes: appears PATTERN.
func cmdAppears(ts *testscript.TestScript, _ bool, args []string) {
	for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(time.Millisecond) {
		if found, err := filepath.Glob(ts.MkAbs(args[0])); err != nil || len(found) > 0 {
			ts.Check(err)
			return
		}
	}
	ts.Fatalf("no file %s within a minute", args[0])
}

// cmdSame demands that two folders hold the same files with the same bytes, but for wall.json: same DIR DIR.
func cmdSame(ts *testscript.TestScript, neg bool, args []string) {
	a, b := tree(ts, args[0]), tree(ts, args[1])
	if len(a) == 0 {
		ts.Fatalf("no files in %s", args[0])
	}
	differ := ""
	for name, text := range a {
		if other, there := b[name]; !there || other != text {
			differ = name
		}
		delete(b, name)
	}
	for name := range b {
		differ = name
	}
	if neg == (differ == "") {
		ts.Fatalf("want same %t, and %q differs", !neg, differ)
	}
}

func tree(ts *testscript.TestScript, dir string) map[string]string {
	files := map[string]string{}
	root := ts.MkAbs(dir)
	ts.Check(filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "wall.json" {
			return err
		}
		text, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, root)] = string(text)
		return err
	}))
	return files
}

// cmdWhole demands that every file of a folder is a whole one, to its last byte: JSON, lines of it, or a page: whole DIR.
func cmdWhole(ts *testscript.TestScript, _ bool, args []string) {
	files := tree(ts, args[0])
	if len(files) == 0 {
		ts.Fatalf("no files in %s", args[0])
	}
	if err := whole(files); err != nil {
		ts.Fatalf("%v", err)
	}
}

// whole returns an error for files, by their names, of which one is not whole.
func whole(files map[string]string) error {
	for name, text := range files {
		lines := []string{text}
		switch filepath.Ext(name) {
		case ".html":
			if !strings.HasSuffix(text, "</html>\n") {
				return fmt.Errorf("%s is not whole", name)
			}
			continue
		case ".jsonl":
			lines = strings.Split(strings.TrimSuffix(text, "\n"), "\n")
			if text == "" {
				continue // Of nothing.
			}
		}
		for _, line := range lines {
			if !json.Valid([]byte(line)) {
				return fmt.Errorf("%s is not whole: %.80q", name, line)
			}
		}
	}
	return nil
}

// cmdNarrow demands that a text fits a terminal of 80 columns: narrow FILE.
func cmdNarrow(ts *testscript.TestScript, _ bool, args []string) {
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		if n := len([]rune(strings.TrimRight(line, "\n"))); n > 80 {
			ts.Fatalf("%d columns: %s", n, line)
		}
	}
}
