//go:build linux

package kernel

import (
	"encoding/gob"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"firedrill/nodes"
	"firedrill/sim"
	"firedrill/sim/kernel/room"
	"firedrill/sim/kernel/supervisor"
)

// birth is what the process of a machine is told first. All that it has to know is in it.
type birth struct {
	Machine  string
	Birth    int // tells the processes of a machine apart
	Kind     string
	Config   []byte // gob of what Kind.Config made
	Segments []string
	Disk     string // where the harness has mounted it
	Seed     uint64 // of the software's own random stream
	Scale    int64
	Clock    sim.ClockState
	Hosts    []string // lines of /etc/hosts

	Program *nodes.Program // in place of a kind and its config
	Memory  string         // where the harness has mounted what the machine has in memory, from boot to boot
}

// room is where the process is to live.
func (b *birth) room() *room.Room {
	return &room.Room{Machine: b.Machine, Hosts: b.Hosts, Disk: b.Disk, Memory: b.Memory, Birth: b.Birth}
}

// order is what the harness says to a process after that.
type order struct {
	Done   bool // what the process said last has been acted upon
	Go     bool // the software may run
	Epoch  int64
	Clock  *sim.ClockState // the clock was changed; Clocks says how often so far
	Clocks int
	// Of a program: it stands still with all that it started, goes on, or is asked to end.
	Hold, Resume, Leave bool
}

// word is what a process says to the harness.
type word struct {
	Ready    bool // all is set up that asks nothing of the disk: it waits for Go
	Clocked  int  // the clock is as the order with this number of Clocks has it; 0: this is no answer
	At       int64
	Fact     *nodes.Fact
	Told     []supervisor.Told // facts of a program, each with a time of its own
	Bound    *binding
	Stopped  *string // the software returned
	Panicked *string // or ended by itself; the fact has the stack
	Halt     bool
	Reboot   bool
	Failed   string // the process cannot be a machine
	Late     *delay // it was late
}

// waits reports whether the process goes on only when the harness has acted on the word.
func (w *word) waits() bool { return !w.Ready && w.Clocked == 0 && w.Late == nil }

// binding is an address that was taken or given up.
type binding struct {
	Segment, Address string
	Bound            bool
}

// line is one end of the channel between the harness and a process. Each message is written at once: a process that is killed
// between two has lost none.
type line struct {
	conn net.Conn
	in   *gob.Decoder
	out  *gob.Encoder
}

func newLine(f *os.File) (*line, error) {
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("channel to a machine: %w", err)
	}
	f.Close()
	return &line{c, gob.NewDecoder(c), gob.NewEncoder(c)}, nil
}

// pair makes both ends of a channel. The second one is for another process.
func pair() (*line, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("channel to a machine: %w", err)
	}
	ours, err := newLine(os.NewFile(uintptr(fds[0]), "channel"))
	if err != nil {
		_ = unix.Close(fds[1])
		return nil, nil, err
	}
	return ours, os.NewFile(uintptr(fds[1]), "channel"), nil
}

// monotonic is CLOCK_MONOTONIC, which all processes of a host share, in ns.
func monotonic() int64 {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // It cannot fail for this clock.
	return t.Nano()
}

// elapsed is the true time at a moment of CLOCK_MONOTONIC.
func elapsed(at, epoch, scale int64) time.Duration { return time.Duration((at - epoch) * scale) }
