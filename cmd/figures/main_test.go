package main

import (
	"strings"
	"testing"
)

// What benchmarks say becomes rows, in the order of the figures, and one that is not as asked says so.
func TestTable(t *testing.T) {
	results, err := read(strings.NewReader(`goos: linux
BenchmarkEnter-2   5   9.8 ms   8.95 true-ms
BenchmarkStream/machines=3-2   5   6.24 Gbit/s   16.1 bridge-Gbit/s   0.386 share-of-bridge
BenchmarkStream/machines=10-2   5   12 Gbit/s   16 bridge-Gbit/s   0.75 share-of-bridge
BenchmarkDelay/machines=30/latency=10ms   5   10500 us   10000 configured-us   500 us-more
BenchmarkDelay/machines=30/latency=1ms   5   700 us   1000 configured-us   -300 us-more
BenchmarkUpDown/machines=30-2   5   500 up-ms   60 down-ms   31 true-ms
PASS
`))
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	if err := tell(&table, results); err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"figure", "asked"},
		{"one TCP stream, Gbit/s", "3 6.24 16.1 0.386 half of a bridge's at least: not here"},
		{"one TCP stream, Gbit/s", "10 12 16 0.75 half of a bridge's at least"},
		{"latency as configured, us, latency 10ms", "30 10500 10000 500 within 5 % or 200 us"},
		{"latency as configured, us, latency 1ms", "30 700 1000 -300 within 5 % or 200 us: not here"},
		{"until all machines are up, ms", "30 500 31 3 in less than 100 ms, 10 in less than 300"},
		{"until all are down, ms", "30 60 31 less than 150 ms"},
		{"until the command is in its namespaces, ms", "9.8 8.95"},
	}
	lines := strings.Split(strings.TrimSpace(table.String()), "\n")
	if len(lines) != len(want) {
		t.Fatalf("want %d lines, have\n%s", len(want), &table)
	}
	for n, line := range lines {
		if line = strings.Join(strings.Fields(line), " "); !strings.HasPrefix(line, want[n][0]) || !strings.HasSuffix(line, want[n][1]) {
			t.Errorf("want %q, have %q", want[n], line)
		}
	}
	if _, err := read(strings.NewReader("BenchmarkStream 5 many Gbit/s\n")); err == nil {
		t.Error("want what is no number to be refused")
	}
}
