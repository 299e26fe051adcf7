// Package job takes measurements by running Jobs: one that completes is good, one that fails is bad.
package job
