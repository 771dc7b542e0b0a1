//go:build linux

package kernel

import (
	"fmt"
	"strings"
	"testing"

	"firedrill/nodes"
	"firedrill/sim"
)

var programKind = &nodes.Kind{Name: "program", Config: func() any { return new(nodes.Program) },
	Program: func(config any) nodes.Program { return *config.(*nodes.Program) }}

// script is a program of the shell.
func script(text string) nodes.Program { return nodes.Program{Command: []string{"sh", "-c", text}} }

// newShop is a world of machines with programs, named one, two and so on.
func newShop(t *testing.T, programs ...nodes.Program) *hall {
	t.Helper()
	h := newHall(t)
	for i, p := range programs {
		h.must(h.AddMachine(sim.MachineSpec{Name: []string{"one", "two", "three"}[i], Kind: programKind, Config: &p,
			Interfaces: []sim.Interface{{Segment: "lan", Address: prefix(fmt.Sprintf("10.0.0.%d/24", i+1))}}}))
	}
	return h
}

// said waits for a line of a machine's output.
func (h *hall) said(machine, line string) {
	h.t.Helper()
	h.until("the line "+line, func() bool {
		for _, e := range h.Trace().Events() {
			if e.Machine == machine && e.Name == sim.FactLogLine && e.Value == line {
				return true
			}
		}
		return false
	})
}

// value is that of the last fact of this name.
func (h *hall) value(machine, name string) string {
	value := ""
	for _, e := range h.Trace().Events() {
		if e.Machine == machine && e.Name == name {
			value = e.Value
		}
	}
	return value
}

// A program finds the names of the world and its files, is root, and what it writes is told and kept.
func TestProgram(t *testing.T) {
	p := script("hostname; id -u; grep -c 10.0.0.2 /etc/hosts; cat /etc/hostname /etc/deep/down/file; pwd; echo $HOME $WORD; " +
		"echo an error >&2; sleep 0.1; exit 3")
	p.Files = map[string]string{"/etc/deep/down/file": "a file\n"}
	p.Environment = map[string]string{"WORD": "a word"}
	h := newShop(t, p, script("exec sleep 100"))
	h.until("its end", func() bool { return h.noted("one", sim.FactStopped) == 1 })
	var lines []string
	for _, e := range h.Trace().Events() {
		if e.Machine == "one" && e.Name == sim.FactLogLine {
			lines = append(lines, e.Value)
		}
	}
	const want = "one 0 1 one a file /srv /run/home a word an error"
	if have := strings.Join(lines, " "); have != want {
		t.Errorf("it says %q", have)
	}
	if have := h.value("one", sim.FactStopped); have != "exit status 3" {
		t.Errorf("it ended with %q", have)
	}
	if h.noted("one", nodes.FactReady) != 1 || h.noted("two", nodes.FactReady) != 1 {
		t.Errorf("want one ready each:\n%s", h.story())
	}
	h.must(h.Close())
	if text := string(h.Logs()["one"]); !strings.Contains(text, "\nan error\n=== 0.1") {
		t.Errorf("its log has\n%s", text)
	}
}
