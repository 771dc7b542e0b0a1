package virtual

import (
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spf13/afero"

	"firedrill/nodes"
	"firedrill/sim"
)

// run is software made of a function.
type run func(nodes.Env) error

func (r run) Run(env nodes.Env) error { return r(env) }

func kind(r run) *nodes.Kind {
	return &nodes.Kind{Name: "test", New: func(any) nodes.Node { return r }}
}

// newPair makes a world of two machines on one segment.
func newPair(t testing.TB, seed uint64, a, b run) *World {
	t.Helper()
	w := New(seed)
	latency := time.Millisecond
	jitter := 300 * time.Microsecond
	if err := w.AddSegment(sim.Segment{Name: "lan", Subnet: netip.MustParsePrefix("10.0.0.0/24"),
		Base: sim.Condition{Latency: &latency, Jitter: &jitter}}); err != nil {
		t.Fatal(err)
	}
	for i, r := range []run{a, b} {
		spec := sim.MachineSpec{Name: string(rune('a' + i)), Start: time.Unix(0, 0)}
		spec.Interfaces = []sim.Interface{{Segment: "lan", Address: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 24)}}
		if r != nil {
			spec.Kind = kind(r)
		}
		if err := w.AddMachine(spec); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func idleRun(env nodes.Env) error {
	env.NewSignal().Wait(-1)
	return nil
}

// chatter tells its peer the time for ever, and answers what it hears.
func chatter(peer string) run {
	return func(env nodes.Env) error {
		u, err := env.Net().ListenUDP("udp4", &net.UDPAddr{Port: 7})
		if err != nil {
			return err
		}
		to, err := env.Net().ResolveUDPAddr("udp4", peer)
		if err != nil {
			return err
		}
		env.Go("ears", func() {
			for b := make([]byte, 100); ; {
				n, _, err := u.ReadFromUDP(b)
				if err != nil {
					return
				}
				env.Note(nodes.Fact{Name: "heard", Value: string(b[:n])})
			}
		})
		for {
			env.Sleep(time.Duration(env.Rand().Int64N(int64(time.Second))))
			if _, err := u.WriteToUDP([]byte(env.Uptime().String()), to); err != nil {
				env.Log().Warn("cannot tell", "err", err)
			}
		}
	}
}

func play(t *testing.T, seed uint64) uint64 {
	t.Helper()
	w := newPair(t, seed, chatter("10.0.0.2:7"), chatter("10.0.0.1:7"))
	w.At(20*time.Second, func() { w.Machine("b").PowerOff() })
	w.At(60*time.Second, func() { w.Machine("b").Boot(nil) })
	if err := w.Run(5 * time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if len(w.Trace().Events()) < 100 {
		t.Fatalf("only %d events: nothing went on", len(w.Trace().Events()))
	}
	return w.Trace().Sum()
}

func TestSameSeedSameHash(t *testing.T) {
	one, again, other := play(t, 7), play(t, 7), play(t, 8)
	if one != again {
		t.Errorf("seed 7 gave %x, then %x", one, again)
	}
	if one == other {
		t.Errorf("seeds 7 and 8 both gave %x", one)
	}
}

// The hash sees a single byte in a datagram that nobody reads.
func TestHashSeesFrames(t *testing.T) {
	sum := func(word string) uint64 {
		w := newPair(t, 1, func(env nodes.Env) error {
			c, err := env.Net().Dial("udp4", "10.0.0.2:9")
			if err != nil {
				return err
			}
			_, err = c.Write([]byte(word))
			return err
		}, idleRun)
		if err := w.Run(time.Minute); err != nil {
			t.Fatal(err)
		}
		return w.Trace().Sum()
	}
	if sum("x") == sum("y") {
		t.Error("two datagrams that differ gave one hash")
	}
}

// A task that is dropped runs its deferred functions; none of them, nor a recover, lets it go on.
func TestCrashUnwindsTasks(t *testing.T) {
	var told []string
	w := newPair(t, 1, func(env nodes.Env) error {
		defer func() { told = append(told, "deferred") }()
		defer func() {
			env.Sleep(time.Hour)
			told = append(told, "slept on")
		}()
		defer func() {
			if r := recover(); r != nil {
				told = append(told, "recovered")
			}
		}()
		for {
			env.Sleep(time.Second)
		}
	}, idleRun)
	w.At(3*time.Second, func() {
		if !w.Machine("a").Crash() {
			t.Error("the crash hit nothing")
		}
	})
	if err := w.Run(time.Minute); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(told, ", "); got != "deferred" {
		t.Errorf("have %q, want only the deferred function that asks nothing of the world", got)
	}
	if s := w.Machine("a").State(); s != sim.StateCrashed {
		t.Errorf("state %s after a crash", s)
	}
}

// A step may end the machine whose fact it waited for, in the middle of its Note: the line behind is never reached.
func TestStepActsInsideNote(t *testing.T) {
	for _, end := range []string{"power-off", "crash", "restart"} {
		t.Run(end, func(t *testing.T) {
			boots, behind := 0, 0
			w := newPair(t, 1, func(env nodes.Env) error {
				boots++
				env.Note(nodes.Fact{Name: "role", Value: "active"})
				behind++
				env.NewSignal().Wait(-1)
				return nil
			}, idleRun)
			var cancel func()
			cancel = w.OnFact(func(e sim.Event) bool { return e.Name == "role" }, func(sim.Event) {
				cancel()
				switch m := w.Machine("a"); end {
				case "power-off":
					m.PowerOff()
				case "crash":
					m.Crash()
				case "restart":
					m.Crash()
					m.Restart(nil)
				}
			})
			if err := w.Run(time.Minute); err != nil {
				t.Fatal(err)
			}
			want := map[string][2]int{"power-off": {1, 0}, "crash": {1, 0}, "restart": {2, 1}}[end]
			if got := [2]int{boots, behind}; got != want {
				t.Errorf("have boots and lines behind the note %v, want %v", got, want)
			}
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A step that waits for the boot of a machine and takes its power: its software never runs.
func TestStepActsBeforeTheStart(t *testing.T) {
	w := newPair(t, 1, nil, func(env nodes.Env) error {
		env.Note(nodes.Fact{Name: "runs"})
		return idleRun(env)
	})
	var cancel func()
	cancel = w.OnFact(func(e sim.Event) bool { return e.Name == sim.FactBooted && e.Machine == "b" }, func(sim.Event) {
		cancel()
		w.Machine("b").PowerOff()
	})
	runs := func() (n int) {
		if err := w.Run(w.Now() + time.Second); err != nil {
			t.Fatal(err)
		}
		for _, e := range w.Trace().Events() {
			if e.Name == "runs" {
				n++
			}
		}
		return n
	}
	if n := runs(); n != 0 {
		t.Error("software runs on a machine without power")
	}
	w.Machine("b").Boot(nil)
	if n := runs(); n != 1 {
		t.Errorf("after the boot it has run %d times, want once", n)
	}
}

func TestForeignGoroutineFailsTheRun(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	w := newPair(t, 1, func(nodes.Env) error {
		go func() { <-stop }()
		return nil
	}, idleRun)
	if err := w.Run(time.Second); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err == nil || !strings.Contains(err.Error(), "goroutines of its own") {
		t.Errorf("have error %v, want one about a goroutine", err)
	}
}

func TestSpinIsGivenUp(t *testing.T) {
	var release atomic.Bool
	w := newPair(t, 1, func(nodes.Env) error {
		for !release.Load() {
		}
		return nil
	}, idleRun)
	w.patience = 50 * time.Millisecond
	err := w.Run(time.Second)
	release.Store(true)
	if err == nil || !strings.Contains(err.Error(), "a task spins") || !strings.Contains(err.Error(), "TestSpinIsGivenUp") {
		t.Errorf("have error %v, want one with the stack of the spin", err)
	}
	if err := w.Run(2 * time.Second); err == nil {
		t.Error("a world that was given up ran on")
	}
}

func TestReachableIsOfTheNetwork(t *testing.T) {
	w := newPair(t, 1, idleRun, idleRun)
	both := func() [2]bool { return [2]bool{w.Reachable("lan", "a", "b"), w.Reachable("", "b", "a")} }
	check := func(what string, want [2]bool) {
		t.Helper()
		if got := both(); got != want {
			t.Errorf("%s: have %v, want %v", what, got, want)
		}
	}
	check("at first", [2]bool{true, true})
	cut := &sim.Imposition{Condition: sim.Condition{Cut: true}}
	w.network.Link("lan", "a", "b").Impose(cut)
	check("cut one way", [2]bool{false, true})
	w.network.Link("lan", "a", "b").Lift(cut)
	check("lifted", [2]bool{true, true})
	w.Machine("a").Unplug("lan")
	check("unplugged", [2]bool{false, false})
	w.Machine("a").Plug("lan")
	if err := w.Run(0); err != nil {
		t.Fatal(err)
	}
	w.Machine("b").PowerOff()
	check("a machine that is off does not make the network worse", [2]bool{true, true})
	if w.Reachable("wan", "a", "b") {
		t.Error("reachable on a segment that is not there")
	}
}

// A put that is answered is recorded with the machine at the other end and the role that it held.
func TestRecordKnowsWhoServed(t *testing.T) {
	w := newPair(t, 1, func(env nodes.Env) error {
		env.Note(nodes.Fact{Name: nodes.FactRole, Value: "active", Epoch: 3})
		l, err := env.Net().ListenTCP("tcp4", &net.TCPAddr{Port: 80})
		if err != nil {
			return err
		}
		if err := env.Bind("lan", netip.MustParsePrefix("10.0.0.40/24")); err != nil {
			return err
		}
		for {
			if _, err := l.Accept(); err != nil {
				return err
			}
		}
	}, nil)
	w.Machine("b").Go("client", func(env nodes.Env) {
		env.Sleep(time.Second)
		c, err := env.Net().Dial("tcp4", "10.0.0.40:80")
		if err != nil {
			t.Error(err)
			return
		}
		local, _ := netip.ParseAddrPort(c.LocalAddr().String())
		env.Sleep(time.Second)
		w.Record(nodes.Operation{Local: local, Remote: netip.MustParseAddrPort("10.0.0.40:80"), Result: nodes.ResultOK})
		w.Record(nodes.Operation{Local: local, Remote: netip.MustParseAddrPort("10.0.0.41:80")})
	})
	if err := w.Run(time.Minute); err != nil {
		t.Fatal(err)
	}
	h := w.History()
	if len(h) != 2 || h[0].ServedBy != "a" || h[0].Role != "active" || h[0].Epoch != 3 || h[1].ServedBy != "" {
		t.Errorf("have %+v", h)
	}
}

// A machine whose disk crashes it at the third sync comes back with what the first two made durable.
func TestCrashAtSync(t *testing.T) {
	var found []string
	w := newPair(t, 1, func(env nodes.Env) error {
		fs := env.Disk()
		if all, err := afero.ReadDir(fs, "/"); err == nil && len(all) > 0 {
			for _, f := range all {
				found = append(found, f.Name())
			}
			return nil
		}
		for _, name := range []string{"/one", "/two", "/three"} {
			f, err := fs.Create(name)
			if err != nil {
				return err
			}
			f.Close()
			dir, err := fs.Open("/")
			if err != nil {
				return err
			}
			if err := dir.Sync(); err != nil {
				return err
			}
			dir.Close()
		}
		return nil
	}, idleRun)
	w.Machine("a").Disk().Impose(&sim.DiskImposition{DiskCondition: sim.DiskCondition{How: sim.DiskCrashAtSync, Nth: 3}})
	w.At(time.Minute, func() {
		if s := w.Machine("a").State(); s != sim.StateOff {
			t.Errorf("the machine is %s, want it powered off by its disk", s)
		}
		w.Machine("a").Boot(nil)
	})
	if err := w.Run(2 * time.Minute); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(found, " "); got != "one two" {
		t.Errorf("have %q on the disk after the crash, want what two syncs made durable", got)
	}
}
