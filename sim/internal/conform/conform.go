//go:build linux

// Package conform is what software can find out about the machine that it runs on: a table of rows, each played by two machines,
// or by one. Both worlds play it in their tests, and what the software sees has to be the same; testdata/conformance.golden
// shows it.
package conform

import (
	"bytes"
	_ "embed" // For the golden file.
	"fmt"
	"io"
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
)

// Row is one thing that software can find out.
type Row struct {
	name           string
	server, client func(*side)
	alone          func(*side)
	drill          func(*drill) // in place of these

	// Where the worlds differ on purpose, reason says why, and virtual and linux are what each of them shows.
	reason, virtual, linux string
	once                   bool
}

// Once says that the row takes long: one seed is enough.
func (r Row) Once() bool { return r.once }

// Table is every row, in the order of the golden file.
func Table() []Row {
	return slices.Concat(connectRows, listenRows, deadlineRows, closeRows, resetRows, streamRows, datagramRows, datagramErrorRows,
		diskRows, diskErrorRows, taskRows, signalRows, kernelRows)
}

// World is one of the two that play the table.
type World string

// The worlds.
const (
	Virtual World = "virtual world"
	Linux   World = "linux"
)

//go:embed testdata/conformance.golden
var golden string

// goldenPath is where the test of the virtual world finds the golden file, to rewrite it.
const goldenPath = "../internal/conform/testdata/conformance.golden"

// table is rows with the file that shows what they show.
type table struct {
	rows   []Row
	golden string
	path   string // where the test of the virtual world finds the golden file, to rewrite it
}

// Test plays the table in a world, by a function that plays one row and returns what it shows. With UPDATE_GOLDEN the virtual
// world rewrites the golden file, by which the other one is judged.
func Test(t *testing.T, w World, play func(t *testing.T, r Row) string) {
	table{Table(), golden, goldenPath}.test(t, w, play)
}

func (a table) test(t *testing.T, w World, play func(t *testing.T, r Row) string) {
	defer syscall.Umask(syscall.Umask(0o022)) // That of the virtual machines.
	var file bytes.Buffer
	sections, names := readGolden(a.golden), map[string]bool{}
	update := w == Virtual && os.Getenv("UPDATE_GOLDEN") != ""
	played, differ := 0, 0
	for _, r := range a.rows {
		if names[r.name] {
			t.Errorf("two rows are called %q", r.name)
		}
		names[r.name] = true
		t.Run(r.name, func(t *testing.T) {
			played++
			shown := play(t, r)
			if shown == "" || strings.Contains(shown, inVain) {
				t.Errorf("%s: nothing is shown:\n%s", w, shown)
			}
			if r.reason != "" {
				differ++
				r.judgeDifference(t, w, shown)
			}
			section := r.section(shown)
			file.WriteString(section)
			if have, want := section, sections[r.name]; !update && have != want {
				t.Errorf("%s: have\n%swant\n%s", w, have, want)
			}
		})
	}
	t.Logf("%s: %d of %d rows are played; %d are said to differ for a reason", w, played, len(a.rows), differ)
	switch {
	case played < len(a.rows) || t.Failed():
	case update:
		if err := os.WriteFile(a.path, file.Bytes(), 0o644); err != nil {
			t.Error(err)
		}
	case file.String() != a.golden:
		t.Error("the golden file has rows that are not in the table, or in another order")
	}
}

// judgeDifference holds a row in which the worlds differ against what it says of this one.
func (r Row) judgeDifference(t *testing.T, w World, shown string) {
	t.Helper()
	want := r.virtual
	if w == Linux {
		want = r.linux
	}
	if shown != want {
		t.Errorf("%s: have\n%swant\n%s", w, shown, want)
	}
	if r.virtual == r.linux {
		t.Errorf("the worlds agree, and are said to differ because %s", r.reason)
	}
}

// section is a row as the golden file has it.
func (r Row) section(shown string) string {
	if r.reason == "" {
		return fmt.Sprintf("# %s\n%s\n", r.name, shown)
	}
	return fmt.Sprintf("# %s\n%slinux, which differs: %s\n%s\n", r.name, r.virtual, r.reason, r.linux)
}

// readGolden is a golden file by the names of the rows.
func readGolden(golden string) map[string]string {
	sections := map[string]string{}
	for _, s := range strings.Split("\n"+golden, "\n# ")[1:] {
		name, _, _ := strings.Cut(s, "\n")
		sections[name] = "# " + strings.TrimRight(s, "\n") + "\n\n"
	}
	return sections
}

// Stage is what a world brings along for a row.
type Stage struct {
	Addresses [2]netip.Addr
	// Shorten makes the backlog of a listener as short as can be. nil: it is not worth the trouble.
	Shorten func(transport.TCPListener) error
}

// Play is a row on a stage. Parts are the software of the two machines; nil: that machine is there, and has none.
type Play struct {
	Parts [2]func(nodes.Env) error
	board *board
}

// Cast gives out the parts of a row.
func (r Row) Cast(on Stage) *Play {
	b := &board{stage: on, told: map[string]string{}, hosts: map[netip.Addr]string{
		on.Addresses[0]: "server", on.Addresses[1]: "client",
		netip.IPv4Unspecified(): "any", netip.MustParseAddr("127.0.0.1"): "loopback"}}
	part := func(body func(*side), own, peer int) func(nodes.Env) error {
		if body == nil {
			return nil
		}
		return func(env nodes.Env) error {
			body(&side{Env: env, board: b, own: on.Addresses[own], peer: on.Addresses[peer]})
			return nil
		}
	}
	p := &Play{board: b, Parts: [2]func(nodes.Env) error{part(r.server, 0, 1), part(r.client, 1, 0)}}
	if r.alone != nil {
		p.Parts[0] = part(r.alone, 0, 1)
	}
	return p
}

// Shown is what the row has shown so far, line by line.
func (p *Play) Shown() string { return p.board.shown() }

// board is what the two sides of a row show, and what they tell each other behind the back of the network.
type board struct {
	mu    sync.Mutex
	lines [2][]string
	told  map[string]string
	hosts map[netip.Addr]string
	stage Stage
	over  bool // one side gave up
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
