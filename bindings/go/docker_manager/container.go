package docker_manager

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"

	refit "github.com/refit-rs/refit/bindings/go"
)

// StartContainer starts a container; one that runs is left alone. Nothing is pulled.
func (dm *DockerManager) StartContainer(containerName string) error {
	return dm.bounded(callLimit, func(ctx context.Context) error {
		_, err := dm.client.ContainerStart(ctx, containerName, refit.ContainerStartOptions{})
		return err
	})
}

// StopContainer gives the container 30 s to end.
func (dm *DockerManager) StopContainer(containerName string) error {
	return dm.bounded(callLimit, func(ctx context.Context) error {
		_, err := dm.client.ContainerStop(ctx, containerName, refit.ContainerStopOptions{StopTimeout: stopGrace})
		return err
	})
}

// RemoveContainer stops the container, with 30 s to end, and removes it, by force where it does not stop. Its volumes stay. refit.ErrNotFound when
// there is none.
func (dm *DockerManager) RemoveContainer(containerName string) error {
	if err := dm.StopContainer(containerName); isMissing(err) || errors.Is(err, refit.ErrBusy) || errors.Is(err, refit.ErrUnreachable) {
		return err
	}
	return dm.bounded(callLimit, func(ctx context.Context) error {
		_, err := dm.client.ContainerRemove(ctx, containerName, refit.ContainerRemoveOptions{Force: true})
		return err
	})
}

// RecreateContainer replaces the server's container by a new one from the image that its reference names now, with its own configuration; running
// again if it ran. The old one is removed once the new one runs; what fails is rolled back, refit.ErrRolledBack. What an interrupted recreation has
// left is repaired first.
func (dm *DockerManager) RecreateContainer(serverID uint) error {
	return dm.bounded(totalLimit, func(ctx context.Context) error {
		_, err := dm.client.Recreate(ctx, dm.containerName(serverID), refit.RecreateOptions{StopTimeout: stopGrace, RecoverFirst: true})
		return err
	})
}

// ContainerExists reports whether there is a container of that name.
func (dm *DockerManager) ContainerExists(containerName string) (bool, error) {
	return answer(dm, callLimit, func(ctx context.Context) (bool, error) { return dm.client.ContainerExists(ctx, containerName) })
}

// GetContainerStatus is running (also while it restarts or is paused), stopped, not_found or unknown.
func (dm *DockerManager) GetContainerStatus(containerName string) (string, error) {
	status, err := answer(dm, callLimit, func(ctx context.Context) (*refit.ContainerStatus, error) {
		return dm.client.ContainerStatus(ctx, containerName)
	})
	if isMissing(err) {
		return "not_found", nil
	}
	if err != nil {
		return "unknown", err
	}
	switch status.State {
	case "running", "restarting", "paused":
		return "running", nil
	case "created", "exited":
		return "stopped", nil
	}
	return "unknown", nil
}

// GetContainerEnvVars are the variables of the container; refit.ErrNotFound when there is none.
func (dm *DockerManager) GetContainerEnvVars(containerName string) (map[string]string, error) {
	info, err := answer(dm, callLimit, func(ctx context.Context) (*refit.ContainerInfo, error) {
		return dm.client.ContainerInfo(ctx, containerName)
	})
	if err != nil {
		return nil, err
	}
	variables := make(map[string]string, len(info.Env))
	for _, variable := range info.Env {
		name, value, _ := strings.Cut(variable, "=")
		variables[name] = value
	}
	return variables, nil
}

// GetContainerLogs are the last lines of the log, both streams, trimmed; all of them when tail is 0 or less, up to the newest 16 MiB.
func (dm *DockerManager) GetContainerLogs(containerName string, tail int) (string, error) {
	logs, err := answer(dm, callLimit, func(ctx context.Context) (*refit.ContainerLogs, error) {
		return dm.client.ContainerLogs(ctx, containerName, refit.LogOptions{Tail: max(tail, 0)})
	})
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(logs.Text), nil
}

// StreamContainerLogs is the log in the engine's own frames of eight bytes and a payload, as stdcopy reads them. tail is a number of lines, or ""
// or "all". Close frees a Read that waits. It has no time limit, and ends with the container where follow is set, or with CloseDockerManager.
func (dm *DockerManager) StreamContainerLogs(containerName string, follow bool, tail string) (io.ReadCloser, error) {
	lines := 0
	if tail != "" && tail != "all" {
		number, err := strconv.ParseUint(tail, 10, 31)
		if err != nil {
			return nil, invalid("container_raw_logs", "tail is %q: it is a number of lines, or all", tail)
		}
		if lines = int(number); lines == 0 {
			lines = -1
		}
	}
	return dm.client.RawLogs(context.Background(), containerName, refit.LogOptions{Tail: lines, Follow: &follow})
}

// GetContainerStats takes two samples a second apart, and ten seconds at most. refit.ErrConflict when the container does not run.
func (dm *DockerManager) GetContainerStats(containerName string) (*ContainerStats, error) {
	stats, err := answer(dm, statsLimit, func(ctx context.Context) (*refit.ContainerStats, error) {
		return dm.client.ContainerStats(ctx, containerName)
	})
	if err != nil {
		return nil, err
	}
	const mb = 1 << 20
	result := &ContainerStats{CPUPercent: stats.CPUPercent, CPUCores: stats.CPUCores, MemoryUsageMB: float64(stats.MemoryUsageBytes) / mb,
		MemoryLimitMB: float64(stats.MemoryLimitBytes) / mb, MemoryPercent: stats.MemoryPercent, SampledAt: stats.SampledAt.Unix()}
	if stats.NetworkRxBytes != nil {
		result.NetworkRxMB = float64(*stats.NetworkRxBytes) / mb
	}
	if stats.NetworkTxBytes != nil {
		result.NetworkTxMB = float64(*stats.NetworkTxBytes) / mb
	}
	return result, nil
}

// ExecuteCommand runs the command in the container by sh -c and gives its output, stdout first, then stderr; the first 16 MiB. An exit code other
// than 0 is an [ExitError], and the output comes with it.
func (dm *DockerManager) ExecuteCommand(containerName, command string) (string, error) {
	done, err := answer(dm, totalLimit, func(ctx context.Context) (*refit.ContainerExec, error) {
		return dm.client.ContainerExec(ctx, containerName, []string{"sh", "-c", command}, refit.ContainerExecOptions{MaxOutputBytes: 16 << 20})
	})
	if err != nil {
		return "", err
	}
	output := done.Stdout + done.Stderr
	if done.ExitCode != 0 {
		return output, &ExitError{Container: containerName, ExitCode: int(done.ExitCode), LastLine: lastLine(output)}
	}
	return output, nil
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return strings.TrimSpace(text[strings.LastIndex(text, "\n")+1:])
}
