package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"firedrill/nodes"
	"firedrill/scenarios"
	"firedrill/sim"
	"firedrill/sim/kernel"
)

// hold keeps a play up until its user has seen enough of it.
type hold struct {
	out io.Writer

	mu          sync.Mutex
	begun, over bool
}

// asks is scenarios.Batch.Hold.
func (h *hold) asks(s *scenarios.Scenario, w sim.World) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.begun {
		h.begun = true
		logs := ""
		for _, m := range s.Machines {
			if logs == "" && m.Kind.Program != nil {
				logs = fmt.Sprintf("                 %s logs %s\n", self(), m.Name)
			}
		}
		_, _ = fmt.Fprintf(h.out, "firedrill: %s, seed %d, is held at %s: all stays up, and clients go on\n"+
			"  look into it:  %s ps\n                 %s exec %s -- ip addr\n%s"+
			"  let it end:    Enter or Ctrl-C; twice to end at once\n",
			s.Case, s.Seed, nodes.FormatDuration(w.Now().Truncate(100*time.Millisecond)), self(), self(), s.Machines[0].Name, logs)
	}
	if k, ok := w.(*kernel.World); ok {
		k.Held = !h.over
	}
	return !h.over
}

// end lets the play that is held go on, and reports whether there is one.
func (h *hold) end() bool {
	if h == nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.begun || h.over {
		return false
	}
	h.over = true
	_, _ = fmt.Fprintln(h.out, "firedrill: the quiet phase goes on to its end. Ctrl-C to end at once.")
	return true
}

// listen ends the hold when somebody hits Enter.
func (h *hold) listen(in io.Reader) {
	for lines := bufio.NewScanner(in); lines.Scan(); {
		h.end()
	}
}

// holds makes what keeps a play up, if that is asked for and can be done.
func (o *options) holds(selections []selection, seeds *scenarios.Seeds, out io.Writer) (*hold, error) {
	if !o.hold {
		return nil, nil
	}
	var first scenarios.Turn
	plays := 0
	for _, s := range selections {
		for turn := range scenarios.Turns(s.cases, seeds) {
			if plays++; plays == 1 {
				first = turn
				continue
			}
			target := quote(selections[0].target + first.Case.Name[len(selections[0].file.Name):])
			return nil, fmt.Errorf("--hold: one play can be held, and these are more; name a case and a seed, "+
				"such as %s run %s --seed %d --world kernel --hold", self(), target, first.Seed)
		}
	}
	h := &hold{out: out}
	go h.listen(os.Stdin)
	return h, nil
}

// errNothingToHold is why a play in the virtual world is not held.
var errNothingToHold = errors.New("--hold: in the virtual world no time passes while somebody looks, " +
	"and there is nothing to look into; try --world kernel")
