//go:build linux

package kernel

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"firedrill/nodes"
	"firedrill/sim"
	"firedrill/sim/kernel/door"
	"firedrill/sim/kernel/env"
	"firedrill/sim/kernel/room"
	"firedrill/sim/kernel/supervisor"
)

// channelFD is where a machine's process finds its channel to the harness.
const channelFD = 3

// Host turns this process into the software of a machine if it was started to be that, and then never returns. It is called
// first thing in main or TestMain of a program that plays scenarios in the kernel world, with the kinds that it plays: the same
// program is started once for each machine.
func Host(kinds ...*nodes.Kind) {
	switch os.Getenv(roleKey) {
	case roleHost:
	case roleCompany:
		door.KeepCompany() // It does not return either.
	default:
		return
	}
	unix.CloseOnExec(channelFD)
	l, err := newLine(os.NewFile(channelFD, "channel"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	h := &host{line: l, done: make(chan struct{}), begin: make(chan int64, 1), told: make(chan order, 1)}
	if err := h.live(kinds); err != nil {
		_ = l.out.Encode(word{Failed: err.Error()}) // The harness also sees that the process ends.
		os.Exit(1)
	}
	os.Exit(0)
}

// host is the process of one machine, from the inside.
type host struct {
	*line
	said  sync.Mutex // one word at a time
	done  chan struct{}
	begin chan int64 // the epoch, once the software may run

	turn  sync.Mutex // of the machine's tasks; also guards the clock
	clock *sim.Clock
	told  chan order // what the clock is to be: the last order alone, if it was not obeyed yet
	epoch int64
	scale int64
	m     *env.Machine

	program *supervisor.Supervisor // in place of a node: then of the above there are done, begin, epoch and scale
	laid    atomic.Bool            // its files are

	broken bool // a task has panicked
}

// live is the life of the process: until it is killed, as a rule.
func (h *host) live(kinds []*nodes.Kind) error {
	var b birth
	if err := h.in.Decode(&b); err != nil {
		return fmt.Errorf("read what to be: %w", err)
	}
	if b.Program != nil {
		return h.liveAs(&b)
	}
	node, err := conceive(kinds, &b)
	if err != nil {
		return err
	}
	if err := b.room().Settle(); err != nil {
		return err
	}
	h.clock, h.scale = sim.NewClock(sim.ClockSpec{}, time.Time{}), b.Scale
	if err := h.clock.SetState(b.Clock); err != nil {
		return err
	}
	h.turn.Lock()
	h.m = env.New(env.Config{
		Lock: &h.turn, Clock: h.clock, True: h.now, Scale: b.Scale, Root: room.Disk, Interfaces: b.Segments,
		Rand: rand.New(rand.NewPCG(b.Seed, 0)),
		Note: func(f nodes.Fact) { h.say(word{Fact: &f}) },
		Log: func(level, text string, attrs []nodes.Attr) {
			attrs = append([]nodes.Attr{{Key: "level", Value: level}}, attrs...)
			h.say(word{Fact: &nodes.Fact{Name: sim.FactLogLine, Value: text, Attrs: attrs}})
		},
		Bound: func(segment string, a netip.Addr, bound bool) {
			h.say(word{Bound: &binding{segment, a.String(), bound}})
		},
		Halt:     func(reboot bool) { h.say(word{Halt: true, Reboot: reboot}) },
		Panicked: h.panicked,
	})
	h.turn.Unlock()
	go h.listen()
	go h.keepTime()
	if err := h.tell(word{Ready: true}); err != nil {
		return err
	}
	h.epoch = <-h.begin
	go h.lookOut()
	value := "ended by itself"
	if err := h.m.Run(node); err != nil {
		value = err.Error()
	}
	if !h.broken {
		h.say(word{Stopped: &value})
	}
	return nil
}

// conceive makes the node that the process is to run.
func conceive(kinds []*nodes.Kind, b *birth) (nodes.Node, error) {
	for _, k := range kinds {
		if k.Name != b.Kind {
			continue
		}
		config := k.Config()
		if err := gob.NewDecoder(bytes.NewReader(b.Config)).Decode(config); err != nil {
			return nil, fmt.Errorf("read the config of %s: %w", b.Machine, err)
		}
		return k.New(config), nil
	}
	return nil, fmt.Errorf("kind %q is not among those that this program passed to kernel.Host", b.Kind)
}

func (h *host) now() time.Duration { return elapsed(monotonic(), h.epoch, h.scale) }

func (h *host) panicked(task, value, stack string) {
	h.broken = true
	h.say(word{Panicked: &value, Fact: &nodes.Fact{Name: sim.FactPanicked, Value: value,
		Attrs: []nodes.Attr{{Key: "task", Value: task}, {Key: "stack", Value: stack}}}})
}

// say tells the harness something, and returns when that has acted on it. It never returns to a process that is dead by then.
func (h *host) say(w word) {
	h.said.Lock()
	defer h.said.Unlock()
	if w.At == 0 {
		w.At = monotonic()
	}
	if h.out.Encode(w) != nil {
		os.Exit(1) // The harness is gone.
	}
	<-h.done
}

// tell is say for what nobody waits for.
func (h *host) tell(w word) error {
	h.said.Lock()
	defer h.said.Unlock()
	return h.out.Encode(w)
}

// listen takes orders.
func (h *host) listen() {
	for {
		var o order
		if h.in.Decode(&o) != nil {
			os.Exit(1)
		}
		switch {
		case o.Done:
			h.done <- struct{}{}
		case o.Go:
			h.begin <- o.Epoch
		case o.Hold, o.Resume:
			h.program.Hold(o.Hold)
		case o.Leave && !h.laid.Load():
			os.Exit(0) // There is no program to be asked.
		case o.Leave:
			h.program.Dismiss()
		case o.Clock != nil:
			select {
			case <-h.told: // Overtaken.
			default:
			}
			h.told <- o
		}
	}
}

// keepTime sets the clock as it is told. That is not for listen to do: a task that has the turn may wait for Done.
func (h *host) keepTime() {
	for o := range h.told {
		h.turn.Lock()
		err := h.clock.SetState(*o.Clock)
		h.m.Retime()
		h.turn.Unlock()
		if err != nil || h.tell(word{Clocked: o.Clocks}) != nil {
			os.Exit(1)
		}
	}
}
