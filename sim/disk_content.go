package sim

import "slices"

// chunkSize is the stretch of a file that is held, shared and copied as one. Whole stretches that nobody wrote take
// no room.
const chunkSize = 64 << 10

// chunk is a stretch of a file. Beyond its bytes it reads as zeros.
type chunk struct {
	bytes  []byte
	shared bool // others hold the same bytes: they are copied before they are changed
}

// content is what a file holds. A copy made by clone costs nothing until one of the two is written to.
type content struct {
	size   int64
	room   int64 // bytes taken on the disk: those of all chunks
	chunks []chunk
}

// read fills p with what stands at off; zeros where nothing was written.
func (c *content) read(off int64, p []byte) {
	for len(p) > 0 {
		i, at := int(off/chunkSize), int(off%chunkSize)
		n := min(len(p), chunkSize-at)
		got := 0
		if i < len(c.chunks) && at < len(c.chunks[i].bytes) {
			got = copy(p[:n], c.chunks[i].bytes[at:])
		}
		clear(p[got:n])
		p, off = p[n:], off+int64(n)
	}
}

// write puts p at off.
func (c *content) write(off int64, p []byte) {
	for len(p) > 0 {
		i, at := int(off/chunkSize), int(off%chunkSize)
		n := min(len(p), chunkSize-at)
		if missing := i + 1 - len(c.chunks); missing > 0 {
			c.chunks = append(c.chunks, make([]chunk, missing)...)
		}
		k := &c.chunks[i]
		c.room -= int64(len(k.bytes))
		k.write(at, p[:n], i > 0)
		c.room += int64(len(k.bytes))
		p, off = p[n:], off+int64(n)
	}
	c.size = max(c.size, off)
}

// write puts p at at. One that is no file's first is made as large as it may become: a file that has grown that far is
// likely to go on growing, a little at a time.
func (k *chunk) write(at int, p []byte, growing bool) {
	end, had := at+len(p), len(k.bytes)
	switch fresh := k.shared || cap(k.bytes) < end; {
	case fresh && at == 0 && had == 0 && (!growing || end == chunkSize):
		// The usual file, written in one go: no zeroing, no slack.
		k.bytes, k.shared = append([]byte(nil), p...), false
		return
	case fresh:
		held, room := max(end, had), 2*had
		if growing {
			room = chunkSize
		}
		bytes := make([]byte, held, max(held, min(chunkSize, room)))
		copy(bytes, k.bytes)
		k.bytes, k.shared = bytes, false
	case end > had:
		k.bytes = k.bytes[:end]
		if at > had {
			clear(k.bytes[had:at]) // What a cut left there.
		}
	}
	copy(k.bytes[at:end], p)
}

// fits is how many of n bytes at off find a place where free bytes of the disk are left.
func (c *content) fits(off int64, n int, free int64) int {
	done := 0
	for done < n {
		i, at := int(off/chunkSize), int(off%chunkSize)
		part := min(n-done, chunkSize-at)
		held := 0
		if i < len(c.chunks) {
			held = len(c.chunks[i].bytes)
		}
		if more := int64(at + part - held); more > free {
			return done + max(0, held+int(free)-at)
		} else if more > 0 {
			free -= more
		}
		done, off = done+part, off+int64(part)
	}
	return done
}

// cut makes the content end at size, which is not above the present one.
func (c *content) cut(size int64) {
	c.size = size
	first, at := int(size/chunkSize), int(size%chunkSize)
	if first < len(c.chunks) && at > 0 {
		if k := &c.chunks[first]; len(k.bytes) > at {
			c.room -= int64(len(k.bytes) - at)
			k.bytes = k.bytes[:at]
		}
		first++
	}
	if first < len(c.chunks) {
		for _, k := range c.chunks[first:] {
			c.room -= int64(len(k.bytes))
		}
		clear(c.chunks[first:])
		c.chunks = c.chunks[:first]
	}
}

// tail is what a cut at size takes away, for putBack.
func (c *content) tail(size int64) []chunk {
	first := int(size / chunkSize)
	if first >= len(c.chunks) {
		return nil
	}
	if size%chunkSize > 0 {
		c.chunks[first].shared = true
	}
	return slices.Clone(c.chunks[first:])
}

// putBack undoes a cut to the present size.
func (c *content) putBack(size int64, tail []chunk) {
	if len(tail) > 0 {
		first := int(c.size / chunkSize)
		for _, k := range c.chunks[first:] {
			c.room -= int64(len(k.bytes))
		}
		c.chunks = append(c.chunks[:first], tail...)
		for _, k := range tail {
			c.room += int64(len(k.bytes))
		}
	}
	c.size = size
}

// clone is a second content with the same bytes.
func (c *content) clone() content {
	for i := range c.chunks {
		c.chunks[i].shared = true
	}
	return content{size: c.size, room: c.room, chunks: slices.Clone(c.chunks)}
}
