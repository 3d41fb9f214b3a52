//go:build cgo && !refit_dynamic && !(linux && amd64) && !(linux && arm64 && !musl)

package refit

// The name of what is not defined is the message.
var _ = refit_has_archives_for_linux_amd64_and_arm64_and_with_the_tag_musl_for_amd64__elsewhere_build_with_the_tag_refit_dynamic
