// Package reports tells what happened, for people and for machines: text for a terminal, JSON for
// programs, a timeline, and the folder in which the results of a batch lie. All of it is read from
// scenarios.Outcome. What a node says is data: whatever of it is shown goes through Printable.
package reports

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"firedrill/scenarios"
	"firedrill/scenarios/expect"
)

// Text writes what happened for people.
type Text struct {
	out    *bufio.Writer
	colour bool
}

// width is how many columns a line may take, where its words allow that.
const width = 80

// NewText writes to w, in colour if told so.
func NewText(w io.Writer, colour bool) *Text { return &Text{out: bufio.NewWriter(w), colour: colour} }

// Flush hands on what was written. Its error is that of the first write that failed.
func (t *Text) Flush() error { return t.out.Flush() }

// verdicts, worst first.
var verdicts = []expect.Verdict{expect.Violation, expect.Inconclusive, expect.Vacuous, expect.HazardSeen, expect.Pass}

// Summary adds up the plays of one scenario. The plays are not kept, but for what the report says of failures.
type Summary struct {
	Name          string
	Plays, Cases  int
	Seeds         scenarios.Seeds // the first and the last that were played
	Verdicts      map[expect.Verdict]int
	Virtual, Wall time.Duration
	Hazards       []string // documented ones that were expected and seen, sorted
	Undocumented  []string // sorted
	Failures      []*Failure
	lastCase      string
	axes          []scenarios.Axis
	measures      gathered
}

// Failure is one thing that one case got wrong, in one or more seeds.
type Failure struct {
	Verdict  expect.Verdict
	Case     string
	What     string // the claim, as the file has it where it asks for it, or what kept the play from showing anything
	Evidence []string
	Moments  []Moment // of the first seed
	Seeds    []uint64
	Trace    string // where the first seed's trace lies; "": nowhere
	Report   string // where the report lies; "": nowhere

	subject string // What and what of: two failures that differ in it are two
}

// Add counts a play. Where it failed, it returns the failures that no play before had shown.
func (s *Summary) Add(o *scenarios.Outcome) (fresh []*Failure) {
	if s.Plays == 0 {
		s.Name, s.Seeds = o.Scenario.Name, scenarios.Seeds{First: o.Scenario.Seed, Last: o.Scenario.Seed}
		s.Verdicts = map[expect.Verdict]int{}
	}
	s.Plays++
	if s.lastCase != o.Scenario.Case {
		s.lastCase = o.Scenario.Case
		s.Cases++
	}
	s.Seeds.First, s.Seeds.Last = min(s.Seeds.First, o.Scenario.Seed), max(s.Seeds.Last, o.Scenario.Seed)
	s.Verdicts[o.Verdict]++
	s.Virtual += o.Virtual
	s.Wall += o.Wall
	if len(o.Scenario.Axes) > 0 { // One that could not be played has none.
		s.axes = o.Scenario.Axes
	}
	s.measures.add(o.Scenario.Case, declared(o))
	for _, mark := range o.Undocumented {
		insert(&s.Undocumented, mark)
	}
	if o.Judgement != nil {
		for _, h := range o.Judgement.Hazards {
			if h.Asked && !h.Inferred {
				insert(&s.Hazards, h.Hazard)
			}
		}
	}
	for _, f := range failures(o) {
		known := slices.IndexFunc(s.Failures, func(k *Failure) bool {
			return k.Case == f.Case && k.subject == f.subject && k.Verdict == f.Verdict
		})
		if known >= 0 {
			s.Failures[known].Seeds = append(s.Failures[known].Seeds, o.Scenario.Seed)
			continue
		}
		s.Failures = append(s.Failures, f)
		fresh = append(fresh, f)
	}
	return fresh
}

// insert keeps a sorted list in which everything stands once.
func insert(list *[]string, s string) {
	if n, found := slices.BinarySearch(*list, s); !found {
		*list = slices.Insert(*list, n, s)
	}
}

// AddRange counts what the whole range of seeds of a case did not show.
func (s *Summary) AddRange(of string, j scenarios.Judged) {
	s.Failures = append(s.Failures, &Failure{Verdict: j.Verdict, Case: of, What: claimed(j), Evidence: j.Evidence})
}

// failures are what keeps the play from passing, each once: what is said twice of one subject is one with all its evidence.
func failures(o *scenarios.Outcome) []*Failure {
	var list []*Failure
	told := func(f Failure) {
		same := slices.IndexFunc(list, func(k *Failure) bool { return k.subject == f.subject && k.Verdict == f.Verdict })
		if same >= 0 {
			list[same].Evidence = slices.Concat(list[same].Evidence, f.Evidence)
			return
		}
		f.Case, f.Seeds = o.Scenario.Case, []uint64{o.Scenario.Seed}
		list = append(list, &f)
	}
	add := func(v expect.Verdict, what string, evidence []string) {
		told(Failure{Verdict: v, What: what, subject: what, Evidence: evidence})
	}
	if o.Err != nil {
		add(expect.Violation, "firedrill", strings.Split(o.Err.Error(), "\n"))
	}
	for _, c := range o.Claims {
		switch c.Verdict {
		case expect.Violation, expect.Inconclusive, expect.Vacuous:
			told(Failure{Verdict: c.Verdict, What: claimed(c), subject: c.Text, Evidence: c.Evidence,
				Moments: around(o.Run, c.Breaches)})
		}
	}
	if o.Doubt != "" {
		add(expect.Inconclusive, "world", []string{o.Doubt})
	}
	if n := len(o.Misses); n > shownMisses {
		more := fmt.Sprintf("and %s: see run.json", number(n-shownMisses, "more step"))
		add(expect.Vacuous, "step", append(slices.Clone(o.Misses[:shownMisses]), more))
	} else if n > 0 {
		add(expect.Vacuous, "step", o.Misses)
	}
	return list
}

// shownMisses is how many steps of a play that proved nothing are told.
const shownMisses = 5

// claimed is a claim as it is called where it failed: several that the file asks for may have one name.
func claimed(c scenarios.Judged) string {
	if c.Asked {
		return c.Text
	}
	return c.Name
}

// Lines of a timeline that a failure shows before and after the moment at which it began.
const momentsBefore, momentsAfter = 8, 6

// around is the part of the run's timeline in which the first breach lies.
func around(run *expect.Run, breaches []expect.Breach) []Moment {
	if run == nil || len(breaches) == 0 {
		return nil
	}
	first := breaches[0]
	moments := Timeline(run, first.Events)
	begin, _ := slices.BinarySearchFunc(moments, first.From, func(m Moment, at time.Duration) int {
		return int(min(1, max(-1, m.At-at)))
	})
	return moments[max(0, begin-momentsBefore):min(len(moments), begin+momentsAfter)]
}

// Scenario writes the line of a scenario: what was played, how it ended, how much faster than life.
// Its name is padded to that of the longest.
func (t *Text) Scenario(s *Summary, longest int) {
	name := fmt.Sprintf("%-*s", longest, s.Name)
	played := fmt.Sprintf("seeds %d..%d", s.Seeds.First, s.Seeds.Last)
	if s.Seeds.First == s.Seeds.Last {
		played = fmt.Sprintf("seed %d", s.Seeds.First)
	}
	if s.Cases > 1 {
		played = fmt.Sprintf("%s, %d cases", played, s.Cases)
	}
	head, ended, speed := fmt.Sprintf("%s  %-20s", name, played), counts(s.Verdicts, s.Plays), Speed(s.Virtual, s.Wall)
	between := "  "
	if len(head)+len(ended)+len(speed)+4 > width {
		head, between = strings.TrimRight(head, " "), "\n"+strings.Repeat(" ", longest+2)
	}
	fmt.Fprintf(t.out, "%s%s%s%*s%s\n", head, between, t.paint(s.worst(), ended), max(2, 10-len(ended)), "", speed)
	for _, marks := range []struct {
		what string
		list []string
	}{{"hazards: ", s.Hazards}, {"undocumented: ", options(s.Undocumented)}} {
		if len(marks.list) > 0 {
			t.wrapped(strings.Repeat(" ", longest+2), marks.what+strings.Join(marks.list, ", "))
		}
	}
}

// cellsMax is how many cases of a measure are printed.
const cellsMax = 20

// Measures writes what the measures of a scenario came to: a line for each case, with its values on the axes
// along which cases differ.
func (t *Text) Measures(s *Summary) {
	for _, one := range s.measures.series(s.Name, s.axes) {
		if len(one.Cells) == 0 {
			continue
		}
		if len(one.Axes) == 0 {
			t.wrapped("    ", Printable(one.Label())+"  "+one.Cells[0].Text(one.Unit))
			continue
		}
		rows := [][]string{{}}
		for _, a := range one.Axes {
			rows[0] = append(rows[0], a.Name)
		}
		rows[0] = append(rows[0], one.Label()+", median (least to most)")
		for _, c := range one.Cells[:min(len(one.Cells), cellsMax)] {
			var row []string
			for i, a := range one.Axes {
				row = append(row, bare(a.Name, c.Values[i]))
			}
			rows = append(rows, append(row, c.Text(one.Unit)))
		}
		t.columns("    ", rows)
		if more := len(one.Cells) - cellsMax; more > 0 {
			fmt.Fprintf(t.out, "    and %s: see the report\n", number(more, "more case"))
		}
	}
}

// columns writes rows whose words stand below each other.
func (t *Text) columns(indent string, rows [][]string) {
	wide := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, word := range row {
			wide[i] = max(wide[i], utf8.RuneCountInString(word))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, word := range row {
			fmt.Fprintf(&b, "%-*s  ", wide[i], Printable(word))
		}
		t.wrapped(indent, b.String())
	}
}

// options puts the choices of one option together: check_semantics=spaced/within. Marks are sorted.
func options(marks []string) []string {
	var list []string
	last := ""
	for _, m := range marks {
		option, choice, found := strings.Cut(m, "=")
		if found && option == last {
			list[len(list)-1] += "/" + choice
			continue
		}
		list, last = append(list, m), option
	}
	return list
}

// counts is `pass`, or `2 hazard, 8 pass`, worst first.
func counts(tally map[expect.Verdict]int, plays int) string {
	var words []string
	for _, v := range verdicts {
		switch n := tally[v]; n {
		case 0:
		case plays:
			return string(v)
		default:
			words = append(words, fmt.Sprintf("%d %s", n, v))
		}
	}
	return strings.Join(words, ", ")
}

func (s *Summary) worst() expect.Verdict {
	for _, v := range verdicts {
		if s.Verdicts[v] > 0 {
			return v
		}
	}
	return expect.Pass
}

// Speed is how much faster than life, in words: `8,900x life`.
func Speed(virtual, wall time.Duration) string {
	if wall <= 0 {
		return ""
	}
	n := int64(virtual / max(wall, 1))
	if n < 10 {
		return fmt.Sprintf("%.1fx life", virtual.Seconds()/wall.Seconds())
	}
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits + "x life"
}

// shownFailures is how many plays of a scenario that failed are told in full.
const shownFailures = 5

// Failed writes what went wrong in a scenario: of each case that failed, and of the first seed that
// showed it, the claims with their evidence, what happened around, the command that plays it again,
// and where its trace lies.
func (t *Text) Failed(s *Summary, again func(f *Failure) string) {
	rest, shown := s.Failures, 0
	for ; len(rest) > 0 && shown < shownFailures; shown++ {
		n := 1
		for n < len(rest) && rest[n].samePlay(rest[0]) {
			n++
		}
		t.failedPlay(rest[:n], again(rest[0]))
		rest = rest[n:]
	}
	if len(rest) > 0 {
		fmt.Fprintf(t.out, "\nand %s of %s: see its run.json files\n", number(len(rest), "more failure"), s.Name)
	}
}

// samePlay reports whether both failures were first seen in one play.
func (f *Failure) samePlay(other *Failure) bool {
	return f.Case == other.Case && len(f.Seeds) > 0 && len(other.Seeds) > 0 && f.Seeds[0] == other.Seeds[0]
}

const indent = "      "

// failedPlay writes what went wrong in one play.
func (t *Text) failedPlay(failures []*Failure, again string) {
	fmt.Fprintln(t.out)
	var moments []Moment
	for _, f := range failures {
		head := "FAIL"
		if f.Verdict != expect.Violation {
			head = strings.ToUpper(string(f.Verdict))
		}
		seed := "all seeds"
		if len(f.Seeds) > 0 {
			seed = fmt.Sprintf("seed %d", f.Seeds[0])
		}
		line, what := fmt.Sprintf("%s  %s  %s", head, f.Case, seed), "  "+Printable(f.What)
		fits := len(line)+len(what) <= width
		if fits {
			line += what
		}
		fmt.Fprintln(t.out, t.paint(f.Verdict, head)+line[len(head):])
		if !fits {
			t.wrapped(indent, what[2:])
		}
		for _, line := range f.Evidence {
			t.wrapped(indent, Printable(evident(line)))
		}
		if len(f.Seeds) > 1 {
			t.wrapped(indent, "as well in "+seedList(f.Seeds[1:]))
		}
		if len(moments) == 0 {
			moments = f.Moments
		}
	}
	fmt.Fprintln(t.out)
	for _, m := range moments { // The last one has the longest time.
		longest := len(moments[len(moments)-1].clock())
		t.wrapped(indent, fmt.Sprintf("%*s  %s", longest, m.clock(), m.Text))
	}
	if len(moments) > 0 {
		fmt.Fprintln(t.out)
	}
	fmt.Fprintf(t.out, "%sagain:  %s\n", indent, again)
	if trace := failures[0].Trace; trace != "" {
		fmt.Fprintf(t.out, "%strace:  %s\n", indent, trace)
	}
	if report := failures[0].Report; report != "" {
		fmt.Fprintf(t.out, "%sreport: %s\n", indent, report)
	}
}

// seedList names a few seeds and counts the rest.
func seedList(seeds []uint64) string {
	const named = 6
	words := make([]string, 0, named)
	for _, s := range seeds[:min(named, len(seeds))] {
		words = append(words, fmt.Sprint(s))
	}
	text := "seeds " + strings.Join(words, ", ")
	if len(seeds) == 1 {
		text = "seed " + words[0]
	}
	if more := len(seeds) - len(words); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// Skipped writes the line of what is not played.
func (t *Text) Skipped(line string) { t.wrapped("", line) }

// Batch is how a batch went, beside what its plays came to.
type Batch struct {
	Took        time.Duration // in life
	Interrupted bool          // by its user
	Unplayed    float64       // plays that an error has kept it from
	Skipped     int           // cases
}

// Total writes the last line: what all scenarios came to, and how the batch went.
func (t *Text) Total(all []*Summary, b Batch) {
	fmt.Fprintln(t.out)
	tally, plays := map[expect.Verdict]int{}, 0
	var failed []string
	for _, s := range all {
		if len(s.Failures) > 0 {
			failed = append(failed, s.Name)
		}
		plays += s.Plays
		for _, v := range verdicts {
			tally[v] += s.Verdicts[v]
		}
	}
	if len(failed) > 1 { // Their lines are far above.
		t.wrapped("", "not passed: "+strings.Join(failed, ", "))
	}
	worst := (&Summary{Verdicts: tally}).worst()
	line := fmt.Sprintf("%s, %s in %.1fs", number(len(all), "scenario"), number(plays, "play"), b.Took.Seconds())
	if b.Interrupted {
		line += ", interrupted"
	}
	if b.Unplayed > 0 {
		line += fmt.Sprintf(", %.0f not played", b.Unplayed)
	}
	if b.Skipped > 0 {
		line += ", " + number(b.Skipped, "case") + " skipped"
	}
	if plays > 0 {
		ended, between := counts(tally, plays), " "
		if len(line)+len(": ")+len(ended) > width {
			between = "\n  "
		}
		line += ":" + between + t.paint(worst, ended)
	}
	fmt.Fprintln(t.out, line)
}

func number(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// wrapped writes a line below an indent.
func (t *Text) wrapped(indent, line string) {
	for _, line := range Fold(indent, line) {
		fmt.Fprintln(t.out, line)
	}
}

// Fold is a line below an indent, broken at spaces so that it fits a terminal; what follows a break is indented by two more.
func Fold(indent, line string) []string {
	var lines []string
	lead, rest := indent, strings.TrimRight(line, " ")
	for {
		room := max(20, width-len(lead))
		if len([]rune(rest)) <= room {
			return append(lines, lead+rest)
		}
		runes := []rune(rest)
		cut := room
		for cut > 0 && runes[cut] != ' ' {
			cut--
		}
		if strings.TrimSpace(string(runes[:cut])) == "" { // One long word.
			for cut = room; cut < len(runes) && runes[cut] != ' '; {
				cut++
			}
		}
		lines = append(lines, lead+strings.TrimRight(string(runes[:cut]), " "))
		rest = strings.TrimLeft(string(runes[cut:]), " ")
		if rest == "" {
			return lines
		}
		lead = indent + "  "
	}
}

// paint colours a text by its verdict, where colours are wanted.
func (t *Text) paint(v expect.Verdict, text string) string {
	if !t.colour {
		return text
	}
	code := "32" // Green.
	switch v {
	case expect.Violation:
		code = "31" // Red.
	case expect.Inconclusive, expect.Vacuous:
		code = "33" // Yellow.
	case expect.HazardSeen:
		code = "36" // Cyan.
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
