package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
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

// turnedAway is a play in which frames are refused; the words say where, and how.
const turnedAway = `# Frames are turned away aloud for a while.
name: turned-away
stop: 4m
settle: 1m
segments:
  lan:       {subnet: 172.16.64.0/22}
  heartbeat: {subnet: 192.168.2.0/24}
machines:
  nas-a: {kind: pair, nets: {lan: 172.16.66.165, heartbeat: 192.168.2.254}}
  nas-b: {kind: pair, nets: {lan: 172.16.66.160, heartbeat: 192.168.2.253}}
clients:
  office: {count: 1, net: lan, to: 172.16.66.40, prefix: /data, rate: 2/s, put: 50%%, get: 50%%}
timeline:
  - {at: 10s, do: apply, machine: nas-a, with: {role: active, pair_ip: 172.16.66.160, pair_code: drill, virtual_ip: 172.16.66.40,
       heartbeat_ips: [192.168.2.254, 192.168.2.253], interval: 30s, checks: 5, schedule: hourly}}
  - {at: 20s, do: apply, machine: nas-b, with: {role: standby, pair_ip: 172.16.66.165, pair_code: drill}}
  - {at: 90s, refuse: %s, how: %s, for: 40s}
`

// TestRefusalsAreInTheFrames captures plays in which something on the way turns frames away, and decodes its answers.
func TestRefusalsAreInTheFrames(t *testing.T) {
	unreachable := layers.CreateICMPv4TypeCode
	for _, c := range []struct {
		segment, how string
		about        layers.IPProtocol
		code         layers.ICMPv4TypeCode
		tcpdump      string
	}{
		{"lan", "unreachable", layers.IPProtocolTCP,
			unreachable(layers.ICMPv4TypeDestinationUnreachable, layers.ICMPv4CodeHost), "host 172.16.66.40 unreachable"},
		{"heartbeat", "unreachable", layers.IPProtocolUDP,
			unreachable(layers.ICMPv4TypeDestinationUnreachable, layers.ICMPv4CodeHost), "host 192.168.2.253 unreachable"},
		{"heartbeat", "reset", layers.IPProtocolUDP,
			unreachable(layers.ICMPv4TypeDestinationUnreachable, layers.ICMPv4CodePort), "192.168.2.253 udp port"},
	} {
		t.Run(c.segment+"-"+c.how, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "turned-away.yaml")
			if err := os.WriteFile(file, fmt.Appendf(nil, turnedAway, c.segment, c.how), 0o666); err != nil {
				t.Fatal(err)
			}
			// What the play proves is not asked here: only that it is played to its end.
			status := firedrill([]string{"run", file, "--seed", "1", "--out", dir, "--pcap", dir}, io.Discard, os.Stderr)
			if status == statusUsage || status == statusFault {
				t.Fatalf("status %d", status)
			}
			name := filepath.Join(dir, "turned-away", "seed-1", c.segment+".pcapng")
			answers := refusals(t, name)
			if len(answers) == 0 {
				t.Fatal("want ICMP errors, have none")
			}
			for _, a := range answers {
				if a.icmp.TypeCode != c.code || a.quoted.Protocol != c.about {
					t.Errorf("want %v about %v, have %v about %v", c.code, c.about, a.icmp.TypeCode, a.quoted.Protocol)
				}
			}
			if said, known := tcpdumpOf(t, name, "icmp"); known && !strings.Contains(said, c.tcpdump) {
				t.Errorf("want %q of tcpdump, have %.600s", c.tcpdump, said)
			}
		})
	}
}

// refusal is an ICMP error, and the head of the packet that it quotes.
type refusal struct {
	icmp   *layers.ICMPv4
	quoted *layers.IPv4
}

// refusals decodes the ICMP errors of a file, and checks that each is sound and about a packet that went before.
func refusals(t *testing.T, name string) []refusal {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}()
	r, err := pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	var all []refusal
	sent := map[string]bool{} // heads of packets, as an error quotes them
	for {
		data, _, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		p := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.Default)
		ip, isIP := p.NetworkLayer().(*layers.IPv4)
		if !isIP {
			continue
		}
		icmp, isICMP := p.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4)
		if !isICMP {
			sent[head(ip)] = true
			continue
		}
		a := refusal{icmp, new(layers.IPv4)}
		whole := append(append([]byte{}, icmp.Contents...), icmp.Payload...)
		if sum := onesComplement(whole); sum != 0xffff {
			t.Errorf("the sum over an ICMP error is %#x: %v", sum, icmp)
		}
		if err := a.quoted.DecodeFromBytes(icmp.Payload, gopacket.NilDecodeFeedback); err != nil {
			t.Fatalf("%v in what is quoted, %x", err, icmp.Payload)
		}
		if sum := onesComplement(a.quoted.Contents); sum != 0xffff || len(a.quoted.Payload) != 8 {
			t.Errorf("the sum over the quoted head is %#x, and %d bytes follow", sum, len(a.quoted.Payload))
		}
		if !sent[head(a.quoted)] {
			t.Errorf("no packet went before of which this was the head: %v, %x", a.quoted, a.quoted.Payload)
		}
		if !ip.DstIP.Equal(a.quoted.SrcIP) || !ip.SrcIP.Equal(a.quoted.DstIP) {
			t.Errorf("want the error to go back to %v from %v, have %v, %v", a.quoted.SrcIP, a.quoted.DstIP, ip.DstIP, ip.SrcIP)
		}
		all = append(all, a)
	}
}

// head is what tells packets apart in an ICMP error: addresses, ports, and of TCP the sequence number.
func head(ip *layers.IPv4) string {
	n := 4
	if ip.Protocol == layers.IPProtocolTCP {
		n = 8
	}
	return fmt.Sprintf("%v %v %v %x", ip.Protocol, ip.SrcIP, ip.DstIP, ip.Payload[:n])
}

// onesComplement is the sum that internet checksums make 0xffff.
func onesComplement(data []byte) uint16 {
	sum := uint32(0)
	for n := 0; n+1 < len(data); n += 2 {
		sum += uint32(binary.BigEndian.Uint16(data[n:]))
	}
	if len(data)%2 == 1 {
		sum += uint32(data[len(data)-1]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

// tcpdumpOf is what tcpdump says of some packets of a file, where there is one, with nothing wrong in it.
func tcpdumpOf(t *testing.T, name, which string) (said string, known bool) {
	t.Helper()
	tcpdump, err := exec.LookPath("tcpdump")
	if err != nil {
		t.Log("there is no tcpdump here")
		return "", false
	}
	text, err := exec.Command(tcpdump, "-nnvvr", name, which).Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if said = string(text); strings.Contains(said, "cksum") && strings.Contains(said, "wrong") || strings.Contains(said, "bad cksum") {
		t.Errorf("%s: a checksum is wrong in %.600s", name, said)
	}
	return said, true
}
