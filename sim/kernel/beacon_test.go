//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/afero"

	"firedrill/nodes"
)

func prefix(text string) netip.Prefix { return netip.MustParsePrefix(text) }

// Run implements nodes.Node.
func (b *beacon) Run(env nodes.Env) error {
	starts, err := b.count(env)
	if err != nil {
		return err
	}
	env.Note(nodes.Fact{Name: nodes.FactRole, Value: "lit", Epoch: uint64(starts)})
	if b.config.Address != "" {
		if err := env.Bind("lan", netip.MustParsePrefix(b.config.Address)); err != nil {
			return err
		}
	}
	l, err := env.Net().ListenTCP("tcp4", &net.TCPAddr{Port: 80})
	if err != nil {
		return err
	}
	env.Go("ticks", func() {
		for {
			env.Sleep(20 * time.Millisecond)
			env.Note(nodes.Fact{Name: "tick", Value: env.Uptime().String()})
		}
	})
	env.Note(nodes.Fact{Name: nodes.FactReady, Value: strconv.Itoa(starts)})
	for {
		c, err := l.AcceptTCP()
		if err != nil {
			return err
		}
		order := make([]byte, 8)
		n, _ := c.Read(order)
		switch string(order[:n]) {
		case "panic":
			panic("as told")
		case "give up":
			fmt.Fprint(os.Stderr, strings.Repeat("because ", 6000), "last words\n")
			os.Exit(3)
		case "break":
			new(sync.Mutex).Unlock()
		case "overflow":
			fmt.Fprint(c, deeper(0))
		case "stray":
			go func() { panic("a goroutine of nobody's") }()
			select {}
		case "stop":
			return errors.New("as told")
		case "halt":
			env.Halt(false)
		case "reboot":
			env.Halt(true)
		case "time":
			_, _ = fmt.Fprint(c, env.Now().Unix())
		default:
			_, _ = fmt.Fprintf(c, "%s, start %d", b.config.Greeting, starts)
		}
		c.Close()
	}
}

// deeper never returns, until there is no stack left.
func deeper(n int) int {
	if n < 0 {
		return n
	}
	return deeper(n+1) + n
}

// count counts starts: durably in one file, and in another one without a sync.
func (b *beacon) count(env nodes.Env) (int, error) {
	n := 1
	text, err := afero.ReadFile(env.Disk(), "/starts")
	if err == nil {
		n, _ = strconv.Atoi(string(text))
		n++
	}
	f, err := env.Disk().OpenFile("/starts", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return 0, err
	}
	if _, err := f.WriteString(strconv.Itoa(n)); err != nil {
		return 0, err
	}
	if err := f.Sync(); err != nil {
		return 0, err
	}
	f.Close()
	dir, err := env.Disk().Open("/")
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return 0, err
	}
	return n, afero.WriteFile(env.Disk(), "/unsynced", []byte("soon gone"), 0o644)
}

// ask lets the visitor say a word to an address, and returns what came back.
func (h *hall) ask(address, word string) string {
	h.t.Helper()
	answer, over := "", false
	h.Machine("visitor").Go("ask", func(env nodes.Env) {
		defer func() { over = true }()
		d := env.Net().CreateDialer(&net.Dialer{Timeout: 2 * time.Second})
		c, err := d.Dial("tcp4", address+":80")
		if err != nil {
			answer = err.Error()
			return
		}
		defer c.Close()
		_ = c.SetDeadline(env.Now().Add(2 * time.Second))
		_, _ = io.WriteString(c, word)
		text, err := io.ReadAll(c)
		answer = string(text)
		if err != nil {
			answer += err.Error()
		}
	})
	h.until("an answer of "+address, func() bool { return over })
	return answer
}
