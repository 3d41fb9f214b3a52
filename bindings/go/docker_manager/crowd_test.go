package docker_manager

import (
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/refit-rs/refit/bindings/go/internal/lab"
)

// A service has a goroutine for every request: 64 of them make every kind of call on one manager.
func TestSixtyFourGoroutinesOnOneManager(t *testing.T) {
	t.Parallel()
	name := lab.Scope(t, "crowd")
	image := lab.Pull(t, name, "1").Reference
	dm := managed(t, profileOf(name, image))
	web := name + "-web"
	lab.Run(t, web, map[string]any{"Image": image, "Entrypoint": []string{"sh", "-c"}, "Cmd": []string{"echo line; exec sleep 1000"}})
	var all sync.WaitGroup
	for i := range 64 {
		all.Add(1)
		go func() {
			defer all.Done()
			for what, call := range reading(dm, image, web) {
				if err := call(); err != nil {
					t.Errorf("%d: %s: %v", i, what, err)
				}
			}
			// A server of its own for some of them.
			if i%8 != 0 {
				return
			}
			if err := served(dm, uint(i)); err != nil {
				t.Errorf("%d: %v", i, err)
			}
		}()
	}
	all.Wait()
	if dm.isPulling(image) {
		t.Error("it is still pulling")
	}
}

// reading changes nothing.
func reading(dm *DockerManager, image, web string) map[string]func() error {
	return map[string]func() error{
		"exists": func() error { _, err := dm.ImageExists(image); return err },
		"pull":   func() error { return dm.PullImage(image) },
		"status": func() error {
			if status := dm.GetImageStatus(image); !status.Ready || status.Error != "" {
				return fmt.Errorf("%+v", status)
			}
			return nil
		},
		"info":       func() error { _, err := dm.GetImageInfo(image); return err },
		"check":      func() error { _, err := dm.CheckImageUpdate(image); return err },
		"required":   dm.EnsureRequiredImages,
		"containers": func() error { _, err := dm.GetContainersByImage(image); return err },
		"container": func() error {
			if status, err := dm.GetContainerStatus(web); status != "running" || err != nil {
				return fmt.Errorf("%s: %w", status, err)
			}
			return nil
		},
		"environment": func() error { _, err := dm.GetContainerEnvVars(web); return err },
		"logs":        func() error { _, err := dm.GetContainerLogs(web, 10); return err },
		"stats":       func() error { _, err := dm.GetContainerStats(web); return err },
		"command": func() error {
			if output, err := dm.ExecuteCommand(web, "echo here"); output != "here\n" || err != nil {
				return fmt.Errorf("%q: %w", output, err)
			}
			return nil
		},
		"stream": func() error {
			stream, err := dm.StreamContainerLogs(web, true, "all")
			if err != nil {
				return err
			}
			if _, err := io.ReadFull(stream, make([]byte, 8)); err != nil {
				return err
			}
			return stream.Close()
		},
	}
}

// served is a server's life.
func served(dm *DockerManager, id uint) error {
	if _, err := dm.CreateContainerWithRollback(id, fmt.Sprint("server ", id), 7777, 27015, 32330, "secret", "TheIsland", "", false); err != nil {
		return err
	}
	if err := dm.WriteConfigFile(id, "Game.ini", fmt.Sprint(id)); err != nil {
		return err
	}
	if text, err := dm.ReadConfigFile(id, "Game.ini"); text != fmt.Sprint(id) || err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	if files, err := dm.ListFiles(dm.dataVolume(id), "/data", "/data/Config/WindowsServer"); len(files) != 1 || err != nil {
		return fmt.Errorf("%v: %w", files, err)
	}
	if err := dm.RemoveContainer(dm.containerName(id)); err != nil {
		return err
	}
	return dm.RemoveVolume(id)
}
