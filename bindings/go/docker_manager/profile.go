package docker_manager

import (
	"fmt"
	"strings"

	refit "github.com/refit-rs/refit/bindings/go"
)

// Profile is what is the service's own. A field that is zero has its default.
type Profile struct {
	// ContainerName, DataVolume and PluginsVolume are patterns with one %d, the server's number. Defaults: ase-server-%d, ase-server-%d,
	// ase-server-plugins-%d.
	ContainerName, DataVolume, PluginsVolume string
	// RequiredImages have to be local before a server starts; the first is the servers' own. Default: tbro98/ase-server:latest, alpine:latest.
	RequiredImages []string
	// HelperImage has a shell, for RunCommandInVolume, and for ListFiles where it is local. It is never pulled. Default: alpine:latest.
	HelperImage string
	// ConfigDir is the folder of ReadConfigFile and WriteConfigFile in the data volume. Default: Config/WindowsServer.
	ConfigDir string
	// DataMount and PluginsMount are where the default Spec mounts the volumes. Defaults: /home/steam/arkserver/ShooterGame/Saved and
	// /home/steam/arkserver/ShooterGame/Binaries/Win64/ArkApi/Plugins.
	DataMount, PluginsMount string
	// Options are refit's; Connect is always "lazy". StateDir should lie on a volume: the history and the snapshot of an interrupted recreation go
	// with the container otherwise.
	Options refit.Options
	// Spec gives the engine's body for the creation of a server's container. An error of it keeps everything as it was. Default: DefaultSpec.
	Spec func(CreateRequest) (refit.Spec, error)
	// BeforeWriteConfig gives what WriteConfigFile writes. An error of it keeps the file as it was. Default: the content as it is.
	BeforeWriteConfig func(serverID uint, file, content string) (string, error)
}

// CreateRequest are the arguments of CreateContainer, and what the profile says about this server.
type CreateRequest struct {
	ServerID                  uint
	ServerName                string
	Port, QueryPort, RconPort int
	AdminPassword             string
	MapName                   string
	GameModIds                string
	AutoRestart               bool

	Image                 string // the first of RequiredImages
	ContainerName         string
	DataVolume, DataMount string
	PluginsVolume         string
	PluginsMount          string
}

// withDefaults fills the fields that are zero.
func (p Profile) withDefaults() Profile {
	for field, value := range map[*string]string{
		&p.ContainerName: "ase-server-%d",
		&p.DataVolume:    "ase-server-%d",
		&p.PluginsVolume: "ase-server-plugins-%d",
		&p.HelperImage:   "alpine:latest",
		&p.ConfigDir:     "Config/WindowsServer",
		&p.DataMount:     "/home/steam/arkserver/ShooterGame/Saved",
		&p.PluginsMount:  "/home/steam/arkserver/ShooterGame/Binaries/Win64/ArkApi/Plugins",
	} {
		if *field == "" {
			*field = value
		}
	}
	if p.RequiredImages == nil {
		p.RequiredImages = []string{"tbro98/ase-server:latest", "alpine:latest"}
	}
	if p.Spec == nil {
		p.Spec = DefaultSpec
	}
	if p.BeforeWriteConfig == nil {
		p.BeforeWriteConfig = func(_ uint, _, content string) (string, error) { return content, nil }
	}
	return p
}

// check finds a pattern that would give all servers one name.
func (p Profile) check() error {
	for _, field := range []struct{ name, pattern string }{{"ContainerName", p.ContainerName}, {"DataVolume", p.DataVolume}, {"PluginsVolume", p.PluginsVolume}} {
		if field.pattern == "" {
			continue
		}
		if strings.Count(field.pattern, "%") != 1 || strings.Contains(fmt.Sprintf(field.pattern, uint(1)), "%!") {
			return invalid("configure", "Profile.%s is %q: it needs one %%d for the server's number", field.name, field.pattern)
		}
	}
	return nil
}

func (dm *DockerManager) containerName(serverID uint) string {
	return fmt.Sprintf(dm.profile.ContainerName, serverID)
}

func (dm *DockerManager) dataVolume(serverID uint) string {
	return fmt.Sprintf(dm.profile.DataVolume, serverID)
}

func (dm *DockerManager) pluginsVolume(serverID uint) string {
	return fmt.Sprintf(dm.profile.PluginsVolume, serverID)
}

func invalid(op, format string, values ...any) error {
	return &refit.Error{Code: refit.CodeInvalidArgument, Op: op, Message: fmt.Sprintf(format, values...)}
}
