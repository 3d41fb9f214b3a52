package refit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"
)

// world is what the mixed calls are about.
type world struct {
	image, container, volume string
}

// mixed are calls of every kind, each with what its answer has to be.
func (w world) mixed(ctx context.Context, c *Client, i int) error {
	follow, path, content := true, fmt.Sprintf("folder/%d", i), strings.Repeat("content", 1000+i)
	for what, call := range map[string]func() error{
		"exists": func() error { _, err := c.ImageExists(ctx, w.image); return err },
		"status": func() error { _, err := c.ImageStatus(ctx, w.image); return err },
		"check":  func() error { _, err := c.CheckUpdate(ctx, w.image, CheckOptions{}); return err },
		"pull": func() error {
			_, err := c.Pull(ctx, w.image, PullOptions{OnProgress: func(Progress) error { return nil }})
			return err
		},
		"list":    func() error { _, err := c.ContainerList(ctx, ContainerListOptions{}); return err },
		"stats":   func() error { _, err := c.ContainerStats(ctx, w.container); return err },
		"history": func() error { _, err := c.HistoryList(ctx, HistoryOptions{}); return err },
		"missing": func() error {
			if _, err := c.ContainerStatus(ctx, w.container+"-not"); !errors.Is(err, ErrNotFound) {
				return fmt.Errorf("a container that is not there: %w", err)
			}
			return nil
		},
		"exec": func() error {
			done, err := c.ContainerExec(ctx, w.container, []string{"cat"}, ContainerExecOptions{Stdin: content})
			if err == nil && done.Stdout != content {
				return fmt.Errorf("%d bytes of %d", len(done.Stdout), len(content))
			}
			return err
		},
		"file": func() error {
			// Each of them creates a container on the engine.
			if i%8 != 0 {
				return nil
			}
			if _, err := c.VolumeWriteFile(ctx, w.volume, path, []byte(content), VolumeWriteFileOptions{}); err != nil {
				return err
			}
			read, err := c.VolumeReadFile(ctx, w.volume, path, VolumeReadFileOptions{})
			if err == nil && string(read) != content {
				return fmt.Errorf("%d bytes of %d", len(read), len(content))
			}
			return err
		},
		"lines": func() error {
			_, err := c.FollowLogs(ctx, w.container, LogOptions{OnLine: func(LogLine) error { return errCause }})
			if err != errCause {
				return fmt.Errorf("lines that were stopped: %w", err)
			}
			return nil
		},
		"frames": func() error {
			frames, err := c.RawLogs(ctx, w.container, LogOptions{Follow: &follow})
			if err != nil {
				return err
			}
			if _, err := io.ReadFull(frames, make([]byte, 8)); err != nil {
				return err
			}
			return frames.Close()
		},
		"cancelled": func() error {
			short, cancel := context.WithTimeout(ctx, time.Duration(i)*time.Millisecond)
			defer cancel()
			if _, err := c.ContainerWait(short, w.container); !errors.Is(err, context.DeadlineExceeded) {
				return fmt.Errorf("a wait that was cancelled: %w", err)
			}
			return nil
		},
	} {
		if err := call(); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}

func TestMixedCallsOfSixtyFourGoroutinesLeaveNothingInTheProcess(t *testing.T) {
	ctx, name := context.Background(), scope(t, "mixed")
	w := world{image: pull(t, name, "1").Reference, container: name, volume: name + "-data"}
	run(t, name, map[string]any{"Image": w.image, "Entrypoint": []string{"sh", "-c"}, "Cmd": []string{"echo line; exec sleep 1000"}})
	round := func() {
		c, err := Open(ctx, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.VolumeCreate(ctx, w.volume, VolumeCreateOptions{}); err != nil {
			t.Error(err)
		}
		var all sync.WaitGroup
		for i := range 64 {
			all.Add(1)
			go func() {
				defer all.Done()
				if err := w.mixed(ctx, c, i); err != nil {
					t.Errorf("%d: %v", i, err)
				}
			}()
		}
		all.Wait()
		c.Close()
	}
	// The first round fills the pools of both allocators, and makes the threads that Go keeps.
	round()
	before := process(t)
	var after state
	for range 5 {
		round()
		if after = process(t); after.memory <= before.memory+8<<20 && after.threads <= before.threads+4 {
			break
		}
		before.memory, before.threads = after.memory, after.threads
	}
	if after.goroutines > before.goroutines || after.handles > before.handles || after.own > 0 {
		t.Errorf("before: %+v, after: %+v", before, after)
	}
	if after.memory > before.memory+8<<20 || after.threads > before.threads+4 {
		t.Errorf("every round takes more: %+v, then %+v", before, after)
	}
}

// state is what the process has.
type state struct {
	goroutines, threads, own, handles int
	memory                            int64 // bytes
}

// process waits until what is ending has ended, for a minute at most.
func process(t *testing.T) (now state) {
	t.Helper()
	entries := func(folder string) []os.DirEntry {
		list, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	debug.FreeOSMemory()
	var last state
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		now = state{goroutines: runtime.NumGoroutine(), handles: len(entries("/proc/self/fd"))}
		for _, thread := range entries("/proc/self/task") {
			now.threads++
			// One that has ended since has no name.
			if name, err := os.ReadFile("/proc/self/task/" + thread.Name() + "/comm"); err == nil && strings.TrimSpace(string(name)) == "refit" {
				now.own++
			}
		}
		if now.own == 0 && now == last {
			break
		}
		last = now
	}
	now.memory = resident(t)
	return now
}

func resident(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
