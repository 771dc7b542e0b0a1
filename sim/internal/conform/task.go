//go:build linux

package conform

import (
	"fmt"
	"net"
	"slices"
	"time"

	"firedrill/nodes"
)

var taskRows = []Row{
	{
		name: "tasks: one that is started runs when the starter gives way, not before",
		alone: func(s *side) {
			s.Go("other", func() { s.say("the other one") })
			s.say("started")
			s.Uptime()
			s.say("still the first one")
			s.Sleep(0)
			s.say("the first one again")
		},
	},
	{
		name: "tasks: a sleep of less than nothing only gives way",
		alone: func(s *side) {
			s.Go("other", func() { s.say("the other one") })
			s.Sleep(-time.Hour)
			s.say("the first one again")
		},
	},
	{
		name: "tasks: nothing gives way but what may",
		alone: func(s *side) {
			l, err := s.Net().ListenTCP("tcp4", &net.TCPAddr{IP: s.own.AsSlice()})
			s.must(err)
			signal, count := s.NewSignal(), 0
			var ends []func()
			for i := range 6 {
				ends = append(ends, s.parallel(fmt.Sprint(i), func() {
					for range 30 {
						before := count
						s.keepOn(l, signal)
						count = before + 1
						s.Sleep(0)
					}
				}))
			}
			for _, end := range ends {
				end()
			}
			s.say("counted to %d", count)
		},
	},
	{
		name: "tasks: the shorter sleep is over first, whoever went to sleep first",
		alone: func(s *side) {
			for _, d := range []time.Duration{time.Minute, 5 * time.Millisecond, time.Hour} {
				s.Go("sleeper", func() {
					s.Sleep(d)
					s.say("slept for %s", d)
					s.tell("up")
				})
			}
			s.await("up")
		},
	},
	{
		name: "tasks: a sleep is not too short, and both clocks go on meanwhile",
		alone: func(s *side) {
			uptime, now := s.Uptime(), s.Now()
			s.Sleep(20 * time.Millisecond)
			s.say("uptime %t, wall clock %t", s.Uptime()-uptime >= 20*time.Millisecond, s.Now().Sub(now) >= 19*time.Millisecond)
		},
	},
	{
		name: "tasks: uptime never goes back",
		alone: func(s *side) {
			last, back := s.Uptime(), false
			for i := range 300 {
				if i%50 == 0 {
					s.Sleep(time.Duration(i) * time.Microsecond)
				}
				now := s.Uptime()
				back = back || now < last
				last = now
			}
			s.say("back: %t, below zero: %t", back, last < 0)
		},
	},
	{
		name: "tasks: when the main one ends the others are dropped, and what they deferred is done",
		alone: func(s *side) {
			s.Go("sleeper", func() {
				defer s.say("dropped")
				defer func() {
					_ = recover()
					s.Sleep(0)
					s.say("this is not reached")
				}()
				s.tell("sleeps")
				s.Sleep(time.Hour)
				s.say("nor this")
			})
			s.await("sleeps")
			s.say("main ends")
		},
	},
	{
		name: "tasks: those that wait for a signal, for bytes and for a client are dropped too",
		alone: func(s *side) {
			waits := 0
			wait := func(name string, body func()) {
				s.Go(name, func() {
					defer func() { waits-- }()
					waits++
					body()
					s.say("%s: this is not reached", name)
				})
			}
			signal := s.NewSignal()
			wait("signal", func() { signal.Wait(-1) })
			u, l := s.open("one"), s.listen()
			wait("bytes", func() { _, _, _ = u.ReadFromUDP(nil) })
			wait("client", func() { _, _ = l.Accept() })
			s.until("all three", func() bool { return waits == 3 })
			s.say("main ends with %d waiting", waits)
			s.Go("never run", func() { s.say("nor this") })
		},
	},
	{
		name: "tasks: one ends, the others go on",
		alone: func(s *side) {
			s.parallel("short", func() { s.say("short") })()
			s.parallel("long", func() { s.Sleep(time.Millisecond); s.say("long") })()
			s.say("main")
		},
	},
}

// keepOn does all that must not give way.
func (s *side) keepOn(l net.Listener, signal nodes.Signal) {
	signal.Broadcast()
	s.NewSignal()
	s.Now()
	s.Uptime()
	s.Rand().Uint64()
	s.Log().Info("counting")
	s.Note(nodes.Fact{Name: "counting"})
	s.Go("nothing", func() {})
	l.Addr()
	u, err := s.Net().ListenUDP("udp4", &net.UDPAddr{IP: s.own.AsSlice()})
	s.must(err)
	s.must(u.SetDeadline(s.past()))
	s.must(u.Close())
}

var signalRows = []Row{
	{
		name: "signals: a broadcast wakes all that wait",
		alone: func(s *side) {
			signal, waits, woken := s.NewSignal(), 0, 0
			for range 5 {
				s.Go("waits", func() {
					waits++
					if signal.Wait(-1) {
						woken++
					}
				})
			}
			s.until("all to wait", func() bool { return waits == 5 })
			signal.Broadcast()
			s.say("woken before the broadcaster gives way: %d", woken)
			s.until("all to wake", func() bool { return woken == 5 })
			s.say("woken: %d", woken)
		},
	},
	{
		name: "signals: a broadcast that came before is forgotten",
		alone: func(s *side) {
			signal := s.NewSignal()
			signal.Broadcast()
			before := s.Uptime()
			s.say("woken: %t", signal.Wait(15*time.Millisecond))
			s.say("too early: %t", s.Uptime()-before < 15*time.Millisecond)
		},
	},
	{
		name: "signals: a broadcast wakes once",
		alone: func(s *side) {
			signal, waits := s.NewSignal(), false
			end := s.parallel("waits", func() {
				waits = true
				s.say("first: %t", signal.Wait(-1))
				s.say("second: %t", signal.Wait(10*time.Millisecond))
			})
			s.until("it to wait", func() bool { return waits })
			signal.Broadcast()
			end()
		},
	},
	{
		name: "signals: a wait of no time is over at once, and is not woken",
		alone: func(s *side) {
			signal := s.NewSignal()
			s.say("woken: %t", signal.Wait(0))
			signal.Broadcast()
			s.say("woken: %t", signal.Wait(0))
		},
	},
	{
		name: "signals: a wait without end",
		alone: func(s *side) {
			signal := s.NewSignal()
			s.Go("later", func() {
				s.Sleep(20 * time.Millisecond)
				s.say("broadcast")
				signal.Broadcast()
			})
			s.say("woken: %t", signal.Wait(-1))
		},
	},
	{
		name: "signals: a broadcast for nobody does no harm, and another signal is not meant",
		alone: func(s *side) {
			one, two := s.NewSignal(), s.NewSignal()
			one.Broadcast()
			one.Broadcast()
			waits := false
			end := s.parallel("waits", func() {
				waits = true
				s.say("woken: %t", one.Wait(20*time.Millisecond))
			})
			s.until("it to wait", func() bool { return waits })
			two.Broadcast()
			end()
		},
	},
	{
		name: "signals: the shorter wait is over first",
		alone: func(s *side) {
			signal := s.NewSignal()
			for _, d := range []time.Duration{time.Hour, 10 * time.Millisecond, time.Minute} {
				s.Go("waits", func() {
					s.say("waited for %s, woken: %t", d, signal.Wait(d))
					s.tell("over")
				})
			}
			s.await("over")
		},
	},
	{
		name: "signals: a state behind a signal is never missed",
		alone: func(s *side) {
			signal, items, got := s.NewSignal(), []int{}, []int{}
			end := s.parallel("takes", func() {
				for len(got) < 50 {
					for len(items) == 0 {
						signal.Wait(-1)
					}
					got = append(got, items...)
					items = nil
				}
			})
			for i := range 50 {
				items = append(items, i)
				signal.Broadcast()
				if i%7 == 0 {
					s.Sleep(0)
				}
			}
			end()
			s.say("%d, in order: %t", len(got), slices.IsSorted(got))
		},
	},
}
