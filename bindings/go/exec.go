package refit

/*
#include "call.h"
*/
import "C"

import (
	"context"
	"encoding/json"
	"time"
)

// ContainerExecOptions of [Client.ContainerExec].
type ContainerExecOptions struct {
	User           string   // user, user:group or numbers. Default: the container's own
	WorkingDir     string   // default: the container's own
	Env            []string // KEY=value, in addition to the container's own
	Stdin          string   // what the command reads; without it a reader sees the end at once
	MaxOutputBytes int      // how many of the first bytes of its output are kept; negative: none. Default: 1 MiB
	Actor          string   // who asks for it, for the history
	Timeout        time.Duration
}

// ContainerExec is what a command did.
type ContainerExec struct {
	ExitCode  int64  `json:"exit_code"` // 126 or 127 when it could not be started, with the engine's words in the output
	Stdout    string `json:"stdout"`
	Stderr    string `json:"stderr"`
	Truncated bool   `json:"truncated"` // it wrote more than was kept, or the connection was lost before its end
}

// ContainerStats is what a container uses, as docker stats counts it.
type ContainerStats struct {
	CPUPercent       float64   `json:"cpu_percent"` // of one processor
	CPUCores         int       `json:"cpu_cores"`
	MemoryUsageBytes uint64    `json:"memory_usage_bytes"` // without the pages of files that can be dropped
	MemoryLimitBytes uint64    `json:"memory_limit_bytes"`
	MemoryPercent    float64   `json:"memory_percent"`
	NetworkRxBytes   *uint64   `json:"network_rx_bytes"` // nil with the machine's network
	NetworkTxBytes   *uint64   `json:"network_tx_bytes"`
	BlockReadBytes   uint64    `json:"block_read_bytes"`
	BlockWriteBytes  uint64    `json:"block_write_bytes"`
	Pids             *uint64   `json:"pids"`
	SampledAt        time.Time `json:"sampled_at"`
}

// ContainerExec runs a command in a running container and waits for its end; an exit code other than 0 is no error. [ErrConflict] when the
// container does not run or is paused. When ctx ends the call, the command goes on in the container.
func (c *Client) ContainerExec(ctx context.Context, container string, argv []string, o ContainerExecOptions) (*ContainerExec, error) {
	command, err := json.Marshal(list(argv))
	if err != nil {
		return nil, &Error{Code: CodeInvalidArgument, Op: "container_exec", Message: "the command cannot be written as JSON: " + err.Error(), Container: container}
	}
	input := string(command)
	settings := options{}.text("user", o.User).text("working_dir", o.WorkingDir).texts("env", o.Env).text("stdin", o.Stdin).
		text("actor", o.Actor).seconds("timeout_s", o.Timeout)
	if o.MaxOutputBytes != 0 {
		settings["max_output_bytes"] = max(o.MaxOutputBytes, 0)
	}
	return call[ContainerExec](ctx, c, request{function: C.REFIT_GO_container_exec, name: &container, input: &input, options: settings})
}

// ContainerStats takes two samples a second apart. [ErrConflict] when the container does not run.
func (c *Client) ContainerStats(ctx context.Context, container string) (*ContainerStats, error) {
	return call[ContainerStats](ctx, c, request{function: C.REFIT_GO_container_stats, name: &container})
}
