package main

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"firedrill/scenarios"
	"firedrill/scenarios/expect"
)

func TestMetricsAreServedOnLoopbackUntilTheEnd(t *testing.T) {
	e := exports{metricsAddress: ":0"}
	var said strings.Builder
	if err := e.begin(&said); err != nil {
		t.Fatal(err)
	}
	url := strings.TrimSpace(strings.TrimPrefix(said.String(), "firedrill: metrics at "))
	if !strings.HasPrefix(url, "http://127.0.0.1:") {
		t.Errorf("want loopback, have %q", said.String())
	}
	e.add(scenarios.Result{Outcome: &scenarios.Outcome{Scenario: &scenarios.Scenario{Name: "healthy"}, Verdict: expect.Pass,
		Wall: time.Second}}, "")
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	if err != nil || response.Body.Close() != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`firedrill_plays_total{scenario="healthy",verdict="pass"} 1`, "firedrill_wall_seconds_total"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("want %q in\n%s", want, text)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	if err := e.end(); err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/metrics")); err == nil {
		t.Errorf("still served after the end, %v", c.Close())
	}
}
