package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// total is the length of an IP packet as tcpdump tells it.
var total = regexp.MustCompile(`length ([0-9]+)\)`)

// TestFramesAsOtherProgramsReadThem lets tcpdump read what a run has written, and check every checksum.
func TestFramesAsOtherProgramsReadThem(t *testing.T) {
	tcpdump, err := exec.LookPath("tcpdump")
	if err != nil {
		t.Skip("SKIPPED: there is no tcpdump here, and nothing else than our own code has read the frames")
	}
	dir := t.TempDir()
	arguments := []string{"run", "stale-arp", "heartbeat-cut/long", "--seed", "1", "--out", dir,
		"--pcap", filepath.Join(dir, "pcap")}
	if status := firedrill(arguments, io.Discard, os.Stderr); status != statusPass {
		t.Fatalf("status %d", status)
	}
	files, err := filepath.Glob(filepath.Join(dir, "pcap", "heartbeat-cut", "long", "seed-1", "*.pcapng"))
	if err != nil || len(files) < 2 {
		t.Fatalf("want a file for each segment, have %v, %v", files, err)
	}
	more, err := filepath.Glob(filepath.Join(dir, "pcap", "stale-arp", "*", "seed-1", "*.pcapng"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(files, more...) {
		text, err := exec.Command(tcpdump, "-nnvvr", name).Output()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		said := string(text)
		for _, wrong := range []string{"bad cksum", "incorrect", "bad udp", "[|tcp]", "[|udp]", "[|ip]"} {
			if n := strings.Index(said, wrong); n >= 0 {
				t.Errorf("%s: %q in ...%.400s", name, wrong, said[max(0, n-200):])
			}
		}
		for _, length := range total.FindAllStringSubmatch(said, -1) {
			if n, err := strconv.Atoi(length[1]); err != nil || n > 1500 {
				t.Errorf("%s: want packets of at most 1500 bytes, have %s, %v", name, length[1], err)
			}
		}
		if !strings.HasSuffix(name, "lan.pcapng") {
			continue
		}
		for _, want := range []string{"ARP, Ethernet (len 6), IPv4 (len 4), Request who-has", "Flags [S.]", "(correct)", "PUT /data/"} {
			if !strings.Contains(said, want) {
				t.Errorf("%s: want %q", name, want)
			}
		}
	}
}
