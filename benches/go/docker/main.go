// Docker's own Go client, as a service calls it.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/refit-rs/refit/benches/go/side"
)

func main() {
	c, err := client.New(client.FromEnv)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	side.Main(map[string]side.Call{
		"inspect": func(ctx context.Context, names []string) error {
			_, err := c.ContainerInspect(ctx, names[0], client.ContainerInspectOptions{})
			return err
		},
		"list": func(ctx context.Context, names []string) error {
			list, err := c.ContainerList(ctx, client.ContainerListOptions{All: true})
			if err == nil && len(list.Items) < 1000 {
				return fmt.Errorf("%d containers", len(list.Items))
			}
			return err
		},
		"image": func(ctx context.Context, names []string) error {
			_, err := c.ImageInspect(ctx, names[0])
			return err
		},
		"raw": func(ctx context.Context, names []string) error {
			log, err := logs(ctx, c, names[0])
			if err != nil {
				return err
			}
			defer log.Close()
			_, err = io.Copy(io.Discard, log)
			return err
		},
		"lines": func(ctx context.Context, names []string) error { return lines(ctx, c, names[0]) },
		"stats": func(ctx context.Context, names []string) error { return stats(ctx, c, names[0]) },
		"pull": func(ctx context.Context, names []string) error {
			answer, err := c.ImagePull(ctx, names[0], client.ImagePullOptions{})
			if err != nil {
				return err
			}
			defer answer.Close()
			for message, err := range answer.JSONMessages(ctx) {
				if err != nil {
					return err
				}
				if message.Error != nil {
					return message.Error
				}
			}
			return nil
		},
		"checks": func(ctx context.Context, names []string) error { return checks(ctx, c, names) },
	}, nil)
}

func logs(ctx context.Context, c *client.Client, name string) (io.ReadCloser, error) {
	return c.ContainerLogs(ctx, name, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true})
}

// lines reads the log as lines of text, both streams.
func lines(ctx context.Context, c *client.Client, name string) error {
	log, err := logs(ctx, c, name)
	if err != nil {
		return err
	}
	defer log.Close()
	read, write := io.Pipe()
	go func() {
		_, err := stdcopy.StdCopy(write, write, log)
		write.CloseWithError(err)
	}()
	scanner, count := bufio.NewScanner(read), 0
	for scanner.Scan() {
		if scanner.Text() != "" {
			count++
		}
	}
	if scanner.Err() == nil && count < 1_000_000 {
		return fmt.Errorf("%d lines", count)
	}
	return scanner.Err()
}

// stats asks for two samples a second apart, as refit does.
func stats(ctx context.Context, c *client.Client, name string) error {
	answer, err := c.ContainerStats(ctx, name, client.ContainerStatsOptions{IncludePreviousSample: true})
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var sample container.StatsResponse
	return json.NewDecoder(answer.Body).Decode(&sample)
}

// checks compares the digest of each image with the one that the engine gets from the registry, eight at a time.
func checks(ctx context.Context, c *client.Client, images []string) error {
	var all sync.WaitGroup
	places, errs := make(chan struct{}, 8), make([]error, len(images))
	for i, image := range images {
		all.Add(1)
		places <- struct{}{}
		go func() {
			defer all.Done()
			defer func() { <-places }()
			errs[i] = check(ctx, c, image)
		}()
	}
	all.Wait()
	return errors.Join(errs...)
}

func check(ctx context.Context, c *client.Client, image string) error {
	local, err := c.ImageInspect(ctx, image)
	if err != nil {
		return err
	}
	remote, err := c.DistributionInspect(ctx, image, client.DistributionInspectOptions{})
	if err != nil {
		return err
	}
	for _, digest := range local.RepoDigests {
		if strings.HasSuffix(digest, "@"+remote.Descriptor.Digest.String()) {
			return nil
		}
	}
	return fmt.Errorf("%s has an update, and none was published", image)
}
