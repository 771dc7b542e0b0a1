package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// office is a drill in which a client far away stores files that take many frames each, over a router.
const office = `# A client in another office stores files.
name: office
world: [virtual, kernel]
time_scale: 20x
seeds: 1..1
stop: 1m
settle: 10s
segments:
  lan:       {subnet: 172.16.64.0/22}
  branch:    {subnet: 10.20.0.0/24}
  line:      {joins: [branch, lan], latency: 20ms}
  heartbeat: {subnet: 192.168.2.0/24}
machines:
  nas-a: {kind: pair, nets: {lan: 172.16.66.165, heartbeat: 192.168.2.254}}
  nas-b: {kind: pair, nets: {lan: 172.16.66.160, heartbeat: 192.168.2.253}}
clients:
  desk: {count: 1, net: branch, to: 172.16.66.40, prefix: /data, rate: 2/s, put: 100%, size: 64KiB}
timeline:
  - {at: 5s, run: set-up, with: {active: nas-a, standby: nas-b, active_ip: 172.16.66.165, standby_ip: 172.16.66.160,
       pair_code: drill, virtual_ip: 172.16.66.40, heartbeat_ips: [192.168.2.254, 192.168.2.253], interval: 5s, checks: 1,
       schedule: hourly}}
  - {at: 40s, cut: line, for: 2s}
`

// TestFramesOfTheKernelWorld reads with another library what a run in the kernel world has written: a file for each
// segment on which somebody is, in it every frame in the order of time, each of a size that a wire carries, with its
// checksums, whatever the kernels handed over as one.
func TestFramesOfTheKernelWorld(t *testing.T) {
	inBoxes(t, func(b *box) {
		b.must(os.WriteFile(filepath.Join(b.dir, "office.yaml"), []byte(office), 0o644))
		b.drill("run", "office.yaml", "--world", "kernel", "--out", kept, "--pcap", "frames").start().ends(statusPass, statusUnclear)
		files, err := filepath.Glob(filepath.Join(b.dir, "frames", "office", "seed-1", "*"))
		b.must(err)
		var names []string
		for _, file := range files {
			names = append(names, filepath.Base(file))
		}
		if want := []string{"branch.pcapng", "heartbeat.pcapng", "lan.pcapng", "management.pcapng"}; !slices.Equal(names, want) {
			b.Fatalf("want %v, have %v", want, names)
		}
		for _, name := range []string{"branch.pcapng", "lan.pcapng"} {
			f := readFrames(b, filepath.Join(b.dir, "frames", "office", "seed-1", name))
			if f.full < 100 || f.short == 0 || f.arp == 0 {
				b.Errorf("%s: want many full frames, short ones and ARP, have %+v", name, f)
			}
			if routed := name == "lan.pcapng"; (f.routed > 100) != routed {
				b.Errorf("%s: want what the client sends routed on the unit's segment alone, have %+v", name, f)
			}
			tcpdumpOf(b.T, filepath.Join(b.dir, "frames", "office", "seed-1", name), "ip or arp")
		}
	})
}

// frames is what a file of them has.
type frames struct{ full, short, arp, routed int }

// readFrames reads a file, and checks each frame.
func readFrames(b *box, name string) (f frames) {
	b.Helper()
	file, err := os.Open(name)
	b.must(err)
	defer file.Close()
	r, err := pcapgo.NewNgReader(file, pcapgo.DefaultNgReaderOptions)
	b.must(err)
	start := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	for last := start.Add(-time.Second); ; { // Machines boot just before the drill begins.
		data, info, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return f
		}
		b.must(err)
		if info.Timestamp.Before(last) || info.Timestamp.After(start.Add(2*time.Minute)) {
			b.Errorf("%s: a frame of %v after one of %v", name, info.Timestamp, last)
		}
		last = info.Timestamp
		p := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.Default)
		for _, l := range p.Layers() { // That of TCP and UDP is over the addresses too.
			if sums, is := l.(interface {
				SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
			}); is && p.NetworkLayer() != nil {
				b.must(sums.SetNetworkLayerForChecksum(p.NetworkLayer()))
			}
		}
		if err, wrong := p.VerifyChecksums(); err != nil || len(wrong) > 0 || p.ErrorLayer() != nil {
			b.Fatalf("%s: a frame with a mistake: %v, %v, %v", name, err, wrong, p)
		}
		switch n := len(data); {
		case n < 60 || n > 1514:
			b.Errorf("%s: a frame of %d bytes", name, n)
		case n == 1514:
			f.full++
		default:
			f.short++
		}
		if p.Layer(layers.LayerTypeARP) != nil {
			f.arp++
		}
		if ip, is := p.NetworkLayer().(*layers.IPv4); is && ip.TTL == 63 && ip.Length == 1500 {
			f.routed++
		}
	}
}
