//go:build !linux

package main

import "github.com/rogpeppe/go-internal/testscript"

// mayEnter reports false: the kernel world is Linux.
func mayEnter() bool { return false }

// cmdTmpfs is for Linux.
func cmdTmpfs(ts *testscript.TestScript, _ bool, _ []string) { ts.Fatalf("there is no tmpfs here") }
