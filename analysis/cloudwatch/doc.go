// Package cloudwatch takes measurements from Amazon CloudWatch by GetMetricData, over its Query API.
package cloudwatch
