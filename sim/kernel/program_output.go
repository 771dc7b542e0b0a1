//go:build linux

package kernel

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"firedrill/nodes"
	"firedrill/sim"
)

// How much of what a program writes becomes facts: lines up to a length, and of each start so many lines and bytes. The
// machine's log has the rest.
const (
	lineMax  = 4 << 10
	linesMax = 10_000
	bytesMax = 1 << 20
)

// drainTime is how long the end of a program's output may take to be read. All that could write to it is dead by then.
const drainTime = time.Second

// output takes what a program writes, as fast as it writes: the log gets all of it, and lines become facts. Nobody who is slow
// to take these holds the program up.
type output struct {
	log   *logbook
	ready string // a line that contains it makes the program ready; "": none
	say   func(word)

	line  []byte // the last one, so far
	cut   bool   // it is longer, and told of already
	lines int    // told so far
	bytes int

	mu    sync.Mutex
	more  sync.Cond
	queue []told // never longer than the limits above
	over  bool   // nothing more comes

	read chan struct{} // closed at the end of the output
	sent chan struct{} // closed when all is told
}

func newOutput(log *logbook, ready string, say func(word)) *output {
	o := &output{log: log, ready: ready, say: say, sent: make(chan struct{})}
	o.more.L = &o.mu
	go o.send()
	return o
}

// follow reads until nobody can write any more.
func (o *output) follow(from *os.File) {
	o.read = make(chan struct{})
	go func() {
		defer close(o.read)
		defer from.Close()
		piece := make([]byte, 64<<10)
		for {
			n, err := from.Read(piece)
			at := monotonic()
			o.log.write(piece[:n])
			o.take(at, piece[:n])
			if err != nil {
				if len(o.line) > 0 {
					o.take(at, []byte("\n"))
				}
				return
			}
		}
	}()
}

// take makes lines of a piece of output.
func (o *output) take(at int64, piece []byte) {
	for len(piece) > 0 {
		end := bytes.IndexByte(piece, '\n')
		part := piece
		if end >= 0 {
			part = piece[:end]
		}
		if !o.cut {
			o.line = append(o.line, part[:min(len(part), lineMax+1-len(o.line))]...)
			if len(o.line) > lineMax {
				o.cut = true
				o.tellLine(at, o.line[:lineMax])
			}
		}
		if end < 0 {
			return
		}
		if !o.cut {
			o.tellLine(at, o.line)
		}
		o.line, o.cut = o.line[:0], false
		piece = piece[end+1:]
	}
}

// tellLine makes a line a fact, as long as there were not too many.
func (o *output) tellLine(at int64, line []byte) {
	if o.lines > linesMax && o.ready == "" {
		return
	}
	text := strings.ToValidUTF8(string(bytes.TrimSuffix(line, []byte("\r"))), "\uFFFD")
	f := nodes.Fact{Name: sim.FactLogLine, Value: text}
	if o.cut {
		f.Attrs = []nodes.Attr{{Key: "cut", Value: fmt.Sprintf("after %d bytes", lineMax)}}
	}
	if o.lines <= linesMax {
		o.lines++
		o.bytes += len(line)
		if o.lines > linesMax || o.bytes > bytesMax {
			o.lines = linesMax + 1
			f = warning(fmt.Sprintf("more than %d lines or %d bytes: what comes now is in the log of the machine alone",
				linesMax, bytesMax))
		}
		o.put(told{at, f})
	}
	if o.ready != "" && strings.Contains(text, o.ready) {
		o.ready = ""
		o.put(told{at, nodes.Fact{Name: nodes.FactReady}})
	}
}

// tell tells a fact of now.
func (o *output) tell(f nodes.Fact) { o.put(told{monotonic(), f}) }

func (o *output) put(t told) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue = append(o.queue, t)
	o.more.Signal()
}

// send tells the harness what there is to tell, in its order.
func (o *output) send() {
	defer close(o.sent)
	for {
		o.mu.Lock()
		for len(o.queue) == 0 && !o.over {
			o.more.Wait()
		}
		some := o.queue
		o.queue = nil
		over := o.over
		o.mu.Unlock()
		for len(some) > 0 {
			n := min(len(some), 256) // A message stays small.
			o.say(word{Told: some[:n]})
			some = some[n:]
		}
		if over {
			return
		}
	}
}

// drain returns when all that was written is read and told. Nothing is told after it.
func (o *output) drain() {
	if o.read != nil {
		select {
		case <-o.read:
		case <-time.After(drainTime): // One of the dead still waits for its disk.
		}
	}
	o.mu.Lock()
	o.over = true
	o.more.Signal()
	o.mu.Unlock()
	<-o.sent
}
