// Package gitsync tests Git-sync as it is shipped: the built controller, repositories that git serves, and Rollouts with pods behind a gateway.
package gitsync
