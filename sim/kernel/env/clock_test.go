//go:build linux

package env

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"firedrill/nodes"
)

// A hundred times as fast, an hour's sleep takes half a minute, and deadlines, timeouts and waits come as much sooner. That they come
// at all within the test's patience is the point; how late they are is the machine's business.
func TestScale(t *testing.T) {
	const scale = 100_000
	m := newMachine(t, func(m *machine, _ *Config) { m.scale = scale })
	began := time.Now()
	err := m.Run(software(func(env nodes.Env) error {
		wants := func(what string, d time.Duration, act func()) {
			uptime, now := env.Uptime(), env.Now()
			act()
			if took := env.Uptime() - uptime; took < d {
				t.Errorf("%s: want %s of uptime at least, have %s", what, d, took)
			}
			if took := env.Now().Sub(now); took < d {
				t.Errorf("%s: want %s by the clock at least, have %s", what, d, took)
			}
		}
		wants("sleep", time.Hour, func() { env.Sleep(time.Hour) })
		wants("wait", time.Hour, func() { env.NewSignal().Wait(time.Hour) })
		u := must(env.Net().ListenUDP("udp4", &net.UDPAddr{IP: loopback.IP}))
		wants("deadline", time.Hour, func() {
			_ = u.SetReadDeadline(env.Now().Add(time.Hour))
			if _, _, err := u.ReadFrom(make([]byte, 9)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("have %v", err)
			}
		})
		l := must(env.Net().ListenTCP("tcp4", loopback))
		if err := shorten(l); err != nil {
			return err
		}
		for {
			before := env.Uptime()
			_, err := env.Net().CreateDialer(&net.Dialer{Timeout: time.Hour}).Dial("tcp4", l.Addr().String())
			if err == nil {
				continue
			}
			if took := env.Uptime() - before; took < time.Hour || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("dial: want a timeout after an hour, have %v after %s", err, took)
			}
			return nil
		}
	}))
	m.end(t)
	if took := time.Since(began); err != nil || took > 20*time.Minute {
		t.Errorf("have %v after %s", err, took)
	}
}

// tasks are one of each kind that waits for d; each shows when it is over.
func (m *machine) waitFor(t *testing.T, d time.Duration) (over func() int) {
	count := 0
	show := func(name string, wait func(nodes.Env)) {
		m.Go(name, func(env nodes.Env) {
			before := env.Uptime()
			wait(env)
			if took := env.Uptime() - before; took < d {
				t.Errorf("%s: want %s at least, have %s", name, d, took)
			}
			count++
		})
	}
	timeout := func(name string, err error) {
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: want a timeout, have %v", name, err)
		}
	}
	show("sleep", func(env nodes.Env) { env.Sleep(d) })
	show("wait", func(env nodes.Env) {
		if env.NewSignal().Wait(d) {
			t.Error("a wait is woken by nobody")
		}
	})
	show("udp", func(env nodes.Env) {
		u := must(env.Net().ListenUDP("udp4", &net.UDPAddr{IP: loopback.IP}))
		_ = u.SetDeadline(env.Now().Add(d))
		_, err := u.Read(make([]byte, 9))
		timeout("udp", err)
	})
	show("tcp", func(env nodes.Env) {
		l := must(env.Net().ListenTCP("tcp4", loopback))
		c := must(env.Net().Dial("tcp4", l.Addr().String()))
		_ = c.SetWriteDeadline(env.Now().Add(d))
		_, err := c.Write(make([]byte, 64<<20))
		timeout("tcp", err)
	})
	show("accept", func(env nodes.Env) {
		l := must(env.Net().ListenTCP("tcp4", loopback))
		_ = l.SetDeadline(env.Now().Add(d))
		_, err := l.Accept()
		timeout("accept", err)
	})
	show("dial", func(env nodes.Env) {
		l := must(env.Net().ListenTCP("tcp4", loopback))
		must(struct{}{}, shorten(l))
		for {
			before := env.Uptime()
			_, err := env.Net().CreateDialer(&net.Dialer{Timeout: d}).Dial("tcp4", l.Addr().String())
			if err != nil {
				timeout("dial", err)
				if took := env.Uptime() - before; took < d {
					t.Errorf("dial: want %s at least, have %s", d, took)
				}
				return
			}
		}
	})
	return func() int { return count }
}

const kindsOfWaits = 6

// A clock that begins to run faster brings forward all that waits for it.
func TestDriftBringsForward(t *testing.T) {
	m := newMachine(t, nil)
	over := m.waitFor(t, 1000*time.Hour)
	time.Sleep(50 * time.Millisecond)
	m.locked(func() {
		if over() > 0 {
			t.Error("a thousand hours are over at once")
		}
		m.clock.SetDrift(m.now(), 10_000_000_000_000)
		m.Retime()
	})
	m.until(t, "all waits to end", func() bool { return over() == kindsOfWaits })
	m.locked(m.Stop)
	m.end(t)
}

// A clock that begins to run slower puts it off.
func TestDriftPutsOff(t *testing.T) {
	m := newMachine(t, nil)
	over := m.waitFor(t, 100*time.Millisecond)
	m.locked(func() {
		m.clock.SetDrift(m.now(), -900_000)
		m.Retime()
	})
	m.until(t, "all waits to end", func() bool { return over() == kindsOfWaits })
	m.locked(m.Stop)
	m.end(t)
}

// While the clock stands still nothing that waits for it comes, though the timers of the host go on; and all of it comes when
// the clock has gone on for as long as was left.
func TestSuspendHoldsAllTimers(t *testing.T) {
	for _, told := range []bool{true, false} { // Told or not that it stands still: a timer that comes early is looked at.
		m := newMachine(t, nil)
		over, d := func() int { return 0 }, 60*time.Millisecond
		for stands := false; !stands; d *= 2 { // Until it stands still before any wait can be over.
			began := m.now()
			over = m.waitFor(t, d)
			m.locked(func() {
				if stands = m.now()-began < d; !stands {
					return
				}
				m.clock.Suspend(m.now())
				if told {
					m.Retime()
				}
			})
		}
		time.Sleep(d) // Twice as long as they wait.
		m.locked(func() {
			if n := over(); n > 0 {
				t.Errorf("%d waits are over while the clock stands still", n)
			}
			m.clock.Wake(m.now())
			m.Retime()
		})
		m.until(t, "all waits to end", func() bool { return over() == kindsOfWaits })
		m.locked(m.Stop)
		m.end(t)
	}
}

// A deadline is a time of the wall clock when it is set, and uptime from then on: steps move it neither way.
func TestStepsMoveNoDeadline(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour} {
		m := newMachine(t, nil)
		over := m.waitFor(t, 60*time.Millisecond)
		m.locked(func() {
			m.clock.Step(step)
			m.Retime()
		})
		m.until(t, "all waits to end", func() bool { return over() == kindsOfWaits })
		m.locked(m.Stop)
		m.end(t)
	}
}

// A wall clock that was an hour back when the deadline was set does not make it pass.
func TestDeadlineOfAClockThatIsBehind(t *testing.T) {
	m := newMachine(t, nil)
	m.locked(func() { m.clock.Step(-100 * 24 * 365 * time.Hour) })
	over := m.waitFor(t, 20*time.Millisecond)
	m.until(t, "all waits to end", func() bool { return over() == kindsOfWaits })
	m.locked(m.Stop)
	m.end(t)
}

const ticking = "FIREDRILL_TEST_TICKS"

// ticksInAll are so many that they are not over before the process is stopped, if that comes late.
const ticksInAll = 200

// ticks is a process of software that says something each 10 ms of uptime, by a sleep and by a deadline in turns.
func ticks() {
	m := newMachine(nil, nil)
	_ = m.Run(software(func(env nodes.Env) error {
		u := must(env.Net().ListenUDP("udp4", &net.UDPAddr{IP: loopback.IP}))
		for i := range ticksInAll {
			if i%2 == 0 {
				env.Sleep(10 * time.Millisecond)
			} else {
				_ = u.SetReadDeadline(env.Now().Add(10 * time.Millisecond))
				_, _, _ = u.ReadFrom(make([]byte, 1))
			}
			fmt.Println("tick", i, env.Uptime().Milliseconds())
		}
		return nil
	}))
}

// After a process stood still, what fell due meanwhile is late, and not lost.
func TestProcessThatStoodStill(t *testing.T) {
	c := exec.Command("/proc/self/exe", "-test.run=^$")
	c.Env = append(os.Environ(), ticking+"=1")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer c.Wait()
	defer c.Process.Kill()
	last, count, stood := int64(0), 0, int64(0)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var i int
		var at int64
		if _, err := fmt.Sscanf(lines.Text(), "tick %d %d", &i, &at); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		stood = max(stood, at-last)
		last, count = at, count+1
		if i == 7 {
			_ = c.Process.Signal(unix.SIGSTOP)
			time.Sleep(300 * time.Millisecond)
			_ = c.Process.Signal(unix.SIGCONT)
		}
	}
	if count != ticksInAll || stood < 250 {
		t.Errorf("want %d ticks with a gap of 300 ms, have %d and %d ms", ticksInAll, count, stood)
	}
}

// However time goes on while a wait begins, its end is not missed: here it goes on at each look, by as much as is waited for.
func TestTimeGoesOnWhileAWaitBegins(t *testing.T) {
	m := newMachine(t, nil)
	now := time.Duration(0)
	m.c.True = func() time.Duration { now += time.Millisecond; return now }
	for d := time.Duration(0); d < 5*time.Millisecond; d += time.Millisecond / 4 {
		m.locked(func() {
			if left, comes := m.Machine.until(m.after(d)); !comes || left > d {
				t.Errorf("of %s: %s is left, and it comes: %t", d, left, comes)
			}
		})
	}
}
