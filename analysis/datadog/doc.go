// Package datadog takes measurements from Datadog: timeseries queries of API v1, and scalar queries with formulas of API v2.
package datadog
