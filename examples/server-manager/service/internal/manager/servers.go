package manager

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	refit "github.com/refit-rs/refit/bindings/go"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/operation"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/store"
)

// Server is a server as the page shows it. Its passwords are not in it.
type Server struct {
	ID            uint         `json:"id"`
	Identifier    string       `json:"identifier"`
	SessionName   string       `json:"session_name"`
	Owner         string       `json:"owner"`
	ImageName     string       `json:"image_name"`
	Port          int          `json:"port"`
	QueryPort     int          `json:"query_port"`
	RconPort      int          `json:"rcon_port"`
	Map           string       `json:"map"`
	GameModIds    string       `json:"game_mod_ids"`
	AutoRestart   bool         `json:"auto_restart"`
	Status        string       `json:"status"`
	Container     string       `json:"container"`
	Outdated      bool         `json:"outdated"`
	Interrupted   bool         `json:"interrupted"`
	Image         *ServerImage `json:"image"`
	MissingImages []string     `json:"missing_images"`
	CanStart      bool         `json:"can_start"`
	OperationID   *string      `json:"operation_id"`
	CreatedAt     time.Time    `json:"created_at"`
}

// ServerImage is what a container was made from.
type ServerImage struct {
	ID      string  `json:"id"`
	Version *string `json:"version"`
}

// Servers describes servers. While the engine is away their status is unknown.
func (m *Manager) Servers(ctx context.Context, servers []store.Server) []Server {
	ctx, cancel := context.WithTimeout(ctx, glance)
	defer cancel()
	engine := m.Engine(ctx)
	byName := map[string]refit.Container{}
	known := false
	missing := []string{}
	if engine.OK {
		containers, err := m.client.ContainerList(ctx, refit.ContainerListOptions{})
		known = err == nil
		for _, container := range containers {
			byName[container.Name] = container
		}
		images := slices.Clone(m.config.Required)
		for _, server := range servers {
			if !slices.Contains(images, server.ImageName) {
				images = append(images, server.ImageName)
			}
		}
		if found, err := m.Missing(ctx, images); err == nil {
			missing = found
		} else {
			known = false
		}
	}
	described := make([]Server, len(servers))
	for i, server := range servers {
		one := Server{ID: server.ID, Identifier: server.Identifier, SessionName: server.SessionName, Owner: server.Owner.Username, ImageName: server.ImageName,
			Port: server.Port, QueryPort: server.QueryPort, RconPort: server.RconPort, Map: server.Map, GameModIds: server.GameModIds, AutoRestart: server.AutoRestart,
			Status: "unknown", Container: m.container(server.ID), MissingImages: []string{}, CreatedAt: server.CreatedAt}
		for _, image := range missing {
			if image == server.ImageName || slices.Contains(m.config.Required, image) {
				one.MissingImages = append(one.MissingImages, image)
			}
		}
		if container, found := byName[one.Container]; found {
			one.Status, one.Outdated, one.Interrupted = statusOf(container.State), container.Outdated, container.Interrupted
			one.Image = &ServerImage{ID: container.ImageID, Version: m.version(ctx, container.ImageID)}
		} else if known {
			one.Status = "not_found"
		}
		one.CanStart = known && one.Status == "stopped" && len(one.MissingImages) == 0 && !one.Interrupted
		for _, key := range []string{serverKey(server.ID), imageKey(server.ImageName)} {
			if o := m.Operations.ByKey(key); o != nil && one.OperationID == nil && concerns(o, one.Container) {
				one.OperationID = &o.ID
			}
		}
		described[i] = one
	}
	return described
}

func concerns(o *operation.Operation, container string) bool {
	return slices.ContainsFunc(o.Servers, func(part operation.Server) bool { return part.Container == container })
}

// serverKey is no image's key, because it has a space.
func serverKey(server uint) string { return "server " + itoa(server) }

// version is that of an image's label. An image never changes, so that it is asked for once.
func (m *Manager) version(ctx context.Context, image string) *string {
	m.mu.Lock()
	version, found := m.versions[image]
	m.mu.Unlock()
	if found {
		return version
	}
	info, err := m.client.ImageInfo(ctx, image)
	if err != nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.versions) > 1000 {
		clear(m.versions)
	}
	m.versions[image] = info.Version
	return info.Version
}

// required are the images that have to be local before the server starts.
func (m *Manager) required(server *store.Server) []string {
	images := slices.Clone(m.config.Required)
	if !slices.Contains(images, server.ImageName) {
		images = append(images, server.ImageName)
	}
	return images
}

// creating keeps two creations from taking one port.
var creating sync.Mutex

// CreateServer makes the server, its volumes and its container. When the container cannot be made, nothing is left of it.
func (m *Manager) CreateServer(ctx context.Context, server *store.Server) error {
	missing, err := m.Missing(ctx, m.required(server))
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return imageMissing(missing)
	}
	creating.Lock()
	defer creating.Unlock()
	var port *store.PortTaken
	err = m.store.CreateServer(server)
	switch {
	case errors.As(err, &port):
		return Fail("PORT_TAKEN", "%s", port.Error())
	case errors.Is(err, store.ErrTaken):
		return &Failure{Code: "NAME_TAKEN", Field: "identifier", Message: "There is a server of this name: choose another one."}
	case err != nil:
		return err
	}
	if err = m.isFree(server); err == nil {
		_, err = m.docker.CreateContainerWithRollback(server.ID, server.SessionName, server.Port, server.QueryPort, server.RconPort, server.AdminPassword,
			server.Map, server.GameModIds, server.AutoRestart)
	}
	if err != nil {
		return errors.Join(err, m.store.DeleteServer(server.ID))
	}
	m.Operations.Changed(operation.TopicServers)
	return nil
}

// isFree refuses names that something on the engine has already: docker_manager would replace that container, and the game write into that volume.
func (m *Manager) isFree(server *store.Server) error {
	exists, err := m.docker.ContainerExists(m.container(server.ID))
	if err == nil && !exists {
		exists, err = m.docker.VolumeExists(m.volume(server.ID))
	}
	if err != nil || !exists {
		return err
	}
	return Fail("CONFLICT", "The engine has a container %s or a volume %s already, and this service has not made it: try again, and the server gets another number.",
		m.container(server.ID), m.volume(server.ID))
}

// Start starts the server once all images that it needs are local; none is pulled.
func (m *Manager) Start(ctx context.Context, server *store.Server, actor string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	_, err := m.client.ContainerStart(ctx, m.container(server.ID), refit.ContainerStartOptions{Require: m.required(server), Actor: actor})
	var e *refit.Error
	switch {
	case errors.As(err, &e) && e.Code == refit.CodeImageMissing:
		return imageMissing(e.Missing)
	case isMissing(err):
		return gone(server)
	}
	m.Operations.Changed(operation.TopicServers)
	return err
}

// Stop gives the server 30 s to save.
func (m *Manager) Stop(server *store.Server) error {
	err := m.docker.StopContainer(m.container(server.ID))
	if isMissing(err) {
		return gone(server)
	}
	m.Operations.Changed(operation.TopicServers)
	return err
}

func gone(server *store.Server) *Failure {
	return Fail("CONFLICT", "The container of %s was removed by somebody else: recreate the server, which makes it again with the same volumes.", server.Identifier)
}

// Delete removes the server's container, and its volumes if so asked. A server whose container is gone already is deleted too.
func (m *Manager) Delete(server *store.Server, data bool) error {
	if o := m.Operations.ByKey(serverKey(server.ID)); o != nil {
		return &operation.Busy{Operation: *o}
	}
	if err := m.docker.RemoveContainer(m.container(server.ID)); err != nil && !isMissing(err) {
		return err
	}
	if data {
		if err := m.docker.RemoveVolume(server.ID); err != nil {
			return err
		}
	}
	err := m.store.DeleteServer(server.ID)
	m.Operations.Changed(operation.TopicServers)
	return err
}

// Recreate begins to replace the server's container, or to make it again where it is gone; or joins the recreation that is in progress.
func (m *Manager) Recreate(ctx context.Context, server *store.Server, backup Backup, actor string) (operation.Operation, bool, error) {
	missing, err := m.Missing(ctx, m.required(server))
	if err != nil {
		return operation.Operation{}, false, err
	}
	if len(missing) > 0 {
		return operation.Operation{}, false, imageMissing(missing)
	}
	id, name := server.ID, m.container(server.ID)
	part := operation.Server{ID: &id, Identifier: server.Identifier, SessionName: server.SessionName, Container: name, State: operation.Waiting}
	o := operation.Operation{Kind: operation.Recreate, ServerID: &id, Actor: &actor, Servers: []operation.Server{part}}
	return m.Operations.Start(o, []string{serverKey(id)}, isKind(operation.Recreate), func(ctx context.Context, set func(func(*operation.Operation))) *operation.Error {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		exists, err := m.client.ContainerExists(ctx, name)
		if err == nil && !exists {
			return operationError(m.createAgain(server, name, set))
		}
		if err != nil {
			return operationError(m.failure(err))
		}
		f := newFollower(set, "")
		options := m.recreateOptions(backup)
		options.Actor, options.OnProgress = actor, f.follow
		report, err := m.client.Recreate(ctx, name, options)
		failure := m.failure(err)
		if report != nil {
			done := operation.Operation{}
			m.recreation(&done, f, *report)
			failure = f.backupFailure(failure, &done)
			known, _ := m.serverNames()
			set(func(o *operation.Operation) {
				o.Backups = backups(report.Backups)
				for _, one := range done.Servers {
					*o.ServerOf(one.Container) = one
				}
				withServers(o.Servers, known)
				o.Warnings = append(o.Warnings, done.Warnings...)
				changed := report.Result == refit.ResultRecreated
				o.Changed = &changed
				o.From, o.To = sideOf(report.OldImageID), sideOf(report.NewImageID)
			})
		}
		return operationError(failure)
	})
}

func sideOf(image *string) *refit.HistorySide {
	if image == nil {
		return nil
	}
	return &refit.HistorySide{ID: *image}
}

// createAgain makes the container of a server that has lost it, not started.
func (m *Manager) createAgain(server *store.Server, name string, set setter) *Failure {
	phase := refit.PhaseCreating
	set(func(o *operation.Operation) {
		o.Phase = &phase
		part := o.ServerOf(name)
		part.State, part.Phase = operation.Running, &phase
	})
	_, err := m.docker.CreateContainerWithRollback(server.ID, server.SessionName, server.Port, server.QueryPort, server.RconPort, server.AdminPassword,
		server.Map, server.GameModIds, server.AutoRestart)
	failure := m.failure(err)
	set(func(o *operation.Operation) {
		part, changed := o.ServerOf(name), failure == nil
		part.State, part.Phase, part.Permille, part.Error, o.Changed = refit.ResultRecreated, nil, 1000, nil, &changed
		if failure != nil {
			part.State, part.Permille, part.Error = refit.ResultFailed, 0, operationError(failure)
		}
	})
	return failure
}
