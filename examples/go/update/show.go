package main

import (
	"fmt"
	"strings"
	"time"

	refit "github.com/refit-rs/refit/bindings/go"
)

var actions = map[string]string{
	"recreate_and_start": "will be replaced and run again",
	"recreate":           "will be replaced and stay stopped",
	"up_to_date":         "is up to date",
	"other_reference":    "was made from another reference: left alone",
	"refused":            "cannot be replaced",
}

func showPlan(plan *refit.Plan) {
	fmt.Printf("%s: %s", plan.Image, strings.ReplaceAll(plan.Check.State, "_", " "))
	if local, remote := plan.Check.Local, plan.Check.Remote; local != nil && remote != nil && local.Version != nil && remote.Version != nil {
		fmt.Printf(", %s → %s", *local.Version, *remote.Version)
	}
	if plan.DownloadBytes != nil {
		fmt.Printf(", %s to download", size(uint64(*plan.DownloadBytes)))
	}
	fmt.Println()
	for _, container := range plan.Containers {
		fmt.Printf("  %s (%s) %s", container.Container, container.State, actions[container.Action])
		if container.Reason != nil {
			fmt.Printf(": %s", *container.Reason)
		}
		fmt.Println()
	}
	for _, change := range plan.ImageChanges {
		fmt.Printf("  the new image's %s: %v → %v\n", change.Field, change.Before, change.After)
	}
	for _, warning := range plan.Warnings {
		fmt.Println("  note:", warning.Message)
	}
}

func showReport(report *refit.UpdateReport) {
	for _, container := range report.Containers {
		fmt.Printf("  %s: %s", container.Container, strings.ReplaceAll(container.Result, "_", " "))
		if container.DowntimeMS != nil {
			fmt.Printf(", away for %v", time.Duration(*container.DowntimeMS)*time.Millisecond)
		}
		if container.Error != nil {
			fmt.Printf(": %s", container.Error.Message)
		}
		fmt.Println()
	}
	fmt.Printf("%s: tag %s, %v in all\n", report.Image, report.Tag, time.Duration(report.ElapsedMS)*time.Millisecond)
}
