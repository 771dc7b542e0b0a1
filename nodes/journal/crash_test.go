package journal_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"

	"firedrill/nodes"
	"firedrill/nodes/journal"
	"firedrill/sim"
)

// step is one thing that happens to a journal.
type step struct {
	Do    int // one of the constants below
	N     int // records, or which operation of the disk
	Fault int // what the power loss lets through, or which operation fails
}

const (
	doAppend = iota
	doCompact
	doReopen    // the software is started again
	doPowerLoss // between two calls
	doCrash     // the power fails in the N-th operation of the disk from now
	doKill      // the software is ended there, and the page cache stays
	doFail      // the N-th operation of one sort from now fails
	doKinds
)

func (s step) String() string {
	words := []string{"append", "compact", "reopen", "power-loss", "crash", "kill", "fail"}
	return fmt.Sprintf("%s %d/%d", words[s.Do], s.N, s.Fault)
}

// fuse is a pacer that ends the software at an operation of the disk, the left-th from now or none, and may turn off the power.
type fuse struct {
	left int
	how  error
}

var (
	errPower  = errors.New("power failed")
	errKilled = errors.New("software was ended")
)

func (f *fuse) Pause(time.Duration) {
	if f.left--; f.left == 0 {
		panic(f.how)
	}
}

func (f *fuse) Hang(func(func())) { panic("nothing hangs here") }

// drill plays steps on a journal and knows what may be in it.
type drill struct {
	machine
	fuse     fuse
	j        *journal.Journal
	possible []string // what the records may be, each joined; the first where nothing is in doubt
	count    int
	crashes  int
	fails    *sim.DiskImposition
}

const none = "-"

func newDrill(seed uint64) *drill {
	d := &drill{possible: []string{none}}
	d.disk = sim.NewDisk(sim.DiskSpec{}, sim.Stream(seed, "disk"))
	d.pacer = &d.fuse
	return d
}

func joined(records [][]byte) string { return strings.Join(append(texts(records), none), ",") }

// lasts calls f, and reports whether the software lived to its end.
func (d *drill) lasts(fault int, f func()) (lasted bool) {
	defer func() {
		switch r := recover(); r {
		case nil:
		case errPower:
			d.crashes++
			d.powerLoss(fault)
		case errKilled:
			d.crashes++
			d.j = nil
		default:
			panic(r)
		}
	}()
	f()
	return true
}

// powerLoss lets some of what was not synced through.
func (d *drill) powerLoss(fault int) {
	d.j, d.fuse.left = nil, 0
	how := []sim.DiskFault{"", sim.DiskUnsyncedLoss, sim.DiskTornWrite}[fault%3]
	i := &sim.DiskImposition{DiskCondition: sim.DiskCondition{How: how}}
	if how == sim.DiskUnsyncedLoss {
		share := nodes.ShareAll / nodes.Share(1+fault/3)
		i.Share = &share
	}
	if how != "" {
		d.disk.Impose(i)
	}
	d.disk.PowerLoss()
	d.disk.Lift(i)
}

// open opens the journal, which settles what was in doubt.
func (d *drill) open(fault int) error {
	var failure error
	d.lasts(fault, func() {
		j, records, err := journal.Open(&d.machine, path)
		if err != nil {
			if d.fails == nil {
				failure = err
			}
			return
		}
		have := joined(records)
		if !slices.Contains(d.possible, have) {
			failure = fmt.Errorf("want one of %q, have %q", d.possible, have)
		}
		d.j, d.possible = j, []string{have}
	})
	return failure
}

// play takes one step.
func (d *drill) play(s step) error {
	switch s.Do {
	case doAppend, doCompact:
		for range 3 { // Opening may crash or fail too.
			if d.j == nil {
				if err := d.open(s.Fault); err != nil {
					return err
				}
			}
		}
		if d.j == nil {
			return nil
		}
		return d.change(s)
	case doReopen:
		d.j = nil
	case doPowerLoss:
		d.powerLoss(s.Fault)
	case doCrash:
		d.fuse = fuse{1 + s.N, errPower}
	case doKill:
		d.fuse = fuse{1 + s.N, errKilled}
	case doFail:
		if d.fails != nil {
			return nil
		}
		op := []sim.DiskOperation{sim.DiskSync, sim.DiskWrite, sim.DiskRename, sim.DiskCreate, sim.DiskOpen}[s.Fault%5]
		d.fails = &sim.DiskImposition{DiskCondition: sim.DiskCondition{How: sim.DiskEIO, Nth: 1 + s.N%3,
			Operations: []sim.DiskOperation{op}}}
		d.disk.Impose(d.fails)
	}
	return nil
}

// change appends or compacts.
func (d *drill) change(s step) error {
	var records [][]byte
	for range s.N % 4 {
		d.count++
		records = append(records, []byte(fmt.Sprintf("r%d", d.count)))
	}
	before := d.possible[0]
	after := joined(records)
	call := d.j.Compact
	if s.Do == doAppend {
		call = d.j.Append
		after = strings.TrimSuffix(before, none) + after
	}
	var err error
	d.possible = []string{before, after}
	if !d.lasts(s.Fault, func() { err = call(records...) }) {
		return nil
	}
	switch {
	case err == nil:
		d.possible = []string{after}
	case d.fails == nil || !errors.Is(err, journal.ErrBroken):
		return err
	default:
		d.j = nil
		d.disk.Lift(d.fails)
		d.fails = nil
	}
	return nil
}

// playAll takes the steps, and looks once more in the end after a last power loss.
func playAll(seed uint64, steps []step) (*drill, error) {
	d := newDrill(seed)
	for i, s := range steps {
		if err := d.play(s); err != nil {
			return d, fmt.Errorf("step %d: %w", i, err)
		}
	}
	d.disk.Lift(d.fails)
	d.fails = nil
	d.powerLoss(0)
	return d, d.open(0)
}

func steps() gopter.Gen {
	do := gen.Weighted([]gen.WeightedGen{
		{Weight: 6, Gen: gen.Const(doAppend)},
		{Weight: 4, Gen: gen.IntRange(doCompact, doKinds-1)},
	})
	one := gen.Struct(typeOf[step](), map[string]gopter.Gen{
		"Do":    do,
		"N":     gen.IntRange(0, 12),
		"Fault": gen.IntRange(0, 8),
	})
	return gen.SliceOf(one)
}

// TestJournalKeepsWhatItAcknowledged plays random steps with the power failing at any operation of the disk: what was
// acknowledged is there, and of what was not, the last call at most, and that whole.
func TestJournalKeepsWhatItAcknowledged(t *testing.T) {
	parameters := gopter.DefaultTestParametersWithSeed(1)
	parameters.MinSuccessfulTests = 3000
	parameters.MaxSize = 60
	crashes := 0
	properties := gopter.NewProperties(parameters)
	properties.Property("acknowledged is durable", prop.ForAll(func(seed uint64, all []step) string {
		d, err := playAll(seed, all)
		crashes += d.crashes
		if err != nil {
			return err.Error()
		}
		return ""
	}, gen.UInt64(), steps()))
	properties.TestingRun(t)
	if crashes < 1000 {
		t.Errorf("want the power to fail in the middle often, have %d times", crashes)
	}
}

// TestJournalSurvivesACrashAtEveryOperation lets the power fail at each operation of one history in turn.
func TestJournalSurvivesACrashAtEveryOperation(t *testing.T) {
	history := []step{{doAppend, 1, 0}, {doAppend, 3, 0}, {doCompact, 2, 0}, {doAppend, 1, 0}, {doReopen, 0, 0},
		{doAppend, 2, 0}}
	for fault := range 18 {
		for at := 1; ; at++ {
			d := newDrill(uint64(at))
			d.fuse = fuse{at, []error{errPower, errKilled}[fault%2]}
			for i, s := range history {
				s.Fault = fault / 2
				if err := d.play(s); err != nil {
					t.Errorf("power loss %d at operation %d, step %d: %v", fault, at, i, err)
				}
			}
			d.fuse.left = 0
			d.powerLoss(0)
			if err := d.open(0); err != nil {
				t.Errorf("power loss %d at operation %d: %v", fault, at, err)
			}
			if d.crashes == 0 {
				if at < 30 {
					t.Errorf("want more operations of the disk than %d", at)
				}
				break
			}
		}
	}
}
