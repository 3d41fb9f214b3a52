package manager

import (
	"context"
	"path"
	"strconv"
	"time"

	refit "github.com/refit-rs/refit/bindings/go"
	"github.com/refit-rs/refit/bindings/go/docker_manager"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/store"
)

// configDir is docker_manager's default.
const configDir = "Config/WindowsServer"

func itoa(number uint) string { return strconv.FormatUint(uint64(number), 10) }

// ConfigFiles lists the configuration files in the server's volume; none where the folder is not there yet.
func (m *Manager) ConfigFiles(server *store.Server) ([]docker_manager.FileInfo, error) {
	files, err := m.docker.ListFiles(m.volume(server.ID), "/", path.Join("/", configDir))
	if files == nil {
		files = []docker_manager.FileInfo{}
	}
	return files, err
}

// ReadConfig reads a configuration file.
func (m *Manager) ReadConfig(server *store.Server, file string) (string, error) {
	return m.docker.ReadConfigFile(server.ID, file)
}

// WriteConfig writes one.
func (m *Manager) WriteConfig(server *store.Server, file, content string) error {
	return m.docker.WriteConfigFile(server.ID, file, content)
}

// Logs are the last lines of the server's log.
func (m *Manager) Logs(ctx context.Context, server *store.Server, tail int) (*refit.ContainerLogs, error) {
	ctx, cancel := context.WithTimeout(ctx, glance)
	defer cancel()
	logs, err := m.client.ContainerLogs(ctx, m.container(server.ID), refit.LogOptions{Tail: tail})
	if isMissing(err) {
		return nil, gone(server)
	}
	return logs, err
}

// FollowLogs calls line with each line, until the server stops, ctx ends or line fails.
func (m *Manager) FollowLogs(ctx context.Context, server *store.Server, tail int, line func(refit.LogLine) error) error {
	_, err := m.client.FollowLogs(ctx, m.container(server.ID), refit.LogOptions{Tail: tail, OnLine: line})
	if isMissing(err) {
		return gone(server)
	}
	return err
}

// Stats takes two samples a second apart.
func (m *Manager) Stats(server *store.Server) (*docker_manager.ContainerStats, error) {
	stats, err := m.docker.GetContainerStats(m.container(server.ID))
	if isMissing(err) {
		return nil, gone(server)
	}
	return stats, err
}

// statsPause is between two samples of a stream, which take a second themselves.
const statsPause = time.Second

// FollowStats calls sample every two seconds, until the server does not run, ctx ends or sample fails.
func (m *Manager) FollowStats(ctx context.Context, server *store.Server, sample func(*docker_manager.ContainerStats) error) error {
	for {
		stats, err := m.Stats(server)
		if err != nil {
			return err
		}
		if err := sample(stats); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(statsPause):
		}
	}
}
