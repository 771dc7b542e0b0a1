package scenarios

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"firedrill/faults"
	"firedrill/nodes"
	"firedrill/nodes/program"
	"firedrill/sim/virtual"
)

// programs reads the right file of the tests, with something of it changed.
func programs(t *testing.T, changes ...string) (*File, error) {
	t.Helper()
	text, err := os.ReadFile("testdata/right/programs.yaml")
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.NewReplacer(changes...).Replace(string(text))
	if len(changes) > 0 && changed == string(text) {
		t.Fatalf("nothing of %q is in the file", changes)
	}
	return Parse("programs.yaml", []byte(changed), testCatalogue())
}

// TestProgramsAreRead: words keep their source text, blocks their lines, and what a machine says is laid over the defaults.
func TestProgramsAreRead(t *testing.T) {
	f, err := programs(t)
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.Cases[0].Scenario(1)
	if err != nil {
		t.Fatal(err)
	}
	daemon := nodes.Program{
		Command:     []string{"daemon", "-n", "--level", "9.10", "-i", "0.2", "yes"},
		Environment: map[string]string{"LANG": "C", "RETRIES": "007"},
		Ready:       nodes.Ready{Log: "Entering BACKUP STATE"}, StopSignal: "TERM",
		Files: map[string]string{"/etc/motd": "1_000", "/etc/own.conf": "priority 150",
			"/etc/daemon.conf": "address 10.0.0.100/24   # the floating one\n\ninclude \"/etc/own.conf\"\n"},
	}
	other := daemon
	other.Environment = map[string]string{"LANG": "C", "RETRIES": "0x7"}
	other.Files = map[string]string{"/etc/motd": "hello: all", "/etc/daemon.conf": daemon.Files["/etc/daemon.conf"]}
	tool := other
	tool.Environment, tool.Command, tool.Ready, tool.StopSignal = daemon.Environment, []string{"ping"}, nodes.Ready{Log: "PING"}, "INT"
	for name, want := range map[string]nodes.Program{"lb-a": daemon, "lb-b": other, "tool": tool} {
		m := s.machine(name)
		if diff := cmp.Diff(want, m.Kind.Program(m.Config)); diff != "" {
			t.Errorf("%s (-want +have):\n%s", name, diff)
		}
	}
	boot := s.Timeline[2].Act.(*faults.Boot)
	again := program.Kind().Program(boot.Configs["lb-a"])
	want := daemon
	want.Files = map[string]string{"/etc/motd": "1_000", "/etc/own.conf": "priority 50", "/etc/daemon.conf": daemon.Files["/etc/daemon.conf"]}
	want.Command, want.Ready = []string{"daemon"}, nodes.Ready{Log: "up"}
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("booted with another config (-want +have):\n%s", diff)
	}
}

// TestWhereProgramsAre: our own kinds are on the segment of the operator, a program only where the file puts it there; and what
// the text of a file names is given to nobody.
func TestWhereProgramsAre(t *testing.T) {
	f, err := programs(t, "10.0.0.100/24", "10.0.0.3/24")
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.Cases[0].Scenario(1)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{"nas": {"lan", management}, "lb-a": {"lan"}, "lb-b": {"lan", management}, "tool": {"far"}} {
		var have []string
		for _, i := range s.machine(name).Nets {
			have = append(have, i.Segment)
			if i.Address.Addr().String() == "10.0.0.3" {
				t.Errorf("%s has the address that a file of a program names", name)
			}
		}
		if !slices.Equal(have, want) {
			t.Errorf("%s is on %v, want %v", name, have, want)
		}
	}
}

// TestWhatCanBeDoneToPrograms goes through every fault that is about machines.
func TestWhatCanBeDoneToPrograms(t *testing.T) {
	adverbs := map[string]string{"unplug": "lan, machine: MACHINE", "plug": "lan, machine: MACHINE", "cut": "lan, from: MACHINE",
		"refuse": "lan, to: MACHINE", "degrade": "lan, from: MACHINE, loss: 1%", "hold": "lan, from: MACHINE", "release": "lan",
		"split": "lan, into: [[MACHINE], [lb-b]]", "break_disk": "MACHINE, how: hang", "replace_disk": "MACHINE, how: empty",
		"step_clock": "MACHINE, offset: 1h", "drift_clock": "MACHINE, drift: 20ppm", "disturb": "lan, every: 1s"}
	for _, v := range faults.All() {
		for machine, program := range map[string]bool{"lb-a": true, "nas": false} {
			rest := adverbs[v.Verb]
			if rest == "" {
				rest = "MACHINE"
			}
			_, err := programs(t, "{then: 1s, heal: all}", "{then: 2s, "+v.Verb+": "+strings.ReplaceAll(rest, "MACHINE", machine)+"}")
			refused := program && slices.Contains([]string{"step_clock", "drift_clock", "suspend", "wake"}, v.Verb)
			if (err != nil) != refused {
				t.Errorf("%s of %s: want refused %t, have %v", v.Verb, machine, refused, err)
			}
		}
	}
}

// TestProgramsTakeTheirTime: the time scale of a file is for nodes alone.
func TestProgramsTakeTheirTime(t *testing.T) {
	if _, err := programs(t, "world: kernel", "world: kernel\ntime_scale: 1x"); err != nil {
		t.Errorf("want the time of life let through, have %v", err)
	}
	if _, err := programs(t, "world: kernel", "world: kernel\ntime_scale: 2x"); err == nil {
		t.Error("want another time refused")
	}
}

// TestAKindIsOneOrTheOther: New and Program exclude each other.
func TestAKindIsOneOrTheOther(t *testing.T) {
	both := program.Kind()
	both.New = func(any) nodes.Node { return nil }
	if err := (&Catalogue{Kinds: []*nodes.Kind{both}}).Check(); err == nil || !strings.Contains(err.Error(), "have both") {
		t.Errorf("want it refused, have %v", err)
	}
	if err := (&Catalogue{Kinds: []*nodes.Kind{program.Kind()}}).Check(); err != nil {
		t.Error(err)
	}
}

// TestADialectMakesAProgramOneOfOurs: clients may ask programs of a kind that says how.
func TestADialectMakesAProgramOneOfOurs(t *testing.T) {
	text := `# A client asks a program.
name: asked
world: kernel
stop: 1m
segments:
  lan: {subnet: 10.0.0.0/24}
machines:
  web: {kind: served, nets: {lan: 10.0.0.1}, command: [httpd]}
clients:
  office: {net: lan, to: 10.0.0.40, rate: 1/s, put: 100%}
timeline:
  - {at: 1s, put: /x, from: office, to: web}
  - {at: 2s, probe: access, machine: web, want: read-write}
`
	spoken := program.Kind()
	spoken.Name = "served"
	spoken.Dialect = filesDialect{}
	cat := testCatalogue()
	cat.Kinds = append(cat.Kinds, spoken)
	if _, err := Parse("asked.yaml", []byte(text), cat); err != nil {
		t.Error(err)
	}
	spoken.Dialect = nil
	if _, err := Parse("asked.yaml", []byte(text), cat); err == nil || len(err.(*Mistakes).List) != 3 {
		t.Errorf("want each of the three refused, have %v", err)
	}
}

type filesDialect struct{ nodes.Dialect }

// TestTheVirtualWorldRunsNoPrograms, whoever made the scenario.
func TestTheVirtualWorldRunsNoPrograms(t *testing.T) {
	s := &Scenario{Name: "by-hand", Case: "by-hand", Machines: []Machine{{Name: "tool", Kind: program.Kind()}}}
	o := s.Play(virtual.New(1), testCatalogue())
	if o.Err == nil || !strings.Contains(o.Err.Error(), "programs of kind program run in the kernel world only") {
		t.Errorf("want it refused, have %v", o.Err)
	}
}
