package docker_manager

import (
	"fmt"
	"strings"

	refit "github.com/refit-rs/refit/bindings/go"
)

// DefaultSpec is the create body where [Profile] has no Spec: both volumes, the ports port, port+1, queryPort and rconPort by UDP and TCP, the
// environment TZ, SERVER_ARGS and GameModIds, restart policy unless-stopped or no, and no labels.
func DefaultSpec(r CreateRequest) (refit.Spec, error) {
	exposed, published := map[string]any{}, map[string]any{}
	for _, port := range []int{r.Port, r.Port + 1, r.QueryPort, r.RconPort} {
		if port < 1 || port > 65535 {
			return nil, invalid("container_create", "the container %s cannot have the port %d: a port is 1 to 65535", r.ContainerName, port)
		}
		for _, protocol := range []string{"udp", "tcp"} {
			name := fmt.Sprintf("%d/%s", port, protocol)
			exposed[name] = map[string]any{}
			published[name] = []map[string]string{{"HostIp": "", "HostPort": fmt.Sprint(port)}}
		}
	}
	restart := "no"
	if r.AutoRestart {
		restart = "unless-stopped"
	}
	mounts := []map[string]any{
		{"Type": "volume", "Source": r.DataVolume, "Target": r.DataMount},
		{"Type": "volume", "Source": r.PluginsVolume, "Target": r.PluginsMount},
	}
	return refit.Spec{
		"Image":        r.Image,
		"Env":          []string{"TZ=Asia/Shanghai", "SERVER_ARGS=" + serverArgs(r), "GameModIds=" + r.GameModIds},
		"ExposedPorts": exposed,
		"HostConfig": map[string]any{
			"PortBindings":  published,
			"RestartPolicy": map[string]any{"Name": restart},
			"Mounts":        mounts,
		},
	}, nil
}

// serverArgs is the command line of the game, with ? between its options.
func serverArgs(r CreateRequest) string {
	words := []string{r.MapName, "listen", fmt.Sprintf("Port=%d", r.Port), fmt.Sprintf("QueryPort=%d", r.QueryPort), "RCONEnabled=True",
		fmt.Sprintf("RCONPort=%d", r.RconPort), "SessionName=" + r.ServerName, "ServerAdminPassword=" + r.AdminPassword}
	if r.GameModIds != "" {
		words = append(words, "GameModIds="+r.GameModIds)
	}
	return strings.Join(words, "?")
}
