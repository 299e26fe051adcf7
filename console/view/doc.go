// Package view holds the read models that every face shows: the terminal prints them, and their JSON is the dashboard's API.
//
// Of builds a Rollout's model from its family, and Load, Watch and WatchAll gather what it needs. Of is pure: time comes in as an argument,
// so a face can redraw a countdown every second without asking the API server anything.
package view
