package nodes

import (
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/afero"
)

// Kind is all that the harness knows of one sort of node. It is a plain value; nothing registers itself.
type Kind struct {
	Name string // as in `kind: NAME`: [a-z0-9-]
	Doc  string // one sentence

	// Config returns a pointer to a fresh struct that holds the defaults. Its fields are the kind's keys of a machine:
	//
	//	Volume Size `yaml:"volume" doc:"size of the RAID volume"`
	//	Return string `yaml:"return" choices:"probe naive" doc:"what a returned active does"`
	//
	// A field is an integer, string, time.Duration, netip.Addr or netip.Prefix, an encoding.TextUnmarshaler (the quantities of
	// this package are), a slice of these, a map from string to these, or a struct. Where the config as a whole can be
	// wrong it has a method Check() error, and so may the structs in it. A KeyError says which key is wrong.
	Config func() any
	// New makes the software from such a config. It is called anew at every boot, so that no memory survives one.
	New func(config any) Node
	// Program, in place of New, makes the software a foreign program: machines of the kind are for the kernel world alone, and
	// on the segment `management` only where a scenario puts them there.
	Program func(config any) Program

	Verbs      []Verb
	Probes     []Probe
	Roles      []string    // values of the fact role, by which steps name machines
	States     []string    // values of the fact phase, which steps wait for by name
	Facts      []FactKind  // what else the kind notes
	Procedures []Procedure // runbooks that ship with the kind

	// Dialect is how clients speak to the kind; nil: clients cannot.
	Dialect Dialect
	// Contents lists what a machine's disk holds for clients. It is also called for a machine that is dead, with what its
	// platters hold.
	Contents func(afero.Fs) ([]Item, error)
}

// KeyError is what is wrong with one key of a config. Checks return it, several joined by errors.Join.
type KeyError struct {
	Keys    []string // from the struct that was checked: files, /etc/motd
	Problem string   // for people; it does not repeat the keys
}

func (e *KeyError) Error() string { return strings.Join(e.Keys, ": ") + ": " + e.Problem }

// FactKind documents a fact of a kind, and lets the checker of a scenario know its name.
type FactKind struct {
	Name, Doc string
}

// Verb is something that an operator may ask of a machine: `do: NAME`.
type Verb struct {
	Name, Doc string
	Args      []Arg
	// Request is what goes over the wire. Wrong values are sent as they were written; the software is to refuse them.
	Request func(with Values) Request
}

// Probe is something that a prober may find out: `probe: NAME`. It is really asked, over the wire.
type Probe struct {
	Name, Doc string
	Choices   []string // the values that Answer may return; empty: any
	Args      []Arg
	Request   func(with Values) Request
	// Answer reads the probed value out of a response.
	Answer func(Answer) string
}

// Arg documents one key of `with`.
type Arg struct {
	Name, Doc string
	Required  bool
}

// Values is a `with` map as the scenario wrote it.
type Values []Value

// Value is one entry of Values.
type Value struct {
	Key  string
	Text string   // the scalar, as written
	List []string // or the list; nil where the value is none
	Map  Values   // or the map, which only configs have; nil where the value is none
}

// Get returns the scalar with this key, or "".
func (v Values) Get(key string) string {
	for _, e := range v {
		if e.Key == key {
			return e.Text
		}
	}
	return ""
}

// Request is an HTTP request to a machine's operator interface, on port 80 of its address on the operator's segment.
type Request struct {
	Method, Path string
	Body         []byte // JSON, or nothing
}

// Answer is what came back, or what did not. Status 0: no answer.
type Answer struct {
	Status int
	// Fields are the members of a JSON object in the body, scalars as their text, in the order of the body. Of these
	// `reason` says why a request was refused, and `warning` what the operator should know.
	Fields []Attr
	Err    string // why there is no answer
}

// Field returns the named member of the answer's body, or "".
func (a Answer) Field(name string) string { return Fact{Attrs: a.Fields}.Attr(name) }

// Procedure is a runbook: steps that run one after the other, each when the answer to the one above is there.
type Procedure struct {
	Name, Doc string
	Args      []Arg // what whoever runs it has to say, such as which machine it is about
	// Steps are each one step of the scenario language in flow form: `{step: x, do: y, machine: $unit}`, where $unit stands for
	// the value of that argument. What stands for one that was left out is left out, with its key.
	Steps []string
}

// Dialect is how one sort of software is spoken to by clients.
type Dialect interface {
	// Request turns an operation into a request to target, a host with an optional port.
	Request(op *Operation, target string) (*http.Request, error)
	// Result judges the response, whose body has been read whole, or the error that came instead.
	Result(op *Operation, response *http.Response, body []byte, err error) Result
}

// Extras is a Dialect whose requests can say more than a path: what stands in `with` of a put, get or delete of the timeline. Its
// Request finds that in Operation.With. Of a Dialect that is none, requests take no `with`.
type Extras interface {
	Dialect
	// Extras documents what a verb takes: put, get or delete.
	Extras(verb string) []Arg
}

// Result of a client operation. What is neither ok nor surely failed is unknown, and stays so.
type Result string

// The three results.
const (
	ResultOK      Result = "ok"
	ResultFailed  Result = "failed"  // surely did not happen
	ResultUnknown Result = "unknown" // may have happened, or may yet
)

// Operation is one request of a client, with what came of it (spec G-08).
type Operation struct {
	ID      uint64 // unique in a run, in the order of sending
	Group   string // the client group that sent it
	Client  string // its machine
	Verb    string // put, get or delete
	Path    string
	Target  string // what was asked for: an address, a name or a machine
	With    Values // what the request says beside the path; see Extras
	Payload []byte // what a put sends; nil once the operation is in the history
	// Hash identifies the payload of a put, or the body that a get returned. 0: none.
	Hash uint64
	Size int64 // bytes of that body

	Local, Remote netip.AddrPort // the connection that it went over; zero: none came about
	Resolved      netip.Addr     // the address that was connected to

	Sent, Done time.Duration // global time; Done is when the result was known
	Result     Result
	Status     int    // HTTP status; 0: no response
	Err        string // why there was none
	Attempt    int    // 1 for the first try

	// Filled in by the world when the operation is recorded.
	ServedBy string // the machine at the other end of the connection; "": none
	Role     string // the role that machine held when the operation was done
	Epoch    uint64
}

// Item is one thing of a client's on a disk.
type Item struct {
	Path string
	Hash uint64 // of the content, as in Operation
	Size int64
	// Place tells a kind's stores apart: "" is the live one, other words name images, versions, collision objects.
	Place string
	// Image is the id of the image that the item belongs to, where Place is an image.
	Image string
}
