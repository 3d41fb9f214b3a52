// Package manager does what the service is for, on the engine: images by refit's client, because they need progress, plans and an actor; servers by
// docker_manager, the package that the existing service uses.
package manager

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	refit "github.com/refit-rs/refit/bindings/go"
	"github.com/refit-rs/refit/bindings/go/docker_manager"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/config"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/operation"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/store"
)

// glance is for calls whose answer a page waits for.
const glance = 20 * time.Second

// stopGrace is how long a server has to save before it is killed.
const stopGrace = 30 * time.Second

// Manager is one engine, the managed images and the servers.
type Manager struct {
	Operations *operation.Registry

	config config.Config
	store  *store.Store
	docker *docker_manager.DockerManager
	client *refit.Client
	names  docker_manager.Profile // with its patterns

	mu       sync.Mutex
	pulled   map[string]string   // by image, the id after this process's last work on it: that is current until a check says otherwise
	failed   map[string]*Failure // by image, why the last work on it failed, until the next begins
	versions map[string]*string  // by image id
}

// Open asks neither the engine nor a registry: the service starts without them.
func Open(c config.Config, s *store.Store) (*Manager, error) {
	m := &Manager{config: c, store: s, pulled: map[string]string{}, failed: map[string]*Failure{}, versions: map[string]*string{}}
	m.names = docker_manager.Profile{
		ContainerName: or(c.ContainerName, "ase-server-%d"), DataVolume: or(c.DataVolume, "ase-server-%d"), PluginsVolume: or(c.PluginsVolume, "ase-server-plugins-%d"),
		DataMount: c.DataMount, PluginsMount: c.PluginsMount, RequiredImages: c.Required, HelperImage: c.HelperImage, Options: c.Refit(), Spec: m.spec,
	}
	if err := docker_manager.Configure(m.names); err != nil {
		return nil, err
	}
	docker, err := docker_manager.GetDockerManager()
	if err != nil {
		return nil, err
	}
	m.docker, m.client = docker, docker.Client()
	if err := m.makeBackupFolder(); err != nil {
		return nil, err
	}
	earlier, err := m.earlier()
	if err != nil {
		return nil, err
	}
	m.Operations = operation.NewRegistry(earlier, m.save)
	return m, nil
}

// Close ends all operations: a container that is being replaced is finished or rolled back first.
func (m *Manager) Close() error {
	m.Operations.Close()
	return docker_manager.CloseDockerManager()
}

// Engine is whether the engine is there.
type Engine struct {
	OK      bool    `json:"ok"`
	Error   *string `json:"error"`
	Code    *string `json:"code"`
	Engine  *string `json:"engine"`
	Version *string `json:"version"`
}

// Engine asks the engine.
func (m *Manager) Engine(ctx context.Context) Engine {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	info, err := m.client.EngineInfo(ctx)
	if err != nil {
		failure := m.failure(err)
		return Engine{Error: &failure.Message, Code: &failure.Code}
	}
	return Engine{OK: true, Engine: &info.Engine, Version: &info.Version}
}

// spec is the body for the creation of a server's container: the default one, with the image that the server was made for.
func (m *Manager) spec(r docker_manager.CreateRequest) (refit.Spec, error) {
	server, err := m.store.Server(r.ServerID)
	if err != nil {
		return nil, err
	}
	r.Image = server.ImageName
	return docker_manager.DefaultSpec(r)
}

func (m *Manager) container(server uint) string { return fmt.Sprintf(m.names.ContainerName, server) }

func (m *Manager) volume(server uint) string { return fmt.Sprintf(m.names.DataVolume, server) }

func (m *Manager) pluginsVolume(server uint) string {
	return fmt.Sprintf(m.names.PluginsVolume, server)
}

// serverNames are the servers by their containers' names.
func (m *Manager) serverNames() (map[string]store.Server, error) {
	servers, err := m.store.Servers(0)
	if err != nil {
		return nil, err
	}
	names := make(map[string]store.Server, len(servers))
	for _, server := range servers {
		names[m.container(server.ID)] = server
	}
	return names, nil
}

// isMissing reports whether what was asked about is not there.
func isMissing(err error) bool { return errors.Is(err, refit.ErrNotFound) }

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}
