// Is there a newer image? Nothing is pulled.
package main

import (
	"context"
	"fmt"
	"os"

	refit "github.com/refit-rs/refit/bindings/go"
)

func main() {
	client, err := refit.Open(context.Background(), refit.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer client.Close()
	check, err := client.CheckUpdate(context.Background(), os.Args[1], refit.CheckOptions{})
	if check == nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("  ", check.State, err)
}
