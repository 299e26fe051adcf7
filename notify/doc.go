// Package notify decides which messages a transition of a Rollout causes, to whom they go and what they say.
//
// It reads the format of Argo's notifications: a ConfigMap with trigger.*, template.*, service.* and subscriptions, a Secret for $keys, and
// annotations on Rollouts. Nothing here sends: a Plan says what is due, a Record remembers on the Rollout what is due and up to where it was
// told, and Sender is the port that package notify/service implements. What is wrong in one key of the ConfigMap spoils that key alone.
package notify
