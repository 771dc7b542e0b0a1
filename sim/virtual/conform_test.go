//go:build linux

package virtual

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pion/transport/v3"

	"firedrill/nodes"
	"firedrill/sim"
)

// row is one thing that software can find out about the machine that it runs on. It is played by two machines, or by one,
// on the virtual world and on the operating system, and what the software sees has to be the same.
type row struct {
	name           string
	server, client func(*side)
	alone          func(*side)

	// Where the two differ on purpose, reason says why, and virtual and linux are what each of them shows.
	reason, virtual, linux string
	// unlike names what the twin cannot play. Such a row has the result virtual, and no other.
	unlike string
	// once is for what takes long: it is played with one seed only.
	once bool
}

// table is every row, in the order in which they are documented by testdata/conformance.golden.
func table() []row {
	return slices.Concat(connectRows, listenRows, deadlineRows, closeRows, resetRows, streamRows, datagramRows, datagramErrorRows,
		diskRows, diskErrorRows, taskRows, signalRows, kernelRows)
}

// TestConformance plays the table. Whatever the seed, the virtual world has to show what Linux shows.
func TestConformance(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o022)) // That of the virtual machines.
	var golden bytes.Buffer
	// Two test runs must not meet.
	draw := rand.New(rand.NewPCG(uint64(os.Getpid()), uint64(time.Now().UnixNano())))
	network := uint32(127<<24 | (1+draw.IntN(250))<<16 | draw.IntN(250)<<8)
	names := map[string]bool{}
	agree, explained, alone := 0, 0, 0
	for i, r := range table() {
		if names[r.name] {
			t.Errorf("two rows are called %q", r.name)
		}
		names[r.name] = true
		t.Run(r.name, func(t *testing.T) {
			virtual := r.onVirtual(t)
			fmt.Fprintf(&golden, "# %s\n%s", r.name, virtual)
			if r.unlike != "" {
				alone++
				t.Logf("only in the virtual world: %s", r.unlike)
				differ(t, "virtual world", virtual, r.virtual)
				return
			}
			linux := r.onTwin(t, network+uint32(2*i+1))
			switch {
			case virtual == "" || strings.Contains(virtual, inVain):
				t.Errorf("nothing is shown:\n%s", virtual)
			case r.reason == "" && virtual == linux:
				agree++
			case r.reason == "":
				t.Errorf("they differ\nvirtual world:\n%slinux:\n%s", virtual, linux)
			case virtual == linux:
				t.Errorf("they agree now, and are said to differ because %s:\n%s", r.reason, virtual)
			default:
				explained++
				t.Logf("they differ: %s\nvirtual world:\n%slinux:\n%s", r.reason, virtual, linux)
				differ(t, "virtual world", virtual, r.virtual)
				differ(t, "linux", linux, r.linux)
				fmt.Fprintf(&golden, "linux, which differs: %s\n%s", r.reason, linux)
			}
			golden.WriteByte('\n')
		})
	}
	t.Logf("%d rows: %d agree, %d differ for a reason, %d are of the virtual world alone", len(table()), agree, explained, alone)
	if !t.Failed() && agree+explained+alone == len(table()) {
		compareGolden(t, "testdata/conformance.golden", golden.Bytes())
	}
}

func differ(t *testing.T, who, have, want string) {
	t.Helper()
	if have = strings.TrimSpace(have); have != strings.TrimSpace(want) {
		t.Errorf("%s: have\n%s\nwant\n%s", who, have, want)
	}
}

func compareGolden(t *testing.T, path string, have []byte) {
	t.Helper()
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, have, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(have, want) {
		t.Errorf("%s is stale, have:\n%s", path, have)
	}
}

// onVirtual plays the row with several seeds, which must not matter.
func (r row) onVirtual(t *testing.T) string {
	t.Helper()
	addresses := [2]netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")}
	first := ""
	for seed := uint64(1); seed <= 10; seed++ {
		b, parts := r.cast(addresses)
		w := newPair(t, seed, parts[0], parts[1])
		for _, l := range w.Links("lan") { // Loopback keeps the order of datagrams.
			l.Impose(&sim.Imposition{Condition: sim.Condition{Jitter: new(time.Duration)}})
		}
		w.OnFact(func(e sim.Event) bool { return e.Name == sim.FactPanicked },
			func(e sim.Event) { t.Errorf("virtual world, seed %d: %s: %s %v", seed, e.Machine, e.Value, e.Attrs) })
		if err := w.Run(10 * time.Minute); err != nil {
			t.Fatal(err)
		}
		for i, m := range w.Machines() {
			if parts[i] != nil && m.State() == sim.StateUp {
				t.Errorf("virtual world, seed %d: machine %s does not come to an end", seed, m.Name())
			}
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		switch shown := b.shown(); {
		case seed == 1:
			first = shown
		case shown != first:
			t.Errorf("virtual world: seed 1 shows\n%sseed %d shows\n%s", first, seed, shown)
		}
		if r.once {
			break
		}
	}
	return first
}

// onTwin plays the row on two addresses of the loopback interface.
func (r row) onTwin(t *testing.T, address uint32) string {
	t.Helper()
	var addresses [2]netip.Addr
	for i := range addresses {
		a := address + uint32(i)
		addresses[i] = netip.AddrFrom4([4]byte{byte(a >> 24), byte(a >> 16), byte(a >> 8), byte(a)})
	}
	b, parts := r.cast(addresses)
	var both sync.WaitGroup
	var twins []*twin
	for i, part := range parts {
		if part == nil {
			continue
		}
		dir := t.TempDir()
		b.roots = append(b.roots, dir)
		m := newTwin(addresses[i], dir, uint64(i))
		twins = append(twins, m)
		both.Go(func() { m.run(part) })
	}
	over := make(chan struct{})
	go func() { both.Wait(); close(over) }()
	select {
	case <-over:
	case <-time.After(time.Minute):
		t.Fatalf("linux: this does not come to an end; so far it shows\n%s", b.shown())
	}
	for _, m := range twins {
		for _, p := range m.panics {
			t.Errorf("linux: %s", p)
		}
	}
	return b.shown()
}

// cast gives out the parts of a row. A machine without one is there all the same.
func (r row) cast(addresses [2]netip.Addr) (*board, [2]run) {
	b := &board{told: map[string]string{}, hosts: map[netip.Addr]string{
		addresses[0]: "server", addresses[1]: "client",
		netip.IPv4Unspecified(): "any", netip.MustParseAddr("127.0.0.1"): "loopback"}}
	part := func(body func(*side), own, peer int) run {
		if body == nil {
			return nil
		}
		return func(env nodes.Env) error {
			body(&side{Env: env, board: b, own: addresses[own], peer: addresses[peer]})
			return nil
		}
	}
	if r.alone != nil {
		return b, [2]run{part(r.alone, 0, 1), nil}
	}
	return b, [2]run{part(r.server, 0, 1), part(r.client, 1, 0)}
}

// board is what the two sides of a row show, and what they tell each other behind the back of the network.
type board struct {
	mu    sync.Mutex
	lines [2][]string
	told  map[string]string
	hosts map[netip.Addr]string
	roots []string // of the twins' disks
	over  bool     // one side gave up
}

func (b *board) shown() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out strings.Builder
	for i, who := range []string{"server", "client"} {
		for _, line := range b.lines[i] {
			if len(b.lines[1]) > 0 {
				line = who + ": " + line
			}
			out.WriteString(line + "\n")
		}
	}
	return out.String()
}

// side is one machine's part of a row.
type side struct {
	nodes.Env
	*board
	own, peer netip.Addr
}

// say shows a line.
func (s *side) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := 0
	if s.hosts[s.own] == "client" {
		i = 1
	}
	s.lines[i] = append(s.lines[i], fmt.Sprintf(format, args...))
}

// tell lets the other side, or another task of this one, go on.
func (s *side) tell(what string, value ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told[what] = fmt.Sprint(value...)
}

// inVain is shown by a side that gave up waiting.
const inVain = "waits in vain"

// await gives way until somebody has told, and returns what.
func (s *side) await(what string) (value string) {
	s.until(what, func() (told bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		value, told = s.told[what]
		return told
	})
	return value
}

// until gives way until a condition holds.
func (s *side) until(what string, holds func() bool) {
	for limit := s.Uptime() + 20*time.Second; !holds(); s.Sleep(time.Millisecond) {
		if s.Uptime() > limit || s.hopeless() {
			s.say("%s for %s", inVain, what)
			s.fail(inVain + " for " + what)
		}
	}
}

func (s *side) hopeless() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over
}

// fail ends this side, and the other one too where it waits.
func (s *side) fail(why string) {
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	panic(why)
}

// parallel starts a task, and returns what waits for its end.
func (s *side) parallel(name string, body func()) (end func()) {
	done := false
	s.Go(name, func() {
		body()
		done = true
	})
	return func() { s.until(name, func() bool { return done }) }
}

// must ends a row whose scenery does not stand.
func (s *side) must(err error) {
	if err != nil {
		s.fail(err.Error())
	}
}

// past is a deadline that has passed.
func (s *side) past() time.Time { return s.Now().Add(-time.Hour) }

// soon is a deadline that passes while one waits for it.
func (s *side) soon() time.Time { return s.Now().Add(15 * time.Millisecond) }

// listen opens a port on the own address, and tells the other side.
func (s *side) listen() transport.TCPListener {
	l, err := s.Net().ListenTCP("tcp4", &net.TCPAddr{IP: s.own.AsSlice()})
	s.must(err)
	s.tell("port", portOf(l.Addr()))
	return l
}

func (s *side) accept(l transport.TCPListener) transport.TCPConn {
	c, err := l.AcceptTCP()
	s.must(err)
	return c
}

// serve is listen and accept.
func (s *side) serve() transport.TCPConn { return s.accept(s.listen()) }

// target is the other side's port.
func (s *side) target() string { return net.JoinHostPort(s.peer.String(), s.await("port")) }

// dial connects to the other side's port.
func (s *side) dial() transport.TCPConn {
	c, err := s.Net().Dial("tcp4", s.target())
	s.must(err)
	return c.(transport.TCPConn)
}

// send writes what cannot fail.
func (s *side) send(c io.Writer, text string) {
	_, err := io.WriteString(c, text)
	s.must(err)
}

// write writes and shows what came of it.
func (s *side) write(c io.Writer, text string) {
	n, err := c.Write([]byte(text))
	s.say("write of %d: %d, %s", len(text), n, s.outcome(err))
}

// read reads at most size bytes and shows them.
func (s *side) read(c io.Reader, size int) {
	b := make([]byte, size)
	n, err := c.Read(b)
	s.say("read: %q, %s", b[:n], s.outcome(err))
}

// readAll reads until something ends it, and shows what.
func (s *side) readAll(c io.Reader) {
	b, err := io.ReadAll(c)
	s.say("read to the end: %q, %s", b, s.outcome(err))
}

// check shows what came of a call.
func (s *side) check(what string, err error) { s.say("%s: %s", what, s.outcome(err)) }
