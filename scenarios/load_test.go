package scenarios

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// TestExamples loads the files that are right: the proposals of the language for system D.
func TestExamples(t *testing.T) {
	cases := map[string]int{
		"sd-01-pairing-matrix": 19, "sd-02-pairing-window": 10, "sd-03-active-power-off": 27, "sd-06-death-during-sync": 6,
		"sd-07-heartbeat-cut": 2, "sd-11-set-up-again": 2, "sd-12-restricted-operations": 77, "sd-15-second-failure": 2,
	}
	for name, want := range cases {
		f, err := Load("testdata/right/"+name+".yaml", testCatalogue())
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if f.Name != name || len(f.Cases) != want {
			t.Errorf("%s has %d cases; want %s with %d", f.Name, len(f.Cases), name, want)
		}
		for _, c := range f.Cases {
			if _, err := c.Scenario(1); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestWrong compares what is said of wrong files with what should be said.
func TestWrong(t *testing.T) {
	files, err := filepath.Glob("testdata/wrong/*.yaml")
	if err != nil || len(files) < 20 {
		t.Fatal("want the wrong files, have", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parse(filepath.Base(file), text, testCatalogue())
			var m *Mistakes
			if !errors.As(err, &m) {
				t.Fatalf("want mistakes, have %v", err)
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".golden", err.Error()+"\n")
		})
	}
}

// golden compares text with a file, or writes the file where UPDATE_GOLDEN is set.
func golden(t *testing.T, file, have string) {
	t.Helper()
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(file, []byte(have), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), have); diff != "" {
		t.Errorf("%s (-want +have):\n%s", file, diff)
	}
}

// write makes files below a fresh directory, and returns it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoadDir(t *testing.T) {
	named := func(name string) string { return strings.Replace(small, "name: small", "name: "+name, 1) }
	for _, c := range []struct {
		about string
		files map[string]string
		want  string // the names that are loaded
		said  []string
	}{
		{"files in folders, by path", map[string]string{"b.yaml": named("b"), "x/a.yaml": named("a"), "a/c.yaml": named("c"), "notes.txt": "?"},
			"c b a", nil},
		{"no scenario", map[string]string{"notes.txt": "?"}, "", []string{"no scenarios in DIR: want files that end in .yaml"}},
		{"nothing", nil, "", []string{"no scenarios in DIR"}},
		{"what is right is loaded beside what is wrong", map[string]string{"a.yaml": named("a"), "b.yaml": "stop: 5", "c.yaml": ""}, "a",
			[]string{"DIR/b.yaml:1:7: want a duration", "DIR/c.yaml:1:1: the file is empty"}},
		{"one name twice", map[string]string{"a.yaml": named("a"), "x/a.yaml": named("a")}, "a",
			[]string{`DIR/x/a.yaml: scenario "a" is in DIR/a.yaml already`}},
	} {
		dir := write(t, c.files)
		files, err := LoadDir(dir, testCatalogue())
		var names []string
		for _, f := range files {
			names = append(names, f.Name)
		}
		if have := strings.Join(names, " "); have != c.want {
			t.Errorf("%s: want %q, have %q", c.about, c.want, have)
		}
		if (err == nil) != (c.said == nil) {
			t.Errorf("%s: want %q, have %v", c.about, c.said, err)
		}
		for _, want := range c.said {
			if want = strings.ReplaceAll(want, "DIR", dir); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: want %q, have %v", c.about, want, err)
			}
		}
	}
	if _, err := LoadDir(filepath.Join(t.TempDir(), "nowhere"), testCatalogue()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("want a directory that is not there told, have %v", err)
	}
}

// What cannot be read is told as its reader named it, not as it is called inside.
func TestLoadDirSaysWhatCannotBeRead(t *testing.T) {
	dir := write(t, map[string]string{"x/small.yaml": small})
	at := filepath.Join(dir, "x", "lost.yaml")
	if err := os.Symlink("nowhere", at); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadDir(dir, testCatalogue()); err == nil || !strings.Contains(err.Error(), " "+at+": ") {
		t.Errorf("want %s told, have %v", at, err)
	}
}

// A pipe is not waited for.
func TestLoadFSWithAPipe(t *testing.T) {
	files, err := LoadFS(fstest.MapFS{"a.yaml": {Mode: fs.ModeNamedPipe | 0o644}, "small.yaml": {Data: []byte(small)}}, "drills", testCatalogue())
	if len(files) != 1 || err == nil || err.Error() != "drills/a.yaml: want a plain file, have prw-r--r--" {
		t.Errorf("%d files, %v", len(files), err)
	}
}

func TestLoad(t *testing.T) {
	dir := write(t, map[string]string{"small.yaml": small, "other.yaml": small})
	f, err := Load(filepath.Join(dir, "small.yaml"), testCatalogue())
	if err != nil || f.Name != "small" || f.Doc != "The smallest one." || f.Path != filepath.Join(dir, "small.yaml") || len(f.Cases) != 1 ||
		f.Cases[0].Name != "small" || f.Cases[0].Seeds != (Seeds{1, 10}) {
		t.Errorf("want the smallest scenario, have %+v, %v", f, err)
	}
	if _, err := Load(filepath.Join(dir, "other.yaml"), testCatalogue()); err == nil || !strings.Contains(err.Error(), `want the file's name "other"`) {
		t.Errorf("want the name compared with the file's, have %v", err)
	}
	if _, err := Parse("a string in a test", []byte(small), testCatalogue()); err != nil {
		t.Errorf("want text that is in no file to have any name, have %v", err)
	}
	if _, err := Load(dir, testCatalogue()); err == nil {
		t.Error("want a directory refused")
	}
	if _, err := Load("/dev/zero", testCatalogue()); err == nil || !strings.Contains(err.Error(), "larger than 256 KiB") {
		t.Errorf("want a file without end refused, have %.100v", err)
	}
}
