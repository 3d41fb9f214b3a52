//go:build !cgo

package refit

// The name of what is not defined is the message.
var _ = refit_is_a_C_library__build_with_CGO_ENABLED_1_and_a_C_compiler
