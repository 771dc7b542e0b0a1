//go:build linux

package env

import (
	"fmt"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"firedrill/nodes"
)

// echo answers each byte until the connection ends.
func echo(c net.Conn) {
	for b := make([]byte, 1); ; {
		if _, err := c.Read(b); err != nil {
			return
		}
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

// exchange sends a byte and waits for it.
func exchange(tb testing.TB, c net.Conn, b []byte) {
	if _, err := c.Write(b); err != nil {
		tb.Fatal(err)
	}
	if _, err := c.Read(b); err != nil {
		tb.Fatal(err)
	}
}

// onEnv runs act with a connection to an echo, both on machines of their own.
func onEnv(tb testing.TB, act func(nodes.Env, net.Conn)) {
	server, client := newMachine(tb, nil), newMachine(tb, nil)
	port := make(chan string, 1)
	server.Go("echo", func(env nodes.Env) {
		l := must(env.Net().ListenTCP("tcp4", loopback))
		port <- l.Addr().String()
		for {
			c := must(l.Accept())
			env.Go("echo", func() { echo(c) })
		}
	})
	to := <-port
	if err := client.Run(software(func(env nodes.Env) error {
		act(env, must(env.Net().Dial("tcp4", to)))
		return nil
	})); err != nil {
		tb.Fatal(err)
	}
	server.locked(server.Stop)
	server.end(tb)
	client.end(tb)
}

// onNet is the same by package net alone.
func onNet(tb testing.TB, act func(net.Conn)) {
	l := must(net.ListenTCP("tcp4", loopback))
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go echo(c)
		}
	}()
	c := must(net.Dial("tcp4", l.Addr().String()))
	defer c.Close()
	act(c)
}

// TestCompareWithNet prints what a call that gives way costs more than one of package net: the median of nine rounds of exchanges
// over loopback, taken in turns, of four such calls each.
func TestCompareWithNet(t *testing.T) {
	if os.Getenv("FIREDRILL_BENCH") == "" {
		t.Skip("a measurement: set FIREDRILL_BENCH=1, or type make bench")
	}
	const rounds, exchanges = 9, 20_000
	took := func(c net.Conn) float64 {
		b, began := make([]byte, 1), time.Now()
		for range exchanges {
			exchange(t, c, b)
		}
		return time.Since(began).Seconds() * 1e6 / exchanges
	}
	var mine, plain []float64
	for range rounds {
		onEnv(t, func(_ nodes.Env, c net.Conn) { mine = append(mine, took(c)) })
		onNet(t, func(c net.Conn) { plain = append(plain, took(c)) })
	}
	slices.Sort(mine)
	slices.Sort(plain)
	m, p := mine[rounds/2], plain[rounds/2]
	fmt.Printf("a byte there and back over loopback: env %.1f us, package net %.1f us, %.2f us more a call (median of %d)\n",
		m, p, (m-p)/4, rounds)
}

// BenchmarkExchange is a byte there and back, over loopback, between two machines.
func BenchmarkExchange(b *testing.B) {
	onEnv(b, func(_ nodes.Env, c net.Conn) {
		data := make([]byte, 1)
		for b.Loop() {
			exchange(b, c, data)
		}
	})
}

// BenchmarkExchangeNet is the same by package net alone.
func BenchmarkExchangeNet(b *testing.B) {
	onNet(b, func(c net.Conn) {
		data := make([]byte, 1)
		for b.Loop() {
			exchange(b, c, data)
		}
	})
}

// BenchmarkRead is a call that would not have to wait: bytes are there, and no other task wants to run.
func BenchmarkRead(b *testing.B) {
	onEnv(b, func(_ nodes.Env, c net.Conn) {
		data := make([]byte, 0)
		for b.Loop() {
			_, _ = c.Read(data)
		}
	})
}

// BenchmarkGiveWay is two tasks that take turns.
func BenchmarkGiveWay(b *testing.B) {
	m := newMachine(b, nil)
	_ = m.Run(software(func(env nodes.Env) error {
		env.Go("other", func() {
			for {
				env.Sleep(0)
			}
		})
		for b.Loop() {
			env.Sleep(0)
		}
		return nil
	}))
	m.end(b)
}

// BenchmarkDial is a connection, opened and closed, from a namespace to itself: in its own thread each time.
func BenchmarkDial(b *testing.B) {
	m := newCable(b).machine(b, 0, nil)
	err := m.Run(software(func(env nodes.Env) error {
		l := must(env.Net().ListenTCP("tcp4", &net.TCPAddr{IP: ends[0].AsSlice()}))
		env.Go("server", func() {
			for {
				c := must(l.Accept())
				_ = c.Close()
			}
		})
		for b.Loop() {
			c, err := env.Net().Dial("tcp4", l.Addr().String())
			if err != nil {
				return err
			}
			if _, err := c.Read(make([]byte, 1)); err == nil { // The server closes first, and keeps what TIME_WAIT takes.
				return fmt.Errorf("bytes from nowhere")
			}
			_ = c.Close()
		}
		return nil
	}))
	m.end(b)
	if err != nil {
		b.Error(err)
	}
}
