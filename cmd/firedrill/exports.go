package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"

	"firedrill/reports"
	"firedrill/scenarios"
	"firedrill/sim"
	"firedrill/sim/kernel"
)

// exports are what a run writes for other programs, where it is asked to.
type exports struct {
	junitFile, openMetricsFile, metricsAddress, pcapDir string

	junit   *reports.JUnit
	metrics *reports.Metrics
	server  *http.Server
}

func (e *exports) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&e.junitFile, "junit", "", "write JUnit XML to `FILE`")
	f.StringVar(&e.openMetricsFile, "openmetrics", "", "write metrics as OpenMetrics text to `FILE`")
	f.StringVar(&e.pcapDir, "pcap", "", "write every frame to `DIR`, a pcapng file per segment")
	f.StringVar(&e.metricsAddress, "metrics", "", "serve metrics during the run, :PORT on loopback: `ADDR`")
}

// begin opens what was asked for, so that what cannot be written is known before anything is played.
func (e *exports) begin(stderr io.Writer) error {
	for _, name := range []string{e.junitFile, e.openMetricsFile} {
		if name == "" {
			continue
		}
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o666)
		if err != nil {
			return &exit{statusUsage, err}
		}
		if err := f.Close(); err != nil {
			return &exit{statusUsage, err}
		}
	}
	if e.pcapDir != "" {
		if err := os.MkdirAll(e.pcapDir, 0o777); err != nil {
			return &exit{statusUsage, fmt.Errorf("--pcap: %w", err)}
		}
	}
	if e.junitFile != "" {
		e.junit = new(reports.JUnit)
	}
	if e.openMetricsFile != "" || e.metricsAddress != "" {
		e.metrics = reports.NewMetrics()
	}
	if e.metricsAddress == "" {
		return nil
	}
	return e.serve(stderr)
}

// listen opens where metrics are served.
func (e *exports) listen() (net.Listener, error) {
	host, port, err := net.SplitHostPort(e.metricsAddress)
	if err != nil {
		return nil, fmt.Errorf("--metrics: want an address such as :9100 or 127.0.0.1:9100, have %q", e.metricsAddress)
	}
	if host == "" {
		host = "127.0.0.1" // Nobody else is to see it unless the user says so.
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, &exit{statusUsage, fmt.Errorf("--metrics: %w", err)}
	}
	return listener, nil
}

// listenerFile is a listener that the kernel world brings along: its own network is nobody's outside.
func (e *exports) listenerFile() (*os.File, error) {
	listener, err := e.listen()
	if err != nil {
		return nil, err
	}
	f, err := listener.(*net.TCPListener).File() // It goes on listening when the other does not.
	if err := errors.Join(err, listener.Close()); err != nil {
		return nil, &exit{statusFault, fmt.Errorf("--metrics: %w", err)}
	}
	return f, nil
}

// brought is the listener of listenerFile, inside.
func (e *exports) brought() (net.Listener, error) {
	f := kernel.Brought(0)
	listener, err := net.FileListener(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, &exit{statusFault, fmt.Errorf("--metrics: %w", err)}
	}
	return listener, nil
}

// serve answers Prometheus until end.
func (e *exports) serve(stderr io.Writer) error {
	listen := e.listen
	if kernel.Inside() {
		listen = e.brought
	}
	listener, err := listen()
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(e.metrics.Served, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	e.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = e.server.Serve(listener) }() // It ends with Shutdown.
	_, _ = fmt.Fprintf(stderr, "firedrill: metrics at http://%s/metrics\n", listener.Addr())
	return nil
}

// watch writes the frames of a play to pcapDir/SCENARIO/VALUES/seed-N.
func (e *exports) watch(t scenarios.Turn, s *scenarios.Scenario, w sim.World) (func() error, error) {
	world, able := w.(sim.Capturer)
	if !able {
		return nil, errors.New("--pcap: this world does not show its frames")
	}
	dir := filepath.Join(e.pcapDir, filepath.FromSlash(s.Case), fmt.Sprintf("seed-%d", t.Seed))
	c, err := reports.NewCapture(dir, s.Start)
	if err != nil {
		return nil, err
	}
	world.Capture(c.Frame)
	return c.Close, nil
}

// add counts a result.
func (e *exports) add(result scenarios.Result, again string) {
	if e.junit != nil {
		e.junit.Add(result.Outcome, again)
		for _, j := range result.Range {
			e.junit.AddRange(result.Case.File.Name, result.Case.Name, j)
		}
	}
	if e.metrics != nil {
		e.metrics.Add(result.Outcome)
	}
}

// end writes the files and closes the server.
func (e *exports) end() error {
	var wrong []error
	write := func(name string, text func(io.Writer) error) {
		var b bytes.Buffer
		err := text(&b)
		if err == nil {
			err = os.WriteFile(name, b.Bytes(), 0o666)
		}
		if err != nil {
			wrong = append(wrong, &exit{statusFault, err})
		}
	}
	if e.junitFile != "" {
		write(e.junitFile, e.junit.Write)
	}
	if e.openMetricsFile != "" {
		write(e.openMetricsFile, e.metrics.Write)
	}
	if e.server != nil {
		ctx, stop := context.WithTimeout(context.Background(), time.Second)
		defer stop()
		if err := e.server.Shutdown(ctx); err != nil { // Somebody does not let go.
			wrong = append(wrong, e.server.Close())
		}
	}
	return errors.Join(wrong...)
}
