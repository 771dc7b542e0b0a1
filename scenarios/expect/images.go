package expect

import (
	"time"

	"firedrill/nodes"
	"firedrill/sim"
)

// Facts of kinds that copy their data as images, and of kinds that copy item by item.
const (
	FactSyncBegun      = "sync-begun"      // value: image id; its time is the image's snapshot instant
	FactSyncCommitted  = "sync-committed"  // by the sender, when the receiver has acknowledged
	FactImageCommitted = "image-committed" // by the receiver, when the image is durable
	FactTookOver       = "took-over"       // attribute image: the one that it serves from
	FactErased         = "erased"          // by the receiver: its own data and images are gone
	FactCopied         = "copied"          // by the second holder of an item; value: path, attribute hash: hexadecimal
)

// Image is one copy of a machine's data that another machine may serve from.
type Image struct {
	ID        string
	From, To  string        // who sent it, and who keeps it
	Snapshot  time.Duration // true time of the instant that it shows
	Committed time.Duration
	Event     int // Seq of the event that committed it
}

// Restore is a takeover from an image: what was written to the former server after the snapshot is not served any
// more.
type Restore struct {
	At      time.Duration
	Machine string
	Event   int
	Image   *Image        // the newest that the machine held by then, see Images.Newest; nil: none
	Over    time.Duration // when the service was next redundant, or the end of the run
}

// Images are the images and the takeovers of a run.
type Images struct {
	Committed []Image   // in order of time
	Restores  []Restore // likewise

	bases map[string][]basis // by machine, in order of time
	disks map[string][]basis // those of them that are other disks
}

// Images reads them from the trace, once a run. Which image a machine ought to serve from is what it had committed and
// the world has left on its disk, not what it says of itself when it takes over.
func (r *Run) Images() *Images {
	if r.images == nil {
		r.images = newImages(r)
	}
	return r.images
}

func newImages(r *Run) *Images {
	images := &Images{}
	begun := map[string]*sim.Event{}
	for i := range r.Events {
		e := &r.Events[i]
		switch e.Name {
		case FactSyncBegun:
			begun[e.Value] = e
		case FactImageCommitted:
			b := begun[e.Value]
			if b == nil {
				continue // An image that nobody has sent shows no instant; lost writes are then not excused by it.
			}
			images.Committed = append(images.Committed, Image{
				ID: e.Value, From: b.Machine, To: e.Machine, Snapshot: b.At, Committed: e.At, Event: e.Seq,
			})
		case nodes.FactReady:
			for n := range images.Restores {
				x := &images.Restores[n]
				if x.Over == r.End && r.Services().Of(x.Machine) == r.Services().Of(e.Machine) {
					x.Over = e.At
				}
			}
		case FactTookOver:
			images.Restores = append(images.Restores, Restore{At: e.At, Machine: e.Machine, Event: e.Seq, Over: r.End})
		}
	}
	images.begin(r)
	for n := range images.Restores {
		x := &images.Restores[n]
		x.Image = images.Newest(x.Machine, x.At)
	}
	return images
}
