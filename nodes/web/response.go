package web

import (
	"io"
	"net/http"
	"net/http/httputil"
	"strconv"
)

// heldMax is how much of a body is held back to find out its length: 4 KiB.
const heldMax = 4 << 10

// response is the http.ResponseWriter of one request. It holds the body back until it is done or outgrows its buffer:
// then it knows whether the length can be told or the body goes in chunks.
type response struct {
	c       *connection
	req     *http.Request // nil: the request could not be read
	body    *requestBody  // nil: it has none
	header  http.Header
	status  int // 0: not told yet
	begun   bool
	held    []byte
	length  int64 // as declared; -1: not
	written int64
	chunks  io.WriteCloser // nil: the body goes as it is
	last    bool           // the connection ends with this response
}

func (w *response) Header() http.Header { return w.header }

// WriteHeader sets the status. A second one is ignored, and logged; 1xx other than 101 is sent at once, and does not
// count.
func (w *response) WriteHeader(status int) {
	switch {
	case status < 100 || status > 999:
		panic("web: want a status from 100 to 999, have " + strconv.Itoa(status))
	case w.status != 0:
		w.c.env.Log().Warn("status set twice", "first", w.status, "then", status)
	case status < 200 && status != http.StatusSwitchingProtocols:
		if w.older() {
			return // HTTP/1.0 knows none.
		}
		writeStatus(w.c.w, status)
		w.header.Write(w.c.w)
		w.c.w.WriteString("\r\n")
		w.c.w.Flush()
	default:
		w.status = status
		w.declared()
	}
}

// declared takes the length out of the header, where the handler set one.
func (w *response) declared() {
	text := w.header.Get("Content-Length")
	if text == "" {
		return
	}
	w.header.Del("Content-Length")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		w.c.env.Log().Warn("content length set to what is none", "value", text)
		return
	}
	w.length = n
}

// Write adds to the body. It returns http.ErrBodyNotAllowed for a status that has none, and http.ErrContentLength for
// more than was declared.
func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !bodyAllowed(w.status) {
		return 0, http.ErrBodyNotAllowed
	}
	if w.length >= 0 && w.written+int64(len(p)) > w.length {
		return 0, http.ErrContentLength
	}
	w.written += int64(len(p))
	if w.bodiless() {
		return len(p), nil
	}
	if !w.begun {
		if len(w.held)+len(p) <= heldMax {
			w.held = append(w.held, p...)
			return len(p), nil
		}
		if err := w.begin(false); err != nil {
			return 0, err
		}
	}
	return w.send(p)
}

// Flush sends what there is. After it, a body of undeclared length goes in chunks.
func (w *response) Flush() {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.begun {
		w.begin(false)
	}
	w.c.w.Flush()
}

// finish ends the response once the handler is done.
func (w *response) finish() {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.begun {
		w.begin(true)
	}
	if w.chunks != nil {
		w.chunks.Close()
		w.c.w.WriteString("\r\n") // No trailers.
	}
	if w.length >= 0 && w.written < w.length && !w.bodiless() {
		w.c.env.Log().Warn("body is shorter than declared", "declared", w.length, "written", w.written)
		w.last = true // The client waits for the rest; only the end of the connection tells it.
	}
}

// begin sends the head and what was held back. whole says that this is all of the body.
func (w *response) begin(whole bool) error {
	w.begun = true
	h, out := w.header, w.c.w
	if w.req == nil || w.req.Close || w.older() || h.Get("Connection") == "close" || w.leavesMuch() {
		w.last = true
	}
	h.Del("Connection")
	h.Del("Transfer-Encoding")
	if w.length < 0 && whole && (w.written > 0 || !w.head()) {
		w.length = w.written
	}
	writeStatus(out, w.status)
	if len(h["Date"]) == 0 {
		writeField(out, "Date", w.c.now())
	}
	switch {
	case !bodyAllowed(w.status): // No length: it would be that of another response, or none.
	case w.length >= 0:
		var digits [20]byte
		writeField(out, "Content-Length", string(strconv.AppendInt(digits[:0], w.length, 10)))
	case w.head():
	case w.older(): // It is the last response then, and the end of the connection that of the body.
	default:
		writeField(out, "Transfer-Encoding", "chunked")
		w.chunks = httputil.NewChunkedWriter(out)
	}
	if w.last {
		writeField(out, "Connection", "close")
	}
	h.Write(out)
	_, err := out.WriteString("\r\n")
	if len(w.held) > 0 && err == nil {
		_, err = w.send(w.held)
	}
	return err
}

// send writes a part of the body.
func (w *response) send(p []byte) (int, error) {
	if w.chunks != nil {
		return w.chunks.Write(p)
	}
	return w.c.w.Write(p)
}

// leavesMuch reports whether the request's body has more left than is read away for the sake of the connection, or may
// never come.
func (w *response) leavesMuch() bool {
	return w.body != nil && !w.body.done && (w.body.owed || w.req.ContentLength > drainLimit)
}

func (w *response) head() bool { return w.req != nil && w.req.Method == http.MethodHead }

// bodiless reports whether no body follows this head.
func (w *response) bodiless() bool { return w.head() || !bodyAllowed(w.status) }

// older reports whether the client speaks HTTP/1.0.
func (w *response) older() bool { return w.req != nil && !w.req.ProtoAtLeast(1, 1) }

func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

func writeStatus(out io.StringWriter, status int) {
	out.WriteString("HTTP/1.1 ")
	out.WriteString(strconv.Itoa(status))
	out.WriteString(" ")
	out.WriteString(http.StatusText(status))
	out.WriteString("\r\n")
}

func writeField(out io.StringWriter, name, value string) {
	out.WriteString(name)
	out.WriteString(": ")
	out.WriteString(value)
	out.WriteString("\r\n")
}
