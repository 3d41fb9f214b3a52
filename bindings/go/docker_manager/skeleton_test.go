package docker_manager_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"

	refit "github.com/refit-rs/refit/bindings/go"
	"github.com/refit-rs/refit/bindings/go/docker_manager"
)

// These are the calls as the service makes them. It compiles, or a call is not what it was.
type calls interface {
	ImageExists(imageName string) (bool, error)
	PullImage(imageName string) error
	PullImageWithProgress(imageName string) error
	WaitForImage(imageName string, timeout int) (bool, error)
	GetImageStatus(imageName string) *docker_manager.ImageStatus
	GetImageInfo(imageName string) (*docker_manager.ImageInfo, error)
	GetImageHistory(imageName string) ([]docker_manager.ImageHistoryEntry, error)
	CheckImageUpdate(imageName string) (bool, error)
	CheckImageUpdates(images []string) (map[string]bool, error)
	ValidateRequiredImages() ([]string, error)
	EnsureRequiredImages() error
	GetContainersByImage(imageName string) ([]docker_manager.ContainerInfo, error)
	UpdateImage(imageName string) (*refit.UpdateReport, error)
	RemoveOldImage(imageName string, keepLatest bool) error
	CreateContainer(serverID uint, serverName string, port, queryPort, rconPort int, adminPassword, mapName, gameModIds string, autoRestart bool) (string, error)
	CreateContainerWithRollback(serverID uint, serverName string, port, queryPort, rconPort int, adminPassword, mapName, gameModIds string, autoRestart bool) (containerID string, err error)
	RecreateContainer(serverID uint) error
	StartContainer(containerName string) error
	StopContainer(containerName string) error
	RemoveContainer(containerName string) error
	ContainerExists(containerName string) (bool, error)
	GetContainerStatus(containerName string) (string, error)
	GetContainerEnvVars(containerName string) (map[string]string, error)
	GetContainerLogs(containerName string, tail int) (string, error)
	StreamContainerLogs(containerName string, follow bool, tail string) (io.ReadCloser, error)
	GetContainerStats(containerName string) (*docker_manager.ContainerStats, error)
	ExecuteCommand(containerName, command string) (string, error)
	CreateVolume(serverID uint) (string, error)
	RemoveVolume(serverID uint) error
	VolumeExists(volumeName string) (bool, error)
	CreateSingleVolume(volumeName string) error
	RemoveSingleVolume(volumeName string) error
	ReadConfigFile(serverID uint, fileName string) (string, error)
	WriteConfigFile(serverID uint, fileName, content string) error
	ListFiles(volumeName, mountPath, path string) ([]docker_manager.FileInfo, error)
	WriteFileToVolume(volumeName, mountPath, destPath string, content io.Reader) error
	ReadFileFromVolume(volumeName, mountPath, path string) (io.ReadCloser, error)
	RunCommandInVolume(volumeName, mountPath string, cmd []string) (string, error)
	RunCommandInVolumeResult(volumeName, mountPath string, cmd []string) (*docker_manager.CommandResult, error)
	BackupVolume(volumeName, filename string, w io.Writer) error
	RestoreVolume(volumeName, filename string, src io.Reader) error
}

var _ calls = (*docker_manager.DockerManager)(nil)

var (
	_ func(docker_manager.Profile) error                     = docker_manager.Configure
	_ func() (*docker_manager.DockerManager, error)          = docker_manager.GetDockerManager
	_ func() error                                           = docker_manager.CloseDockerManager
	_ func() error                                           = docker_manager.CheckDockerStatus
	_ func(imageName string) bool                            = docker_manager.IsImagePulling
	_ func(s string) string                                  = docker_manager.ShellQuote
	_ func() *docker_manager.RollbackManager                 = docker_manager.NewRollbackManager
	_ func(docker_manager.CreateRequest) (refit.Spec, error) = docker_manager.DefaultSpec
)

// servers is a service that is written as the first user's is.
type servers struct {
	required []string
}

// start is what main does, and what it does no more: it pulls nothing.
func (s *servers) start() error {
	return docker_manager.Configure(docker_manager.Profile{
		ContainerName: "ase-server-%d", DataVolume: "ase-server-%d", PluginsVolume: "ase-server-plugins-%d",
		RequiredImages: s.required, HelperImage: "alpine:latest", ConfigDir: "Config/WindowsServer",
		DataMount: "/home/steam/arkserver/ShooterGame/Saved", PluginsMount: "/home/steam/arkserver/ShooterGame/Binaries/Win64/ArkApi/Plugins",
		Options: refit.Options{StateDir: "/app/data/refit"},
		Spec: func(r docker_manager.CreateRequest) (refit.Spec, error) {
			return refit.Spec{"Image": r.Image, "Labels": map[string]string{"server": r.ServerName}}, nil
		},
		BeforeWriteConfig: func(serverID uint, file, content string) (string, error) { return content, nil },
	})
}

func (s *servers) startServer(w http.ResponseWriter, name string) {
	dm, err := docker_manager.GetDockerManager()
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	if missing, err := dm.ValidateRequiredImages(); err != nil || len(missing) > 0 {
		w.WriteHeader(http.StatusConflict)
		json.NewEncoder(w).Encode(map[string]any{"error": "pull these images first", "missing": missing})
		return
	}
	if status, _ := dm.GetContainerStatus(name); status != "running" {
		err = dm.StartContainer(name)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func (s *servers) images(w http.ResponseWriter) {
	dm, err := docker_manager.GetDockerManager()
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	images, pulling := map[string]*docker_manager.ImageStatus{}, false
	for _, image := range s.required {
		images[image] = dm.GetImageStatus(image)
		pulling = pulling || docker_manager.IsImagePulling(image)
	}
	json.NewEncoder(w).Encode(map[string]any{"images": images, "any_pulling": pulling})
}

func (s *servers) create(id uint, name string) (err error) {
	dm, err := docker_manager.GetDockerManager()
	if err != nil {
		return err
	}
	rollback := docker_manager.NewRollbackManager()
	defer func() {
		if err != nil && rollback.Count() > 0 {
			_ = rollback.Rollback()
			return
		}
		rollback.Clear()
	}()
	volume, err := dm.CreateVolume(id)
	if err != nil {
		return err
	}
	rollback.AddAction("volume", volume, "removing the volumes", func() error { return dm.RemoveVolume(id) })
	if err = dm.WriteConfigFile(id, "GameUserSettings.ini", "[ServerSettings]\n"); err != nil {
		return err
	}
	_, err = dm.CreateContainerWithRollback(id, name, 7777, 27015, 32330, "secret", "TheIsland", "", true)
	return err
}

func (s *servers) backup(volume string) ([]byte, error) {
	dm, err := docker_manager.GetDockerManager()
	if err != nil {
		return nil, err
	}
	var archive bytes.Buffer
	if err := dm.BackupVolume(volume, "backup.tar.gz", &archive); err != nil {
		return nil, err
	}
	return archive.Bytes(), dm.RestoreVolume(volume, "backup.tar.gz", bytes.NewReader(archive.Bytes()))
}

var _ = []any{(*servers).start, (*servers).startServer, (*servers).images, (*servers).create, (*servers).backup}
