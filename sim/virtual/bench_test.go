package virtual

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/logging"
	"github.com/pion/transport/v3"
	"github.com/pion/transport/v3/vnet"

	"firedrill/nodes"
	"firedrill/nodes/web"
)

// heart is the heartbeat work that both sides of the comparison do, to the letter: ask the peer every interval, wait for the
// answer with this question's number, answer its questions.
type heart struct {
	net      transport.Net
	now      func() time.Time
	sleep    func(time.Duration)
	spawn    func(func())
	peer     string
	interval time.Duration
	beats    int
	answered int
}

func (h *heart) beat() error {
	ears, err := h.net.ListenUDP("udp4", &net.UDPAddr{Port: 694})
	if err != nil {
		return err
	}
	h.spawn(func() {
		for b := make([]byte, 64); ; {
			n, from, err := ears.ReadFrom(b)
			if err != nil {
				return
			}
			if _, err := ears.WriteTo(b[:n], from); err != nil {
				return
			}
		}
	})
	defer ears.Close()
	mouth, err := h.net.ListenUDP("udp4", &net.UDPAddr{})
	if err != nil {
		return err
	}
	defer mouth.Close()
	to, err := h.net.ResolveUDPAddr("udp4", h.peer)
	if err != nil {
		return err
	}
	b := make([]byte, 64)
	for n := range h.beats {
		h.sleep(h.interval)
		question := strconv.Itoa(n)
		if _, err := mouth.WriteTo([]byte(question), to); err != nil {
			return err
		}
		if err := mouth.SetReadDeadline(h.now().Add(h.interval / 2)); err != nil {
			return err
		}
		k, _, err := mouth.ReadFrom(b)
		if err == nil && string(b[:k]) == question {
			h.answered++
		}
	}
	return nil
}

const (
	heartInterval = time.Second
	heartBeats    = 2000
)

// heartsVirtual does the work in a virtual world, and returns what it took.
func heartsVirtual(tb testing.TB) time.Duration {
	began := time.Now()
	hearts := make([]*heart, 2)
	soft := func(i int, peer string) run {
		return func(env nodes.Env) error {
			hearts[i] = &heart{net: env.Net(), now: env.Now, sleep: env.Sleep, spawn: func(f func()) { env.Go("ears", f) },
				peer: peer, interval: heartInterval, beats: heartBeats}
			return hearts[i].beat()
		}
	}
	w := newPair(tb, 1, soft(0, "10.0.0.2:694"), soft(1, "10.0.0.1:694"))
	if err := w.Run(2 * heartBeats * heartInterval); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	took := time.Since(began)
	check(tb, hearts)
	return took
}

func check(tb testing.TB, hearts []*heart) {
	for i, h := range hearts {
		if h.answered < heartBeats-1 { // The other side stops when it is done, which may be one beat early.
			tb.Fatalf("heart %d: %d of %d beats were answered", i, h.answered, heartBeats)
		}
	}
}

// heartsSynctest does the same work as goroutines in a bubble of testing/synctest, over pion's vnet.
func heartsSynctest(t *testing.T) (took time.Duration) {
	began := time.Now()
	hearts := make([]*heart, 2)
	synctest.Test(t, func(t *testing.T) {
		r, err := vnet.NewRouter(&vnet.RouterConfig{CIDR: "10.0.0.0/24", MinDelay: time.Millisecond,
			LoggerFactory: logging.NewDefaultLoggerFactory()})
		if err != nil {
			t.Fatal(err)
		}
		for i := range hearts {
			n, err := vnet.NewNet(&vnet.NetConfig{StaticIPs: []string{fmt.Sprintf("10.0.0.%d", i+1)}})
			if err != nil {
				t.Fatal(err)
			}
			if err := r.AddNet(n); err != nil {
				t.Fatal(err)
			}
			hearts[i] = &heart{net: n, now: time.Now, sleep: time.Sleep, spawn: func(f func()) { go f() },
				peer: fmt.Sprintf("10.0.0.%d:694", 2-i), interval: heartInterval, beats: heartBeats}
		}
		if err := r.Start(); err != nil {
			t.Fatal(err)
		}
		over := make(chan error, len(hearts))
		for _, h := range hearts {
			go func() { over <- h.beat() }()
		}
		for range hearts {
			if err := <-over; err != nil {
				t.Error(err)
			}
		}
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
	})
	took = time.Since(began)
	check(t, hearts)
	return took
}

// TestCompareWithSynctest prints how much faster the virtual world does one and the same work: the median of nine rounds,
// taken in turns. It measures, and asserts nothing; `make bench` asks for it.
func TestCompareWithSynctest(t *testing.T) {
	if os.Getenv("FIREDRILL_BENCH") == "" {
		t.Skip("a measurement: set FIREDRILL_BENCH=1, or type make bench")
	}
	const rounds = 9
	var ratios, virtual, bubble []float64
	for range rounds {
		v, b := heartsVirtual(t), heartsSynctest(t)
		virtual, bubble = append(virtual, v.Seconds()), append(bubble, b.Seconds())
		ratios = append(ratios, b.Seconds()/v.Seconds())
	}
	for _, s := range [][]float64{ratios, virtual, bubble} {
		slices.Sort(s)
	}
	life := (heartBeats * heartInterval).Seconds()
	fmt.Printf("heartbeats, 2 machines, 1 a second: virtual world %.0f times life, synctest with vnet %.0f times life, ratio %.1f (median of %d, %.1f to %.1f)\n",
		life/virtual[rounds/2], life/bubble[rounds/2], ratios[rounds/2], rounds, ratios[0], ratios[rounds-1])
}

// BenchmarkHeartbeats is two machines that ask each other once a second.
func BenchmarkHeartbeats(b *testing.B) {
	for b.Loop() {
		heartsVirtual(b)
	}
	life := (heartBeats * heartInterval).Seconds()
	b.ReportMetric(life*float64(b.N)/b.Elapsed().Seconds(), "x-life")
}

// BenchmarkTaskSwitch is two tasks of one machine that take turns.
func BenchmarkTaskSwitch(b *testing.B) {
	w := newPair(b, 1, func(env nodes.Env) error {
		for {
			env.Sleep(time.Microsecond)
		}
	}, idleRun)
	n := time.Duration(0)
	for b.Loop() {
		n += time.Microsecond
		if err := w.loop(n); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStream is bytes over one connection on a link without limits.
func BenchmarkStream(b *testing.B) {
	const size = 64 << 10
	w := newPair(b, 1, func(env nodes.Env) error {
		l, err := env.Net().ListenTCP("tcp4", &net.TCPAddr{Port: 80})
		if err != nil {
			return err
		}
		c, err := l.Accept()
		if err != nil {
			return err
		}
		for p := make([]byte, size); ; {
			if _, err := c.Read(p); err != nil {
				return err
			}
		}
	}, nil)
	sent := 0
	w.Machine("b").Go("writer", func(env nodes.Env) {
		c, err := env.Net().Dial("tcp4", "10.0.0.1:80")
		if err != nil {
			b.Error(err)
			return
		}
		for p := make([]byte, size); ; sent++ {
			if _, err := c.Write(p); err != nil {
				return
			}
			env.Sleep(time.Millisecond)
		}
	})
	frames := 0
	w.tap = func(p *packet) { frames += max(1, p.frame.Count) }
	b.SetBytes(size)
	b.ResetTimer()
	for at := time.Millisecond; sent < b.N; at += time.Millisecond {
		if err := w.loop(at); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(frames)/b.Elapsed().Seconds(), "frames/s")
}

// BenchmarkDatagrams is small datagrams from one machine to another, each read when it comes.
func BenchmarkDatagrams(b *testing.B) {
	heard := 0
	w := newPair(b, 1, func(env nodes.Env) error {
		u, err := env.Net().ListenUDP("udp4", &net.UDPAddr{Port: 7})
		if err != nil {
			return err
		}
		for p := make([]byte, 64); ; heard++ {
			if _, _, err := u.ReadFrom(p); err != nil {
				return err
			}
		}
	}, nil)
	w.Machine("b").Go("teller", func(env nodes.Env) {
		c, err := env.Net().Dial("udp4", "10.0.0.1:7")
		if err != nil {
			b.Error(err)
			return
		}
		for p := make([]byte, 32); ; {
			if _, err := c.Write(p); err != nil {
				return
			}
			env.Sleep(100 * time.Microsecond)
		}
	})
	b.ResetTimer()
	for at := time.Millisecond; heard < b.N; at += time.Millisecond {
		if err := w.loop(at); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(heard)/b.Elapsed().Seconds(), "datagrams/s")
}

// BenchmarkExchange is an HTTP request and its response over a kept connection: 4 KiB up, or 64 bytes down.
func BenchmarkExchange(b *testing.B) {
	for _, size := range []int{4 << 10, 0} {
		b.Run(fmt.Sprintf("up=%d", size), func(b *testing.B) {
			w := newPair(b, 1, func(env nodes.Env) error {
				l, err := env.Net().ListenTCP("tcp4", &net.TCPAddr{Port: 80})
				if err != nil {
					return err
				}
				answer := make([]byte, 64)
				return web.Serve(env, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if _, err := io.Copy(io.Discard, r.Body); err != nil {
						b.Error(err)
					}
					_, _ = w.Write(answer)
				}))
			}, nil)
			done := 0
			w.Machine("b").Go("client", func(env nodes.Env) {
				body := bytes.Repeat([]byte("x"), size)
				for t := (&web.Transport{Env: env}); ; done++ {
					r, err := http.NewRequest(http.MethodPut, "http://10.0.0.1/data/file", bytes.NewReader(body))
					if err != nil {
						b.Error(err)
					}
					response, err := t.RoundTrip(r)
					if err != nil {
						b.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, response.Body)
					response.Body.Close()
				}
			})
			b.ReportAllocs()
			b.ResetTimer()
			for at := time.Millisecond; done < b.N; at += time.Millisecond {
				if err := w.loop(at); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(done)/b.Elapsed().Seconds(), "exchanges/s")
		})
	}
}
