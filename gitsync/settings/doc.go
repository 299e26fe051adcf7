// Package settings reads the ConfigMap argocd-cm, as far as it is about objects: how their health is judged, what can be done with them, which of
// their differences count, and which of them nobody looks at.
//
// Read is pure and always gives what can be used. What cannot is told as Problems, each with the key and what to do, and changes nothing else.
package settings
