package docker_manager

import (
	"context"
	"errors"
	"strings"
	"time"

	refit "github.com/refit-rs/refit/bindings/go"
)

const (
	// commandLabel marks the containers in which commands run. One that a killed process has left is removed by a later command.
	commandLabel = "refit.docker_manager.command"
	outputLimit  = 16 << 20
)

// RunCommandInVolume runs a command in a container of the profile's HelperImage that has the volume at mountPath, as root, with the default network,
// and gives its output, trimmed. Its exit code is no error: [DockerManager.RunCommandInVolumeResult] gives it. refit.ErrImageMissing when
// the helper image is not local: nothing is pulled.
func (dm *DockerManager) RunCommandInVolume(volumeName, mountPath string, cmd []string) (string, error) {
	result, err := dm.RunCommandInVolumeResult(volumeName, mountPath, cmd)
	if result == nil {
		return "", err
	}
	return result.Output, err
}

// RunCommandInVolumeResult is RunCommandInVolume with the exit code. Beside an error it has the output that there is.
func (dm *DockerManager) RunCommandInVolumeResult(volumeName, mountPath string, cmd []string) (*CommandResult, error) {
	if len(cmd) == 0 || cmd[0] == "" {
		return nil, invalid("volume_command", "the command is empty")
	}
	if exists, err := dm.VolumeExists(volumeName); err != nil {
		return nil, err
	} else if !exists {
		// The engine would create it.
		return nil, &refit.Error{Code: refit.CodeNotFound, Op: "volume_command", Message: "there is no volume " + volumeName}
	}
	dm.removeLeftCommands()
	name := "refit-command-" + randomHex()
	_, err := dm.create(name, refit.Spec{
		"Image": dm.profile.HelperImage, "Entrypoint": cmd[:1], "Cmd": cmd[1:], "User": "0", "WorkingDir": mountPath,
		"Labels": map[string]string{commandLabel: volumeName},
		"HostConfig": map[string]any{
			"Mounts": []map[string]any{{"Type": "volume", "Source": volumeName, "Target": mountPath}},
			// The engine's default driver may keep nothing.
			"LogConfig": map[string]any{"Type": "json-file"},
		},
	})
	defer dm.removeCommand(name)
	if err != nil {
		return nil, err
	}
	s := newStream(dm.quiet, totalLimit)
	defer s.end()
	result, err := dm.runCommand(s, name)
	return result, explained(s, err)
}

// runCommand starts the container and follows it to its end.
func (dm *DockerManager) runCommand(s *stream, name string) (*CommandResult, error) {
	if _, err := dm.client.ContainerStart(s, name, refit.ContainerStartOptions{}); err != nil {
		return nil, err
	}
	var output newest
	follow := true
	_, err := dm.client.FollowLogs(s, name, refit.LogOptions{Follow: &follow, OnLine: func(line refit.LogLine) error {
		s.moved()
		output.add(line.Text)
		if !line.Partial {
			output.add("\n")
		}
		return nil
	}})
	result := &CommandResult{Output: strings.TrimSpace(output.String())}
	if err != nil {
		return result, err
	}
	exit, err := dm.client.ContainerWait(s, name)
	if err != nil {
		return result, err
	}
	result.ExitCode = int(exit.ExitCode)
	return result, nil
}

// newest keeps the last 16 MiB of what was added, or somewhat more.
type newest struct{ text []byte }

func (n *newest) add(text string) {
	n.text = append(n.text, text...)
	if len(n.text) > 2*outputLimit {
		n.text = append([]byte{}, n.text[len(n.text)-outputLimit:]...)
	}
}

func (n *newest) String() string { return string(n.text[max(0, len(n.text)-outputLimit):]) }

// removeCommand ends the command too, when it is still running.
func (dm *DockerManager) removeCommand(name string) {
	_ = dm.bounded(callLimit, func(ctx context.Context) error {
		_, err := dm.client.ContainerRemove(ctx, name, refit.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		return err
	})
}

// removeLeftCommands removes what processes that were killed have left: containers of commands that ended more than ten minutes ago.
func (dm *DockerManager) removeLeftCommands() {
	_ = dm.bounded(callLimit, func(ctx context.Context) error {
		left, err := dm.client.ContainerList(ctx, refit.ContainerListOptions{Labels: map[string]string{commandLabel: ""}})
		for _, container := range left {
			status, failed := dm.client.ContainerStatus(ctx, container.ID)
			if failed == nil && status.State == "exited" && status.FinishedAt != nil && time.Since(*status.FinishedAt) > 10*time.Minute {
				_, failed = dm.client.ContainerRemove(ctx, container.ID, refit.ContainerRemoveOptions{RemoveVolumes: true})
			}
			err = errors.Join(err, failed)
		}
		return err
	})
}
