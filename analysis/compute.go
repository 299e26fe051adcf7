package analysis

// Compute evaluates an expression over values that are no reading, within the limits of a condition of a metric.
func Compute(source string, values map[string]any) (any, error) { return run(source, values) }
