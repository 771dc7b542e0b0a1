//go:build linux

package kernel

import (
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strconv"
	"testing"
	"time"

	"firedrill/nodes"
	"firedrill/sim"
)

// bulk is a connection and a shower of datagrams between two machines, as fast as they go, with checksums and segments
// left to the card. What comes is compared byte by byte: by its hash.
type bulk struct {
	*hall
	enough     bool // the sender is to end
	sent, came [sha256.Size]byte
	bytes      int64 // of the connection, so far
	over       bool
	good, bad  int // datagrams
	broke      error
}

// Between two waits of a task nothing else runs: it is under the world's lock.
func newBulk(t *testing.T) *bulk {
	b := &bulk{hall: newHall(t)}
	b.must(b.AddMachine(sim.MachineSpec{Name: "host",
		Interfaces: []sim.Interface{{Segment: "lan", Address: prefix("10.0.0.101/24")}}}))
	for name, task := range map[string]func(nodes.Env) error{"connection": b.receive, "datagrams": b.collect} {
		b.Machine("host").Go(name, func(env nodes.Env) { b.broken(task(env)) })
	}
	b.Machine("visitor").Go("connection", func(env nodes.Env) { b.broken(b.send(env)) })
	b.Machine("visitor").Go("datagrams", func(env nodes.Env) { b.broken(b.shower(env)) })
	return b
}

func (b *bulk) broken(err error) {
	if err != nil && b.broke == nil {
		b.broke = err
	}
}

// receive takes a connection in.
func (b *bulk) receive(env nodes.Env) error {
	l, err := env.Net().ListenTCP("tcp4", &net.TCPAddr{Port: 81})
	if err != nil {
		return err
	}
	c, err := l.AcceptTCP()
	if err != nil {
		return err
	}
	hash, block := sha256.New(), make([]byte, 1<<18)
	for {
		n, err := c.Read(block)
		hash.Write(block[:n])
		b.bytes += int64(n)
		if err == io.EOF {
			b.came, b.over = [sha256.Size]byte(hash.Sum(nil)), true
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// send fills a connection with noise.
func (b *bulk) send(env nodes.Env) error {
	env.Sleep(20 * time.Millisecond)
	c, err := env.Net().DialTCP("tcp4", nil, net.TCPAddrFromAddrPort(netip.MustParseAddrPort("10.0.0.101:81")))
	if err != nil {
		return err
	}
	noise, hash, block := rand.NewChaCha8([32]byte{1}), sha256.New(), make([]byte, 1<<18)
	for !b.enough {
		_, _ = noise.Read(block) // It never fails.
		hash.Write(block)
		if _, err := c.Write(block); err != nil {
			return err
		}
	}
	b.sent = [sha256.Size]byte(hash.Sum(nil))
	return c.Close()
}

// shower sends datagrams that each begin with the hash of the rest.
func (b *bulk) shower(env nodes.Env) error {
	c, err := env.Net().DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.MustParseAddrPort("10.0.0.101:82")))
	if err != nil {
		return err
	}
	noise, data := rand.NewChaCha8([32]byte{2}), make([]byte, 1400)
	for !b.enough {
		_, _ = noise.Read(data)
		hash := sha256.Sum256(data[sha256.Size:])
		copy(data, hash[:])
		_, _ = c.Write(data) // Where nobody listens yet, it is told so.
		env.Sleep(100 * time.Microsecond)
	}
	return nil
}

// collect counts those that are as they were sent.
func (b *bulk) collect(env nodes.Env) error {
	c, err := env.Net().ListenUDP("udp4", &net.UDPAddr{Port: 82})
	if err != nil {
		return err
	}
	data := make([]byte, 1<<16)
	for {
		n, _, err := c.ReadFromUDP(data)
		if err != nil {
			return err
		}
		if hash := sha256.Sum256(data[min(n, sha256.Size):n]); n == 1400 && bytes.HasPrefix(data, hash[:]) {
			b.good++
		} else {
			b.bad++
		}
	}
}

// found is how many frames the kernel of a machine has found to be damaged.
func (b *bulk) found(machine string) (all int) {
	b.must(b.machine(machine).life.ns.Do(func() error {
		text, err := os.ReadFile("/proc/thread-self/net/snmp")
		lines := bytes.Split(text, []byte("\n"))
		for n := 0; n+1 < len(lines); n += 2 {
			values := bytes.Fields(lines[n+1])
			for column, name := range bytes.Fields(lines[n]) {
				switch string(name) {
				case "InCsumErrors", "InHdrErrors", "InAddrErrors":
					count, _ := strconv.Atoi(string(values[column]))
					all += count
				}
			}
		}
		return err
	}))
	return all
}

// A fault that corrupts frames begins and ends in the middle of a stream, three times. What is corrupted is counted and
// never comes as good data, and the stream goes on.
func TestCorruptedFramesAreNeverGoodData(t *testing.T) {
	b := newBulk(t)
	further := func(bytes int64, datagrams int) func() bool {
		bytes, datagrams = bytes+b.bytes, datagrams+b.good
		return func() bool { return b.broke != nil || b.bytes >= bytes && b.good >= datagrams }
	}
	b.until("the streams", further(64<<20, 20))
	if frames := b.lan.Late().Frames; b.bytes/int64(frames) < 3000 {
		t.Errorf("%d bytes went in %d bursts: want the segments to be left to the card", b.bytes, frames)
	}
	corrupted := int64(0)
	for range 3 {
		share := nodes.ShareAll / 20
		fault := &sim.Imposition{Condition: sim.Condition{Corrupt: &share}}
		for _, l := range b.Links("lan") {
			l.Impose(fault)
		}
		b.until("damage", func() bool { return b.broke != nil || fault.Corrupted >= 100 })
		for _, l := range b.Links("lan") {
			l.Lift(fault)
		}
		corrupted += fault.Corrupted
		b.until("the streams to go on", further(16<<20, 20))
	}
	b.enough = true
	b.until("the end", func() bool { return b.over || b.broke != nil })
	switch found := int64(b.found("host") + b.found("visitor")); {
	case b.broke != nil:
		t.Error(b.broke)
	case b.sent != b.came:
		t.Errorf("of a stream of %d bytes something came that was not sent", b.bytes)
	case b.bad > 0:
		t.Errorf("%d datagrams came that were not sent, and %d that were", b.bad, b.good)
	case found == 0 || found > corrupted:
		t.Errorf("%d frames were corrupted, the kernels found %d: want some, and no more than there were", corrupted, found)
	default:
		t.Logf("%d MB and %d datagrams as they were sent, %d frames corrupted, %d of them found by the kernels", b.bytes>>20,
			b.good, corrupted, found)
	}
}
