package web_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"firedrill/nodes"
	"firedrill/nodes/web"
	"firedrill/sim"
	"firedrill/sim/virtual"
)

// software is a function that runs as the software of a machine.
type software func(nodes.Env) error

func (s software) Run(env nodes.Env) error { return s(env) }

// storage serves what was put, under any path.
func storage(env nodes.Env) error {
	files := map[string][]byte{}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			var body bytes.Buffer
			body.Grow(int(max(r.ContentLength, 0)) + bytes.MinRead)
			if _, err := body.ReadFrom(r.Body); err != nil {
				return
			}
			files[r.URL.Path] = body.Bytes()
			w.WriteHeader(http.StatusCreated)
			return
		}
		w.Write(files[r.URL.Path])
	})
	return serve(env, &web.Server{Handler: h})
}

func serve(env nodes.Env, s *web.Server) error {
	l, err := env.Net().ListenTCP("tcp", &net.TCPAddr{Port: 80})
	if err != nil {
		return err
	}
	return s.Serve(env, l)
}

const serverURL = "http://10.0.0.2/"

// newWorld makes a client machine a and a server machine b.
func newWorld(t testing.TB, seed uint64, server software) *virtual.World {
	t.Helper()
	w := virtual.New(seed)
	latency := 100 * time.Microsecond
	err := w.AddSegment(sim.Segment{Name: "lan", Subnet: netip.MustParsePrefix("10.0.0.0/24"),
		Base: sim.Condition{Latency: &latency}})
	nic := func(a string) []sim.Interface {
		return []sim.Interface{{Segment: "lan", Address: netip.MustParsePrefix(a + "/24")}}
	}
	kind := &nodes.Kind{Name: "server", New: func(any) nodes.Node { return server }}
	err = errors.Join(err,
		w.AddMachine(sim.MachineSpec{Name: "a", Interfaces: nic("10.0.0.1"), Start: start}),
		w.AddMachine(sim.MachineSpec{Name: "b", Interfaces: nic("10.0.0.2"), Start: start, Kind: kind}))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// perform runs a task on the client machine to its end.
func perform(t testing.TB, w *virtual.World, task func(nodes.Env)) {
	t.Helper()
	done := false
	w.Machine("a").Go("client", func(env nodes.Env) {
		task(env)
		done = true
	})
	for end := w.Now() + time.Hour; !done; {
		if err := w.Run(w.Now() + 100*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if w.Now() > end {
			t.Fatal("the client never ended")
		}
	}
}

func end(t testing.TB, w *virtual.World) {
	t.Helper()
	if err := w.Close(); err != nil { // It finds goroutines that were left behind.
		t.Fatal(err)
	}
}

func TestExchangesInTheWorld(t *testing.T) {
	for seed := range uint64(10) {
		w := newWorld(t, seed, storage)
		perform(t, w, func(env nodes.Env) {
			tr := &web.Transport{Env: env}
			for i, size := range []int{0, 1, 4096, 100_000, 3_000_000} {
				body := strings.Repeat("0123456789", size/10+1)[:size]
				put := request(t, "PUT", serverURL+"file", body)
				if i%2 == 1 {
					put.Header.Set("Expect", "100-continue")
				}
				if i == 3 {
					put.ContentLength = -1 // In chunks.
				}
				if have, trip := fetch(tr, put); have != "201 Created " || trip.Reused != (i > 0) {
					t.Errorf("seed %d: PUT of %d bytes: %s, %+v", seed, size, have, trip)
				}
				have, trip := fetch(tr, request(t, "GET", serverURL+"file", ""))
				if have != "200 OK "+body || !trip.Reused {
					t.Errorf("seed %d: GET of %d bytes: have %d, %+v", seed, size, len(have), trip)
				}
			}
			tr.CloseIdle()
		})
		end(t, w)
	}
}

// A server that was started again does not know the connections of its forerunner.
func TestTransportAfterARestart(t *testing.T) {
	w := newWorld(t, 1, storage)
	tr := &web.Transport{}
	for i, c := range []struct {
		method, want string
	}{
		{"PUT", "201 Created "},
		{"GET", "200 OK "},   // Sent again over a fresh connection.
		{"PUT", "receive: "}, // Nobody knows what became of it.
	} {
		perform(t, w, func(env nodes.Env) {
			tr.Env = env
			have, trip := fetch(tr, request(t, c.method, serverURL+"file", ""))
			if !strings.HasPrefix(have, c.want) || !trip.Sent {
				t.Errorf("request %d: want %q, have %q, %+v", i, c.want, have, trip)
			}
		})
		if !w.Machine("b").Crash() || !w.Machine("b").Restart(nil) {
			t.Fatal("no restart")
		}
	}
	end(t, w)
}

func TestTransportTimesOut(t *testing.T) {
	cases := []struct {
		name  string
		spoil func(*virtual.World)
		want  string
		sent  bool
		took  time.Duration
	}{
		{"refused", func(w *virtual.World) { w.Machine("b").Crash() }, "connection refused", false, 0},
		{"silence", func(w *virtual.World) {
			w.Links("lan")[0].Impose(&sim.Imposition{Condition: sim.Condition{Cut: true, Frames: []string{"tcp"}}})
		}, "i/o timeout", false, 2 * time.Second},
		{"a server that stands still", func(w *virtual.World) { w.Machine("b").Pause() },
			"i/o timeout", true, 5 * time.Second},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 1, storage)
			if err := w.Run(time.Second); err != nil {
				t.Fatal(err)
			}
			c.spoil(w)
			perform(t, w, func(env nodes.Env) {
				began := env.Uptime()
				tr := &web.Transport{Env: env, Connect: 2 * time.Second, Timeout: 5 * time.Second}
				_, _, err := tr.Do(request(t, "PUT", serverURL, "abc"))
				took := env.Uptime() - began
				if err == nil || !strings.Contains(err.Error(), c.want) || web.Sent(err) != c.sent {
					t.Errorf("want %q and sent %v, have %v", c.want, c.sent, err)
				}
				if took < c.took || took > c.took+10*time.Millisecond {
					t.Errorf("want it after %v, have %v", c.took, took)
				}
			})
			end(t, w)
		})
	}
}

// A clock that is put back while a request is under way does not make it last longer, nor end at once.
func TestTimeoutsAreUptime(t *testing.T) {
	for _, step := range []time.Duration{-time.Hour, time.Hour} {
		w := newWorld(t, 1, storage)
		if err := w.Run(time.Second); err != nil {
			t.Fatal(err)
		}
		w.Machine("b").Pause()
		w.At(3*time.Second, func() { w.Machine("a").Clock().Step(step) })
		perform(t, w, func(env nodes.Env) {
			began := env.Uptime()
			_, _, err := (&web.Transport{Env: env, Timeout: 5 * time.Second}).Do(request(t, "GET", serverURL, ""))
			if took := env.Uptime() - began; err == nil || took < 5*time.Second || took > 5010*time.Millisecond {
				t.Errorf("step of %v: want a timeout after 5s, have %v after %v", step, err, took)
			}
		})
		end(t, w)
	}
}

// A client that stops reading does not hold a task of the server for longer than a stall.
func TestServerGivesUpOnAClientThatDoesNotRead(t *testing.T) {
	ended := time.Duration(0)
	w := newWorld(t, 1, func(env nodes.Env) error {
		big := make([]byte, 10<<20)
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := w.Write(big); err == nil {
				t.Error("want an error in writing")
			}
			ended = env.Uptime()
		})
		return serve(env, &web.Server{Stall: 7 * time.Second, Handler: h})
	})
	perform(t, w, func(env nodes.Env) {
		c, err := env.Net().Dial("tcp", "10.0.0.2:80")
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		env.Sleep(20 * time.Second)
		c.Close()
	})
	if ended < 7*time.Second || ended > 8*time.Second {
		t.Errorf("want the handler's end after a stall of 7s, have %v", ended)
	}
	end(t, w)
}

// A client that reads slowly and does not stop gets all of it, however long that takes.
func TestServerHasPatienceWithASlowClient(t *testing.T) {
	big := make([]byte, 10<<20)
	w := newWorld(t, 1, func(env nodes.Env) error {
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := w.Write(big); err != nil {
				t.Error(err)
			}
		})
		return serve(env, &web.Server{Stall: 3 * time.Second, Handler: h})
	})
	slow := nodes.Bandwidth(8_000_000)
	w.Links("lan")[1].Impose(&sim.Imposition{Condition: sim.Condition{Bandwidth: &slow}})
	perform(t, w, func(env nodes.Env) {
		have, _ := fetch(&web.Transport{Env: env, Timeout: time.Minute}, request(t, "GET", serverURL, ""))
		if len(have) != len("200 OK ")+len(big) || env.Uptime() < 10*time.Second {
			t.Errorf("want 10 MB in 10s, have %d bytes in %v", len(have), env.Uptime())
		}
	})
	end(t, w)
}

func benchmark(b *testing.B, method string, size int) {
	w := newWorld(b, 1, storage)
	body := bytes.Repeat([]byte("x"), size)
	var tr *web.Transport
	exchange := func(method string) {
		var r io.Reader
		if method == http.MethodPut {
			r = bytes.NewReader(body)
		}
		req, err := http.NewRequest(method, serverURL+"file", r)
		if err != nil {
			b.Error(err)
		}
		response, err := tr.RoundTrip(req)
		if err != nil {
			b.Error(err)
			return
		}
		io.Copy(io.Discard, response.Body)
	}
	perform(b, w, func(env nodes.Env) {
		tr = &web.Transport{Env: env}
		exchange(http.MethodPut)
	})
	b.ReportAllocs()
	b.ResetTimer()
	w.Machine("a").Go("client", func(env nodes.Env) {
		tr.Env = env
		for range b.N {
			exchange(method)
		}
		b.StopTimer()
	})
	if err := w.Run(w.Now() + time.Duration(b.N+1)*time.Minute); err != nil {
		b.Fatal(err)
	}
	end(b, w)
}

// The cost of a whole exchange: two machines, their network, and both ends of HTTP.
func BenchmarkExchange(b *testing.B) {
	b.Run("PUT-4KiB", func(b *testing.B) { benchmark(b, http.MethodPut, 4096) })
	b.Run("GET-64B", func(b *testing.B) { benchmark(b, http.MethodGet, 64) })
}
