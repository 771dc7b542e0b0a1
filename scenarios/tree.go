package scenarios

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// Limits of a scenario file. They are checked before parsing: the parser takes gigabytes for 64 KiB
// of opening brackets, and memory by the square of the keys of one map.
const (
	MaxBytes  = 256 << 10
	MaxDepth  = 16
	MaxTokens = 40_000
	MaxKeys   = 2_000 // of one map
)

// shape is what a node is.
type shape uint8

const (
	scalar shape = iota
	list
	mapping
)

func (s shape) String() string { return [...]string{"a word", "a list", "a map"}[s] }

// node is one value of a file. Nodes are shared between the cases of a file and never changed once
// the file is read.
type node struct {
	shape   shape
	at      place
	text    string // of a scalar: its source text, without quotes
	quoted  bool
	wrong   bool // a mistake was noted here: nothing more is to be said of it
	items   []*node
	entries []entry // of a map, in the order of the file
	lost    bool    // a mistake was noted of a key or an item, which is not among these
}

// entry is one key of a map with its value.
type entry struct {
	key   string
	at    place
	value *node
}

// get returns the value of a key of a map, or nil.
func (n *node) get(key string) *node {
	if e := n.entry(key); e != nil {
		return e.value
	}
	return nil
}

// entry returns a key of a map, or nil.
func (n *node) entry(key string) *entry {
	if n == nil {
		return nil
	}
	for i := range n.entries {
		if n.entries[i].key == key {
			return &n.entries[i]
		}
	}
	return nil
}

// spoilt reports whether a mistake was noted in the value, or somewhere in it, when the text was read.
func (n *node) spoilt() bool {
	return n.wrong || n.lost || slices.ContainsFunc(n.items, (*node).spoilt) ||
		slices.ContainsFunc(n.entries, func(e entry) bool { return e.value.spoilt() })
}

// keys are those of a map, in the order of the file.
func (n *node) keys() []string {
	keys := make([]string, len(n.entries))
	for i, e := range n.entries {
		keys[i] = e.key
	}
	return keys
}

// named are the entries of a map; of nothing, none.
func (n *node) named() []entry {
	if n == nil {
		return nil
	}
	return n.entries
}

// list returns the items of a list, or of a value that stands for a list of one.
func (n *node) list() []*node {
	switch {
	case n == nil:
		return nil
	case n.shape == list:
		return n.items
	}
	return []*node{n}
}

// words are the words of a value: itself, or those of a list and of the lists in it.
func (n *node) words() []*node {
	if n == nil || n.shape != list {
		return n.list()
	}
	var words []*node
	for _, item := range n.items {
		words = append(words, item.words()...)
	}
	return words
}

// with returns a copy of a map in which a key has another value; nil takes the key out.
func (n *node) with(key string, value *node) *node {
	c := *n
	c.entries = make([]entry, 0, len(n.entries)+1)
	found := false
	for _, e := range n.entries {
		if e.key == key {
			found = true
			if value == nil {
				continue
			}
			e.value = value
		}
		c.entries = append(c.entries, e)
	}
	if !found && value != nil {
		c.entries = append(c.entries, entry{key: key, at: value.at, value: value})
	}
	return &c
}

// parseTree turns the text of a file into a tree. It returns nil where the text cannot be read at
// all; the mistakes say why.
func parseTree(m *notes) *node {
	if len(m.text) > MaxBytes {
		m.text = m.text[:strings.LastIndexByte("\n"+m.text[:MaxBytes], '\n')]
		m.addf(place{}, "the file is larger than %d KiB; a scenario is a page or two", MaxBytes>>10)
		return nil
	}
	m.text = lineBreaks.Replace(m.text)
	if at, ok := invalidUTF8(m.text); ok {
		m.text = strings.ToValidUTF8(m.text, "\uFFFD")
		m.addf(at, "want UTF-8 text, have other bytes here")
		return nil
	}
	m.text = strings.TrimPrefix(m.text, "\uFEFF")
	tokens := lexer.Tokenize(m.text)
	if !withinLimits(m, tokens) || !plain(m, tokens) {
		return nil
	}
	file, err := parse(tokens)
	if err != nil {
		syntax(m, err)
		return nil
	}
	return grow(m, file)
}

// lineBreaks makes one of the three line breaks of YAML, so that lines are the same to the parser and to messages.
var lineBreaks = strings.NewReplacer("\r\n", "\n", "\r", "\n")

func invalidUTF8(s string) (place, bool) {
	at := place{1, 1}
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 {
			return at, true
		}
		at.column++
		if r == '\n' {
			at = place{at.line + 1, 1}
		}
		s = s[n:]
	}
	return place{}, false
}

// withinLimits counts depth and tokens on the output of the lexer, which takes memory in proportion
// to the text.
func withinLimits(m *notes, tokens token.Tokens) bool {
	type level struct {
		column int
		entry  bool // of a list; a list may stand in the column of the key that it belongs to
		keys   int  // in this map so far
	}
	var block []level
	brackets := 0
	for i, t := range tokens {
		if i == MaxTokens {
			m.addf(placeOf(t), "the file has more than %d words and signs; split it into several scenarios", MaxTokens)
			return false
		}
		isEntry := t.Type == token.SequenceEntryType || t.Type == token.MappingKeyType
		isKey := i+1 < len(tokens) && tokens[i+1].Type == token.MappingValueType
		switch {
		case t.Type == token.SequenceStartType || t.Type == token.MappingStartType:
			brackets++
		case t.Type == token.SequenceEndType || t.Type == token.MappingEndType:
			brackets = max(0, brackets-1)
		case brackets == 0 && (isEntry || isKey):
			c, keys := t.Position.Column, 0
			for n := len(block); n > 0; n-- {
				top := block[n-1]
				if top.column < c || top.column == c && isEntry && !top.entry {
					break
				}
				if top.column == c && !top.entry {
					keys = top.keys
				}
				block = block[:n-1]
			}
			if keys++; keys > MaxKeys && !isEntry {
				m.addf(placeOf(t), "a map has more than %d keys", MaxKeys)
				return false
			}
			block = append(block, level{c, isEntry, keys})
		}
		if len(block)+brackets > MaxDepth {
			m.addf(placeOf(t), "lists and maps are nested more than %d deep", MaxDepth)
			return false
		}
	}
	return true
}

// plain refuses what the scenario language leaves out of YAML. The parser would follow it.
func plain(m *notes, tokens token.Tokens) bool {
	before := len(m.list)
	started, directed := false, false
	for i, t := range tokens {
		switch t.Type {
		case token.AnchorType, token.AliasType:
			m.addf(placeOf(t), "no anchors and aliases in a scenario; write the value out, or use defaults and variants")
		case token.TagType:
			m.addf(placeOf(t), "no tags in a scenario; every value is its text")
		case token.MergeKeyType:
			m.addf(placeOf(t), "no merge keys in a scenario; use defaults and variants")
		case token.DirectiveType:
			m.addf(placeOf(t), "no directives in a scenario")
			directed = true
		case token.MappingKeyType:
			m.addf(placeOf(t), "no keys with a question mark in a scenario; write KEY: VALUE")
		case token.DocumentEndType:
			m.addf(placeOf(t), "one scenario a file: no document end")
		case token.DocumentHeaderType:
			if started && !directed {
				m.addf(placeOf(t), "one scenario a file: no second document")
			}
			directed = false
		case token.StringType:
			if !inBlock(tokens[:i]) {
				seen(m, t)
			}
		}
		started = started || t.Type != token.CommentType
	}
	return len(m.list) == before
}

// inBlock reports whether what follows is the text of a block, which | or > begins. A comment may stand behind these.
func inBlock(before token.Tokens) bool {
	for _, t := range slices.Backward(before) {
		if t.Type != token.CommentType {
			return t.Type == token.LiteralType || t.Type == token.FoldedType
		}
	}
	return false
}

// seen refuses a word without quotes in which there is something that nobody sees, such as a blank that is none: who reads the
// file would not find out why it is another word.
func seen(m *notes, t *token.Token) {
	at := placeOf(t)
	for _, r := range t.Value {
		if r == '\n' || r == '\t' {
			return // It is more than a word, and its places are not known.
		}
		if !unicode.IsPrint(r) {
			m.addf(at, "want a word that can be read, have %q, which cannot, in %q; it may stand in quotes", r, t.Value)
			return
		}
		at.column++
	}
}

func placeOf(t *token.Token) place {
	if t == nil || t.Position == nil {
		return place{1, 1}
	}
	return place{t.Position.Line, t.Position.Column}
}

// grow turns the library's tree into ours.
func grow(m *notes, file *ast.File) *node {
	for _, doc := range file.Docs {
		switch doc.Body.(type) {
		case nil, *ast.CommentGroupNode:
			continue
		}
		root := growNode(m, doc.Body)
		if root != nil && root.shape != mapping {
			m.addf(root.at, "want a map of keys such as name, stop and timeline, have %s", root.shape)
			return nil
		}
		return root
	}
	m.addf(place{}, "the file is empty; want a scenario: name, stop, segments, machines, timeline, expect")
	return nil
}

// growNode returns nil for what is no value of ours; the mistake is noted.
func growNode(m *notes, n ast.Node) *node {
	at := placeOf(n.GetToken())
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			at = placeOf(n.Values[0].Key.GetToken()) // A block map has no sign of its own: it begins at its first key.
		}
		return growMap(m, at, n.Values)
	case *ast.MappingValueNode:
		return growMap(m, placeOf(n.Key.GetToken()), []*ast.MappingValueNode{n})
	case *ast.SequenceNode:
		out := &node{shape: list, at: at}
		for _, v := range n.Values {
			item := glued(v)
			if item == nil {
				item = growNode(m, v)
			}
			if item == nil {
				out.lost = true
				continue
			}
			out.items = append(out.items, item)
		}
		return out
	case *ast.LiteralNode:
		return &node{at: at, text: n.Value.Value, quoted: true}
	case ast.ScalarNode:
		if missing(n) {
			m.lastf(at, "want a value here")
			return &node{at: at, wrong: true}
		}
		return growScalar(m, n.GetToken())
	}
	m.addf(at, "want a word, a list or a map, have %s", strings.ToLower(n.Type().String()))
	return nil
}

// glued returns the word KEY:VALUE in a list in brackets, which the library takes for a map though
// no blank follows the colon: an address with its port, a time of day.
func glued(n ast.Node) *node {
	m, ok := n.(*ast.MappingNode)
	if !ok || m.IsFlowStyle || len(m.Values) != 1 {
		return nil
	}
	key, value := m.Values[0].Key.GetToken(), m.Values[0].Value.GetToken()
	if _, isWord := m.Values[0].Value.(ast.ScalarNode); !isWord || value.Type == token.ImplicitNullType ||
		key.Position.Line != value.Position.Line || key.Position.Column+len([]rune(key.Value))+1 != value.Position.Column {
		return nil
	}
	return &node{at: placeOf(key), text: key.Value + ":" + value.Value}
}

func growMap(m *notes, at place, values []*ast.MappingValueNode) *node {
	out := &node{shape: mapping, at: at}
	for _, v := range values {
		key := growScalar(m, v.Key.GetToken())
		if key.wrong {
			out.lost = true
			continue
		}
		if first := out.entry(key.text); first != nil {
			m.addf(key.at, "key %q is repeated; it stands in line %d already", key.text, first.at.line)
			growNode(m, v.Value)
			continue
		}
		var value *node
		if missing(v.Value) {
			m.lastf(key.at, "want a value for %q; leave the key out if there is none", key.text)
			value = &node{at: key.at, wrong: true}
		} else {
			value = growNode(m, v.Value)
		}
		if value == nil {
			out.lost = true
			continue
		}
		out.entries = append(out.entries, entry{key: key.text, at: key.at, value: value})
	}
	return out
}

// missing reports whether there is no value at all.
func missing(n ast.Node) bool {
	_, null := n.(*ast.NullNode)
	return null && n.GetToken().Type == token.ImplicitNullType
}

func growScalar(m *notes, t *token.Token) *node {
	n := &node{at: placeOf(t), text: t.Value}
	n.quoted = t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType
	switch {
	case n.quoted:
	case isNull(n.text):
		m.lastf(n.at, "no null in a scenario; leave the key out, or put %q in quotes if the word is meant", n.text)
		n.wrong = true
	case isBoolean(n.text):
		m.lastf(n.at, "%q is a boolean to some readers of YAML; a choice is a word such as enabled, or put it in quotes", n.text)
		n.wrong = true
	}
	return n
}

func isNull(s string) bool { return s == "" || s == "~" || strings.EqualFold(s, "null") }

// isBoolean reports whether YAML 1.1 takes the word for a boolean.
func isBoolean(s string) bool {
	switch strings.ToLower(s) {
	case "y", "n", "yes", "no", "on", "off", "true", "false":
		return true
	}
	return false
}

// modeline is how a comment begins that tells an editor which schema the file has.
const modeline = "yaml-language-server:"

// doc returns the first comment of a file: the lines above the first key. What is said to an editor does not count.
func doc(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		comment, found := strings.CutPrefix(line, "#")
		if !found && line == "" && len(lines) == 0 {
			continue
		}
		if !found {
			break
		}
		if comment = strings.TrimSpace(comment); !strings.HasPrefix(comment, modeline) {
			lines = append(lines, comment)
		}
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// scalarf makes a node of our own, at the place of the one that it stands in for.
func scalarf(at place, format string, args ...any) *node {
	return &node{at: at, text: fmt.Sprintf(format, args...)}
}
