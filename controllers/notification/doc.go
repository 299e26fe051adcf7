// Package notification tells people and programs what happens to Rollouts, beside the loops and never inside of one.
//
// The Rollout controller says what it sees and what it tells; both only put something into memory. From there a worker writes what is due into an
// annotation of the Rollout, and only then lanes send it, one lane a service, so that a server that hangs keeps nobody else waiting. What was
// delivered is taken out of the annotation. After a restart the annotation and the status say what is still to be told; a message that was on
// its way when a process was killed is sent once more.
package notification
