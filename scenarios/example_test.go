package scenarios_test

import (
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/spf13/afero"

	"firedrill/nodes"
	"firedrill/nodes/client"
	"firedrill/nodes/web"
	"firedrill/scenarios"
	"firedrill/sim/virtual"
)

// notebook is somebody else's software: it keeps notes in files, and says that it has one before that is true.
type notebook struct{}

func (notebook) Run(env nodes.Env) error {
	l, err := env.Net().ListenTCP("tcp4", &net.TCPAddr{Port: 80})
	if err != nil {
		return err
	}
	env.Note(nodes.Fact{Name: nodes.FactReady})
	return web.Serve(env, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			page, _ := io.ReadAll(r.Body)
			_ = afero.WriteFile(env.Disk(), "page", page, 0o600) // And no sync.
			return
		}
		page, err := afero.ReadFile(env.Disk(), "page")
		if err != nil {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = w.Write(page)
	}))
}

var notebookKind = &nodes.Kind{
	Name:    "notebook",
	Config:  func() any { return &struct{}{} },
	New:     func(any) nodes.Node { return notebook{} },
	Dialect: client.Files,
}

const lostPage = `# A note that was acknowledged has to be there after a loss of power.
name: lost-page
stop: 2m
segments:
  lan: {subnet: 10.0.0.0/24, latency: 1ms}
machines:
  book: {kind: notebook, nets: {lan: 10.0.0.1}}
clients:
  desk: {net: lan, to: book, rate: 1/m, get: 100%}
timeline:
  - {after: ready, put: /page, from: desk, want: ok, step: note}
  - {then: 10s, power_off: book, for: 30s, step: blackout}
  - {then: 50s, get: /page, from: desk, want: {wrote: note}, step: look}
`

// A kind of node from outside of this module is played by a scenario, without the command.
func Example() {
	cat := &scenarios.Catalogue{Kinds: []*nodes.Kind{notebookKind}}
	file, err := scenarios.Parse("lost-page", []byte(lostPage), cat)
	if err != nil {
		fmt.Println(err)
		return
	}
	scenario, err := file.Cases[0].Scenario(7)
	if err != nil {
		fmt.Println(err)
		return
	}
	outcome := scenario.Play(virtual.New(scenario.Seed), cat)
	fmt.Println(outcome.Verdict)
	for _, f := range outcome.Run.Faults {
		fmt.Printf("%s: %s\n", f.Fault, f.Receipt)
	}
	for _, c := range outcome.Claims {
		fmt.Println(c.Evidence[0])
	}
	// Output:
	// violation
	// power_off: book: 1 machine powered off, down 30s
	// step look, get: /page, from: desk: want {wrote: note}, have 404 by book
}
