package scenarios

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime/debug"
	"time"

	"firedrill/scenarios/expect"
	"firedrill/sim"
)

// Turn is one play of a batch: a case with a seed.
type Turn struct {
	Case *Case
	Seed uint64
}

// Turns are all plays of these cases, one case after the other, each with its own seeds, or with others where seeds is not nil.
func Turns(cases []*Case, seeds *Seeds) iter.Seq[Turn] {
	return func(yield func(Turn) bool) {
		for _, c := range cases {
			r := c.Seeds
			if seeds != nil {
				r = *seeds
			}
			for seed := r.First; ; seed++ {
				if !yield(Turn{c, seed}) {
					return
				}
				if seed >= r.Last { // Here, since a loop up to the largest number would never end.
					break
				}
			}
		}
	}
}

// Batch plays many turns, some of them side by side. Each is played in a world of its own, so that its outcome depends neither on
// what is played beside it nor on their order.
type Batch struct {
	Catalogue *Catalogue
	In        string                    // the world in which cases are played; "": the first of each
	World     func(*Scenario) sim.World // makes an empty one for a scenario
	Jobs      int                       // how many turns are played at once; below 1 counts as 1
	Twice     int                       // every so many-th turn is played twice, and has to come out the same; 0: none
	// Watch is told of the world of each turn before it is played, and done is called when it is over; nil: nobody watches. Turns go
	// side by side. A second play of a turn is not watched: that it comes out the same shows that watching changes nothing.
	Watch func(t Turn, s *Scenario, w sim.World) (done func() error, err error)
	// Hold is asked over and over, from before the end of each play's quiet phase, whether that is to last longer: all stays up as
	// long as it says so. It is for worlds that go by real time, and is called with nothing else under way; nil: no play is held.
	Hold func(s *Scenario, w sim.World) bool
}

// Result is a turn that was played.
type Result struct {
	Turn
	Outcome *Outcome
	// Range is what only all plays of a case can show, over the file's whole range of seeds. It comes with the one that
	// completes the range, if there is anything to say: what did not come about.
	Range []Judged
}

// Play plays the turns and hands over the results, one at a time and in the order of the turns, each as soon as those before
// it are handed over. An error of deliver ends the batch and is returned. When ctx ends, what is finished is handed over, what
// is under way is given up, and the error of ctx is returned.
//
// A turn that fails, even by a panic of firedrill's own, fails alone: its outcome has the error.
func (b *Batch) Play(ctx context.Context, turns iter.Seq[Turn], deliver func(Result) error) error {
	caller := ctx
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	queue := b.start(ctx, turns)
	ranges := ranges{}
	for s := range queue {
		select {
		case <-s.done:
		case <-ctx.Done():
			select {
			case <-s.done:
			default:
				continue
			}
		}
		if err := deliver(Result{s.turn, s.outcome, ranges.add(s.turn, s.outcome)}); err != nil {
			return err
		}
	}
	return caller.Err()
}

// slot is a turn's place in the order of delivery.
type slot struct {
	turn    Turn
	n       int // its number, counted from 0
	outcome *Outcome
	done    chan struct{} // closed when the outcome is there
}

// start lets workers play, and returns the turns in their order. No more of them are under way or wait for delivery than a few
// for each worker: outcomes are large.
func (b *Batch) start(ctx context.Context, turns iter.Seq[Turn]) <-chan *slot {
	jobs := max(b.Jobs, 1)
	queue, work := make(chan *slot, 2*jobs), make(chan *slot)
	for range jobs {
		go func() {
			for s := range work {
				s.outcome = b.play(s.turn, s.n)
				close(s.done)
			}
		}()
	}
	go func() {
		defer close(queue)
		defer close(work)
		n := 0
		for t := range turns {
			s := &slot{turn: t, n: n, done: make(chan struct{})}
			n++
			for _, to := range []chan *slot{queue, work} {
				select {
				case to <- s:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return queue
}

// play plays one turn, and every so many-th once more.
func (b *Batch) play(t Turn, n int) *Outcome {
	begin := time.Now() //nolint:forbidigo // What a play takes in life is told, and decides nothing.
	o := b.once(t, b.Watch)
	o.Wall = time.Since(begin) //nolint:forbidigo // As above.
	if b.Twice > 0 && n%b.Twice == 0 && o.Err == nil && o.Run.Failure == nil {
		if again := b.once(t, nil); again.Err != nil {
			o.Err = fmt.Errorf("played once more with seed %d: %w", t.Seed, again.Err)
		} else if again.Hash != o.Hash {
			o.Err = fmt.Errorf("played twice with seed %d, and it went two ways: hash %016x, then %016x; "+
				"something in the software under test or in firedrill is not decided by the seed", t.Seed, o.Hash, again.Hash)
		}
	}
	if o.Err != nil {
		o.Verdict = expect.Inconclusive
	}
	return o
}

// once plays a turn in a new world.
func (b *Batch) once(t Turn, watch func(Turn, *Scenario, sim.World) (func() error, error)) (o *Outcome) {
	failed := func(err error) *Outcome {
		return &Outcome{Scenario: &Scenario{Name: t.Case.File.Name, Case: t.Case.Name, Seed: t.Seed},
			Verdict: expect.Inconclusive, Err: err}
	}
	defer func() {
		if r := recover(); r != nil {
			o = failed(fmt.Errorf("panic: %v\n%s", r, debug.Stack()))
		}
	}()
	s, err := t.Case.ScenarioIn(cmp.Or(b.In, t.Case.Worlds[0]), t.Seed)
	if err != nil {
		return failed(err)
	}
	w := b.World(s)
	if watch == nil {
		return s.play(w, b.Catalogue, b.Hold)
	}
	done, err := watch(t, s, w)
	if err != nil {
		return failed(errors.Join(err, w.Close()))
	}
	o = s.play(w, b.Catalogue, b.Hold)
	if err := done(); err != nil {
		o.Err = errors.Join(o.Err, err)
	}
	return o
}

// ranges gathers, by case, what a whole range of seeds is judged on.
type ranges map[*Case]*expect.Range

// add returns what the range shows when the turn completes it.
func (r ranges) add(t Turn, o *Outcome) []Judged {
	seeds := t.Case.Seeds
	if t.Seed < seeds.First || t.Seed > seeds.Last || o.Judgement == nil || o.Err != nil {
		return nil
	}
	if r[t.Case] == nil {
		r[t.Case] = new(expect.Range)
	}
	of := r[t.Case]
	of.Add(o.Judgement)
	if of.Plays-1 != seeds.Last-seeds.First {
		return nil
	}
	var list []Judged
	for _, j := range of.Judge() {
		list = append(list, Judged{Name: j.Claim, Text: j.Claim + ": " + j.Subject, Asked: j.Asked, Finding: j.Finding})
	}
	delete(r, t.Case)
	return list
}
