// Package side measures one side of the comparison: a process of its own makes one kind of call, several times, and prints what it needed.
package side

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Call is one call of a client; images and containers come from the command line.
type Call func(ctx context.Context, names []string) error

// Report is what the calls of a process needed, each on average.
type Report struct {
	Wall, CPU   time.Duration
	Allocations uint64 // of Go and of C
	Bytes       uint64 // that were allocated
	Peak        uint64 // bytes of memory that the process had at most
	Resident    uint64 // bytes that it has after the calls
}

// Native counts the allocations that Go does not see; nil: there are none.
type Native func() (allocations, bytes uint64)

// Main reads the command line, CALL WARM TIMES NAME…, makes WARM calls that do not count and TIMES that do, and prints the report.
func Main(calls map[string]Call, native Native) {
	report, err := measured(calls, native, os.Args[1:])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(report)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func measured(calls map[string]Call, native Native, words []string) (*Report, error) {
	if len(words) < 3 || calls[words[0]] == nil {
		return nil, fmt.Errorf("CALL WARM TIMES NAME… is to be said, and not %q", words)
	}
	warm, err := strconv.Atoi(words[1])
	if err != nil {
		return nil, err
	}
	times, err := strconv.Atoi(words[2])
	if err != nil {
		return nil, err
	}
	call, names, ctx := calls[words[0]], words[3:], context.Background()
	for range warm {
		if err := call(ctx, names); err != nil {
			return nil, err
		}
	}
	before := now(native)
	for range times {
		if err := call(ctx, names); err != nil {
			return nil, err
		}
	}
	after, n := now(native), uint64(times)
	return &Report{
		Wall: (after.wall.Sub(before.wall)) / time.Duration(n), CPU: (after.cpu - before.cpu) / time.Duration(n),
		Allocations: (after.allocations - before.allocations) / n, Bytes: (after.bytes - before.bytes) / n,
		Peak: status("VmHWM"), Resident: status("VmRSS"),
	}, nil
}

// used is what the process has used up to a moment.
type used struct {
	wall               time.Time
	cpu                time.Duration
	allocations, bytes uint64
}

func now(native Native) used {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	var usage syscall.Rusage
	// It never fails for the process itself.
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	u := used{wall: time.Now(), cpu: time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), allocations: memory.Mallocs, bytes: memory.TotalAlloc}
	if native != nil {
		allocations, bytes := native()
		u.allocations += allocations
		u.bytes += bytes
	}
	return u
}

// status is a size in /proc/self/status, in bytes; 0 where there is none.
func status(key string) uint64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(text), "\n") {
		if value, ok := strings.CutPrefix(line, key+":"); ok {
			kilobytes, _ := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kilobytes << 10
		}
	}
	return 0
}
