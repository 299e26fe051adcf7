package invariant

// Predicate is one invariant over a T; it says what is broken, or nothing.
type Predicate[T any] struct {
	Name   string
	Broken func(*T) string
}

// OfDecisions hold for every decision, whatever becomes of its plan.
func OfDecisions() []Predicate[Decision] {
	return []Predicate[Decision]{
		{"law 3: shares follow pods", SharesFollowPods},
		{"law 4: services follow pods", ServicesFollowPods},
		{"law 3: managed routes lead to pods", ManagedRoutesLeadToPods},
		{"law 3: experiments follow pods", ExperimentsFollowPods},
		{"law 6: abort never raises", AbortNeverRaises},
		{"I2: delays are kept", DelaysAreKept},
		{"I2, I4: trouble holds", TroubleHolds},
		{"I5: the aborted never grow", AbortedNeverGrows},
		{"I6: commands are obeyed", CommandsAreObeyed},
		{"I7: starts once", StartsOnce},
		{"I7: experiments start once", ExperimentsStartOnce},
		{"I9: the successor serves first", SuccessorServesFirst},
		{"I9: stable keeps its pods", StableKeepsItsPods},
		{"I9: only the unused is deleted", OnlyTheUnusedIsDeleted},
		{"I9: the workload goes last", WorkloadGoesLast},
		{"I10: promotes on good news", PromotesOnGoodNews},
		{"I10: switches when allowed", SwitchesWhenAllowed},
		{"I10: deletions promote nothing", DeletionsPromoteNothing},
		{"I12: weights stay in range", WeightsStayInRange},
		{"I12: sizes stay in range", SizesStayInRange},
		{"I14: steps count when confirmed", StepsCountWhenConfirmed},
		{"I15: timers are absolute", TimersAreAbsolute},
		{"I17: health is of the spec", HealthIsOfTheSpec},
		{"I18: no news, no release", NoNewsNoRelease},
	}
}

// OfWrites hold for every write of a controller that knew what others did to the world and what its predecessors wrote.
func OfWrites() []Predicate[Write] {
	return append(OfStaleWrites(),
		Predicate[Write]{"I1: backends answer", BackendsAnswer},
		Predicate[Write]{"I1: services answer", ServicesAnswer},
		Predicate[Write]{"I1, I2: experiments stay while reached", ExperimentsStayWhileReached},
		Predicate[Write]{"I2: capacity follows demand", CapacityFollowsDemand},
		Predicate[Write]{"I3: stable carries its share", StableCarriesItsShare},
	)
}

// OfStaleWrites hold also for a controller that missed what its predecessors wrote.
func OfStaleWrites() []Predicate[Write] {
	return append(OfBlindWrites(),
		Predicate[Write]{"I7: takes effect once", TakesEffectOnce},
		Predicate[Write]{"I7: experiments take effect once", ExperimentsTakeEffectOnce},
	)
}

// OfBlindWrites hold for every write, also of a controller that missed what others did to the world.
func OfBlindWrites() []Predicate[Write] {
	return []Predicate[Write]{{"I6, I8: writes are conditional", WritesAreConditional}}
}

// Check gives the first predicate that is broken, by name and in its own words; both are empty if all hold.
func Check[T any](predicates []Predicate[T], subject *T) (name, broken string) {
	for _, p := range predicates {
		if broken := p.Broken(subject); broken != "" {
			return p.Name, broken
		}
	}
	return "", ""
}
