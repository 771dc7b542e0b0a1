package journal_test

import (
	"reflect"
	"testing"

	"github.com/spf13/afero"

	"firedrill/nodes/journal"
)

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

// FuzzRead reads any file, and a good journal with one byte changed and its end cut off: it must not panic, and must
// return records that were appended, from the first on and in their order, or an error.
func FuzzRead(f *testing.F) {
	m := newMachine()
	j, _, err := journal.Open(m, path)
	if err != nil {
		f.Fatal(err)
	}
	original := []string{"one", "two", "", "three"}
	for _, r := range original {
		if err := j.Append([]byte(r)); err != nil {
			f.Fatal(err)
		}
	}
	good, err := afero.ReadFile(m.Disk(), path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("hello"), uint16(3), byte(0), uint16(0))
	f.Add(good, uint16(40), byte(1), uint16(2))
	f.Add(good[:len(good)-3], uint16(0), byte(0), uint16(30))
	f.Fuzz(func(t *testing.T, data []byte, at uint16, change byte, short uint16) {
		m := newMachine()
		if err := journal.MakeDir(m.Disk(), "/state/unit"); err != nil {
			t.Fatal(err)
		}
		put(t, m, data)
		if _, cut, err := journal.Read(m.Disk(), path); err == nil && (cut < 0 || cut > int64(len(data))) {
			t.Errorf("want a cut within the file of %d bytes, have %d", len(data), cut)
		}
		hurt := append([]byte(nil), good...)
		hurt[int(at)%len(hurt)] ^= change
		hurt = hurt[:len(hurt)-int(short)%len(hurt)]
		put(t, m, hurt)
		records, _, err := journal.Read(m.Disk(), path)
		if err != nil {
			return
		}
		for i, r := range records {
			if i >= len(original) || string(r) != original[i] {
				t.Fatalf("want the first of %q, have %q", original, records)
			}
		}
	})
}
