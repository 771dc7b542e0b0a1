//go:build linux

package supervisor

import (
	"bytes"
	"debug/elf"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What a kernel says of a file is put down to what is missing: the interpreter of a script, or the loader of a program.
func TestWhyAFileCannotBeRun(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct{ text, want string }{
		"script":             {"#!/bin/sh\nexit 0\n", ""},
		"no interpreter":     {"#!/no/such -x\n", `its interpreter "/no/such" is not there`},
		"blanks before it":   {"#! \t/no/such\t-x\n", `its interpreter "/no/such" is not there`},
		"no end of the line": {"#!/no/such", `its interpreter "/no/such" is not there`},
		"a return":           {"#!/bin/sh\r\nexit 0\r\n", `its interpreter "/bin/sh\r" is not there`},
		"no program":         {"#!" + plain + "\n", `its interpreter "` + plain + `" cannot be run: permission denied`},
		"a text":             {"echo\n", "exec format error: it is no program for this system, and no text that begins with #! and an interpreter"},
		"nothing":            {"", "exec format error: it is no program for this system, and no text that begins with #! and an interpreter"},
		"program":            {linked(t, "true", ""), ""},
		"no loader":          {linked(t, "true", "/no/loader"), `its interpreter "/no/loader" is not there`},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "program")
			if err := os.WriteFile(path, []byte(x.text), 0o755); err != nil {
				t.Fatal(err)
			}
			have := ""
			if err := unwrapped((&exec.Cmd{Path: path}).Run()); err != nil {
				have = why(path, err).Error()
			}
			if have != x.want {
				t.Errorf("want %q, have %q", x.want, have)
			}
		})
	}
	if have := why("/no/such", unix.ENOENT); have != unix.ENOENT {
		t.Errorf("of a file that is not there: %v", have)
	}
}

// unwrapped is the kernel's own error.
func unwrapped(err error) error {
	if e, is := err.(*os.PathError); is {
		return e.Err
	}
	return err
}

// linked is a program of this system, with another loader unless that is "".
func linked(t *testing.T, name, loader string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip("SKIPPED: ", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	program, err := elf.NewFile(bytes.NewReader(text))
	if err != nil {
		t.Skip("SKIPPED: ", err)
	}
	for _, part := range program.Progs {
		if part.Type != elf.PT_INTERP || loader == "" {
			continue
		}
		own, err := io.ReadAll(part.Open())
		if err != nil || len(own) <= len(loader) {
			t.Fatal("no room for another loader: ", len(own), err)
		}
		return strings.Replace(string(text), string(own), loader+strings.Repeat("\x00", len(own)-len(loader)), 1)
	}
	return string(text)
}
