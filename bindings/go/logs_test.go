package refit

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

const script = "echo one; echo two >&2; sleep 1; printf 'no end'"

func TestLogsAsTextAsLinesAndAsFrames(t *testing.T) {
	ctx, c, name := context.Background(), open(t), scope(t, "logs")
	image := pull(t, name, "1").Reference
	run(t, name, map[string]any{"Image": image, "Entrypoint": []string{"sh", "-c"}, "Cmd": []string{script}})
	if _, err := c.ContainerWait(ctx, name); err != nil {
		t.Fatal(err)
	}
	logs, err := c.ContainerLogs(ctx, name, LogOptions{})
	if err != nil || logs.Lines != 3 || logs.Truncated || !strings.Contains(logs.Text, "one\n") || !strings.HasSuffix(logs.Text, "no end") {
		t.Errorf("%+v, %v", logs, err)
	}
	tail, err := c.ContainerLogs(ctx, name, LogOptions{Tail: 1, MaxBytes: 3})
	if err != nil || tail.Text != "end" || !tail.Truncated {
		t.Errorf("%+v, %v", tail, err)
	}

	var lines []LogLine
	followed, err := c.FollowLogs(ctx, name, LogOptions{Timestamps: true, OnLine: func(line LogLine) error {
		lines = append(lines, line)
		return nil
	}})
	if err != nil || len(lines) != 3 || *followed.Lines != 3 || followed.Bytes != 3+3+6 {
		t.Fatalf("%+v, %+v, %v", lines, followed, err)
	}
	texts := map[string]int{}
	for _, line := range lines {
		texts[line.Text] = line.Stream
		if line.Partial || time.Since(line.Timestamp) > time.Hour {
			t.Errorf("%+v", line)
		}
	}
	if texts["one"] != 1 || texts["two"] != 2 || texts["no end"] != 1 {
		t.Errorf("%q", texts)
	}

	mine := errors.New("mine")
	followed, err = c.FollowLogs(ctx, name, LogOptions{OnLine: func(LogLine) error { return mine }})
	if err != mine || followed == nil || *followed.Lines != 1 {
		t.Errorf("%+v, %v", followed, err)
	}
	for what, o := range map[string]LogOptions{"OnLine": {}, "max_bytes": {MaxBytes: 1, OnLine: func(LogLine) error { return nil }}} {
		if _, err := c.FollowLogs(ctx, name, o); !errors.Is(err, ErrInvalidArgument) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}

	frames, err := c.RawLogs(ctx, name, LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(frames)
	if err != nil || !strings.Contains(string(raw), "\x01\x00\x00\x00\x00\x00\x00\x04one\n") || len(raw) != 3*8+4+4+6 {
		t.Errorf("%q, %v", raw, err)
	}
	if err := frames.Close(); err != nil {
		t.Error(err)
	}
	if frames, err := c.RawLogs(ctx, name+"-not", LogOptions{}); frames != nil || !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

func TestCloseFreesAReadThatWaits(t *testing.T) {
	c, name, follow := open(t), scope(t, "raw"), true
	run(t, name, map[string]any{"Image": pull(t, name, "1").Reference, "Entrypoint": []string{"sleep"}, "Cmd": []string{"1000"}})
	frames, err := c.RawLogs(context.Background(), name, LogOptions{Follow: &follow})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() {
		_, err := frames.Read(make([]byte, 10))
		ended <- err
	}()
	time.Sleep(300 * time.Millisecond)
	frames.Close()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("something was read")
		}
	case <-time.After(90 * time.Second):
		t.Fatal("the read still waits")
	}
	// The call has ended too.
	running := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.calls)
	}
	for end := time.Now().Add(90 * time.Second); running() > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the call is still running")
		}
	}
	c.Close()

	c, ctx := open(t), context.Background()
	ctx, cancel := context.WithCancel(ctx)
	frames, err = c.RawLogs(ctx, name, LogOptions{Follow: &follow})
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(200*time.Millisecond, cancel)
	if _, err := io.ReadAll(frames); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestACommandAndItsStatistics(t *testing.T) {
	ctx, c, name := context.Background(), open(t), scope(t, "exec")
	run(t, name, map[string]any{"Image": pull(t, name, "1").Reference})
	done, err := c.ContainerExec(ctx, name, []string{"sh", "-c", "cat; echo $A >&2; pwd; exit 3"}, ContainerExecOptions{
		Stdin: "read ", Env: []string{"A=b"}, WorkingDir: "/tmp", User: "0", Actor: "the test",
	})
	if err != nil || done.ExitCode != 3 || done.Stdout != "read /tmp\n" || done.Stderr != "b\n" || done.Truncated {
		t.Errorf("%+v, %v", done, err)
	}
	none, err := c.ContainerExec(ctx, name, []string{"echo", "x"}, ContainerExecOptions{MaxOutputBytes: -1})
	if err != nil || none.Stdout != "" || !none.Truncated {
		t.Errorf("%+v, %v", none, err)
	}
	if _, err := c.ContainerExec(ctx, name, nil, ContainerExecOptions{}); !errors.Is(err, ErrInvalidArgument) {
		t.Error(err)
	}
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if _, err := c.ContainerExec(short, name, []string{"sleep", "100"}, ContainerExecOptions{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	stats, err := c.ContainerStats(ctx, name)
	if err != nil || stats.CPUCores == 0 || stats.MemoryUsageBytes == 0 || stats.NetworkRxBytes == nil || time.Since(stats.SampledAt) > time.Hour {
		t.Errorf("%+v, %v", stats, err)
	}
	if _, err := c.ContainerStop(ctx, name, ContainerStopOptions{StopTimeout: -1}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ContainerStats(ctx, name); !errors.Is(err, ErrConflict) {
		t.Error(err)
	}
	if _, err := c.ContainerExec(ctx, name, []string{"true"}, ContainerExecOptions{}); !errors.Is(err, ErrConflict) {
		t.Error(err)
	}
}
