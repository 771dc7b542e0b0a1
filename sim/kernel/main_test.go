//go:build linux

package kernel

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"firedrill/nodes"
	"firedrill/sim"
	"firedrill/sim/internal/conform"
)

func TestMain(m *testing.M) {
	Host(beaconKind, conform.DrillKind)
	if acts := os.Getenv(actKey); acts != "" {
		perform(acts)
	}
	if os.Getenv(entering) != "" {
		if err := Enter(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if !Inside() {
		if err := possible(); err != nil {
			fmt.Println("SKIP: the kernel world cannot be played here:", err)
			os.Exit(0)
		}
	}
	if err := Enter(); err != nil {
		fmt.Println("FAIL:", err)
		os.Exit(1)
	}
	if err := showOurselves(); err != nil {
		fmt.Println("FAIL:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// possible tries what Enter needs, in a process of its own.
func possible() error {
	c := exec.Command("true")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET,
		UidMappings: identities(os.Geteuid()), GidMappings: identities(os.Getegid())}
	if err := c.Run(); err != nil {
		return fmt.Errorf("user namespaces: %w%s", err, advice(err, "/proc/sys"))
	}
	return preflight()
}

// beacon is software that answers over TCP and UDP, counts its starts on its disk, and says so.
type beacon struct{ config *beaconConfig }

type beaconConfig struct {
	Greeting string `yaml:"greeting" doc:"what it says"`
	Address  string `yaml:"address" doc:"an address that it binds"`
}

var beaconKind = &nodes.Kind{Name: "beacon", Config: func() any { return new(beaconConfig) },
	New: func(config any) nodes.Node { return &beacon{config.(*beaconConfig)} }}

// hall is a world of beacons on one segment, with a visitor that has no software.
type hall struct {
	*World
	t *testing.T
}

func newHall(t *testing.T, names ...string) *hall {
	t.Helper()
	h := &hall{New(1, 1), t}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	h.must(h.AddSegment(sim.Segment{Name: "lan", Subnet: prefix("10.0.0.0/24")}))
	for i, name := range names {
		h.must(h.AddMachine(sim.MachineSpec{Name: name, Kind: beaconKind, Config: &beaconConfig{Greeting: "hello from " + name},
			Interfaces: []sim.Interface{{Segment: "lan", Address: prefix(fmt.Sprintf("10.0.0.%d/24", i+1))}},
			Start:      time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)}))
	}
	h.must(h.AddMachine(sim.MachineSpec{Name: "visitor",
		Interfaces: []sim.Interface{{Segment: "lan", Address: prefix("10.0.0.100/24")}}}))
	return h
}

func (h *hall) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// until runs the world until a condition holds.
func (h *hall) until(what string, holds func() bool) {
	h.t.Helper()
	h.within(20*time.Second, what, holds)
}

// within is until for what may take long.
func (h *hall) within(patience time.Duration, what string, holds func() bool) {
	h.t.Helper()
	for limit := h.Now() + patience; !holds(); {
		if h.Now() > limit {
			h.t.Fatalf("waited in vain for %s; so far:\n%s", what, h.story())
		}
		h.must(h.World.Run(h.Now() + 2*time.Millisecond))
	}
}

// noted counts the facts of this name that a machine has noted.
func (h *hall) noted(machine, name string) int {
	n := 0
	for _, e := range h.Trace().Events() {
		if e.Machine == machine && e.Name == name {
			n++
		}
	}
	return n
}

func (h *hall) story() string {
	text := ""
	for _, e := range h.Trace().Events() {
		text += fmt.Sprintf("%v %s %s %s %s\n", e.At, e.Machine, e.Name, e.Value, e.Attrs)
	}
	return text
}
