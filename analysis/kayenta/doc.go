// Package kayenta lets Spinnaker's Kayenta judge a canary: it starts an execution, and looks again until there is a score.
package kayenta
