// Package verb is what people can do to a Rollout: promote, abort, retry, undo, pause, restart, set an image; and to an Application: sync, roll back,
// refresh, terminate, create, change, delete.
//
// Each verb reads the object, chooses the patch that the wire contract gives for the command and sends it, so that any controller
// of the API understands it. A verb answers with one sentence about what was asked for; the controller then does it in its own time.
// What cannot be done as things stand is a *Refused that says why and what to do instead. A verb whose meaning depends on what was
// read is conditional on it: it looks again after a conflict and never acts on a revision or a step that the caller did not see.
package verb
