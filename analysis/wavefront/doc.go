// Package wavefront takes measurements from the chart API of Wavefront.
package wavefront
