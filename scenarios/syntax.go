package scenarios

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// parse is the library's parser, made safe: what it cannot stand is a mistake in the text, and
// never a panic of ours.
func parse(tokens token.Tokens) (file *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("want YAML, have something that cannot be read")
		}
	}()
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

func syntax(m *notes, err error) {
	var placed interface {
		GetToken() *token.Token
		GetMessage() string
	}
	if errors.As(err, &placed) {
		t := placed.GetToken()
		m.addf(placeOf(t), "want YAML: %s", inOurWords(t, placed.GetMessage()))
		return
	}
	m.addf(place{}, "%s", err)
}

// parserWords are messages of the library that do not say what is wanted, with what that is.
var parserWords = []struct{ theirs, ours string }{
	{"non-map value is specified", "KEY: VALUE, with a blank after the colon"},
	{"found character '\t'", "blanks to indent, have a tab"},
	{"could not find flow map content", "KEY: VALUE between two commas"},
	{"value is not allowed in this context", "keys of one map in one column, have another column"},
	{"unexpected key name", "KEY: VALUE, with a blank after the colon"},
	{"mapping value is not allowed in this context", "one KEY: VALUE a line, and a blank after a hyphen, have a further colon"},
}

func inOurWords(t *token.Token, message string) string {
	const misplaced = "value is not allowed in this context"
	if t != nil && message == misplaced && (strings.HasPrefix(t.Value, "}") || strings.HasPrefix(t.Value, "]")) {
		return fmt.Sprintf("no %.1s without one that opens", t.Value)
	}
	for _, w := range parserWords {
		if message == w.theirs || strings.HasPrefix(message, w.theirs) && !strings.Contains(message, "pre-defined") {
			return w.ours
		}
	}
	return message
}
