//go:build !linux

package child

// The controller runs on Linux. Elsewhere people run commands on their own machine and their own files, where time and output are still bounded.

func limit(int, uint64) error { return nil }

func cutNetwork() error { return nil }
