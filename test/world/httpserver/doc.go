// Package httpserver makes the HTTP servers of the world, which end as soon as their last request has.
package httpserver
