package docker_manager

import (
	"fmt"
	"time"
)

// ImageStatus is whether an image is local, and what this process does to it.
type ImageStatus struct {
	Exists  bool `json:"exists"`
	Pulling bool `json:"pulling"` // from the entry of a pull or an update until it returns, its recreations included
	Ready   bool `json:"ready"`   // a container can be made from it; stays true while a newer one is pulled
	// Error is the sentence of the last pull or update that failed, until the next begins; or why the status is not known.
	Error        string                  `json:"error"`
	CurrentLayer string                  `json:"current_layer"`
	Layers       map[string]*LayerStatus `json:"layers"` // never nil, and the caller's own
	// HasUpdate is what the last check found. Nil: it is not known, because the image is not local, was never checked, the last check failed, or
	// somebody else has pulled it since.
	HasUpdate *bool `json:"has_update"`
}

// LayerStatus is a layer of a pull in progress.
type LayerStatus struct {
	ID       string `json:"id"`
	Size     int64  `json:"size"` // bytes; 0 while that is not known
	Progress int64  `json:"progress"`
	Status   string `json:"status"` // pending, downloading, extracting, verifying, complete
}

// ImageInfo is a local image.
type ImageInfo struct {
	ID           string     `json:"id"`
	Tags         []string   `json:"tags"`
	Size         int64      `json:"size"`
	Created      string     `json:"created"` // RFC 3339; "" when the image does not say it
	Digests      []string   `json:"digests"`
	Version      *string    `json:"version"` // its label org.opencontainers.image.version
	Architecture string     `json:"architecture"`
	OS           string     `json:"os"`
	LastChecked  *time.Time `json:"last_checked"`
}

// ImageHistoryEntry is one step of how an image was built, newest first.
type ImageHistoryEntry struct {
	ID        string `json:"id"`      // "<missing>" where the engine has none
	Created   int64  `json:"created"` // Unix seconds; 0 when that is not known
	CreatedBy string `json:"created_by"`
	Size      int64  `json:"size"`
	Comment   string `json:"comment"`
}

// ContainerInfo is a container in a list.
type ContainerInfo struct {
	ID     string `json:"id"`
	Name   string `json:"name"`   // without a slash
	Image  string `json:"image"`  // the reference that it was created from, also after the tag has moved
	Status string `json:"status"` // the engine's words: Up 3 minutes
	State  string `json:"state"`  // running, exited, …
}

// FileInfo is a file in a list.
type FileInfo struct {
	Name    string `json:"name"`
	IsDir   bool   `json:"is_dir"`
	Size    int64  `json:"size"`
	Mode    string `json:"mode"`     // octal: 755
	ModTime string `json:"mod_time"` // Unix seconds
}

// ContainerStats is what a container uses, as docker stats counts it. MB are 1024² bytes.
type ContainerStats struct {
	CPUPercent    float64 `json:"cpu_percent"` // of one processor
	CPUCores      int     `json:"cpu_cores"`
	MemoryUsageMB float64 `json:"memory_usage_mb"` // without the pages of files that can be dropped
	MemoryLimitMB float64 `json:"memory_limit_mb"`
	MemoryPercent float64 `json:"memory_percent"`
	NetworkRxMB   float64 `json:"network_rx_mb"` // 0 with the machine's network, which the engine does not count
	NetworkTxMB   float64 `json:"network_tx_mb"`
	SampledAt     int64   `json:"sampled_at"` // Unix seconds
}

// CommandResult is what a command in a volume has done.
type CommandResult struct {
	Output   string `json:"output"` // stdout and stderr in the order in which they came, trimmed; the newest 16 MiB
	ExitCode int    `json:"exit_code"`
}

// ExitError is a command that ended with another exit code than 0.
type ExitError struct {
	Container string
	ExitCode  int
	LastLine  string // of its output
}

// Error says where the command ran and what it said last.
func (e *ExitError) Error() string {
	text := fmt.Sprintf("the command in the container %s ended with exit code %d", e.Container, e.ExitCode)
	if e.LastLine != "" {
		text += ": " + e.LastLine
	}
	return text
}
