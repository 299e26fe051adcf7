// Package skywalking takes measurements by GraphQL from the observability analysis platform of Apache SkyWalking.
package skywalking
