package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"firedrill/scenarios"
)

// Each thing that is wrong is told once and says who says it, but for the mistakes of files, which begin with their places.
func TestComplaints(t *testing.T) {
	_, mistakes := scenarios.Parse("x.yaml", []byte("# Why.\nname: x\nstop: 1m\nmachines: {}\ntimeline: []\nstart: 5\n"), catalogue())
	if mistakes == nil {
		t.Fatal("want mistakes")
	}
	full := fmt.Errorf("results of x: %w", errors.Join(errors.New("no space"), errors.New("none at all")))
	var b bytes.Buffer
	complain(&b, &exit{statusFault, errors.Join(&exit{statusInterrupted, nil}, full, mistakes, errors.Join(full, errors.New("a\x1b[2J")))})
	want := "firedrill: results of x: no space\nnone at all\n" + mistakes.Error() + "\nfiredrill: a\\x1b[2J\n"
	if have := b.String(); have != want {
		t.Errorf("want %q\nhave %q", want, have)
	}
	b.Reset()
	if complain(&b, &exit{statusInterrupted, nil}); b.Len() > 0 {
		t.Errorf("want nothing, have %q", b.String())
	}
}

// A terminal gets lines that fit it; what goes elsewhere is searched line by line.
func TestRemarksAreFoldedOnATerminal(t *testing.T) {
	there, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer there.Close()
	if err := unix.IoctlSetPointerInt(int(there.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(there.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer terminal.Close()
	line := strings.TrimSpace(strings.Repeat("words ", 20))
	remark(terminal, "%s", line)
	folded := "firedrill: " + strings.Repeat("words ", 11) + "\r\n  " + strings.Repeat("words ", 9) + "\r\n"
	folded = strings.ReplaceAll(folded, " \r", "\r")
	shown := make([]byte, 1000)
	n, err := io.ReadAtLeast(there, shown, len(folded)) // It comes in pieces.
	if have := string(shown[:n]); err != nil || have != folded {
		t.Errorf("have %q, %v", have, err)
	}
	var b bytes.Buffer
	if remark(&b, "%s", line); b.String() != "firedrill: "+line+"\n" {
		t.Errorf("have %q", b.String())
	}
}
