package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
)

// FreePorts finds ports of the loopback interface that nobody listens on. Between this and their use somebody else
// may take one; the server that comes too late says so in its log.
func FreePorts(count int) ([]int, error) {
	var ports []int
	var problems []error
	for range count {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("looking for a free port: %w", err)
		}
		// Closed only at the end, so that no port is found twice.
		defer func() { problems = append(problems, listener.Close()) }()
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports, errors.Join(problems...)
}

// Answers makes a probe that succeeds once a URL answers with 200.
func Answers(client *http.Client, url string) func(context.Context) error {
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		if err := response.Body.Close(); err != nil {
			return err
		}
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", url, response.Status)
		}
		return nil
	}
}
