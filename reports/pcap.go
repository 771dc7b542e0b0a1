package reports

import (
	"bufio"
	"os"
	"path/filepath"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// Capture writes the frames of one play, a pcapng file for each segment. Times are virtual.
type Capture struct {
	dir   string
	start time.Time
	files map[string]*captureFile
	order []*captureFile
	err   error
}

type captureFile struct {
	name   string
	file   *os.File
	buffer *bufio.Writer
	pcap   *pcapgo.NgWriter
}

// NewCapture makes the folder. The play begins at start.
func NewCapture(dir string, start time.Time) (*Capture, error) {
	return &Capture{dir: dir, start: start, files: map[string]*captureFile{}}, os.MkdirAll(dir, 0o777)
}

// Frame writes one frame. The first error is kept for Close.
func (c *Capture) Frame(segment string, at time.Duration, frame []byte) {
	f := c.files[segment]
	if f == nil && c.err == nil {
		f, c.err = c.open(segment)
	}
	if c.err != nil {
		return
	}
	info := gopacket.CaptureInfo{Timestamp: c.start.Add(at), CaptureLength: len(frame), Length: len(frame)}
	c.err = f.pcap.WritePacket(info, frame)
}

func (c *Capture) open(segment string) (*captureFile, error) {
	f := &captureFile{name: filepath.Join(c.dir, segment+".pcapng")}
	var err error
	if f.file, err = os.Create(f.name + ".new"); err != nil {
		return nil, err
	}
	c.files[segment] = f
	c.order = append(c.order, f)
	f.buffer = bufio.NewWriter(f.file)
	f.pcap, err = pcapgo.NewNgWriterInterface(f.buffer,
		pcapgo.NgInterface{Name: segment, LinkType: layers.LinkTypeEthernet, TimestampResolution: 9},
		pcapgo.NgWriterOptions{SectionInfo: pcapgo.NgSectionInfo{Application: "firedrill"}})
	return f, err
}

// Close ends the files. One that could not be written whole is not there. The error is the first: on a disk that is full, all
// that comes after it says the same.
func (c *Capture) Close() error {
	first := c.err
	for _, f := range c.order {
		if err := f.end(c.err == nil); first == nil {
			first = err
		}
	}
	return first
}

// end closes the file, and puts it in its place if it is whole and to be kept.
func (f *captureFile) end(keep bool) error {
	err := f.flush()
	if closed := f.file.Close(); err == nil {
		err = closed
	}
	if err == nil && keep {
		return os.Rename(f.name+".new", f.name)
	}
	_ = os.Remove(f.name + ".new") // The first error is the one to tell.
	return err
}

func (f *captureFile) flush() error {
	if f.pcap == nil {
		return nil // Not even its head could be written.
	}
	if err := f.pcap.Flush(); err != nil {
		return err
	}
	return f.buffer.Flush()
}
