// The same calls through refit.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	refit "github.com/refit-rs/refit/bindings/go"

	"github.com/refit-rs/refit/benches/go/side"
)

func main() {
	c, err := refit.Open(context.Background(), refit.Options{Connect: "lazy"})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	side.Main(map[string]side.Call{
		"inspect": func(ctx context.Context, names []string) error {
			_, err := c.ContainerInfo(ctx, names[0])
			return err
		},
		"list": func(ctx context.Context, names []string) error {
			list, err := c.ContainerList(ctx, refit.ContainerListOptions{})
			if err == nil && len(list) < 1000 {
				return fmt.Errorf("%d containers", len(list))
			}
			return err
		},
		"image": func(ctx context.Context, names []string) error {
			_, err := c.ImageStatus(ctx, names[0])
			return err
		},
		"raw": func(ctx context.Context, names []string) error {
			log, err := c.RawLogs(ctx, names[0], refit.LogOptions{})
			if err != nil {
				return err
			}
			defer log.Close()
			_, err = io.Copy(io.Discard, log)
			return err
		},
		"lines": func(ctx context.Context, names []string) error {
			follow, count := false, 0
			_, err := c.FollowLogs(ctx, names[0], refit.LogOptions{Follow: &follow, OnLine: func(line refit.LogLine) error {
				if line.Text != "" {
					count++
				}
				return nil
			}})
			if err == nil && count < 1_000_000 {
				return fmt.Errorf("%d lines", count)
			}
			return err
		},
		"stats": func(ctx context.Context, names []string) error {
			_, err := c.ContainerStats(ctx, names[0])
			return err
		},
		"pull": func(ctx context.Context, names []string) error {
			_, err := c.Pull(ctx, names[0], refit.PullOptions{OnProgress: func(refit.Progress) error { return nil }})
			return err
		},
		"checks": func(ctx context.Context, names []string) error {
			checks, err := c.CheckUpdates(ctx, names, refit.CheckOptions{})
			for _, check := range checks {
				if check.HasUpdate == nil || *check.HasUpdate {
					return fmt.Errorf("%s is %s: %w", check.Image, check.State, check.Error)
				}
			}
			return err
		},
	}, native)
}
