package lab

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// Switch is a way to the engine that a test closes, blocks and opens. It begins closed: nobody listens.
type Switch struct {
	Host string // for refit.Options

	t        testing.TB
	socket   string
	listener net.Listener

	mu      sync.Mutex
	flowing *sync.Cond
	silent  bool
	open    map[net.Conn]struct{}
}

// NewSwitch has its socket in a folder of its own, or in the one that is given.
func NewSwitch(t testing.TB, folder string) *Switch {
	t.Helper()
	if folder == "" {
		// A test's own folder has a name that is too long for a socket.
		made, err := os.MkdirTemp("", "refit")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(made) })
		folder = made
	}
	s := &Switch{t: t, socket: filepath.Join(folder, "engine.sock"), open: map[net.Conn]struct{}{}}
	s.Host, s.flowing = "unix://"+s.socket, sync.NewCond(&s.mu)
	t.Cleanup(s.Close)
	return s
}

// Open lets everything through, what was blocked too.
func (s *Switch) Open() {
	s.t.Helper()
	s.mu.Lock()
	s.silent = false
	s.flowing.Broadcast()
	s.mu.Unlock()
	if s.listener != nil {
		return
	}
	listener, err := net.Listen("unix", s.socket)
	if err != nil {
		s.t.Fatal(err)
	}
	s.listener = listener
	go s.accept(listener)
}

// Block keeps every connection and passes nothing on: an engine that does not answer.
func (s *Switch) Block() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent = true
}

// Close ends every connection, and refuses those to come: an engine that has stopped.
func (s *Switch) Close() {
	if s.listener != nil {
		s.listener.Close()
		s.listener = nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for connection := range s.open {
		connection.Close()
	}
	clear(s.open)
	s.silent = false
	s.flowing.Broadcast()
}

func (s *Switch) accept(listener net.Listener) {
	for {
		here, err := listener.Accept()
		if err != nil {
			return
		}
		there, err := Dial(context.Background())
		if err != nil {
			here.Close()
			continue
		}
		s.mu.Lock()
		s.open[here], s.open[there] = struct{}{}, struct{}{}
		s.mu.Unlock()
		var both sync.WaitGroup
		both.Add(2)
		go s.carry(here, there, &both)
		go s.carry(there, here, &both)
		go func() {
			both.Wait()
			s.mu.Lock()
			defer s.mu.Unlock()
			for _, connection := range []net.Conn{here, there} {
				connection.Close()
				delete(s.open, connection)
			}
		}()
	}
}

// carry passes on the end too: a command whose input has ended goes on with its output.
func (s *Switch) carry(from, to net.Conn, both *sync.WaitGroup) {
	defer both.Done()
	defer func() {
		if to, ok := to.(interface{ CloseWrite() error }); ok {
			_ = to.CloseWrite()
		}
	}()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		s.mu.Lock()
		for s.silent {
			s.flowing.Wait()
		}
		s.mu.Unlock()
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
