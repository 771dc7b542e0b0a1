//go:build linux

package kernel

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"firedrill/sim"
)

// victimKey makes the test binary a harness that plays until it is killed.
const victimKey = "FIREDRILL_TEST_VICTIM"

// beVictim says that its world stands, and goes on without end.
func beVictim() {
	if err := Enter(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	w := New(1, 1)
	err := w.AddSegment(sim.Segment{Name: "lan", Subnet: prefix("10.0.0.0/24")})
	for i, name := range []string{"one", "two", "three"} {
		if err == nil {
			err = w.AddMachine(sim.MachineSpec{Name: name, Kind: beaconKind, Config: &beaconConfig{},
				Interfaces: []sim.Interface{{Segment: "lan", Address: prefix(fmt.Sprintf("10.0.0.%d/24", i+1))}}})
		}
	}
	if err == nil {
		err = w.Run(time.Millisecond)
	}
	fmt.Println("up", err)
	_ = w.Run(time.Hour)
	os.Exit(1)
}

// possible tries what Enter needs, in a process of its own.
func possible() error {
	c := exec.Command("/proc/self/exe", "-test.run=^$")
	c.Env = append(os.Environ(), victimKey+"=")
	c.Stdout, c.Stderr = nil, nil
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET,
		UidMappings: identities(os.Geteuid()), GidMappings: identities(os.Getegid())}
	c.Args = []string{"true"}
	c.Path, _ = exec.LookPath("true")
	if err := c.Run(); err != nil {
		return fmt.Errorf("user namespaces: %w%s", err, advice(err))
	}
	return preflight()
}

// Whoever of a tree is killed, at whatever moment, nothing of it is left within a second.
func TestNothingIsLeft(t *testing.T) {
	for _, whom := range []string{"harness", "inner process", "machine"} {
		for round := range 4 {
			t.Run(fmt.Sprintf("%s %d", whom, round), func(t *testing.T) { killed(t, whom, time.Duration(round)*7*time.Millisecond) })
		}
	}
}

func killed(t *testing.T, whom string, delay time.Duration) {
	mark := fmt.Sprintf("%s=%d-%d", victimKey, os.Getpid(), time.Now().UnixNano())
	c := exec.Command("/proc/self/exe")
	c.Env = []string{mark, "PATH=" + os.Getenv("PATH")}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Wait() }()
	line, _ := bufio.NewReader(out).ReadString('\n')
	if line != "up <nil>\n" {
		t.Fatalf("the world does not stand: %q", line)
	}
	tree := marked(mark)
	if len(tree) != 5 { // The command, the root of the tree, and three machines.
		t.Fatalf("want 5 processes, have %v", tree)
	}
	time.Sleep(delay)
	victim := map[string]int{"harness": tree[0], "inner process": tree[1], "machine": tree[3]}[whom]
	if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if whom == "machine" { // The world goes on without it, until somebody ends it.
		time.Sleep(20 * time.Millisecond)
		if n := len(marked(mark)); n != 4 {
			t.Errorf("%d processes are there, want 4", n)
		}
		if err := syscall.Kill(tree[0], syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(time.Second); len(marked(mark)) > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still there after a second: %v", marked(mark))
		}
	}
}

// marked are the processes that have this in their environment, in the order of their starts. Namespaces, mounts, devices
// and sockets of the tree are held by its processes and by nothing else.
func marked(mark string) []int {
	var pids []int
	dirs, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range dirs {
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains("\x00"+string(text), "\x00"+mark+"\x00") {
			continue
		}
		var pid int
		if _, err := fmt.Sscanf(path, "/proc/%d/", &pid); err == nil {
			pids = append(pids, pid)
		}
	}
	for i := range pids { // Glob sorts them as words.
		for j := i; j > 0 && pids[j] < pids[j-1]; j-- {
			pids[j], pids[j-1] = pids[j-1], pids[j]
		}
	}
	return pids
}
