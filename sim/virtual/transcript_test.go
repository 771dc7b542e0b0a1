package virtual

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"firedrill/nodes"
	"firedrill/sim"
)

func TestMain(m *testing.M) {
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := flag.Set("rewrite", "true"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// TestTranscripts plays the scripts of testdata. Each has a `world` and then plays, in which a line is either a machine's
// task, `NAME: verb args; verb args`, or what happens to the world, `at TIME verb args`.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			var s *script
			datadriven.RunTest(t, file, func(t *testing.T, d *datadriven.TestData) string {
				switch d.Cmd {
				case "world":
					s = newScript(t, d)
					return ""
				case "play":
					return s.play(t, d)
				}
				t.Fatalf("%s: no command %q; the commands are world and play", d.Pos, d.Cmd)
				return ""
			})
			if err := s.w.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// script is a world and the transcript of what happens in it.
type script struct {
	w       *World
	out     strings.Builder
	frames  string // of which classes the transcript shows frames
	imposed []*sim.Imposition
}

// newScript furnishes a world: `segment NAME SUBNET [key=value..]` and `machine NAME SEGMENT=ADDRESS.. [key=value..]`.
func newScript(t *testing.T, d *datadriven.TestData) *script {
	t.Helper()
	seed := uint64(1)
	d.MaybeScanArgs(t, "seed", &seed)
	s := &script{w: New(seed)}
	for _, line := range lines(d.Input) {
		words := strings.Fields(line)
		switch words[0] {
		case "segment":
			spec := sim.Segment{Name: words[1]}
			if joins, found := strings.CutPrefix(words[2], "joins="); found {
				spec.Joins = strings.Split(joins, ",")
			} else {
				spec.Subnet = netip.MustParsePrefix(words[2])
			}
			spec.Base = condition(t, words[3:])
			must(t, s.w.AddSegment(spec))
		case "machine":
			spec := sim.MachineSpec{Name: words[1], Start: time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC)}
			for _, word := range words[2:] {
				key, value, _ := strings.Cut(word, "=")
				switch key {
				case "drift":
					must(t, spec.Clock.Drift.UnmarshalText([]byte(value)))
				case "offset":
					spec.Clock.Offset = duration(t, value)
				case "zone":
					zone, err := time.LoadLocation(value)
					must(t, err)
					spec.Clock.Zone = zone
				default:
					spec.Interfaces = append(spec.Interfaces,
						sim.Interface{Segment: key, Address: netip.PrefixFrom(netip.MustParseAddr(value), 24)})
				}
			}
			spec.Kind = &nodes.Kind{Name: "idle", New: func(any) nodes.Node { return idle{} }}
			must(t, s.w.AddMachine(spec))
		case "show":
			s.frames = strings.Join(words[1:], " ")
		default:
			t.Fatalf("%s: no word %q; the words are segment, machine and show", d.Pos, words[0])
		}
	}
	s.w.tap = s.frame
	s.w.OnFact(func(e sim.Event) bool { return e.Seq >= 0 && e.Machine != "" && e.Name != sim.FactBooted },
		func(e sim.Event) { s.say(e.Machine, "* %s", strings.TrimSpace(e.Name+" "+e.Scope+" "+e.Value)) })
	must(t, s.w.Run(0))
	return s
}

// idle is the software of a machine whose tasks the script brings.
type idle struct{}

func (idle) Run(env nodes.Env) error {
	env.NewSignal().Wait(-1)
	return nil
}

func (s *script) say(who, format string, args ...any) {
	fmt.Fprintf(&s.out, "%-12s %s: %s\n", nodes.FormatDuration(s.w.now), who, fmt.Sprintf(format, args...))
}

// frame shows a frame as it leaves, if the script wants to see its class.
func (s *script) frame(p *packet) {
	class := string(p.frame.Class)
	if !strings.Contains(s.frames, strings.TrimPrefix(class, "gratuitous-")) {
		return
	}
	what := ""
	switch {
	case p.frame.Class == sim.FrameGratuitousARP:
		what = fmt.Sprintf("%v is here", p.arp.sender)
	case p.frame.Class == sim.FrameARP && p.arp.reply:
		what = fmt.Sprintf("%v is here", p.arp.sender)
	case p.frame.Class == sim.FrameARP:
		what = fmt.Sprintf("who has %v", p.arp.target)
	case p.icmp != nil:
		what = p.icmp.err.Error()
	case p.frame.Class == sim.FrameUDP:
		what = fmt.Sprintf("%d bytes", len(p.data))
	default:
		for _, f := range []struct {
			flag tcpFlags
			name string
		}{{flagSYN, "syn"}, {flagFIN, "fin"}, {flagRST, "rst"}, {flagACK, "ack"}} {
			if p.tcp.flags&f.flag != 0 {
				what += f.name + " "
			}
		}
		what += fmt.Sprintf("seq %d ack %d", p.tcp.seq, p.tcp.ack)
		if n := len(p.tcp.data); n > 0 {
			what += fmt.Sprintf(", %d bytes", n)
		}
	}
	s.say(p.from.m.Name()+" > "+p.to.m.Name(), "%s %s", class, what)
}

// play lets the lines happen, and the world go on until a time or, by default, for an hour.
func (s *script) play(t *testing.T, d *datadriven.TestData) string {
	t.Helper()
	s.out.Reset()
	span := "1h"
	d.MaybeScanArgs(t, "for", &span)
	for _, line := range lines(d.Input) {
		if rest, found := strings.CutPrefix(line, "at "); found {
			when, what, _ := strings.Cut(rest, " ")
			s.w.At(s.w.now+duration(t, when), func() {
				s.say("world", "%s", what)
				s.happen(t, strings.Fields(what))
			})
			continue
		}
		name, verbs, found := strings.Cut(line, ": ")
		m := s.w.machine(name)
		if !found || m == nil {
			t.Fatalf("%s: want `MACHINE: verbs` or `at TIME verb`, have %q", d.Pos, line)
		}
		m.Go(verbs, func(env nodes.Env) {
			a := &actor{s: s, t: t, m: m, env: env}
			for _, verb := range strings.Split(verbs, "; ") {
				a.act(strings.Fields(verb))
			}
		})
	}
	if err := s.w.Run(s.w.now + duration(t, span)); err != nil {
		return s.out.String() + "error: " + strings.SplitN(err.Error(), "\n", 2)[0] + "\n"
	}
	return s.out.String()
}

// happen is what a fault does, without the package of the faults above this one.
func (s *script) happen(t *testing.T, words []string) {
	switch verb := words[0]; verb {
	case "impose": // impose SEGMENT FROM>TO|all condition..
		i := &sim.Imposition{Condition: condition(t, words[3:])}
		s.imposed = append(s.imposed, i)
		for _, l := range s.w.Links(words[1]) {
			if words[2] == "all" || words[2] == l.From+">"+l.To {
				l.Impose(i)
			}
		}
	case "lift":
		i := s.imposed[0]
		s.imposed = s.imposed[1:]
		for _, seg := range s.w.segments {
			for _, l := range s.w.Links(seg.name) {
				l.Lift(i)
			}
		}
		s.say("world", "it had hit %d", i.Hits())
	case "step":
		s.w.machine(words[1]).Clock().Step(duration(t, words[2]))
	case "drift":
		var drift nodes.Drift
		must(t, drift.UnmarshalText([]byte(words[2])))
		s.w.machine(words[1]).Clock().SetDrift(s.w.now, drift)
	default:
		m := s.w.machine(words[1])
		acts := map[string]func() bool{
			"power-off": m.PowerOff, "boot": func() bool { return m.Boot(nil) }, "crash": m.Crash,
			"restart": func() bool { return m.Restart(nil) }, "pause": m.Pause, "resume": m.Resume, "freeze": m.Freeze, "thaw": m.Thaw,
			"suspend": m.Suspend, "wake": m.Wake,
			"unplug": func() bool { return m.Unplug(words[2]) }, "plug": func() bool { return m.Plug(words[2]) },
			"who": func() bool {
				m.Who(words[2], netip.MustParseAddr(words[3]), time.Second, func(all []string) {
					s.say("world", "it is at %q, owners %q", all, s.w.Owners(words[2], netip.MustParseAddr(words[3])))
				})
				return true
			},
		}
		act := acts[verb]
		if act == nil {
			t.Fatalf("no verb %q", verb)
		}
		if !act() {
			s.say("world", "that hit nothing")
		}
	}
}

// actor is a task of a script.
type actor struct {
	s    *script
	t    *testing.T
	m    *machine
	env  nodes.Env
	conn net.Conn
	udp  net.PacketConn
}

func (a *actor) say(format string, args ...any) { a.s.say(a.m.Name(), format, args...) }

// act does one verb and says what came of it.
func (a *actor) act(words []string) {
	verb, args := words[0], words[1:]
	if a.stream(verb, args) || a.datagram(verb, args) {
		return
	}
	switch verb {
	case "sleep":
		a.env.Sleep(duration(a.t, args[0]))
	case "time":
		a.say("uptime %s, wall clock %s", nodes.FormatDuration(a.env.Uptime()), a.env.Now().Format("2006-01-02 15:04:05.999999999 MST"))
	case "bind":
		a.result("bind", a.env.Bind(args[0], netip.MustParsePrefix(args[1])))
	case "unbind":
		a.result("unbind", a.env.Unbind(args[0], netip.MustParsePrefix(args[1])))
	case "arping":
		a.say("arping %s: %t", args[1], a.env.Arping(args[0], netip.MustParseAddr(args[1]), duration(a.t, args[2])))
	case "note":
		a.env.Note(nodes.Fact{Name: args[0], Value: strings.Join(args[1:], " ")})
	case "halt":
		a.env.Halt(len(args) > 0)
	case "panic":
		panic(args[0])
	case "spin":
		for {
			a.env.Sleep(0)
		}
	default:
		a.t.Errorf("no verb %q", verb)
	}
}

// stream does the verbs of TCP.
func (a *actor) stream(verb string, args []string) bool {
	switch verb {
	case "serve": // serve PORT: accepts one connection after the other and shows what they say
		port, _ := strconv.Atoi(args[0])
		l, err := a.env.Net().ListenTCP("tcp4", &net.TCPAddr{Port: port})
		if a.result("listen", err); err != nil {
			return true
		}
		for {
			c, err := l.Accept()
			if err != nil {
				a.result("accept", err)
				return true
			}
			a.say("accepted %v", c.RemoteAddr().(*net.TCPAddr).IP)
			a.env.Go("connection", func() {
				(&actor{s: a.s, t: a.t, m: a.m, env: a.env, conn: c}).act([]string{"drain"})
			})
		}
	case "answer", "listen-only": // answer PORT WORD: accepts once, reads to the end, and answers
		port, _ := strconv.Atoi(args[0])
		l, err := a.env.Net().ListenTCP("tcp4", &net.TCPAddr{Port: port})
		a.result("listen", err)
		a.conn, err = l.Accept()
		if verb == "listen-only" {
			a.env.NewSignal().Wait(-1)
		}
		a.result("accept", err)
		a.readAll(true)
		_, err = a.conn.Write([]byte(args[1]))
		a.result("answer", errors.Join(err, a.conn.Close()))
	case "dial": // dial ADDRESS [TIMEOUT]
		d := &net.Dialer{}
		if len(args) > 1 {
			d.Timeout = duration(a.t, args[1])
		}
		c, err := a.env.Net().CreateDialer(d).Dial("tcp4", args[0])
		a.conn = c
		a.result("dial", err)
	case "write": // write WORD [TIMES]
		b := []byte(args[0])
		if len(args) > 1 {
			n, _ := strconv.Atoi(args[1])
			b = bytes.Repeat(b, n)
		}
		if a.conn == nil {
			a.say("write: no connection")
			return true
		}
		n, err := a.conn.Write(b)
		a.result(fmt.Sprintf("write %d of %d", n, len(b)), err)
	case "read", "drain":
		a.readAll(verb == "drain")
	case "echo": // answers what it reads, once
		b := make([]byte, 1<<16)
		n, err := a.conn.Read(b)
		a.result("read "+strconv.Quote(string(b[:n])), err)
		_, _ = a.conn.Write(b[:n])
	case "deadline":
		a.result("deadline", a.conn.SetDeadline(a.env.Now().Add(duration(a.t, args[0]))))
	case "keep-alive":
		a.result("keep-alive", a.conn.(*tcpConn).SetKeepAlive(true))
	case "buffers":
		n, _ := strconv.Atoi(args[0])
		a.result("buffers", errors.Join(a.conn.(*tcpConn).SetWriteBuffer(n), a.conn.(*tcpConn).SetReadBuffer(n)))
	case "close-write":
		a.result("close-write", a.conn.(*tcpConn).CloseWrite())
	case "close":
		a.result("close", a.conn.Close())
	default:
		return false
	}
	return true
}

// readAll reads once, or until there is no more; a lot is told by its length.
func (a *actor) readAll(all bool) {
	if a.conn == nil {
		a.say("read: no connection")
		return
	}
	total := 0
	for {
		b := make([]byte, 1<<16)
		n, err := a.conn.Read(b)
		total += n
		switch {
		case err == io.EOF:
			a.say("read: end after %d bytes", total)
			return
		case err != nil:
			a.result(fmt.Sprintf("read, after %d bytes", total), err)
			return
		case n <= 16:
			a.say("read %q", b[:n])
		}
		if !all {
			return
		}
	}
}

// datagram does the verbs of UDP.
func (a *actor) datagram(verb string, args []string) bool {
	switch verb {
	case "hear": // hear PORT: shows every datagram
		port, _ := strconv.Atoi(args[0])
		u, err := a.env.Net().ListenUDP("udp4", &net.UDPAddr{Port: port})
		if err != nil {
			a.result("hear", err)
			return true
		}
		for b := make([]byte, 100); ; {
			n, from, err := u.ReadFrom(b)
			if err != nil {
				a.result("hear", err)
				return true
			}
			a.say("heard %q from %v", b[:n], from.(*net.UDPAddr).IP)
			if len(args) > 1 {
				_, err = u.WriteTo([]byte(args[1]), from)
				if err != nil {
					a.result("answer", err)
				}
			}
		}
	case "tell": // tell ADDRESS WORD
		if a.udp == nil {
			c, err := a.env.Net().Dial("udp4", args[0])
			if err != nil {
				a.result("tell", err)
				return true
			}
			a.udp = c.(*udpConn)
			a.conn = c
		}
		_, err := a.conn.Write([]byte(args[1]))
		if err != nil {
			a.result("tell", err)
		}
	case "flood": // flood ADDRESS COUNT: full datagrams, one behind the other
		c, err := a.env.Net().Dial("udp4", args[0])
		if err != nil {
			a.result("flood", err)
			return true
		}
		n, _ := strconv.Atoi(args[1])
		for range n {
			if _, err := c.Write(make([]byte, 1472)); err != nil {
				a.result("flood", err)
			}
		}
		a.say("sent %d", n)
	case "count": // count PORT: how many datagrams came, every second
		port, _ := strconv.Atoi(args[0])
		u, err := a.env.Net().ListenUDP("udp4", &net.UDPAddr{Port: port})
		if err != nil {
			a.result("count", err)
			return true
		}
		total := 0
		a.env.Go("teller", func() {
			for last := 0; ; last = total {
				a.env.Sleep(time.Second)
				if total != last {
					a.say("heard %d so far", total)
				}
			}
		})
		for b := make([]byte, 2000); ; total++ {
			if _, _, err := u.ReadFrom(b); err != nil {
				a.result("count", err)
				return true
			}
		}
	default:
		return false
	}
	return true
}

func (a *actor) result(what string, err error) {
	if err == nil {
		a.say("%s: ok", what)
		return
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	a.say("%s: %v", what, err)
}

// condition reads link keys: latency=1ms loss=10% cut frames=arp,udp.
func condition(t *testing.T, words []string) sim.Condition {
	t.Helper()
	var c sim.Condition
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		share := new(nodes.Share)
		d := new(time.Duration)
		switch key {
		case "cut":
			c.Cut = true
		case "hold":
			c.Hold = true
		case "refuse":
			c.Refuse = sim.Refusal(value)
		case "frames":
			c.Frames = strings.Split(value, ",")
		case "latency", "jitter":
			*d = duration(t, value)
			if key == "latency" {
				c.Latency = d
			} else {
				c.Jitter = d
			}
		case "bandwidth":
			c.Bandwidth = new(nodes.Bandwidth)
			must(t, c.Bandwidth.UnmarshalText([]byte(value)))
		case "loss", "duplicate", "reorder", "corrupt":
			must(t, share.UnmarshalText([]byte(value)))
			*map[string]**nodes.Share{"loss": &c.Loss, "duplicate": &c.Duplicate, "reorder": &c.Reorder, "corrupt": &c.Corrupt}[key] = share
		default:
			t.Fatalf("no condition %q", key)
		}
	}
	return c
}

func lines(input string) []string {
	var found []string
	for _, line := range strings.Split(input, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			found = append(found, line)
		}
	}
	return found
}

func duration(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := nodes.ParseDuration(s)
	must(t, err)
	return d
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
