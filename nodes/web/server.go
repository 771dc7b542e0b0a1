package web

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"firedrill/nodes"
)

// Server answers the requests of a listener's connections. The zero value of a limit means the one named with it; none
// of them can be switched off, for a peer that fell silent without a word is the normal case here.
type Server struct {
	// Handler answers requests, each connection's one after the other, connections side by side. Its panics are left
	// to the world. Of net/http it gets what does not need http.Server: the ResponseWriter is an http.Flusher and no
	// more, a changed header counts until the body outgrows 4 KiB, is flushed or is done, no content type is guessed,
	// and trailers are not sent. The request's context has no deadline and never ends; it holds
	// http.LocalAddrContextKey.
	Handler http.Handler

	Header    time.Duration // from the first byte of a request to the end of its head: 10 s
	Idle      time.Duration // between two requests of a connection: 60 s
	Stall     time.Duration // how long one read of a body or one write of at most 64 KiB may take: 30 s
	MaxHeader int           // bytes of a head: 64 KiB
}

// linger is how long a connection is kept to read away what its peer still sends: were it closed at once, the reset
// would overtake the answer.
const linger = 500 * time.Millisecond

// Serve is Server.Serve with the limits that the zero value means.
func Serve(env nodes.Env, l net.Listener, h http.Handler) error {
	return (&Server{Handler: h}).Serve(env, l)
}

// Serve accepts connections until the listener is closed, and gives each a task. It returns the listener's error;
// connections that are open then go on.
func (s *Server) Serve(env nodes.Env, l net.Listener) error {
	limits := *s
	limits.Header = or(s.Header, 10*time.Second)
	limits.Idle = or(s.Idle, time.Minute)
	limits.Stall = or(s.Stall, 30*time.Second)
	limits.MaxHeader = or(s.MaxHeader, MaxHeader)
	for pause := time.Duration(0); ; {
		raw, err := l.Accept()
		if err != nil {
			if !passing(err) {
				return err
			}
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			env.Log().Warn("cannot accept a connection", "err", err, "again in", pause)
			env.Sleep(pause)
			continue
		}
		pause = 0
		c := limits.connection(env, raw)
		env.Go("web "+c.remote, c.serve)
	}
}

// passing reports whether Accept may succeed later: too many open files, a connection that its peer gave up.
func passing(err error) bool {
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary() && !errors.Is(err, net.ErrClosed)
}

func or[T time.Duration | int](value, otherwise T) T {
	if value <= 0 {
		return otherwise
	}
	return value
}

// connection is one client's, from accept to close.
type connection struct {
	wire
	server *Server
	ctx    context.Context
	remote string
	held   []byte // body of a response whose head is not out yet; reused
	second int64  // the second that date is of
	date   string
}

func (s *Server) connection(env nodes.Env, raw net.Conn) *connection {
	c := &connection{server: s, remote: raw.RemoteAddr().String(), second: -1}
	c.ctx = context.WithValue(context.Background(), http.LocalAddrContextKey, raw.LocalAddr())
	c.open(env, raw)
	return c
}

// serve answers one request after the other until either side has had enough.
func (c *connection) serve() {
	for c.next() {
	}
	c.conn.Close()
}

// next answers one request and reports whether another one may follow.
func (c *connection) next() bool {
	head, err := c.await()
	if err != nil {
		return c.giveUp(err)
	}
	framing := inspect(head)
	req, err := http.ReadRequest(c.r)
	if no := framing.judge(req, err); no != nil {
		return c.refuse(no)
	}
	req.RemoteAddr = c.remote
	req = req.WithContext(c.ctx)
	c.stall = c.server.Stall
	w := &response{c: c, req: req, header: http.Header{}, length: -1, held: c.held[:0]}
	if req.Body != http.NoBody {
		w.body = &requestBody{w: w, from: req.Body, owed: framing.expects() && req.ProtoAtLeast(1, 1)}
		req.Body = w.body
	}
	c.server.Handler.ServeHTTP(w, req)
	w.finish()
	c.held = w.held
	if c.w.Flush() != nil {
		return false
	}
	if w.body != nil && !w.body.drain() {
		c.lingerOn()
		return false
	}
	return !w.last
}

// await waits for the head of the next request.
func (c *connection) await() ([]byte, error) {
	c.stall = 0
	if c.r.Buffered() == 0 {
		if err := c.conn.SetReadDeadline(c.env.Now().Add(c.server.Idle)); err != nil {
			return nil, err
		}
		if _, err := c.r.Peek(1); err != nil {
			return nil, errQuiet
		}
	}
	c.skipEmptyLine()
	// Mostly the whole head came at once, and needs no deadline.
	if b, _ := c.r.Peek(c.r.Buffered()); endOfHead(b, 0) == 0 {
		if err := c.conn.SetReadDeadline(c.env.Now().Add(c.server.Header)); err != nil {
			return nil, err
		}
	}
	return c.head(c.server.MaxHeader)
}

// errQuiet is a connection that ended between two requests, which is no mistake of anybody's.
var errQuiet = errors.New("no further request")

// skipEmptyLine overlooks one before a request, as RFC 9112 2.2 asks of servers.
func (c *connection) skipEmptyLine() {
	for _, end := range []byte("\r\n") {
		if b, _ := c.r.Peek(min(1, c.r.Buffered())); len(b) == 1 && b[0] == end {
			c.r.Discard(1)
		}
	}
}

// giveUp answers, where there is somebody to answer to, for a head that did not come whole.
func (c *connection) giveUp(err error) bool {
	switch {
	case errors.Is(err, errHeadTooLong):
		return c.refuse(&refusal{http.StatusRequestHeaderFieldsTooLarge, "head-too-long"})
	case c.r.Buffered() > 0 && timedOut(err):
		return c.refuse(&refusal{http.StatusRequestTimeout, "head-too-slow"})
	}
	return false
}

// refuse answers without asking the handler, and ends the connection: where the next request begins is not known.
func (c *connection) refuse(no *refusal) bool {
	c.stall = c.server.Stall
	w := &response{c: c, header: http.Header{}, length: -1, last: true, held: c.held[:0]}
	Refuse(w, no.status, no.reason)
	w.finish()
	if c.w.Flush() == nil {
		c.lingerOn()
	}
	return false
}

// lingerOn says that no more will come, and reads away what the peer has under way.
func (c *connection) lingerOn() {
	half, ok := c.conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	c.stall = 0
	if c.conn.SetReadDeadline(c.env.Now().Add(linger)) == nil {
		io.CopyN(io.Discard, c.r, drainLimit)
	}
}

// now is the value of a Date header.
func (c *connection) now() string {
	t := c.env.Now()
	if s := t.Unix(); s != c.second {
		c.second, c.date = s, t.UTC().Format(http.TimeFormat)
	}
	return c.date
}

// refusal is an answer that is given before any handler is asked.
type refusal struct {
	status int
	reason string
}

// framing is what the head of a request says that http.ReadRequest does not tell, or does not mind: mostly about where
// the request ends. Two readers who do not agree on that do not agree on what the next request is.
type framing struct {
	folded, misspelt bool // lines of fields
	hosts, lengths   int
	coding           string // Transfer-Encoding
	expect           string
}

// inspect reads a head that has not been parsed yet.
func inspect(head []byte) (f framing) {
	_, rest, _ := bytes.Cut(head, []byte("\n"))
	for len(rest) > 0 {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
			f.folded = true
		}
		name, value, found := bytes.Cut(line, []byte(":"))
		if !found {
			continue
		}
		f.misspelt = f.misspelt || !validName(name) || !validValue(value)
		switch {
		case is(name, "Host"):
			f.hosts++
		case is(name, "Content-Length"):
			f.lengths++
		case is(name, "Transfer-Encoding"):
			f.coding = f.coding + string(bytes.TrimSpace(value)) // One that is given twice is none that we know.
		case is(name, "Expect"):
			f.expect = string(bytes.TrimSpace(value))
		}
	}
	return f
}

func is(have []byte, want string) bool {
	return len(have) == len(want) && strings.EqualFold(string(have), want)
}

func validName(name []byte) bool {
	for _, c := range name {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return len(name) > 0
}

func validValue(value []byte) bool {
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// expects reports whether the client waits to be told to send its body.
func (f framing) expects() bool { return strings.EqualFold(f.expect, "100-continue") }

// judge returns why a request is not to be answered by the handler, or nil. err is what http.ReadRequest said.
func (f framing) judge(req *http.Request, err error) *refusal {
	switch {
	case f.folded:
		return &refusal{http.StatusBadRequest, "folded-header"}
	case f.misspelt:
		return &refusal{http.StatusBadRequest, "bad-field"}
	case f.coding != "" && f.lengths > 0:
		return &refusal{http.StatusBadRequest, "two-lengths"}
	case f.coding != "" && !strings.EqualFold(f.coding, "chunked"):
		return &refusal{http.StatusNotImplemented, "unknown-transfer-encoding"}
	case err != nil:
		return &refusal{http.StatusBadRequest, "bad-request"}
	case req.ProtoMajor != 1:
		return &refusal{http.StatusHTTPVersionNotSupported, "unknown-version"}
	case f.coding != "" && !req.ProtoAtLeast(1, 1):
		return &refusal{http.StatusBadRequest, "chunked-before-1.1"}
	case f.hosts == 0 && req.ProtoAtLeast(1, 1):
		return &refusal{http.StatusBadRequest, "no-host"}
	case strings.ContainsAny(req.Host, " \t/\\@"):
		return &refusal{http.StatusBadRequest, "bad-host"}
	case f.expect != "" && !f.expects():
		return &refusal{http.StatusExpectationFailed, "unknown-expectation"}
	}
	return nil
}

// requestBody is what a handler reads. It sends the interim answer that a client may be waiting for.
type requestBody struct {
	w    *response
	from io.ReadCloser
	owed bool // 100 Continue
	done bool // the body was read to its end
	shut bool
}

func (b *requestBody) Read(p []byte) (int, error) {
	if b.shut {
		return 0, http.ErrBodyReadAfterClose
	}
	if b.owed {
		b.owed = false
		if !b.w.begun {
			out := b.w.c.w
			out.WriteString("HTTP/1.1 100 Continue\r\n\r\n")
			if err := out.Flush(); err != nil {
				return 0, err
			}
		}
	}
	n, err := b.from.Read(p)
	b.done = b.done || err == io.EOF
	return n, err
}

// Close leaves the rest to drain: that of net/http would read on to the end, however far that is.
func (b *requestBody) Close() error {
	b.shut = true
	return nil
}

// drain reads what the handler left, so that the connection can be used again, and reports whether that worked out.
func (b *requestBody) drain() bool {
	if b.done {
		return true
	}
	if b.w.last {
		return false // The connection is not kept, or the client may never send what it was not asked for.
	}
	_, err := io.CopyN(io.Discard, b.from, drainLimit)
	return err == io.EOF
}
