package reports

import (
	"io"

	"firedrill/nodes"
	"firedrill/sim"
)

// Event is one line of trace.jsonl: something that became true, with when (virtual time) and where.
type Event struct {
	At      Seconds `json:"at"`
	Seq     int     `json:"seq"`
	Machine string  `json:"machine,omitempty"` // none: the harness
	Fact    string  `json:"fact"`
	Scope   string  `json:"scope,omitempty"`
	Value   string  `json:"value,omitempty"`
	Epoch   uint64  `json:"epoch,omitempty"`
	Attrs   Attrs   `json:"attrs,omitempty"`
}

// Attrs are the details of an event: a JSON object in the order in which they are to be read.
type Attrs []nodes.Attr

// MarshalJSON writes an object; its keys come in the order of a.
func (a Attrs) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, attr := range a {
		if i > 0 {
			b = append(b, ',')
		}
		for j, s := range []string{attr.Key, attr.Value} {
			text, err := encode(s, "")
			if err != nil {
				return nil, err
			}
			if j > 0 {
				b = append(b, ':')
			}
			b = append(b, text[:len(text)-1]...)
		}
	}
	return append(b, '}'), nil
}

// WriteTrace writes the events as JSON lines, in order.
func WriteTrace(w io.Writer, events []sim.Event) error {
	for _, e := range events {
		line, err := encode(Event{
			At: Seconds(e.At), Seq: e.Seq, Machine: e.Machine, Fact: e.Name, Scope: e.Scope, Value: e.Value, Epoch: e.Epoch,
			Attrs: Attrs(e.Attrs),
		}, "")
		if err != nil {
			return err
		}
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	return nil
}
