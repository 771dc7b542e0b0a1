package scenarios

import (
	"time"

	"firedrill/scenarios/expect"
)

// Outcome is what came of one play: one case with one seed. Reports read it. All of it but Wall is decided by the build, the
// scenario and the seed.
type Outcome struct {
	Scenario *Scenario
	Verdict  expect.Verdict
	Hash     uint64        // of the trace and of what it does not keep
	Virtual  time.Duration // true time at the end of the quiet phase
	Wall     time.Duration // what the play took in life
	// Claims are those that the file asks for, in its order, then the standing ones.
	Claims []Judged
	// Doubt says why the world was not what it is to be, so that the run shows nothing whatever its claims say; else "".
	Doubt string
	// Misses say why the run is vacuous, where no claim does: a step that nobody answered to, a fact that never came, a fault that
	// hit nothing.
	Misses       []string
	Undocumented []string // options and inferred hazards that were exercised, sorted
	Run          *expect.Run
	Logs         map[string][]byte // what foreign programs wrote, by machine
	// Judgement is what judging came to, as Claims and Misses tell it; a batch is judged on those of its plays. Nil: not judged.
	Judgement *expect.Judgement
	// Err is a fault of firedrill itself, or code of a node that no run can go on with (a spin, a foreign goroutine). The verdict is
	// then inconclusive.
	Err error
}

// Judged is a claim with what was found of it.
type Judged struct {
	Name  string // the claim's word: takeover
	Text  string // the claim as the file has it: `takeover: nas-b, since: cable`
	Asked bool   // the file asks for it; else it is judged because it fits the kinds
	expect.Finding
}
