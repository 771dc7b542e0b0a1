package scenarios

import (
	"path/filepath"
	"testing"
)

func TestExamples(t *testing.T) {
	files, err := filepath.Glob("testdata/right/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no examples", err)
	}
	for _, file := range files {
		f, err := Load(file, testCatalogue())
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		for _, c := range f.Cases {
			if _, err := c.Scenario(1); err != nil {
				t.Error(err)
			}
		}
		t.Log(f.Name, len(f.Cases))
	}
}
