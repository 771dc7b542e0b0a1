package main

import (
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"

	"firedrill/reports"
	"firedrill/scenarios"
)

// statusUnread is that of a command that SIGPIPE has killed, as shells tell it.
const statusUnread = 128 + int(syscall.SIGPIPE)

// outliveReaders lets a write fail when nobody reads standard output any more, as behind `| head -1`, and this process go on:
// it is to write its results, and in the kernel world to clear away. What it starts is not touched by that.
func outliveReaders() { signal.Ignore(syscall.SIGPIPE) }

// printed is standard output. It knows whether somebody reads it still, since not all that is written reports how that went.
type printed struct {
	to     io.Writer
	unread atomic.Bool
}

// Write implements io.Writer.
func (p *printed) Write(b []byte) (int, error) {
	n, err := p.to.Write(b)
	if errors.Is(err, syscall.EPIPE) {
		p.unread.Store(true)
	}
	return n, err
}

// unwritten is the error of standard output, as one that ends the command. That nobody reads it is no fault, and there is nothing
// to say about it.
func unwritten(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EPIPE):
		return &exit{statusUnread, nil}
	}
	return &exit{statusFault, fmt.Errorf("write standard output: %w", err)}
}

// remark tells something about the command itself. On a terminal its lines are folded; elsewhere each stays one, for who searches
// them.
func remark(stderr io.Writer, format string, args ...any) {
	show(stderr, "firedrill: "+fmt.Sprintf(format, args...))
}

// show prints lines that come from anywhere, paths and what results say among them.
func show(stderr io.Writer, text string) {
	for line := range strings.Lines(text) {
		lines := []string{reports.Printable(strings.TrimSuffix(line, "\n"))}
		if isTerminal(stderr) {
			lines = reports.Fold("", lines[0])
		}
		for _, line := range lines {
			_, _ = fmt.Fprintln(stderr, line) // There is nowhere else to say it.
		}
	}
}

// complain tells what is wrong, each thing once, if there is anything to say.
func complain(stderr io.Writer, err error) {
	told := map[string]bool{}
	for _, text := range complaints(err) {
		if !told[text] {
			told[text] = true
			show(stderr, text)
		}
	}
}

// complaints are what an error says, and each of those that it joins. The mistakes of a file begin with their places, as editors
// and other programs look for them; all else begins with who says it.
func complaints(err error) []string {
	if e, is := err.(*exit); is { //nolint:errorlint // Of this very error; what it wraps comes next.
		if e.err == nil {
			return nil
		}
		return complaints(e.err)
	}
	if joined, is := err.(interface{ Unwrap() []error }); is && errors.Join(joined.Unwrap()...).Error() == err.Error() {
		var list []string
		for _, one := range joined.Unwrap() {
			list = append(list, complaints(one)...)
		}
		return list
	}
	text := strings.Trim(err.Error(), "\n")
	if _, is := err.(*scenarios.Mistakes); !is && text != "" { //nolint:errorlint // As above.
		text = "firedrill: " + text
	}
	return []string{text}
}
