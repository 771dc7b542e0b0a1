package sim

import (
	"context"
	"log/slog"
	"strings"

	"firedrill/nodes"
)

// NewLogger makes what nodes.Env.Log returns: say takes each line's level, in lower case, its text, and its attributes, in
// which groups are prefixes. Lines below the level info are dropped. The time of a record is looked at in no case: slog reads
// the host's clock.
func NewLogger(say func(level, text string, attrs []nodes.Attr)) *slog.Logger {
	return slog.New(logger{say: say})
}

// logger implements slog.Handler.
type logger struct {
	say    func(level, text string, attrs []nodes.Attr)
	prefix string
	attrs  []nodes.Attr
}

// Enabled implements slog.Handler.
func (l logger) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

// Handle implements slog.Handler.
func (l logger) Handle(_ context.Context, r slog.Record) error {
	attrs := l.attrs[:len(l.attrs):len(l.attrs)]
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, l.attr(a))
		return true
	})
	l.say(strings.ToLower(r.Level.String()), r.Message, attrs)
	return nil
}

// WithAttrs implements slog.Handler.
func (l logger) WithAttrs(attrs []slog.Attr) slog.Handler {
	l.attrs = l.attrs[:len(l.attrs):len(l.attrs)]
	for _, a := range attrs {
		l.attrs = append(l.attrs, l.attr(a))
	}
	return l
}

// WithGroup implements slog.Handler.
func (l logger) WithGroup(name string) slog.Handler {
	l.prefix += name + "."
	return l
}

func (l logger) attr(a slog.Attr) nodes.Attr {
	return nodes.Attr{Key: l.prefix + a.Key, Value: a.Value.Resolve().String()}
}
