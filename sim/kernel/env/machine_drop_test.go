//go:build linux

package env

import (
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"

	"firedrill/nodes"
	"firedrill/sim"
)

var loopback = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}

// must ends a task whose scenery does not stand.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// descriptors is how many files and sockets this process has open.
func descriptors(t testing.TB) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// Whatever a task waits for, Stop ends it there: what it deferred is done, with the turn held, any call of the Env in that unwinds
// again, and nothing stays open.
func TestStopEndsEveryWait(t *testing.T) {
	before := descriptors(t)
	disk := sim.NewDisk(sim.DiskSpec{}, nil)
	hang := sim.DiskCondition{How: sim.DiskHang}
	m := newMachine(t, func(_ *machine, c *Config) { c.Root, c.Disk = "", disk.Fs })
	waits := map[string]func(nodes.Env){
		"a sleep":  func(env nodes.Env) { env.Sleep(time.Hour) },
		"a signal": func(env nodes.Env) { env.NewSignal().Wait(-1) },
		"a client": func(env nodes.Env) { _, _ = must(env.Net().ListenTCP("tcp4", loopback)).Accept() },
		"a datagram": func(env nodes.Env) {
			_, _, _ = must(env.Net().ListenUDP("udp4", &net.UDPAddr{IP: loopback.IP})).ReadFromUDP(make([]byte, 9))
		},
		"bytes": func(env nodes.Env) {
			l := must(env.Net().ListenTCP("tcp4", loopback))
			_, _ = must(env.Net().Dial("tcp4", l.Addr().String())).Read(make([]byte, 9))
		},
		"room to write": func(env nodes.Env) {
			l := must(env.Net().ListenTCP("tcp4", loopback))
			_, _ = must(env.Net().Dial("tcp4", l.Addr().String())).Write(make([]byte, 64<<20))
		},
		"a connection": func(env nodes.Env) {
			l := must(env.Net().ListenTCP("tcp4", loopback))
			if err := shorten(l); err != nil {
				panic(err)
			}
			for { // The third one or so finds the backlog full, and asks again for two minutes.
				must(env.Net().Dial("tcp4", l.Addr().String()))
			}
		},
		"a disk": func(env nodes.Env) { _, _ = env.Disk().Stat("/") },
	}
	disk.Impose(&sim.DiskImposition{DiskCondition: hang})
	waiting, unwound := 0, 0
	for name, wait := range waits {
		m.Go(name, func(env nodes.Env) {
			defer func() { unwound++ }()
			defer func() {
				_ = recover()
				env.Sleep(0)
				t.Errorf("%s: a dropped task got through a sleep", name)
			}()
			waiting++
			wait(env)
			t.Errorf("%s: this is not reached", name)
		})
	}
	m.until(t, "all to wait", func() bool { return waiting == len(waits) })
	time.Sleep(100 * time.Millisecond) // Until the backlog and the buffers are full, which nothing tells.
	m.locked(func() {
		if unwound > 0 {
			t.Errorf("%d did not wait", unwound)
		}
		m.Stop()
		m.Stop() // Once is enough.
	})
	m.end(t)
	if unwound != len(waits) {
		t.Errorf("%d of %d tasks have unwound", unwound, len(waits))
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d files and sockets were open before, %d are now", before, after)
	}
	m.locked(func() { m.Go("late", func(nodes.Env) { t.Error("a task begins on a machine that was stopped") }) })
	m.end(t)
}

// until waits for what tasks bring about.
func (m *machine) until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for limit := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		over := false
		m.locked(func() { over = holds() })
		if over {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("waits in vain for %s", what)
		}
	}
}

// A task that the kernel holds in a system call unwinds when that returns, and what it has opened is closed.
func TestStopDoesNotWaitForTheKernel(t *testing.T) {
	root := t.TempDir()
	if err := unix.Mkfifo(root+"/pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	before := descriptors(t)
	m := newMachine(t, func(_ *machine, c *Config) { c.Root = root })
	begun, unwound := false, false
	m.Go("opens", func(env nodes.Env) {
		defer func() { unwound = true }()
		begun = true
		_, _ = env.Disk().Open("/pipe") // Until somebody opens it to write.
		t.Error("this is not reached")
	})
	m.until(t, "the task", func() bool { return begun })
	m.locked(m.Stop)
	m.locked(func() {
		if unwound {
			t.Error("it did not wait")
		}
	})
	w, err := os.OpenFile(root+"/pipe", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	m.end(t)
	w.Close()
	if after := descriptors(t); !unwound || after > before {
		t.Errorf("unwound: %t; %d files were open before, %d are now", unwound, before, after)
	}
}

// A panic ends the software, and says where it was.
func TestPanic(t *testing.T) {
	m := newMachine(t, nil)
	port, dropped := "", 0
	err := m.Run(software(func(env nodes.Env) error {
		defer func() { dropped++ }()
		port = must(env.Net().ListenTCP("tcp4", loopback)).Addr().String()
		env.Go("other", func() {
			defer func() { dropped++ }()
			env.NewSignal().Wait(-1)
		})
		env.Go("careless", func() {
			defer func() { dropped++ }()
			stumble(env)
		})
		env.Sleep(time.Hour)
		return nil
	}))
	m.Wait()
	if !errors.Is(err, ErrDropped) || dropped != 3 {
		t.Errorf("want 3 tasks dropped and %v, have %d and %v", ErrDropped, dropped, err)
	}
	if len(m.panics) != 1 || !strings.HasPrefix(m.panics[0], "careless: over the doorstep\n") ||
		!strings.Contains(m.panics[0], "env.stumble") {
		t.Errorf("have %q", m.panics)
	}
	if c, err := net.Dial("tcp4", port); err == nil {
		c.Close()
		t.Error("software that is gone still listens")
	}
}

func stumble(env nodes.Env) {
	env.Sleep(time.Millisecond)
	panic("over the doorstep")
}

// What is nil in the hands of package net is a panic of the task that passed it, also where others run meanwhile.
func TestPanicWhileItGivesWay(t *testing.T) {
	m := newMachine(t, func(_ *machine, c *Config) { c.Root, c.Disk = "", func(sim.Pacer) afero.Fs { return nil } })
	err := m.Run(software(func(env nodes.Env) error {
		_, err := (&tcpConn{socket: &socket{m: m.Machine}}).Read(nil)
		return err
	}))
	m.Wait()
	if !errors.Is(err, ErrDropped) || len(m.panics) != 1 {
		t.Errorf("have %v and %q", err, m.panics)
	}
}

// Halt takes the machine off the network before its sockets are closed, or peers would see them close.
func TestHaltClosesWhenTheMachineIsOff(t *testing.T) {
	m := newMachine(t, nil)
	port := ""
	m.c.Halt = func(reboot bool) {
		m.halted = append(m.halted, reboot)
		if c, err := net.Dial("tcp4", port); err != nil {
			t.Errorf("the port is closed before the machine is off: %v", err)
		} else {
			c.Close()
		}
	}
	err := m.Run(software(func(env nodes.Env) error {
		port = must(env.Net().ListenTCP("tcp4", loopback)).Addr().String()
		env.Halt(true)
		t.Error("Halt returns")
		return nil
	}))
	m.end(t)
	if !errors.Is(err, ErrDropped) || !slices.Equal(m.halted, []bool{true}) {
		t.Errorf("want one reboot and %v, have %v and %v", ErrDropped, m.halted, err)
	}
	if c, err := net.Dial("tcp4", port); err == nil {
		c.Close()
		t.Error("the port is open after Halt")
	}
}

// Software that starts again can listen where it listened before, though connections of the last one still linger.
func TestListenAgainAfterStop(t *testing.T) {
	var port *net.TCPAddr
	for range 3 {
		m := newMachine(t, nil)
		if err := m.Run(software(func(env nodes.Env) error {
			at := port
			if at == nil {
				at = loopback
			}
			l, err := env.Net().ListenTCP("tcp4", at)
			if err != nil {
				return err
			}
			port = l.Addr().(*net.TCPAddr)
			client := must(net.DialTCP("tcp4", nil, port))
			t.Cleanup(func() { client.Close() }) // Half of the connection outlives the software.
			_, err = l.Accept()
			return err
		})); err != nil {
			t.Fatal(err)
		}
		m.end(t)
	}
}

// While a machine is paused no task runs; what fell due meanwhile comes after it.
func TestPause(t *testing.T) {
	m := newMachine(t, nil)
	count := 0
	m.Go("counts", func(env nodes.Env) {
		for {
			count++
			env.Sleep(time.Millisecond)
		}
	})
	m.until(t, "a count", func() bool { return count > 3 })
	paused := 0
	m.locked(func() { m.Pause(); paused = count })
	time.Sleep(30 * time.Millisecond)
	m.locked(func() {
		if count != paused {
			t.Errorf("it counted on from %d to %d", paused, count)
		}
		m.Resume()
	})
	m.until(t, "it to go on", func() bool { return count > paused+3 })
	m.locked(func() { m.Pause(); m.Stop() }) // A stop ends a pause, or nothing would unwind.
	m.end(t)
}

// Machines that share the turn never run at the same time, nor beside whoever else holds it; the race detector is the judge.
func TestSharedTurn(t *testing.T) {
	one := newMachine(t, nil)
	two := newMachine(t, func(_ *machine, c *Config) { c.Lock = &one.lock })
	count := 0
	for _, m := range []*machine{one, two} {
		for range 3 {
			m.Go("counts", func(env nodes.Env) {
				for range 200 {
					before := count
					env.Uptime()
					count = before + 1
					env.Sleep(0)
				}
			})
		}
	}
	for range 100 {
		one.locked(func() { count++ })
	}
	one.until(t, "all to count", func() bool { return count == 1300 })
	one.locked(func() { one.Stop(); two.Stop() })
	one.end(t)
	two.end(t)
}

// Steps that wait for a fact act before Note returns, and may drop the very task that notes it.
func TestNoteMayDropItsTask(t *testing.T) {
	m := newMachine(t, nil)
	m.c.Note = func(f nodes.Fact) {
		if f.Name == "over" {
			m.Stop()
		}
	}
	err := m.Run(software(func(env nodes.Env) error {
		env.Note(nodes.Fact{Name: "begun"})
		env.Log().With("a", 1).WithGroup("g").Warn("careful", "b", 2)
		env.Log().Debug("not worth a line")
		env.Note(nodes.Fact{Name: "over"})
		t.Error("this is not reached")
		return nil
	}))
	m.end(t)
	if !errors.Is(err, ErrDropped) || len(m.lines) != 1 || m.lines[0] != "warn careful [{a 1} {g.b 2}]" {
		t.Errorf("have %v and %q", err, m.lines)
	}
}

// What software returns is what Run returns.
func TestRunReturnsWhatTheSoftwareDoes(t *testing.T) {
	for _, want := range []error{nil, errors.New("out of luck")} {
		m := newMachine(t, nil)
		if have := m.Run(software(func(nodes.Env) error { return want })); have != want {
			t.Errorf("want %v, have %v", want, have)
		}
		m.end(t)
	}
}
