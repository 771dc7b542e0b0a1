package pair

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/spf13/afero"

	"firedrill/nodes"
	"firedrill/nodes/journal"
)

// contents lists what a unit's disk holds for clients (nodes.Kind.Contents). A standby's files are those of
// its image.
func contents(fs afero.Fs) ([]nodes.Item, error) {
	records, _, err := journal.Read(fs, recordPath)
	if err != nil {
		return nil, err
	}
	r := record{Phase: Standalone}
	if len(records) > 0 {
		if err := json.Unmarshal(records[len(records)-1], &r); err != nil {
			return nil, err
		}
	}
	if records, _, err = journal.Read(fs, indexPath); err != nil || len(records) == 0 {
		return nil, err
	}
	v := &volume{files: map[string]entry{}}
	if err := v.replay(records); err != nil {
		return nil, err
	}
	place, id := "", ""
	if r.Phase == StandbyInit {
		place, id = "image", v.image.ID
	}
	blocks, err := fs.Open(blocksPath(v.head.Blocks))
	if err != nil {
		return nil, err
	}
	defer blocks.Close()
	var items []nodes.Item
	var damage []error
	for _, e := range v.list() {
		data, err := readEntry(blocks, e)
		if err != nil {
			damage = append(damage, err)
			continue
		}
		items = append(items, nodes.Item{Path: dataPrefix + e.Path, Hash: nodes.HashPayload(data), Size: e.Size,
			Place: place, Image: id})
	}
	return items, errors.Join(damage...)
}

// dataPrefix is before every path of a client's file.
const dataPrefix = "/data/"

// pathOf returns the path of a file in a request, without the prefix.
func pathOf(urlPath string) (string, bool) {
	path, ok := strings.CutPrefix(urlPath, dataPrefix)
	return path, ok && path != ""
}
