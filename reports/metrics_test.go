package reports

import (
	"strings"
	"testing"
)

func TestMetrics(t *testing.T) {
	m := NewMetrics()
	m.Add(dualWriters(4))
	m.Add(passed("heartbeat-cut", 5))
	var b strings.Builder
	if err := m.Write(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "metrics.txt", []byte(b.String()))
}

// How long it took in life is served, and is not in the file.
func TestMetricsOfLifeAreServedOnly(t *testing.T) {
	m := NewMetrics()
	m.Add(dualWriters(4))
	families, err := m.Served.Gather()
	if err != nil {
		t.Fatal(err)
	}
	served := false
	for _, f := range families {
		served = served || f.GetName() == "firedrill_wall_seconds_total" && f.GetMetric()[0].GetCounter().GetValue() == 0.5
	}
	if !served {
		t.Errorf("want half a second of life, have %v", families)
	}
	var b strings.Builder
	if err := m.Write(&b); err != nil || strings.Contains(b.String(), "wall") || !strings.HasSuffix(b.String(), "# EOF\n") {
		t.Errorf("have %v, %s", err, b.String())
	}
}
