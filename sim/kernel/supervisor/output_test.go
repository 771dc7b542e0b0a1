//go:build linux

package supervisor

import (
	"os"
	"slices"
	"testing"
	"time"

	"firedrill/nodes"
)

// A program that is seen to be ready has written before that what it wrote before that, however late the supervisor reads it.
func TestReadyBehindItsOutput(t *testing.T) {
	l, err := NewLog()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var told []string
	o := newOutput(&Config{Program: new(nodes.Program), Log: l, Clock: func() int64 { return 0 }, Tell: func(some []Told) {
		for _, one := range some {
			told = append(told, one.Fact.Name+one.Fact.Value)
		}
	}})
	s := &Supervisor{out: o}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := o.follow(read); err != nil {
		t.Fatal(err)
	}
	o.reading.Lock() // It cannot read.
	if _, err := write.WriteString("up\n"); err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	go func() {
		s.ready()
		close(ready)
	}()
	select {
	case <-ready:
		t.Error("it is said to be ready before its output is read")
	case <-time.After(20 * time.Millisecond):
	}
	o.reading.Unlock()
	<-ready
	if err := write.Close(); err != nil {
		t.Fatal(err)
	}
	s.ready() // Nobody writes any more: there is nothing to wait for.
	o.drain()
	if want := []string{"log-lineup", nodes.FactReady, nodes.FactReady}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}
