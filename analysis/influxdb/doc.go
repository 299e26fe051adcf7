// Package influxdb takes measurements from InfluxDB by Flux, over its API v2.
package influxdb
