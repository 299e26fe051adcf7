package app

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// badRate is the share of failures of an image whose tag says "bad".
const badRate = 0.5

// mostCapacity is beyond what one process on one machine answers.
const mostCapacity = 1_000_000

// hashLabel is the label by which a rollout tells its revisions apart.
const hashLabel = "rollouts-pod-template-hash"

// Config says how one instance behaves. ErrorRate is a share from 0 to 1, Capacity a number of requests per second, 0 for no bound.
type Config struct {
	Pod       string
	Version   string
	Hash      string
	ErrorRate float64
	Latency   time.Duration
	Capacity  float64
}

// Describe reads the behaviour of one container from its pod; an environment value that cannot be read is an error.
func Describe(pod *corev1.Pod, container *corev1.Container) (Config, error) {
	version := Tag(container.Image)
	c := Config{Pod: pod.Name, Version: version, Hash: pod.Labels[hashLabel]}
	if slices.Contains(strings.Split(version, "-"), "bad") {
		c.ErrorRate = badRate
	}
	for _, e := range container.Env {
		if err := c.set(e.Name, e.Value); err != nil {
			return Config{}, fmt.Errorf("reading env %s of container %s: %w", e.Name, container.Name, err)
		}
	}
	return c, nil
}

func (c *Config) set(name, value string) error {
	var err error
	switch name {
	case "ERROR_RATE":
		c.ErrorRate, err = strconv.ParseFloat(value, 64)
		if err == nil && !(c.ErrorRate >= 0 && c.ErrorRate <= 1) {
			err = fmt.Errorf("%q is not between 0 and 1", value)
		}
	case "LATENCY":
		c.Latency, err = time.ParseDuration(value)
	case "CAPACITY":
		c.Capacity, err = strconv.ParseFloat(value, 64)
		if err == nil && !(c.Capacity > 0 && c.Capacity <= mostCapacity) {
			err = fmt.Errorf("%q is not above 0 and at most %d", value, mostCapacity)
		}
	}
	return err
}

// Tag returns the tag of an image, or "latest"; a digest counts as the tag where there is no other.
func Tag(image string) string {
	name, digest, _ := strings.Cut(image, "@")
	if _, tag, found := strings.Cut(name[strings.LastIndex(name, "/")+1:], ":"); found {
		return tag
	}
	if digest != "" {
		return digest
	}
	return "latest"
}
