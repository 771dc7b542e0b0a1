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

	"github.com/google/go-cmp/cmp"
	"github.com/pion/transport/v3"

	"firedrill/nodes/web"
)

// network connects to scripts, one after the other.
type network struct {
	transport.Net
	m      *caller
	dialer net.Dialer
}

// caller is a machine that can connect.
type caller struct {
	machine
	lines  []any // *script, or the error that connecting ends with
	dialed []string
}

func (c *caller) Net() transport.Net { return network{m: c} }

func (n network) CreateDialer(d *net.Dialer) transport.Dialer { return network{m: n.m, dialer: *d} }

func (n network) Dial(_, address string) (net.Conn, error) {
	note := address
	if n.dialer.LocalAddr != nil {
		note += " from " + n.dialer.LocalAddr.String()
	}
	n.m.dialed = append(n.m.dialed, note)
	if len(n.m.lines) == 0 {
		n.m.uptime += n.dialer.Timeout
		return nil, errors.New("i/o timeout")
	}
	next := n.m.lines[0]
	n.m.lines = n.m.lines[1:]
	if err, ok := next.(error); ok {
		return nil, err
	}
	return next.(*script), nil
}

// answers makes a caller whose connections each bring these segments.
func answers(connections ...[]any) (*caller, []*script) {
	c := &caller{}
	var scripts []*script
	for _, segments := range connections {
		s := &script{m: &c.machine, in: make([]any, len(segments))}
		for i, part := range segments {
			if text, ok := part.(string); ok {
				part = crlf(text)
			}
			s.in[i] = part
		}
		scripts = append(scripts, s)
		c.lines = append(c.lines, s)
	}
	return c, scripts
}

func request(t *testing.T, method, url, body string) *http.Request {
	t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, url, r)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("User-Agent", "test")
	return req
}

// fetch sends a request and returns status and body, or the error.
func fetch(tr *web.Transport, req *http.Request) (string, web.Trip) {
	response, trip, err := tr.Do(req)
	if err != nil {
		return err.Error(), trip
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil {
		return response.Status + " " + string(body) + " " + err.Error(), trip
	}
	return response.Status + " " + string(body), trip
}

func TestTransportWritesRequests(t *testing.T) {
	chunked := request(t, "PUT", "http://h/x", "")
	chunked.Body = io.NopCloser(io.MultiReader(strings.NewReader("ab"), strings.NewReader("c")))
	unknown := request(t, "GET", "http://h/x", "") // Here net/http would start a goroutine to see whether a body comes.
	unknown.Body = io.NopCloser(io.MultiReader(strings.NewReader("ab")))
	cases := []struct {
		req     *http.Request
		oneShot bool
		want    string
	}{
		{request(t, "GET", "http://h/a?b=c", ""), false, "GET /a?b=c HTTP/1.1\nHost: h\nUser-Agent: test\n\n"},
		{request(t, "PUT", "http://h:81/a", "abc"), false,
			"PUT /a HTTP/1.1\nHost: h:81\nUser-Agent: test\nContent-Length: 3\n\nabc"},
		{request(t, "DELETE", "http://h/a", ""), true,
			"DELETE /a HTTP/1.1\nHost: h\nUser-Agent: test\nConnection: close\n\n"},
		{chunked, false, "PUT /x HTTP/1.1\nHost: h\nUser-Agent: test\nTransfer-Encoding: chunked\n\n2\nab\n1\nc\n0\n\n"},
		{unknown, false, "GET /x HTTP/1.1\nHost: h\nUser-Agent: test\nTransfer-Encoding: chunked\n\n2\nab\n0\n\n"},
	}
	for _, c := range cases {
		m, s := answers([]any{ok + "0\n\n"})
		tr := &web.Transport{Env: m, Via: netip.MustParseAddrPort("10.0.0.1:80"), OneShot: c.oneShot}
		if have, _ := fetch(tr, c.req); have != "200 OK " {
			t.Errorf("%s: %s", c.req.Method, have)
		}
		if diff := cmp.Diff(c.want, lines(s[0].out.String())); diff != "" {
			t.Errorf("want -, have +:\n%s", diff)
		}
		if s[0].closed != c.oneShot {
			t.Errorf("want the connection closed: %v, have %v", c.oneShot, s[0].closed)
		}
	}
}

func TestTransportReadsResponses(t *testing.T) {
	long := "HTTP/1.1 200 OK\nX: " + strings.Repeat("x", web.MaxHeader)
	cases := []struct {
		name, method string
		in           []any
		want         string
		kept         bool
	}{
		{"a length", "GET", []any{ok + "3\n\nabc"}, "200 OK abc", true},
		{"pieces", "GET", []any{"HTTP/1.1 20", "0 OK\nContent-Le", "ngth: 3\n", "\nab", "c"}, "200 OK abc", true},
		{"chunks", "GET", []any{"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\nab\n", "1\nc\n0\n\n"}, "200 OK abc", true},
		{"up to the end", "GET", []any{"HTTP/1.1 200 OK\n\nab", "c"}, "200 OK abc", false},
		{"HTTP/1.0", "GET", []any{"HTTP/1.0 200 OK\nContent-Length: 3\n\nabc"}, "200 OK abc", false},
		{"the server ends", "GET", []any{ok + "3\nConnection: close\n\nabc"}, "200 OK abc", false},
		{"HEAD", "HEAD", []any{ok + "3\n\n"}, "200 OK ", true},
		{"204", "GET", []any{"HTTP/1.1 204 No Content\n\n"}, "204 No Content ", true},
		{"304", "GET", []any{"HTTP/1.1 304 Not Modified\nContent-Length: 7\n\n"}, "304 Not Modified ", true},
		{"interim answers", "GET",
			[]any{"HTTP/1.1 103 Early Hints\n\nHTTP/1.1 100 Continue\n\n" + ok + "0\n\n"}, "200 OK ", true},
		{"nothing but interim answers", "GET", []any{strings.Repeat("HTTP/1.1 103 Early Hints\n\n", 9)},
			"receive: want a final response, have eight interim ones", false},
		{"more than was asked for", "GET", []any{ok + "0\n\n" + ok + "0\n\n"}, "200 OK ", false},
		{"no response", "GET", []any{}, "receive: connection closed without a response", false},
		{"a reset", "GET", []any{errReset}, "receive: connection reset by peer", false},
		{"half a head", "GET", []any{"HTTP/1.1 200 OK\n"}, "receive: unexpected EOF", false},
		{"half a body", "GET", []any{ok + "3\n\nab"}, "200 OK ab receive: unexpected EOF", false},
		{"no HTTP", "GET", []any{"hello\n\n"}, `receive: malformed HTTP response "hello"`, false},
		{"a head too long", "GET", []any{long}, "receive: head of the message is too long", false},
		{"in time", "GET", []any{29 * time.Second, ok + "3\n\n", 900 * time.Millisecond, "abc"}, "200 OK abc", true},
		{"too late", "GET", []any{31 * time.Second, ok + "0\n\n"}, "receive: i/o timeout", false},
		{"a body too late", "GET", []any{29 * time.Second, ok + "3\n\n", 2 * time.Second, "abc"},
			"200 OK  receive: i/o timeout", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m, s := answers(c.in)
			have, trip := fetch(&web.Transport{Env: m}, request(t, c.method, "http://10.0.0.1/", ""))
			if have != c.want {
				t.Errorf("want %q, have %q", c.want, have)
			}
			if s[0].closed == c.kept {
				t.Errorf("want the connection kept: %v, have %v", c.kept, !s[0].closed)
			}
			want := web.Trip{Local: netip.MustParseAddrPort("10.0.0.1:80"), Remote: netip.MustParseAddrPort("10.0.0.2:1024"),
				Sent: true}
			if trip != want {
				t.Errorf("want %+v, have %+v", want, trip)
			}
		})
	}
}

func TestTransportKnowsWhetherAnythingWasSent(t *testing.T) {
	cases := []struct {
		name string
		line *script // nil: connecting fails
		url  string
		want string
		sent bool
	}{
		{"no connection", nil, "http://10.0.0.1/", "connect: connection reset by peer", false},
		{"a name", nil, "http://nas/", `prepare: want an address in the URL, have "nas": names are not resolved here`, false},
		{"another scheme", nil, "https://10.0.0.1/",
			`prepare: want a URL that begins with http://, have "https://10.0.0.1/"`, false},
		{"nothing taken", &script{writeErr: errReset}, "http://10.0.0.1/", "send: connection reset by peer", false},
		{"a byte taken", &script{writeErr: errReset, room: 1}, "http://10.0.0.1/", "send: connection reset by peer", true},
		{"all taken", &script{}, "http://10.0.0.1/", "receive: connection closed without a response", true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := &caller{lines: []any{errReset}}
			if c.line != nil {
				c.line.m = &m.machine
				m.lines = []any{c.line}
			}
			_, trip, err := (&web.Transport{Env: m}).Do(request(t, "PUT", c.url, "abc"))
			if err == nil || err.Error() != c.want {
				t.Errorf("want %q, have %v", c.want, err)
			}
			if trip.Sent != c.sent || web.Sent(err) != c.sent {
				t.Errorf("want sent %v, have %v in the trip and %v in the error", c.sent, trip.Sent, web.Sent(err))
			}
		})
	}
	if !web.Sent(io.ErrUnexpectedEOF) {
		t.Error("want doubt where nobody says that nothing was sent")
	}
}

// A server that refuses early and hangs up is heard.
func TestTransportHearsAnAnswerToHalfARequest(t *testing.T) {
	m, s := answers([]any{"HTTP/1.1 413 Request Entity Too Large\nContent-Length: 0\n\n"})
	s[0].writeErr, s[0].room = errReset, 5000
	have, trip := fetch(&web.Transport{Env: m}, request(t, "PUT", "http://10.0.0.1/", strings.Repeat("x", 100_000)))
	if have != "413 Request Entity Too Large " || !trip.Sent || !s[0].closed {
		t.Errorf("want the server's answer and no more of the connection, have %q, %+v, closed %v", have, trip, s[0].closed)
	}
}

func TestTransportKeepsConnections(t *testing.T) {
	none := ok + "0\n\n"
	m, s := answers([]any{none, none, none}, []any{none})
	tr := &web.Transport{Env: m}
	get := func(url string) web.Trip {
		t.Helper()
		have, trip := fetch(tr, request(t, "GET", url, ""))
		if have != "200 OK " {
			t.Fatal(have)
		}
		return trip
	}
	if get("http://10.0.0.1/").Reused {
		t.Error("want a fresh connection first")
	}
	m.uptime += 49 * time.Second
	if !get("http://10.0.0.1:80/").Reused {
		t.Error("want the connection used again")
	}
	if get("http://10.0.0.3/").Reused {
		t.Error("want a connection of its own for another address")
	}
	m.uptime += 51 * time.Second
	m.lines = []any{&script{m: &m.machine, in: []any{crlf(none)}}}
	if get("http://10.0.0.1/").Reused || !s[0].closed {
		t.Error("want a connection dropped that was unused for too long")
	}
	want := []string{"10.0.0.1:80", "10.0.0.3:80", "10.0.0.1:80"}
	if diff := cmp.Diff(want, m.dialed); diff != "" {
		t.Errorf("connections: want -, have +:\n%s", diff)
	}
	tr.CloseIdle()
	if !s[1].closed {
		t.Error("want what was kept closed by CloseIdle")
	}
}

func TestTransportKeepsSoManyConnections(t *testing.T) {
	var each [][]any
	for range 6 {
		each = append(each, []any{ok + "1\n\nx"})
	}
	m, s := answers(each...)
	tr := &web.Transport{Env: m}
	var open []*http.Response
	for range 6 {
		response, err := tr.RoundTrip(request(t, "GET", "http://10.0.0.1/", ""))
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, response)
	}
	for _, response := range open {
		io.ReadAll(response.Body)
	}
	for i, want := range []bool{true, true, false, false, false, false} {
		if s[i].closed != want {
			t.Errorf("connection %d: want closed %v, have %v", i, want, s[i].closed)
		}
	}
}

func TestTransportDropsAnUnreadBody(t *testing.T) {
	m, s := answers([]any{ok + "3\n\nabc"})
	response, err := (&web.Transport{Env: m}).RoundTrip(request(t, "GET", "http://10.0.0.1/", ""))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if _, err := response.Body.Read(make([]byte, 1)); !s[0].closed || err == nil {
		t.Errorf("want the connection closed and no more body, have closed %v, %v", s[0].closed, err)
	}
}

func TestTransportRepeatsOverAFreshConnection(t *testing.T) {
	none := ok + "0\n\n"
	noRewind := request(t, "GET", "http://10.0.0.1/", "abc")
	noRewind.GetBody = nil
	cases := []struct {
		name  string
		req   *http.Request
		stale []any // what the kept connection brings after its first response
		full  bool  // it takes no more bytes
		want  string
	}{
		{"a safe request", request(t, "GET", "http://10.0.0.1/", ""), nil, false, "200 OK "},
		{"a safe request, reset", request(t, "HEAD", "http://10.0.0.1/", ""), []any{errReset}, false, "200 OK "},
		{"a safe request with a body", request(t, "GET", "http://10.0.0.1/", "abc"), nil, false, "200 OK "},
		{"a body that cannot be read again", noRewind, nil, false, "receive: connection closed without a response"},
		{"a write", request(t, "PUT", "http://10.0.0.1/", "abc"), nil, false,
			"receive: connection closed without a response"},
		{"a write of which nothing was sent", request(t, "PUT", "http://10.0.0.1/", "abc"), nil, true, "200 OK "},
		{"half a response", request(t, "GET", "http://10.0.0.1/", ""), []any{"HTTP"}, false, "receive: unexpected EOF"},
		{"no time left", request(t, "GET", "http://10.0.0.1/", ""), []any{time.Hour}, false, "receive: i/o timeout"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m, s := answers(append([]any{none}, c.stale...), []any{none})
			tr := &web.Transport{Env: m}
			fetch(tr, request(t, "GET", "http://10.0.0.1/", ""))
			if c.full {
				s[0].writeErr = errReset
			}
			have, trip := fetch(tr, c.req)
			if have != c.want {
				t.Errorf("want %q, have %q", c.want, have)
			}
			again := c.want == "200 OK "
			if len(m.dialed) == 2 != again || trip.Reused == again {
				t.Errorf("want it sent again: %v, have connections to %q, %+v", again, m.dialed, trip)
			}
			if again && c.req.Body != nil && !strings.HasSuffix(s[1].out.String(), "abc") {
				t.Errorf("want the body sent again, have %q", s[1].out.String())
			}
		})
	}
}

// What the kept connection took may have arrived, whatever becomes of the fresh one.
func TestTransportRemembersWhatItSentFirst(t *testing.T) {
	for _, fresh := range []any{errReset, &script{writeErr: errReset}} {
		m, _ := answers([]any{ok + "0\n\n"})
		m.lines = append(m.lines, fresh)
		tr := &web.Transport{Env: m}
		fetch(tr, request(t, "GET", "http://10.0.0.1/", ""))
		_, trip, err := tr.Do(request(t, "GET", "http://10.0.0.1/", ""))
		if err == nil || trip.Reused || !trip.Sent || !web.Sent(err) {
			t.Errorf("want doubt, have %v, %+v", err, trip)
		}
	}
}

// A fresh connection that fails is not tried again, whatever the method.
func TestTransportRepeatsOnce(t *testing.T) {
	m, _ := answers([]any{}, []any{ok + "0\n\n"})
	have, _ := fetch(&web.Transport{Env: m}, request(t, "GET", "http://10.0.0.1/", ""))
	if len(m.dialed) != 1 || have == "200 OK " {
		t.Errorf("want one try, have %d, %s", len(m.dialed), have)
	}
}

func TestTransportConnects(t *testing.T) {
	m := &caller{}
	tr := &web.Transport{Env: m, Via: netip.MustParseAddrPort("10.9.9.9:8080"), From: netip.MustParseAddr("10.0.0.7"),
		Connect: 3 * time.Second, Timeout: 2 * time.Second}
	fetch(tr, request(t, "GET", "http://nas.example/", ""))
	if want := []string{"10.9.9.9:8080 from 10.0.0.7:0"}; !cmp.Equal(m.dialed, want) {
		t.Errorf("want %q, have %q", want, m.dialed)
	}
	if m.uptime != 2*time.Second {
		t.Errorf("want no more time for connecting than for the whole, have %v", m.uptime)
	}
	tr.Timeout = time.Minute
	fetch(tr, request(t, "GET", "http://nas.example/", ""))
	if m.uptime != 5*time.Second {
		t.Errorf("want 3s for connecting, have %v", m.uptime-2*time.Second)
	}
}

func TestTransportWaitsToBeAskedForABody(t *testing.T) {
	const asked = "HTTP/1.1 100 Continue\n\n"
	cases := []struct {
		name string
		in   []any
		want string
		body bool
		took time.Duration
	}{
		{"asked", []any{asked, ok + "0\n\n"}, "200 OK ", true, 0},
		{"asked after a while", []any{900 * time.Millisecond, asked, ok + "0\n\n"}, "200 OK ", true, 900 * time.Millisecond},
		{"not asked", []any{2 * time.Second, ok + "0\n\n"}, "200 OK ", true, 2 * time.Second},
		{"refused", []any{"HTTP/1.1 403 Forbidden\nContent-Length: 0\n\n"}, "403 Forbidden ", false, 0},
		{"gone", []any{}, "receive: connection closed without a response", true, 0},
		{"too late in all", []any{29 * time.Second, 2 * time.Second, ok + "0\n\n"},
			"receive: i/o timeout", true, 30 * time.Second},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m, s := answers(c.in)
			req := request(t, "PUT", "http://10.0.0.1/", "abc")
			req.Header.Set("Expect", "100-continue")
			have, _ := fetch(&web.Transport{Env: m}, req)
			if have != c.want || m.uptime != c.took {
				t.Errorf("want %q after %v, have %q after %v", c.want, c.took, have, m.uptime)
			}
			if sent := bytes.HasSuffix([]byte(s[0].out.String()), []byte("\r\n\r\nabc")); sent != c.body {
				t.Errorf("want the body sent: %v, have %q", c.body, s[0].out.String())
			}
			if !c.body && !s[0].closed {
				t.Error("want an end of the connection whose body was not sent")
			}
		})
	}
}

func TestTransportWaitsNoLongerThanItHasTime(t *testing.T) {
	m, _ := answers([]any{time.Hour})
	req := request(t, "PUT", "http://10.0.0.1/", "abc")
	req.Header.Set("Expect", "100-continue")
	have, _ := fetch(&web.Transport{Env: m, Timeout: 300 * time.Millisecond}, req)
	if m.uptime != 300*time.Millisecond || !strings.Contains(have, "i/o timeout") {
		t.Errorf("want a timeout after 300ms, have %q after %v", have, m.uptime)
	}
}

func TestTransportAsksNobodyForAnEmptyBody(t *testing.T) {
	m, s := answers([]any{ok + "0\n\n"})
	req := request(t, "PUT", "http://10.0.0.1/", "")
	req.Header.Set("Expect", "100-continue")
	if have, _ := fetch(&web.Transport{Env: m}, req); have != "200 OK " || m.uptime != 0 {
		t.Errorf("want an answer at once, have %q after %v: %q", have, m.uptime, s[0].out.String())
	}
}

// A body that is shorter than it says is the caller's mistake. What was sent of it is not a whole request.
func TestTransportNoticesAShortBody(t *testing.T) {
	m, s := answers([]any{ok + "0\n\n"})
	req := request(t, "PUT", "http://10.0.0.1/", "abc")
	req.ContentLength = 5
	have, _ := fetch(&web.Transport{Env: m}, req)
	mustContain(t, have, "send: ")
	mustContain(t, have, "ContentLength=5")
	if !s[0].closed {
		t.Error("want the connection closed")
	}
}

// FuzzTransport reads anything as a response. It must not panic, must end, and must not keep a connection after an error.
func FuzzTransport(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"), uint8(3))
	f.Add([]byte("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"), uint8(40))
	f.Add([]byte("HTTP/1.0 200 OK\n\nabc"), uint8(255))
	f.Fuzz(func(t *testing.T, sent []byte, piece uint8) {
		m := &caller{}
		s := &script{m: &m.machine}
		for rest := sent; len(rest) > 0; {
			n := min(len(rest), int(piece)+1)
			s.in = append(s.in, string(rest[:n]))
			rest = rest[n:]
		}
		m.lines = []any{s}
		response, trip, err := (&web.Transport{Env: m}).Do(request(t, "GET", "http://10.0.0.1/", ""))
		if err == nil {
			_, err = io.Copy(io.Discard, response.Body)
		}
		if err != nil && (!s.closed || !web.Sent(err)) || !trip.Sent {
			t.Errorf("want the connection closed after %v, and doubt: have closed %v, %+v", err, s.closed, trip)
		}
	})
}
