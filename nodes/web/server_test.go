package web_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firedrill/nodes/web"
)

// handler shows each way to answer, by path.
func handler() http.Handler {
	mux := http.NewServeMux()
	handle := func(path string, f http.HandlerFunc) { mux.HandleFunc(path, f) }
	handle("/hello", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") })
	handle("/none", func(w http.ResponseWriter, r *http.Request) {})
	handle("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		var code int
		fmt.Sscan(r.PathValue("code"), &code)
		w.WriteHeader(code)
		_, err := io.WriteString(w, "body")
		if (err == http.ErrBodyNotAllowed) != (code == 204 || code == 304) {
			panic(err)
		}
	})
	handle("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %v", body, err)
	})
	handle("/max", func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4))
		if err != nil {
			web.Refuse(w, http.StatusRequestEntityTooLarge, "too-large")
		}
	})
	handle("/big", func(w http.ResponseWriter, r *http.Request) {
		for range 3 {
			io.WriteString(w, strings.Repeat("x", 3000))
		}
	})
	handle("/declared", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", r.FormValue("length"))
		_, err := io.WriteString(w, "hello")
		if err != nil {
			io.WriteString(w, "hel")
		}
	})
	handle("/flush", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "one")
		w.(http.Flusher).Flush()
		io.WriteString(w, "three")
		io.WriteString(w, "")
	})
	handle("/bye", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Connection", "close") })
	handle("/own", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", "today")
		w.Header().Set("Transfer-Encoding", "own")
		w.Header().Set("X-Split", "a\r\nb: c")
	})
	handle("/hints", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusOK)
		w.WriteHeader(http.StatusTeapot)
	})
	handle("/where", func(w http.ResponseWriter, r *http.Request) {
		_, limited := r.Context().Deadline()
		fmt.Fprint(w, r.RemoteAddr, " ", r.Context().Value(http.LocalAddrContextKey).(net.Addr), " ", limited)
	})
	handle("/shut", func(w http.ResponseWriter, r *http.Request) {
		r.Body.Close()
		_, err := r.Body.Read(make([]byte, 1))
		fmt.Fprint(w, err == http.ErrBodyReadAfterClose)
	})
	handle("/late", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "first")
		w.(http.Flusher).Flush()
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, " %d", len(body))
	})
	return mux
}

// raw is a segment that is sent as it stands. In others, a line feed stands for a line's end.
type raw string

// play lets the other end of a connection send these, and returns what it got.
func play(t *testing.T, s web.Server, in ...any) (*script, *machine) {
	t.Helper()
	m := &machine{}
	c := &script{m: m}
	for _, part := range in {
		switch text := part.(type) {
		case string:
			part = crlf(text)
		case raw:
			part = string(text)
		}
		c.in = append(c.in, part)
	}
	s.Handler = handler()
	if err := s.Serve(m, &listener{waiting: []any{c}}); err != net.ErrClosed {
		t.Fatalf("want the listener's error, have %v", err)
	}
	if !c.closed {
		t.Error("want the connection closed in the end")
	}
	return c, m
}

const ok = "HTTP/1.1 200 OK\nContent-Length: "

func refused(status, reason string) string {
	body := `{"reason":"` + reason + `"}`
	return fmt.Sprintf("HTTP/1.1 %s\nContent-Length: %d\nConnection: close\n"+
		"Content-Type: application/json\nX-Not-Done: %s\n\n%s", status, len(body), reason, body)
}

func TestServer(t *testing.T) {
	const host = "Host: h\n"
	get := func(path string) string { return "GET " + path + " HTTP/1.1\n" + host + "\n" }
	post := func(path, fields, body string) string {
		return "POST " + path + " HTTP/1.1\n" + host + fields + "\n" + body
	}
	big := "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\nbb8\n" + strings.Repeat("x", 3000) + "\nbb8\n" +
		strings.Repeat("x", 3000) + "\nbb8\n" + strings.Repeat("x", 3000) + "\n0\n\n"
	cases := []struct {
		name string
		in   []any
		want string
	}{
		{"a body of known length", []any{get("/hello")}, ok + "5\n\nhello"},
		{"no body", []any{get("/none")}, ok + "0\n\n"},
		{"two requests", []any{get("/hello"), get("/none")}, ok + "5\n\nhello" + ok + "0\n\n"},
		{"pipelined requests", []any{get("/hello") + get("/none") + get("/hello")},
			ok + "5\n\nhello" + ok + "0\n\n" + ok + "5\n\nhello"},
		{"a request in pieces", []any{"GET /he", "llo HTTP/1.1\nHo", "st: h\n", "\n"}, ok + "5\n\nhello"},
		{"bare line feeds", []any{raw(get("/hello"))}, ok + "5\n\nhello"},
		{"an empty line before", []any{"\n" + get("/hello")}, ok + "5\n\nhello"},
		{"a body too large to hold back", []any{get("/big"), get("/none")}, big + ok + "0\n\n"},
		{"the same to HTTP/1.0", []any{"GET /big HTTP/1.0\n\n", get("/none")},
			"HTTP/1.1 200 OK\nConnection: close\n\n" + strings.Repeat("x", 9000)},
		{"HTTP/1.0 ends", []any{"GET /hello HTTP/1.0\n\n", get("/none")}, ok + "5\nConnection: close\n\nhello"},
		{"HTTP/1.0 that wants to go on", []any{"GET /hello HTTP/1.0\nConnection: keep-alive\n\n", get("/none")},
			ok + "5\nConnection: close\n\nhello"},
		{"no interim answers to HTTP/1.0", []any{"GET /hints HTTP/1.0\n\n"}, ok + "0\nConnection: close\n\n"},
		{"the client ends", []any{"GET /hello HTTP/1.1\n" + host + "Connection: close\n\n", get("/none")},
			ok + "5\nConnection: close\n\nhello"},
		{"the handler ends", []any{get("/bye"), get("/none")}, ok + "0\nConnection: close\n\n"},
		{"flush", []any{get("/flush"), get("/none")},
			"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3\none\n5\nthree\n0\n\n" + ok + "0\n\n"},
		{"HEAD", []any{"HEAD /hello HTTP/1.1\n" + host + "\n", get("/none")}, ok + "5\n\n" + ok + "0\n\n"},
		{"HEAD of what is large", []any{"HEAD /big HTTP/1.1\n" + host + "\n", get("/none")},
			ok + "9000\n\n" + ok + "0\n\n"},
		{"HEAD of what is flushed", []any{"HEAD /flush HTTP/1.1\n" + host + "\n", get("/none")},
			"HTTP/1.1 200 OK\n\n" + ok + "0\n\n"},
		{"HEAD without a word on length", []any{"HEAD /none HTTP/1.1\n" + host + "\n"}, "HTTP/1.1 200 OK\n\n"},
		{"204", []any{get("/status/204"), get("/none")}, "HTTP/1.1 204 No Content\n\n" + ok + "0\n\n"},
		{"304", []any{get("/status/304"), get("/none")}, "HTTP/1.1 304 Not Modified\n\n" + ok + "0\n\n"},
		{"404 has a body", []any{get("/status/404")}, "HTTP/1.1 404 Not Found\nContent-Length: 4\n\nbody"},
		{"a declared length", []any{get("/declared?length=5"), get("/none")}, ok + "5\n\nhello" + ok + "0\n\n"},
		{"more than declared", []any{get("/declared?length=3"), get("/none")}, ok + "3\n\nhel" + ok + "0\n\n"},
		{"less than declared", []any{get("/declared?length=9"), get("/none")}, ok + "9\n\nhello"},
		{"a declared length that is none", []any{get("/declared?length=x")}, ok + "5\n\nhello"},
		{"fields of the handler's own", []any{get("/own")}, "HTTP/1.1 200 OK\nContent-Length: 0\nX-Split: a  b: c\n\n"},
		{"interim answer", []any{get("/hints"), get("/none")},
			"HTTP/1.1 103 Early Hints\n\n" + ok + "0\n\n" + ok + "0\n\n"},
		{"addresses", []any{get("/where")}, ok + "31\n\n10.0.0.2:1024 10.0.0.1:80 false"},

		{"a request body", []any{post("/echo", "Content-Length: 3\n", "abc"), get("/none")},
			ok + "9\n\nabc <nil>" + ok + "0\n\n"},
		{"a chunked one", []any{post("/echo", "Transfer-Encoding: chunked\n", "1\na\n2\nbc\n0\n\n"), get("/none")},
			ok + "9\n\nabc <nil>" + ok + "0\n\n"},
		{"one that breaks off", []any{post("/echo", "Content-Length: 3\n", "ab")}, ok + "17\n\nab unexpected EOF"},
		{"one with a wrong chunk", []any{post("/echo", "Transfer-Encoding: chunked\n", "zz\n"), get("/none")},
			ok + "29\n\n invalid byte in chunk length"},
		{"one that nobody reads", []any{post("/none", "Content-Length: 3\n", "abc") + get("/hello")},
			ok + "0\n\n" + ok + "5\n\nhello"},
		{"one that is closed", []any{post("/shut", "Content-Length: 3\n", "abc") + get("/hello")},
			ok + "4\n\ntrue" + ok + "5\n\nhello"},
		{"a large one that nobody reads", []any{post("/none", "Content-Length: 300000\n", "abc")},
			ok + "0\nConnection: close\n\n"},
		{"one above the handler's limit", []any{post("/max", "Content-Length: 5\n", "abcde") + get("/hello")},
			"HTTP/1.1 413 Request Entity Too Large\nContent-Length: 22\nContent-Type: application/json\n" +
				"X-Not-Done: too-large\n\n{\"reason\":\"too-large\"}" + ok + "5\n\nhello"},
		{"one at the handler's limit", []any{post("/max", "Content-Length: 4\n", "abcd")}, ok + "0\n\n"},

		{"Expect", []any{post("/echo", "Expect: 100-continue\nContent-Length: 3\n", ""), "abc", get("/none")},
			"HTTP/1.1 100 Continue\n\n" + ok + "9\n\nabc <nil>" + ok + "0\n\n"},
		{"Expect, and nobody reads", []any{post("/none", "Expect: 100-continue\nContent-Length: 3\n", ""), get("/none")},
			ok + "0\nConnection: close\n\n"},
		{"Expect, and the response has begun", []any{post("/late", "Expect: 100-continue\nContent-Length: 3\n", ""), "abc"},
			"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nConnection: close\n\n5\nfirst\n2\n 3\n0\n\n"},
		{"Expect before HTTP/1.1", []any{"POST /echo HTTP/1.0\nExpect: 100-continue\nContent-Length: 3\n\nabc"},
			ok + "9\nConnection: close\n\nabc <nil>"},
		{"Expect of something else", []any{post("/echo", "Expect: tea\nContent-Length: 3\n", "abc"), get("/none")},
			refused("417 Expectation Failed", "unknown-expectation")},

		{"no host", []any{"GET /hello HTTP/1.1\n\n", get("/none")}, refused("400 Bad Request", "no-host")},
		{"two hosts", []any{"GET /hello HTTP/1.1\n" + host + host + "\n"}, refused("400 Bad Request", "bad-request")},
		{"a bad host", []any{"GET /hello HTTP/1.1\nHost: a b\n\n"}, refused("400 Bad Request", "bad-host")},
		{"HTTP/1.0 needs none", []any{"GET /none HTTP/1.0\n\n"}, ok + "0\nConnection: close\n\n"},
		{"two lengths", []any{post("/echo", "Content-Length: 3\nTransfer-Encoding: chunked\n", "0\n\n") + get("/none")},
			refused("400 Bad Request", "two-lengths")},
		{"two different lengths", []any{post("/echo", "Content-Length: 3\nContent-Length: 4\n", "abcd")},
			refused("400 Bad Request", "bad-request")},
		{"a length that is none", []any{post("/echo", "Content-Length: +3\n", "abc")},
			refused("400 Bad Request", "bad-request")},
		{"an unknown coding", []any{post("/echo", "Transfer-Encoding: gzip\n", "x")},
			refused("501 Not Implemented", "unknown-transfer-encoding")},
		{"two codings", []any{post("/echo", "Transfer-Encoding: gzip, chunked\n", "x")},
			refused("501 Not Implemented", "unknown-transfer-encoding")},
		{"chunks in HTTP/1.0", []any{"POST /echo HTTP/1.0\nTransfer-Encoding: chunked\n\n0\n\n"},
			refused("400 Bad Request", "chunked-before-1.1")},
		{"a folded line", []any{"GET /hello HTTP/1.1\n" + host + "X: a\n b\n\n"},
			refused("400 Bad Request", "folded-header")},
		{"a bad request line", []any{"hello\n\n"}, refused("400 Bad Request", "bad-request")},
		{"a field without colon", []any{"GET /hello HTTP/1.1\n" + host + "X\n\n"},
			refused("400 Bad Request", "bad-request")},
		{"a name with a blank", []any{post("/echo", "Content-Length : 3\n", "abc")},
			refused("400 Bad Request", "bad-field")},
		{"a nameless field", []any{post("/echo", ": 3\n", "")}, refused("400 Bad Request", "bad-field")},
		{"a value with a NUL", []any{post("/echo", "X: a\x00b\n", "")}, refused("400 Bad Request", "bad-field")},
		{"a value with a bare CR", []any{raw("GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n")},
			refused("400 Bad Request", "bad-field")},
		{"a value with a tab and bytes above ASCII", []any{"GET /none HTTP/1.1\n" + host + "X:\ta\xff\n\n"}, ok + "0\n\n"},
		{"HTTP/2", []any{"PRI * HTTP/2.0\n\nSM\n\n"}, refused("505 HTTP Version Not Supported", "unknown-version")},
		{"a head too long", []any{"GET /hello HTTP/1.1\n" + host + "X: " + strings.Repeat("x", web.MaxHeader) + "\n\n"},
			refused("431 Request Header Fields Too Large", "head-too-long")},
		{"a head without end", []any{"GET /", strings.Repeat("x", web.MaxHeader)},
			refused("431 Request Header Fields Too Large", "head-too-long")},
		{"a long head", []any{"GET /hello HTTP/1.1\n" + host + "X: " + strings.Repeat("x", web.MaxHeader-100) + "\n\n",
			get("/none")}, ok + "5\n\nhello" + ok + "0\n\n"},
		{"a head that breaks off", []any{"GET /hello HTTP/1.1\n"}, ""},

		{"a head too slow", []any{"GET /hello HTTP/1.1\n", 9 * time.Second, host, 2 * time.Second, "\n"},
			refused("408 Request Timeout", "head-too-slow")},
		{"a slow head", []any{50 * time.Second, "GET /hello HTTP/1.1\n", 9 * time.Second, host, "\n"}, ok + "5\n\nhello"},
		{"idle for too long", []any{get("/none"), 61 * time.Second, get("/hello")}, ok + "0\n\n"},
		{"idle", []any{get("/none"), 59 * time.Second, get("/hello")}, ok + "0\n\n" + ok + "5\n\nhello"},
		{"a slow body", []any{post("/echo", "Content-Length: 2\n", ""), 29 * time.Second, "a", 29 * time.Second, "b"},
			ok + "8\n\nab <nil>"},
		{"a body too slow", []any{post("/echo", "Content-Length: 2\n", ""), "a", 31 * time.Second, "b"},
			ok + "13\n\na i/o timeout"},
		{"reset", []any{get("/none"), errReset}, ok + "0\n\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, _ := play(t, web.Server{}, c.in...)
			if diff := cmp.Diff(c.want, lines(s.out.String())); diff != "" {
				t.Errorf("want -, have +:\n%s", diff)
			}
		})
	}
}

func TestServerLogsMistakesOfHandlers(t *testing.T) {
	for path, want := range map[string]string{
		"/hints":             "status set twice",
		"/declared?length=9": "body is shorter than declared",
		"/declared?length=x": "content length set to what is none",
		"/declared?length=5": "",
	} {
		_, m := play(t, web.Server{}, "GET "+path+" HTTP/1.1\nHost: h\n\n")
		if have := m.log.String(); !strings.Contains(have, want) || want == "" && have != "" {
			t.Errorf("%s: want a line with %q, have %q", path, want, have)
		}
	}
}

func TestServerLeavesPanicsToTheWorld(t *testing.T) {
	defer func() {
		if have := recover(); have != "oops" {
			t.Errorf("want the handler's panic, have %v", have)
		}
	}()
	m := &machine{}
	c := &script{m: m, in: []any{"GET / HTTP/1.1\r\nHost: h\r\n\r\n"}}
	h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("oops") })
	web.Serve(m, &listener{waiting: []any{c}}, h)
	t.Error("want a panic")
}

// tooManyFiles is an error of Accept that passes.
type tooManyFiles struct{ error }

func (tooManyFiles) Temporary() bool { return true }

func TestServerGoesOnAccepting(t *testing.T) {
	m := &machine{}
	c := &script{m: m, in: []any{crlf("GET /hello HTTP/1.1\nHost: h\n\n")}}
	busy := tooManyFiles{errReset}
	err := web.Serve(m, &listener{waiting: []any{busy, busy, c, errReset, c}}, handler())
	if err != errReset {
		t.Errorf("want the error that does not pass, have %v", err)
	}
	if m.uptime != 15*time.Millisecond {
		t.Errorf("want pauses of 5 ms and 10 ms, have %v in all", m.uptime)
	}
	mustContain(t, c.out.String(), "hello")
}

func TestServerLingersOnlyWhereSomethingMayCome(t *testing.T) {
	cases := []struct {
		in   string
		want bool
	}{
		{"GET /hello HTTP/1.1\nHost: h\nConnection: close\n\n", false},
		{"GET /hello HTTP/1.1\n\nmore", true},
		{"POST /none HTTP/1.1\nHost: h\nContent-Length: 300000\n\n", true},
		{"POST /none HTTP/1.1\nHost: h\nContent-Length: 3\n\nabc", false},
	}
	for _, c := range cases {
		if s, _ := play(t, web.Server{}, c.in); s.half != c.want {
			t.Errorf("%q: want it closed one way first: %v, have %v", c.in, c.want, s.half)
		}
	}
}

func TestServerDates(t *testing.T) {
	get := "GET /none HTTP/1.1\nHost: h\n\n"
	own := "GET /own HTTP/1.1\nHost: h\n\n"
	s, _ := play(t, web.Server{}, 10*time.Second, get+get, 1500*time.Millisecond, get, own)
	var dates []string
	for line := range strings.Lines(s.out.String()) {
		if date, found := strings.CutPrefix(line, "Date: "); found {
			dates = append(dates, strings.TrimSpace(date))
		}
	}
	const day = "Mon, 05 Jan 2026 "
	want := []string{day + "00:00:10 GMT", day + "00:00:10 GMT", day + "00:00:11 GMT", "today"}
	if diff := cmp.Diff(want, dates); diff != "" {
		t.Errorf("want -, have +:\n%s", diff)
	}
}

// A body that is not worth its connection is not waited for, least of all one that the client was not asked for.
func TestServerWaitsForNoBodyThatNobodyReads(t *testing.T) {
	for _, fields := range []string{"Expect: 100-continue\nContent-Length: 3\n", "Content-Length: 300000\n",
		"Connection: close\nContent-Length: 3\n"} {
		_, m := play(t, web.Server{}, "POST /none HTTP/1.1\nHost: h\n"+fields+"\n", 10*time.Second, "abc")
		if m.uptime != 500*time.Millisecond {
			t.Errorf("%q: want an end after lingering for 500ms, have %v", fields, m.uptime)
		}
	}
}

// A peer that never stops sending does not hold its connection for longer than the time that the server lingers.
func TestServerLingersNotForever(t *testing.T) {
	in := []any{"GET /hello HTTP/1.1\n\n"}
	for range 100 {
		in = append(in, 10*time.Millisecond, "more")
	}
	_, m := play(t, web.Server{}, in...)
	if m.uptime != 500*time.Millisecond {
		t.Errorf("want the end after 500ms, have %v", m.uptime)
	}
}

func TestServerStopsWhenItCannotSend(t *testing.T) {
	m := &machine{}
	get := crlf("GET /big HTTP/1.1\nHost: h\n\n")
	c := &script{m: m, in: []any{get, get}, writeErr: errReset, room: 4100}
	web.Serve(m, &listener{waiting: []any{c}}, handler())
	if c.out.Len() != 4100 || len(c.in) != 1 || !c.closed {
		t.Errorf("want one response of 4100 bytes and an end, have %d, %d requests left", c.out.Len(), len(c.in))
	}
}

// FuzzServer sends anything to a server. It must not panic, must end, and must not answer one request more than a
// strict reader sees.
func FuzzServer(f *testing.F) {
	f.Add([]byte("GET /hello HTTP/1.1\r\nHost: h\r\n\r\nGET /none HTTP/1.0\r\n\r\n"), uint8(7))
	f.Add([]byte("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), uint8(1))
	f.Add([]byte("PUT /late HTTP/1.1\nHost: h\nExpect: 100-continue\nContent-Length: 2\n\nab"), uint8(64))
	f.Add([]byte("HEAD /big HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"), uint8(200))
	f.Fuzz(func(t *testing.T, sent []byte, piece uint8) {
		m := &machine{}
		c := &script{m: m}
		for rest := sent; len(rest) > 0; {
			n := min(len(rest), int(piece)+1)
			c.in = append(c.in, string(rest[:n]))
			rest = rest[n:]
		}
		served := 0
		h := handler()
		count := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			served++
			if r.ProtoMajor != 1 || r.Header.Get("Content-Length") != "" && len(r.TransferEncoding) > 0 {
				t.Errorf("want this refused: %+v", r)
			}
			if n := r.ContentLength; n > 1<<40 {
				return // A length to declare, not to serve.
			}
			h.ServeHTTP(w, r)
		})
		if err := web.Serve(m, &listener{waiting: []any{c}}, count); err != net.ErrClosed {
			t.Fatal(err)
		}
		if lines := strings.Count(string(sent), "\n"); served > lines {
			t.Errorf("want at most a request for each line, have %d for %d", served, lines)
		}
		if out := c.out.String(); served > 0 && !strings.HasPrefix(out, "HTTP/1.1 ") {
			t.Errorf("want a response, have %q", out)
		}
	})
}
