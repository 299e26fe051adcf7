// Package service delivers messages: to a webhook, to Slack, by mail and to an Alertmanager.
//
// A sender makes one attempt, whose time is bounded by the context, and says whether another one could help. Whether and when there is another is
// for the caller to decide.
package service
