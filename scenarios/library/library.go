// Package library is the scenarios that ship, so that the command plays them without a checkout. A folder holds those of one
// kind of node; the name of a scenario is that of its file, and no two are alike.
package library

import "embed"

// Files holds FOLDER/NAME.yaml.
//
//go:embed */*.yaml
var Files embed.FS
