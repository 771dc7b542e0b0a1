package virtual

import (
	"iter"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"firedrill/nodes"
	"firedrill/sim"
)

// task is one thread of a machine's software: a coroutine that the world resumes.
type task struct {
	m     *machine
	name  string
	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool // nil before the first turn

	event  *event        // that will resume it: a timer, or a turn of its own
	due    time.Duration // local time for which the timer is set; below zero: it is no timer
	queue  *queue        // where it waits to be woken
	woken  bool          // by the queue, not by the timer
	killed bool
	reaped bool // on its last way out
	done   bool
}

// queue is where tasks wait for something.
type queue struct{ tasks []*task }

// newTask makes a task, which gets its first turn behind everything else that is due now.
func (m *machine) newTask(name string, body func()) *task {
	t := &task{m: m, name: name, due: -1}
	t.next, t.stop = iter.Pull(func(yield func(struct{}) bool) {
		t.yield = yield
		defer t.end()
		body()
	})
	m.tasks = append(m.tasks, t)
	m.w.turn(t)
	return t
}

// end is the last thing that a task does, however it ends.
func (t *task) end() {
	t.done = true
	if r := recover(); r != nil && !t.killed {
		t.m.panicked(t, r, string(debug.Stack()))
	}
}

// turn lets a task go on behind everything else that is due now.
func (w *World) turn(t *task) {
	w.drop(t)
	t.event = w.schedule(w.now, t.m)
	t.event.task = t
}

// drop takes away what would resume a task.
func (w *World) drop(t *task) {
	w.cancel(t.event)
	t.event, t.due = nil, -1
}

// resume lets a task run until it waits again or ends.
func (w *World) resume(t *task) {
	if t.done {
		return
	}
	if t.queue != nil {
		t.queue.leave(t) // Its time is up.
	}
	t.due = -1
	before := w.current
	w.current = t
	t.next()
	w.current = before
	if t.killed && !t.done {
		w.reap(t)
	}
	if t.done {
		t.m.ended(t)
	}
}

// reap ends a task that was killed. Goexit travels through a coroutine to whoever resumed it, so that must be a goroutine
// that nobody misses.
func (w *World) reap(t *task) {
	over := make(chan struct{})
	before := w.current
	w.current, t.reaped = t, true
	go func() {
		defer close(over)
		defer w.unlabel()
		t.next()
	}()
	<-over
	w.current = before
}

// kill drops a task where it stands. The one that is running now goes on to its next call of the world.
func (w *World) kill(t *task) {
	if t.done || t.killed {
		return
	}
	t.killed = true
	w.drop(t)
	if t.queue != nil {
		t.queue.leave(t)
	}
	if t.yield == nil { // It never had a turn: there is nothing to unwind.
		t.done = true
		t.stop()
		return
	}
	if w.current != t {
		w.reap(t)
	}
}

// alive is the beginning of every call of the Env: a task that was killed gets no further.
func (t *task) alive() {
	if t.killed {
		t.unwind()
	}
}

// unwind ends the running task, deferred functions included.
func (t *task) unwind() {
	if !t.reaped {
		t.yield(struct{}{}) // The world reaps it, and it comes back here.
	}
	runtime.Goexit()
}

// park gives way until something resumes the task.
func (t *task) park() {
	t.yield(struct{}{})
	if t.killed {
		runtime.Goexit()
	}
}

// sleep parks until local time due.
func (t *task) sleep(due time.Duration) {
	t.arm(due)
	t.park()
}

// arm sets the timer that resumes the task.
func (t *task) arm(due time.Duration) {
	w := t.m.w
	t.due = due
	t.event = w.schedule(t.m.Clock().True(due), t.m)
	t.event.task = t
}

// rearm corrects the timer after a change of the clock's rate.
func (t *task) rearm() {
	if due := t.due; due >= 0 && t.event != nil {
		t.m.w.drop(t)
		t.arm(due)
	}
}

// wait parks in q until wake, or until local time due; below zero there is none. It reports whether it was woken.
func (t *task) wait(q *queue, due time.Duration) bool {
	t.woken = false
	t.queue = q
	q.tasks = append(q.tasks, t)
	if due >= 0 {
		t.arm(due)
	}
	t.park()
	return t.woken
}

// wake gives every task in q a turn, in an order drawn by the seed: code that relies on the order is to be found out.
func (q *queue) wake(w *World) {
	if len(q.tasks) == 0 {
		return
	}
	woken := q.tasks
	if len(woken) > 1 {
		m := woken[0].m
		m.whim.rand.Shuffle(len(woken), func(i, j int) { woken[i], woken[j] = woken[j], woken[i] })
	}
	for _, t := range woken {
		t.queue, t.woken = nil, true
		w.turn(t)
	}
	q.tasks = woken[:0]
}

// wakeOne gives the task that waits longest a turn.
func (q *queue) wakeOne(w *World) {
	if len(q.tasks) > 0 {
		t := q.tasks[0]
		q.tasks = slices.Delete(q.tasks, 0, 1)
		t.queue, t.woken = nil, true
		w.turn(t)
	}
}

func (q *queue) leave(t *task) {
	if i := slices.Index(q.tasks, t); i >= 0 {
		q.tasks = slices.Delete(q.tasks, i, i+1)
	}
	t.queue = nil
}

// panicked records that a task ended by a panic, which ends the machine's software.
func (m *machine) panicked(t *task, value any, stack string) {
	m.broken = true
	m.Note(nodes.Fact{Name: sim.FactPanicked, Value: text(value), Attrs: []nodes.Attr{
		{Key: "task", Value: t.name}, {Key: "stack", Value: frames(stack)}}})
}

// frames are the function names of a stack, innermost first, without addresses and paths: those differ between builds.
func frames(stack string) string {
	var names []string
	for _, line := range strings.Split(stack, "\n") {
		if name, _, found := strings.Cut(line, "("); found && !strings.HasPrefix(line, "\t") &&
			!strings.HasPrefix(name, "runtime") && !strings.HasPrefix(name, "panic") {
			names = append(names, name)
		}
	}
	return strings.Join(names, " < ")
}
