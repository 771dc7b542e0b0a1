package nodes_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The code of nodes runs in a world where waiting, time and chance come from Env alone. What reaches around it
// compiles all the same, works mostly, and makes runs differ or hang. These tables say what must not stand below
// nodes/, tests excepted, and what to use instead.

// importRules are packages that have no use in node code at all.
var importRules = map[string]string{
	"sync":                                "plain variables, as tasks are cooperative, or Env.NewSignal to wait",
	"golang.org/x/sync/errgroup":          "Env.Go and Env.NewSignal",
	"math/rand":                           "Env.Rand",
	"crypto/rand":                         "Env.Rand",
	"hash/maphash":                        "hash/fnv; maphash has another seed in every process",
	"crypto/tls":                          "plain connections of Env.Net; keys and handshakes are not deterministic",
	"crypto/ecdsa":                        "crypto/ed25519 or crypto/hmac",
	"crypto/rsa":                          "crypto/ed25519 or crypto/hmac",
	"encoding/gob":                        "encoding/json or encoding/binary; gob writes maps in no order",
	"log":                                 "Env.Log",
	"io/ioutil":                           "Env.Disk",
	"os/exec":                             "Env: there is no other program on a machine",
	"os/signal":                           "Env.Halt: the world ends a node without asking",
	"net/http/httptest":                   "nodes/web",
	"net/rpc":                             "nodes/web",
	"expvar":                              "Env.Note",
	"github.com/pion/transport/v3/stdnet": "Env.Net",
	"github.com/pion/transport/v3/vnet":   "Env.Net",
}

// nameRule forbids names of one package. With only set, it forbids all others.
type nameRule struct {
	names []string
	only  bool
	use   string
}

func forbid(names, use string) nameRule { return nameRule{strings.Fields(names), false, use} }

func allowOnly(names, use string) nameRule { return nameRule{strings.Fields(names), true, use} }

var nameRules = map[string][]nameRule{
	"time": {
		forbid("Now Sleep After AfterFunc Tick NewTicker NewTimer Since Until",
			"Env.Now, Env.Uptime, Env.Sleep and Signal.Wait"),
		forbid("Local LoadLocation", "Env.Now().Location(), the machine's own zone"),
		forbid("Unix UnixMilli UnixMicro", "them with UTC or In at once; they are in the host's zone"),
	},
	"maps": {forbid("Keys Values All", "slices.Sorted or one of its like around it; maps have no order")},
	"math/rand/v2": {
		allowOnly("Rand New NewPCG PCG NewChaCha8 ChaCha8 NewZipf Zipf Source", "Env.Rand"),
	},
	"os": {
		allowOnly(`ErrNotExist ErrExist ErrClosed ErrInvalid ErrPermission ErrDeadlineExceeded IsNotExist IsExist
			IsPermission IsTimeout PathError LinkError SyscallError FileInfo FileMode DirEntry ModePerm ModeDir
			O_RDONLY O_WRONLY O_RDWR O_CREATE O_EXCL O_TRUNC O_APPEND O_SYNC`, "Env.Disk"),
	},
	"path/filepath": {
		forbid("Walk WalkDir Glob Abs EvalSymlinks", "package path, and afero over Env.Disk"),
	},
	"io":      {forbid("Pipe", "a buffer; the two ends of a pipe need goroutines")},
	"runtime": {allowOnly("GOOS GOARCH", "Env.Sleep to give way")},
	"context": {
		forbid("WithDeadline WithDeadlineCause WithTimeout WithTimeoutCause AfterFunc",
			"Env.Uptime and deadlines of connections; timers of contexts run by the wall clock"),
	},
	"fmt": {forbid("Print Printf Println Scan Scanf Scanln", "Env.Log")},
	"log/slog": {
		forbid(`Debug DebugContext Info InfoContext Warn WarnContext Error ErrorContext Log LogAttrs Default SetDefault
			With NewLogLogger`, "Env.Log"),
	},
	"net": {
		forbid(`Dial DialTimeout DialTCP DialUDP DialIP DialUnix Listen ListenPacket ListenTCP ListenUDP ListenIP
			ListenUnix ListenUnixgram ListenMulticastUDP ListenConfig Pipe FileConn FileListener FilePacketConn`,
			"Env.Net"),
		forbid(`LookupHost LookupIP LookupAddr LookupCNAME LookupMX LookupNS LookupPort LookupSRV LookupTXT Resolver
			DefaultResolver ResolveTCPAddr ResolveUDPAddr ResolveIPAddr`, "net/netip, and nodes/dns for names"),
		forbid("Interfaces InterfaceAddrs InterfaceByName InterfaceByIndex", "Env.Net().Interfaces"),
	},
	"net/http": {
		forbid(`Client Transport DefaultClient DefaultTransport Get Head Post PostForm NewFileTransport
			NewFileTransportFS`, "nodes/web.Transport"),
		forbid(`Server ListenAndServe ListenAndServeTLS Serve ServeTLS TimeoutHandler DefaultServeMux Handle
			HandleFunc`, "nodes/web.Server and http.NewServeMux"),
		forbid("ServeContent ServeFile ServeFileFS FileServer FileServerFS",
			"io.Copy to the ResponseWriter; a request for several ranges starts a goroutine"),
	},
	"net/http/httputil": {
		forbid("ReverseProxy NewSingleHostReverseProxy DumpRequestOut", "nodes/web.Transport"),
	},
	"mime/multipart": {forbid("NewWriter Writer", "a plain body; the boundary of a multipart one is random")},
	"github.com/spf13/afero": {
		forbid("TempFile TempDir", "a name of your own; theirs are random"),
		forbid("NewOsFs OsFs NewMemMapFs MemMapFs", "Env.Disk"),
	},
}

// breaches lists what of a source file breaks the rules, as `file:line: what; use ...`.
func breaches(fset *token.FileSet, file *ast.File) []string {
	c := &checker{fset: fset, packages: map[string]string{}, excused: map[ast.Node]bool{}}
	for _, spec := range file.Imports {
		c.imported(spec)
	}
	ast.Inspect(file, c.visit)
	slices.Sort(c.found)
	return slices.Compact(c.found)
}

type checker struct {
	fset     *token.FileSet
	packages map[string]string // by the name that they have in the file
	excused  map[ast.Node]bool // names that what stands around them makes good
	found    []string
}

func (c *checker) report(n ast.Node, what, use string) {
	at := c.fset.Position(n.Pos())
	c.found = append(c.found, fmt.Sprintf("%s:%d: %s; use %s", at.Filename, at.Line, what, use))
}

func (c *checker) imported(spec *ast.ImportSpec) {
	from, _ := strconv.Unquote(spec.Path.Value)
	if use, forbidden := importRules[from]; forbidden {
		c.report(spec, "import of "+from, use)
	}
	name := path.Base(from)
	if strings.HasPrefix(name, "v") && strings.Trim(name[1:], "0123456789") == "" {
		name = path.Base(path.Dir(from))
	}
	if spec.Name != nil {
		name = spec.Name.Name
	}
	if name == "." {
		c.report(spec, "dot import of "+from, "its name: these rules must see whose a name is")
	}
	c.packages[name] = from
}

func (c *checker) visit(n ast.Node) bool {
	const tasks, signals = "Env.Go", "Env.NewSignal"
	switch n := n.(type) {
	case *ast.GoStmt:
		c.report(n, "go statement", tasks)
	case *ast.ChanType:
		c.report(n, "channel type", signals)
	case *ast.SendStmt:
		c.report(n, "send to a channel", signals)
	case *ast.SelectStmt:
		c.report(n, "select statement", signals)
	case *ast.UnaryExpr:
		if n.Op == token.ARROW {
			c.report(n, "receive from a channel", signals)
		}
	case *ast.CallExpr:
		c.called(n)
	case *ast.SelectorExpr:
		c.selected(n)
	}
	return true
}

// called judges what can be seen of a call alone.
func (c *checker) called(n *ast.CallExpr) {
	switch f := n.Fun.(type) {
	case *ast.Ident:
		if f.Obj == nil && (f.Name == "print" || f.Name == "println") {
			c.report(n, "builtin "+f.Name, "Env.Log")
		}
	case *ast.SelectorExpr:
		if f.Sel.Name == "Local" && len(n.Args) == 0 {
			c.report(n, "method Local", "In and Env.Now().Location(), the machine's own zone")
		}
		id, ok := f.X.(*ast.Ident)
		if ok && c.packages[id.Name] == "slices" && strings.HasPrefix(f.Sel.Name, "Sorted") && len(n.Args) > 0 {
			c.excuse(n.Args[0])
		}
	}
}

// excusable are names that pass where what is made of them at once is good: a time in UTC, keys in order.
var excusable = []string{"Unix", "UnixMilli", "UnixMicro", "Keys", "Values"}

// excuse lets the function pass that is called here.
func (c *checker) excuse(n ast.Expr) {
	if call, ok := n.(*ast.CallExpr); ok {
		c.excused[call.Fun] = true
	}
}

// selected judges a name of a package. A variable that has the package's name in the file's scopes is not one.
func (c *checker) selected(n *ast.SelectorExpr) {
	if n.Sel.Name == "UTC" || n.Sel.Name == "In" {
		c.excuse(n.X)
	}
	id, ok := n.X.(*ast.Ident)
	if !ok || id.Obj != nil || c.excused[n] && slices.Contains(excusable, n.Sel.Name) {
		return
	}
	from := c.packages[id.Name]
	for _, r := range nameRules[from] {
		if slices.Contains(r.names, n.Sel.Name) != r.only {
			c.report(n, id.Name+"."+n.Sel.Name, r.use)
		}
	}
}

// TestRules holds the code of all kinds, and of what they share, against the rules.
func TestRules(t *testing.T) {
	fset := token.NewFileSet()
	seen := 0
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "testdata":
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			return err
		}
		seen++
		for _, b := range breaches(fset, file) {
			t.Error("nodes/" + filepath.ToSlash(b))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 5 {
		t.Fatalf("want the code of nodes, have seen %d files of it", seen)
	}
}

// ruleCases show the rules something that they must refuse and something close to it that they must let pass.
var ruleCases = []struct{ imports, bad, what, good string }{
	{"", "go f()", "go statement", "env.Go(`x`, f)"},
	{"", "var c chan int", "channel type", "var c []int"},
	{"", "c := make(chan int, 1)", "channel type", "c := make([]int, 1)"},
	{"", "c <- 1", "send to a channel", "c(1)"},
	{"", "x := <-c", "receive from a channel", "x := -c"},
	{"", "for range <-c {}", "receive from a channel", "for range c {}"},
	{"", "select {}", "select statement", "switch {}"},
	{"", "println(1)", "builtin println", "env.Log().Info(`1`)"},
	{"", "print(1)", "builtin print", "print := f; print(1)"},
	{"sync", "var m sync.Mutex", "import of sync", ""},
	{"math/rand", "x := rand.Int()", "import of math/rand", ""},
	{"crypto/rand", "rand.Read(b)", "import of crypto/rand", ""},
	{"crypto/tls", "tls.Client(c, nil)", "import of crypto/tls", ""},
	{"crypto/ecdsa", "var k ecdsa.PrivateKey", "import of crypto/ecdsa", ""},
	{"crypto/rsa", "var k rsa.PrivateKey", "import of crypto/rsa", ""},
	{"encoding/gob", "gob.NewEncoder(w)", "import of encoding/gob", ""},
	{"log", "log.Println()", "import of log", ""},
	{"golang.org/x/sync/errgroup", "var g errgroup.Group", "import of golang.org/x/sync/errgroup", ""},
	{"os/exec", "exec.Command(`x`)", "import of os/exec", ""},
	{"os/signal", "signal.Reset()", "import of os/signal", ""},
	{"net/http/httptest", "httptest.NewServer(h)", "import of net/http/httptest", ""},
	{"net/rpc", "rpc.Accept(l)", "import of net/rpc", ""},
	{"expvar", "expvar.NewInt(`x`)", "import of expvar", ""},
	{"github.com/pion/transport/v3/vnet", "var n vnet.Net", "import of github.com/pion/transport/v3/vnet", ""},
	{"io/ioutil", "ioutil.ReadFile(p)", "import of io/ioutil", ""},
	{"math/rand/v2", "x := rand.IntN(3)", "rand.IntN", "x := rand.New(rand.NewPCG(1, 2)).IntN(3)"},
	{"math/rand/v2", "rand.Shuffle(1, f)", "rand.Shuffle", "var r *rand.Rand"},
	{"time", "x := time.Now()", "time.Now", "x := env.Now()"},
	{"time", "time.Sleep(time.Second)", "time.Sleep", "env.Sleep(time.Second)"},
	{"time", "f(time.After(1))", "time.After", "f(x.After(y))"},
	{"time", "f(time.Tick(1))", "time.Tick", "f(time.Duration(1))"},
	{"time", "t := time.NewTimer(1)", "time.NewTimer", "t := time.Time{}"},
	{"time", "t := time.NewTicker(1)", "time.NewTicker", "t := time.UTC"},
	{"time", "time.AfterFunc(1, f)", "time.AfterFunc", "s.AfterFunc(1, f)"},
	{"time", "x := time.Since(t)", "time.Since", "x := env.Now().Sub(t)"},
	{"time", "x := time.Until(t)", "time.Until", "time := clock{}; x := time.Until(t)"},
	{"time", "x := t.In(time.Local)", "time.Local", "x := t.In(time.UTC)"},
	{"time", "x := t.Local()", "method Local", "x := t.Local"},
	{"time", "t := time.Unix(1, 0)", "time.Unix", "t := time.Unix(1, 0).UTC()"},
	{"time", "t := time.UnixMilli(1).Add(d)", "time.UnixMilli", "t := time.UnixMilli(1).In(zone)"},
	{"time", "t := time.Now().UTC()", "time.Now", "t := env.Now().UTC()"},
	{"maps", "for k := range maps.Keys(m) {}", "maps.Keys", "delete(m, k)"},
	{"os", "f, err := os.Open(p)", "os.Open", "f, err := fs.OpenFile(p, os.O_RDWR, 0)"},
	{"os", "os.Exit(1)", "os.Exit", "ok := errors.Is(err, os.ErrNotExist)"},
	{"os", "x := os.Getenv(`A`)", "os.Getenv", "x := os.FileMode(0o644)"},
	{"io", "r, w := io.Pipe()", "io.Pipe", "b, err := io.ReadAll(r)"},
	{"runtime", "runtime.Gosched()", "runtime.Gosched", "x := runtime.GOOS"},
	{"context", "ctx, c := context.WithTimeout(p, 1)", "context.WithTimeout", "ctx := context.WithValue(p, k, v)"},
	{"context", "ctx, c := context.WithDeadline(p, t)", "context.WithDeadline", "ctx := context.Background()"},
	{"fmt", "fmt.Println(1)", "fmt.Println", "fmt.Fprintln(w, 1)"},
	{"fmt", "fmt.Printf(`1`)", "fmt.Printf", "s := fmt.Sprintf(`1`)"},
	{"log/slog", "slog.Info(`x`)", "slog.Info", "a := slog.Int(`x`, 1)"},
	{"net", "c, err := net.Dial(`tcp`, a)", "net.Dial", "d := env.Net().CreateDialer(&net.Dialer{})"},
	{"net", "l, err := net.Listen(`tcp`, a)", "net.Listen", "l, err := env.Net().ListenTCP(`tcp`, &net.TCPAddr{})"},
	{"net", "a, err := net.LookupHost(`x`)", "net.LookupHost", "h, p, err := net.SplitHostPort(`x:1`)"},
	{"net", "a, b := net.Pipe()", "net.Pipe", "var c net.Conn"},
	{"net/http", "c := http.Client{}", "http.Client", "c := web.Transport{}"},
	{"net/http", "r, err := http.Get(u)", "http.Get", "r, err := http.NewRequest(http.MethodGet, u, nil)"},
	{"net/http", "r, err := http.Post(u, t, b)", "http.Post", "http.Error(w, `x`, 400)"},
	{"net/http", "s := &http.Server{}", "http.Server", "s := &web.Server{Handler: http.NewServeMux()}"},
	{"net/http", "http.ListenAndServe(a, h)", "http.ListenAndServe", "web.Serve(env, l, h)"},
	{"net/http", "h = http.TimeoutHandler(h, 1, ``)", "http.TimeoutHandler", "h = http.HandlerFunc(f)"},
	{"net/http", "http.HandleFunc(`/`, f)", "http.HandleFunc", "mux.HandleFunc(`/`, f)"},
	{"net/http", "http.ServeContent(w, r, n, t, s)", "http.ServeContent", "b := http.MaxBytesReader(w, r.Body, 1)"},
	{"net/http", "http.ServeFile(w, r, n)", "http.ServeFile", "http.NotFound(w, r)"},
	{"net/http/httputil", "p := httputil.ReverseProxy{}", "httputil.ReverseProxy", "w := httputil.NewChunkedWriter(o)"},
	{"mime/multipart", "w := multipart.NewWriter(o)", "multipart.NewWriter", "r := multipart.NewReader(i, `b`)"},
	{"path/filepath", "filepath.Glob(`*`)", "filepath.Glob", "p := filepath.Join(`a`, `b`)"},
	{"github.com/spf13/afero", "f, err := afero.TempFile(fs, d, p)", "afero.TempFile", "b, err := afero.ReadFile(fs, p)"},
	{"github.com/spf13/afero", "d, err := afero.TempDir(fs, d, p)", "afero.TempDir", "var fs afero.Fs"},
	{"github.com/spf13/afero", "fs := afero.NewOsFs()", "afero.NewOsFs", "fs := env.Disk()"},
	{"github.com/pion/transport/v3/stdnet", "n, err := stdnet.NewNet()",
		"import of github.com/pion/transport/v3/stdnet", ""},
	{"hash/maphash", "var h maphash.Hash", "import of hash/maphash", ""},
	// Another name for a package does not hide it, nor does a dot.
	{"x time", "t := x.Now()", "x.Now", "t := x.Second"},
	{". time", "t := Now()", "dot import of time", ""},
}

// Keys of a map pass where they are put in order at once, and only there.
func TestRulesKnowSortedKeys(t *testing.T) {
	for loop, want := range map[string]int{
		"slices.Sorted(maps.Keys(m))": 0, "slices.SortedFunc(maps.Values(m), f)": 0,
		"slices.Collect(maps.Keys(m))": 1, "own.Sorted(maps.Keys(m))": 1, "slices.Sorted(f(maps.Keys(m)))": 1,
	} {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, "x.go", "package x; import (`maps`; `slices`); var _ = "+loop, 0)
		if err != nil {
			t.Fatal(err)
		}
		if found := breaches(fset, file); len(found) != want {
			t.Errorf("%s: want %d breaches, have %q", loop, want, found)
		}
	}
}

func TestRulesRefuse(t *testing.T) {
	for _, c := range ruleCases {
		found := check(t, c.imports, c.bad)
		line := 5
		if strings.HasPrefix(c.what, "import of") || strings.HasPrefix(c.what, "dot import") {
			line = 2
		}
		want := fmt.Sprintf("bad.go:%d: %s; use ", line, c.what)
		if !slices.ContainsFunc(found, func(s string) bool { return strings.HasPrefix(s, want) && len(s) > len(want) }) {
			t.Errorf("%s: want %q, have %q", c.bad, want+"...", found)
		}
		if c.good == "" {
			continue
		}
		if found := check(t, c.imports, c.good); len(found) > 0 {
			t.Errorf("%s: want it to pass, have %q", c.good, found)
		}
	}
}

// check holds one statement against the rules. It stands in line 5, the import in line 2.
func check(t *testing.T, imports, statement string) []string {
	t.Helper()
	name, from, found := strings.Cut(imports, " ")
	if !found {
		name, from = "", imports
	}
	source := "package bad\n"
	if from != "" {
		source += "import " + name + strconv.Quote(from) + "\n"
	} else {
		source += "\n"
	}
	source += "func _() {\n\n" + statement + "\n}\n"
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "bad.go", source, 0)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return breaches(fset, file)
}

// TestRulesHaveCases demands a case and a word on what to use instead for every package that has rules.
func TestRulesHaveCases(t *testing.T) {
	shown := map[string]bool{}
	for _, c := range ruleCases {
		shown[c.imports] = true
	}
	for from, use := range importRules {
		if use == "" || !shown[from] {
			t.Errorf("import of %s: want a case and a word on what to use instead", from)
		}
	}
	for from, rules := range nameRules {
		for _, r := range rules {
			if r.use == "" || len(r.names) == 0 || !shown[from] {
				t.Errorf("%s: want names, a case and a word on what to use instead, have %+v", from, r)
			}
		}
	}
}
