package expect

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"firedrill/nodes"
)

// Serving claims that every client machine of a group got an operation served: by a machine, since a step, within a
// time. What counts is the answer that the client had, and at which machine its connection ended.
//
// Vacuous where the step never acted or the group sent nothing since; inconclusive where the run ended before the
// time was up.
//
// Source: IDEAL-5; D-30, D-48, D-LIV-3.
type Serving struct {
	Clients string `yaml:"serving" ref:"clients" doc:"the group of clients"`
	By      string `yaml:"by" ref:"machine" doc:"only what this machine served"`
	Since   string `yaml:"since" ref:"step" doc:"only what came after this step"`
	Within  Bound  `yaml:"within" doc:"not later than this"`
}

// Check finds what is wrong with the claim as a whole.
func (c *Serving) Check() error { return wantSubject(c.Name(), c.Clients, "a client group") }

// Name implements Claim.
func (c *Serving) Name() string { return "serving" }

// Judge implements Claim.
func (c *Serving) Judge(r *Run) Finding {
	since, missing := r.from(c.Since)
	if missing != nil {
		missing.Subject = c.Clients
		return *missing
	}
	f := Finding{Verdict: Pass, Subject: c.Clients}
	first, sent := c.firstSuccesses(r, since.at)
	clients := r.clients(c.Clients)
	if sent == 0 {
		f.Verdict = Vacuous
		f.Evidence = []string{fmt.Sprintf("%s sent nothing since %s", c.Clients, origin(c.Since))}
		return f
	}
	deadline := since.at + c.Within.Time + r.Slack
	var late []string
	var slowest time.Duration
	for _, client := range clients {
		at, served := first[client]
		switch {
		case !served:
			late = append(late, client+" was not served")
		case c.Within.Given && at > deadline:
			late = append(late, fmt.Sprintf("%s was served first at %s", client, clock(at)))
		default:
			slowest = max(slowest, at)
		}
	}
	if late == nil {
		all := fmt.Sprintf("each of %d clients was served%s until %s", len(clients), c.by(), clock(slowest))
		f.Evidence = []string{all}
		f.Measures = []Measure{{Name: "served_after", Value: (slowest - since.at).Seconds(), Unit: "s"}}
		return f
	}
	if c.Within.Given && r.End < deadline {
		early := fmt.Sprintf("the run ended at %s, before %s had passed", clock(r.End), c.Within)
		f.Verdict, f.Evidence = Inconclusive, append([]string{early}, late...)
		return f
	}
	until := r.End
	if c.Within.Given {
		until = deadline
	}
	f.Breaches = []Breach{{From: since.at, Until: until, Machines: r.Who(c.By, since.at),
		Text: fmt.Sprintf("%d of %d clients of %s were not served%s in time: %s",
			len(late), len(clients), c.Clients, c.by(), strings.Join(late, ", "))}}
	return f.broken(r)
}

func (c *Serving) by() string {
	if c.By == "" {
		return ""
	}
	return " by " + c.By
}

// firstSuccesses are by client; sent is how many operations the group had under way since then.
func (c *Serving) firstSuccesses(r *Run, since time.Duration) (first map[string]time.Duration, sent int) {
	first = map[string]time.Duration{}
	for i := range r.History {
		op := &r.History[i]
		if op.Group != c.Clients || op.Done < since {
			continue
		}
		sent++
		if op.Result != nodes.ResultOK || c.By != "" && !slices.Contains(r.Who(c.By, op.Done), op.ServedBy) {
			continue
		}
		if at, any := first[op.Client]; !any || op.Done < at {
			first[op.Client] = op.Done
		}
	}
	return first, sent
}

// clients are the machines of a group, as the scenario has them; where it does not say, as the history has them.
func (r *Run) clients(group string) []string {
	var machines []string
	for _, m := range r.Machines {
		if m.Group == group {
			machines = append(machines, m.Name)
		}
	}
	if machines != nil {
		return machines
	}
	for i := range r.History {
		if op := &r.History[i]; op.Group == group && !slices.Contains(machines, op.Client) {
			machines = append(machines, op.Client)
		}
	}
	return machines
}
