//go:build linux

package disk

import (
	"fmt"
	"strconv"
	"testing"
	"time"
)

// fleet is so many machines with a disk and a process each; the disks sync in no time. The last process is at a tmpfs.
func fleet(b *testing.B, disks int) (ours []*software, peer *software) {
	for range disks {
		ours = append(ours, mounted(b).start())
	}
	peer = startAt(b, tmpfs(b))
	for _, s := range append(ours, peer) {
		s.want(`open f /a rw,create: ok`)
	}
	return ours, peer
}

// takes is what a measure of a process says.
func (s *software) takes(format string, args ...any) time.Duration {
	s.Helper()
	s.tell(fmt.Sprintf(format, args...))
	return s.took()
}

func (s *software) took() time.Duration {
	s.Helper()
	answer := s.hear()
	n, err := strconv.ParseInt(answer, 10, 64)
	if err != nil {
		s.Fatal("a measure says ", answer)
	}
	return time.Duration(n)
}

// A page of 4 KiB that is written and synced, on one of so many disks and on a tmpfs; and on all disks at a time.
func BenchmarkCommit(b *testing.B) {
	const pages = 2000
	for _, disks := range []int{3, 10, 30} {
		b.Run(fmt.Sprintf("disks=%d", disks), func(b *testing.B) {
			ours, peer := fleet(b, disks)
			here, there, together := time.Hour, time.Hour, time.Hour
			for b.Loop() {
				here = min(here, ours[0].takes("commit f %d", pages))
				there = min(there, peer.takes("commit f %d", pages))
				begun := time.Now()
				for _, s := range ours {
					s.tell(fmt.Sprintf("commit f %d", pages/len(ours)))
				}
				for _, s := range ours {
					s.took()
				}
				together = min(together, time.Since(begun))
			}
			each := func(d time.Duration) float64 { return float64(d.Microseconds()) / pages }
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(each(here), "us")
			b.ReportMetric(each(there), "tmpfs-us")
			b.ReportMetric(each(here-there), "us-more")
			b.ReportMetric(each(together), "us-all-at-once")
		})
	}
}

// Files that are written and read from one end to the other, in pieces of 1 MiB.
func BenchmarkThroughput(b *testing.B) {
	const length = 128 // MiB
	for _, disks := range []int{3, 10, 30} {
		for _, what := range []string{"pour", "drain"} {
			b.Run(fmt.Sprintf("disks=%d/%s", disks, what), func(b *testing.B) {
				ours, peer := fleet(b, disks)
				for _, s := range []*software{ours[0], peer} {
					s.takes("pour f %d", length) // What is read has to be there, and no longer to be made room for.
				}
				here, there := time.Hour, time.Hour
				for b.Loop() {
					here = min(here, ours[0].takes("%s f %d", what, length))
					there = min(there, peer.takes("%s f %d", what, length))
				}
				rate := func(d time.Duration) float64 { return length << 20 / d.Seconds() / 1e9 }
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(rate(here), "GB/s")
				b.ReportMetric(rate(there), "tmpfs-GB/s")
				b.ReportMetric(float64(there)/float64(here), "share-of-tmpfs")
			})
		}
	}
}
