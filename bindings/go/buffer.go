package refit

import (
	"bytes"
	"io"
	"sync"
)

// How many bytes wait for a slow reader before the callback waits for it.
const bufferSize = 256 << 10

// buffer hands what a callback gets over to a Reader. With io.Pipe each of the many small pieces of a log would wait for its own Read.
type buffer struct {
	mu      sync.Mutex
	changed sync.Cond
	data    bytes.Buffer
	ended   bool
	err     error // of the end, for the reader
	closed  bool
}

func newBuffer() *buffer {
	b := &buffer{}
	b.changed.L = &b.mu
	return b
}

// put waits while as much as the buffer holds has not been read. After close it fails with [io.ErrClosedPipe].
func (b *buffer) put(data []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.data.Len() >= bufferSize && !b.closed {
		b.changed.Wait()
	}
	if b.closed {
		return io.ErrClosedPipe
	}
	if b.data.Len() == 0 {
		b.changed.Broadcast()
	}
	b.data.Write(data)
	return nil
}

// end says that nothing more comes: the reader gets err, or [io.EOF], after what is there.
func (b *buffer) end(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended, b.err = true, err
	b.changed.Broadcast()
}

// read is that of an [io.Reader].
func (b *buffer) read(to []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.data.Len() == 0 && !b.ended && !b.closed {
		b.changed.Wait()
	}
	switch {
	case b.closed:
		return 0, io.ErrClosedPipe
	case b.data.Len() == 0 && b.err != nil:
		return 0, b.err
	case b.data.Len() == 0:
		return 0, io.EOF
	}
	if b.data.Len() >= bufferSize {
		b.changed.Broadcast()
	}
	return b.data.Read(to)
}

// close frees a read and a put that wait.
func (b *buffer) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.changed.Broadcast()
}
