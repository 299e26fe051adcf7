// Package gatewayapi holds a Split in routes of the Gateway API: HTTPRoute, GRPCRoute, TCPRoute and TLSRoute.
//
// A route belongs to its user. What the router owns in it is this, and nothing else is ever written:
//
//   - In every rule that has both the stable and the canary Service as backends: the weights of these two, and the
//     backends of the experiments that the Split names. Other backends keep their weight, and the Split divides
//     what they leave.
//   - Rules that carry the name of a managed route, or that name with a number behind it, and that send either everything to the
//     canary (a header route) or a copy of each request to it (a mirror route).
//
// A rule with only one of the two Services is the user's own decision: it is neither written nor counted in an observation.
// A rule with only the stable Service therefore goes on sending all of its requests there at any weight of the canary.
//
// Routes are handled as unstructured objects, so that a field that is newer than this program is never lost.
// A change is one JSON patch a route, which begins with a test of the resource version and tests the name of everything
// that it is about to change, so an edit of somebody else between reading and writing is never overwritten. The labels of a route are left alone.
//
// Managed rules stand before the rules of the user, in the order of managedRoutes. The Gateway API prefers the more specific match and
// looks at the order only on a tie. A managed rule copies the matches of the rule that it refines and adds to them,
// so it wins over that rule wherever it stands; among managed routes the one with more headers wins, and the
// order of managedRoutes decides between those with equally many.
//
// Reads go through the client that the router is given. With a cache behind it that includes unstructured objects, the routes
// are watched and an observation costs no request.
package gatewayapi
