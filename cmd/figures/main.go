// Command figures measures the kernel world, each figure beside that of its peer on the same system in the same run, and
// prints them as a table, with what is asked of each. It judges nothing: a busy system gives other figures.
//
//	go run ./cmd/figures [ROUNDS]
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"text/tabwriter"
)

// figure is one kind of row: a benchmark and which of its metrics are meant.
type figure struct {
	name, bench      string
	seen, peer, more string // units of the benchmark; peer and more may be missing
	asked            string
	met              func(r result) bool // as far as something is asked
}

// result is what a benchmark has said of one of its cases.
type result struct {
	bench string
	size  string // how many machines or disks; "" where it does not matter
	which string // what else the case is told by, for the name of a row
	seen  map[string]float64
}

func atMost(unit string, limit float64) func(result) bool {
	return func(r result) bool { return r.seen[unit] <= limit }
}

var figures = []figure{
	{"one TCP stream, Gbit/s", "Stream", "Gbit/s", "bridge-Gbit/s", "share-of-bridge", "half of a bridge's at least",
		func(r result) bool { return r.seen["share-of-bridge"] >= 0.5 }},
	{"round trip without latency, us", "RoundTrip", "us", "bridge-us", "us-more", "150 us more than a bridge's at most",
		atMost("us-more", 150)},
	{"latency as configured, us", "Delay", "us", "configured-us", "us-more", "within 5 % or 200 us", func(r result) bool {
		return max(-r.seen["us-more"], r.seen["us-more"]) <= max(200, r.seen["configured-us"]/20)
	}},
	{"frames a second", "Frames", "frames/s", "bridge-frames/s", "share-of-bridge", "", nil},
	{"until all machines are up, ms", "UpDown", "up-ms", "true-ms", "", "3 in less than 100 ms, 10 in less than 300",
		func(r result) bool {
			limit, asked := map[string]float64{"3": 100, "10": 300}[r.size]
			return !asked || r.seen["up-ms"] < limit
		}},
	{"until all are down, ms", "UpDown", "down-ms", "true-ms", "", "less than 150 ms", atMost("down-ms", 150)},
	{"until the command is in its namespaces, ms", "Enter", "ms", "true-ms", "", "", nil},
	{"4 KiB written and synced, us", "Commit", "us", "tmpfs-us", "us-more", "", nil},
	{"bytes to and from a disk, GB/s", "Throughput", "GB/s", "tmpfs-GB/s", "share-of-tmpfs", "", nil},
}

func main() {
	rounds := "5"
	if len(os.Args) > 1 {
		rounds = os.Args[1]
	}
	if n, err := strconv.Atoi(rounds); err != nil || n < 1 || len(os.Args) > 2 {
		fmt.Fprintf(os.Stderr, "figures: want how many rounds each figure is the median of, have %q\n", os.Args[1:])
		os.Exit(2)
	}
	results, err := measure(rounds)
	if err == nil {
		err = tell(os.Stdout, results)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}

// measure runs the benchmarks, one package after the other, and shows what they say as they say it.
func measure(rounds string) ([]result, error) {
	var names []string
	for _, f := range figures {
		names = append(names, f.bench)
	}
	c := exec.Command("go", "test", "-p", "1", "-count=1", "-timeout=30m", "-run", "^$",
		"-bench", "^Benchmark("+strings.Join(names, "|")+")$", "-benchtime", rounds+"x",
		"./sim/kernel", "./sim/kernel/lan", "./sim/kernel/disk")
	c.Env = append(os.Environ(), "GOGC=400") // That of the command.
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	results, err := read(io.TeeReader(out, os.Stderr))
	if ended := c.Wait(); err == nil && ended != nil {
		err = fmt.Errorf("go test: %w", ended)
	}
	return results, err
}

// read takes down what benchmarks say.
func read(out io.Reader) (all []result, err error) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := strings.Split(strings.TrimPrefix(fields[0], "Benchmark"), "/")
		last := len(name) - 1
		if n := strings.LastIndex(name[last], "-"); n >= 0 {
			name[last] = name[last][:n] // How many processors there are.
		}
		r := result{bench: name[0], seen: map[string]float64{}}
		for _, word := range name[1:] {
			switch key, value, _ := strings.Cut(word, "="); key {
			case "machines", "disks":
				r.size = value
			default:
				r.which += ", " + strings.Replace(word, "=", " ", 1)
			}
		}
		for n := 2; n+1 < len(fields); n += 2 {
			if r.seen[fields[n+1]], err = strconv.ParseFloat(fields[n], 64); err != nil {
				return nil, fmt.Errorf("in %q: %w", lines.Text(), err)
			}
		}
		all = append(all, r)
	}
	return all, lines.Err()
}

// number is how a figure reads, to three digits at least; "" where there is none.
func (r result) number(unit string) string {
	v, is := r.seen[unit]
	switch {
	case !is:
		return ""
	case v >= 100 || v <= -100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// tell makes the table.
func tell(w io.Writer, results []result) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "figure\tmachines\tseen\tpeer\tmore, or share\tasked")
	for _, f := range figures {
		for _, r := range results {
			if r.bench != f.bench {
				continue
			}
			asked := f.asked
			if f.met != nil && !f.met(r) {
				asked += ": not here"
			}
			row := []string{f.name + r.which, r.size, r.number(f.seen), r.number(f.peer), r.number(f.more), asked}
			_, _ = fmt.Fprintln(table, strings.Join(row, "\t")) // Flush tells.
		}
	}
	return table.Flush()
}
