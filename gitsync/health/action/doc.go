// Package action knows what can be done with an object besides syncing it: restart, pause, promote, run once, and what teams wrote in Lua.
//
// An action is a pure function from an object and parameters to changed and new objects; whoever runs it applies these under the rights of the one
// who asked.
package action
