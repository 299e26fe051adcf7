// Package graphite takes measurements from the render API of Graphite.
package graphite
