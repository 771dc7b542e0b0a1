package reports

import (
	"io"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"firedrill/nodes"
	"firedrill/scenarios"
	"firedrill/scenarios/expect"
)

// Metrics counts plays for Prometheus, on a registry of its own. What the plays decide is deterministic,
// and goes into a file; Served also has how long they took in life.
type Metrics struct {
	Served *prometheus.Registry
	file   *prometheus.Registry

	plays, lost, operations, virtual, wall *prometheus.CounterVec
	phases                                 *prometheus.HistogramVec
}

// phaseBuckets are the bounds of the phases of a takeover, in seconds: from the time of a frame to
// that of a backup.
var phaseBuckets = []float64{0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 15, 30,
	45, 60, 90, 120, 180, 300, 600, 1800, 3600}

// NewMetrics makes the metrics of a batch.
func NewMetrics() *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "firedrill", Name: name, Help: help},
			append([]string{"scenario"}, labels...))
	}
	m := &Metrics{
		Served: prometheus.NewRegistry(), file: prometheus.NewRegistry(),
		plays:      counter("plays_total", "Plays, by verdict.", "verdict"),
		lost:       counter("lost_writes_total", "Acknowledged writes that were lost, by what became of them.", "fate"),
		operations: counter("operations_total", "Operations of clients, by result.", "result"),
		virtual:    counter("virtual_seconds_total", "Virtual time that was played."),
		wall:       counter("wall_seconds_total", "Time in life that the plays took, side by side ones added up."),
		phases: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "firedrill", Name: "takeover_phase_seconds",
			Help: "How long each phase of a takeover lasted, in virtual time.", Buckets: phaseBuckets},
			[]string{"scenario", "phase"}),
	}
	for _, c := range []prometheus.Collector{m.plays, m.lost, m.operations, m.virtual, m.phases} {
		m.file.MustRegister(c)
		m.Served.MustRegister(c)
	}
	m.Served.MustRegister(m.wall)
	return m
}

// Add counts a play.
func (m *Metrics) Add(o *scenarios.Outcome) {
	name := o.Scenario.Name
	m.plays.WithLabelValues(name, string(o.Verdict)).Inc()
	m.virtual.WithLabelValues(name).Add(o.Virtual.Seconds())
	m.wall.WithLabelValues(name).Add(o.Wall.Seconds())
	play := NewPlay(o)
	for _, p := range takeoverPhases(&play) {
		m.phases.WithLabelValues(name, p.Name).Observe(p.Value)
	}
	if o.Run == nil {
		return
	}
	results := map[nodes.Result]int{}
	for i := range o.Run.History {
		results[o.Run.History[i].Result]++
	}
	for _, r := range []nodes.Result{nodes.ResultOK, nodes.ResultFailed, nodes.ResultUnknown} {
		m.operations.WithLabelValues(name, string(r)).Add(float64(results[r]))
	}
	for _, fate := range []expect.Fate{expect.Divergent, expect.Stranded, expect.Gone} {
		m.lost.WithLabelValues(name, fate.String()).Add(float64(o.Run.Ledger().Counts[fate]))
	}
}

// Write writes OpenMetrics text: the same bytes for the same plays.
func (m *Metrics) Write(w io.Writer) error {
	families, err := m.file.Gather()
	if err != nil {
		return err
	}
	format, err := expfmt.NewOpenMetricsFormat(expfmt.OpenMetricsVersion_1_0_0)
	if err != nil {
		return err
	}
	e := expfmt.NewEncoder(w, format)
	for _, f := range families {
		if err := e.Encode(f); err != nil {
			return err
		}
	}
	if end, ok := e.(expfmt.Closer); ok {
		return end.Close()
	}
	return nil
}
