// Package gateway stands in for a data plane of the Gateway API, for HTTP and for one Gateway.
//
// It follows HTTPRoutes, GRPCRoutes, Services and EndpointSlices, and proxies real requests from one loopback listener
// to the pods' loopback addresses (package podnet): matches in the order of precedence that the Gateway API gives,
// backends by weight in an even sequence (weights 90 and 10 make every tenth request the other's, without chance),
// endpoints in turn, header modifiers and mirrors. Endpoints that are not ready or that are ending get no request.
// A GRPCRoute is matched in its path form, POST /service/method.
//
// A route is programmed first and its status written after, so that Accepted for a generation is never a lie. A
// request that a backend should have had and did not get is lost: it is answered with the header LostHeader, which
// says why, and counted. Backends of other namespaces are refused, since ReferenceGrants are not read.
package gateway
