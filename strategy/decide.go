package strategy

// Decide says what is left to write so that the world becomes what the Rollout asks for.
// It reads nothing but the Observation, changes nothing in it, and gives the same plan for the same input.
func Decide(o Observation) Plan {
	o.Revisions = believable(o.Revisions, o.Pods)
	at := advance(&o)
	var plan Plan
	planTraffic(&o, at, &plan)
	planServices(&o, at, &plan)
	planReplicas(&o, at, &plan)
	planRuns(&o, at, &plan)
	planExperiments(&o, at, &plan)
	planRestart(&o, at, &plan)
	planWorkload(&o, at, &plan)
	planStamp(&o, at, &plan)
	planStatus(&o, at, &plan)
	return plan
}
