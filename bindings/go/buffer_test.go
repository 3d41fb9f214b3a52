package refit

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
	"time"
)

func TestABufferHandsOverAllThatCameAndThenTheError(t *testing.T) {
	b, failure := newBuffer(), errors.New("the engine is gone")
	sent := bytes.Repeat([]byte("0123456789"), bufferSize/4)
	go func() {
		for rest := sent; len(rest) > 0; {
			size := min(107, len(rest))
			if err := b.put(rest[:size]); err != nil {
				t.Error(err)
			}
			rest = rest[size:]
		}
		b.end(failure)
	}()
	// Pieces of other sizes than those that came.
	got, err := io.ReadAll(iotest.OneByteReader(readerFunc(b.read)))
	if !errors.Is(err, failure) || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes of %d, %v", len(got), len(sent), err)
	}
	b = newBuffer()
	b.end(nil)
	if _, err := b.read(make([]byte, 1)); err != io.EOF {
		t.Error(err)
	}
}

func TestAFullBufferHoldsTheCallbackBackUntilItIsReadOrClosed(t *testing.T) {
	b, put := newBuffer(), make(chan error)
	if err := b.put(make([]byte, bufferSize)); err != nil {
		t.Fatal(err)
	}
	go func() {
		put <- b.put([]byte("more"))
		put <- b.put(make([]byte, bufferSize))
		put <- b.put([]byte("too much"))
	}()
	select {
	case <-put:
		t.Fatal("it does not wait")
	case <-time.After(50 * time.Millisecond):
	}
	if n, err := b.read(make([]byte, 10)); n != 10 || err != nil {
		t.Fatal(n, err)
	}
	if err := <-put; err != nil {
		t.Error(err)
	}
	b.read(make([]byte, bufferSize))
	if err := <-put; err != nil {
		t.Error(err)
	}
	b.close()
	if err := <-put; !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	if _, err := b.read(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(to []byte) (int, error) { return f(to) }
