package client_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firedrill/nodes"
	"firedrill/nodes/client"
	"firedrill/nodes/web"
	"firedrill/sim"
	"firedrill/sim/virtual"
)

// shelf is a file service in memory. It answers refuse, where that is set, to everything.
type shelf struct {
	files  map[string][]byte
	refuse int
	asked  []string // host and method of each request, and whether it was to be the last
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	asked := r.Host + " " + r.Method
	if r.Close {
		asked += ", and close"
	}
	s.asked = append(s.asked, asked)
	body, err := io.ReadAll(r.Body)
	_, there := s.files[r.URL.Path]
	switch {
	case err != nil:
	case s.refuse != 0:
		w.WriteHeader(s.refuse)
	case r.Method == http.MethodPut:
		s.files[r.URL.Path] = body
		w.WriteHeader(http.StatusCreated)
	case !there:
		http.NotFound(w, r)
	case r.Method == http.MethodGet:
		w.Write(s.files[r.URL.Path])
	case r.Method == http.MethodDelete:
		delete(s.files, r.URL.Path)
		w.WriteHeader(http.StatusNoContent)
	}
}

// Run makes a shelf the software of a machine.
func (s *shelf) Run(env nodes.Env) error {
	l, err := env.Net().ListenTCP("tcp", &net.TCPAddr{Port: 80})
	if err != nil {
		return err
	}
	return web.Serve(env, l, s)
}

// hall is a client machine and two servers, one and two.
type hall struct {
	*virtual.World
	t        *testing.T
	one, two *shelf
	ids      uint64
	history  []nodes.Operation
}

var start = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)

func newHall(t *testing.T, seed uint64) *hall {
	t.Helper()
	h := &hall{World: virtual.New(seed), t: t}
	h.one, h.two = &shelf{files: map[string][]byte{}}, &shelf{files: map[string][]byte{}}
	latency := 200 * time.Microsecond
	err := h.AddSegment(sim.Segment{Name: "lan", Subnet: netip.MustParsePrefix("10.0.0.0/24"),
		Base: sim.Condition{Latency: &latency}})
	for i, s := range []*shelf{nil, h.one, h.two} {
		spec := sim.MachineSpec{Name: []string{"office", "one", "two"}[i], Start: start, Interfaces: []sim.Interface{
			{Segment: "lan", Address: netip.MustParsePrefix(fmt.Sprintf("10.0.0.%d/24", 10+i))}}}
		if s != nil {
			spec.Kind = &nodes.Kind{Name: "shelf", New: func(any) nodes.Node { return s }}
		}
		err = errors.Join(err, h.AddMachine(spec))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func place(name, address string) client.Place {
	return client.Place{To: name, Dial: netip.MustParseAddrPort(address)}
}

var toOne, toTwo = place("one", "10.0.0.11:80"), place("two", "10.0.0.12:80")

// config is a client of server one that does nothing by itself.
func (h *hall) config() client.Config {
	return client.Config{Group: "office", Name: "office", Place: toOne, Dialect: client.Files, Prefix: "/data", Keys: 10,
		Time: h.Now, Record: func(op nodes.Operation) { h.history = append(h.history, op) },
		NextID: func() uint64 { h.ids++; return h.ids }}
}

func (h *hall) run(until time.Duration) {
	h.t.Helper()
	if err := h.Run(until); err != nil {
		h.t.Fatal(err)
	}
}

// do sends one request and waits for its end.
func (h *hall) do(c client.Config, op nodes.Operation) (done nodes.Operation) {
	h.t.Helper()
	h.Machine("office").Go("do", func(env nodes.Env) { done = client.Do(env, c, op) })
	h.run(h.Now() + time.Minute)
	return done
}

func TestPopulation(t *testing.T) {
	h := newHall(t, 1)
	c := h.config()
	c.Rate = nodes.Rate{N: 10, Per: time.Second}
	c.Put, c.Get, c.Delete = nodes.ShareAll/2, nodes.ShareAll*3/10, nodes.ShareAll/5
	c.MinSize, c.MaxSize = 10, 20
	h.Machine("office").Go("client", func(env nodes.Env) { client.Run(env, c) })
	h.run(100 * time.Second)
	if n := len(h.history); n < 980 || n > 1020 {
		t.Errorf("want about 1000 operations in 100s, have %d", n)
	}
	verbs, keys, sizes, hashes := map[string]int{}, map[string]int{}, map[int64]int{}, map[uint64]bool{}
	var least, most time.Duration = time.Hour, 0
	for i, op := range h.history {
		verbs[op.Verb]++
		keys[op.Path]++
		if op.Verb == client.VerbPut {
			sizes[op.Size]++
			hashes[op.Hash] = true
		}
		if op.Result == nodes.ResultUnknown || op.ID != uint64(i+1) || op.Attempt != 1 || op.Payload != nil {
			t.Errorf("operation %d: %+v", i, op)
		}
		if i > 0 {
			gap := op.Sent - h.history[i-1].Sent
			least, most = min(least, gap), max(most, gap)
		}
	}
	for verb, want := range map[string]int{"put": 500, "get": 300, "delete": 200} {
		if have := verbs[verb]; have < want-60 || have > want+60 {
			t.Errorf("want about %d of %s, have %d", want, verb, have)
		}
	}
	if len(keys) != 10 || keys["/data/k0000"] == 0 || keys["/data/k0009"] == 0 {
		t.Errorf("want the keys /data/k0000 to /data/k0009, have %v", keys)
	}
	if len(sizes) != 11 || sizes[10] == 0 || sizes[20] == 0 {
		t.Errorf("want sizes from 10 to 20, have %v", sizes)
	}
	if len(hashes) != verbs["put"] {
		t.Errorf("want each of %d payloads unlike all others, have %d", verbs["put"], len(hashes))
	}
	const ms = time.Millisecond
	if least < 50*ms || least > 60*ms || most < 140*ms || most > 150*ms {
		t.Errorf("want from 50ms to 150ms between two, have %v to %v", least, most)
	}
}

func TestPopulationIsTheSameWithTheSameSeed(t *testing.T) {
	play := func(seed uint64) ([]nodes.Operation, uint64) {
		h := newHall(t, seed)
		c := h.config()
		c.Rate, c.Put, c.Get, c.MaxSize = nodes.Rate{N: 5, Per: time.Second}, 1, 1, 100_000
		h.Machine("office").Go("client", func(env nodes.Env) { client.Run(env, c) })
		h.run(20 * time.Second)
		return h.history, h.Trace().Sum()
	}
	first, sum := play(7)
	again, sumAgain := play(7)
	if diff := cmp.Diff(first, again, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" || sum != sumAgain {
		t.Errorf("hashes %x and %x, and\n%s", sum, sumAgain, diff)
	}
	if _, other := play(8); other == sum {
		t.Error("want another seed to play otherwise")
	}
}

func TestPopulationThatDoesNothing(t *testing.T) {
	h := newHall(t, 1)
	ended := 0
	for _, change := range []func(*client.Config){
		func(c *client.Config) { c.Put = 1 },
		func(c *client.Config) { c.Rate = nodes.Rate{N: 1, Per: time.Second} },
	} {
		c := h.config()
		change(&c)
		h.Machine("office").Go("client", func(env nodes.Env) {
			client.Run(env, c)
			ended++
		})
	}
	h.run(time.Minute)
	if ended != 2 || len(h.history) != 0 {
		t.Errorf("want both to end and nothing sent, have %d and %d operations", ended, len(h.history))
	}
}

// What could not be sent while the server was silent is not sent in a burst afterwards.
func TestPopulationDoesNotCatchUp(t *testing.T) {
	h := newHall(t, 1)
	c := h.config()
	c.Rate, c.Get, c.Timeout = nodes.Rate{N: 10, Per: time.Second}, 1, 20*time.Second
	h.Machine("office").Go("client", func(env nodes.Env) { client.Run(env, c) })
	h.run(10 * time.Second)
	before := len(h.history)
	h.Machine("one").Pause()
	h.run(20 * time.Second)
	if during := len(h.history) - before; during > 0 {
		t.Fatalf("want one operation under way and none done, have %d", during)
	}
	h.Machine("one").Resume()
	h.run(30 * time.Second)
	if after := len(h.history) - before; after < 90 || after > 110 {
		t.Errorf("want about 100 in the 10s afterwards, have %d", after)
	}
}

func TestRetry(t *testing.T) {
	h := newHall(t, 1)
	c := h.config()
	c.Rate, c.Put, c.MinSize, c.MaxSize = nodes.Rate{N: 1, Per: time.Second}, 1, 100, 100
	c.Retry, c.Timeout = 500*time.Millisecond, time.Second
	h.At(100*time.Millisecond, func() { h.Machine("one").Crash() })
	h.Machine("office").Go("client", func(env nodes.Env) { client.Run(env, c) })
	h.At(5*time.Second, func() { h.Machine("one").Restart(nil) })
	h.At(20*time.Second, func() { h.Machine("one").Pause() })
	h.At(25*time.Second, func() { h.Machine("one").Resume() })
	h.At(30*time.Second, func() { h.one.refuse = http.StatusInternalServerError })
	h.At(35*time.Second, func() { h.one.refuse = http.StatusForbidden })
	h.run(60 * time.Second)

	results := map[string]int{}
	for i, op := range h.history {
		results[fmt.Sprint(op.Result, " ", op.Status)]++
		if op.ID != uint64(i+1) {
			t.Errorf("want an ID for each try in their order, have %d after %d", op.ID, i)
		}
		if i == 0 {
			continue
		}
		last := h.history[i-1]
		again := last.Result != nodes.ResultOK && last.Status != http.StatusForbidden
		switch {
		case again && (op.Attempt != last.Attempt+1 || op.Hash != last.Hash || op.Path != last.Path):
			t.Errorf("want the same write tried again, have\n%+v\n%+v", last, op)
		case again && op.Sent != last.Done+c.Retry:
			t.Errorf("want it tried again after %v, have %v", c.Retry, op.Sent-last.Done)
		case !again && (op.Attempt != 1 || op.Hash == last.Hash):
			t.Errorf("want another write after an answer, have\n%+v\n%+v", last, op)
		}
	}
	for _, want := range []string{"failed 0", "unknown 0", "unknown 500", "failed 403", "ok 201"} {
		if results[want] == 0 {
			t.Errorf("want %q among the results, have %v", want, results)
		}
	}
	for _, op := range h.history {
		if refused := op.Result == nodes.ResultFailed && op.Status == 0; refused != strings.Contains(op.Err, "refused") {
			t.Errorf("want a refused connection to be a sure failure, have %+v", op)
		}
	}
}

func TestWithoutRetryEachIsTriedOnce(t *testing.T) {
	h := newHall(t, 1)
	c := h.config()
	c.Rate, c.Put = nodes.Rate{N: 1, Per: time.Second}, 1
	h.one.refuse = http.StatusInternalServerError
	h.Machine("office").Go("client", func(env nodes.Env) { client.Run(env, c) })
	h.run(20 * time.Second)
	for _, op := range h.history {
		if op.Attempt != 1 {
			t.Errorf("want one try, have %+v", op)
		}
	}
	if len(h.history) < 15 {
		t.Errorf("want the next when it is due, have %d", len(h.history))
	}
}

func TestMoveAndStop(t *testing.T) {
	h := newHall(t, 1)
	c := h.config()
	c.Rate, c.Put = nodes.Rate{N: 10, Per: time.Second}, 1
	one, ended := client.New(c), false
	h.Machine("office").Go("client", func(env nodes.Env) {
		one.Run(env)
		ended = true
	})
	h.At(10*time.Second, func() { one.Move(toTwo) })
	h.At(20*time.Second, func() {
		one.Move(client.Place{To: "nas.example", Host: "nas.example", Dial: toOne.Dial})
	})
	h.At(30*time.Second, one.Stop)
	h.run(time.Minute)
	for _, op := range h.history {
		want, remote := "one", toOne.Dial
		switch {
		case op.Sent >= 20*time.Second:
			want = "nas.example"
		case op.Sent >= 10*time.Second:
			want, remote = "two", toTwo.Dial
		}
		if op.Target != want || op.Remote != remote || op.Resolved != remote.Addr() || op.Result != nodes.ResultOK {
			t.Errorf("want it to go to %s, have %+v", want, op)
		}
	}
	if op := h.history[len(h.history)-1]; !ended || op.Sent >= 30*time.Second {
		t.Errorf("want an end after 30s, have %v, ended %v", op.Sent, ended)
	}
	first, last := h.one.asked[0], h.one.asked[len(h.one.asked)-1]
	if first != "10.0.0.11 PUT" || last != "nas.example PUT" {
		t.Errorf("want the host asked for that clients were told, have %q and %q", first, last)
	}
	if len(h.two.files) != 10 {
		t.Errorf("want all keys on the second server, have %d", len(h.two.files))
	}
}

func TestDo(t *testing.T) {
	h := newHall(t, 1)
	c := h.config()
	put := h.do(c, nodes.Operation{Verb: client.VerbPut, Path: "/data/x", Size: 5000})
	stored := h.one.files["/data/x"]
	if put.Result != nodes.ResultOK || put.Status != 201 || put.Size != 5000 || len(stored) != 5000 ||
		put.Hash != nodes.HashPayload(stored) || put.ID != 1 || put.Attempt != 1 || put.Payload != nil {
		t.Errorf("put: %+v", put)
	}
	if put.Local.Addr() != netip.MustParseAddr("10.0.0.10") || put.Remote != toOne.Dial || put.Done <= put.Sent ||
		put.Group != "office" || put.Client != "office" || put.Target != "one" {
		t.Errorf("want where it went and when, have %+v", put)
	}
	if want := []string{"10.0.0.11 PUT, and close"}; !cmp.Equal(h.one.asked, want) {
		t.Errorf("want %q, have %q", want, h.one.asked)
	}
	get := h.do(c, nodes.Operation{Verb: client.VerbGet, Path: "/data/x"})
	if get.Result != nodes.ResultOK || get.Hash != put.Hash || get.Size != 5000 || get.ID != 2 {
		t.Errorf("get: %+v", get)
	}
	own := h.do(c, nodes.Operation{Verb: client.VerbPut, Path: "/data/x", Payload: []byte("mine")})
	if own.Hash != nodes.HashPayload([]byte("mine")) || own.Size != 4 || string(h.one.files["/data/x"]) != "mine" {
		t.Errorf("put of one's own: %+v", own)
	}
	for i, want := range []nodes.Result{nodes.ResultOK, nodes.ResultFailed} {
		del := h.do(c, nodes.Operation{Verb: client.VerbDelete, Path: "/data/x"})
		if del.Result != want || del.Hash != 0 {
			t.Errorf("delete %d: want %s, have %+v", i, want, del)
		}
	}
	absent := h.do(c, nodes.Operation{Verb: client.VerbGet, Path: "/data/x"})
	if absent.Result != nodes.ResultOK || absent.Status != 404 || absent.Hash != 0 || absent.Size != 0 {
		t.Errorf("get of nothing: %+v", absent)
	}
	wrong := h.do(c, nodes.Operation{Verb: "rename", Path: "/data/x"})
	if wrong.Result != nodes.ResultFailed || !strings.Contains(wrong.Err, "want put, get or delete") {
		t.Errorf("want a verb that is none refused, have %+v", wrong)
	}
	h.Machine("one").Pause()
	c.Timeout = 3 * time.Second
	late := h.do(c, nodes.Operation{Verb: client.VerbPut, Path: "/data/x", Size: 10})
	if late.Result != nodes.ResultUnknown || late.Done-late.Sent != 3*time.Second || late.Status != 0 || late.Err == "" {
		t.Errorf("want it unknown after 3s, have %+v", late)
	}
	if len(h.history) != 8 || h.history[0].ID != put.ID {
		t.Errorf("want each recorded, have %d", len(h.history))
	}
}

// strict is a dialect that wants either a response or an error.
type strict struct {
	nodes.Dialect
	t *testing.T
}

func (s strict) Result(op *nodes.Operation, response *http.Response, body []byte, err error) nodes.Result {
	if (response == nil) != (err != nil) {
		s.t.Errorf("want a response or an error, have %v and %v", response, err)
	}
	return s.Dialect.Result(op, response, body, err)
}

// A response that breaks off is none, whatever its status said.
func TestHalfAResponse(t *testing.T) {
	h := newHall(t, 1)
	h.Machine("two").Go("server", func(env nodes.Env) {
		l, err := env.Net().ListenTCP("tcp", &net.TCPAddr{Port: 81})
		if err != nil {
			t.Error(err)
			return
		}
		web.Serve(env, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "10")
			io.WriteString(w, "hello")
		}))
	})
	c := h.config()
	c.Place, c.Dialect = place("two", "10.0.0.12:81"), strict{client.Files, t}
	for _, verb := range []string{client.VerbPut, client.VerbGet} {
		op := h.do(c, nodes.Operation{Verb: verb, Path: "/x"})
		if op.Result != nodes.ResultUnknown || op.Status != 0 || !strings.Contains(op.Err, "unexpected EOF") || op.Size != 0 {
			t.Errorf("%s: want it unknown, have %+v", verb, op)
		}
	}
}

// hangUps notes when its connections' peers hang up.
type hangUps struct {
	net.Listener
	seen func()
}

type watched struct {
	net.Conn
	seen func()
}

func (l hangUps) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return watched{c, l.seen}, err
}

func (c watched) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == io.EOF {
		c.seen()
	}
	return n, err
}

// A client keeps its connection while it runs, and hangs up when it has been stopped.
func TestClientHangsUp(t *testing.T) {
	h := newHall(t, 1)
	var at []time.Duration
	h.Machine("two").Go("server", func(env nodes.Env) {
		l, err := env.Net().ListenTCP("tcp", &net.TCPAddr{Port: 81})
		if err != nil {
			t.Error(err)
			return
		}
		web.Serve(env, hangUps{l, func() { at = append(at, h.Now()) }}, h.two)
	})
	c := h.config()
	c.Place, c.Rate, c.Put = place("two", "10.0.0.12:81"), nodes.Rate{N: 1, Per: time.Second}, 1
	one := client.New(c)
	h.Machine("office").Go("client", one.Run)
	h.At(20*time.Second, one.Stop)
	h.run(40 * time.Second)
	if len(at) != 1 || at[0] < 20*time.Second || at[0] > 22*time.Second {
		t.Errorf("want one hanging up after 20s, have %v", at)
	}
}

func TestPayloads(t *testing.T) {
	h := newHall(t, 1)
	c := h.config()
	seen := map[string]int64{}
	for _, size := range []int64{0, 1, 7, 8, 9, 64, 4096, 8, 9, 64, 4096} {
		h.do(c, nodes.Operation{Verb: client.VerbPut, Path: "/data/x", Size: size})
		stored := string(h.one.files["/data/x"])
		if int64(len(stored)) != size {
			t.Errorf("want %d bytes, have %d", size, len(stored))
		}
		if other, taken := seen[stored]; taken && size >= 8 {
			t.Errorf("want payloads of %d and %d bytes to differ", other, size)
		}
		seen[stored] = size
		if size == 4096 {
			words := map[string]bool{}
			for part := range slices.Chunk([]byte(stored), 8) {
				words[string(part)] = true
			}
			if len(words) < 512 {
				t.Errorf("want no word of a payload twice, have %d of 512", len(words))
			}
		}
	}
}
