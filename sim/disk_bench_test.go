package sim

import (
	"fmt"
	"os"
	"testing"

	"github.com/spf13/afero"
)

// BenchmarkDiskReplace puts 4 KiB in the place of a file so that a loss of power leaves the old or the new one.
func BenchmarkDiskReplace(b *testing.B) {
	d := NewDisk(DiskSpec{}, nil)
	fs := d.Fs(idlePacer{})
	if err := fs.Mkdir("/data", 0o755); err != nil {
		b.Fatal(err)
	}
	page := make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		f, err := fs.Create("/data/tmp")
		if err != nil {
			b.Fatal(err)
		}
		f.Write(page)
		f.Sync()
		f.Close()
		fs.Rename("/data/tmp", "/data/file")
		dir, err := fs.Open("/data")
		if err != nil {
			b.Fatal(err)
		}
		dir.Sync()
		dir.Close()
	}
	const operations = 8 // create, write, sync, close, rename, open, sync, close
	b.ReportMetric(operations*float64(b.N)/b.Elapsed().Seconds(), "operations/s")
}

// BenchmarkDiskJournal appends to one file that grows and grows: the cost of a record must not depend on its length.
func BenchmarkDiskJournal(b *testing.B) {
	f, err := NewDisk(DiskSpec{}, nil).Fs(idlePacer{}).OpenFile("/journal", os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	record := make([]byte, 100)
	b.ReportAllocs()
	for b.Loop() {
		f.Write(record)
		f.Sync()
	}
}

// BenchmarkDiskStream writes, rewrites and reads 20 MB in pieces of 64 KiB.
func BenchmarkDiskStream(b *testing.B) {
	piece := make([]byte, 64<<10)
	const size = 20e6
	b.SetBytes(3 * size)
	for b.Loop() {
		f, err := NewDisk(DiskSpec{}, nil).Fs(idlePacer{}).Create("/image")
		if err != nil {
			b.Fatal(err)
		}
		for range 2 {
			for off := int64(0); off < size; off += int64(len(piece)) {
				f.WriteAt(piece, off)
			}
		}
		f.Sync()
		for off := int64(0); off < size; off += int64(len(piece)) {
			f.ReadAt(piece, off)
		}
	}
}

// BenchmarkDiskSnapshot takes a copy of 20 MB in 1000 files.
func BenchmarkDiskSnapshot(b *testing.B) {
	d := NewDisk(DiskSpec{}, nil)
	for i := range 1000 {
		if err := afero.WriteFile(d.Fs(nil), fmt.Sprintf("/f%d", i), make([]byte, 20_000), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	d.SyncAll()
	for b.Loop() {
		d.Snapshot()
	}
}
