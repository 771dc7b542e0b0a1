package web

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"firedrill/nodes"
)

// Transport sends requests from one machine, and keeps connections for the next ones. It is an http.RoundTripper; Do
// says more. The tasks of its machine may share it. The zero value of a limit means the one named with it.
//
// It writes a request whole before it reads the response, so a server that answers at length while it still reads, and
// stops reading until it is heard, is not for it. Deadlines in a request's context do not count: Timeout does.
type Transport struct {
	Env nodes.Env
	// Via is where to connect, whatever the request's URL says; zero: to the URL's host, which must be an address
	// then.
	Via netip.AddrPort
	// From is the address to connect from; zero: the network chooses.
	From netip.Addr

	Connect  time.Duration // to set up a connection: 10 s
	Timeout  time.Duration // from the start to the last byte of the response: 30 s
	Continue time.Duration // how long Expect: 100-continue is waited for: 1 s
	// Idle is how old an unused connection may be when it is used again: 50 s, a little less than Server.Idle, or
	// every request at such a pace would meet a connection that is just being closed.
	Idle      time.Duration
	MaxIdle   int // unused connections that are kept, for each address: 4
	MaxHeader int // bytes of a response's head: 64 KiB
	// OneShot ends each connection after its first request, which says so.
	OneShot bool

	idle []*line // the one put back last at the end
}

// Trip is how a request went: over which connection, and whether it went at all.
type Trip struct {
	Local, Remote netip.AddrPort // of the last connection used; zero: there was none
	// Sent says that something of the request may have left this machine. Where it is false, the request surely did
	// nothing.
	Sent   bool
	Reused bool // the connection had served an earlier request
}

// Error is a request without a response, or with half of one. Every error of a Transport is one.
type Error struct {
	Doing string // connect, send, receive; or prepare, where the request itself is wrong
	Sent  bool   // as in Trip
	Err   error
}

func (e *Error) Error() string { return e.Doing + ": " + e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// Sent reports whether the request that ended in err may have done something. Only an Error can say that it did not.
func Sent(err error) bool {
	var e *Error
	return !errors.As(err, &e) || e.Sent
}

// RoundTrip is Do without the Trip.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	response, _, err := t.Do(req)
	return response, err
}

// Do sends a request and returns the response as soon as its head is there. The caller reads the body to its end, or
// closes it; until then the connection is the response's own.
//
// A connection that was kept may have been closed by the server meanwhile. Where nothing of a response came, and
// either nothing was sent or the method is safe (GET, HEAD, OPTIONS, TRACE), the request is sent once more over a
// fresh one. To be idempotent is not enough: a PUT that was done the first time and is refused the second would be
// taken for one that was never done.
func (t *Transport) Do(req *http.Request) (*http.Response, Trip, error) {
	var trip Trip
	fail := func(doing string, err error) (*http.Response, Trip, error) {
		return nil, trip, &Error{Doing: doing, Sent: trip.Sent, Err: err}
	}
	to, err := t.address(req)
	if err != nil {
		closeBody(req)
		return fail("prepare", err)
	}
	end := t.Env.Uptime() + or(t.Timeout, 30*time.Second)
	for l := t.take(to); ; l = nil {
		trip.Reused = l != nil
		if l == nil {
			if l, err = t.dial(to, end); err != nil {
				closeBody(req)
				return fail("connect", err)
			}
		}
		trip.Local, trip.Remote = l.local, l.remote
		l.end = end
		if err = l.limit(); err != nil {
			l.conn.Close()
			closeBody(req)
			return fail("send", err)
		}
		response, doing, err := l.exchange(t, req)
		trip.Sent = trip.Sent || l.sent > 0
		if err == nil {
			return response, trip, nil
		}
		l.conn.Close()
		again := rewind(req)
		if !trip.Reused || l.got > 0 || timedOut(err) || again == nil || l.sent > 0 && !safe(req.Method) {
			return fail(doing, err)
		}
		req = again
	}
}

var errTimeout error = timeoutError{}

// timeoutError is a time limit that passed between two waits.
type timeoutError struct{}

func (timeoutError) Error() string   { return "out of time" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

// CloseIdle ends the connections that are kept.
func (t *Transport) CloseIdle() {
	idle := t.idle
	t.idle = nil
	for _, l := range idle {
		l.conn.Close()
	}
}

// address is where to connect for a request.
func (t *Transport) address(req *http.Request) (netip.AddrPort, error) {
	switch {
	case req.URL == nil || req.URL.Scheme != "http":
		return netip.AddrPort{}, fmt.Errorf("want a URL that begins with http://, have %q", req.URL)
	case t.Via.IsValid():
		return t.Via, nil
	}
	host := req.URL.Host
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return netip.AddrPortFrom(a, 80), nil
	}
	p, err := netip.ParseAddrPort(host)
	if err != nil {
		return p, fmt.Errorf("want an address in the URL, have %q: names are not resolved here", host)
	}
	return p, nil
}

// take returns a connection that was kept, the youngest first, or nil.
func (t *Transport) take(to netip.AddrPort) *line {
	old := t.Env.Uptime() - or(t.Idle, 50*time.Second)
	for i := len(t.idle) - 1; i >= 0; i-- {
		l := t.idle[i]
		if l.to != to {
			continue
		}
		t.idle = slices.Delete(t.idle, i, i+1)
		if l.since > old {
			return l
		}
		l.conn.Close()
		i = min(i, len(t.idle)) // Close may give way to a task that takes one too.
	}
	return nil
}

// keep holds a connection for the next request, and drops the oldest where there are too many.
func (t *Transport) keep(l *line) {
	l.since = t.Env.Uptime()
	var oldest *line
	n := 0
	for _, other := range t.idle {
		if other.to == l.to {
			if n++; oldest == nil {
				oldest = other
			}
		}
	}
	t.idle = append(t.idle, l)
	if n >= or(t.MaxIdle, 4) {
		i := slices.Index(t.idle, oldest)
		t.idle = slices.Delete(t.idle, i, i+1)
		oldest.conn.Close()
	}
}

// dial sets up a connection; end is the uptime at which the request as a whole is out of time.
func (t *Transport) dial(to netip.AddrPort, end time.Duration) (*line, error) {
	d := &net.Dialer{Timeout: min(or(t.Connect, 10*time.Second), end-t.Env.Uptime())}
	if d.Timeout <= 0 {
		return nil, errTimeout
	}
	if t.From.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(t.From, 0))
	}
	raw, err := t.Env.Net().CreateDialer(d).Dial("tcp", to.String())
	if err != nil {
		return nil, err
	}
	l := &line{to: to, local: addrPort(raw.LocalAddr()), remote: addrPort(raw.RemoteAddr())}
	l.open(t.Env, raw)
	return l, nil
}

// line is one connection of a Transport.
type line struct {
	wire
	to, local, remote netip.AddrPort
	since             time.Duration // uptime at which it was last used
	end               time.Duration // uptime at which the present request is out of time
}

// limit sets the deadline to the end of the request's time. A deadline is uptime once it is set, so a step of the
// clock between here and there does no harm.
func (l *line) limit() error {
	left := l.end - l.env.Uptime()
	if left <= 0 {
		return errTimeout
	}
	return l.conn.SetDeadline(l.env.Now().Add(left))
}

// exchange sends a request and waits for the head of the response. On error it also says what it was doing.
func (l *line) exchange(t *Transport, req *http.Request) (*http.Response, string, error) {
	l.sent, l.got, l.broken = 0, 0, nil
	out, wait := t.outgoing(l, req)
	unsent := out.Write(l.w)
	if unsent == nil {
		unsent = l.w.Flush()
	}
	switch {
	case wait != nil && wait.refused: // The server has answered without the body.
	case unsent != nil && l.broken == nil: // The body could not be read, or is not as long as it says.
		return nil, "send", unsent
	case unsent != nil && l.sent == 0:
		return nil, "send", unsent
	}
	// Where sending broke off, the server may have said why before it hung up.
	response, err := l.receive(t, req)
	switch {
	case err != nil && unsent != nil && l.broken != nil:
		return nil, "send", unsent
	case err != nil:
		return nil, "receive", err
	}
	keep := unsent == nil && !response.Close && !out.Close
	if response.Body == http.NoBody {
		l.release(t, keep)
	} else {
		response.Body = &responseBody{from: response.Body, t: t, l: l, keep: keep}
	}
	return response, "", nil
}

// outgoing is the request as it is to be written.
func (t *Transport) outgoing(l *line, req *http.Request) (*http.Request, *waitingBody) {
	out := new(http.Request)
	*out = *req
	out.Close = req.Close || t.OneShot
	if out.Body == nil || out.Body == http.NoBody {
		out.Body, out.ContentLength = nil, 0
		return out, nil
	}
	if out.ContentLength <= 0 {
		// Told so, Request.Write need not find out whether there is a body, for which it starts a goroutine.
		out.ContentLength = -1
		out.TransferEncoding = []string{"chunked"}
	}
	if !strings.EqualFold(req.Header.Get("Expect"), "100-continue") {
		return out, nil
	}
	wait := &waitingBody{ReadCloser: out.Body, t: t, l: l}
	out.Body = wait
	return out, wait
}

// receive reads the head of a response; interim ones are passed over.
func (l *line) receive(t *Transport, req *http.Request) (*http.Response, error) {
	for range 8 {
		if _, err := l.head(or(t.MaxHeader, MaxHeader)); err != nil {
			if err == io.EOF {
				err = errors.New("connection closed without a response")
			}
			return nil, err
		}
		response, err := http.ReadResponse(l.r, req)
		if err != nil || response.StatusCode >= 200 || response.StatusCode == http.StatusSwitchingProtocols {
			return response, err
		}
	}
	return nil, errors.New("want a final response, have eight interim ones")
}

// release gives the connection back, or ends it.
func (l *line) release(t *Transport, keep bool) {
	// What the server sent unasked is no answer to the next request.
	if keep && l.r.Buffered() == 0 {
		t.keep(l)
		return
	}
	l.conn.Close()
}

// waitingBody is sent when the server asks for it, or does not say anything for too long.
type waitingBody struct {
	io.ReadCloser
	t       *Transport
	l       *line
	asked   bool
	refused bool
}

var errRefused = errors.New("answered without the body")

// Read is first called when the head has been flushed: Request.Write does that for a body it cannot look into.
func (b *waitingBody) Read(p []byte) (int, error) {
	if !b.asked {
		b.asked = true
		if b.refused = b.wait(); b.refused {
			return 0, errRefused
		}
	}
	return b.ReadCloser.Read(p)
}

// wait reports whether a final response came instead of the permission to go on. That response is left unread.
func (b *waitingBody) wait() bool {
	patience := min(or(b.t.Continue, time.Second), b.l.end-b.l.env.Uptime())
	if b.l.conn.SetReadDeadline(b.l.env.Now().Add(patience)) != nil {
		return false
	}
	head, err := b.l.head(or(b.t.MaxHeader, MaxHeader))
	if late := b.l.limit(); err != nil || late != nil {
		return false // Too slow; or broken, which sending will show.
	}
	_, status, _ := strings.Cut(string(head[:min(len(head), 16)]), " ")
	return !strings.HasPrefix(status, "1")
}

// responseBody gives its connection back at its end.
type responseBody struct {
	from io.ReadCloser
	t    *Transport
	l    *line // nil: given back
	keep bool
}

func (b *responseBody) Read(p []byte) (int, error) {
	if b.l == nil {
		return 0, io.EOF
	}
	n, err := b.from.Read(p)
	if err == nil {
		return n, nil
	}
	l := b.l
	b.l = nil
	l.release(b.t, b.keep && err == io.EOF)
	if err != io.EOF {
		err = &Error{Doing: "receive", Sent: true, Err: err}
	}
	return n, err
}

// Close ends the connection too, unless the body was read to its end: how much is left, nobody knows.
func (b *responseBody) Close() error {
	if l := b.l; l != nil {
		b.l = nil
		return l.conn.Close()
	}
	return nil
}

// rewind returns the request ready to be sent again, or nil where its body cannot be read again.
func rewind(req *http.Request) *http.Request {
	if req.Body == nil || req.Body == http.NoBody {
		return req
	}
	if req.GetBody == nil {
		return nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil
	}
	again := new(http.Request)
	*again = *req
	again.Body = body
	return again
}

func safe(method string) bool {
	switch method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}
