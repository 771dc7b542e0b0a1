//go:build linux

package lan

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"firedrill/nodes"
	"firedrill/sim"
)

// pair is two machines that know each other, with a UDP socket each.
func pair(t *testing.T) (r *rig, a, b *machine, ua, ub *net.UDPConn) {
	t.Helper()
	r = newRig(t, 2, sim.Condition{})
	a, b = r.machines["a"], r.machines["b"]
	ua, ub = a.listen(9), b.listen(9)
	meet(t, ua, ub, a, b)
	return r, a, b, ua, ub
}

// shower sends datagrams with a number in each, and returns the numbers in the order in which they came.
func shower(t *testing.T, ua, ub *net.UDPConn, b *machine, n int) (came []int) {
	t.Helper()
	check(t, ub.SetReadBuffer(4<<20))
	for i := range n {
		if _, err := ua.WriteTo([]byte(strconv.Itoa(i)), b.at(9)); err != nil {
			t.Fatal(err)
		}
	}
	for {
		got := hears(t, ub, 10*silence) // The switch may be late.
		if got == "" {
			return came
		}
		came = append(came, must(strconv.Atoi(got))(t))
	}
}

const half = nodes.ShareAll / 2

// What is lost and what comes are all that was sent, and a share of 30 % is one.
func TestLossShare(t *testing.T) {
	r, _, b, ua, ub := pair(t)
	i, _ := r.impose("a", "b", sim.Condition{Loss: ptr(nodes.ShareAll * 3 / 10), Frames: []string{"udp"}})
	came := len(shower(t, ua, ub, b, 2000))
	r.lock.Lock()
	defer r.lock.Unlock()
	if came+int(i.Lost) != 2000 || r.Late().Dropped > 0 {
		t.Errorf("of 2000 came %d, lost %d, the kernel dropped %d", came, i.Lost, r.Late().Dropped)
	}
	if i.Lost < 500 || i.Lost > 700 { // Five standard deviations and more.
		t.Errorf("of 2000 at 30 %%: lost %d", i.Lost)
	}
}

func TestDuplicate(t *testing.T) {
	r, _, b, ua, ub := pair(t)
	r.impose("a", "b", sim.Condition{Duplicate: ptr(nodes.ShareAll)})
	came := shower(t, ua, ub, b, 50)
	slices.Sort(came)
	for n := range 50 {
		if len(came) != 100 || came[2*n] != n || came[2*n+1] != n {
			t.Fatalf("want each twice, have %v", came)
		}
	}
}

// Frames that overtake take half the latency; none is lost by it.
func TestReorder(t *testing.T) {
	r, _, b, ua, ub := pair(t)
	i, _ := r.impose("a", "b", sim.Condition{Reorder: ptr(half), Latency: ptr(silence)})
	came := shower(t, ua, ub, b, 100)
	if len(came) != 100 || slices.IsSorted(came) {
		t.Errorf("want all, and not in order, have %v", came)
	}
	r.lock.Lock()
	defer r.lock.Unlock()
	if i.Overtaking < 20 || i.Overtaking > 80 {
		t.Errorf("of 100 at 50 %%: %d overtook", i.Overtaking)
	}
}

// No frame is early, and the middle one is late by no more than the switch says of itself: the quickest of some rounds, since who
// measures it may wait for a processor too.
func TestLatency(t *testing.T) {
	r, a, b, _, _ := pair(t)
	const latency = 20 * time.Millisecond
	r.impose("a", "b", sim.Condition{Latency: ptr(latency)})
	limit, middle := time.Duration(0), time.Hour
	for rounds := 0; rounds < 5 && middle > limit; rounds++ {
		all := roundTrips(t, a, b, 50)
		if all[0] < latency {
			t.Errorf("want no less than %v, have %v", latency, all[0])
		}
		limit, middle = latency+latency/20+2*r.Late().Worst, min(middle, median(all))
	}
	if middle > limit {
		t.Errorf("want the median within %v, have %v", limit, middle)
	}
}

// Where time runs faster, latencies are shorter: of ten times as fast, a second is a tenth of one, and never less.
func TestScale(t *testing.T) {
	const latency, scale = time.Second, 10
	start := time.Now()
	r := newScaledRig(t, 2, sim.Condition{Latency: ptr(latency)}, scale, func() time.Duration { return scale * time.Since(start) })
	a, b := r.machines["a"], r.machines["b"]
	ua, ub := a.listen(9), b.listen(9)
	var sent []time.Time
	for quickest := patience; quickest >= latency; {
		if time.Since(start) > 2*patience {
			t.Fatalf("want less than %v, have %v", latency, quickest)
		}
		sent = append(sent, time.Now())
		ua.WriteTo([]byte(strconv.Itoa(len(sent)-1)), b.at(9)) // A kernel that hears of no answer by ARP soon drops it.
		if got := hears(t, ub, 2*latency); got != "" {
			took := time.Since(sent[must(strconv.Atoi(got))(t)])
			if took < latency/scale {
				t.Errorf("want no less than %v, have %v", latency/scale, took)
			}
			quickest = min(quickest, took)
		}
	}
}

// A corrupted datagram never comes, and neither does a corrupted question of ARP, which no checksum of its own guards.
func TestCorruptNeverComes(t *testing.T) {
	r, a, b, ua, ub := pair(t)
	i, lift := r.impose("a", "b", sim.Condition{Corrupt: ptr(nodes.ShareAll)})
	if came := shower(t, ua, ub, b, 200); len(came) > 0 {
		t.Errorf("want none, have %v", came)
	}
	if wrong := b.snmp("Udp: InCsumErrors", "Ip: InHdrErrors", "Ip: InAddrErrors"); wrong == 0 {
		t.Error("the receiver's kernel has seen no wrong checksum: nothing was carried")
	}
	a.answered(b.addr) // Nobody understands.
	lift()
	a.answered(b.addr, "b")
	r.lock.Lock()
	defer r.lock.Unlock()
	if i.Corrupted < 200 {
		t.Errorf("want 200 counted, have %d", i.Corrupted)
	}
}

// snmp adds up counters of the machine's kernel, each named by its line and its column in /proc/net/snmp.
func (m *machine) snmp(names ...string) (total int) {
	t := m.rig.t
	t.Helper()
	text := must(in(m, func() ([]byte, error) { return os.ReadFile("/proc/thread-self/net/snmp") }))(t)
	for _, name := range names {
		line, column, _ := bytes.Cut([]byte(name), []byte(": "))
		rows := regexp.MustCompile(`(?m)^`+string(line)+`: .*$`).FindAll(text, -1)
		n := slices.IndexFunc(bytes.Fields(rows[0]), func(f []byte) bool { return bytes.Equal(f, column) })
		total += must(strconv.Atoi(string(bytes.Fields(rows[1])[n])))(t)
	}
	return total
}

// A fault that corrupts begins and ends again and again in the middle of a stream that goes as bursts, checksums left to the
// switch. All that comes is what was sent.
func TestCorruptInMidStream(t *testing.T) {
	r, a, b, _, _ := pair(t)
	sums := make(chan [32]byte, 1)
	var came atomic.Int64
	b.serve(80, func(c net.Conn) {
		h := sha256.New()
		io.Copy(h, io.TeeReader(c, counter{&came}))
		sums <- [32]byte(h.Sum(nil))
	})
	c := must(a.dial(b.addr, 80, patience))(t)
	h, enough, sent := sha256.New(), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(sent)
		defer c.Close()
		block := make([]byte, 1<<20)
		rand.NewChaCha8([32]byte{1}).Read(block)
		for {
			if _, err := c.Write(block); err != nil {
				t.Error(err)
				return
			}
			h.Write(block)
			select {
			case <-enough:
				return
			default:
			}
		}
	}()
	corrupted := 0
	for range 7 {
		before := came.Load()
		r.until("want the stream to go on", func() bool { return came.Load() > before+16<<20 })
		i, lift := r.impose("", "", sim.Condition{Corrupt: ptr(nodes.ShareAll / 50)})
		time.Sleep(20 * time.Millisecond)
		r.until("want frames in mid-stream", func() bool { return i.Corrupted > 0 })
		lift()
		r.lock.Lock()
		corrupted += int(i.Corrupted)
		r.lock.Unlock()
	}
	close(enough)
	<-sent
	if got := <-sums; got != [32]byte(h.Sum(nil)) {
		t.Errorf("what came is not what was sent, after %d bytes", came.Load())
	}
	found := a.snmp("Tcp: InCsumErrors", "Ip: InHdrErrors", "Ip: InAddrErrors") +
		b.snmp("Tcp: InCsumErrors", "Ip: InHdrErrors", "Ip: InAddrErrors")
	if corrupted == 0 || found == 0 || found > corrupted {
		t.Errorf("%d frames were corrupted, the kernels have found %d: want some, and no more than there were", corrupted, found)
	}
}

type counter struct{ n *atomic.Int64 }

func (c counter) Write(b []byte) (int, error) {
	c.n.Add(int64(len(b)))
	return len(b), nil
}

// A megabyte over 16 Mbit/s takes half a second at least, however it is sent, and what finds no room in the queue is lost.
func TestBandwidth(t *testing.T) {
	r, a, b, ua, _ := pair(t)
	i, lift := r.impose("a", "b", sim.Condition{Bandwidth: ptr(nodes.Bandwidth(16_000_000))})
	done := make(chan int64, 1)
	b.serve(80, func(c net.Conn) {
		n, _ := io.Copy(io.Discard, c)
		done <- n
	})
	start := time.Now()
	c := must(a.dial(b.addr, 80, patience))(t)
	c.Write(make([]byte, 1<<20))
	c.Close()
	if n, took := <-done, time.Since(start); n != 1<<20 || took < 500*time.Millisecond {
		t.Errorf("want a megabyte in half a second or more, have %d bytes in %v", n, took)
	}
	lift()
	r.lock.Lock()
	if i.Delayed < 700 {
		t.Errorf("want each of 720 frames delayed, have %d", i.Delayed)
	}
	r.lock.Unlock()
	i, _ = r.impose("a", "b", sim.Condition{Bandwidth: ptr(nodes.Bandwidth(1_000_000))})
	start = time.Now()
	for range 1500 { // 1049 full frames fit into the queue: that is how many of these keep the port as busy.
		ua.WriteTo(make([]byte, 1400), b.at(9))
	}
	r.until("want 1500 frames sent", func() bool { return i.Delayed+i.Lost >= 1500 })
	gone := int64(time.Since(start) / (11 * time.Millisecond)) // Each takes that, and makes room for another one.
	r.lock.Lock()
	defer r.lock.Unlock()
	if i.Lost < 1500-1100-gone || i.Lost > 1500-1000 || r.Late().Dropped > 0 {
		t.Errorf("of 1500 %d were lost while %d went, dropped %d", i.Lost, gone, r.Late().Dropped)
	}
}

// A refusal is told at once: to who connects, to who is connected, and to who sends datagrams.
func TestRefuse(t *testing.T) {
	for _, one := range []struct {
		how                 sim.Refusal
		dial, sent, working error
	}{
		{sim.RefuseReset, syscall.ECONNREFUSED, syscall.ECONNREFUSED, syscall.ECONNRESET},
		// Linux tells it to none but who connects: to the others it may be a passing trouble.
		{sim.RefuseUnreachable, syscall.EHOSTUNREACH, os.ErrDeadlineExceeded, os.ErrDeadlineExceeded},
	} {
		t.Run(string(one.how), func(t *testing.T) {
			r, a, b, _, _ := pair(t)
			b.serve(80, echo)
			before := must(a.dial(b.addr, 80, patience))(t)
			defer before.Close()
			before.SetReadDeadline(time.Now().Add(patience))
			must(before.Write([]byte("x")))(t)
			must(before.Read(make([]byte, 1)))(t) // All of its beginning has passed.
			datagrams := must(in(a, func() (net.Conn, error) { return net.Dial("udp4", b.at(9).String()) }))(t)
			defer datagrams.Close()
			i, lift := r.impose("a", "b", sim.Condition{Refuse: one.how})
			if c, err := a.dial(b.addr, 80, patience); !errors.Is(err, one.dial) {
				t.Errorf("dial: want %v, have %v, %v", one.dial, c, err)
			}
			waits := func(c net.Conn, want error) {
				wait := patience
				if errors.Is(want, os.ErrDeadlineExceeded) {
					wait = 2 * silence
				}
				c.SetReadDeadline(time.Now().Add(wait))
			}
			datagrams.Write([]byte("x"))
			waits(datagrams, one.sent)
			if _, err := datagrams.Read(make([]byte, 1)); !errors.Is(err, one.sent) {
				t.Errorf("datagram: want %v, have %v", one.sent, err)
			}
			_, err := before.Write([]byte("x"))
			if err == nil { // It had nothing else to send until now, such as the acknowledgement of what came.
				waits(before, one.working)
				_, err = before.Read(make([]byte, 1))
			}
			if !errors.Is(err, one.working) {
				t.Errorf("connection: want %v, have %v", one.working, err)
			}
			if told := a.snmp("Icmp: InDestUnreachs"); told == 0 {
				t.Error("want the kernel to have been told by ICMP")
			}
			lift()
			c := must(a.dial(b.addr, 80, patience))(t)
			c.Close()
			r.lock.Lock()
			defer r.lock.Unlock()
			if i.Refused < 3 {
				t.Errorf("want three and more refused, have %d", i.Refused)
			}
		})
	}
}

// A fault can choose frames: without gratuitous ARP the neighbours go on, and without a port the others do.
func TestChosenFrames(t *testing.T) {
	r, a, b, ua, ub := pair(t)
	other := b.listen(10)
	i, _ := r.impose("a", "b", sim.Condition{Cut: true, Frames: []string{"udp/10", "gratuitous-arp"}})
	ua.WriteTo([]byte("lost"), b.at(10))
	ua.WriteTo([]byte("there"), b.at(9))
	if got := hears(t, ub, patience); got != "there" {
		t.Errorf("port 9: want there, have %q", got)
	}
	if got := hears(t, other, silence); got != "" {
		t.Errorf("port 10: want nothing, have %q", got)
	}
	a.announce(a.addr)
	a.answered(b.addr, "b") // Ordinary ARP passes.
	r.lock.Lock()
	defer r.lock.Unlock()
	if i.Lost != 2 {
		t.Errorf("want the datagram and the announcement lost, have %s", fmt.Sprint(i.Lost))
	}
}
