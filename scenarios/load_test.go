package scenarios

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
